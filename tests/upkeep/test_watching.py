"""A watched catalog notes every change of a row, whoever makes it, and nothing stays behind when nobody watches."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import ObjectNotInPrerequisiteState

from holdfast.catalog.gates import SqliteGate, is_watched
from holdfast.catalog.notes import NOTED
from holdfast.catalog.postgres.catalog import open_postgres
from holdfast.catalog.postgres.gates import PostgresGate
from holdfast.catalog.postgres.inspection import facts_of
from holdfast.core.inventory import Closure, Gate, Note, WatchLost
from holdfast.core.model import Attachment, Event, Folder, Link, Record, Version
from holdfast.core.ports import AtQuery, KindQuery, MoveTree, Row, Tx, Window
from holdfast.core.upkeep.matching import PLACES
from tests.catalog import rows
from tests.catalog.worlds import adding, removing, saving
from tests.engines.postgres import fresh_database, server, serving_role
from tests.upkeep.everykind import PLACES_TO_BE, Place, contents, every_kind, fill

ALL = 100_000
AWAY = Closure("moved", "elsewhere")
MOVING = Closure("moving", "elsewhere")


@pytest.fixture(params=PLACES_TO_BE)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with PLACES_TO_BE[request.param](tmp_path / "place") as opened:
        yield opened


async def noted(gate: Gate) -> set[tuple[type[Any], tuple[Any, ...]]]:
    """What is noted so far, and no more from then on."""
    seen = await gate.seen(ALL)
    await gate.forget(seen)
    return {(note.kind, note.place) for note in seen}


def where(*found: Row) -> set[tuple[type[Any], tuple[Any, ...]]]:
    return {(type(row), PLACES[type(row)](row)) for row in found}


def test_every_kind_that_moves_is_noted() -> None:
    assert set(NOTED) == set(PLACES)
    assert len({each.table for each in NOTED.values()}) == len(PLACES)


async def test_every_row_that_comes_is_noted_where_it_stands(place: Place) -> None:
    await place.gate.watch()
    await fill(place.catalog, 1, 2)
    seen = await place.gate.seen(ALL)
    for number in (1, 2):
        found = {(note.kind, note.place) for note in seen if note.account == number}
        assert found == where(*every_kind(number))


async def test_every_row_that_is_saved_or_goes_is_noted(place: Place) -> None:
    await fill(place.catalog, 1)
    await place.gate.watch()
    each = list({type(row): row for row in every_kind(1) if not isinstance(row, Record | Folder)}.values())
    for row in each:
        await place.catalog.transact(saving(row))
        assert where(row) <= await noted(place.gate)
    for row in sorted(each, key=lambda row: isinstance(row, Attachment)):
        await place.catalog.transact(removing(row))
        assert where(row) <= await noted(place.gate)


async def test_what_goes_with_another_is_noted_and_versions_by_their_attachment(place: Place) -> None:
    await fill(place.catalog, 1)
    found = await contents(place.catalog, 1)
    linked: Link = found[Link][0]
    attachment = next(row for row in found[Attachment] if row.id == linked.attachment)
    below = next(row for row in reversed(found[Record]) if not any(row.ref in each.parents for each in found[Record]))
    await place.gate.watch()
    await place.catalog.transact(removing(attachment))
    gone = await noted(place.gate)
    assert where(attachment, linked) <= gone
    assert not any(kind is Version for kind, _ in gone)
    await place.catalog.transact(removing(below))
    left = [row for row in found[Link] if row.record == below.ref and row.attachment != attachment.id]
    assert where(below, *left) <= await noted(place.gate)


async def test_a_row_that_changes_its_place_is_noted_at_both(place: Place) -> None:
    await fill(place.catalog, 1)
    await place.gate.watch()
    user = rows.user(1)
    await place.catalog.transact(saving(rows.user(1, email="new@example.org")))
    assert where(user, rows.user(1, email="new@example.org")) <= await noted(place.gate)
    before = (await contents(place.catalog, 1))[Folder]

    async def body(tx: Tx) -> int:
        return await tx.move(MoveTree(1, "/a", "/elsewhere", rows.AGE, "user:1"))

    await place.catalog.transact(body)
    after = await contents(place.catalog, 1)
    moved = [row for row in after[Attachment] if (row.folder or "").startswith("/elsewhere")]
    assert moved
    found = await noted(place.gate)
    assert where(*moved, *(set(before) ^ set(after[Folder]))) <= found


async def test_what_is_committed_is_there_when_watching_begins_or_is_noted(place: Place) -> None:
    await place.catalog.transact(adding([rows.account(), rows.ledger()]))
    stop, under_way, further = asyncio.Event(), asyncio.Event(), asyncio.Event()
    written: list[int] = []
    stop_at: list[int] = []

    async def write(first: int) -> None:
        for number in range(first, first + 10_000):
            if stop.is_set():
                return
            await place.catalog.transact(adding([rows.event(number)]))
            written.append(number)
            if len(written) > 40:
                under_way.set()
            if stop_at and len(written) > stop_at[0]:
                further.set()

    writers = [asyncio.create_task(write(n * 100_000)) for n in range(6)]
    await under_way.wait()
    await place.gate.watch()
    there = {row.number for row in (await contents(place.catalog, 1))[Event]}
    stop_at.append(len(written) + 40)
    await further.wait()
    stop.set()
    await asyncio.gather(*writers)
    later = {found[0] for kind, found in await noted(place.gate) if kind is Event}
    assert set(written) == there | later
    assert later - there


async def test_a_change_after_the_note_was_read_leaves_another(place: Place) -> None:
    await fill(place.catalog, 1)
    await place.gate.watch()
    link = next(row for row in every_kind(1) if isinstance(row, Link))
    await place.catalog.transact(saving(link))
    seen = await place.gate.seen(ALL)
    await place.catalog.transact(saving(link))
    await place.gate.forget(seen)
    assert (Link, (link.id,)) in await noted(place.gate)
    assert await place.gate.seen(ALL) == []


async def test_the_oldest_notes_come_first_and_as_many_as_are_asked_for(place: Place) -> None:
    await place.catalog.transact(adding([rows.account(), rows.ledger()]))
    await place.gate.watch()
    for number in range(1, 6):
        await place.catalog.transact(adding([rows.event(number)]))
    events = [note.place[0] for note in await place.gate.seen(ALL) if note.kind is Event]
    assert events == [1, 2, 3, 4, 5]
    first = await place.gate.seen(2)
    assert len(first) == 2
    await place.gate.forget(first)
    assert len([note for note in await place.gate.seen(ALL) if note.kind is Event]) >= 3
    assert not {note.number for note in first} & {note.number for note in await place.gate.seen(ALL)}


async def test_it_is_sealed_only_when_no_note_is_left(place: Place) -> None:
    await place.catalog.transact(adding([rows.account(), rows.ledger()]))
    await place.gate.watch()
    await place.catalog.transact(adding([rows.event(1)]))
    assert not await place.gate.seal(AWAY)
    assert await place.gate.closure() is None
    await place.gate.hold(MOVING)
    assert not await place.gate.seal(AWAY)
    assert await place.gate.closure() == MOVING
    await noted(place.gate)
    assert await place.gate.seal(AWAY)
    assert await place.gate.closure() == AWAY
    with pytest.raises(WatchLost):
        await place.gate.seen(1)


async def test_only_the_last_watcher_has_the_notes(place: Place, other: Gate) -> None:
    await place.catalog.transact(adding([rows.account(), rows.ledger()]))
    await place.gate.watch()
    await place.catalog.transact(adding([rows.event(1)]))
    seen = await place.gate.seen(ALL)
    await other.watch()
    await place.catalog.transact(adding([rows.event(2), rows.event(3)]))
    for asked in (place.gate.seen(1), place.gate.forget(seen), place.gate.hold(MOVING), place.gate.seal(AWAY)):
        with pytest.raises(WatchLost):
            await asked
    await place.gate.withdraw(AWAY)
    assert await place.gate.closure() is None
    assert {found for kind, found in await noted(other) if kind is Event} == {(2,), (3,)}
    await other.open()
    with pytest.raises(WatchLost):
        await other.seal(AWAY)


async def test_who_watches_next_lets_changes_in_that_the_last_one_held_off(place: Place, other: Gate) -> None:
    await place.catalog.transact(adding([rows.account(), rows.ledger()]))
    assert await place.gate.watch() is None
    await place.gate.hold(MOVING)
    assert await other.watch() == MOVING
    assert await place.gate.closure() is None
    await other.withdraw(None)
    await place.gate.close(AWAY)
    assert await other.watch() == AWAY
    assert await place.gate.closure() == AWAY
    await other.withdraw(AWAY)
    assert await place.gate.closure() == AWAY


@pytest.fixture
def other(place: Place) -> Gate:
    """The gate of the same catalog in another process."""
    if isinstance(place.gate, SqliteGate):
        return SqliteGate(place.gate._path)
    assert isinstance(place.gate, PostgresGate)
    return PostgresGate(place.gate._dsn)


async def test_nothing_is_left_in_a_file_when_nobody_watches(tmp_path: Path) -> None:
    path = tmp_path / "place.sqlite"
    async with PLACES_TO_BE["sqlite"](tmp_path / "place") as place:
        before = schema_of(path)
        for end in (place.gate.open(), place.gate.close(AWAY), place.gate.close(Closure("filling", "there"))):
            await place.gate.watch()
            assert is_watched(path)
            assert schema_of(path) != before
            await end
            assert not is_watched(path)
        await place.gate.open()
        assert schema_of(path) == before


def schema_of(path: Path) -> set[str]:
    connection = apsw.Connection(str(path))
    try:
        return {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    finally:
        connection.close()


_OBJECTS = """
SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


async def test_nothing_is_left_in_a_database_when_nobody_watches() -> None:
    with fresh_database() as dsn:
        gate, before = PostgresGate(dsn), server().execute(_OBJECTS, dsn_name(dsn))
        await gate.watch()
        assert len(server().execute(_OBJECTS, dsn_name(dsn))) > len(before)
        await gate.open()
        assert sorted(server().execute(_OBJECTS, dsn_name(dsn))) == sorted(before)


def dsn_name(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["dbname"])


async def test_a_database_is_closed_and_given_up_while_somebody_reads_on() -> None:
    """A dump holds its tables for hours, and everybody else who reads would queue behind who waits for it."""
    with fresh_database() as dsn, psycopg.connect(dsn) as reader:
        catalog, gate = open_postgres(dsn), PostgresGate(dsn)
        await catalog.transact(adding([rows.account(), rows.ledger()]))
        for table in NOTED.values():
            reader.execute(f"SELECT count(*) FROM {table.table}".encode())
        await gate.watch()
        await gate.hold(MOVING)
        assert await gate.seal(AWAY)
        assert await gate.closure() == AWAY
        reader.rollback()
        await gate.close(Closure("filling", "there"))
        await gate.open()
        assert {("touched",), ("noted",)}.isdisjoint(server().execute(_OBJECTS, dsn_name(dsn)))
        await catalog.close()


async def test_ordinary_servers_start_and_write_while_the_owner_watches() -> None:
    with fresh_database() as dsn, serving_role(dsn, owner=False) as servers:
        early = open_postgres(servers)
        await PostgresGate(dsn).watch()
        late = open_postgres(servers)
        assert facts_of(servers).without_wall == ()
        gate = PostgresGate(dsn)
        await gate.watch()
        await early.transact(adding([rows.account(), rows.ledger()]))
        await late.transact(adding([rows.event(1)]))
        assert where(rows.account(), rows.event(1)) <= await noted(gate)
        await early.close()
        await late.close()


async def test_a_table_of_a_watched_database_is_not_emptied_unnoticed() -> None:
    with fresh_database() as dsn:
        gate, name = PostgresGate(dsn), str(conninfo_to_dict(dsn)["dbname"])
        await gate.watch()
        with pytest.raises(ObjectNotInPrerequisiteState, match="being moved"):
            server().execute("TRUNCATE events", name)
        await gate.open()
        server().execute("TRUNCATE events", name)


async def test_rows_are_found_by_their_places(place: Place) -> None:
    await fill(place.catalog, 1, 2)
    for kind, at in PLACES.items():
        found = (await place.catalog.find(KindQuery(1, kind, Window(500)))).items
        some = tuple(at(row) for row in found[::3])
        page = await place.catalog.find(AtQuery(1, kind, (*some, *some[:1])))
        assert sorted(map(at, page.items)) == sorted((*some, *some[:1]))
        assert set(map(repr, page.items)) <= set(map(repr, found))
        assert (await place.catalog.find(AtQuery(3, kind, some))).items == ()


def test_a_note_says_nothing_of_the_row_but_its_place() -> None:
    assert set(Note.__struct_fields__) == {"number", "account", "kind", "place"}
