"""Small blobs in shared append-only files, synced once for all uploads that wait.

Every process appends to a segment of its own, under a lock that lasts as long as the process; a new one begins when
it is full, when a sync has failed, and with every process. Nothing in a segment is ever written twice once it has been
acknowledged. Deleted frames keep their place until `compact` copies the live ones elsewhere.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from itertools import islice

import msgspec

from holdfast.blobs import folders, frames, locators
from holdfast.blobs.appending import Appender, Small
from holdfast.blobs.descriptors import OpenFile, read_failure, strange_entries
from holdfast.blobs.frames import FRAME_HEADER, SEGMENT_HEADER, Header
from holdfast.blobs.locators import FrameAt
from holdfast.blobs.reading import read_exactly
from holdfast.blobs.root import Root
from holdfast.blobs.syscalls import storage_failure
from holdfast.core.errors import Conflict, ContentLost, Unavailable
from holdfast.core.inventory import Compaction, Segment, Stored
from holdfast.core.model import ByteRange

_log = logging.getLogger(__name__)

_OPEN_SEGMENTS = 256
_TOMBSTONES = 1_000_000
# What one group holds at most, so that the first to come does not wait for the disk to take the last.
_GROUP_BYTES = 8 * 1024 * 1024
_GROUP_BLOBS = 256
_BATCH = 64

Waiting = tuple[Small, asyncio.Future[FrameAt]]


class Frame(msgspec.Struct, frozen=True):
    """A frame found in a segment; `intact` when its payload has its digest."""

    locator: str
    account: int
    sha256: bytes
    length: int
    intact: bool


class Segments:
    """All blobs that share files below the root. `size` is where a segment ends, in bytes."""

    def __init__(self, root: Root, size: int) -> None:
        self._root = root
        self._appender = Appender(root, size)
        self._waiting: list[Waiting] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._open: OrderedDict[str, OpenSegment] = OrderedDict()
        self._tombstones = Tombstones()

    def add(self, small: Small) -> asyncio.Future[FrameAt]:
        """Make a small blob durable, together with all others that wait. Fails with `StorageFull` or `Unavailable`."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[FrameAt] = loop.create_future()
        self._waiting.append((small, done))
        if self._idle.is_set():
            self._idle.clear()
            # Not at once: others whose bytes have come meanwhile are about to ask for the same.
            loop.call_soon(self._next, loop)
        return done

    async def read(self, at: FrameAt, part: ByteRange) -> AsyncGenerator[bytes]:
        """As `Blobs.read`. The frame is read whole and checked whatever the part: damaged bytes never leave."""
        if self._tombstones.holds(at) or part.start + part.length > at.length or at.length > frames.PAYLOAD_MAX:
            raise ContentLost
        segment = self._open.get(at.segment)
        if segment is None:
            segment = await self._open_cold(at)
        else:
            self._open.move_to_end(at.segment)
        length = FRAME_HEADER + at.length
        view = self._root.reader.cached(segment.fileno(), length, at.offset)
        if view is None:
            view = memoryview(await self._root.reader.in_thread(segment.fileno(), length, at.offset))
        _verify(view, segment, at)
        if part.length:
            yield bytes(view[FRAME_HEADER + part.start : FRAME_HEADER + part.start + part.length])

    def remove(self, at: FrameAt) -> None:
        """Forget the frame. Only this process knows; the space comes back by compaction."""
        self._tombstones.add(at)

    async def segments(self) -> list[Segment]:
        """The segments of all processes."""
        return await asyncio.get_running_loop().run_in_executor(self._root.threads.reads, self._list)

    async def reindex(self, segment: str) -> AsyncIterator[Frame]:
        """Every frame of a segment from the segment alone, in order, up to the end or the torn tail.

        Raises `ContentLost` if there is no such segment.
        """
        loop = asyncio.get_running_loop()
        file = await loop.run_in_executor(self._root.threads.reads, self._open_named, segment)
        walk = _walk(file, verify=True)
        while batch := await loop.run_in_executor(self._root.threads.reads, _take, walk):
            for at, header, intact in batch:
                yield Frame(str(at), header.account, header.sha256, header.length, intact)

    async def compact(self, segment: str, live: Collection[str]) -> Compaction:
        """Copy those frames durably to the open segment. The old segment stays until `drop`, and its age, by which
        upkeep judges whether it may go, begins anew.

        A frame may have been acknowledged a moment ago and its row not be committed yet: before `drop`, let a grace
        time pass and see that no row names the segment any more.

        Locators of other places are left out. Raises `Conflict` while a process appends to the segment,
        `ContentLost` if it is not there, `StorageFull` or `Unavailable` when the copy fails; what was copied then is
        garbage that a later compaction leaves behind.
        """
        if await self._is_appending(segment):
            raise Conflict("The segment is still being written")
        wanted = [at for at in map(locators.parse, live) if isinstance(at, FrameAt) and at.segment == segment]
        wanted.sort(key=lambda at: at.offset)
        moved: dict[str, str] = {}
        damaged: list[str] = []
        loop = asyncio.get_running_loop()
        file = await loop.run_in_executor(self._root.threads.reads, self._open_named, segment)
        await loop.run_in_executor(self._root.threads.writes, _touch, file)
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            found = await loop.run_in_executor(self._root.threads.reads, _load, file, batch)
            damaged += [str(at) for at, small in found if small is None]
            sound = [(at, small) for at, small in found if small is not None]
            placed = await asyncio.gather(*(self.add(small) for _, small in sound))
            moved.update((str(old), str(new)) for (old, _), new in zip(sound, placed, strict=True))
        return Compaction(moved, tuple(damaged))

    async def drop(self, segment: str) -> None:
        """Remove a segment; removing what is gone does nothing. Readers that have begun may finish.

        Raises `Conflict` while a process appends to it, `Unavailable`.
        """
        if await self._is_appending(segment):
            raise Conflict("The segment is still being written")
        await asyncio.get_running_loop().run_in_executor(self._root.threads.writes, self._unlink, segment)
        self._open.pop(segment, None)
        self._tombstones.forget(segment)

    def scan(self) -> Iterator[list[Stored]]:
        """Every frame that is not known to be deleted, a segment at a time, payloads unread; blocks."""
        for info in self._list():
            try:
                file = self._open_named(info.name)
            except ContentLost:
                continue
            yield [
                Stored("shared", str(at), at.length, info.modified_at, header.account, header.sha256)
                for at, header, _ in _walk(file, verify=False)
                if not self._tombstones.holds(at)
            ]

    def foreign(self) -> list[Stored]:
        """What lies among the segments and is none; blocks."""
        return strange_entries(
            self._root.fd, folders.SEGMENTS, "file", lambda name: locators.segment_of(name) is not None
        )

    async def close(self) -> None:
        """Finish what waits and give back room that was taken in advance."""
        await self._idle.wait()
        await asyncio.get_running_loop().run_in_executor(self._root.threads.appends, self._appender.close)
        self._open.clear()

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            group = self._next_group()
            try:
                self._root.threads.appends.submit(self._append, group, loop)
                return
            except Unavailable as error:
                _refuse(group, error)
        self._idle.set()

    def _append(self, group: list[Waiting], loop: asyncio.AbstractEventLoop) -> None:
        """In the appending thread."""
        outcome: list[FrameAt] | BaseException
        try:
            outcome = self._appender.append([small for small, _ in group])
        except BaseException as error:  # noqa: BLE001 -- whatever it is, those who wait are told
            outcome = error
        # Once the loop is closed nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._tell, group, outcome, loop)

    def _tell(
        self, group: list[Waiting], outcome: list[FrameAt] | BaseException, loop: asyncio.AbstractEventLoop
    ) -> None:
        if isinstance(outcome, BaseException):
            _refuse(group, outcome)
        else:
            for (_, done), at in zip(group, outcome, strict=True):
                if not done.done():
                    done.set_result(at)
        self._next(loop)

    def _next_group(self) -> list[Waiting]:
        taken = size = 0
        for small, _ in self._waiting[:_GROUP_BLOBS]:
            size += small.size
            if taken and size > _GROUP_BYTES:
                break
            taken += 1
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return group

    async def _open_cold(self, at: FrameAt) -> "OpenSegment":
        loop = asyncio.get_running_loop()
        segment = await loop.run_in_executor(self._root.threads.reads, self._open_named, at.segment)
        # Another process may have dropped segments meanwhile; a descriptor kept here would keep their space in use.
        for name in [name for name, other in self._open.items() if other.is_gone()]:
            del self._open[name]
        self._open[at.segment] = segment
        if len(self._open) > _OPEN_SEGMENTS:
            self._open.popitem(last=False)
        return segment

    def _open_named(self, segment: str) -> "OpenSegment":
        try:
            return OpenSegment(self._root.fd, segment)
        except OSError as error:
            raise read_failure(error, f"in segment {segment!r}") from error

    def _list(self) -> list[Segment]:
        found = []
        for name in folders.names(self._root.fd, folders.SEGMENTS):
            segment = locators.segment_of(name)
            if segment is None:
                continue
            try:
                file = OpenFile(self._root.fd, folders.SEGMENTS, name)
            except OSError:
                _log.warning("segment %s cannot be opened", segment, exc_info=True)
                continue
            status = os.fstat(file.fileno())
            prefix, modified_at = locators.segment_prefix(segment), status.st_mtime_ns // 1000
            found.append(Segment(segment, prefix, status.st_size, modified_at, _is_locked(file)))
        return found

    async def _is_appending(self, segment: str) -> bool:
        return any(info.growing for info in await self.segments() if info.name == segment)

    def _unlink(self, segment: str) -> None:
        try:
            with folders.opened(self._root.fd, folders.SEGMENTS) as folder:
                self._root.calls.unlink(locators.segment_file(segment), folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise storage_failure(error) from error


class OpenSegment(OpenFile):
    """A segment open for reading; `seed` is that of its checksums. Raises OSError."""

    def __init__(self, root: int, segment: str) -> None:
        super().__init__(root, folders.SEGMENTS, locators.segment_file(segment))
        self.segment = segment
        self.seed = frames.seed_of(segment)

    def is_gone(self) -> bool:
        """Whether no name leads to it any more."""
        return os.fstat(self.fileno()).st_nlink == 0


class Tombstones:
    """Frames deleted by this process, each segment's apart. Bounded: beyond a million the oldest segments' are
    forgotten, which only means that a locator that no row holds could be read again."""

    def __init__(self) -> None:
        self._offsets: OrderedDict[str, set[int]] = OrderedDict()
        self._count = 0

    def add(self, at: FrameAt) -> None:
        """Note a deletion."""
        offsets = self._offsets.setdefault(at.segment, set())
        self._count += at.offset not in offsets
        offsets.add(at.offset)
        while self._count > _TOMBSTONES:
            self.forget(next(iter(self._offsets)))

    def holds(self, at: FrameAt) -> bool:
        """Whether the frame was deleted."""
        offsets = self._offsets.get(at.segment)
        return offsets is not None and at.offset in offsets

    def forget(self, segment: str) -> None:
        """The segment is gone."""
        self._count -= len(self._offsets.pop(segment, ()))


def _verify(view: memoryview, segment: OpenSegment, at: FrameAt) -> None:
    header = frames.parse_frame(view, segment.seed)
    if header is None or header.length != at.length:
        _log.error("there is no frame at %s", at)
        raise ContentLost
    if frames.payload_checksum([view[FRAME_HEADER:]]) != header.checksum:
        _log.error("the frame at %s is damaged", at)
        raise ContentLost


def _walk(file: OpenSegment, *, verify: bool) -> Iterator[tuple[FrameAt, Header, bool]]:
    offset = SEGMENT_HEADER
    while True:
        header = frames.parse_frame(os.pread(file.fileno(), FRAME_HEADER, offset), file.seed)
        if header is None:
            return
        at = FrameAt(file.segment, offset, header.length)
        yield at, header, verify and _is_intact(file, at, header)
        offset += FRAME_HEADER + header.length


def _is_intact(file: OpenSegment, at: FrameAt, header: Header) -> bool:
    try:
        payload = read_exactly(file.fileno(), at.length, at.offset + FRAME_HEADER)
    except ContentLost:
        return False
    return hashlib.sha256(payload).digest() == header.sha256


def _take(walk: Iterator[tuple[FrameAt, Header, bool]]) -> list[tuple[FrameAt, Header, bool]]:
    return list(islice(walk, _BATCH))


def _load(file: OpenSegment, batch: Sequence[FrameAt]) -> list[tuple[FrameAt, Small | None]]:
    return [(at, _load_one(file, at)) for at in batch]


def _load_one(file: OpenSegment, at: FrameAt) -> Small | None:
    header = frames.parse_frame(os.pread(file.fileno(), FRAME_HEADER, at.offset), file.seed)
    if header is None or header.length != at.length or not _is_intact(file, at, header):
        _log.error("the frame at %s is damaged", at)
        return None
    payload = read_exactly(file.fileno(), at.length, at.offset + FRAME_HEADER)
    return Small(header.account, header.sha256, header.length, (payload,))


def _touch(file: OpenFile) -> None:
    try:
        os.utime(file.fileno())
    except OSError as error:
        raise storage_failure(error) from error


def _is_locked(file: OpenFile) -> bool:
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _refuse(group: list[Waiting], error: BaseException) -> None:
    for _, done in group:
        if not done.done():
            failure = storage_failure(error) if isinstance(error, OSError) else Unavailable()
            failure.__cause__ = error
            done.set_exception(failure)
