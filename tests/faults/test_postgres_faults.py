"""What is confirmed is there once, whatever happens to the database or to the way to it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import psycopg
import pytest
from msgspec import structs

from holdfast.catalog.postgres.catalog import PostgresCatalog, open_postgres
from holdfast.catalog.postgres.settings import Limits
from holdfast.core.errors import Unavailable
from holdfast.core.ports import AttachmentKey, AttachmentQuery, LedgerKey, Tx, Window
from tests.catalog import rows
from tests.catalog.worlds import adding
from tests.engines.cutting import cutter
from tests.engines.postgres import Cluster, own_cluster

QUICK = Limits(wait_seconds=3.0, resolve_seconds=5.0)
TRIES = 200
# As it stands on the way, which tells it from the isolation level.
COMMIT = b"COMMIT\0"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with own_cluster() as started:
        yield started


@pytest.fixture
def database(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    name = f"d{abs(hash(request.node.nodeid))}"
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return name


def uploading(id: str, ran: list[str] | None = None) -> Callable[[Tx], Coroutine[Any, Any, int]]:
    """A body that adds one attachment under the next number of its account."""

    async def body(tx: Tx) -> int:
        if ran is not None:
            ran.append(id)
        ledger = await tx.get(LedgerKey(1))
        assert ledger is not None
        number = ledger.event + 1
        await tx.add(rows.attachment(number, id=id, name=f"{id}.pdf", folder="/"))
        await tx.save(structs.replace(ledger, event=number))
        return number

    return body


async def healed(catalog: PostgresCatalog) -> None:
    """Wait until the catalog answers again, for a bounded number of tries."""
    for _ in range(TRIES):
        try:
            await catalog.get(LedgerKey(1))
            await catalog.transact(uploading("healed"))
        except Unavailable:
            await asyncio.sleep(0.05)
        else:
            return
    pytest.fail("it does not heal")


async def ids(catalog: PostgresCatalog) -> list[tuple[str, int]]:
    page = await catalog.find(AttachmentQuery(1, Window(10_000)))
    return [(each.id, each.number) for each in page.items]


# ---------------------------------------------------------------- the server dies


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGQUIT, signal.SIGINT], ids=lambda how: str(how.name))
async def test_a_server_that_dies_and_comes_back_has_what_was_confirmed_once(  # noqa: C901 -- a story of many tasks
    cluster: Cluster, database: str, how: signal.Signals
) -> None:
    catalog = open_postgres(cluster.dsn(database), QUICK)
    await catalog.transact(adding([rows.ledger()]))
    confirmed: dict[str, int] = {}
    unsure: set[str] = set()
    stop = asyncio.Event()

    async def write(worker: int) -> None:
        for n in range(10_000):
            if stop.is_set():
                return
            id = f"{worker}-{n}"
            try:
                confirmed[id] = await catalog.transact(uploading(id))
            except Unavailable as failure:
                if failure.unsure:
                    unsure.add(id)
                await asyncio.sleep(0.02)

    async def read() -> None:
        while not stop.is_set():
            try:
                await catalog.get(AttachmentKey(1, "0-0"))
            except Unavailable:
                await asyncio.sleep(0.02)

    async def many(wanted: int) -> None:
        for _ in range(TRIES):
            if len(confirmed) > wanted:
                return
            await asyncio.sleep(0.05)
        pytest.fail("nothing is confirmed any more")

    tasks = [asyncio.ensure_future(write(n)) for n in range(4)] + [asyncio.ensure_future(read()) for _ in range(2)]
    try:
        await many(50)
        await asyncio.to_thread(cluster.stop, how)
        at_death = len(confirmed)
        await asyncio.to_thread(cluster.start)
        await many(at_death + 50)
    finally:
        stop.set()
        await asyncio.gather(*tasks)
    there = await ids(catalog)
    await catalog.close()
    assert set(confirmed.items()) <= set(there)
    assert {id for id, _ in there} <= set(confirmed) | unsure
    assert len({number for _, number in there}) == len({id for id, _ in there}) == len(there)


async def test_a_server_that_is_away_is_unavailable_and_never_waited_for(cluster: Cluster, database: str) -> None:
    catalog = open_postgres(cluster.dsn(database), Limits(wait_seconds=0.5))
    await catalog.transact(adding([rows.ledger()]))
    await asyncio.to_thread(cluster.stop)
    try:
        for _ in range(2):
            with pytest.raises(Unavailable):
                await catalog.get(LedgerKey(1))
            with pytest.raises(Unavailable):
                await catalog.transact(uploading("x"))
    finally:
        await asyncio.to_thread(cluster.start)
    await healed(catalog)
    await catalog.close()


# ---------------------------------------------------------------- the answer to a commit is lost


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_whose_answer_is_lost_happens_once(cluster: Cluster, database: str, when: Any) -> None:
    """Cut before it, the commit does not reach the server, and the body runs again; cut after it, the server may have
    begun to carry it out when it is asked, or has been told that it is too late."""
    open_postgres(cluster.dsn(database))
    async with cutter("127.0.0.1", cluster.port, COMMIT) as way:
        catalog = open_postgres_through(cluster, database, way.port)
        await catalog.transact(adding([rows.ledger()]))
        way.when = when
        ran: list[str] = []
        numbers = []
        for n in range(25):
            way.cuts = 1
            numbers.append(await catalog.transact(uploading(f"a{n}", ran)))
        assert numbers == list(range(1, 26))
        assert way.made == 25
        assert len(ran) == 50 if when == "before" else 25 <= len(ran) <= 50
        assert [number for _, number in await ids(catalog)] == list(range(25, 0, -1))
        await catalog.close()


async def test_a_commit_of_which_nothing_can_be_learnt_is_told_as_unsure(cluster: Cluster, database: str) -> None:
    async with cutter("127.0.0.1", cluster.port, COMMIT) as way:
        catalog = open_postgres_through(cluster, database, way.port, Limits(wait_seconds=0.3, resolve_seconds=1.0))
        await catalog.transact(adding([rows.ledger()]))
        way.cuts = 1
        task = asyncio.ensure_future(catalog.transact(uploading("lost")))
        await way.has_cut.wait()
        way.refuses = True
        with pytest.raises(Unavailable) as failure:
            await task
        assert failure.value.unsure
        way.refuses = False
        await healed(catalog)
        assert {id for id, _ in await ids(catalog)} == {"lost", "healed"}
        await catalog.close()


async def test_a_connection_that_breaks_at_any_other_point_costs_nothing(cluster: Cluster, database: str) -> None:
    """The write of a row, and a read: both are simply done again on another connection."""
    for word in (b"INSERT INTO attachments", b"FOR UPDATE"):
        async with cutter("127.0.0.1", cluster.port, word) as way:
            catalog = open_postgres_through(cluster, database, way.port)
            if await catalog.get(LedgerKey(1)) is None:
                await catalog.transact(adding([rows.ledger()]))
            for n in range(4):
                way.cuts = 1
                await catalog.transact(uploading(f"{word!r} {n}"))
            await catalog.close()
    catalog = open_postgres(cluster.dsn(database))
    found = await ids(catalog)
    await catalog.close()
    assert [number for _, number in found] == list(range(8, 0, -1))


def open_postgres_through(cluster: Cluster, database: str, port: int, limits: Limits | None = None) -> PostgresCatalog:
    """A catalog whose way to the server leads over that port; the schema is made on the direct one."""
    open_postgres(cluster.dsn(database))
    return PostgresCatalog(cluster.url(database, port=port) + "?sslmode=disable&gssencmode=disable", limits or QUICK)
