"""What is SQLite's alone: migrations, other processes, full disks, time limits, threads."""

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from holdfast.catalog import threads
from holdfast.catalog.inspection import damage_of, versions_of
from holdfast.catalog.migrations import Migration, SchemaTooNew, known_migrations, migrate, schema_version
from holdfast.catalog.reading import Reading
from holdfast.catalog.sqlite import SqliteCatalog, open_sqlite
from holdfast.catalog.threads import Limits
from holdfast.core.errors import Conflict, StorageFull, Unavailable
from holdfast.core.ports import (
    AttachmentKey,
    AttachmentQuery,
    LedgerKey,
    Order,
    Tx,
    Where,
    Window,
)
from tests.catalog import rows
from tests.catalog.worlds import adding


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@pytest.fixture
async def catalog(path: Path) -> AsyncIterator[SqliteCatalog]:
    opened = open_sqlite(path, Limits(busy_seconds=0.2))
    yield opened
    await opened.close()


def in_another_process(code: str, *args: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


# ---------------------------------------------------------------- migrations


async def test_two_processes_that_start_at_once_migrate_once(path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from holdfast.catalog.inspection import migrate_file
        print("ready", flush=True)
        sys.stdin.readline()
        print(migrate_file(Path(sys.argv[1])).known)
    """
    both = [in_another_process(code, path) for _ in range(4)]
    for each in both:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    outcomes = await asyncio.gather(*(asyncio.to_thread(each.communicate, "\n") for each in both))
    assert [each.returncode for each in both] == [0] * 4
    assert {out for out, _ in outcomes} == {f"{known_migrations()[-1].version}\n"}
    assert damage_of(path) == ()


def test_a_newer_schema_is_refused(path: Path) -> None:
    connection = apsw.Connection(str(path))
    migrate(connection, path, (*known_migrations(), Migration(9999, "later", "CREATE TABLE later (x)")))
    connection.close()
    with pytest.raises(SchemaTooNew, match="9999") as failure:
        open_sqlite(path)
    assert len(str(failure.value).splitlines()) == 1
    assert versions_of(path).found == 9999


def test_a_migration_that_breaks_off_leaves_nothing_of_itself(path: Path) -> None:
    connection = apsw.Connection(str(path))
    first = Migration(1, "one", "CREATE TABLE one (x)")
    broken = Migration(2, "two", "CREATE TABLE two (x); INSERT INTO two VALUES (1); INSERT INTO nowhere VALUES (1)")
    with pytest.raises(apsw.SQLError):
        migrate(connection, path, (first, broken))
    assert schema_version(connection) == 1
    assert not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'two'").fetchall()
    assert migrate(connection, path, (first, Migration(2, "two", "CREATE TABLE two (x)"))) == 2
    assert migrate(connection, path, (first, Migration(2, "two", "CREATE TABLE two (x)"))) == 2
    connection.close()


def test_a_file_that_is_no_database_is_unavailable(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(Unavailable):
        open_sqlite(path)


def test_migrations_are_numbered_without_gaps() -> None:
    assert [each.version for each in known_migrations()] == list(range(1, len(known_migrations()) + 1))


# ---------------------------------------------------------------- other processes


async def test_another_process_writes_meanwhile(catalog: SqliteCatalog, path: Path) -> None:
    code = """
        import asyncio, sys
        from pathlib import Path
        from holdfast.catalog.sqlite import open_sqlite
        from tests.catalog import rows
        from tests.catalog.worlds import adding
        async def main():
            catalog = open_sqlite(Path(sys.argv[1]))
            for n in range(100, 150):
                await catalog.transact(adding([rows.attachment(n)]))
            await catalog.close()
        asyncio.run(main())
    """
    await catalog.transact(adding([rows.ledger()]))
    other = in_another_process(code, path)
    for n in range(1, 51):
        await catalog.transact(adding([rows.attachment(n)]))
    assert await asyncio.to_thread(other.wait) == 0
    other.communicate()
    assert (await catalog.find(AttachmentQuery(1, Window(200, total=True)))).total == 100
    assert await catalog.get(AttachmentKey(1, "a-0149")) == rows.attachment(149)


async def test_a_total_notices_another_process(catalog: SqliteCatalog, path: Path) -> None:
    await catalog.transact(adding([rows.ledger(), rows.attachment(1)]))
    query = AttachmentQuery(1, Window(5, total=True))
    assert (await catalog.find(query)).total == 1
    other = open_sqlite(path)
    await other.transact(adding([rows.attachment(2)]))
    await other.close()
    assert (await catalog.find(query)).total == 2


async def test_a_writer_that_holds_on_too_long_makes_us_unavailable(catalog: SqliteCatalog, path: Path) -> None:
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(
        *(catalog.transact(adding([rows.attachment(n)])) for n in range(3)), return_exceptions=True
    )
    assert [type(each) for each in results] == [Unavailable] * 3
    assert await catalog.get(AttachmentKey(1, "a-0001")) is None
    other.execute("ROLLBACK")
    other.close()
    await catalog.transact(adding([rows.attachment(1)]))
    assert await catalog.get(AttachmentKey(1, "a-0001")) is not None


async def test_no_read_on_the_loop_keeps_a_snapshot_open(catalog: SqliteCatalog) -> None:
    await catalog.transact(adding([rows.ledger(), *(rows.attachment(n) for n in range(1, 300))]))
    await catalog.get(AttachmentKey(1, "a-0001"))
    await catalog.find(AttachmentQuery(1, Window(5)))
    await catalog.find(AttachmentQuery(1, Window(5, total=True)))
    await catalog.find(AttachmentQuery(1, Window(5, total=True)))
    connection = catalog._connection
    assert connection.txn_state("main") == apsw.SQLITE_TXN_NONE
    assert not connection.in_transaction


# ---------------------------------------------------------------- no room


async def test_a_full_disk_is_said_so_and_costs_only_what_did_not_fit(catalog: SqliteCatalog) -> None:
    await catalog.transact(adding([rows.ledger(), rows.attachment(1)]))
    writer = catalog._writer._connection
    pages = writer.pragma("page_count")
    writer.pragma("max_page_count", pages + 20)
    big = {"text": "x" * 200_000}
    results = await asyncio.gather(
        catalog.transact(adding([rows.attachment(2)])),
        catalog.transact(adding([rows.attachment(3, properties=big)])),
        catalog.transact(adding([rows.attachment(4)])),
        return_exceptions=True,
    )
    assert isinstance(results[1], StorageFull)
    assert all(each is None or isinstance(each, StorageFull) for each in results)
    kept = [each is None for each in results]
    stored = [await catalog.get(AttachmentKey(1, f"a-000{n}")) is not None for n in (2, 3, 4)]
    assert stored == kept
    writer.pragma("max_page_count", 2**31)
    await catalog.transact(adding([rows.attachment(3, properties=big)]))
    assert (await catalog.find(AttachmentQuery(1, Window(9), words="file 3"))).items[0].number == 3


async def test_a_body_that_hides_a_full_disk_fails_all_the_same(catalog: SqliteCatalog) -> None:
    await catalog.transact(adding([rows.ledger()]))
    writer = catalog._writer._connection
    writer.pragma("max_page_count", writer.pragma("page_count") + 20)

    async def body(tx: Tx) -> None:
        try:
            await tx.add(rows.attachment(1, properties={"text": "x" * 200_000}))
        except StorageFull:
            await tx.add(rows.attachment(2))

    with pytest.raises(StorageFull):
        await catalog.transact(body)
    assert await catalog.get(AttachmentKey(1, "a-0002")) is None


# ---------------------------------------------------------------- time limits and threads


async def test_a_query_past_its_time_is_unavailable_and_the_next_one_is_served(path: Path) -> None:
    catalog = open_sqlite(path, Limits(reader_seconds=0.0, readers=1))
    try:
        await catalog.transact(adding([rows.ledger(), *(rows.attachment(n) for n in range(1, 50))]))
        with pytest.raises(Unavailable):
            await catalog.find(AttachmentQuery(1, Window(5), order=(Order("size"),)))
        assert len((await catalog.find(AttachmentQuery(1, Window(5)))).items) == 5
    finally:
        await catalog.close()


async def test_a_query_is_stopped_while_it_runs(path: Path) -> None:
    catalog = open_sqlite(path)
    try:
        await catalog.transact(adding([rows.ledger(), *(rows.attachment(n) for n in range(1, 3000))]))
        catalog._readers._limits = Limits(reader_seconds=0.001)
        slow = tuple(Where("property.x", "ne", f"{n}") for n in range(200))
        with pytest.raises(Unavailable):
            await catalog.find(AttachmentQuery(1, Window(5000), where=slow))
    finally:
        await catalog.close()


async def test_a_query_too_long_for_the_loop_goes_on_in_a_thread(path: Path) -> None:
    catalog = open_sqlite(path, Limits(loop_seconds=-1.0))
    try:
        await catalog.transact(adding([rows.ledger(), *(rows.attachment(n) for n in range(1, 2000))]))
        query = AttachmentQuery(1, Window(2000))
        assert len((await catalog.find(query)).items) == 1999
        assert len(catalog._slow) == 1
        assert len((await catalog.find(query)).items) == 1999
    finally:
        await catalog.close()


async def test_a_body_that_awaits_something_else_is_refused(catalog: SqliteCatalog) -> None:
    async def body(tx: Tx) -> None:
        await tx.add(rows.attachment(1))
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="nothing but the Tx"):
        await catalog.transact(body)
    assert await catalog.get(AttachmentKey(1, "a-0001")) is None


async def test_bodies_run_on_the_writer_thread_and_share_commits(catalog: SqliteCatalog) -> None:
    await catalog.transact(adding([rows.ledger()]))
    commits: list[bool] = []
    threads: set[str] = set()

    def committed() -> bool:
        commits.append(True)
        return False

    catalog._writer._connection.set_commit_hook(committed)

    async def body(tx: Tx) -> None:
        threads.add(threading.current_thread().name)
        await tx.get(LedgerKey(1))
        await tx.add(rows.attachment(len(threads), id=f"{len(commits)}-{id(tx)}"))

    gathered = [catalog.transact(adding([rows.attachment(n)])) for n in range(64)]
    await asyncio.gather(*gathered, catalog.transact(body))
    assert threads == {"holdfast-writer"}
    assert 1 <= len(commits) < 65


async def test_closing_finishes_what_waits_and_refuses_what_comes_later(path: Path) -> None:
    catalog = open_sqlite(path)
    tasks = [asyncio.ensure_future(catalog.transact(adding([rows.attachment(n)]))) for n in range(1, 200)]
    await asyncio.sleep(0)
    await catalog.close()
    assert await asyncio.gather(*tasks) == [None] * 199
    with pytest.raises(Unavailable):
        await catalog.transact(adding([rows.attachment(300)]))
    again = open_sqlite(path)
    assert (await again.find(AttachmentQuery(1, Window(0, total=True)))).total == 199
    await again.close()


async def test_the_writer_survives_a_fault_in_a_body(catalog: SqliteCatalog) -> None:
    async def exits(tx: Tx) -> None:
        await tx.add(rows.attachment(1))
        raise SystemExit(3)

    async def unknown(tx: Tx) -> None:
        await tx.add("not a row")  # type: ignore[arg-type]

    with pytest.raises(KeyError):
        await catalog.transact(unknown)
    with pytest.raises(SystemExit):
        await catalog.transact(exits)
    await catalog.transact(adding([rows.attachment(1)]))
    with pytest.raises(Conflict):
        await catalog.transact(adding([rows.attachment(1)]))


async def test_saving_a_row_that_is_not_there_is_a_fault(catalog: SqliteCatalog) -> None:
    faults: list[Any] = [rows.attachment(), rows.record("a", "1"), rows.ledger(), rows.user(), rows.folder("/a")]
    for row in faults:

        async def body(tx: Tx, row: Any = row) -> None:
            await tx.save(row)

        with pytest.raises(LookupError):
            await catalog.transact(body)


@pytest.mark.parametrize("where", ["loop", "reader"])
async def test_a_deadline_that_passes_at_the_very_end_leaves_no_snapshot_open(
    path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The processor may be gone for a moment between the last row and the end of the snapshot. What is left open then
    would hide every later change, a revoked token among them."""
    overdue = threading.Event()
    monkeypatch.setattr(threads, "STEPS_BETWEEN_CHECKS", 1)
    monkeypatch.setattr(threads.Watch, "_overdue", lambda self: overdue.is_set() and self.deadline is not None)
    page = Reading.page

    def late(reading: Reading, *args: Any) -> Any:
        found = page(reading, *args)
        overdue.set()
        return found

    catalog = open_sqlite(path, Limits(readers=1))
    query = AttachmentQuery(1, Window(10, total=True), under=("/",) if where == "reader" else ())
    try:
        await catalog.transact(adding([rows.ledger(), rows.attachment(1, folder="/")]))
        await catalog.find(query)
        with monkeypatch.context() as slow:
            slow.setattr(Reading, "page", late)
            assert (await catalog.find(query)).total == 1
        overdue.clear()
        await catalog.transact(adding([rows.attachment(2, folder="/")]))
        assert await catalog.get(AttachmentKey(1, rows.attachment(2).id)) is not None
        assert (await catalog.find(query)).total == 2
    finally:
        await catalog.close()
