"""Races with one right outcome each, counted exactly. A round has an account of its own; a wrong count raises."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from holdfast.core.attachments import NewAttachment, OnConflict
from holdfast.core.errors import Conflict, NotFound, QuotaExceeded
from holdfast.core.model import Attachment, ByteRange
from holdfast.core.ports import AttachmentQuery, BlobKey, EntryQuery, Window
from holdfast.core.store import Desk
from tests.installation import Installation
from tests.web.asgi import Answer, Client

CREATORS, UPLOADERS, READERS, MOVED, RESTORERS = 100, 50, 12, 20, 20
ALL = Window(1000)


@dataclass(frozen=True)
class Ring:
    """Where one round is held."""

    house: Installation
    slug: str

    async def desk(self) -> Desk:
        return await self.house.desk(self.slug)

    async def client(self) -> Client:
        token = await self.house.token(account=self.slug)
        return Client(self.house.app, {"Authorization": f"Bearer {token}"})


async def _stream(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _create(desk: Desk, folder: str, name: str, data: bytes, on_conflict: OnConflict = "fail") -> Attachment:
    async with await desk.attachments.receive() as intake:
        await intake.take(_stream(data), name=name)
        return await desk.attachments.create(intake, NewAttachment(name, folder=folder, on_conflict=on_conflict))


async def _outcomes(*attempts: Awaitable[object]) -> list[object]:
    return list(await asyncio.gather(*attempts, return_exceptions=True))


def _count(found: list[object], kind: type) -> int:
    return sum(isinstance(each, kind) for each in found)


async def _files(desk: Desk) -> list[Attachment]:
    return list((await desk.attachments.find(AttachmentQuery(desk.actor.account, ALL))).items)


async def one_winner(ring: Ring) -> None:
    """A hundred creates at one path: one is there, with the winner's bytes; the others hear that it is taken."""
    desk = await ring.desk()
    found = await _outcomes(*(_create(desk, "/a/b", "x", b"%d" % n) for n in range(CREATORS)))
    assert (_count(found, Attachment), _count(found, Conflict)) == (1, CREATORS - 1)
    (winner,) = [each for each in found if isinstance(each, Attachment)]
    (there,) = await _files(desk)
    assert there == winner
    assert there.sha256 == hashlib.sha256(b"%d" % found.index(winner)).digest()


async def one_name_each(ring: Ring) -> None:
    """The same with renaming: each gets a name of its own, from `x` to `x (100)`."""
    desk = await ring.desk()
    found = await _outcomes(*(_create(desk, "/", "x", b"%d" % n, "rename") for n in range(CREATORS // 4)))
    names = sorted(each.name for each in found if isinstance(each, Attachment))
    assert names == sorted(["x", *(f"x ({n})" for n in range(2, CREATORS // 4 + 1))])


async def quota_to_the_byte(ring: Ring) -> None:
    """Fifty uploads at a quota that holds seven: seven fit exactly, and not a byte more."""
    desk, fitting, size = await ring.desk(), 7, 1000
    await ring.house.operator.accounts.configure(ring.slug, {"quota_bytes": fitting * size})
    bodies = [hashlib.sha256(b"%d" % n).digest() * 40 for n in range(UPLOADERS)]
    found = await _outcomes(*(_create(desk, "/", f"{n}", body[:size]) for n, body in enumerate(bodies)))
    assert (_count(found, Attachment), _count(found, QuotaExceeded)) == (fitting, UPLOADERS - fitting)
    assert (await desk.usage()).bytes == fitting * size
    assert len(await _files(desk)) == fitting
    assert _count(await _outcomes(_create(desk, "/", "one more", b"1")), QuotaExceeded) == 1
    assert _count(await _outcomes(_create(desk, "/", "none", b"")), Attachment) == 1


async def count_to_the_file(ring: Ring) -> None:
    """The same for the number of files, restores and creates together."""
    desk, most = await ring.desk(), 9
    trashed = [await _create(desk, "/", f"trashed {n}", b"x") for n in range(6)]
    for each in trashed:
        await desk.attachments.trash(each.id)
    await ring.house.operator.accounts.configure(ring.slug, {"quota_attachments": most})
    restores = (desk.attachments.restore(each.id) for each in trashed)
    found = await _outcomes(*restores, *(_create(desk, "/", f"{n}", b"x") for n in range(UPLOADERS)))
    assert (_count(found, Attachment), _count(found, QuotaExceeded)) == (most, UPLOADERS + len(trashed) - most)
    assert ((await desk.usage()).attachments, len(await _files(desk))) == (most, most)


async def delete_while_downloading(ring: Ring) -> None:
    """A file is removed for good, its bytes too, under its readers: each has all of it, or an answer cut short."""
    desk, client = await ring.desk(), await ring.client()
    data = hashlib.sha256(ring.slug.encode()).digest() * 20_000
    file = await _create(desk, "/", "x", data)
    blob = await desk._engines.catalog.get(BlobKey(file.account, file.sha256))
    assert blob is not None
    path = f"/v1/attachments/{file.id}/content"
    _, content = await desk.attachments.content(file.id)
    begun = content.read(ByteRange(0, content.size))
    first = await anext(begun)

    async def removed() -> None:
        await asyncio.sleep(0)
        await desk.attachments.purge(file.id)
        await desk._engines.blobs.delete(blob.locator)

    answers = await asyncio.gather(*(client("GET", path) for _ in range(READERS)), removed())
    for answer in answers[:-1]:
        assert isinstance(answer, Answer)
        if answer.status == 200:
            assert data.startswith(answer.body)
            assert (len(answer.body) == len(data)) == answer.complete
        else:
            assert answer.status in {404, 500}
    assert first + b"".join([chunk async for chunk in begun]) == data
    assert (await client("GET", path)).status == 404


async def replace_while_reading_ranges(ring: Ring) -> None:
    """Ranges under `If-Range` while the file is replaced: a part of the old bytes, or the whole of the new."""
    desk, client = await ring.desk(), await ring.client()
    old, new = (bytes([n]) * 300_000 for n in (1, 2))
    file = await _create(desk, "/", "x", old)
    path = f"/v1/attachments/{file.id}/content"
    headers = {"Range": "bytes=100-299", "If-Range": (await client("GET", path))["etag"]}

    async def replaced() -> None:
        await asyncio.sleep(0)
        assert (await client("PUT", path, new)).status == 200

    gathered = await asyncio.gather(*(client("GET", path, headers=headers) for _ in range(READERS)), replaced())
    answers = [answer for answer in gathered if isinstance(answer, Answer)]
    partial = [answer for answer in answers if answer.status == 206]
    whole = [answer for answer in answers if answer.status == 200]
    assert len(partial) + len(whole) == READERS
    assert all(answer.body == old[100:300] and answer["etag"] == headers["If-Range"] for answer in partial)
    assert all(answer.body == new and answer["etag"] != headers["If-Range"] for answer in whole)
    after = await client("GET", path, headers=headers)
    assert (after.status, after.body) == (200, new)


async def move_against_create(ring: Ring) -> None:
    """A folder moves while files are put into it: each file is in the old place or in the new one, and in one only."""
    desk = await ring.desk()
    await desk.folders.create("/old/deep")
    attempts = [_create(desk, "/old/deep", f"{n}", b"x") for n in range(MOVED)]
    half = MOVED // 2
    found = await _outcomes(*attempts[:half], desk.folders.move("/old", "/new"), *attempts[half:])
    assert [each for each in found if isinstance(each, BaseException)] == []
    there = await _files(desk)
    assert sorted(int(each.name) for each in there) == list(range(MOVED))
    assert {each.folder for each in there} <= {"/old/deep", "/new/deep"}
    page = await desk.folders.find(EntryQuery(desk.actor.account, ALL, kinds=frozenset({"folder"})))
    folders = {entry.path for entry in page.items}
    assert folders - {"/old", "/old/deep"} == {"/new", "/new/deep"}
    assert {each.folder for each in there} <= folders


async def restore_against_create(ring: Ring) -> None:
    """A file comes back from the trash while others are made at its path: one of them all is there."""
    desk = await ring.desk()
    trashed = await _create(desk, "/p", "x", b"trashed")
    await desk.attachments.trash(trashed.id)
    attempts: list[Awaitable[object]] = [_create(desk, "/p", "x", b"%d" % n) for n in range(RESTORERS)]
    attempts.insert(RESTORERS // 2, desk.attachments.restore(trashed.id))
    found = await _outcomes(*attempts)
    assert (_count(found, Attachment), _count(found, Conflict)) == (1, RESTORERS)
    (there,) = await _files(desk)
    assert there in found


async def one_trash_each(ring: Ring) -> None:
    """The same file is thrown away and brought back by many: they take turns, and the figures follow."""
    desk = await ring.desk()
    file = await _create(desk, "/", "x", b"x")
    turns = [desk.attachments.trash(file.id) if n % 2 else desk.attachments.restore(file.id) for n in range(RESTORERS)]
    found = await _outcomes(*turns)
    assert _count(found, Attachment) + _count(found, NotFound) == RESTORERS
    done = [each for each in found if isinstance(each, Attachment)]
    live = len(await _files(desk))
    thrown = sum(each.trashed_at is not None for each in done)
    assert thrown - (len(done) - thrown) == 1 - live
    assert (await desk.usage()).attachments == live


RACES: Mapping[str, Callable[[Ring], Awaitable[None]]] = {
    race.__name__: race
    for race in (
        one_winner,
        one_name_each,
        quota_to_the_byte,
        count_to_the_file,
        delete_while_downloading,
        replace_while_reading_ranges,
        move_against_create,
        restore_against_create,
        one_trash_each,
    )
}
