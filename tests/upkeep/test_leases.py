"""Who does a duty, who takes over, and that whoever was passed over changes nothing."""

import asyncio
from pathlib import Path

import pytest

from holdfast.core.leases import LEASE_SECONDS, LeaseLost, is_in_force, revoked
from holdfast.core.ports import BlobKey, Tx
from tests.catalog import rows
from tests.upkeep.workshop import DAY, MovedClock, Workshop, opened


async def test_one_of_two_holds_it_until_it_lets_go(workshop: Workshop) -> None:
    one, two = workshop.leases(), workshop.leases()
    mine = await one.take("collect")
    assert mine is not None
    assert await two.take("collect") is None
    assert await one.take("collect") is None
    assert await two.take("verify") is not None
    await one.end(mine, done=True)
    assert await two.take("collect") is not None


async def test_it_is_taken_over_when_it_was_not_renewed_and_the_fence_grows(workshop: Workshop) -> None:
    one, two = workshop.leases(), workshop.leases()
    mine = await one.take("collect")
    assert mine is not None
    workshop.clock.move(LEASE_SECONDS - 1)
    assert await two.take("collect") is None
    await one.renew(mine)
    workshop.clock.move(LEASE_SECONDS - 1)
    assert await two.take("collect") is None
    workshop.clock.move(2)
    theirs = await two.take("collect")
    assert theirs is not None
    assert theirs.fence == mine.fence + 1
    for work in (one.renew(mine), one.end(mine, done=True)):
        with pytest.raises(LeaseLost):
            await work
    with pytest.raises(LeaseLost):
        mine.check()
    await two.renew(theirs)


async def test_a_late_renewal_counts_as_long_as_nobody_has_taken_over(workshop: Workshop) -> None:
    one = workshop.leases()
    mine = await one.take("collect")
    assert mine is not None
    workshop.clock.move(10 * DAY)
    await one.renew(mine)
    assert await workshop.leases().take("collect") is None


async def test_who_was_passed_over_changes_nothing_in_the_very_transaction(workshop: Workshop) -> None:
    one, two = workshop.leases(), workshop.leases()
    mine = await one.take("collect")
    assert mine is not None

    async def change(tx: Tx) -> None:
        await tx.add(rows.blob(1))
        await mine.hold(tx)

    workshop.clock.move(DAY)
    assert await two.take("collect") is not None
    with pytest.raises(LeaseLost):
        await workshop.catalog.transact(change)
    assert await workshop.catalog.get(BlobKey(1, rows.blob(1).sha256)) is None


@pytest.mark.parametrize("jumps", [(5,), (-5,), (5, -5), (-5, 5), (5, 5, -10, 3)])
async def test_a_jumping_clock_gives_it_to_one_at_a_time(tmp_path: Path, jumps: tuple[int, ...]) -> None:
    """Whoever holds the newest fence can change rows, all others cannot, wherever the clock goes."""
    clock = MovedClock()
    async with opened(tmp_path, clock) as here, opened(tmp_path, clock) as there:
        leases = [here.leases(), there.leases()]
        held = [tenure for each in leases if (tenure := await each.take("collect")) is not None]
        for days in jumps:
            clock.move(days * DAY)
            held += [tenure for each in leases if (tenure := await each.take("collect")) is not None]
            able = []
            for tenure in held:
                try:
                    await here.catalog.transact(tenure.hold)
                except LeaseLost:
                    continue
                able.append(tenure.fence)
            assert able == [max(tenure.fence for tenure in held)]


async def test_a_duty_is_due_once_in_its_time_over_all_processes(workshop: Workshop) -> None:
    one, two = workshop.leases(), workshop.leases()
    mine = await one.take("collect", every=3600)
    assert mine is not None
    await one.end(mine, done=True)
    assert [await each.take("collect", every=3600) for each in (one, two)] == [None, None]
    workshop.clock.move(3590)
    assert await two.take("collect", every=3600) is None
    workshop.clock.move(11)
    theirs = await two.take("collect", every=3600)
    assert theirs is not None
    await two.end(theirs, done=False)
    assert await one.take("collect", every=3600) is not None


async def test_a_duty_done_in_the_future_is_due(workshop: Workshop) -> None:
    one = workshop.leases()
    workshop.clock.move(5 * DAY)
    mine = await one.take("collect", every=3600)
    assert mine is not None
    await one.end(mine, done=True)
    workshop.clock.move(-5 * DAY)
    assert await one.take("collect", every=3600) is not None


async def test_its_place_outlives_whoever_held_it_and_ends_with_the_work(workshop: Workshop) -> None:
    one, two = workshop.leases(), workshop.leases()
    mine = await one.take("verify")
    assert mine is not None
    mine.place = "1:abc"
    await one.renew(mine)
    workshop.clock.move(DAY)
    theirs = await two.take("verify")
    assert theirs is not None
    assert theirs.place == "1:abc"
    await two.end(theirs, done=True)
    again = await one.take("verify")
    assert again is not None
    assert again.place == ""


async def test_it_is_renewed_while_the_work_runs_and_given_back_after(workshop: Workshop) -> None:
    rounds: asyncio.Queue[None] = asyncio.Queue()
    renewed = asyncio.Event()
    count = 0

    async def sleep(_seconds: float) -> None:
        nonlocal count
        count += 1
        if count > 3:
            renewed.set()
            await asyncio.Event().wait()
        await rounds.get()

    leases = workshop.leases(sleep)
    mine = await leases.take("verify")
    assert mine is not None
    async with leases.held(mine):
        for _ in range(3):
            workshop.clock.move(LEASE_SECONDS - 1)
            rounds.put_nowait(None)
        await renewed.wait()
        assert await is_in_force(workshop.catalog, "verify", workshop.clock())
        assert await workshop.leases().take("verify") is None
    assert not await is_in_force(workshop.catalog, "verify", workshop.clock())


async def test_work_that_fails_gives_it_back_undone(workshop: Workshop) -> None:
    leases = workshop.leases()
    mine = await leases.take("verify", every=3600)
    assert mine is not None
    with pytest.raises(RuntimeError):
        async with leases.held(mine):
            raise RuntimeError
    assert await workshop.leases().take("verify", every=3600) is not None


# ---------------------------------------------------------------- shared ones


async def is_free(workshop: Workshop) -> bool:
    async def body(tx: Tx) -> bool:
        return await revoked(tx, "backup", workshop.clock())

    return await workshop.catalog.transact(body)


async def test_a_shared_lease_is_in_force_as_long_as_anybody_holds_it(workshop: Workshop) -> None:
    assert await is_free(workshop)
    async with workshop.leases().shared("backup") as one:
        assert not await is_free(workshop)
        async with workshop.leases().shared("backup") as two:
            assert not await is_free(workshop)
        two.check()
        assert not await is_free(workshop)
        await workshop.leases().renew(one)
    assert await is_free(workshop)


async def test_a_holder_that_let_it_lapse_finds_out(workshop: Workshop) -> None:
    leases = workshop.leases()
    async with leases.shared("backup") as mine:
        workshop.clock.move(LEASE_SECONDS + 1)
        assert await is_free(workshop)
        with pytest.raises(LeaseLost):
            await leases.renew(mine)
        with pytest.raises(LeaseLost):
            mine.check()
    assert await is_free(workshop)


async def test_a_holder_that_was_killed_keeps_nobody_from_joining(workshop: Workshop) -> None:
    dead = workshop.leases().shared("backup")
    lost = await dead.__aenter__()
    async with workshop.leases().shared("backup") as mine:
        mine.check()
        assert not await is_free(workshop)
    assert not await is_free(workshop)
    workshop.clock.move(LEASE_SECONDS + 1)
    assert await is_free(workshop)
    lost.is_lost = True
    await dead.__aexit__(None, None, None)
