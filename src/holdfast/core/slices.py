"""Parts of open files, for whoever can send them without having each byte handed on by everybody between."""

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec


class Open(Protocol):
    """A file open for reading."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...


class Slice(msgspec.Struct, frozen=True):
    """`length` bytes of a file from `offset`, all of them in memory a moment ago. Good until the next piece is asked
    for."""

    file: Open
    offset: int
    length: int

    def __len__(self) -> int:
        return self.length


Piece = bytes | Slice


class Sliceable(Protocol):
    """What `Blobs.read` may give: bytes in order, which may be had as slices instead."""

    def slices(self) -> AsyncIterator[Piece]:
        """The same bytes, sliced where they lie in a file that can be read without waiting. In the place of iterating
        over the bytes, not beside it; raises the same."""
        ...
