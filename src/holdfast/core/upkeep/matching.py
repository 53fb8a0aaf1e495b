"""Making one catalog's rows those of another, a kind at a time: both are read in the same order, side by side.

What differs is added, written over or removed in the target. Nothing else is remembered, so it may stop anywhere and
begin again, and what is there already costs no more than reading it. While the source is in use a row may want a place
that another still takes; such rows are tried again, and the next time around finds what is left.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple

import msgspec

from holdfast.core.errors import Conflict
from holdfast.core.model import (
    Account,
    Attachment,
    Blob,
    Client,
    Event,
    Folder,
    Ledger,
    Link,
    MediaFacts,
    Record,
    Rendition,
    StoredAnswer,
    Token,
    User,
    Version,
)
from holdfast.core.ports import Catalog, KindQuery, Row, Rows, Tx
from holdfast.core.upkeep.stock import Step, pages, unwatched

PLACES: Mapping[type[Any], Callable[[Any], tuple[Any, ...]]] = {
    Account: lambda row: (row.number,),
    Ledger: lambda row: (row.account,),
    User: lambda row: (row.email, row.id),
    Client: lambda row: (row.name, row.id),
    Token: lambda row: (row.created_at, row.id),
    Record: lambda row: (row.created_at, row.type, row.id),
    Folder: lambda row: (row.path,),
    Attachment: lambda row: (row.number, row.id),
    Version: lambda row: (row.attachment, row.number),
    Blob: lambda row: (row.sha256,),
    Rendition: lambda row: (row.source, row.edge),
    MediaFacts: lambda row: (row.sha256,),
    Link: lambda row: (row.id,),
    Event: lambda row: (row.number,),
    StoredAnswer: lambda row: (row.created_at, row.actor, row.key),
}
"""Every kind of row that a move takes along, what others hang on first; and its place in the order of `KindQuery`.

Leases stay behind: they say which process of the old place is busy with what.
"""

_PAGE = 500
_ROUNDS = 4


class NotACopy(Exception):
    """The target holds rows that can never have come from the source; the text says what to do."""


class Pair(NamedTuple):
    """What the source has at a place, and what the target has there; never neither."""

    source: Any
    target: Any


class Change(NamedTuple):
    """A row of the target as it has to be, and as it is; None where there is none."""

    row: Any
    was: Any


class Matched(msgspec.Struct):
    """What bringing one kind came to: rows of the source, a digest of them, changes made, and rows that found no
    place yet."""

    rows: int = 0
    digest: str = ""
    changes: int = 0
    left: int = 0


Wanted = Callable[[Sequence[Pair]], Awaitable[Sequence[Any]]]
"""What the target should have for each pair; None if nothing."""


async def as_it_is(pairs: Sequence[Pair]) -> Sequence[Any]:
    """The target should have what the source has."""
    return [pair.source for pair in pairs]


class Route(NamedTuple):
    """Whose rows go from where to where. Those made after `until`, in microseconds, are left to a later pass: what they
    hang on may not be there yet."""

    source: Rows
    target: Catalog
    account: int
    until: int | None = None

    def is_late(self, pair: Pair) -> bool:
        """Whether a pair is left to a later pass."""
        late = pair.target is None and self.until is not None
        return late and getattr(pair.source, "created_at", 0) > (self.until or 0)


async def bring(route: Route, kind: type[Row], wanted: Wanted = as_it_is, step: Step = unwatched) -> Matched:
    """Make the target's rows of that kind those of the source; `step` is told how many rows were looked at.

    Raises `NotACopy`, and what the catalogs raise.
    """
    done, digest, left, target = Matched(), Digest(), list[Change](), route.target
    async with aclosing(_chunks(route, kind)) as chunks:
        async for pairs in chunks:
            rows = await wanted(pairs)
            for pair in pairs:
                if pair.source is not None:
                    digest.take(pair.source)
            changes = [Change(row, pair.target) for row, pair in zip(rows, pairs, strict=True) if row != pair.target]
            done.changes += len(changes)
            left += await _carry_out(target, changes)
            step(len(pairs))
    for _ in range(_ROUNDS):
        if left:
            left = await _carry_out(target, left)
    done.rows, done.digest, done.left = digest.rows, digest.told, len(left)
    return done


async def count(rows: Rows, account: int, kind: type[Row], step: Step = unwatched) -> Matched:
    """The number of rows of that kind, and a digest of them, the same in every catalog that holds the same."""
    digest = Digest()
    async for page in pages(rows, partial(KindQuery, account, kind), _PAGE):
        for row in page:
            digest.take(row)
        step(len(page))
    return Matched(digest.rows, digest.told)


class Digest:
    """A running digest of rows, in their order. Where bytes lie is another matter in each store, and left out."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.rows = 0

    def take(self, row: Row) -> None:
        """Take one more."""
        if isinstance(row, Blob):
            row = msgspec.structs.replace(row, locator="", damaged_at=None)
        self._sha256.update(msgspec.json.encode(row, order="deterministic"))
        self.rows += 1

    @property
    def told(self) -> str:
        """The digest of all that was taken, in hex."""
        return self._sha256.hexdigest()


# ---------------------------------------------------------------- side by side


async def _all(rows: Rows, account: int, kind: type[Row]) -> AsyncIterator[Any]:
    async for page in pages(rows, partial(KindQuery, account, kind), _PAGE):
        for row in page:
            yield row


async def _paired(route: Route, kind: type[Row]) -> AsyncIterator[Pair]:
    place = PLACES[kind]
    theirs, ours = _all(route.source, route.account, kind), _all(route.target, route.account, kind)
    here, there = await anext(theirs, None), await anext(ours, None)
    while here is not None or there is not None:
        if there is None or (here is not None and place(here) < place(there)):
            if there is not None and kind is Attachment:
                # Lists stream in the order in which attachments were inserted: one that comes late has no place.
                raise NotACopy("the target holds attachments that the source has never had; empty it and begin anew")
            yield Pair(here, None)
            here = await anext(theirs, None)
        elif here is None or place(there) < place(here):
            yield Pair(None, there)
            there = await anext(ours, None)
        else:
            yield Pair(here, there)
            here, there = await anext(theirs, None), await anext(ours, None)


async def _chunks(route: Route, kind: type[Row]) -> AsyncGenerator[list[Pair]]:
    chunk: list[Pair] = []
    async for pair in _paired(route, kind):
        if not route.is_late(pair):
            chunk.append(pair)
        if len(chunk) == _PAGE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


# ---------------------------------------------------------------- the changes


async def _carry_out(target: Catalog, changes: list[Change]) -> list[Change]:
    """Make the changes, in one transaction if none collides; those that did collide are given back."""
    if not changes:
        return []
    try:
        await target.transact(partial(_make, changes))
        return []
    except Conflict:
        if len(changes) == 1:
            return await _set_aside(target, changes[0])
    middle = len(changes) // 2
    return [*await _carry_out(target, changes[:middle]), *await _carry_out(target, changes[middle:])]


async def _make(changes: Sequence[Change], tx: Tx) -> None:
    for change in changes:
        if change.row is None:
            await tx.remove(change.was)
    for change in changes:
        if change.row is not None and change.was is not None:
            await tx.save(change.row)
        elif change.row is not None:
            await tx.add(change.row)


async def _set_aside(target: Catalog, change: Change) -> list[Change]:
    """Bring a row in as far as it goes: an attachment without its path, a record without its parents."""
    row = change.row
    if isinstance(row, Attachment):
        row = msgspec.structs.replace(row, folder=None)
    elif isinstance(row, Record):
        row = msgspec.structs.replace(row, parents=())
    if row is None or row == change.row:
        return [change]
    try:
        await target.transact(partial(_make, [Change(row, change.was)]))
    except Conflict:
        if isinstance(row, Attachment) and change.was is None:
            raise NotACopy(f"the target holds another attachment {row.id}; empty it and begin anew") from None
        return [change]
    return [Change(change.row, row)]
