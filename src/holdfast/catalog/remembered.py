"""What was read since the last commit of any process, so that it need not be read again.

A read of the file costs system calls for its lock, and hands over the interpreter's lock several times; most requests
read what the one before has read. What makes remembering safe is a number in memory that all processes of the
installation share: whoever commits makes it odd before and another even number after. While it is odd, and once it
has changed, nothing that was remembered counts. A process that dies in between leaves it odd, and everybody reads the
file until the next commit.
"""

import mmap
import os
from collections.abc import Hashable
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

T = TypeVar("T")

BYTES: Final = 4 << 20
"""How much is remembered, as the size of its JSON; in memory it takes about three times that."""

_WIDTH: Final = 8
_TOP: Final = 1 << 64


class Changes:
    """The shared number, in a file beside the catalog's. Nothing in it outlives the processes that use it."""

    __slots__ = ("_file", "_shared")

    def __init__(self, catalog: Path) -> None:
        """Open it, or make it. Raises `OSError`."""
        self._file = os.open(f"{catalog}-changes", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(self._file).st_size < _WIDTH:
                # Written rather than only made longer: a page without a place on a full disk would end the process.
                os.pwrite(self._file, bytes(_WIDTH), 0)
            self._shared = mmap.mmap(self._file, _WIDTH)
        except BaseException:
            os.close(self._file)
            raise

    def stamp(self) -> bytes:
        """The number as it is now: equal stamps that are not `busy` enclose no commit."""
        return self._shared[:]

    def begin(self) -> None:
        """A commit follows. Called with the write lock of the catalog held, as is `end`."""
        self._write(self._number() + 1 | 1)

    def end(self) -> None:
        """The commit is over, whatever came of it."""
        self._write((self._number() | 1) + 1)

    def close(self) -> None:
        """Let go of the memory."""
        self._shared.close()
        os.close(self._file)

    def _number(self) -> int:
        return int.from_bytes(self._shared[:], "little")

    def _write(self, number: int) -> None:
        self._shared[:] = (number % _TOP).to_bytes(_WIDTH, "little")


def busy(stamp: bytes) -> bool:
    """Whether somebody is committing, so that what is read now may be of before or after."""
    return bool(stamp[0] & 1)


class Stamps(Protocol):
    """What tells whether anybody has committed."""

    def stamp(self) -> bytes:
        """Now: equal stamps that are not `busy` enclose no commit."""
        ...


class Remembered:
    """Values by key, all read under one stamp. For one thread."""

    __slots__ = ("_changes", "_size", "_stamp", "_values")

    def __init__(self, changes: Stamps) -> None:
        self._changes = changes
        self._stamp = b""
        self._size = 0
        self._values: dict[Hashable, object] = {}

    def recall(self, key: Hashable) -> object | None:
        """The value, or None if it has to be read; `keep` is then told of it before anything else is asked."""
        stamp = self._changes.stamp()
        if stamp != self._stamp:
            self._values.clear()
            self._size = 0
            self._stamp = stamp
        return self._values.get(key)

    def keep(self, key: Hashable, value: object) -> None:
        """Remember what was read after `recall` gave None."""
        if busy(self._stamp):
            return
        # A commit since `recall` has changed the stamp, and the next `recall` forgets the value.
        self._size += len(_encode(value))
        if self._size > BYTES:
            self._values.clear()
            self._size = len(_encode(value))
        self._values[key] = value


_encode = msgspec.json.Encoder().encode
