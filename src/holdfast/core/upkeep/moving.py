"""Moving an installation to other stores while it serves: rows to another catalog, bytes to another blob store.

Passes over all rows bring the target nearer while the source is in use. Then the source's gate is closed, which every
writer of every process meets; the last pass brings what is left, and both sides are counted and digested. Only then is
the source marked as moved, and the target opened. Until that mark nothing has changed but in the target; after it
nothing can change in the source. A move that was killed is begun again: the rows themselves say what is missing.

Bytes alone need no gate. Servers that know both stores write to the new one and read from either, so that each row
can name the new place as soon as its bytes are there and were read back.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from holdfast.core.errors import ContentLost
from holdfast.core.inventory import Closure, Gate
from holdfast.core.model import Blob
from holdfast.core.ports import BlobKey, BlobQuery, Blobs, BlobWriter, Catalog, Tx, UsageQuery
from holdfast.core.upkeep.matching import PLACES, Matched, NotACopy, Pair, Route, Wanted, as_it_is, bring, count
from holdfast.core.upkeep.repairing import copy_bytes
from holdfast.core.upkeep.stock import Step, accounts, pages, unwatched
from holdfast.core.upkeep.verifying import Throttle, fault_of

T = TypeVar("T")

_PASSES = 5
_FEW = 1000
_HANDS = 16
_PAGE = 200


class Mismatch(Exception):
    """After the last pass the two sides differ; the text says in what. The source is open again."""


class Carried(msgspec.Struct):
    """What became of bytes. `lost` have no sound bytes in the old store. Sizes in bytes."""

    lost: set[tuple[int, bytes]] = set()
    blobs: int = 0
    bytes: int = 0


class Moved(msgspec.Struct):
    """What a move came to: rows by kind, what became of bytes, and the seconds for which changes were refused."""

    rows: dict[str, int] = {}
    carried: Carried = msgspec.field(default_factory=Carried)
    closed_seconds: float = 0.0


class Courier:
    """Brings blobs from one store to another, several at a time; each is digested on its way, and read back."""

    def __init__(self, old: Blobs, new: Blobs, *, rate: int = 0, step: Step = unwatched) -> None:
        self._old = old
        self._new = new
        self._step = step
        self._throttle = Throttle(rate, asyncio.sleep, time.monotonic)
        self._hands = asyncio.Semaphore(_HANDS)
        self.done = Carried()

    async def bring(self, blob: Blob) -> tuple[BlobWriter, Blob] | None:
        """Copy the bytes; the writer, to undo it, and the row with its new place; None if they are not sound."""
        async with self._hands:
            try:
                writer, placed = await copy_bytes(
                    self._old, blob.locator, blob.size, self._new, account=blob.account, sha256=blob.sha256
                )
            except ContentLost:
                self.done.lost.add((blob.account, blob.sha256))
                self._step(blob.size)
                return None
            row = msgspec.structs.replace(blob, locator=placed, damaged_at=None)
            fault = await fault_of(self._new, row, self._throttle)
            if fault is not None:
                await writer.cancel()
                raise Mismatch(f"content {blob.sha256.hex()} was written to the new store and read back: {fault}")
        self.done.lost.discard((blob.account, blob.sha256))
        self.done.blobs += 1
        self.done.bytes += blob.size
        self._step(blob.size)
        return writer, row

    async def has(self, blob: Blob) -> bool:
        """Whether the new store holds something of that length at the row's place."""
        async with self._hands:
            return await fault_of(self._new, blob, self._throttle, quick=True) is None

    async def forget(self, blob: Blob) -> None:
        """Remove the bytes of a row that is about to go."""
        await self._new.delete(blob.locator)


class Move(msgspec.Struct, frozen=True):
    """From where to where. Without a courier bytes stay where they are. `check` stops the move by raising; `watch` is
    told of each stage, `step` how many rows were looked at."""

    source: Catalog
    target: Catalog
    source_gate: Gate
    target_gate: Gate
    source_name: str
    target_name: str
    courier: Courier | None = None
    check: Callable[[], None] = lambda: None
    watch: Callable[[str], None] = lambda _: None
    step: Callable[[int], None] = lambda _: None

    async def run(self) -> Moved:
        """Carry it out. Raises `NotACopy`, `Mismatch`, and what the stores raise; the source is open then."""
        await self._see_that_it_may_be_filled()
        await self.target_gate.close(Closure("filling", self.source_name))
        done = Moved()
        believed = False
        for number in range(_PASSES):
            self.watch(f"pass {number + 1}")
            changes = sum(each.changes for each in (await self._pass(believed=believed)).values())
            believed = True
            if changes < _FEW:
                break
        self.watch("changes are refused")
        began = time.monotonic()
        await self.source_gate.close(Closure("moving", self.target_name))
        try:
            await self._finish(done)
            await self.source_gate.close(Closure("moved", self.target_name))
        except BaseException:
            await self.source_gate.open()
            raise
        await self.target_gate.open()
        done.closed_seconds = time.monotonic() - began
        return done

    async def _see_that_it_may_be_filled(self) -> None:
        """Only an empty target, one that a move from here has begun to fill, or one that was moved here before."""
        if not await accounts(self.target):
            return
        why = await self.target_gate.closure()
        known = why is not None and why.state in ("filling", "moved") and why.place == self.source_name
        if not known:
            raise NotACopy("the target holds an installation already")
        mine, there = await accounts(self.source), await accounts(self.target)
        if mine and (mine[0].slug, mine[0].created_at) != (there[0].slug, there[0].created_at):
            raise NotACopy("the target holds another installation")

    async def _pass(self, *, believed: bool, is_last: bool = False) -> dict[tuple[int, type[Any]], Matched]:
        found = {}
        wanted = self._blobs_believed if believed else self._blobs
        mine = [account.number for account in await accounts(self.source)]
        if not {account.number for account in await accounts(self.target)} <= set(mine):
            raise NotACopy("the target holds accounts that the source has not; empty it and begin anew")
        for number in mine:
            usage = (await self.source.find(UsageQuery(number))).items
            until = None if is_last or not usage else usage[0].clock
            for kind in PLACES:
                self.check()
                how: Wanted = wanted if kind is Blob and self.courier is not None else as_it_is
                found[number, kind] = await bring(Route(self.source, self.target, number, until), kind, how, self.step)
        return found

    async def _finish(self, done: Moved) -> None:
        """The last pass, behind the closed gate, and the comparison of both sides."""
        for (number, kind), matched in (await self._pass(believed=True, is_last=True)).items():
            there = await count(self.target, number, kind, self.step)
            if matched.left or (there.rows, there.digest) != (matched.rows, matched.digest):
                raise Mismatch(
                    f"{kind.__name__} of account {number}: {matched.rows} rows in the source, {there.rows} in the "
                    f"target, {matched.left} found no place"
                )
            done.rows[kind.__name__] = done.rows.get(kind.__name__, 0) + matched.rows
        if self.courier is not None:
            done.carried = self.courier.done

    async def _blobs(self, pairs: Sequence[Pair]) -> Sequence[Blob | None]:
        """As below, for a target that somebody else may have filled: each place that it names is looked at."""
        courier = self.courier
        assert courier is not None  # noqa: S101 -- only asked where bytes move

        async def looked_at(pair: Pair) -> Pair:
            if pair.source is None or pair.target is None or await courier.has(pair.target):
                return pair
            return Pair(pair.source, None)

        return await self._blobs_believed(await _each(map(looked_at, pairs)))

    async def _blobs_believed(self, pairs: Sequence[Pair]) -> Sequence[Blob | None]:
        """The rows that the target should have, their bytes being in the new store."""
        courier = self.courier
        assert courier is not None  # noqa: S101 -- only asked where bytes move

        async def placed(pair: Pair) -> Blob | None:
            if pair.source is None:
                await courier.forget(pair.target)
                return None
            blob: Blob = pair.source
            there: Blob | None = pair.target
            if there is not None and there.damaged_at is None:
                return msgspec.structs.replace(blob, locator=there.locator, damaged_at=None)
            brought = await courier.bring(blob)
            if brought is None:
                return msgspec.structs.replace(blob, damaged_at=blob.damaged_at or blob.created_at)
            return brought[1]

        self.check()
        return await _each(map(placed, pairs))


async def carry(rows: Catalog, courier: Courier, check: Callable[[], None] = lambda: None) -> Carried:
    """Bring all bytes that the rows name to the new store, and let the rows name their places there.

    Every server must read from both stores, and write to the new one. Raises `Mismatch`, and what the stores raise.
    """
    for _ in range(_PASSES):
        before = courier.done.blobs
        for account in await accounts(rows):
            async for page in pages(rows, partial(BlobQuery, account.number), _PAGE):
                check()
                await _each(_carried(rows, courier, blob) for blob in page)
        if courier.done.blobs == before:
            break
    return courier.done


async def _carried(rows: Catalog, courier: Courier, blob: Blob) -> None:
    if await courier.has(blob):
        return
    brought = await courier.bring(blob)
    if brought is None:
        return
    writer, placed = brought
    if not await rows.transact(partial(_name, blob, placed.locator)):
        # Its bytes were sent again, or it went: the row does not need these.
        await writer.cancel()


async def _name(blob: Blob, locator: str, tx: Tx) -> bool:
    current = await tx.get(BlobKey(blob.account, blob.sha256))
    if current is None or current.locator != blob.locator:
        return False
    await tx.save(msgspec.structs.replace(current, locator=locator))
    return True


async def _each(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of these come to; one that fails does so when the others have ended."""
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
