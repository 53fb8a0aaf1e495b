"""A closed catalog changes no more, whoever asks, and goes on being read."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.core.errors import CLOSED, CLOSED_SECONDS, Unavailable
from holdfast.core.inventory import Closure
from holdfast.core.leases import Leases
from holdfast.core.model import Account, Count, Lease
from holdfast.core.ports import AccountKey, MoveTree, Row, Tx
from holdfast.core.upkeep.matching import PLACES
from tests.catalog import rows
from tests.catalog.worlds import adding, saving
from tests.upkeep.everykind import KINDS, PLACES_TO_BE, Place, contents, every_kind, fill

AWAY = Closure("moved", "sqlite:///it's/elsewhere")


@pytest.fixture(params=PLACES_TO_BE)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with PLACES_TO_BE[request.param](tmp_path / "place") as opened:
        yield opened


def one_of_each(number: int) -> list[Row]:
    return list({type(row): row for row in every_kind(number)}.values())


async def refused(place: Place, row: Row, verb: str) -> None:
    async def body(tx: Tx) -> None:
        await getattr(tx, verb)(row)

    with pytest.raises(Unavailable, match=CLOSED) as caught:
        await place.catalog.transact(body)
    assert (caught.value.retry_after, caught.value.unsure) == (CLOSED_SECONDS, False)


async def test_no_kind_of_row_is_added_saved_or_removed(place: Place) -> None:
    await fill(place.catalog, 1)
    before = await contents(place.catalog, 1)
    await place.gate.close(AWAY)
    for row in one_of_each(1):
        await refused(place, row, "save")
        await refused(place, row, "remove")
    new = [row for row in one_of_each(2) if isinstance(row, Account) or not hasattr(row, "attachment")]
    for row in new:
        await refused(place, row, "add")
    assert {type(row) for row in one_of_each(1)} == KINDS - {Count, Lease} == set(PLACES)
    assert await contents(place.catalog, 1) == before


async def test_no_folder_is_moved(place: Place) -> None:
    await place.catalog.transact(adding([rows.account(), rows.ledger(), rows.folder("/a")]))
    await place.gate.close(AWAY)

    async def body(tx: Tx) -> int:
        return await tx.move(MoveTree(1, "/a", "/b", rows.AGE, "user:1"))

    with pytest.raises(Unavailable, match=CLOSED):
        await place.catalog.transact(body)


async def test_the_reason_is_kept_and_replaced(place: Place) -> None:
    assert await place.gate.closure() is None
    await place.gate.close(AWAY)
    assert await place.gate.closure() == AWAY
    await place.gate.close(Closure("moving", "there"))
    assert await place.gate.closure() == Closure("moving", "there")
    await place.gate.open()
    await place.gate.open()
    assert await place.gate.closure() is None
    await fill(place.catalog, 1)


async def test_leases_may_be_taken_all_the_same(place: Place) -> None:
    await place.gate.close(AWAY)
    leases = Leases(place.catalog, lambda: rows.AGE, lambda size: b"h" * size)
    assert await leases.take("collect") is not None


async def test_who_fills_it_gets_past_the_gate(place: Place) -> None:
    """Rows that go with others, too."""
    await place.gate.close(AWAY)
    await fill(place.past, 1)
    found = every_kind(1)
    attachment = next(row for row in found if getattr(row, "number", 0) == 7 and hasattr(row, "folder"))

    async def body(tx: Tx) -> None:
        await tx.remove(attachment)

    await place.past.transact(body)
    left = await contents(place.catalog, 1)
    assert all(getattr(row, "attachment", "") != attachment.id for kept in left.values() for row in kept)  # type: ignore[union-attr]


async def test_what_is_acknowledged_is_there_when_the_gate_has_closed_and_nothing_comes_later(place: Place) -> None:
    await place.catalog.transact(adding([rows.account(), rows.ledger()]))
    acknowledged: set[int] = set()
    under_way = asyncio.Event()

    async def write(first: int) -> None:
        for number in range(first, first + 10_000):
            await place.catalog.transact(adding([rows.event(number)]))
            acknowledged.add(number)
            if len(acknowledged) > 40:
                under_way.set()

    writers = [asyncio.create_task(write(n * 100_000)) for n in range(6)]
    await under_way.wait()
    await place.gate.close(AWAY)
    outcomes = await asyncio.gather(*writers, return_exceptions=True)
    assert all(isinstance(each, Unavailable) and each.detail == CLOSED for each in outcomes)
    found = {row.number for kept in (await contents(place.catalog, 1)).values() for row in kept if hasattr(row, "kind")}
    assert found == acknowledged


async def test_a_save_that_changes_nothing_is_refused_as_well(place: Place) -> None:
    await place.catalog.transact(adding([rows.account()]))
    await place.gate.close(AWAY)
    with pytest.raises(Unavailable, match=CLOSED):
        await place.catalog.transact(saving(rows.account()))
    assert await place.catalog.get(AccountKey(1)) == rows.account()
