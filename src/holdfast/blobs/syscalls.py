"""The few calls whose order and failure decide whether bytes are durable, in one place that a test can replace."""

import errno
import os
from collections.abc import Callable, Sequence
from typing import Any

from holdfast.core.errors import StorageFull, Unavailable

Buffers = Sequence[bytes | memoryview]
FILE_MODE = 0o440
FOLDER_MODE = 0o700
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# What the kernel accepts in one vectored write on every system that we run on.
_VECTORS = 1024
_SYNC_FILE_RANGE_WRITE = 2


class Syscalls:
    """The kernel's own. A test passes a subclass that records the order, fails at a chosen call or dies there."""

    def __init__(self) -> None:
        self._sync_file_range: Callable[[int, int, int, int], object] | None = None

    def write(self, fd: int, buffers: Buffers) -> int:
        """Write at the descriptor's position; the number of bytes taken, which may be fewer than given."""
        return os.writev(fd, buffers)

    def write_at(self, fd: int, buffers: Buffers, offset: int) -> int:
        """Write at an offset in bytes; the number of bytes taken, which may be fewer than given."""
        return os.pwritev(fd, buffers, offset)

    def start_writing_back(self, fd: int, offset: int, length: int) -> None:
        """Ask the kernel to begin writing that range to the disk, if it can be asked. Promises nothing."""
        if self._sync_file_range is None:
            self._sync_file_range = _sync_file_range()
        self._sync_file_range(fd, offset, length, _SYNC_FILE_RANGE_WRITE)

    def fsync(self, fd: int) -> None:
        """Make a file's bytes and size durable."""
        os.fsync(fd)

    def fdatasync(self, fd: int) -> None:
        """Make a file's bytes durable, and of its metadata what reading them needs."""
        os.fdatasync(fd)

    def fsync_folder(self, fd: int) -> None:
        """Make a folder's entries durable."""
        os.fsync(fd)

    def rename(self, source: str, target: str, source_folder: int, target_folder: int) -> None:
        """Give a file its final name; both folders are descriptors."""
        os.rename(source, target, src_dir_fd=source_folder, dst_dir_fd=target_folder)

    def unlink(self, name: str, folder: int) -> None:
        """Remove a name from the folder of that descriptor."""
        os.unlink(name, dir_fd=folder)


def storage_failure(error: OSError) -> Unavailable:
    """What a failed call means to a caller: no room, or not now."""
    if error.errno in _FULL:
        return StorageFull()
    return Unavailable("The blob store cannot answer now")


def write_all(write: Callable[[Buffers], int], buffers: Buffers) -> None:
    """Write every byte, however little each call takes. Raises OSError; one that takes nothing is EIO."""
    rest: list[bytes | memoryview] = [buffer for buffer in buffers if len(buffer)]
    while rest:
        try:
            taken = write(rest[:_VECTORS])
        except InterruptedError:
            continue
        if taken <= 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rest = _after(rest, taken)


def _after(buffers: list[bytes | memoryview], taken: int) -> list[bytes | memoryview]:
    for index, buffer in enumerate(buffers):
        if taken < len(buffer):
            return [memoryview(buffer)[taken:], *buffers[index + 1 :]]
        taken -= len(buffer)
    return []


def _sync_file_range() -> Callable[[int, int, int, int], object]:
    # Python has no binding of its own, and the store needs this only once a large file arrives.
    import ctypes  # noqa: PLC0415

    function: Any = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
    if function is None:
        return lambda *_: None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    function.restype = ctypes.c_int
    call: Callable[[int, int, int, int], object] = function
    return call
