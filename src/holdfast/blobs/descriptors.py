"""Descriptors of files: how they are opened, closed for certain, and what a failed opening means."""

import errno
import logging
import os
import stat
import weakref
from collections.abc import Callable

from holdfast.blobs import folders
from holdfast.core.errors import ContentLost, Unavailable
from holdfast.core.inventory import Stored

_log = logging.getLogger(__name__)

NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a planted FIFO would hang the thread.
OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_OURS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR})


class OpenFile:
    """A regular file open for reading; closed at the latest when the last user lets go. Raises OSError."""

    def __init__(self, root: int, steps: folders.Steps, name: str) -> None:
        with folders.opened(root, steps) as folder:
            self._fd = os.open(name, OLD_FILE, dir_fd=folder)
        self.close = closed_with(self, self._fd)
        status = os.fstat(self._fd)
        self.size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise OSError(errno.ENXIO, "not a regular file")

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd


def strange_entries(root: int, steps: folders.Steps, kind: str, is_ours: Callable[[str], bool]) -> list[Stored]:
    """The entries of a folder that have no name of ours, or are not the `kind` of thing that such a name stands for.

    They are named by their path below the root; one that leaves meanwhile is left out.
    """
    found = []
    for name in folders.names(root, steps):
        there = folders.kind_of(root, steps, name)
        if there is not None and (there != kind or not is_ours(name)):
            found.append(Stored("foreign", "/".join((*steps, name)), 0, 0))
    return found


def closed_with(owner: object, fd: int) -> "weakref.finalize[[int], object]":
    """Closes the descriptor when called, at the latest when its owner is no longer used by anyone. Never raises."""
    finalizer = weakref.finalize(owner, _close, fd)
    finalizer.atexit = False
    return finalizer


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        _log.warning("descriptor closed with an error", exc_info=True)


def read_failure(error: OSError, locator: str) -> ContentLost | Unavailable:
    """What a failed open means to a reader; bytes that are not there, or not as we left them, are logged."""
    if error.errno in _NOT_OURS:
        _log.error("blob %s is missing or not a regular file: %s", locator, error.strerror)
        return ContentLost()
    return Unavailable("The blob store cannot be read now")
