"""Bodies that change one account at the same time share a transaction, and each hears of nothing but its own fate."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from msgspec import structs

from holdfast.catalog.postgres import groups
from holdfast.catalog.postgres.catalog import PostgresCatalog
from holdfast.catalog.postgres.sessions import Session
from holdfast.catalog.postgres.settings import Limits
from holdfast.core.errors import Conflict, NotFound, Unavailable
from holdfast.core.model import Ledger
from holdfast.core.ports import AccountKey, AttachmentQuery, LedgerKey, Tx, UsageQuery, Window
from tests.catalog import rows
from tests.catalog.worlds import adding
from tests.engines.postgres import fresh_catalog

Body = Callable[[Tx], Awaitable[int]]
AT_ONCE = 8


@pytest.fixture
async def catalog(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PostgresCatalog]:
    # On a busy machine a group would end before all have joined it.
    monkeypatch.setattr(groups, "SECONDS", 60.0)
    async with fresh_catalog() as opened:
        for account in (1, 2):
            await opened.transact(adding([rows.account(account), rows.ledger(account)]))
        yield opened


@pytest.fixture
def commits(catalog: PostgresCatalog, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the catalog sends from now on that ends a transaction."""
    sent: list[str] = []
    run = Session.run

    async def noting(self: Session, statements: Any, seconds: float) -> Any:
        sent.extend(each.text for each in statements if each.text == "COMMIT")
        return await run(self, statements, seconds)

    monkeypatch.setattr(Session, "run", noting)
    return sent


async def booked(tx: Tx, account: int = 1) -> Ledger:
    """The ledger with one attachment more."""
    ledger = await tx.get(LedgerKey(account))
    assert ledger is not None
    more = structs.replace(ledger, attachments=ledger.attachments + 1)
    await tx.save(more)
    return more


def uploading(
    n: int, account: int = 1, *, flaw: Exception | None = None, sent: bool = False, id: str | None = None
) -> Body:
    """Adds an attachment and books it; with a flaw it fails then, `sent` after a read that has sent its writes."""

    async def body(tx: Tx) -> int:
        assert await tx.get(LedgerKey(account)) is not None
        assert await tx.get(AccountKey(account)) is not None
        await tx.add(rows.attachment(n, account, **({} if id is None else {"id": id})))
        number = (await booked(tx, account)).attachments
        if sent:
            await tx.find(UsageQuery(account))
        if flaw is not None:
            raise flaw
        return number

    return body


async def outcomes(catalog: PostgresCatalog, *bodies: Body) -> list[Any]:
    return await asyncio.gather(*(catalog.transact(body) for body in bodies), return_exceptions=True)


async def names(catalog: PostgresCatalog, account: int = 1) -> list[str]:
    """Of the account's attachments, after a look at what is booked."""
    found = (await catalog.find(AttachmentQuery(account, Window(100)))).items
    assert (await catalog.find(UsageQuery(account))).items[0].attachments == len(found)
    return sorted(each.name for each in found)


def named(*numbers: int) -> list[str]:
    return sorted(rows.attachment(n).name for n in numbers)


async def test_those_who_come_at_once_are_committed_at_once(catalog: PostgresCatalog, commits: list[str]) -> None:
    assert await outcomes(catalog, *map(uploading, range(AT_ONCE))) == list(range(1, AT_ONCE + 1))
    assert len(commits) == 1
    assert await names(catalog) == named(*range(AT_ONCE))


async def test_a_group_has_so_many_seats_and_no_more(catalog: PostgresCatalog, commits: list[str]) -> None:
    assert len(await outcomes(catalog, *map(uploading, range(groups.SEATS + 1)))) == groups.SEATS + 1
    assert len(commits) == 2
    assert await names(catalog) == named(*range(groups.SEATS + 1))


async def test_a_group_is_of_one_account(catalog: PostgresCatalog, commits: list[str]) -> None:
    assert await outcomes(catalog, uploading(1), uploading(2, 2), uploading(3), uploading(4, 2)) == [1, 1, 2, 2]
    assert len(commits) == 2


async def test_who_comes_alone_has_a_transaction_alone(catalog: PostgresCatalog, commits: list[str]) -> None:
    for n in range(3):
        await catalog.transact(uploading(n))
    assert len(commits) == 3


async def test_who_fails_before_its_writes_were_sent_costs_the_others_nothing(
    catalog: PostgresCatalog, commits: list[str]
) -> None:
    flaw = NotFound("record")
    bodies = [uploading(n, flaw=flaw if n == 3 else None) for n in range(AT_ONCE)]
    found = await outcomes(catalog, *bodies)
    assert found == [1, 2, 3, flaw, 4, 5, 6, 7]
    assert len(commits) == 1
    assert await names(catalog) == named(*(n for n in range(AT_ONCE) if n != 3))


@pytest.mark.parametrize("at", [0, 3, AT_ONCE - 1])
async def test_who_fails_after_its_writes_were_sent_takes_nobody_along(catalog: PostgresCatalog, at: int) -> None:
    flaw = NotFound("record")
    bodies = [uploading(n, flaw=flaw if n == at else None, sent=n == at) for n in range(AT_ONCE)]
    found = await outcomes(catalog, *bodies)
    assert found[at] is flaw
    assert sorted(found[:at] + found[at + 1 :]) == list(range(1, AT_ONCE))
    assert await names(catalog) == named(*(n for n in range(AT_ONCE) if n != at))


@pytest.mark.parametrize("at", [1, 3, AT_ONCE - 1])
async def test_a_value_that_is_taken_is_a_conflict_of_one_alone(catalog: PostgresCatalog, at: int) -> None:
    taken = rows.attachment(0).id
    bodies = [uploading(n, id=taken if n == at else None) for n in range(AT_ONCE)]
    found = await outcomes(catalog, *bodies)
    conflicts = [each for each in found if isinstance(each, Conflict)]
    assert len(conflicts) == 1
    # Run again by themselves, either of the two may come first.
    assert found[0] is conflicts[0] or found[at] is conflicts[0]
    assert len(await names(catalog)) == AT_ONCE - 1


async def test_all_may_fail(catalog: PostgresCatalog) -> None:
    found = await outcomes(catalog, *(uploading(n, flaw=NotFound("record")) for n in range(AT_ONCE)))
    assert {type(each) for each in found} == {NotFound}
    assert await names(catalog) == []
    assert await catalog.transact(uploading(1)) == 1


async def test_who_leaves_before_the_end_is_kept(catalog: PostgresCatalog) -> None:
    calls = [asyncio.ensure_future(catalog.transact(uploading(n))) for n in range(AT_ONCE)]
    await asyncio.sleep(0)
    calls[0].cancel()
    calls[5].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    # Whoever comes later is served later.
    assert await catalog.transact(uploading(AT_ONCE)) == AT_ONCE + 1
    assert await names(catalog) == named(*range(AT_ONCE + 1))


async def test_without_a_connection_each_hears_so_and_the_next_is_served(
    catalog: PostgresCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(**_: Any) -> Any:
        raise Unavailable("The catalog cannot be reached")

    with monkeypatch.context() as away:
        away.setattr(catalog, "open", none)
        assert {type(each) for each in await outcomes(catalog, *map(uploading, range(3)))} == {Unavailable}
    assert await outcomes(catalog, *map(uploading, range(3))) == [1, 2, 3]


async def test_who_waits_too_long_for_a_seat_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fresh_catalog(Limits(lock_seconds=0.2)) as catalog:
        await catalog.transact(adding([rows.account(), rows.ledger()]))
        go = asyncio.Event()

        async def slow(tx: Tx) -> int:
            ledger = await booked(tx)
            await go.wait()
            return ledger.attachments

        first = asyncio.ensure_future(catalog.transact(slow))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await catalog.transact(uploading(1))
        go.set()
        assert await first == 1
        assert await catalog.transact(uploading(1)) == 2


async def test_nobody_is_answered_before_the_commit(catalog: PostgresCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    end, early = catalog.end, list[bool]()

    async def watched(talk: Any, spoilt: Exception | None) -> None:
        # Whoever was answered too soon has run on by now.
        await asyncio.sleep(0.05)
        early.extend(call.done() for call in calls)
        await end(talk, spoilt)

    monkeypatch.setattr(catalog, "end", watched)
    calls = [asyncio.ensure_future(catalog.transact(uploading(n))) for n in range(AT_ONCE)]
    assert await asyncio.gather(*calls) == list(range(1, AT_ONCE + 1))
    assert early == [False] * AT_ONCE


async def test_when_a_commit_is_unsure_everybody_hears_so(
    catalog: PostgresCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = catalog.end

    async def lost(talk: Any, _: Exception | None) -> None:
        unsure = Unavailable("The catalog did not say whether the change was made")
        unsure.unsure = True
        await end(talk, unsure)

    monkeypatch.setattr(catalog, "end", lost)
    ran: list[int] = []

    def noting(n: int) -> Body:
        async def body(tx: Tx) -> int:
            ran.append(n)
            return await uploading(n)(tx)

        return body

    found = await outcomes(catalog, *map(noting, range(AT_ONCE)))
    assert [each.unsure for each in found] == [True] * AT_ONCE
    # Run again it might be done twice.
    assert sorted(ran) == list(range(AT_ONCE))
