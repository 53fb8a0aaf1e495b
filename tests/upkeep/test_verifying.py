"""Every kind of damage is found, marked, never served as whole, and mended from a second store."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.blobs.disk import DiskBlobs, open_disk
from holdfast.core.errors import ContentLost
from holdfast.core.leases import LeaseLost
from holdfast.core.model import ByteRange
from holdfast.core.ports import (
    AttachmentKey,
    BlobKey,
    BlobQuery,
    FolderKey,
    LedgerKey,
    UsageQuery,
    VersionKey,
)
from holdfast.core.upkeep.repairing import Spare
from holdfast.core.upkeep.verifying import Reading, Throttle, verify
from tests.upkeep.workshop import LARGE, MovedClock, Pausing, Workshop, opened

BIG = os.urandom(LARGE)
SMALL = b"a small content"


def overwrite(path: Path, offset: int, data: bytes) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path: Path, offset: int = 1000) -> None:
    overwrite(path, offset, bytes([path.read_bytes()[offset] ^ 1]))


def truncate(path: Path, size: int = LARGE - 1) -> None:
    path.chmod(0o600)
    os.truncate(path, size)


def lengthen(path: Path) -> None:
    path.chmod(0o600)
    with path.open("ab") as file:
        file.write(b"x")


def plant_link(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def plant_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "flipped": (flip, ["damaged"]),
    "flipped at the start": (lambda path: flip(path, 0), ["damaged"]),
    "flipped at the end": (lambda path: flip(path, LARGE - 1), ["damaged"]),
    "truncated": (truncate, ["damaged"]),
    "emptied": (lambda path: truncate(path, 0), ["damaged"]),
    "lengthened": (lengthen, ["damaged"]),
    "removed": (Path.unlink, ["damaged"]),
    "replaced by a link": (plant_link, ["damaged", "foreign", "foreign"]),
    "replaced by a fifo": (plant_fifo, ["damaged", "foreign"]),
    "folder removed": (lambda path: path.parent.rename(path.parent.parent / "xx"), ["damaged", "foreign"]),
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_damage_to_a_file_is_found_marked_and_not_served(workshop: Workshop, name: str) -> None:
    damage, kinds = DAMAGES[name]
    office = workshop.office
    attachment, other = await office.upload("big", BIG), await office.upload("other", SMALL)
    assert await workshop.kinds() == []
    damage(await workshop.path_of(BIG))
    assert await workshop.kinds() == kinds
    assert (await workshop.held(BIG)).damaged_at is not None
    with pytest.raises(ContentLost):
        await office.desk().attachments.content(attachment.id)
    assert await office.bytes_of(other.id) == SMALL
    digest = hashlib.sha256(BIG).hexdigest()
    assert await workshop.events("content.damaged") == [{"subject": digest, "size": LARGE}]
    # It is said again every time, and logged once.
    assert await workshop.kinds() == kinds
    assert len(await workshop.events("content.damaged")) == 1


@pytest.mark.parametrize("quick", [False, True])
async def test_damage_to_a_frame_is_found(tmp_path: Path, quick: bool) -> None:
    async with opened(tmp_path) as workshop:
        made = [await workshop.office.upload(f"{n}", b"%d" % n * 300) for n in range(5)]
        assert await workshop.kinds() == []
    (segment,) = (tmp_path / "blobs" / "segments").iterdir()
    flip(segment, segment.read_bytes().index(b"2" * 300) + 7)
    async with opened(tmp_path) as workshop:
        assert await workshop.kinds(quick=quick) == ["damaged"]
        with pytest.raises(ContentLost):
            await workshop.office.desk().attachments.content(made[2].id)
        assert await workshop.office.bytes_of(made[3].id) == b"3" * 300


async def test_a_quick_look_sees_what_is_short_or_gone_but_not_what_has_changed(workshop: Workshop) -> None:
    one, two, three = BIG, BIG[::-1], b"x" + BIG
    for data in (one, two, three):
        await workshop.office.upload("a", data)
    truncate(await workshop.path_of(one))
    (await workshop.path_of(two)).unlink()
    flip(await workshop.path_of(three))
    assert await workshop.kinds(quick=True) == ["damaged"] * 2
    assert await workshop.kinds() == ["damaged"] * 3
    assert await workshop.kinds(quick=True) == ["damaged"] * 3


async def test_without_marking_nothing_is_changed(workshop: Workshop) -> None:
    await workshop.office.upload("big", BIG)
    flip(await workshop.path_of(BIG))
    before = workshop.state()
    assert await workshop.kinds(mark=False) == ["damaged"]
    assert workshop.state() == before


async def test_a_mark_goes_when_the_bytes_are_whole_again(workshop: Workshop) -> None:
    attachment = await workshop.office.upload("big", BIG)
    path = await workshop.path_of(BIG)
    path.rename(path.with_name("aside"))
    assert "damaged" in await workshop.kinds()
    path.with_name("aside").rename(path)
    assert await workshop.kinds() == []
    assert await workshop.office.bytes_of(attachment.id) == BIG
    assert len(await workshop.events("content.restored")) == 1


async def test_the_same_bytes_sent_again_mend_what_was_damaged(workshop: Workshop) -> None:
    attachment = await workshop.office.upload("big", BIG)
    flip(await workshop.path_of(BIG))
    await workshop.findings()
    again = await workshop.office.upload("again", BIG)
    for id in (attachment.id, again.id):
        assert await workshop.office.bytes_of(id) == BIG
    assert await workshop.kinds() == ["orphan"]
    assert (await workshop.collect(grace=0)).orphans == 1
    assert await workshop.kinds() == []


# ---------------------------------------------------------------- bytes without rows


async def test_what_no_row_names_is_found_once_it_is_old(workshop: Workshop) -> None:
    await workshop.office.upload("big", BIG)
    path = await workshop.path_of(BIG)
    extra = path.with_name(f"{path.name[:-16]}{'0' * 16}")
    extra.write_bytes(BIG)
    assert await workshop.kinds(grace=3600) == []
    found = await workshop.findings()
    assert [(each.kind, each.subject[2:]) for each in found] == [
        ("orphan", str(extra.relative_to(workshop.folder / "blobs")))
    ]


async def test_a_segment_that_no_row_names_is_found(workshop: Workshop) -> None:
    await workshop.office.upload("small", SMALL)
    (workshop.folder / "blobs" / "segments" / f"{'ab' * 8}.seg").write_bytes(b"HFSEG\x00\x01\n" + bytes(100))
    assert [(each.kind, each.subject) for each in await workshop.findings()] == [("orphan", "ab" * 8)]


@pytest.mark.parametrize("place", ["notes.txt", "1/notes.txt", "tmp/link", "segments/notes.txt", "1/aa"])
async def test_what_the_store_has_not_made_is_found(workshop: Workshop, place: str) -> None:
    await workshop.office.upload("big", BIG)
    await workshop.office.upload("small", SMALL)
    (workshop.folder / "blobs" / place).symlink_to("/etc/passwd")
    assert [(each.kind, each.subject) for each in await workshop.findings()] == [("foreign", place)]


# ---------------------------------------------------------------- rows against rows


@pytest.mark.parametrize("refs", [0, 1, 3, 100])
async def test_a_wrong_count_of_versions_is_found_and_mended(workshop: Workshop, refs: int) -> None:
    for name in ("a", "b"):
        await workshop.office.upload(name, SMALL)
    blob = await workshop.held(SMALL)
    await workshop.change(lambda tx: tx.save(msgspec.structs.replace(blob, refs=refs)))
    found = await workshop.findings()
    assert [each.kind for each in found] == ["refs"]
    assert (await workshop.upkeep.recount(found)).counts == 1
    assert await workshop.held(SMALL) == blob
    assert await workshop.kinds() == []


async def test_an_idle_time_that_does_not_fit_is_found_and_mended(workshop: Workshop) -> None:
    attachment = await workshop.office.upload("a", SMALL)
    await workshop.office.desk().attachments.purge(attachment.id)
    blob = await workshop.held(SMALL)
    await workshop.change(lambda tx: tx.save(msgspec.structs.replace(blob, idle_since=None)))
    found = await workshop.findings()
    assert [each.kind for each in found] == ["refs"]
    await workshop.upkeep.recount(found)
    assert (await workshop.held(SMALL)).idle_since is not None


@pytest.mark.parametrize("wrong", [{"bytes": 0}, {"bytes": 10**12}, {"attachments": 0}, {"attachments": 7, "bytes": 1}])
async def test_a_wrong_ledger_is_found_and_mended(workshop: Workshop, wrong: dict[str, int]) -> None:
    await workshop.office.upload("a", SMALL)
    trashed = await workshop.office.upload("b", BIG)
    await workshop.office.desk().attachments.trash(trashed.id)
    number = workshop.office.acme.number
    ledger = await workshop.catalog.get(LedgerKey(number))
    assert ledger is not None
    await workshop.change(lambda tx: tx.save(msgspec.structs.replace(ledger, **wrong)))
    found = await workshop.findings()
    assert [(each.kind, each.subject) for each in found] == [("ledger", "acme")]
    assert (await workshop.upkeep.recount(found)).counts == 1
    assert (await workshop.catalog.find(UsageQuery(number))).items[0] == ledger
    assert (await workshop.upkeep.recount(found)).counts == 0


async def test_versions_and_attachments_that_disagree_are_found(workshop: Workshop) -> None:
    office, number = workshop.office, workshop.office.acme.number
    gap, said, lost, size = [await office.upload(f"{n}", b"%d" % n) for n in range(4)]
    placed = await office.upload("placed", b"placed", folder="/a")
    catalog = workshop.catalog
    version = await catalog.get(VersionKey(number, gap.id, 1))
    sized = await catalog.get(VersionKey(number, size.id, 1))
    row = await catalog.get(AttachmentKey(number, said.id))
    blob = await catalog.get(BlobKey(number, lost.sha256))
    folder = await catalog.get(FolderKey(number, "/a"))
    assert version is not None
    assert sized is not None
    assert row is not None
    assert blob is not None
    assert folder is not None
    for write in (
        lambda tx: tx.remove(version),
        lambda tx: tx.add(msgspec.structs.replace(version, number=2)),
        lambda tx: tx.save(msgspec.structs.replace(row, media_type="image/png")),
        lambda tx: tx.remove(blob),
        lambda tx: tx.save(msgspec.structs.replace(sized, size=2)),
        lambda tx: tx.remove(folder),
    ):
        await workshop.change(write)
    found = {(each.kind, each.subject) for each in await workshop.findings() if each.kind not in ("ledger", "orphan")}
    assert found == {
        ("history", gap.id),
        ("history", said.id),
        ("history", size.id),
        ("unheld", lost.sha256.hex()),
        ("folder", placed.id),
    }


async def test_what_changes_while_it_is_looked_at_is_no_finding(workshop: Workshop) -> None:
    """Between any two reads of the verifying, contents are replaced, purged and uploaded."""
    office = workshop.office
    made = [await office.upload(f"{n}", b"%d" % n * 50) for n in range(12)]
    left = list(made)

    async def pause(verb: str, what: object) -> None:
        if verb == "find" and left:
            await office.desk().attachments.purge(left.pop().id)
            await office.upload("new", os.urandom(100), folder="/x", on_conflict="replace")

    done = await workshop.upkeep_on(Pausing(workshop.catalog, pause)).verify(Reading(grace=0))
    assert left == []
    assert done.findings == []
    assert await workshop.kinds() == []


# ---------------------------------------------------------------- repair


async def test_lost_bytes_come_back_from_a_second_store_whatever_their_place_there(
    tmp_path: Path,
) -> None:
    contents = [os.urandom(LARGE), os.urandom(LARGE), b"small one", b"small two", os.urandom(LARGE)]
    (tmp_path / "a").mkdir()
    async with opened(tmp_path / "a") as workshop:
        made = [await workshop.office.upload(f"{n}", data) for n, data in enumerate(contents)]
        spare = open_disk(tmp_path / "b")
        for data in contents[:4]:
            writer = spare.create(99)
            await writer.write(data)
            await writer.finish()
            await writer.commit()
        flip(await workshop.path_of(contents[0]))
        (await workshop.path_of(contents[1])).unlink()
        (await workshop.path_of(contents[4])).unlink()
        blob = await workshop.held(contents[2])
        await workshop.change(lambda tx: tx.remove(blob))
        (segment,) = (tmp_path / "a" / "blobs" / "segments").iterdir()
        flip(segment, segment.read_bytes().index(b"small two"))
        found = await workshop.findings()
        assert sorted(each.kind for each in found) == ["damaged"] * 4 + ["unheld"]
        repaired = await workshop.upkeep.refill(found, Spare(spare, spare))
        assert (repaired.blobs, [each.subject for each in repaired.left]) == (4, [made[4].sha256.hex()])
        for attachment, data in zip(made[:4], contents[:4], strict=True):
            assert await workshop.office.bytes_of(attachment.id) == data
        assert await workshop.kinds(grace=3600) == ["damaged"]
        assert (await workshop.held(contents[2])).refs == 1
        await spare.close()


async def test_a_second_store_that_is_damaged_too_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    async with opened(tmp_path / "a") as workshop:
        await workshop.office.upload("big", BIG)
        spare = open_disk(tmp_path / "b")
        writer = spare.create(1)
        await writer.write(BIG)
        await writer.finish()
        flip(tmp_path / "b" / (await writer.commit())[2:])
        (await workshop.path_of(BIG)).unlink()
        found = await workshop.findings()
        before = workshop.state()
        repaired = await workshop.upkeep.refill(found, Spare(spare, spare))
        assert (repaired.blobs, repaired.left) == (0, found)
        assert workshop.state() == before
        await spare.close()


# ---------------------------------------------------------------- pace and place


async def test_the_rate_is_kept() -> None:
    slept: list[float] = []
    time = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal time
        slept.append(seconds)
        time += seconds

    throttle = Throttle(1000, sleep, lambda: time)
    for _ in range(100):
        await throttle.spent(100)
    assert sum(slept) == pytest.approx(10)
    await Throttle(0, sleep, lambda: time).spent(10**9)
    assert sum(slept) == pytest.approx(10)


async def test_verifying_reads_no_faster_than_told(workshop: Workshop) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    for n in range(3):
        await workshop.office.upload(f"{n}", bytes([n]) * LARGE)
    await verify(workshop.stock(), Reading(rate=LARGE, grace=0), sleep=sleep, monotonic=lambda: 0.0)
    assert max(slept) == pytest.approx(3)


class Together:
    """A blob store in which nobody is answered before so many have asked."""

    def __init__(self, blobs: DiskBlobs, number: int) -> None:
        self._blobs = blobs
        self._barrier = asyncio.Barrier(number)

    async def read(self, locator: str, part: ByteRange) -> AsyncIterator[bytes]:
        async with asyncio.timeout(30):
            await self._barrier.wait()
        async for chunk in self._blobs.read(locator, part):
            yield chunk


async def test_several_contents_are_read_at_a_time_and_told_in_the_order_of_rows(workshop: Workshop) -> None:
    made = [BIG + b"%d" % n for n in range(8)]
    for n, data in enumerate(made):
        await workshop.office.upload(f"{n}", data)
        flip(await workshop.path_of(data))
    blobs: Any = Together(workshop.blobs, 4)
    stock = msgspec.structs.replace(workshop.stock(), blobs=blobs)
    done = await verify(stock, Reading(grace=0, mark=False, hands=4))
    assert [each.subject for each in done.findings] == sorted(hashlib.sha256(data).hexdigest() for data in made)


async def test_it_goes_on_where_another_process_was_stopped(workshop: Workshop) -> None:
    """Killed in the middle of the second page, the first page is not read again."""
    for n in range(250):
        await workshop.office.upload(f"{n}", b"%d" % n)
    leases = workshop.leases()
    mine = await leases.take("verify")
    assert mine is not None
    seen = 0

    async def pause(verb: str, what: object) -> None:
        nonlocal seen
        seen += isinstance(what, BlobQuery)
        if seen == 2:
            await leases.renew(mine)
            workshop.clock.move(3600)
            assert await workshop.leases().take("verify") is not None
            mine.is_lost = True

    with pytest.raises(LeaseLost):
        await verify(workshop.stock(Pausing(workshop.catalog, pause)), Reading(), mine)
    workshop.clock.move(3600)
    theirs = await workshop.leases().take("verify")
    assert theirs is not None
    assert theirs.place
    assert (await verify(workshop.stock(), Reading(), theirs)).blobs == 150


async def test_two_processes_see_one_state(tmp_path: Path) -> None:
    clock = MovedClock()
    async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as two:
        attachment = await one.office.upload("big", BIG)
        flip(await one.path_of(BIG))
        assert await two.kinds() == ["damaged"]
        with pytest.raises(ContentLost):
            await one.office.desk().attachments.content(attachment.id)
