"""What is PostgreSQL's alone: migrations, other transactions, time limits, connections, folding in the engine."""

import asyncio
import random
import subprocess
import sys
import unicodedata
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import psycopg
import pytest
from msgspec import structs
from psycopg.conninfo import conninfo_to_dict

from holdfast.catalog.folding import fold
from holdfast.catalog.migrations import Migration, SchemaTooNew
from holdfast.catalog.postgres.catalog import PostgresCatalog, open_postgres
from holdfast.catalog.postgres.migrations import (
    Unsuitable,
    connected,
    migrate_database,
    postgres_migrations,
    schema_version,
    versions_of,
)
from holdfast.catalog.postgres.settings import Limits
from holdfast.core.errors import Conflict, Invalid, Unavailable
from holdfast.core.ports import (
    AttachmentKey,
    AttachmentQuery,
    FolderKey,
    LeaseKey,
    LedgerKey,
    Order,
    TokenKey,
    Tx,
    Where,
    Window,
)
from tests.catalog import rows
from tests.catalog.worlds import adding, saving
from tests.engines.postgres import fresh_catalog, fresh_database, server


@pytest.fixture
async def catalog() -> AsyncIterator[PostgresCatalog]:
    async with fresh_catalog() as opened:
        yield opened


@pytest.fixture
def empty() -> Iterator[str]:
    """A database without a schema."""
    name = server().empty()
    yield server().dsn(name)
    server().drop(name)


# ---------------------------------------------------------------- migrations


def test_migrations_are_numbered_without_gaps() -> None:
    assert [each.version for each in postgres_migrations()] == list(range(1, len(postgres_migrations()) + 1))


def test_servers_that_start_at_once_migrate_once(empty: str) -> None:
    code = (
        "import sys; from holdfast.catalog.postgres.migrations import migrate_database; print('ready', flush=True); "
        "sys.stdin.readline(); print(migrate_database(sys.argv[1]).known)"
    )
    command = [sys.executable, "-c", code, empty]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for each in started:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in started:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    assert {each.communicate()[0] for each in started} == {f"{postgres_migrations()[-1].version}\n"}
    assert [each.returncode for each in started] == [0] * 4
    with connected(empty) as connection:
        assert connection.execute("SELECT count(*) FROM schema_versions").fetchall() == [(len(postgres_migrations()),)]


def test_a_newer_schema_is_refused(empty: str) -> None:
    migrate_database(empty, (*postgres_migrations(), Migration(len(postgres_migrations()) + 1, "later", "SELECT 1")))
    with pytest.raises(SchemaTooNew, match="use the newer version") as refused:
        open_postgres(empty)
    assert len(str(refused.value).splitlines()) == 1
    assert versions_of(empty).found == versions_of(empty).known + 1


def test_an_older_schema_is_brought_up_to_date(empty: str) -> None:
    migrate_database(empty, postgres_migrations()[:1])
    assert versions_of(empty).found == 1
    open_postgres(empty)
    assert versions_of(empty).found == postgres_migrations()[-1].version


def _statements(migration: Migration) -> list[str]:
    bare = "\n".join(line for line in migration.sql.splitlines() if not line.startswith("--"))
    parts, quoted = [""], False
    for piece in bare.split(";\n"):
        parts[-1] += piece + ";\n"
        quoted ^= piece.count("$$") % 2 == 1
        if not quoted:
            parts.append("")
    return [part for part in parts if part.strip()]


def test_a_migration_that_is_cut_at_any_statement_leaves_nothing_of_itself(empty: str) -> None:
    """The backend that runs it is ended at that very statement."""
    for done, step in enumerate(postgres_migrations()):
        found = _statements(step)
        assert len(found) > (20 if done == 0 else 1)
        for at in range(0, len(found), 3):
            cut = "".join([*found[:at], "SELECT pg_terminate_backend(pg_backend_pid());\n", *found[at:]])
            with pytest.raises(Unavailable):
                migrate_database(empty, (*postgres_migrations()[:done], step._replace(sql=cut)))
            assert versions_of(empty).found == done
        with connected(empty) as connection:
            tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchall()
            assert tables[0][0] == 0 if done == 0 else tables[0][0] > 0
        migrate_database(empty, postgres_migrations()[: done + 1])
    open_postgres(empty)


def test_a_broken_migration_is_a_fault_and_not_an_outage(empty: str) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        migrate_database(empty, (Migration(1, "one", "CREATE TABLE one (x INT); INSERT INTO nowhere VALUES (1)"),))
    assert versions_of(empty).found == 0


@pytest.mark.parametrize(
    "wrong", ["postgresql://u:se%zzcret@h/x", "host=/nowhere dbname=x", "postgresql://127.0.0.1:1/x"]
)
def test_a_wrong_connection_string_is_one_line_without_the_password(wrong: str) -> None:
    with pytest.raises(Unsuitable) as refused:
        open_postgres(wrong)
    assert len(str(refused.value).splitlines()) == 1
    assert "se%zz" not in str(refused.value)


def test_a_database_in_another_encoding_is_refused() -> None:
    name = "latin" + server().empty()
    server().execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        with pytest.raises(Unsuitable, match="UTF8"):
            open_postgres(server().dsn(name))
    finally:
        server().drop(name)


# ---------------------------------------------------------------- folding

FOLDED = "SELECT array_agg(fold(x) ORDER BY n) FROM unnest(%s::text[]) WITH ORDINALITY u (x, n)"


def test_the_engine_folds_every_character_as_the_server_does() -> None:
    known = [chr(point) for point in range(1, 0x110000) if unicodedata.category(chr(point)) not in ("Cs", "Cn")]
    draw = random.Random(1)
    mixed = ["".join(draw.choices(known, k=12)) for _ in range(2_000)]
    with fresh_database() as dsn, psycopg.connect(dsn) as connection:
        for start in range(0, len(known), 20_000):
            part = [f"Aé{each}B" for each in known[start : start + 20_000]]
            answer = connection.execute(FOLDED, (part,))
            assert _differing(part, answer.fetchall()[0][0]) == []
        answer = connection.execute(FOLDED, (mixed,))
        assert _differing(mixed, answer.fetchall()[0][0]) == []


def _differing(texts: list[str], folded: list[str]) -> list[str]:
    return [text for text, other in zip(texts, folded, strict=True) if fold(text) != other]


# ---------------------------------------------------------------- documents


async def test_documents_come_back_as_they_were(catalog: PostgresCatalog) -> None:
    document: dict[str, Any] = {
        "big": 2**63,
        "bigger": -(2**64) + 1,
        "float": 0.1 + 0.2,
        "tiny": 5e-324,
        "whole": 1.0,
        "nested": {"b": [1, {"z": None}], "a": "\u2028\U0001f600"},
        "order": {"z": 1, "a": 2},
        "": "\\u0000 \\\\",
    }
    await catalog.transact(
        adding([rows.attachment(1, properties=document), rows.record("case", "1", attributes=document)])
    )
    found = await catalog.get(AttachmentKey(1, "a-0001"))
    assert found is not None
    assert found.properties == document
    assert type(found.properties["whole"]) is float
    for key in ("big", "float", "tiny", "whole", ""):
        where = (Where(f"property.{key}", "eq", document[key]), Where(f"property.{key}", "in", (document[key],)))
        for condition in where:
            assert (await catalog.find(AttachmentQuery(1, Window(5), where=(condition,)))).items == (found,)


async def test_nul_in_a_search_is_nothing_that_could_be_found(catalog: PostgresCatalog) -> None:
    await catalog.transact(adding([rows.attachment(1, name="a")]))
    for query in (
        AttachmentQuery(1, Window(5), words="a\0"),
        AttachmentQuery(1, Window(5), where=(Where("name", "eq", "a\0"),)),
        AttachmentQuery(1, Window(5), where=(Where("property.x\0", "eq", "\0"),)),
    ):
        assert (await catalog.find(query)).items == ()
    assert await catalog.get(FolderKey(1, "/\0")) is None


async def test_a_path_too_long_for_an_index_is_refused_and_nothing_else_suffers(catalog: PostgresCatalog) -> None:
    draw = random.Random(2)
    folder = "/" + "/".join("".join(chr(draw.randrange(0x4E00, 0x9F00)) for _ in range(99)) for _ in range(10))
    with pytest.raises(Invalid):
        await catalog.transact(adding([rows.attachment(1, name="x", folder=folder)]))
    await catalog.transact(adding([rows.attachment(1, name="x", folder=folder[:400])]))


# ---------------------------------------------------------------- transactions


async def test_saving_a_row_that_is_not_there_is_a_fault_and_undoes_the_rest(catalog: PostgresCatalog) -> None:
    faults: list[Any] = [rows.attachment(), rows.record("a", "1"), rows.ledger(), rows.user(), rows.folder("/a")]
    for row in faults:

        async def body(tx: Tx, row: Any = row) -> None:
            await tx.add(rows.folder("/beside"))
            await tx.save(row)

        with pytest.raises(LookupError):
            await catalog.transact(body)
        assert await catalog.get(FolderKey(1, "/beside")) is None


async def test_a_fault_in_a_body_leaves_the_connection_of_use(catalog: PostgresCatalog) -> None:
    async def unknown(tx: Tx) -> None:
        await tx.add("not a row")  # type: ignore[arg-type]

    for _ in range(30):
        with pytest.raises(KeyError):
            await catalog.transact(unknown)
    await catalog.transact(adding([rows.attachment(1)]))
    with pytest.raises(Conflict):
        await catalog.transact(adding([rows.attachment(1)]))


def numbering(account: int, other: int | None = None) -> Callable[[Tx], Coroutine[Any, Any, int]]:
    """A body that takes the next event number of an account, and locks another account's ledger after it."""

    async def body(tx: Tx) -> int:
        ledger = await tx.get(LedgerKey(account))
        assert ledger is not None
        if other is not None:
            await tx.get(LedgerKey(other))
        await tx.save(structs.replace(ledger, event=ledger.event + 1))
        return ledger.event + 1

    return body


async def test_numbers_are_handed_out_once_each_by_several_servers() -> None:
    with fresh_database() as dsn:
        servers = [open_postgres(server().as_server(dsn)) for _ in range(3)]
        try:
            await servers[0].transact(adding([rows.ledger()]))
            taken = await asyncio.gather(*(servers[n % 3].transact(numbering(1)) for n in range(60)))
            assert sorted(taken) == list(range(1, 61))
        finally:
            for each in servers:
                await each.close()


async def test_transactions_that_wait_for_each_other_both_end_well(catalog: PostgresCatalog) -> None:
    await catalog.transact(adding([rows.ledger(1), rows.ledger(2)]))
    pairs = [catalog.transact(numbering(1 + n % 2, 2 - n % 2)) for n in range(6)]
    assert sorted(await asyncio.gather(*pairs)) == [1, 1, 2, 2, 3, 3]


async def test_a_lease_changes_hands_once_however_many_want_it(catalog: PostgresCatalog) -> None:
    await catalog.transact(adding([rows.lease(fence=0)]))

    async def take(tx: Tx) -> int:
        lease = await tx.get(LeaseKey("collect"))
        assert lease is not None
        await tx.save(structs.replace(lease, fence=lease.fence + 1))
        return lease.fence + 1

    assert sorted(await asyncio.gather(*(catalog.transact(take) for _ in range(12)))) == list(range(1, 13))


async def test_a_token_is_used_up_once(catalog: PostgresCatalog) -> None:
    used = rows.token(1, kind="refresh", owner="u")
    await catalog.transact(adding([used]))

    async def use(tx: Tx) -> bool:
        token = await tx.get(TokenKey(used.sha256))
        if token is None:
            return False
        await tx.remove(token)
        return True

    assert sorted(await asyncio.gather(*(catalog.transact(use) for _ in range(8)))) == [False] * 7 + [True]


async def test_a_caller_who_leaves_does_not_stop_the_transaction(catalog: PostgresCatalog) -> None:
    await catalog.transact(adding([rows.ledger()]))
    task = asyncio.ensure_future(catalog.transact(numbering(1)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await catalog.transact(numbering(1)) in (1, 2)


# ---------------------------------------------------------------- limits


async def test_a_pool_that_is_used_up_is_unavailable_and_serves_again() -> None:
    async with fresh_catalog(Limits(connections=2, wait_seconds=0.1, waiting=3)) as catalog:
        held, go_on = asyncio.Semaphore(0), asyncio.Event()

        async def hold(tx: Tx) -> None:
            await tx.get(LeaseKey("none"))
            held.release()
            await go_on.wait()

        holding = [asyncio.ensure_future(catalog.transact(hold)) for _ in range(2)]
        for _ in holding:
            await held.acquire()
        waiting = [catalog.get(AttachmentKey(1, "x")) for _ in range(9)]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in outcomes] == [Unavailable] * 9
        with pytest.raises(Unavailable):
            await catalog.transact(adding([rows.attachment(1)]))
        go_on.set()
        await asyncio.gather(*holding)
        await catalog.transact(adding([rows.attachment(1)]))


async def test_a_query_past_its_time_is_unavailable_and_the_next_one_is_served() -> None:
    async with fresh_catalog(Limits(read_seconds=0.001, scan_seconds=0.002)) as catalog:
        slow = tuple(Where("property.x", "contains", f"{n}") for n in range(300))
        made = [rows.attachment(n, properties={"x": "é" * 200}) for n in range(1, 400)]
        await catalog.transact(adding(made))
        with pytest.raises(Unavailable):
            await catalog.find(AttachmentQuery(1, Window(5), where=slow, order=(Order("size"),)))
        for _ in range(50):
            try:
                assert await catalog.get(AttachmentKey(1, "a-0001")) is not None
                break
            except Unavailable:
                continue
        else:
            pytest.fail("nothing is served any more")


async def test_a_ledger_that_is_held_too_long_is_unavailable() -> None:
    async with fresh_catalog(Limits(lock_seconds=0.2)) as catalog:
        await catalog.transact(adding([rows.ledger()]))
        name = str(conninfo_to_dict(catalog._sessions._dsn)["dbname"])
        with psycopg.connect(server().dsn(name)) as other:
            other.execute("SELECT 1 FROM ledgers FOR UPDATE")
            with pytest.raises(Unavailable):
                await catalog.transact(numbering(1))
        assert await catalog.transact(numbering(1)) == 1


async def test_every_session_waits_for_the_disk_and_tells_its_name(catalog: PostgresCatalog) -> None:
    session = await catalog._sessions.take()
    cursor = session.connection.cursor()
    shown = []
    for name in ("synchronous_commit", "application_name", "statement_timeout", "lock_timeout"):
        await cursor.execute(f"SHOW {name}".encode())
        shown.append((await cursor.fetchall())[0][0])
    await catalog._sessions.give_back(session)
    assert shown == ["on", "holdfast", "5s", "10s"]


def test_the_last_migration_is_the_one_that_is_found(empty: str) -> None:
    migrate_database(empty)
    with connected(empty) as connection:
        assert schema_version(connection) == postgres_migrations()[-1].version


async def test_closing_finishes_what_is_under_way_and_refuses_what_comes_later() -> None:
    with fresh_database() as dsn:
        catalog = open_postgres(server().as_server(dsn))
        tasks = [asyncio.ensure_future(catalog.transact(adding([rows.attachment(n)]))) for n in range(1, 30)]
        await asyncio.sleep(0)
        await catalog.close()
        assert await asyncio.gather(*tasks) == [None] * 29
        with pytest.raises(Unavailable):
            await catalog.transact(saving(rows.attachment(1)))
