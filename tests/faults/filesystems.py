"""Filesystems of our own on loop devices, whose power can be cut, and small ones in memory that fill up."""

import ctypes
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_SHUTDOWN, _WITHOUT_FLUSH = 0x8004587D, struct.pack("I", 2)
_NEW_MOUNTS, _PRIVATE = 0x00020000, (1 << 18) | (1 << 14)
# In MiB; the files behind them are sparse. Each cut leaves a segment with room that was taken in advance.
_SIZES = {"ext4": 768, "xfs": 768}
_MAKE = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}


class MountImpossible(Exception):
    """This process may not mount, or there are no loop devices."""


class Disk:
    """A mounted filesystem. `path` is where."""

    def __init__(self, image: Path, path: Path, sort: str) -> None:
        self.path = path
        self.sort = sort
        self._image = image

    def mount(self) -> None:
        """Mount it, which repairs what a cut has left. Raises `MountImpossible`."""
        _run("mount", "-t", self.sort, "-o", "loop", str(self._image), str(self.path))

    def unmount(self) -> None:
        """Unmount it, once nobody uses it any more."""
        for _ in range(200):
            if subprocess.run(["umount", str(self.path)], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.01)
        raise RuntimeError(f"{self.path} is still in use")

    def cut(self) -> None:
        """Cut the power: nothing that was not flushed reaches the disk, and every later call fails."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, _WITHOUT_FLUSH)
        finally:
            os.close(fd)

    def revive(self) -> None:
        """Power is back."""
        self.unmount()
        self.mount()


@contextmanager
def disks(folder: Path, sort: str, count: int) -> Iterator[list[Disk]]:
    """New, empty and mounted filesystems. Raises `MountImpossible`."""
    with ExitStack() as stack:
        made = []
        for number in range(count):
            image, path = folder / f"{sort}-{number}.img", folder / f"{sort}-{number}"
            path.mkdir()
            with image.open("wb") as file:
                file.truncate(_SIZES[sort] << 20)
            _run(*_MAKE[sort], str(image))
            disk = Disk(image, path, sort)
            disk.mount()
            stack.callback(disk.unmount)
            made.append(disk)
        yield made


@contextmanager
def memory(path: Path, options: str) -> Iterator[Path]:
    """A filesystem in memory with these options, such as `size=4m` or `nr_inodes=50`. Raises `MountImpossible`."""
    path.mkdir()
    _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path))
    try:
        yield path
    finally:
        _run("umount", "-l", str(path))


def remount(path: Path, options: str) -> None:
    """Change the options of a mounted filesystem. Raises `MountImpossible`."""
    _run("mount", "-o", f"remount,{options}", str(path))


def keep_mounts_to_ourselves() -> None:
    """What this process and its children mount from now on vanishes with them. Raises `MountImpossible`."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_NEW_MOUNTS) or library.mount(b"none", b"/", None, ctypes.c_ulong(_PRIVATE), None):
        raise MountImpossible(os.strerror(ctypes.get_errno()))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MountImpossible(f"{command[0]} is not installed") from None
    if done.returncode:
        raise MountImpossible(f"{' '.join(command)}: {done.stderr.strip()}")
