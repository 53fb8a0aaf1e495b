"""Moving an installation to other stores while it serves: rows to another catalog, bytes to another blob store.

Every change of the source is noted from the beginning, by the engine itself. Two passes over all rows, while the source
is in use, bring the target near and compare the two; what is noted meanwhile is brought in passes of its own. Then the
source's gate is closed, which every writer of every process meets, and what was noted since is brought and compared.
In one step with a look that no note is left, the source is marked as moved; then the target is opened. Until that mark
nothing has changed but in the target; after it nothing can change in the source. A move that was killed is begun again
with all rows: the notes count for the process that took them, and the rows themselves say what is missing.

Bytes alone need no gate. Servers that know both stores write to the new one and read from either, so that each row
can name the new place as soon as its bytes are there and were read back.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from holdfast.core.errors import ContentLost
from holdfast.core.inventory import Closure, Gate, Note
from holdfast.core.model import Blob
from holdfast.core.ports import BlobKey, BlobQuery, Blobs, BlobWriter, Catalog, Row, Tx, UsageQuery
from holdfast.core.upkeep.filling import seize
from holdfast.core.upkeep.matching import PLACES, Matching, NotACopy, Pair, Route, Spot
from holdfast.core.upkeep.repairing import copy_bytes
from holdfast.core.upkeep.stock import Step, accounts, all_of, pages, unwatched
from holdfast.core.upkeep.verifying import Throttle, fault_of

_PASSES = 5
_FEW = 200
_AT_ONCE = 10_000
_HANDS = 16
_PAGE = 200


class Mismatch(Exception):
    """After the last pass the two sides differ; the text says in what. The source is as it was before the move."""


class Carried(msgspec.Struct):
    """What became of bytes. `lost` have no sound bytes in the old store. Sizes in bytes."""

    lost: set[tuple[int, bytes]] = set()
    blobs: int = 0
    bytes: int = 0


class Moved(msgspec.Struct):
    """What a move came to: rows by kind that both sides held when all were compared, how many were looked at again
    while changes were refused, and for how many seconds that was; what became of bytes."""

    rows: dict[str, int] = {}
    again: int = 0
    closed_seconds: float = 0.0
    carried: Carried = msgspec.field(default_factory=Carried)


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
        """Remove the bytes of a row that is gone. While it was there, a move that goes on could have relied on them."""
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
        """Carry it out. Raises `NotACopy`, `Mismatch`, `WatchLost` when another move from here begins, `FillLost`
        when another to there does, and what the stores raise; the source is then as it was, unless the other has it."""
        before = await self.source_gate.watch()
        if before is not None and before.state == "moving":
            before = None
        done = Moved()
        try:
            self._see_that_it_may_be_moved(before)
            await self._see_that_it_may_be_filled()
            filling = await seize(self.target, self.source_name)
            # From here on nobody else fills or opens it: what is seen of it now stays so.
            await self._see_that_it_may_be_filled()
            await self.target_gate.close(Closure("filling", self.source_name), filling.fence)
            began = await msgspec.structs.replace(self, target=filling).bring(done)
        except BaseException:
            await self.source_gate.withdraw(before)
            raise
        await self.target_gate.open(filling.fence)
        done.closed_seconds = time.monotonic() - began
        return done

    async def bring(self, done: Moved) -> float:
        """The part of `run` in which the target is ours, until the source is given up; since when that refuses changes,
        in seconds of the monotonic clock."""
        unsure = await self._approach(done)
        self.watch("changes are refused")
        began = time.monotonic()
        await self.source_gate.hold(Closure("moving", self.target_name))
        await self._finish(unsure, done)
        if not await self.source_gate.seal(Closure("moved", self.target_name)):
            raise Mismatch("rows of the source changed while changes were refused")
        return began

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

    def _see_that_it_may_be_moved(self, why: Closure | None) -> None:
        """Only a source that counts: whole, and not moved to somewhere else."""
        if why is not None and why.state == "filling":
            raise NotACopy(f"the source is still being filled from {why.place}; let that move finish first")
        if why is not None and why.place != self.target_name:
            raise NotACopy(f"the source was moved to {why.place}, and what was changed there is not here")

    async def _approach(self, done: Moved) -> set[Spot]:
        """Bring all rows, then compare all, while the source is in use; the places that are to be looked at again."""
        self.watch("all")
        await self._pass(believed=False)
        unsure = await self._follow(set())
        self.watch("all, compared")
        done.rows = await self._pass(believed=True, unsure=unsure)
        return await self._follow(unsure)

    async def _pass(self, *, believed: bool, unsure: set[Spot] | None = None) -> dict[str, int]:
        """Bring all rows; how many there are of each kind."""
        found: dict[str, int] = {}
        mine = [account.number for account in await accounts(self.source)]
        if not {account.number for account in await accounts(self.target)} <= set(mine):
            raise NotACopy("the target holds accounts that the source has not; empty it and begin anew")
        for number in mine:
            usage = (await self.source.find(UsageQuery(number))).items
            route = Route(self.source, self.target, number, usage[0].clock if usage else None)
            for kind in PLACES:
                self.check()
                rows = await self._matching(route, kind, unsure, believed=believed).all()
                found[kind.__name__] = found.get(kind.__name__, 0) + rows
        return found

    async def _follow(self, unsure: set[Spot]) -> set[Spot]:
        """Bring what was noted until little is left; the places that are to be looked at again."""
        for number in range(_PASSES):
            self.watch(f"changed since, pass {number + 1}")
            noted = _AT_ONCE
            brought = 0
            while noted == _AT_ONCE:
                notes = await self.source_gate.seen(_AT_ONCE)
                noted = len(notes)
                if brought + noted + len(unsure) <= _FEW:
                    return unsure
                brought += noted
                unsure = await self._bring_noted(notes, unsure)
        return unsure

    async def _finish(self, unsure: set[Spot], done: Moved) -> None:
        """Behind the closed gate: bring what was noted since, and look again until both sides say the same."""
        while notes := await self.source_gate.seen(_AT_ONCE):
            done.again += len({Spot(note.account, note.kind, note.place) for note in notes})
            unsure = await self._bring_noted(notes, unsure)
        for _ in range(_PASSES):
            if not unsure:
                break
            done.again += len(unsure)
            unsure = await self._bring_at(unsure)
        if unsure:
            kinds = ", ".join(sorted({spot.kind.__name__ for spot in unsure}))
            raise Mismatch(f"{len(unsure)} rows in the target are not what the source has ({kinds})")
        if self.courier is not None:
            done.carried = self.courier.done

    async def _bring_noted(self, notes: Sequence[Note], unsure: set[Spot]) -> set[Spot]:
        """Bring what the notes and these places say; only then are the notes forgotten."""
        spots = {Spot(note.account, note.kind, note.place) for note in notes}
        left = await self._bring_at(spots | unsure)
        await self.source_gate.forget(notes)
        return left

    async def _bring_at(self, spots: set[Spot]) -> set[Spot]:
        """Make the target there what the source is; the places where it was not so yet."""
        places: dict[tuple[int, type[Any]], list[Any]] = {}
        for spot in spots:
            places.setdefault((spot.account, spot.kind), []).append(spot.place)
        unsure: set[Spot] = set()
        for account in sorted({account for account, _ in places}):
            route = Route(self.source, self.target, account)
            for kind in PLACES:
                self.check()
                if some := places.get((account, kind)):
                    await self._matching(route, kind, unsure, believed=True).at(some)
        return unsure

    def _matching(self, route: Route, kind: type[Row], unsure: set[Spot] | None, *, believed: bool) -> Matching:
        if kind is not Blob or self.courier is None:
            return Matching(route, kind, step=self.step, unsure=unsure)
        wanted = self._blobs_believed if believed else self._blobs
        return Matching(route, kind, wanted, self.step, unsure, self.courier.forget)

    async def _blobs(self, pairs: Sequence[Pair]) -> Sequence[Blob | None]:
        """As below, for a target that somebody else may have filled: each place that it names is looked at."""
        courier = self.courier
        assert courier is not None  # noqa: S101 -- only asked where bytes move

        async def looked_at(pair: Pair) -> Pair:
            if pair.source is None or pair.target is None or await courier.has(pair.target):
                return pair
            return Pair(pair.source, None)

        return await self._blobs_believed(await all_of(map(looked_at, pairs)))

    async def _blobs_believed(self, pairs: Sequence[Pair]) -> Sequence[Blob | None]:
        """The rows that the target should have, their bytes being in the new store."""
        courier = self.courier
        assert courier is not None  # noqa: S101 -- only asked where bytes move

        async def placed(pair: Pair) -> Blob | None:
            if pair.source is None:
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
        return await all_of(map(placed, pairs))


async def carry(rows: Catalog, courier: Courier, check: Callable[[], None] = lambda: None) -> Carried:
    """Bring all bytes that the rows name to the new store, and let the rows name their places there.

    Every server must read from both stores, and write to the new one. Raises `Mismatch`, and what the stores raise.
    """
    for _ in range(_PASSES):
        before = courier.done.blobs
        for account in await accounts(rows):
            async for page in pages(rows, partial(BlobQuery, account.number), _PAGE):
                check()
                await all_of(_carried(rows, courier, blob) for blob in page)
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
