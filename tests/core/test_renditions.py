"""Pictures and facts of contents: made once, kept, shared, and gone with the last file that they were made from."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from holdfast.core.attachments import NewAttachment
from holdfast.core.errors import ContentLost, HoldfastError, StorageFull, Unavailable, Unrenderable
from holdfast.core.model import Attachment, Blob, ByteRange, Content, Derived, Facts, MediaFacts, NoRendition
from holdfast.core.ports import BlobKey, BlobWriter, FactsQuery, RenditionQuery, UsageQuery, Window
from holdfast.core.renditions import AHEAD_EDGE, MOST_ASKED_FOR, MOST_QUEUED, Source
from holdfast.core.store import Desk, Engines, Store
from holdfast.core.upkeep.collecting import Rules
from holdfast.core.upkeep.verifying import Reading
from tests.core.office import Office
from tests.installation import idle, installed, kept

PNG = b"\x89PNG\r\n\x1a\n"
LOOKS = Facts(40, 30, None, "2024-05-01T12:30:00")


class Easel:
    """Makes a picture of the content itself: the same for the same content and edge. Says no where it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, int]] = []
        self.answer: NoRendition | None = None
        self.same = False
        self.go = asyncio.Event()
        self.go.set()
        self.closed = False
        self._arrived = asyncio.Semaphore(0)

    async def busy(self, count: int = 1) -> None:
        """Wait until so many more have been asked for."""
        for _ in range(count):
            await self._arrived.acquire()

    @property
    def types(self) -> frozenset[str]:
        return frozenset({"image/png", "image/jpeg"})

    async def derive(
        self, source: AsyncIterator[bytes], media_type: str, edges: Sequence[int] = ()
    ) -> Derived | NoRendition:
        data = b"".join([chunk async for chunk in source])
        self.asked.append((data, edges[0]))
        self._arrived.release()
        await self.go.wait()
        if self.answer is not None:
            return self.answer
        picture = data if self.same else b"\xff\xd8\xff%d of " % edges[0] + data
        return Derived(LOOKS, (picture,))

    async def close(self) -> None:
        self.closed = True


class Room:
    """An account with an easel."""

    def __init__(self, office: Office, easel: Easel, engines: Engines) -> None:
        self.engines = structs.replace(engines, renderer=easel)
        self.store = Store(self.engines, office.store.policy)
        self.account = office.acme.number
        self.desk: Desk = self.store.operator().desk(office.acme)
        self.other: Desk = self.store.operator().desk(office.umbra)
        self.easel = easel

    async def upload(self, data: bytes = PNG, name: str = "a.png", desk: Desk | None = None) -> Attachment:
        attachments = (desk or self.desk).attachments
        async with await attachments.receive() as intake:
            await intake.take(once(data), name=name)
            # A folder of its own for each, whatever lay where in memory before.
            return await attachments.create(intake, NewAttachment(name, folder=f"/{uuid.uuid4().hex}"))

    async def picture(self, attachment: Attachment, edge: int = 256) -> bytes:
        given = await bytes_of(await self.desk.renditions.thumbnail(attachment.id, edge))
        await kept(self.store)
        return given

    async def blob(self, sha256: bytes) -> Blob | None:
        return await self.engines.catalog.get(BlobKey(self.account, sha256))

    async def edges(self, attachment: Attachment) -> list[int]:
        query = RenditionQuery(self.account, attachment.sha256, Window(9))
        return [row.edge for row in (await self.engines.catalog.find(query)).items]

    async def facts(self, attachment: Attachment) -> tuple[MediaFacts, ...]:
        return (await self.engines.catalog.find(FactsQuery(self.account, (attachment.sha256,)))).items

    async def settled(self) -> None:
        """Wait until the background has nothing left to do."""
        await idle(self.store)


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def bytes_of(content: Content) -> bytes:
    return b"".join([chunk async for chunk in content.read(ByteRange(0, content.size))])


@pytest.fixture
async def room(office: Office) -> AsyncIterator[Room]:
    made = Room(office, Easel(), office.store._engines)
    yield made
    await made.store._studio.close()


# ---------------------------------------------------------------- made once, kept and shared


async def test_equal_contents_share_one_picture_and_one_blob(room: Room) -> None:
    one, two = await room.upload(name="one.png"), await room.upload(name="two.png")
    first, second = [await room.desk.renditions.thumbnail(each.id, 256) for each in (one, two)]
    assert await bytes_of(first) == await bytes_of(second) == b"\xff\xd8\xff256 of " + PNG
    assert [each.name for each in (first, second)] == ["one.jpg", "two.jpg"]
    assert first.sha256 == second.sha256
    assert room.easel.asked == [(PNG, 256)]
    await room.settled()
    blob = await room.blob(first.sha256)
    assert blob is not None
    assert (blob.refs, blob.size) == (1, first.size)


async def test_accounts_share_nothing(room: Room) -> None:
    mine, theirs = await room.upload(), await room.upload(desk=room.other)
    await room.picture(mine)
    await room.other.renditions.thumbnail(theirs.id, 256)
    assert room.easel.asked == [(PNG, 256)] * 2


async def test_each_edge_and_each_content_is_a_picture_of_its_own(room: Room) -> None:
    one, two = await room.upload(PNG + b"1"), await room.upload(PNG + b"2")
    pictures = {await room.picture(each, edge) for each in (one, two) for edge in (128, 256, 128)}
    assert len(pictures) == len(room.easel.asked) == 4


async def test_a_hundred_who_ask_together_wait_for_one_rendering_even_when_the_first_leaves(room: Room) -> None:
    one = await room.upload()
    room.easel.go.clear()
    asking = [asyncio.create_task(room.picture(one)) for _ in range(100)]
    await room.easel.busy()
    asking[0].cancel()
    room.easel.go.set()
    assert len({await task for task in asking[1:]}) == 1
    assert room.easel.asked == [(PNG, 256)]


async def test_another_process_finds_what_was_kept_and_the_second_to_finish_leaves_nothing(
    room: Room, office: Office
) -> None:
    one = await room.upload()
    beside = Room(office, Easel(), room.engines)
    for each in (room, beside):
        each.easel.go.clear()
    asking = [asyncio.create_task(each.picture(one)) for each in (room, beside)]
    await room.easel.busy()
    await beside.easel.busy()
    for each in (room, beside):
        each.easel.go.set()
    first, second = [await task for task in asking]
    assert first == second
    blob = await room.blob((await room.desk.renditions.thumbnail(one.id, 256)).sha256)
    assert blob is not None
    assert blob.refs == 1
    later = Room(office, Easel(), room.engines)
    assert await later.picture(one) == first
    assert later.easel.asked == []


async def test_pictures_do_not_count_against_the_quota(room: Room) -> None:
    one = await room.upload()
    before = await room.engines.catalog.find(UsageQuery(room.account))
    await room.picture(one)
    after = await room.engines.catalog.find(UsageQuery(room.account))
    assert [(each.bytes, each.attachments, each.event) for each in before.items] == [
        (each.bytes, each.attachments, each.event) for each in after.items
    ]
    assert (await room.desk.attachments.get(one.id)) == one


async def test_going_back_to_an_older_content_is_a_later_change(room: Room) -> None:
    one = await room.upload(PNG + b"1")
    old = await room.desk.renditions.thumbnail(one.id, 256)
    async with await room.desk.attachments.receive() as intake:
        await intake.take(once(PNG + b"2"), name="a.png")
        await room.desk.attachments.replace(one.id, intake)
    new = await room.desk.renditions.thumbnail(one.id, 256)
    assert await bytes_of(await room.desk.renditions.thumbnail(one.id, 256, version=1)) == await bytes_of(old)
    back = await room.desk.attachments.restore_version(one.id, 1)
    again = await room.desk.renditions.thumbnail(one.id, 256)
    assert again.sha256 == old.sha256 != new.sha256
    assert again.modified_at >= max(new.modified_at, back.updated_at)


async def test_nobody_waits_for_a_picture_to_be_kept(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await room.upload()
    create, disk = room.engines.blobs.create, asyncio.Event()
    monkeypatch.setattr(room.engines.blobs, "create", lambda account: SlowWriter(create(account), disk))
    pictures = [await bytes_of(await room.desk.renditions.thumbnail(one.id, 256)) for _ in range(3)]
    assert len(set(pictures)) == len(room.easel.asked) == 1
    assert await room.edges(one) == []
    closing = asyncio.create_task(room.store._studio.close())
    disk.set()
    await closing
    assert await room.edges(one) == [256], "an orderly end keeps what was given"


# ---------------------------------------------------------------- none


@pytest.mark.parametrize("reason", ["oversize", "refused", "limit", "crashed", "garbled"])
async def test_that_there_is_none_for_good_is_kept(room: Room, reason: str, office: Office) -> None:
    one = await room.upload()
    room.easel.answer = NoRendition(reason)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(Unrenderable, match=reason):
            await room.picture(one)
    later = Room(office, Easel(), room.engines)
    with pytest.raises(Unrenderable, match=reason):
        await later.picture(one)
    assert (len(room.easel.asked), len(later.easel.asked)) == (1, 0)
    assert [row.facts for row in await room.facts(one)] == [Facts()]
    assert await room.desk.renditions.facts((one,)) == {}


async def test_what_may_work_later_is_tried_again(room: Room) -> None:
    one = await room.upload()
    room.easel.answer = NoRendition("unavailable")
    with pytest.raises(Unavailable):
        await room.picture(one)
    assert await room.edges(one) == []
    room.easel.answer = None
    assert await room.picture(one)
    assert len(room.easel.asked) == 2


async def test_other_types_and_stores_without_a_renderer_have_none_and_keep_no_row(room: Room, office: Office) -> None:
    text, image = await room.upload(b"plain", "a.txt"), await room.upload()
    with pytest.raises(Unrenderable, match="unsupported"):
        await room.picture(text)
    plain = Store(structs.replace(room.engines, renderer=None), office.store.policy)
    with pytest.raises(Unrenderable):
        await plain.operator().desk(office.acme).renditions.thumbnail(image.id, 256)
    assert room.easel.asked == []
    assert await room.edges(text) == await room.edges(image) == []


async def test_a_lost_source_is_told_and_tried_again(room: Room) -> None:
    one = await room.upload()
    blob = await room.blob(one.sha256)
    assert blob is not None

    await room.engines.catalog.transact(lambda tx: tx.remove(blob))
    with pytest.raises(ContentLost):
        await room.picture(one)
    await room.engines.catalog.transact(lambda tx: tx.add(blob))
    assert await room.picture(one)


async def test_a_lost_picture_is_made_anew(room: Room) -> None:
    one = await room.upload()
    picture = await room.desk.renditions.thumbnail(one.id, 256)
    await room.settled()
    blob = await room.blob(picture.sha256)
    assert blob is not None
    await room.engines.catalog.transact(lambda tx: tx.remove(blob))
    assert await room.picture(one) == await bytes_of(picture)
    again = await room.blob(picture.sha256)
    assert again is not None
    assert again.refs == 1
    assert len(room.easel.asked) == 2


class SlowWriter:
    """A writer that waits for its disk."""

    def __init__(self, writer: BlobWriter, disk: asyncio.Event) -> None:
        self.write, self.finish, self.cancel = writer.write, writer.finish, writer.cancel
        self._commit, self._disk = writer.commit, disk

    async def commit(self) -> str:
        await self._disk.wait()
        return await self._commit()


class FullWriter:
    """A writer that finds the disk full."""

    def __init__(self, writer: BlobWriter) -> None:
        self.finish, self.commit, self.cancel = writer.finish, writer.commit, writer.cancel

    async def write(self, chunk: bytes) -> None:
        raise StorageFull


async def test_on_a_full_disk_a_picture_is_shown_and_not_kept(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await room.upload()
    create = room.engines.blobs.create
    monkeypatch.setattr(room.engines.blobs, "create", lambda account: FullWriter(create(account)))
    assert await room.picture(one)
    assert await room.edges(one) == []


async def test_more_than_so_many_at_once_are_told_to_come_back(room: Room) -> None:
    one = await room.upload()
    room.easel.go.clear()
    asking = [asyncio.create_task(room.picture(one, edge)) for edge in range(1, MOST_ASKED_FOR + 1)]
    await room.easel.busy(MOST_ASKED_FOR)
    with pytest.raises(Unavailable):
        await room.picture(one, 1024)
    room.easel.go.set()
    await asyncio.gather(*asking)
    assert await room.picture(one, 1024)


# ---------------------------------------------------------------- gone with the last file


async def test_what_was_made_goes_with_the_last_version_that_has_the_bytes(room: Room) -> None:
    one, two = await room.upload(), await room.upload()
    sha256 = (await room.desk.renditions.thumbnail(one.id, 256)).sha256
    await room.settled()
    await room.picture(one, 128)
    await room.desk.attachments.trash(one.id)
    await room.desk.attachments.purge(one.id)
    assert await room.edges(two) == [128, 256]
    await room.desk.attachments.purge(two.id)
    assert await room.edges(two) == []
    assert await room.facts(two) == ()
    blob = await room.blob(sha256)
    assert blob is not None
    assert blob.refs == 0
    assert blob.idle_since is not None


async def test_an_older_version_keeps_what_was_made_of_it(room: Room) -> None:
    one = await room.upload(PNG + b"1")
    await room.picture(one)
    async with await room.desk.attachments.receive() as intake:
        await intake.take(once(PNG + b"2"), name="a.png")
        await room.desk.attachments.replace(one.id, intake)
    assert await room.edges(one) == [256]
    await room.desk.attachments.purge(one.id)
    assert await room.edges(one) == []


async def test_a_picture_that_is_also_a_file_stays_as_long_as_either(room: Room) -> None:
    one = await room.upload()
    picture = await room.desk.renditions.thumbnail(one.id, 256)
    await room.settled()
    copy = await room.upload(await bytes_of(picture), "copy.jpg")
    assert copy.sha256 == picture.sha256
    await room.picture(copy)
    await room.desk.attachments.purge(copy.id)
    assert await room.edges(copy) == []
    assert await room.picture(one) == await bytes_of(picture)
    await room.desk.attachments.purge(one.id)
    blob = await room.blob(picture.sha256)
    assert blob is not None
    assert blob.refs == 0


async def test_a_picture_with_the_bytes_of_its_source_does_not_hold_it_for_ever(room: Room) -> None:
    room.easel.same = True
    one = await room.upload()
    assert await room.picture(one) == PNG
    await room.desk.attachments.purge(one.id)
    blob = await room.blob(one.sha256)
    assert blob is not None
    assert blob.refs == 0
    assert await room.edges(one) == []


async def test_a_source_that_is_purged_meanwhile_leaves_nothing(room: Room) -> None:
    one = await room.upload()
    room.easel.go.clear()
    asking = asyncio.create_task(room.picture(one))
    await room.easel.busy()
    await room.desk.attachments.purge(one.id)
    room.easel.go.set()
    assert await asking
    assert await room.edges(one) == []
    assert await room.facts(one) == ()
    with pytest.raises(HoldfastError):
        await room.picture(one)


# ---------------------------------------------------------------- in the background


async def test_after_an_upload_picture_and_facts_are_made_without_being_asked_for(room: Room) -> None:
    await room.store.start()
    one, text = await room.upload(), await room.upload(b"plain", "a.txt")
    await room.settled()
    assert room.easel.asked == [(PNG, AHEAD_EDGE)]
    assert await room.edges(one) == [AHEAD_EDGE]
    assert await room.desk.renditions.facts((one, text)) == {one.sha256: LOOKS}
    await room.picture(one, AHEAD_EDGE)
    assert len(room.easel.asked) == 1


async def test_nothing_is_made_ahead_before_the_start_or_when_it_is_switched_off(room: Room, office: Office) -> None:
    await room.upload()
    quiet = Store(room.engines, structs.replace(office.store.policy, render_on_upload=False))
    await quiet.start()
    quiet._studio.ahead(Source(room.account, b"x" * 32, "image/png"))
    for studio in (room.store._studio, quiet._studio):
        assert (studio._queue, studio._worker) == ({}, None)
    assert room.easel.asked == []


async def test_who_asks_while_it_is_made_ahead_waits_for_the_same_rendering(room: Room) -> None:
    await room.store.start()
    room.easel.go.clear()
    one = await room.upload()
    asking = asyncio.create_task(room.picture(one, AHEAD_EDGE))
    await room.easel.busy()
    room.easel.go.set()
    assert await asking
    await room.settled()
    assert len(room.easel.asked) == 1


async def test_what_was_stored_before_is_looked_at_when_somebody_looks(room: Room) -> None:
    one = await room.upload()
    await room.store.start()
    assert await room.desk.renditions.facts((one, one)) == {}
    await room.settled()
    assert await room.desk.renditions.facts((one,)) == {one.sha256: LOOKS}
    assert len(room.easel.asked) == 1


async def test_the_queue_is_bounded_and_uploads_do_not_wait_for_it(room: Room) -> None:
    await room.store.start()
    room.easel.go.clear()
    for n in range(MOST_QUEUED + 5):
        room.store._studio.ahead(Source(room.account, n.to_bytes(32, "big"), "image/png"))
    assert len(room.store._studio._queue) == MOST_QUEUED
    await room.upload()
    assert len(room.store._studio._queue) <= MOST_QUEUED


async def test_where_no_child_can_be_started_the_background_rests(room: Room) -> None:
    await room.store.start()
    room.easel.answer = NoRendition("unavailable")
    one = await room.upload()
    await room.settled()
    for _ in range(5):
        await room.desk.renditions.facts((one,))
        await room.settled()
    assert len(room.easel.asked) == 1


async def test_a_file_that_fails_in_the_background_does_not_stop_the_next(room: Room) -> None:
    await room.store.start()
    room.easel.answer = NoRendition("crashed")
    await room.upload(PNG + b"bad")
    await room.settled()
    room.easel.answer = None
    one = await room.upload()
    await room.settled()
    assert await room.edges(one) == [AHEAD_EDGE]


async def test_closing_gives_up_what_is_being_made_and_what_waits(room: Room) -> None:
    await room.store.start()
    room.easel.go.clear()
    one, two = await room.upload(), await room.upload(PNG + b"2")
    asking = asyncio.create_task(room.picture(one, 512))
    await room.easel.busy(2)
    await room.store._studio.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (room.store._studio._queue, room.store._studio._making, room.store._studio._worker) == ({}, {}, None)
    assert await room.edges(two) == []


async def test_a_restart_keeps_what_was_made(tmp_path: Path, engines: Mapping[str, Any]) -> None:
    pictures, rendered = [], []
    for _ in range(2):
        async with installed(tmp_path, dialects=(), **engines) as installation:
            easel = Easel()
            store = Store(structs.replace(installation.store._engines, renderer=easel), installation.store.policy)
            desk = store.operator().desk(await installation.account())
            async with await desk.attachments.receive() as intake:
                await intake.take(once(PNG), name="a.png")
                one = await desk.attachments.create(intake, NewAttachment("a.png"))
            pictures.append(await bytes_of(await desk.renditions.thumbnail(one.id, 1024)))
            rendered.append(len(easel.asked))
            # The installation ends its own store alone; what was given out is still being kept by this one.
            await store._studio.close()
    assert pictures[0] == pictures[1]
    assert rendered == [1, 0]


# ---------------------------------------------------------------- upkeep


async def test_upkeep_counts_pictures_as_holders_and_collects_them_after_their_file(room: Room) -> None:
    one = await room.upload()
    sha256 = (await room.desk.renditions.thumbnail(one.id, 256)).sha256
    await room.settled()
    copy = await room.upload(await room.picture(one), "copy.jpg")
    upkeep = room.store.operator().upkeep
    assert (await upkeep.verify(Reading(grace=0))).findings == []
    await upkeep.collect(Rules(grace=0))
    assert await room.picture(one)
    await room.desk.attachments.purge(copy.id)
    await upkeep.collect(Rules(grace=0))
    assert await room.picture(one)
    await room.desk.attachments.purge(one.id)
    assert (await upkeep.verify(Reading(grace=0))).findings == []
    collected = await upkeep.collect(Rules(grace=0))
    assert collected.blobs == 2
    assert await room.blob(sha256) is None
    assert len(room.easel.asked) == 1


async def test_a_damaged_picture_is_made_anew_and_counted_once(room: Room) -> None:
    one = await room.upload()
    picture = await room.desk.renditions.thumbnail(one.id, 256)
    await room.settled()
    blob = await room.blob(picture.sha256)
    assert blob is not None
    damaged = structs.replace(blob, damaged_at=7)
    await room.engines.catalog.transact(lambda tx: tx.save(damaged))
    assert await room.picture(one) == await bytes_of(picture)
    mended = await room.blob(picture.sha256)
    assert mended is not None
    assert (mended.refs, mended.damaged_at) == (1, None)
    assert mended.locator != blob.locator
    assert len(room.easel.asked) == 2
