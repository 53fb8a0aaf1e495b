"""Folders opened one step at a time from the root's descriptor, never through a symbolic link.

A path given to the kernel whole follows links planted in its middle; steps from a held descriptor cannot.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from holdfast.blobs.syscalls import FOLDER_MODE

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
Steps = tuple[str, ...]
TEMPORARY: Steps = ("tmp",)
SEGMENTS: Steps = ("segments",)


@contextmanager
def opened(root: int, steps: Steps) -> Iterator[int]:
    """The folder below `root`, opened for as long as the block runs. Raises OSError, for a link ENOTDIR."""
    fd = os.dup(root)
    try:
        for step in steps:
            below = os.open(step, _FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


def make(root: int, steps: Steps) -> bool:
    """See that the folder below `root` exists, parents first; whether anything was missing."""
    made = False
    for depth in range(len(steps)):
        with opened(root, steps[:depth]) as parent:
            try:
                os.mkdir(steps[depth], FOLDER_MODE, dir_fd=parent)
            except FileExistsError:
                continue
            # The process's umask may not take away what its owner needs.
            os.chmod(steps[depth], FOLDER_MODE, dir_fd=parent)
            made = True
    return made


def names(root: int, steps: Steps) -> list[str]:
    """The names in a folder; none if it does not exist or is not a folder."""
    try:
        with opened(root, steps) as fd:
            return sorted(os.listdir(fd))
    except (FileNotFoundError, NotADirectoryError):
        return []


def kind_of(root: int, steps: Steps, name: str) -> Literal["file", "folder", "other"] | None:
    """What an entry of a folder is, links not followed; None if it is not there."""
    try:
        with opened(root, steps) as fd:
            mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"
