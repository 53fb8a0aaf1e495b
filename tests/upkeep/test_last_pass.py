"""The last pass of a move reads what changed since the pass before, and misses nothing wherever the move was killed."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import pytest

from holdfast.catalog.gates import SqliteGate
from holdfast.catalog.postgres.gates import PostgresGate
from holdfast.core.errors import Unavailable
from holdfast.core.inventory import Closure, Fence, Gate, Note, WatchLost
from holdfast.core.model import Attachment, Event, Link
from holdfast.core.ports import Key, Page, Query, Tx
from holdfast.core.upkeep.matching import NotACopy
from holdfast.core.upkeep.moving import Mismatch, Move
from tests.catalog import rows
from tests.catalog.worlds import adding, removing, saving
from tests.upkeep.everykind import PLACES_TO_BE, Place, contents, fill
from tests.upkeep.test_moving import Ends, change_something

R = TypeVar("R")
T = TypeVar("T")
When = Callable[[str], Awaitable[None]]

BURST = 40
"""More notes than are left to the last pass, while fewer are than usually."""

WAYS = ("sqlite", "postgres"), ("postgres", "sqlite")
FILES = ("sqlite", "sqlite")


async def never(_call: str) -> None:
    return None


class ObservedGate:
    """A gate of which somebody is told before and after each call, by its name."""

    def __init__(self, gate: Gate, before: When = never, after: When = never) -> None:
        self._gate = gate
        self._before = before
        self._after = after

    async def _told(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        await self._before(name)
        result = await call()
        await self._after(name)
        return result

    async def closure(self) -> Closure | None:
        return await self._gate.closure()

    async def close(self, why: Closure, fence: Fence | None = None) -> None:
        await self._told("close", lambda: self._gate.close(why, fence))

    async def open(self, fence: Fence | None = None) -> None:
        await self._told("open", lambda: self._gate.open(fence))

    async def watch(self) -> Closure | None:
        return await self._told("watch", self._gate.watch)

    async def seen(self, limit: int) -> list[Note]:
        return await self._told("seen", lambda: self._gate.seen(limit))

    async def forget(self, seen: Sequence[Note]) -> None:
        await self._told("forget", lambda: self._gate.forget(seen))

    async def hold(self, why: Closure) -> None:
        await self._told("hold", lambda: self._gate.hold(why))

    async def seal(self, why: Closure) -> bool:
        return await self._told("seal", lambda: self._gate.seal(why))

    async def withdraw(self, why: Closure | None) -> None:
        await self._told("withdraw", lambda: self._gate.withdraw(why))


class ObservedCatalog:
    """A catalog of which somebody is told of each transaction, and of the rows that were read."""

    def __init__(self, catalog: Any, before: When = never, after: When = never) -> None:
        self._catalog = catalog
        self._before = before
        self._after = after
        self.counts = False
        self.read = 0

    async def get(self, key: Key[R]) -> R | None:
        found: R | None = await self._catalog.get(key)
        self.read += self.counts
        return found

    async def find(self, query: Query[R]) -> Page[R]:
        page: Page[R] = await self._catalog.find(query)
        self.read += len(page.items) * self.counts
        return page

    async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        await self._before("transact")
        result: T = await self._catalog.transact(body)
        await self._after("transact")
        return result

    async def close(self) -> None:
        return None


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.core.upkeep.moving._FEW", BURST // 2)


@pytest.fixture(params=WAYS, ids="-to-".join)
async def ends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ends]:
    async with AsyncExitStack() as opened:
        yield await _ends(opened, request.param, tmp_path)


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Ends]:
    """Where the engines make no difference."""
    async with AsyncExitStack() as opened:
        yield await _ends(opened, FILES, tmp_path)


async def _ends(opened: AsyncExitStack, way: tuple[str, str], folder: Path) -> Ends:
    source = await opened.enter_async_context(PLACES_TO_BE[way[0]](folder / "source"))
    target = await opened.enter_async_context(PLACES_TO_BE[way[1]](folder / "target"))
    return Ends(source, target)


async def several(place: Place, first: int) -> int:
    """Some changes of different kinds, one row each; how many."""
    found = await contents(place.catalog, 1)
    await place.catalog.transact(adding([rows.event(n) for n in range(first, first + 5)]))
    await place.catalog.transact(saving(msgspec.structs.replace(found[Attachment][3], description=f"changed {first}")))
    await place.catalog.transact(removing(found[Link][0]))
    return 7


# ---------------------------------------------------------------- how much is read


async def closed_reads(ends: Ends, accounts: tuple[int, ...], *, changes: bool) -> tuple[int, int]:
    """Rows read of both sides while changes were refused, and rows that the move says it compared in that time."""
    await fill(ends.source.catalog, *accounts)
    source, target = ObservedCatalog(ends.source.catalog), ObservedCatalog(ends.target.past)

    async def before(call: str) -> None:
        if call == "hold" and changes:
            await several(ends.source, 1000)

    async def after(call: str) -> None:
        if call == "hold":
            source.counts = target.counts = True

    gate = ObservedGate(ends.source.gate, before, after)
    moved = await ends.move(source=source, target=target, source_gate=gate).run()
    for number in accounts:
        assert await contents(ends.target.catalog, number) == await contents(ends.source.catalog, number)
    return source.read + target.read, moved.again


async def test_no_row_is_read_while_changes_are_refused_if_none_has_changed(ends: Ends) -> None:
    assert await closed_reads(ends, (1, 2), changes=False) == (0, 0)


@pytest.mark.parametrize("way", WAYS, ids="-to-".join)
async def test_the_rows_read_while_changes_are_refused_grow_with_the_changes_alone(
    tmp_path: Path, way: tuple[str, str]
) -> None:
    """A removed row is read in the target, a new one in the source, and what was brought once more on both sides."""
    found = []
    for number, accounts in enumerate(((1,), (1, 2, 3))):
        async with AsyncExitStack() as opened:
            folder = tmp_path / str(number)
            folder.mkdir()
            found.append(await closed_reads(await _ends(opened, way, folder), accounts, changes=True))
    assert found[0] == found[1]
    assert found[0][0] <= 4 * 7


async def test_what_is_noted_is_brought_in_passes_before_changes_are_refused(ends: Ends) -> None:
    await fill(ends.source.catalog, 1)
    bursts = iter(range(1000, 1000 + 3 * BURST, BURST))

    async def before(call: str) -> None:
        if call == "seen" and (first := next(bursts, None)) is not None:
            await ends.source.catalog.transact(adding([rows.event(n) for n in range(first, first + BURST)]))

    moved = await ends.move(source_gate=ObservedGate(ends.source.gate, before)).run()
    assert moved.again == 0
    there = (await contents(ends.target.catalog, 1))[Event]
    assert len([row for row in there if row.number >= 1000]) == 3 * BURST


async def test_more_notes_than_are_read_at_once_are_all_brought(small: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.core.upkeep.moving._AT_ONCE", 7)
    monkeypatch.setattr("holdfast.core.upkeep.moving._FEW", 3)
    await fill(small.source.catalog, 1)
    done = iter((3, 4, 5))

    async def before(call: str) -> None:
        if call in ("seen", "hold") and (number := next(done, None)) is not None:
            await change_something(small.source, random.Random(number), number)

    await small.move(source_gate=ObservedGate(small.source.gate, before)).run()
    assert await contents(small.target.catalog, 1) == await contents(small.source.catalog, 1)


# ---------------------------------------------------------------- wherever it stops


class Killed(BaseException):
    """The process is gone."""


_USED_BEFORE = frozenset({"watch", "seen", "hold", "seal"})


class Doom:
    """Kills the move after its `at`th step, and is used between the steps; a dead process does nothing any more.

    A step is what may change something: a call of a gate, or a transaction of the target.
    """

    def __init__(self, place: Place, at: int) -> None:
        self.steps = 0
        self._at = at
        self._place = place
        self._draw = random.Random(at)
        self._uses = iter(range(10_000, 50_000, 10_000))

    async def before(self, call: str) -> None:
        if self.steps >= self._at:
            raise Killed
        self.steps += 1
        if call in _USED_BEFORE and (number := next(self._uses, None)) is not None:
            await self._use(number)

    async def after(self, _call: str) -> None:
        if self.steps >= self._at:
            raise Killed

    async def _use(self, number: int) -> None:
        try:
            await change_something(self._place, self._draw, number)
            await self._place.catalog.transact(adding([rows.event(n) for n in range(number, number + BURST)]))
        except Unavailable:
            assert await self._place.gate.closure() is not None


def doomed(ends: Ends, doom: Doom) -> Move:
    return ends.move(
        target=ObservedCatalog(ends.target.past, doom.before, doom.after),
        source_gate=ObservedGate(ends.source.gate, doom.before, doom.after),
        target_gate=ObservedGate(ends.target.gate, doom.before, doom.after),
    )


async def survive(ends: Ends, at: int) -> bool:
    """Kill a move at that step, use the source, move again; whether there was such a step."""
    await fill(ends.source.catalog, 1)
    doom = Doom(ends.source, at)
    try:
        await doomed(ends, doom).run()
    except Killed:
        killed = True
    else:
        killed = False
    why, there = await ends.source.gate.closure(), await ends.target.gate.closure()
    if why == Closure("moved", "new") and there is None:
        # It was killed after all was done, or not at all.
        assert await contents(ends.target.catalog, 1) == await contents(ends.source.catalog, 1)
        return killed
    assert there in (None, Closure("filling", "old"))
    if why is None:
        await change_something(ends.source, random.Random(at), 999)
    await again(ends).run()
    assert await contents(ends.target.catalog, 1) == await contents(ends.source.catalog, 1)
    assert await ends.source.gate.closure() == Closure("moved", "new")
    assert await ends.target.gate.closure() is None
    return killed


def again(ends: Ends) -> Move:
    """The move from another process."""
    return ends.move(source_gate=twin(ends.source.gate), target_gate=twin(ends.target.gate))


def twin(gate: Gate) -> Gate:
    """The gate of the same catalog in another process."""
    if isinstance(gate, SqliteGate):
        return SqliteGate(gate._path)
    assert isinstance(gate, PostgresGate)
    return PostgresGate(gate._dsn)


@pytest.mark.parametrize("part", range(4))
async def test_a_move_that_is_killed_at_any_step_misses_nothing(tmp_path: Path, part: int) -> None:
    at = part + 1
    while True:
        async with AsyncExitStack() as opened:
            folder = tmp_path / str(at)
            folder.mkdir()
            if not await survive(await _ends(opened, FILES, folder), at):
                break
        at += 4
    assert at > 40


@pytest.mark.parametrize("at", [1, 5, 19, 30, 48])
async def test_so_it_is_with_every_engine(ends: Ends, at: int) -> None:
    await survive(ends, at)


@pytest.mark.parametrize("call", ["watch", "close", "seen", "forget", "hold", "seal"])
async def test_a_move_that_fails_at_a_step_leaves_the_source_as_it_was(ends: Ends, call: str) -> None:
    await fill(ends.source.catalog, 1)
    bursts = iter((2000, 3000))

    async def before(name: str) -> None:
        if name == call:
            raise Unavailable("gone")
        if name == "seen" and (first := next(bursts, None)) is not None:
            await ends.source.catalog.transact(adding([rows.event(n) for n in range(first, first + BURST)]))

    broken = ends.move(
        source_gate=ObservedGate(ends.source.gate, before), target_gate=ObservedGate(ends.target.gate, before)
    )
    with pytest.raises(Unavailable, match="gone"):
        await broken.run()
    assert await ends.source.gate.closure() is None
    await change_something(ends.source, random.Random(2), 2)
    await again(ends).run()
    assert await contents(ends.target.catalog, 1) == await contents(ends.source.catalog, 1)


async def test_a_row_that_the_target_loses_at_the_end_is_missed(ends: Ends) -> None:
    await fill(ends.source.catalog, 1)

    class Liar(ObservedCatalog):
        async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
            if await ends.source.gate.closure() is None:
                return await super().transact(body)
            lost: Any = None
            return cast(T, lost)

    async def before(call: str) -> None:
        if call == "hold":
            await several(ends.source, 1000)

    gate = ObservedGate(ends.source.gate, before)
    with pytest.raises(Mismatch, match="Attachment, Event, Link"):
        await ends.move(target=Liar(ends.target.past), source_gate=gate).run()
    assert await ends.source.gate.closure() is None
    await again(ends).run()
    assert await contents(ends.target.catalog, 1) == await contents(ends.source.catalog, 1)


async def test_an_attachment_that_would_come_behind_later_ones_is_refused(small: Ends) -> None:
    """Lists of the target would have it in the wrong place."""
    await fill(small.source.catalog, 1)

    async def before(call: str) -> None:
        if call == "hold":
            await small.target.past.transact(adding([rows.attachment(900, id="stranger")]))
            await small.source.catalog.transact(adding([rows.attachment(500, id="new")]))

    with pytest.raises(NotACopy, match="empty it"):
        await small.move(source_gate=ObservedGate(small.source.gate, before)).run()
    assert await small.source.gate.closure() is None


# ---------------------------------------------------------------- who else is about


async def test_a_row_that_slips_past_the_closed_gate_keeps_the_source_from_being_given_up(ends: Ends) -> None:
    await fill(ends.source.catalog, 1)

    async def before(call: str) -> None:
        if call == "seal":
            await slip_past(ends.source)

    with pytest.raises(Mismatch, match="while changes were refused"):
        await ends.move(source_gate=ObservedGate(ends.source.gate, before)).run()
    assert await ends.source.gate.closure() is None
    assert await ends.target.gate.closure() == Closure("filling", "old")
    await again(ends).run()
    assert (await contents(ends.target.catalog, 1))[Event][-1].number == 5000


async def slip_past(place: Place) -> None:
    """Add a row as the engine's owner can, who takes the refusal away."""
    if isinstance(place.gate, SqliteGate):
        connection = place.catalog._writer._connection  # type: ignore[attr-defined]
        connection.execute("DROP TRIGGER closed_events_insert")
        await place.catalog.transact(adding([rows.event(5000)]))
    else:
        await place.past.transact(adding([rows.event(5000)]))


@pytest.mark.parametrize("call", ["seen", "hold", "seal"])
async def test_of_two_moves_the_one_that_began_last_counts(ends: Ends, call: str) -> None:
    await fill(ends.source.catalog, 1)
    others = iter((again(ends),))

    async def before(name: str) -> None:
        if name == call and (other := next(others, None)) is not None:
            await change_something(ends.source, random.Random(3), 3) if call != "seal" else None
            await other.run()

    with pytest.raises(WatchLost):
        await ends.move(source_gate=ObservedGate(ends.source.gate, before)).run()
    assert await ends.source.gate.closure() == Closure("moved", "new")
    assert await ends.target.gate.closure() is None
    assert await contents(ends.target.catalog, 1) == await contents(ends.source.catalog, 1)


async def test_a_source_that_was_reopened_meanwhile_is_not_given_up(ends: Ends) -> None:
    await fill(ends.source.catalog, 1)

    async def before(call: str) -> None:
        if call == "seal":
            await twin(ends.source.gate).open()
            await ends.source.catalog.transact(adding([rows.event(5000)]))

    with pytest.raises(WatchLost):
        await ends.move(source_gate=ObservedGate(ends.source.gate, before)).run()
    assert await ends.source.gate.closure() is None
    await ends.source.catalog.transact(adding([rows.event(5001)]))


async def test_a_source_that_a_dead_move_had_closed_is_used_while_the_next_one_compares(ends: Ends) -> None:
    await fill(ends.source.catalog, 1)
    await ends.target.gate.close(Closure("filling", "old"))
    await ends.source.gate.close(Closure("moving", "new"))
    first = iter((5000,))

    async def before(_call: str) -> None:
        if (number := next(first, None)) is not None:
            await ends.source.catalog.transact(adding([rows.event(number)]))

    await ends.move(target=ObservedCatalog(ends.target.past, before)).run()
    assert (await contents(ends.target.catalog, 1))[Event][-1].number == 5000


@pytest.mark.parametrize("why", [Closure("filling", "first"), Closure("moved", "elsewhere")])
async def test_a_source_that_does_not_count_is_not_moved(small: Ends, why: Closure) -> None:
    await fill(small.source.catalog, 1)
    await small.source.gate.close(why)
    with pytest.raises(NotACopy, match=why.place):
        await small.move().run()
    assert await small.source.gate.closure() == why
