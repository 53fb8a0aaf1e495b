"""What collecting takes away, and what it never does."""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from holdfast.core.attachments import NewAttachment
from holdfast.core.leases import LeaseLost
from holdfast.core.model import ByteRange, Content
from holdfast.core.policy import Policy
from holdfast.core.ports import AttachmentQuery, BlobQuery, LocatedQuery, PlacedQuery
from holdfast.core.upkeep.collecting import Rules, collect
from tests.core.office import stream
from tests.upkeep.workshop import DAY, LARGE, MovedClock, Pausing, Workshop, all_blobs, opened

SMALL, BIG = b"small", os.urandom(LARGE)


async def gone(workshop: Workshop, *contents: bytes) -> None:
    """Upload these and purge them at once."""
    for data in contents:
        attachment = await workshop.office.upload("gone", data)
        await workshop.office.desk().attachments.purge(attachment.id)


async def read(content: Content) -> bytes:
    return b"".join([chunk async for chunk in content.read(ByteRange(0, content.size))])


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["small", "large"])
async def test_bytes_that_no_version_holds_go_after_the_grace_time(workshop: Workshop, data: bytes) -> None:
    kept = await workshop.office.upload("kept", b"other" + data)
    await gone(workshop, data)
    workshop.clock.move(DAY - 60)
    assert (await workshop.collect()).blobs == 0
    assert await workshop.blob(data) is not None
    workshop.clock.move(61)
    done = await workshop.collect()
    assert (done.blobs, done.blob_bytes) == (1, len(data))
    assert await workshop.blob(data) is None
    assert await workshop.office.bytes_of(kept.id) == b"other" + data
    assert (await workshop.collect()).blobs == 0


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["small", "large"])
@pytest.mark.parametrize("moment", ["after it was marked", "after its row went", "before it was marked"])
async def test_bytes_that_come_again_meanwhile_stay(workshop: Workshop, data: bytes, moment: str) -> None:
    """The same bytes are uploaded between mark and sweep, at every place where they could be."""
    await gone(workshop, data)
    workshop.clock.move(2 * DAY)
    made: list[str] = []

    async def upload() -> None:
        if not made:
            made.append("")
            made[0] = (await workshop.office.upload("again", data)).id

    async def pause(verb: str, what: object) -> None:
        marked = verb == "find" and isinstance(what, BlobQuery) and what.idle_before is not None
        swept = verb == "transact" and isinstance(what, list)
        if (moment == "after it was marked" and marked) or (moment == "after its row went" and swept):
            await upload()

    if moment == "before it was marked":
        await upload()
    await workshop.upkeep_on(Pausing(workshop.catalog, pause)).collect(Rules())
    assert made
    for _ in range(2):
        assert await workshop.office.bytes_of(made[0]) == data
        workshop.clock.move(2 * DAY)
        await workshop.collect()
    assert await workshop.kinds() == []


async def test_a_wrong_count_never_costs_bytes(workshop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    attachment = await workshop.office.upload("kept", BIG)
    blob = await workshop.held(BIG)
    await workshop.change(lambda tx: tx.save(msgspec.structs.replace(blob, refs=0, idle_since=1)))
    assert (await workshop.collect()).blobs == 0
    assert await workshop.office.bytes_of(attachment.id) == BIG
    assert "is in use and counted as idle" in caplog.text


async def test_orphans_go_once_they_are_old_and_never_before(workshop: Workshop) -> None:
    attachment = await workshop.office.upload("kept", BIG)
    writer = workshop.blobs.create(workshop.office.acme.number)
    await writer.write(os.urandom(LARGE))
    await writer.commit()
    assert (await workshop.collect()).orphans == 0
    workshop.clock.move(DAY + 60)
    done = await workshop.collect()
    assert (done.orphans, done.orphan_bytes) == (1, LARGE)
    assert await workshop.office.bytes_of(attachment.id) == BIG
    assert await workshop.kinds() == []


async def test_an_upload_that_commits_while_orphans_are_sought_is_none(workshop: Workshop) -> None:
    """Its bytes were at rest when the store was listed, its row came before they would have been removed."""
    made: list[str] = []

    async def pause(verb: str, what: object) -> None:
        if isinstance(what, LocatedQuery) and not made:
            made.append((await workshop.office.upload("late", BIG)).id)

    writer = workshop.blobs.create(workshop.office.acme.number)
    await writer.write(BIG)
    await writer.commit()
    workshop.clock.move(2 * DAY)
    await collect(workshop.stock(Pausing(workshop.catalog, pause)), Policy(), Rules())
    assert await workshop.office.bytes_of(made[0]) == BIG


async def test_leftovers_of_dead_writers_go_and_those_of_slow_ones_stay(workshop: Workshop) -> None:
    slow = workshop.blobs.create(1)
    await slow.write(BIG)
    dead = workshop.folder / "blobs" / "tmp" / "0123456789abcdef"
    dead.write_bytes(BIG)
    assert (await workshop.collect()).temporaries == 0
    workshop.clock.move(2 * DAY)
    assert (await workshop.collect()).temporaries == 1
    assert not dead.exists()
    await slow.finish()
    await slow.commit()


async def test_a_dry_run_changes_nothing_and_says_what_a_run_does(tmp_path: Path) -> None:
    clock = MovedClock()
    async with opened(tmp_path, clock) as workshop:
        await gone(workshop, BIG, *(b"%d" % n for n in range(50)))
        await workshop.office.upload("kept", b"kept")
        trashed = await workshop.office.upload("trashed", b"x" + BIG)
        await workshop.office.desk().attachments.trash(trashed.id)
        writer = workshop.blobs.create(1)
        await writer.write(os.urandom(LARGE))
        await writer.commit()
    (tmp_path / "blobs" / "tmp" / "dead").write_bytes(b"x")
    clock.move(40 * DAY)
    async with opened(tmp_path, clock) as workshop:
        before = workshop.state()
        told = await workshop.collect(dry_run=True)
        assert workshop.state() == before
        assert (told.expired, told.blobs, told.orphans, told.temporaries) == (1, 51, 1, 1)
        done = await workshop.collect()
        assert (done.expired, done.blobs, done.orphans, done.temporaries) == (1, 51, 1, 1)


# ---------------------------------------------------------------- segments


async def filled(folder: Path, clock: MovedClock, count: int = 40) -> dict[str, bytes]:
    """A segment of small contents, closed, of which every tenth is still in use; those by id."""
    async with opened(folder, clock) as workshop:
        kept = {}
        for n in range(count):
            data = b"%d" % n * 500
            attachment = await workshop.office.upload(f"{n}", data)
            if n % 10:
                await workshop.office.desk().attachments.purge(attachment.id)
            else:
                kept[attachment.id] = data
        return kept


def segment_files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "blobs" / "segments").iterdir()}


async def test_a_segment_with_little_left_is_rewritten_and_dropped_a_grace_time_later(tmp_path: Path) -> None:
    clock = MovedClock()
    kept = await filled(tmp_path, clock)
    (old,) = segment_files(tmp_path)
    clock.move(2 * DAY)
    async with opened(tmp_path, clock) as workshop:
        _, content = await workshop.office.desk().attachments.content(next(iter(kept)))
        done = await workshop.collect()
        assert (done.compacted, done.moved, done.dropped) == (1, 4, 0)
        assert old in segment_files(tmp_path)
        assert await read(content) == next(iter(kept.values()))
        assert {id: await workshop.office.bytes_of(id) for id in kept} == kept
        assert (await workshop.collect(grace=3 * DAY)).dropped == 0
        assert (await workshop.collect()).dropped == 1
        assert old not in segment_files(tmp_path)
        assert {id: await workshop.office.bytes_of(id) for id in kept} == kept
        assert await workshop.kinds(grace=0) == []


async def test_a_rewritten_segment_is_young_again(tmp_path: Path) -> None:
    clock = MovedClock()
    await filled(tmp_path, clock)
    (old,) = segment_files(tmp_path)
    path = tmp_path / "blobs" / "segments" / old
    os.utime(path, (1, 1))
    async with opened(tmp_path, clock) as workshop:
        await workshop.collect()
        assert (await workshop.collect(compact_below=1.0)).compacted == 1
        assert (await workshop.collect()).dropped == 0
        assert path.exists()
        assert path.stat().st_mtime > 1


async def test_a_segment_in_good_use_stays(tmp_path: Path) -> None:
    clock = MovedClock()
    async with opened(tmp_path, clock) as workshop:
        for n in range(20):
            await workshop.office.upload(f"{n}", b"%d" % n * 500)
    clock.move(2 * DAY)
    async with opened(tmp_path, clock) as workshop:
        done = await workshop.collect()
        assert (done.compacted, done.dropped) == (0, 0)


async def test_a_content_that_is_replaced_while_it_is_moved_keeps_its_new_place(tmp_path: Path) -> None:
    clock = MovedClock()
    kept = await filled(tmp_path, clock)
    clock.move(2 * DAY)
    async with opened(tmp_path, clock) as workshop:
        data = next(iter(kept.values()))
        blob = await workshop.held(data)
        writer = workshop.blobs.create(blob.account)
        await writer.write(data)
        await writer.finish()
        elsewhere = msgspec.structs.replace(blob, locator=await writer.commit())
        moved: list[object] = []

        async def pause(verb: str, what: object) -> None:
            if isinstance(what, PlacedQuery) and not moved:
                moved.append(what)
                await workshop.change(lambda tx: tx.save(elsewhere))

        done = await workshop.upkeep_on(Pausing(workshop.catalog, pause)).collect(Rules())
        assert (done.compacted, done.moved) == (1, 3)
        assert await workshop.held(data) == elsewhere
        assert {id: await workshop.office.bytes_of(id) for id in kept} == kept


# ---------------------------------------------------------------- with others


async def test_nothing_goes_while_a_backup_runs(workshop: Workshop) -> None:
    await gone(workshop, BIG)
    workshop.clock.move(2 * DAY)
    async with workshop.upkeep.backing_up():
        done = await workshop.collect()
        assert (done.postponed, done.blobs) == (True, 0)
        assert await workshop.blob(BIG) is not None
    done = await workshop.collect()
    assert (done.postponed, done.blobs) == (False, 1)


async def test_whoever_was_passed_over_removes_nothing_more(workshop: Workshop) -> None:
    await gone(workshop, SMALL, BIG)
    workshop.clock.move(2 * DAY)

    async def pause(verb: str, what: object) -> None:
        if verb == "find" and isinstance(what, BlobQuery):
            workshop.clock.move(3600)
            assert await workshop.leases().take("collect") is not None

    with pytest.raises(LeaseLost):
        await workshop.upkeep_on(Pausing(workshop.catalog, pause)).collect(Rules())
    assert len(await all_blobs(workshop.catalog, workshop.office.acme.number)) == 2


async def test_two_processes_collect_at_once_and_all_goes_once(tmp_path: Path) -> None:
    clock = MovedClock()
    async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as two:
        await gone(one, *(os.urandom(LARGE) for _ in range(5)))
        clock.move(2 * DAY)
        done = await asyncio.gather(*(collect(each.stock(), Policy(), Rules()) for each in (one, two)))
        assert sum(each.blobs for each in done) == 5
        assert await one.kinds() == []


# ---------------------------------------------------------------- the trash


async def test_the_trash_ends_when_its_account_says(workshop: Workshop) -> None:
    office = workshop.office
    await office.store.operator().accounts.configure("umbra", {"trash_days": 3})
    mine, theirs = await office.upload("a"), await office.upload("b", desk=office.desk(account=office.umbra))
    live = await office.upload("live")
    await office.desk().attachments.trash(mine.id)
    await office.desk(account=office.umbra).attachments.trash(theirs.id)
    for days, mine_left, theirs_left in ((2, 1, 1), (2, 1, 0), (25, 1, 0), (2, 0, 0)):
        workshop.clock.move(days * DAY)
        await workshop.collect()
        assert len(await office.names(trashed=True)) == mine_left
        assert len(await office.names(office.desk(account=office.umbra), office.umbra, trashed=True)) == theirs_left
    assert await workshop.events("attachment.purged") == [{"subject": mine.id, "name": "a"}]
    assert len(await workshop.events("attachment.purged", office.umbra)) == 1
    assert await office.names() == [live.name]
    assert (await office.held())[:2] == (1, 5)


async def test_what_is_restored_in_the_last_moment_stays(workshop: Workshop) -> None:
    office = workshop.office
    made = [await office.upload(f"{n}") for n in range(3)]
    for attachment in made:
        await office.desk().attachments.trash(attachment.id)
    workshop.clock.move(31 * DAY)

    async def pause(verb: str, what: object) -> None:
        if isinstance(what, AttachmentQuery) and what.account == office.acme.number:
            await office.desk().attachments.restore(made[1].id)

    done = await workshop.upkeep_on(Pausing(workshop.catalog, pause)).collect(Rules())
    assert done.expired == 2
    assert await office.names() == ["1"]


async def test_bytes_that_a_row_names_after_the_first_look_stay(workshop: Workshop) -> None:
    """An upload that waited for days between its bytes and its row, and went on in the worst moment."""
    desk = workshop.office.desk()
    made: list[str] = []
    async with await desk.attachments.receive() as intake:
        await intake.take(stream(BIG), name="late")
        await intake.store(None)
        workshop.clock.move(2 * DAY)

        async def go_on(verb: str, what: object) -> None:
            if isinstance(what, LocatedQuery) and not made:
                made.append((await desk.attachments.create(intake, NewAttachment("late", folder="/"))).id)

        await collect(workshop.stock(Pausing(workshop.catalog, go_on)), Policy(), Rules())
    assert await workshop.office.bytes_of(made[0]) == BIG
