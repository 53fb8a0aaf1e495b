"""Reading from descriptors: cached pages on the event loop, all others in a thread."""

import asyncio
import errno
import os

from holdfast.blobs.threads import Threads
from holdfast.core.errors import ContentLost, Unavailable
from holdfast.core.slices import Open, Piece, Slice

CHUNK = 256 * 1024
SLICE = 1024 * 1024
CROWD_CHUNK = 64 * 1024
_CROWD = 64
# Systems without the flag read in threads only.
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)


class Reader:
    """Reads exact ranges. Used from one event loop at a time."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._nowait = _NOWAIT
        # Filled and copied out without an await between, so one serves all streams and stays in the processor's cache.
        self._scratch = memoryview(bytearray(CHUNK + CROWD_CHUNK))
        self._streams = 0

    def begin_stream(self) -> None:
        """Count a stream in."""
        self._streams += 1

    def end_stream(self) -> None:
        """Count a stream out."""
        self._streams -= 1

    async def next_bytes(self, file: Open, left: int, offset: int) -> bytes:
        """The next of the `left` bytes from `offset`: fewer at a time when many streams share the memory.

        Raises `ContentLost` when the file ends before, `Unavailable` when it fails.
        """
        length = min(left, CHUNK if self._streams <= _CROWD else CROWD_CHUNK)
        view = self.cached(file.fileno(), length, offset)
        return bytes(view) if view is not None else await self.in_thread(file.fileno(), length, offset)

    async def next_slice(self, file: Open, left: int, offset: int) -> Piece:
        """As `next_bytes`, without taking the bytes in where they seem to be in the page cache.

        The cache is looked at every 256 KiB and at the end. Should a page between have been dropped, whoever sends the
        slice waits for the disk.
        """
        end = offset + min(left, SLICE)
        if all(self.cached(file.fileno(), 1, at) is not None for at in (*range(offset, end, CHUNK), end - 1)):
            return Slice(file, offset, end - offset)
        return await self.next_bytes(file, left, offset)

    async def in_thread(self, fd: int, length: int, offset: int) -> bytes:
        """That many bytes, without looking at the page cache first. Raises as `next_bytes` does."""
        return await asyncio.get_running_loop().run_in_executor(self._threads.reads, read_exactly, fd, length, offset)

    def cached(self, fd: int, length: int, offset: int) -> memoryview | None:
        """The bytes if all of them are in the page cache, without blocking; good until the next call."""
        if self._nowait is None or length > len(self._scratch):
            return None
        view = self._scratch[:length]
        try:
            taken = os.preadv(fd, [view], offset, self._nowait)
        except OSError as error:
            # Not every filesystem knows the flag; a true fault shows again in the thread.
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                self._nowait = None
            return None
        return view if taken == length else None


def read_exactly(fd: int, length: int, offset: int) -> bytes:
    """As `Reader.in_thread`, blocking."""
    pieces: list[bytes] = []
    while length:
        try:
            piece = os.pread(fd, length, offset)
        except OSError as error:
            raise Unavailable("The blob store cannot be read now") from error
        if not piece:
            raise ContentLost
        pieces.append(piece)
        length -= len(piece)
        offset += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
