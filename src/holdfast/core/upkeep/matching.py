"""Making one catalog's rows those of another, a kind at a time: all of them, or those that stand at some places.

Both are read in the same order, side by side, and what differs is added, written over or removed in the target. It may
stop anywhere and begin again, and what is there already costs no more than reading it. While the source is in use a
row may want a place that another still takes; such rows are tried again, and the next time around finds what is left.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
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
from holdfast.core.ports import AtQuery, Catalog, KindQuery, Row, Rows, Scalar, Tx, Window
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
_LATE = "the target holds attachments that the source has never had; empty it and begin anew"


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


class Spot(NamedTuple):
    """A place among the rows of a kind in an account."""

    account: int
    kind: type[Any]
    place: tuple[Scalar, ...]


Wanted = Callable[[Sequence[Pair]], Awaitable[Sequence[Any]]]
"""What the target should have for each pair; None if nothing."""

Removed = Callable[[Any], Awaitable[None]]
"""Told of each row that the target has no more."""


async def as_it_is(pairs: Sequence[Pair]) -> Sequence[Any]:
    """The target should have what the source has."""
    return [pair.source for pair in pairs]


async def no_matter(_row: object) -> None:
    """Nothing hangs on a row that was removed."""


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


class Matching(msgspec.Struct, frozen=True):
    """How rows of one kind are brought. `wanted` says what the target should have; `step` is told how many rows were
    looked at; `unsure` is given the places where the target was not found as it should be, if anybody asks for them;
    `removed` is told of rows once their removal is durable."""

    route: Route
    kind: type[Row]
    wanted: Wanted = as_it_is
    step: Step = unwatched
    unsure: set[Spot] | None = None
    removed: Removed = no_matter

    async def all(self) -> int:
        """Make all rows of the target those of the source; how many these are.

        Raises `NotACopy`, and what the catalogs raise.
        """
        return await self._bring(_chunks(self.route, self.kind))

    async def at(self, places: Collection[tuple[Scalar, ...]]) -> int:
        """The same, of the rows at these places alone."""
        return await self._bring(_chunks_at(self.route, self.kind, sorted(places)))

    async def _bring(self, chunks: AsyncGenerator[list[Pair]]) -> int:
        rows, left = 0, list[Change]()
        async with aclosing(chunks):
            async for pairs in chunks:
                late = [pair for pair in pairs if self.route.is_late(pair)]
                pairs_now = [pair for pair in pairs if not self.route.is_late(pair)]
                wanted = await self.wanted(pairs_now)
                rows += sum(pair.source is not None for pair in pairs)
                changed = [(pair, row) for row, pair in zip(wanted, pairs_now, strict=True) if row != pair.target]
                self._doubt([*late, *(pair for pair, _ in changed)])
                left += await self._carry_out([Change(row, pair.target) for pair, row in changed])
                self.step(len(pairs))
        for _ in range(_ROUNDS):
            if left:
                left = await self._carry_out(left)
        return rows

    async def _carry_out(self, changes: list[Change]) -> list[Change]:
        left = await _carry_out(self.route.target, changes)
        for change in changes:
            if change.row is None and change not in left:
                await self.removed(change.was)
        return left

    def _doubt(self, pairs: Sequence[Pair]) -> None:
        if self.unsure is not None:
            place, account = PLACES[self.kind], self.route.account
            rows = (pair.target if pair.source is None else pair.source for pair in pairs)
            self.unsure.update(Spot(account, self.kind, place(row)) for row in rows)


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
                raise NotACopy(_LATE)
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
        chunk.append(pair)
        if len(chunk) == _PAGE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _chunks_at(route: Route, kind: type[Row], places: Sequence[tuple[Scalar, ...]]) -> AsyncGenerator[list[Pair]]:
    for start in range(0, len(places), _PAGE):
        some = tuple(places[start : start + _PAGE])
        theirs, ours = await _at(route.source, route, kind, some), await _at(route.target, route, kind, some)
        pairs = [Pair(theirs.get(at), ours.get(at)) for at in some if at in theirs or at in ours]
        if kind is Attachment:
            await _see_that_none_is_late(route, pairs)
        if pairs:
            yield pairs


async def _at(
    rows: Rows, route: Route, kind: type[Row], places: tuple[tuple[Scalar, ...], ...]
) -> Mapping[tuple[Scalar, ...], Any]:
    found = (await rows.find(AtQuery(route.account, kind, places))).items
    return {PLACES[kind](row): row for row in found}


async def _see_that_none_is_late(route: Route, pairs: Sequence[Pair]) -> None:
    """Lists stream in the order in which attachments were inserted: one that comes late has no place."""
    new = [pair.source.number for pair in pairs if pair.target is None]
    if new and (await route.target.find(KindQuery(route.account, Attachment, Window(1, after=(min(new),))))).items:
        raise NotACopy(_LATE)


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
