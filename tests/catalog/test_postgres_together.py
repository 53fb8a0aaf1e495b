"""Reads on PostgreSQL travel together, are remembered, and yet nobody sees anything but what was committed last."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import psycopg
import pytest
from msgspec import structs

from holdfast.catalog.postgres.catalog import PostgresCatalog, open_postgres
from holdfast.catalog.postgres.sessions import Result, Session, Sessions
from holdfast.catalog.postgres.together import MOST, STAMP, Elsewhere, Errand, Lost, Rows, Together
from holdfast.catalog.postgres.wording import Statement
from holdfast.core.errors import Unavailable
from holdfast.core.ports import AttachmentKey, AttachmentQuery, TokenKey, UsageQuery, Window
from tests.catalog import rows
from tests.catalog.worlds import adding, removing, saving
from tests.engines.postgres import fresh_database, server

# ---------------------------------------------------------------- with an engine of our own


class Engine(Session):
    """A connection to an engine that has one row for each statement: its text."""

    def __init__(self) -> None:
        self.snapshot = 1
        self.opened_at = 1.0
        self.trips: list[list[str]] = []
        self.failure: Exception | None = None

    async def run(self, statements: Sequence[Statement], seconds: float) -> list[Result]:
        await asyncio.sleep(0)
        self.trips.append([each.text for each in statements if each is not STAMP])
        if self.failure is not None:
            raise self.failure
        stamp = [(str(self.snapshot), "started", "")]
        return [Result(stamp if each is STAMP else [(f"{each.text}@{self.snapshot}",)], "") for each in statements]


class Pool(Sessions):
    """Hands out that one connection."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.failure: Exception | None = None

    async def take(self) -> Session:
        if self.failure is not None:
            raise self.failure
        return self.engine

    async def give_back(self, session: Session, failure: BaseException | None = None) -> None:
        assert session is self.engine


def errand(text: str, context: str | None = None) -> Errand:
    def value(found: Sequence[Rows]) -> object:
        return found[0][0][0]

    return Errand(text, context, [Statement(text)], value)


async def both(together: Together) -> list[object]:
    """Two reads at once."""
    return list(await asyncio.gather(together.read(errand("a")), together.read(errand("b"))))


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def together(engine: Engine) -> Together:
    return Together(Pool(engine), 5)


async def test_reads_that_come_at_once_make_one_trip(engine: Engine, together: Together) -> None:
    found = await asyncio.gather(*(together.read(errand(text)) for text in ("a", "b", "a")))
    assert found == ["a@1", "b@1", "a@1"]
    assert engine.trips == [["a", "b"]]


async def test_as_long_as_nobody_commits_only_the_snapshot_is_asked_for(engine: Engine, together: Together) -> None:
    for _ in range(2):
        await together.read(errand("a"))
    engine.trips.clear()
    assert await both(together) == ["a@1", "b@1"]
    assert await both(together) == ["a@1", "b@1"]
    assert engine.trips == [["b"], []]


async def test_the_stamp_is_of_the_newest_trip_and_of_none_that_was_lost(engine: Engine, together: Together) -> None:
    """Who was in a lost trip reads by himself, and may have seen more than the trip before."""
    assert together.stamp() is None
    stamps = []
    for engine.snapshot in (1, 1, 2):
        await together.read(errand("a"))
        stamps.append(together.stamp())
    assert stamps[0] == stamps[1] != stamps[2]
    engine.failure = RuntimeError()
    with pytest.raises(Lost):
        await together.read(errand("a"))
    assert together.stamp() is None


async def test_after_a_commit_all_is_asked_again(engine: Engine, together: Together) -> None:
    for _ in range(3):
        await together.read(errand("a"))
    engine.snapshot = 2
    assert await both(together) == ["a@2", "b@2"]


async def test_while_others_commit_all_the_time_a_read_is_one_trip(engine: Engine, together: Together) -> None:
    for engine.snapshot in range(1, 6):
        assert await together.read(errand("a")) == f"a@{engine.snapshot}"
    assert engine.trips == [["a"]] * 5


async def test_a_read_that_comes_during_a_trip_waits_for_the_next(engine: Engine, together: Together) -> None:
    for _ in range(3):
        await together.read(errand("a"))
    engine.trips.clear()
    first = asyncio.ensure_future(together.read(errand("a")))
    # The trip has left, its answer is not here yet.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.ensure_future(together.read(errand("a")))
    await asyncio.gather(first, second)
    assert engine.trips == [[], []]


async def test_the_account_is_named_before_each_read(engine: Engine, together: Together) -> None:
    await asyncio.gather(together.read(errand("a", "1")), together.read(errand("b", "*")))
    naming = "SELECT set_config('holdfast.account', $1, true)"
    assert engine.trips == [[naming, "a", naming, "b"]]


async def test_a_trip_takes_so_many_and_no_more(engine: Engine, together: Together) -> None:
    await asyncio.gather(*(together.read(errand(str(n))) for n in range(MOST + 1)))
    assert [len(trip) for trip in engine.trips] == [MOST, 1]


async def test_nothing_is_remembered_for_what_is_not_there(engine: Engine, together: Together) -> None:
    for _ in range(3):
        assert await together.read(errand("a")._replace(value=lambda _: None)) is None
    assert engine.trips == [["a"]] * 3


async def test_what_is_only_to_be_remembered_is_never_asked_for(engine: Engine, together: Together) -> None:
    only = errand("a")._replace(statements=())
    assert await together.read(only) is None
    await together.read(errand("a"))
    assert await together.read(only) == "a@1"
    engine.snapshot = 2
    assert await together.read(only) is None


async def test_what_was_read_elsewhere_counts_under_the_same_snapshot_alone(engine: Engine, together: Together) -> None:
    await together.read(errand("b"))
    same = Elsewhere(together.epoch, [("1", "started", "")], engine.opened_at)
    only = errand("a")._replace(statements=())
    later = float("inf")
    for other in (
        same._replace(stamp=[("0", "started", "")]),
        same._replace(stamp=[("1", "later", "")]),
        same._replace(epoch=0),
        same._replace(opened_at=later),
    ):
        together.keep("a", "a@0", other)
        assert await together.read(only) is None
    together.keep("a", "a@1", same)
    assert await together.read(only) == "a@1"


async def test_a_connection_that_is_younger_than_what_is_remembered_says_nothing_of_it(
    engine: Engine, together: Together
) -> None:
    """The server may have crashed in between, and have begun again at an earlier snapshot."""
    for _ in range(3):
        await together.read(errand("a"))
    engine.opened_at = time.monotonic() + 0.001
    engine.trips.clear()
    await asyncio.sleep(0.002)
    for _ in range(3):
        assert await together.read(errand("a")) == "a@1"
    assert engine.trips == [["a"], ["a"], []]


async def test_when_a_trip_fails_each_is_sent_away_to_read_by_itself(engine: Engine, together: Together) -> None:
    engine.failure = psycopg.OperationalError("gone")
    found = await asyncio.gather(*(together.read(errand(text)) for text in "ab"), return_exceptions=True)
    assert [type(each) for each in found] == [Lost, Lost]
    engine.failure = None
    assert await together.read(errand("a")) == "a@1"


async def test_rows_that_make_no_value_leave_nobody_waiting(together: Together) -> None:
    def broken(_: Sequence[Rows]) -> object:
        raise ValueError

    reads = (together.read(errand("a")._replace(value=broken)), together.read(errand("b")))
    found = await asyncio.gather(*reads, return_exceptions=True)
    assert [type(each) for each in found] == [Lost, Lost]


async def test_without_a_connection_everybody_hears_so_at_once(engine: Engine) -> None:
    pool = Pool(engine)
    pool.failure = psycopg.OperationalError("no connection")
    together = Together(pool, 5)
    found = await asyncio.gather(*(together.read(errand(text)) for text in "ab"), return_exceptions=True)
    assert [type(each) for each in found] == [Unavailable, Unavailable]
    assert engine.trips == []


async def test_one_who_leaves_does_not_end_the_trip_of_the_others(engine: Engine, together: Together) -> None:
    leaving = asyncio.ensure_future(together.read(errand("a")))
    staying = asyncio.ensure_future(together.read(errand("b")))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == "b@1"
    await together.close()


# ---------------------------------------------------------------- with PostgreSQL


@pytest.fixture
async def two_servers() -> AsyncIterator[tuple[PostgresCatalog, PostgresCatalog]]:
    """Two servers of one database."""
    with fresh_database() as dsn:
        both = [open_postgres(server().as_server(dsn)) for _ in range(2)]
        try:
            yield both[0], both[1]
        finally:
            for each in both:
                await each.close()


async def test_what_one_server_commits_the_other_sees_in_its_next_read(
    two_servers: tuple[PostgresCatalog, PostgresCatalog],
) -> None:
    one, other = two_servers
    token, first = rows.token(), rows.attachment(1)
    await one.transact(adding([rows.account(), rows.ledger(), token, first]))
    newest, counted = AttachmentQuery(1, Window(10)), AttachmentQuery(1, Window(10, total=True))
    for n in range(2, 12):
        # Twice, so that the second answer comes from memory.
        for _ in range(2):
            assert (await other.find(newest)).items[0].number == n - 1
            assert (await other.find(counted)).total == n - 1
            assert (await other.find(UsageQuery(1))).items[0].attachments == n - 2
        made = rows.attachment(n)
        await one.transact(adding([made]))
        await one.transact(saving(rows.ledger(attachments=n - 1)))
        assert await other.get(AttachmentKey(1, made.id)) == made
        renamed = structs.replace(made, name=f"renamed-{n}.pdf")
        await one.transact(saving(renamed))
        assert await other.get(AttachmentKey(1, made.id)) == renamed
    assert await other.get(TokenKey(token.sha256)) == token
    await one.transact(removing(token))
    assert await other.get(TokenKey(token.sha256)) is None


async def test_nobody_reads_what_was_before_a_commit_that_was_confirmed(
    two_servers: tuple[PostgresCatalog, PostgresCatalog],
) -> None:
    one, other = two_servers
    await one.transact(adding([rows.account(), rows.ledger()]))
    confirmed, over = 0, False

    async def read() -> int:
        asked = 0
        while not over:
            least = confirmed
            found = (await other.find(UsageQuery(1))).items[0]
            assert found.attachments >= least
            asked += 1
        return asked

    readers = [asyncio.ensure_future(read()) for _ in range(8)]
    for n in range(1, 101):
        await one.transact(saving(rows.ledger(attachments=n)))
        confirmed = n
    over = True
    assert min(await asyncio.gather(*readers)) > 0
    assert cast(Any, await other.find(UsageQuery(1))).items[0].attachments == 100
