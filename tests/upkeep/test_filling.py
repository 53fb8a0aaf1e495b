"""Of several moves to one target the one that began last changes it, and no other, wherever these were paused."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from holdfast.core.inventory import Closure, Fence, FillLost, WatchLost
from holdfast.core.model import Blob
from holdfast.core.ports import BlobKey, LeaseKey, Tx
from holdfast.core.upkeep.filling import FILLING, Filling, seize
from holdfast.core.upkeep.matching import Matching, NotACopy, Route
from tests.catalog import rows
from tests.catalog.worlds import adding
from tests.engines.postgres import server
from tests.upkeep.everykind import PLACES_TO_BE, Place, contents, fill
from tests.upkeep.test_last_pass import ObservedCatalog, ObservedGate, again, twin
from tests.upkeep.test_moving import Ends, change_something


@pytest.fixture(params=PLACES_TO_BE)
async def ends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ends]:
    """From a file to each kind of catalog."""
    async with (
        PLACES_TO_BE["sqlite"](tmp_path / "source") as source,
        PLACES_TO_BE[request.param](tmp_path / "target") as target,
    ):
        yield Ends(source, target)


def pausing(call: str, number: int, meanwhile: Callable[[], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
    """What is told of each call, and does this before the one of that name and number."""
    left = iter([False] * (number - 1) + [True])

    async def before(name: str) -> None:
        if name == call and next(left, False):
            await meanwhile()

    return before


PAUSES = [("close", 1), *(("transact", number) for number in (1, 2, 3, 4, 8, 15)), ("open", 1)]


@pytest.mark.parametrize(("call", "number"), PAUSES)
async def test_a_move_that_was_passed_changes_the_target_no_more(ends: Ends, call: str, number: int) -> None:
    """The other has ended by then, and the target is in use."""
    await fill(ends.source.catalog, 1)
    found = []

    async def meanwhile() -> None:
        if call != "open":
            await change_something(ends.source, random.Random(number), 3)
        await again(ends).run()
        await change_something(ends.target, random.Random(number), 4)
        found.append(await contents(ends.target.catalog, 1))

    before = pausing(call, number, meanwhile)
    target, gate = ObservedCatalog(ends.target.past, before), ObservedGate(ends.target.gate, before)
    with pytest.raises((FillLost, NotACopy)):
        await ends.move(target=target, target_gate=gate).run()
    assert [await contents(ends.target.catalog, 1)] == found
    assert await ends.target.gate.closure() is None
    assert await ends.source.gate.closure() == Closure("moved", "new")


@pytest.mark.parametrize("call", ["seen", "hold", "seal"])
async def test_one_that_was_passed_by_a_move_from_elsewhere_gives_its_source_back(ends: Ends, call: str) -> None:
    await fill(ends.source.catalog, 1)

    async def meanwhile() -> None:
        await seize(ends.target.past, "elsewhere")
        await change_something(ends.source, random.Random(3), 3) if call != "seal" else None

    source = ObservedGate(ends.source.gate, pausing(call, 1, meanwhile))
    with pytest.raises(FillLost):
        await ends.move(source_gate=source).run()
    assert await ends.target.gate.closure() == Closure("filling", "old")
    assert (await ends.source.gate.closure() is None) == (call != "seal")


async def test_a_target_is_not_opened_while_another_move_fills_it(ends: Ends) -> None:
    """Servers would begin to change what is about to be written over."""
    await fill(ends.source.catalog, 1)

    async def meanwhile() -> None:
        await seize(ends.target.past, "another")

    gate = ObservedGate(ends.target.gate, pausing("open", 1, meanwhile))
    with pytest.raises(FillLost, match="another move to the same place"):
        await ends.move(target_gate=gate).run()
    assert await ends.target.gate.closure() == Closure("filling", "old")
    await again(ends).run()
    assert await ends.target.gate.closure() is None


async def test_the_gate_heeds_a_fence(ends: Ends) -> None:
    gate, why = ends.target.gate, Closure("filling", "old")
    for fence in (Fence(FILLING, 1), (await seize(ends.target.past, "first")).fence):
        await seize(ends.target.past, "second")
        for change in (gate.close(why, fence), gate.open(fence)):
            with pytest.raises(FillLost):
                await change
    fence = (await seize(ends.target.past, "third")).fence
    await gate.close(why, fence)
    assert await twin(gate).closure() == why
    await gate.open(fence)
    assert await twin(gate).closure() is None


async def test_a_target_that_holds_another_installation_is_not_taken_from_whoever_fills_it(ends: Ends) -> None:
    await fill(ends.target.catalog, 1)
    await ends.target.gate.close(Closure("filling", "elsewhere"))
    filling = await seize(ends.target.past, "elsewhere")
    with pytest.raises(NotACopy, match="already"):
        await ends.move().run()
    await filling.transact(adding([rows.event(5000)]))


async def test_the_source_tells_of_another_move_from_there_as_before(ends: Ends) -> None:
    await fill(ends.source.catalog, 1)

    async def meanwhile() -> None:
        await twin(ends.source.gate).watch()

    with pytest.raises(WatchLost):
        await ends.move(source_gate=ObservedGate(ends.source.gate, pausing("hold", 1, meanwhile))).run()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Place]:
    async with PLACES_TO_BE["postgres"](tmp_path / "place") as place:
        yield place


async def test_who_takes_over_waits_for_a_change_that_is_under_way(database: Place) -> None:
    """In a file there is one writer at a time anyway."""
    filling = await seize(database.past, "first")
    taking: list[asyncio.Task[Filling]] = []

    async def body(tx: Tx) -> None:
        await tx.add(rows.account())
        taking.append(asyncio.create_task(seize(database.catalog, "second")))
        for _ in range(500):
            if waiting():
                break
            await asyncio.sleep(0.01)
        assert waiting()
        assert not taking[0].done()

    await filling.transact(body)
    later = await taking[0]
    assert later.fence.number == filling.fence.number + 1
    with pytest.raises(FillLost):
        await filling.transact(adding([rows.ledger()]))
    await later.transact(adding([rows.ledger()]))
    lease = await database.catalog.get(LeaseKey(FILLING))
    assert lease is not None
    assert lease.holder == "second"


def waiting() -> bool:
    asked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%leases%'"
    return bool(server().execute(asked))


async def test_bytes_of_a_row_are_removed_when_the_row_is_gone_for_good(ends: Ends) -> None:
    """While it is there, another move may rely on what it names."""
    for place in ends:
        await place.catalog.transact(adding([rows.account(), rows.ledger()]))
    await ends.target.catalog.transact(adding([rows.blob(1), rows.blob(2)]))
    told: list[tuple[bytes, bool]] = []

    async def removed(row: Blob) -> None:
        told.append((row.sha256, await ends.target.catalog.get(BlobKey(1, row.sha256)) is not None))

    passed = await seize(ends.target.past, "first")
    filling = await seize(ends.target.past, "second")
    with pytest.raises(FillLost):
        await Matching(Route(ends.source.catalog, passed, 1), Blob, removed=removed).all()
    assert told == []
    await Matching(Route(ends.source.catalog, filling, 1), Blob, removed=removed).all()
    assert sorted(told) == sorted((rows.blob(n).sha256, False) for n in (1, 2))
