"""Rows moved between catalogs of all kinds: all of them, unchanged, in the middle of changes, and begun again."""

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import apsw
import msgspec
import pytest

from holdfast.core.errors import Unavailable
from holdfast.core.inventory import Closure
from holdfast.core.model import Attachment, Count, Event, Folder, Lease, Link, Record
from holdfast.core.ports import AttachmentQuery, Key, Order, Page, Query, Row, Tx, Window
from holdfast.core.upkeep.matching import PLACES, NotACopy
from holdfast.core.upkeep.moving import Mismatch, Move
from tests.catalog import rows
from tests.catalog.worlds import adding, everything, saving
from tests.upkeep.everykind import KINDS, PLACES_TO_BE, Place, contents, every_kind, fill

R = TypeVar("R")
T = TypeVar("T")

ROWS_OF = {
    "accounts", "ledgers", "users", "clients", "tokens", "records", "folders", "attachments", "versions", "blobs",
    "renditions", "media_facts", "links", "events", "answers",
}  # fmt: skip
FOLLOW_FROM_ROWS = {"record_parents", "record_ancestors", "attachment_properties"}
STAY_BEHIND = {"counts", "leases", "schema_versions"}


class Ends(NamedTuple):
    source: Place
    target: Place

    def move(self, **changes: Any) -> Move:
        made = Move(self.source.catalog, self.target.past, self.source.gate, self.target.gate, "old", "new")
        return msgspec.structs.replace(made, **changes)

    def back(self) -> Move:
        return Move(self.target.catalog, self.source.past, self.target.gate, self.source.gate, "new", "old")


@pytest.fixture(params=itertools.product(PLACES_TO_BE, PLACES_TO_BE), ids="-to-".join)
async def ends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ends]:
    async with AsyncExitStack() as opened:
        source = await opened.enter_async_context(PLACES_TO_BE[request.param[0]](tmp_path / "source"))
        target = await opened.enter_async_context(PLACES_TO_BE[request.param[1]](tmp_path / "target"))
        yield Ends(source, target)


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Ends]:
    """Where the engines make no difference."""
    async with AsyncExitStack() as opened:
        source = await opened.enter_async_context(PLACES_TO_BE["sqlite"](tmp_path / "source"))
        target = await opened.enter_async_context(PLACES_TO_BE["sqlite"](tmp_path / "target"))
        yield Ends(source, target)


class Troubled:
    """A catalog whose transactions are in trouble now and then."""

    def __init__(self, catalog: Any, trouble: Callable[[int], Awaitable[None]]) -> None:
        self._catalog = catalog
        self._trouble = trouble
        self._number = 0

    async def get(self, key: Key[R]) -> R | None:
        found: R | None = await self._catalog.get(key)
        return found

    async def find(self, query: Query[R]) -> Page[R]:
        found: Page[R] = await self._catalog.find(query)
        return found

    def stamp(self) -> bytes | None:
        found: bytes | None = self._catalog.stamp()
        return found

    async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        self._number += 1
        await self._trouble(self._number)
        result: T = await self._catalog.transact(body)
        return result

    async def close(self) -> None:
        return None


def test_every_kind_of_row_moves_but_what_lives_for_minutes() -> None:
    assert set(PLACES) == KINDS - {Count, Lease}
    assert {type(row) for row in every_kind(1)} == set(PLACES)


def test_every_table_holds_rows_that_move_or_follows_from_them(tmp_path: Path) -> None:
    """A table that is added has to be named here, and its rows in `PLACES`."""
    from holdfast.catalog.sqlite import open_sqlite  # noqa: PLC0415

    open_sqlite(tmp_path / "c")
    listed = apsw.Connection(str(tmp_path / "c")).execute("SELECT name FROM pragma_table_list WHERE type = 'table'")
    tables = {str(name) for (name,) in listed if not str(name).startswith("sqlite_")}
    assert tables == ROWS_OF | FOLLOW_FROM_ROWS | STAY_BEHIND
    assert len(ROWS_OF) == len(PLACES)


async def test_all_rows_are_there_unchanged_and_the_old_place_is_closed(ends: Ends) -> None:
    await fill(ends.source.catalog, 1, 2)
    moved = await ends.move().run()
    for number in (1, 2):
        there = await contents(ends.target.catalog, number)
        assert there == await contents(ends.source.catalog, number)
        assert all(there.values())
    assert moved.rows["Attachment"] == 2 * 61
    assert await ends.source.gate.closure() == Closure("moved", "new")
    assert await ends.target.gate.closure() is None
    await ends.target.catalog.transact(adding([rows.event(1000)]))


@pytest.mark.parametrize("ends", [("sqlite", "postgres"), ("postgres", "sqlite")], indirect=True, ids="-to-".join)
async def test_lists_searches_and_cursors_are_the_same_there(ends: Ends) -> None:
    await fill(ends.source.catalog, 1)
    await ends.move().run()
    orders = (Order("created_at", descending=True),), (Order("name"),), (Order("property.n"),)
    queries: list[dict[str, Any]] = [{"order": order} for order in orders]
    queries += [{"words": words} for words in ("77", "ärger", "inv")] + [{"under": ("/a",)}, {"folder": "/ab"}]
    queries += [{"record": row.ref} for row in every_kind(1) if isinstance(row, Record)]
    for asked in queries:
        pages = []
        for place in ends:
            page = await place.catalog.find(AttachmentQuery(1, Window(5, total=True), **asked))
            rest = await everything(place.catalog, lambda w, asked=asked: AttachmentQuery(1, w, **asked), 25)  # type: ignore[misc]
            # Each engine has its own way to sort by properties, and its own cursor there.
            after = page.next if "property.n" not in str(asked) else None
            pages.append((page.items, page.total, after, rest))
        assert pages[0] == pages[1], asked


async def test_what_changes_meanwhile_comes_along(ends: Ends) -> None:
    """Between any two transactions of the move a row of each kind comes, changes or goes."""
    await fill(ends.source.catalog, 1)
    draw = random.Random(1)

    async def meanwhile(number: int) -> None:
        if number < 16 and await ends.source.gate.closure() is None:
            await change_something(ends.source, draw, number)

    await ends.move(target=Troubled(ends.target.past, meanwhile)).run()
    assert await contents(ends.target.catalog, 1) == await contents(ends.source.catalog, 1)


async def change_something(place: Place, draw: random.Random, number: int) -> None:
    found = await contents(place.catalog, 1)
    attachments: list[Attachment] = found[Attachment]
    first = draw.choice(attachments)
    new = rows.attachment(attachments[-1].number + 1, id=f"new-{number}", folder="/a", name=f"n{number}")
    records: list[Record] = found[Record]
    gone = draw.choice(records[1:])
    orphans = [msgspec.structs.replace(each, parents=()) for each in records if gone.ref in each.parents]
    folder: Folder = draw.choice(found[Folder])

    async def body(tx: Tx) -> None:
        await tx.remove(first)
        for each in orphans:
            await tx.save(each)
        await tx.remove(gone)
        late = records[-1].created_at + number + 1
        await tx.add(msgspec.structs.replace(gone, id=f"new-{number}", created_at=late, parents=(records[0].ref,)))
        await tx.add(new)
        await tx.add(rows.link(new, records[0].ref, number))
        await tx.remove(folder)
        await tx.add(msgspec.structs.replace(folder, path=f"{folder.path}-{number}"))
        await tx.add(rows.event(1000 + number))

    await place.catalog.transact(body)
    left = [each for each in attachments if each.id != first.id and each.path is not None and each.trashed_at is None]
    await _swap(place, *draw.sample(left, 2))


async def _swap(place: Place, one: Attachment, other: Attachment) -> None:
    """Let two files change their places."""
    aside = msgspec.structs.replace(one, folder=None)
    there = msgspec.structs.replace(other, folder=one.folder, name=one.name)
    here = msgspec.structs.replace(one, folder=other.folder, name=other.name)
    await place.catalog.transact(saving(aside, there, here))


@pytest.mark.parametrize("at", [2, 3, 6, 10, 15, 18])
async def test_a_move_that_broke_off_is_begun_again(small: Ends, at: int) -> None:
    await fill(small.source.catalog, 1)

    async def trouble(number: int) -> None:
        if number == at:
            raise Unavailable("gone")

    broken = small.move(target=Troubled(small.target.past, trouble))
    with pytest.raises(Unavailable, match="gone"):
        await broken.run()
    assert await small.source.gate.closure() is None
    why = await small.target.gate.closure()
    assert why is not None
    assert why.state == "filling"
    await change_something(small.source, random.Random(at), at)
    await small.move().run()
    assert await contents(small.target.catalog, 1) == await contents(small.source.catalog, 1)


async def test_a_move_that_died_behind_the_closed_gate_is_begun_again(ends: Ends) -> None:
    await fill(ends.source.catalog, 1)
    await ends.target.gate.close(Closure("filling", "old"))
    await ends.source.gate.close(Closure("moved", "new"))
    await ends.move().run()
    assert await contents(ends.target.catalog, 1) == await contents(ends.source.catalog, 1)
    assert await ends.target.gate.closure() is None


async def test_there_and_back_again_brings_what_changed_there(ends: Ends) -> None:
    await fill(ends.source.catalog, 1)
    await ends.move().run()
    await change_something(ends.target, random.Random(5), 5)
    await ends.back().run()
    assert await contents(ends.source.catalog, 1) == await contents(ends.target.catalog, 1)
    assert await ends.source.gate.closure() is None
    assert await ends.target.gate.closure() == Closure("moved", "old")


async def test_a_second_move_after_the_switch_is_refused(small: Ends) -> None:
    await fill(small.source.catalog, 1)
    await small.move().run()
    await small.target.catalog.transact(adding([rows.event(1000)]))
    with pytest.raises(NotACopy, match="already"):
        await small.move().run()
    found = (await contents(small.target.catalog, 1))[Event]
    assert found[-1].number == 1000


async def test_what_is_somebody_else_s_is_not_written_over(small: Ends) -> None:
    await fill(small.source.catalog, 1)
    await small.target.catalog.transact(adding([rows.account(9), rows.ledger(9)]))
    with pytest.raises(NotACopy, match="already"):
        await small.move().run()
    await small.target.gate.close(Closure("moved", "old"))
    with pytest.raises(NotACopy, match="another installation"):
        await small.move().run()


async def test_attachments_that_the_source_never_had_are_refused(small: Ends) -> None:
    await fill(small.source.catalog, 1)
    begun: list[Row] = [rows.account(1), rows.attachment(5, id="stranger"), rows.attachment(500)]
    await small.target.past.transact(adding(begun))
    await small.target.gate.close(Closure("filling", "old"))
    with pytest.raises(NotACopy, match="empty it"):
        await small.move().run()


async def test_a_difference_at_the_end_opens_the_source_again(small: Ends) -> None:
    await fill(small.source.catalog, 1)

    class Forgetful(Troubled):
        async def find(self, query: Query[R]) -> Page[R]:
            page: Page[R] = await self._catalog.find(query)
            if getattr(query, "kind", None) is Link:
                return msgspec.structs.replace(page, items=page.items[1:])
            return page

    async def no_trouble(_number: int) -> None:
        return None

    with pytest.raises(Mismatch, match="Link"):
        await small.move(target=Forgetful(small.target.past, no_trouble)).run()
    assert await small.source.gate.closure() is None
    await small.source.catalog.transact(adding([rows.event(1000)]))
