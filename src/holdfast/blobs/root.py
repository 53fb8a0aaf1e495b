"""What every room of the store works with."""

import os
from dataclasses import dataclass
from pathlib import Path

from holdfast.blobs import folders
from holdfast.blobs.reading import Reader
from holdfast.blobs.syscalls import FOLDER_MODE, Syscalls
from holdfast.blobs.threads import Threads
from holdfast.core.ports import Entropy


@dataclass(frozen=True, slots=True)
class Root:
    """The store's folder as a descriptor, and the means to work below it."""

    fd: int
    calls: Syscalls
    entropy: Entropy
    threads: Threads
    reader: Reader


def open_root(path: Path, calls: Syscalls, entropy: Entropy) -> Root:
    """The folder at `path`, made durably if it is missing. Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        _sync(folder.parent, calls)
    fd = _open(path)
    folders.make(fd, folders.TEMPORARY)
    calls.fsync_folder(fd)
    threads = Threads()
    return Root(fd, calls, entropy, threads, Reader(threads))


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _sync(path: Path, calls: Syscalls) -> None:
    fd = _open(path)
    try:
        calls.fsync_folder(fd)
    finally:
        os.close(fd)
