"""What upkeep asks of the stores beyond the ports that serving needs; a store may lack any of them."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Literal, Protocol

import msgspec

from holdfast.core.ports import Scalar


class Stored(msgspec.Struct, frozen=True):
    """One thing found at rest or on its way. `size` in bytes, `modified_at` in microseconds since the epoch.

    `whole` has a place of its own; `shared` lies in a segment, and has its time; `temporary` is on its way, or its
    writer is dead; `foreign` is nothing that this store has made. `locator` is the catalog's name of the first two,
    the store's own of the others. `account` and `sha256` are what the store itself remembers of the blob.
    """

    kind: Literal["whole", "shared", "temporary", "foreign"]
    locator: str
    size: int
    modified_at: int
    account: int | None = None
    sha256: bytes | None = None


class Inventory(Protocol):
    """All that a blob store holds, whether any row names it or not."""

    def scan(self) -> AsyncIterator[Stored]:
        """Everything there, in any order. What arrives or leaves meanwhile may be left out."""
        ...

    async def leftovers(self, age: float) -> int:
        """Remove temporaries of dead writers last touched more than `age` seconds ago; how many there were."""
        ...


class Segment(msgspec.Struct, frozen=True):
    """A place that many blobs share: `size` in bytes, `modified_at` in microseconds, and whether it still grows.

    The locators of all its blobs, and no others, begin with `prefix`.
    """

    name: str
    prefix: str
    size: int
    modified_at: int
    growing: bool


class Compaction(msgspec.Struct, frozen=True):
    """Where blobs went (old locator to new), and the locators of those that could not be read whole."""

    moved: dict[str, str]
    damaged: tuple[str, ...]


class Segments(Protocol):
    """Places that many blobs share, where the room of a deleted blob comes back only by moving the others."""

    async def segments(self) -> list[Segment]:
        """Those of all processes."""
        ...

    async def compact(self, segment: str, live: Collection[str]) -> Compaction:
        """Copy those blobs durably elsewhere. The segment stays until `drop`, and its age counts anew.

        Raises `Conflict` while it grows, `ContentLost` if it is not there, `StorageFull` or `Unavailable` when the copy
        fails.
        """
        ...

    async def drop(self, segment: str) -> None:
        """Remove it; removing what is gone does nothing. Readers that have begun may finish.

        Raises `Conflict` while it grows, `Unavailable`.
        """
        ...


class Snapshots(Protocol):
    """A catalog that can give a whole copy of itself while it is in use."""

    async def snapshot(self, target: str) -> None:
        """Write all that was committed before the call to one durable file at that path, which is not there yet.

        Raises `StorageFull`, `Unavailable`; nothing is at the path then.
        """
        ...


class Closure(msgspec.Struct, frozen=True):
    """Why a catalog takes no changes. `place` is the other one, as people write it.

    `filling`: rows are still coming from there, and nobody may serve from this one. `moving`: the last rows are on
    their way there. `moved`: all are there, and nothing here counts any more.
    """

    state: Literal["filling", "moving", "moved"]
    place: str


class Note(msgspec.Struct, frozen=True):
    """That a row came, changed or went: its account and kind, and a place where it stood or stands, by which an
    `AtQuery` finds it. `number` tells notes apart; older ones have smaller numbers."""

    number: int
    account: int
    kind: type[Any]
    place: tuple[Scalar, ...]


class WatchLost(Exception):
    """The notes are not ours any more: somebody else watches, or nobody; the text says so for people."""


class FillLost(Exception):
    """Another move has begun to fill the same target: whoever meets this stops without changing anything there."""

    def __init__(self) -> None:
        super().__init__("another move to the same place has begun, and that one counts")


class Fence(msgspec.Struct, frozen=True):
    """A lease of a catalog by its name, and the number at which it has to stand for a change to be made."""

    name: str
    number: int


class Gate(Protocol):
    """What keeps every process, of whatever version, from changing a catalog: the engine itself refuses.

    Leases may still be taken. It can also note what passes, for one watcher at a time: the one who called last.
    """

    async def closure(self) -> Closure | None:
        """Why it is closed; None while it is open, or not there."""
        ...

    async def close(self, why: Closure, fence: Fence | None = None) -> None:
        """From here on no row changes, and all that was committed can be read. Closed already, the reason is replaced.

        Nobody watches any more. Raises `Unavailable` when writers do not end, or the role may not do this; `FillLost`,
        and nothing done, unless the fence stands as it is given.
        """
        ...

    async def open(self, fence: Fence | None = None) -> None:
        """Let changes in again. Nobody watches any more. Raises as `close` does."""
        ...

    async def watch(self) -> Closure | None:
        """From here on every change of a row is noted in its own transaction, by whatever process; earlier notes go.

        What was committed before can be read. Closed for `moving`, it is opened: who closed it watches no more. Gives
        why it was closed. Versions of an attachment that goes leave no note of their own. Raises as `close` does.
        """
        ...

    async def seen(self, limit: int) -> list[Note]:
        """The oldest notes of what was committed, as many as `limit`. Raises `WatchLost`."""
        ...

    async def forget(self, seen: Sequence[Note]) -> None:
        """Drop these notes. A row that has changed again has another one. Raises `WatchLost`."""
        ...

    async def hold(self, why: Closure) -> None:
        """As `close`, and the notes are kept. Raises `WatchLost`."""
        ...

    async def seal(self, why: Closure) -> bool:
        """As `close`, in one step with a look that no note is left; False, and nothing done, if there is one.

        Raises `WatchLost`.
        """
        ...

    async def withdraw(self, why: Closure | None) -> None:
        """Watch no more, and leave it closed for that reason, or open; nothing happens if it is not we who watch."""
        ...
