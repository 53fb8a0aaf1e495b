"""The `Blobs` port on a local folder: takes bytes in and decides where they rest."""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from holdfast.blobs import locators
from holdfast.blobs.appending import Small
from holdfast.blobs.files import Files, Temporary
from holdfast.blobs.frames import PAYLOAD_MAX
from holdfast.blobs.locators import FileAt, FrameAt
from holdfast.blobs.root import Root, open_root
from holdfast.blobs.segments import Segments
from holdfast.blobs.syscalls import Syscalls, storage_failure
from holdfast.core.errors import ContentLost, Unavailable
from holdfast.core.inventory import Stored
from holdfast.core.model import ByteRange
from holdfast.core.ports import Clock, Entropy, Received

T = TypeVar("T")

_log = logging.getLogger(__name__)

SEGMENT_SIZE = 128 * 1024 * 1024
# All writers share this much memory; each has one buffer being filled and one being written.
_BUFFERS = 32 * 1024 * 1024
_BUFFER_MAX = 1024 * 1024
_BUFFER_MIN = 128 * 1024


def open_disk(
    root: Path,
    *,
    small: int = PAYLOAD_MAX,
    segment_size: int = SEGMENT_SIZE,
    calls: Syscalls | None = None,
    entropy: Entropy = os.urandom,
    clock: Clock = lambda: time.time_ns() // 1000,
) -> "DiskBlobs":
    """The store below `root`, which is made if it is missing.

    Bodies of up to `small` bytes (at most 256 KiB) stay in memory until commit, and then share segments of about
    `segment_size` bytes; with 0 each is a file too. Raises `Unavailable` when the folder cannot be used.
    """
    if not 0 <= small <= PAYLOAD_MAX:
        raise ValueError(f"small must be at most {PAYLOAD_MAX} bytes")
    try:
        opened = open_root(root, calls or Syscalls(), entropy)
    except OSError as error:
        raise storage_failure(error) from error
    return DiskBlobs(opened, clock, small=small, segment_size=segment_size)


class DiskBlobs:
    """Blobs on a disk; see `holdfast.core.ports.Blobs`. Owns the root's descriptor and its threads."""

    def __init__(self, root: Root, clock: Clock, *, small: int, segment_size: int) -> None:
        self.threads = root.threads
        self.files = Files(root)
        self.segments = Segments(root, segment_size)
        self.small = small
        self._share = segment_size > 0
        self._root = root
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()

    def create(self, account: int) -> "DiskWriter":
        """As `Blobs.create`."""
        return DiskWriter(self, account)

    def read(self, locator: str, part: ByteRange) -> AsyncIterator[bytes]:
        """As `Blobs.read`."""
        at = locators.parse(locator)
        if isinstance(at, FileAt):
            return self.files.read(at, part)
        if isinstance(at, FrameAt):
            return self.segments.read(at, part)
        return _nowhere(locator)

    async def delete(self, locator: str) -> None:
        """As `Blobs.delete`; a locator that this store never gave names nothing. Raises `Unavailable`."""
        at = locators.parse(locator)
        if isinstance(at, FileAt):
            await self.files.remove(at)
        elif isinstance(at, FrameAt):
            self.segments.remove(at)

    async def scan(self) -> AsyncIterator[Stored]:
        """As `Inventory.scan`: everything at rest, then everything on its way."""
        loop = asyncio.get_running_loop()
        walk = chain(self.files.scan(), self.segments.scan())
        while (batch := await loop.run_in_executor(self.threads.reads, next, walk, None)) is not None:
            for stored in batch:
                yield stored
        for listed in (self.files.temporaries, self.files.foreign, self.segments.foreign):
            for stored in await loop.run_in_executor(self.threads.reads, listed):
                yield stored

    async def leftovers(self, age: float) -> int:
        """As `Inventory.leftovers`."""
        before = self._clock() - int(age * 1_000_000)
        return await asyncio.get_running_loop().run_in_executor(self.threads.writes, self.files.sweep, before)

    async def close(self) -> None:
        """As `Blobs.close`."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self.segments.close()
        await asyncio.to_thread(self.threads.close)
        os.close(self._root.fd)

    def buffer_size(self) -> int:
        """How many bytes a writer gathers before it hands them on: fewer when many write, so that memory is bounded."""
        return max(_BUFFER_MIN, min(_BUFFER_MAX, _BUFFERS // (2 * max(1, self.files.receiving))))

    def add(
        self, account: int, received: Received, chunks: list[bytes]
    ) -> asyncio.Future[FrameAt] | asyncio.Task[FileAt]:
        """Make a small body durable. Fails with `StorageFull`, `Unavailable`."""
        if self._share:
            return self.segments.add(Small(account, received.sha256, received.size, tuple(chunks)))
        return self.spawn(self.files.add(account, received.sha256, chunks))

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run work to its end whatever becomes of who asked for it; `close` waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _nowhere(locator: str) -> AsyncGenerator[bytes]:
    yield _missing(locator)


def _missing(locator: str) -> bytes:
    _log.error("no blob has the locator %r", locator)
    raise ContentLost


class DiskWriter:
    """As `BlobWriter`. Small bodies stay in memory; others go to a temporary file, at most one buffer at a time."""

    def __init__(self, store: DiskBlobs, account: int) -> None:
        self._store = store
        self._account = account
        self._chunks: list[bytes] = []
        self._held = 0
        self._size = 0
        self._limit = store.small
        self._temporary: Temporary | None = None
        self._flight: asyncio.Future[None] | None = None
        self._received: Received | None = None
        self._commit: asyncio.Future[FrameAt] | asyncio.Task[FileAt] | None = None
        self._cancelled = False

    async def write(self, chunk: bytes) -> None:
        """As `BlobWriter.write`. Raises `Unavailable` when the disk fails."""
        if self._received is not None or self._cancelled:
            raise RuntimeError("this writer takes no more bytes")
        self._chunks.append(chunk)
        self._held += len(chunk)
        self._size += len(chunk)
        if self._held > self._limit:
            await self._flush()

    async def finish(self) -> Received:
        """As `BlobWriter.finish`; asked again, it gives the same answer."""
        if self._received is None:
            self._received = Received(await self._digest(), self._size)
        return self._received

    async def commit(self) -> str:
        """As `BlobWriter.commit`; asked again, it gives the same locator. Raises `StorageFull`, `Unavailable`."""
        if self._cancelled:
            raise RuntimeError("this writer was cancelled")
        received = await self.finish()
        if self._commit is None:
            self._commit = self._settle(received)
        # Whoever waits may be cancelled; what was begun goes on, and cancel() has to know when it ends.
        return str(await asyncio.shield(self._commit))

    async def cancel(self) -> None:
        """As `BlobWriter.cancel`."""
        if self._cancelled:
            return
        self._cancelled = True
        self._chunks.clear()
        if self._flight is not None or self._commit is not None:
            await asyncio.shield(self._store.spawn(self._undo()))

    async def _flush(self) -> None:
        await self._landed()
        chunks, self._chunks, self._held = self._chunks, [], 0
        self._limit = self._store.buffer_size()
        loop = asyncio.get_running_loop()
        self._flight = loop.run_in_executor(self._store.threads.writes, self._spill, chunks)

    async def _landed(self) -> None:
        if self._flight is not None:
            await asyncio.shield(self._flight)

    def _spill(self, chunks: list[bytes]) -> None:
        try:
            if self._temporary is None:
                self._temporary = self._store.files.begin()
            self._temporary.append(chunks)
        except OSError as error:
            raise storage_failure(error) from error

    async def _digest(self) -> bytes:
        if self._flight is None:
            digest = hashlib.sha256()
            for chunk in self._chunks:
                digest.update(chunk)
            return digest.digest()
        if self._chunks:
            await self._flush()
        await self._landed()
        assert self._temporary is not None  # noqa: S101  a flight that landed has made it
        return self._temporary.digest()

    def _settle(self, received: Received) -> asyncio.Future[FrameAt] | asyncio.Task[FileAt]:
        if self._temporary is None:
            chunks, self._chunks = self._chunks, []
            return self._store.add(self._account, received, chunks)
        return self._store.spawn(self._store.files.commit(self._temporary, self._account, received.sha256))

    async def _undo(self) -> None:
        if self._flight is not None:
            await asyncio.wait([self._flight])
            self._flight.exception()
        try:
            if self._commit is None:
                await self._discard()
            elif (locator := await self._committed()) is not None:
                await self._store.delete(locator)
        except Unavailable:
            _log.warning("cancelled blob left behind", exc_info=True)

    async def _committed(self) -> str | None:
        assert self._commit is not None  # noqa: S101
        await asyncio.wait([self._commit])
        return None if self._commit.exception() is not None else str(self._commit.result())

    async def _discard(self) -> None:
        if self._temporary is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._store.threads.writes, self._temporary.discard)
