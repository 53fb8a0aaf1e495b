"""One file for each blob: written under a temporary name, synced, then renamed to its place.

    <root>/tmp/<random>                                  on its way
    <root>/<account>/<aa>/<sha256>-<random suffix>       at rest, mode 0440

The suffix makes every commit a file of its own, so undoing one upload can never take the bytes of another.
"""

import asyncio
import fcntl
import functools
import hashlib
import logging
import os
import stat
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Self, TypeVar

from holdfast.blobs import folders, locators
from holdfast.blobs.descriptors import NEW_FILE, OLD_FILE, OpenFile, closed_with, read_failure, strange_entries
from holdfast.blobs.locators import FileAt
from holdfast.blobs.root import Root
from holdfast.blobs.syscalls import FILE_MODE, storage_failure, write_all
from holdfast.core.errors import ContentLost, Unavailable
from holdfast.core.inventory import Stored
from holdfast.core.model import ByteRange
from holdfast.core.slices import Piece

P = TypeVar("P", bound=Piece)

_log = logging.getLogger(__name__)

# Readahead pays only where much follows.
_LONG_READ = 1024 * 1024
# Bytes between two nudges to the disk, so that the last sync finds little left to do.
_WRITE_BACK = 8 * 1024 * 1024
_REMEMBERED_FOLDERS = 65536


class Temporary:
    """A file on its way. Every method blocks, is called by one thread at a time and raises OSError.

    It holds a lock for as long as its process lives, so that cleaning never takes it from an upload that is only slow.
    """

    def __init__(self, root: Root, name: str) -> None:
        self.name = name
        self._root = root
        self._hash = hashlib.sha256()
        self._size = 0
        self._nudged = 0
        with folders.opened(root.fd, folders.TEMPORARY) as folder:
            self._fd = os.open(name, NEW_FILE, FILE_MODE, dir_fd=folder)
        self._close = closed_with(self, self._fd)
        try:
            os.fchmod(self._fd, FILE_MODE)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.discard()
            raise

    def append(self, chunks: Sequence[bytes]) -> None:
        """Hash and write. After a failure the file is gone."""
        for chunk in chunks:
            self._hash.update(chunk)
        try:
            write_all(lambda buffers: self._root.calls.write(self._fd, buffers), chunks)
        except OSError:
            self.discard()
            raise
        self._size += sum(map(len, chunks))
        if self._size - self._nudged >= _WRITE_BACK:
            self._root.calls.start_writing_back(self._fd, self._nudged, self._size - self._nudged)
            self._nudged = self._size

    def digest(self) -> bytes:
        """The SHA-256 of what was appended."""
        return self._hash.digest()

    def settle(self, at: FileAt) -> None:
        """Sync and give the final name; the folder is still to be synced. After a failure the file is gone.

        A failed sync is final: the kernel may have dropped the pages and would call the next sync a success.
        """
        try:
            self._root.calls.fsync(self._fd)
            with (
                folders.opened(self._root.fd, folders.TEMPORARY) as source,
                folders.opened(self._root.fd, at.folder) as target,
            ):
                self._root.calls.rename(self.name, at.name, source, target)
        except OSError:
            self.discard()
            raise
        self._close()

    def discard(self) -> None:
        """Close and remove; never raises."""
        if not self._close.alive:
            return
        self._close()
        try:
            with folders.opened(self._root.fd, folders.TEMPORARY) as folder:
                self._root.calls.unlink(self.name, folder)
        except FileNotFoundError:
            pass
        except OSError:
            _log.warning("temporary blob left behind", exc_info=True)


class FileBytes:
    """A part of a file as `Blobs.read` gives it, `Sliceable`. The file is open from the first piece to the last."""

    def __init__(self, root: Root, open_file: Callable[[], OpenFile], part: ByteRange) -> None:
        self._root = root
        self._open_file = open_file
        self._part = part
        self._pieces: AsyncGenerator[Piece] | None = None
        self._chunks: AsyncGenerator[bytes] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._chunks is None:
            self._pieces = self._chunks = self._walk(self._root.reader.next_bytes)
        return await anext(self._chunks)

    def slices(self) -> AsyncGenerator[Piece]:
        """As `Sliceable.slices`."""
        self._pieces = self._walk(self._root.reader.next_slice)
        return self._pieces

    async def aclose(self) -> None:
        """Close the file before its end."""
        if self._pieces is not None:
            await self._pieces.aclose()

    async def _walk(self, take: Callable[[OpenFile, int, int], Awaitable[P]]) -> AsyncGenerator[P]:
        reader = self._root.reader
        file = await asyncio.get_running_loop().run_in_executor(self._root.threads.reads, self._open_file)
        reader.begin_stream()
        try:
            position, end = self._part.start, self._part.start + self._part.length
            while position < end:
                piece = await take(file, end - position, position)
                yield piece
                position += len(piece)
        finally:
            reader.end_stream()
            file.close()


class Files:
    """All blobs that have a file of their own below the root."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._folder_sync = FolderSync(root)
        self._open: weakref.WeakSet[Temporary] = weakref.WeakSet()

    @property
    def receiving(self) -> int:
        """How many temporaries are open."""
        return len(self._open)

    def begin(self) -> Temporary:
        """A new temporary; blocks. Raises OSError."""
        temporary = Temporary(self._root, self._root.entropy(locators.SUFFIX_BYTES).hex())
        self._open.add(temporary)
        return temporary

    async def commit(self, temporary: Temporary, account: int, sha256: bytes) -> FileAt:
        """Make a temporary durable under its final name. Raises `StorageFull` or `Unavailable`, and leaves nothing."""
        at = self._place(account, sha256)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._root.threads.syncs, self._settle, temporary, at)
        await self._confirm(at)
        return at

    async def add(self, account: int, sha256: bytes, chunks: Sequence[bytes]) -> FileAt:
        """Write, sync and name a whole blob in one hop. Raises as `commit` does."""
        at = self._place(account, sha256)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._root.threads.syncs, self._settle_chunks, chunks, at)
        await self._confirm(at)
        return at

    def read(self, at: FileAt, part: ByteRange) -> "FileBytes":
        """As `Blobs.read`."""
        return FileBytes(self._root, functools.partial(self._open_file, at, part), part)

    async def remove(self, at: FileAt) -> None:
        """Remove the file if it is there. Raises `Unavailable`."""
        await asyncio.get_running_loop().run_in_executor(self._root.threads.writes, self._unlink, at)

    def scan(self) -> Iterator[list[Stored]]:
        """Everything at rest, a folder at a time; blocks."""
        for account in filter(locators.is_account, folders.names(self._root.fd, ())):
            for shelf in filter(locators.is_shelf, folders.names(self._root.fd, (account,))):
                yield list(self._on_shelf(account, shelf))

    def temporaries(self) -> list[Stored]:
        """Everything on its way, of this and other processes, alive or dead; blocks."""
        found = []
        for name in folders.names(self._root.fd, folders.TEMPORARY):
            status = self._status(folders.TEMPORARY, name)
            if status is not None:
                found.append(Stored("temporary", name, status.st_size, status.st_mtime_ns // 1000))
        return found

    def foreign(self) -> list[Stored]:
        """What lies among the files and is none of ours: other names, links, devices; blocks."""
        own = (*folders.TEMPORARY, *folders.SEGMENTS)
        found = self._strange((), "folder", lambda name: name in own or locators.is_account(name))
        found += self._strange(folders.TEMPORARY, "file", bool)
        for account in filter(locators.is_account, folders.names(self._root.fd, ())):
            found += self._strange((account,), "folder", locators.is_shelf)
            for shelf in filter(locators.is_shelf, folders.names(self._root.fd, (account,))):
                found += self._strange((account, shelf), "file", functools.partial(_is_placed, account, shelf))
        return found

    def sweep(self, before: int) -> int:
        """Remove temporaries last written before that time (microseconds) whose writers are dead; how many. Blocks."""
        old = [entry.locator for entry in self.temporaries() if entry.modified_at < before]
        return sum(map(self._sweep_one, old))

    def _place(self, account: int, sha256: bytes) -> FileAt:
        return FileAt(account, sha256.hex(), self._root.entropy(locators.SUFFIX_BYTES).hex())

    def _settle_chunks(self, chunks: Sequence[bytes], at: FileAt) -> None:
        try:
            temporary = self.begin()
            temporary.append(chunks)
        except OSError as error:
            raise storage_failure(error) from error
        self._settle(temporary, at)

    def _settle(self, temporary: Temporary, at: FileAt) -> None:
        try:
            self._folder_sync.prepare(at.folder)
        except OSError as error:
            temporary.discard()
            raise storage_failure(error) from error
        try:
            temporary.settle(at)
        except OSError as error:
            raise storage_failure(error) from error

    async def _confirm(self, at: FileAt) -> None:
        try:
            await self._folder_sync.wait(at.folder)
        except OSError as error:
            await self._forsake(at)
            raise storage_failure(error) from error

    async def _forsake(self, at: FileAt) -> None:
        try:
            await self.remove(at)
        except Unavailable:
            _log.warning("unacknowledged blob left behind", exc_info=True)

    def _open_file(self, at: FileAt, part: ByteRange) -> OpenFile:
        try:
            file = OpenFile(self._root.fd, at.folder, at.name)
        except OSError as error:
            raise read_failure(error, str(at)) from error
        if file.size < part.start + part.length:
            file.close()
            raise ContentLost
        if part.length >= _LONG_READ:
            os.posix_fadvise(file.fileno(), part.start, part.length, os.POSIX_FADV_SEQUENTIAL)
        return file

    def _unlink(self, at: FileAt) -> None:
        try:
            with folders.opened(self._root.fd, at.folder) as folder:
                self._root.calls.unlink(at.name, folder)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise storage_failure(error) from error

    def _on_shelf(self, account: str, shelf: str) -> Iterator[Stored]:
        for name in folders.names(self._root.fd, (account, shelf)):
            at = locators.file_at(account, shelf, name)
            status = self._status((account, shelf), name)
            if at is not None and status is not None:
                modified_at = status.st_mtime_ns // 1000
                yield Stored("whole", str(at), status.st_size, modified_at, at.account, bytes.fromhex(at.digest))

    def _strange(self, steps: folders.Steps, kind: str, is_ours: Callable[[str], bool]) -> list[Stored]:
        return strange_entries(self._root.fd, steps, kind, is_ours)

    def _status(self, steps: folders.Steps, name: str) -> os.stat_result | None:
        try:
            with folders.opened(self._root.fd, steps) as folder:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status if stat.S_ISREG(status.st_mode) else None

    def _sweep_one(self, name: str) -> bool:
        try:
            with folders.opened(self._root.fd, folders.TEMPORARY) as folder:
                fd = os.open(name, OLD_FILE, dir_fd=folder)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._root.calls.unlink(name, folder)
                finally:
                    os.close(fd)
        except (BlockingIOError, FileNotFoundError):
            return False
        except OSError:
            _log.warning("temporary blob cannot be removed", exc_info=True)
            return False
        return True


def _is_placed(account: str, shelf: str, name: str) -> bool:
    return locators.file_at(account, shelf, name) is not None


class FolderSync:
    """Makes renames durable. Each round syncs every distinct folder once for all commits that wait for it."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._durable: set[folders.Steps] = set()
        self._waiting: list[tuple[folders.Steps, asyncio.Future[None]]] = []
        self._round: asyncio.Task[None] | None = None

    def prepare(self, folder: folders.Steps) -> None:
        """See that the folder exists; blocks. Raises OSError."""
        if folders.make(self._root.fd, folder):
            self._durable.discard(folder)

    async def wait(self, folder: folders.Steps) -> None:
        """Return once all entries that the folder has now are durable. Raises OSError."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((folder, done))
        if self._round is None:
            self._round = asyncio.create_task(self._rounds())
        await done

    async def _rounds(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                await self._one_round(waiting)
        finally:
            self._round = None

    async def _one_round(self, waiting: Iterable[tuple[folders.Steps, asyncio.Future[None]]]) -> None:
        loop = asyncio.get_running_loop()
        distinct = list({folder for folder, _ in waiting})
        syncs = (loop.run_in_executor(self._root.threads.syncs, self._sync, folder) for folder in distinct)
        outcome = dict(zip(distinct, await asyncio.gather(*syncs, return_exceptions=True), strict=True))
        for folder, done in waiting:
            failure = outcome[folder]
            if done.done():
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    def _sync(self, folder: folders.Steps) -> None:
        # Another process may have made the folder and died before its parents were synced, so the first use of each
        # folder by this process syncs them, whoever made it.
        first = folder not in self._durable
        for depth in range(0 if first else len(folder), len(folder) + 1):
            with folders.opened(self._root.fd, folder[:depth]) as fd:
                self._root.calls.fsync_folder(fd)
        if len(self._durable) >= _REMEMBERED_FOLDERS:
            self._durable.clear()
        self._durable.add(folder)
