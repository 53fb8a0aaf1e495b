"""The one segment that this process appends to. All of it runs in one thread, and every method blocks."""

import fcntl
import logging
import os
from collections.abc import Sequence

import msgspec

from holdfast.blobs import folders, frames, locators
from holdfast.blobs.descriptors import NEW_FILE, closed_with
from holdfast.blobs.frames import FRAME_HEADER, SEGMENT_HEADER, Header
from holdfast.blobs.locators import FrameAt
from holdfast.blobs.root import Root
from holdfast.blobs.syscalls import FILE_MODE, Buffers, write_all

_log = logging.getLogger(__name__)

# Room taken at a time: a sync inside room that is already there has less metadata to write.
_ROOM = 8 * 1024 * 1024


class Small(msgspec.Struct, frozen=True):
    """A small blob to append; `size` in bytes, of all its chunks."""

    account: int
    sha256: bytes
    size: int
    chunks: tuple[bytes, ...]


class Appender:
    """Appends groups, and begins a new segment where one must not or cannot go on. `size` of a segment in bytes."""

    def __init__(self, root: Root, size: int) -> None:
        self._root = root
        self._size = size
        self._tail: Tail | None = None

    def append(self, group: Sequence[Small]) -> list[FrameAt]:
        """Write and sync the whole group; when this returns, it is durable. Raises OSError, and then none of it counts.

        A segment that has failed once is never written again: what the kernel still holds of it is unknown.
        """
        length = sum(FRAME_HEADER + small.size for small in group)
        if self._tail is not None and self._tail.end + length > self._size:
            self.close()
        tail = self._tail or Tail(self._root)
        fresh, self._tail = self._tail is None, None
        try:
            places = tail.append(group, length)
        except OSError:
            if fresh:
                tail.remove()
            tail.close()
            raise
        self._tail = tail
        return places

    def close(self) -> None:
        """Give back the room behind the last frame. The next group begins a new segment."""
        if self._tail is not None:
            self._tail.close()
            self._tail = None


class Tail:
    """A segment open for appending, locked until it is closed or the process ends. `end` is that of its last durable
    frame, in bytes. Raises OSError."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._segment = root.entropy(locators.SEGMENT_BYTES).hex()
        self._seed = frames.seed_of(self._segment)
        self.end = 0
        self._room = 0
        with folders.opened(root.fd, folders.TEMPORARY) as folder:
            self._fd = os.open(self._segment, NEW_FILE, FILE_MODE, dir_fd=folder)
        self._close = closed_with(self, self._fd)
        try:
            self._appear()
        except OSError:
            self._remove(folders.TEMPORARY, self._segment)
            raise

    def _appear(self) -> None:
        os.fchmod(self._fd, FILE_MODE)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folders.make(self._root.fd, folders.SEGMENTS)
        # Among the segments it is locked from its first moment, so no other process can take it for one to drop.
        with (
            folders.opened(self._root.fd, folders.TEMPORARY) as source,
            folders.opened(self._root.fd, folders.SEGMENTS) as target,
        ):
            self._root.calls.rename(self._segment, locators.segment_file(self._segment), source, target)

    def append(self, group: Sequence[Small], length: int) -> list[FrameAt]:
        """Write the frames, `length` bytes in all, behind the last one and sync them."""
        first = self.end == 0
        buffers: list[bytes | memoryview] = [frames.segment_header(self._segment)] if first else []
        offset = SEGMENT_HEADER if first else self.end
        end = offset + length
        places = []
        for small in group:
            checksum = frames.payload_checksum(small.chunks)
            header = Header(small.account, small.size, small.sha256, checksum)
            buffers += [frames.frame_header(header, self._seed), *small.chunks]
            places.append(FrameAt(self._segment, offset, small.size))
            offset += FRAME_HEADER + small.size
        self._make_room(end)
        self._write(buffers)
        self._sync(first=first)
        self.end = end
        return places

    def close(self) -> None:
        """Give back the room behind the last durable frame; never raises."""
        if not self._close.alive:
            return
        try:
            os.ftruncate(self._fd, self.end)
        except OSError:
            _log.warning("room behind a segment not given back", exc_info=True)
        self._close()

    def remove(self) -> None:
        """Take the file away again; never raises."""
        self._remove(folders.SEGMENTS, locators.segment_file(self._segment))

    def _remove(self, steps: folders.Steps, name: str) -> None:
        try:
            with folders.opened(self._root.fd, steps) as folder:
                self._root.calls.unlink(name, folder)
        except OSError:
            _log.warning("empty segment left behind", exc_info=True)

    def _make_room(self, end: int) -> None:
        if end <= self._room:
            return
        room = -(-end // _ROOM) * _ROOM
        try:
            os.posix_fallocate(self._fd, self.end, room - self.end)
        except OSError:
            # Room in advance is a favour to the sync; the write itself finds out whether the disk is full.
            room = end
        self._room = room

    def _write(self, buffers: Buffers) -> None:
        position = self.end

        def write(rest: Buffers) -> int:
            nonlocal position
            taken = self._root.calls.write_at(self._fd, rest, position)
            position += taken
            return taken

        write_all(write, buffers)

    def _sync(self, *, first: bool) -> None:
        if not first:
            self._root.calls.fdatasync(self._fd)
            return
        # Another process may have made the folder and died before it was synced.
        self._root.calls.fsync(self._fd)
        for steps in (folders.SEGMENTS, ()):
            with folders.opened(self._root.fd, steps) as folder:
                self._root.calls.fsync_folder(folder)
