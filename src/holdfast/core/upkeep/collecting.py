"""Collecting: bytes that nobody can ask for any more make room.

Order is what makes it safe. A row goes first, in a transaction that reads it again, and its bytes after; an upload of
the same bytes either finds the row and keeps it, or finds none and brings its own. Whatever a crash leaves between the
two is an orphan, and orphans go too once they are old enough that no upload can still be about to name them.
"""

import asyncio
import logging

import msgspec

from holdfast.core.errors import Conflict, ContentLost
from holdfast.core.inventory import Inventory, Segment, Segments, Stored
from holdfast.core.leases import Tenure, revoked
from holdfast.core.model import Blob
from holdfast.core.policy import Policy
from holdfast.core.ports import BlobKey, BlobQuery, HoldQuery, LocatedQuery, PlacedQuery, Rows, Tx, Window
from holdfast.core.upkeep.expiry import expire
from holdfast.core.upkeep.stock import Step, Stock, accounts, fence, pages, unwatched

_log = logging.getLogger(__name__)

BACKUP = "backup"
"""The shared lease of backups: while one is in force, no bytes go, since a snapshot may name them."""

DEFAULT_GRACE = 24 * 3600
_PAGE = 100


class Rules(msgspec.Struct, frozen=True):
    """When bytes may go. `grace` is in seconds; a segment is compacted when less than the share `compact_below` of its
    bytes is in use; a dry run changes nothing."""

    grace: float = DEFAULT_GRACE
    compact_below: float = 0.5
    dry_run: bool = False


class Collected(msgspec.Struct):
    """What went, or would go. Sizes in bytes.

    `expired` counts attachments; `blobs` had a row, `orphans` none; `dropped` segments were removed, `compacted` ones
    had their `moved` blobs copied elsewhere and are dropped by a later run. `postponed`: a backup is running.
    """

    expired: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    orphans: int = 0
    orphan_bytes: int = 0
    temporaries: int = 0
    dropped: int = 0
    dropped_bytes: int = 0
    compacted: int = 0
    moved: int = 0
    postponed: bool = False

    @property
    def reclaimed(self) -> int:
        """Bytes that the disk has back: those of files and of segments."""
        return self.orphan_bytes + self.dropped_bytes + self.blob_bytes


class _Postponed(Exception):
    pass


async def collect(
    stock: Stock, policy: Policy, rules: Rules, tenure: Tenure | None = None, step: Step = unwatched
) -> Collected:
    """Expire the trash, then remove what is idle, orphaned, left over, or shares a segment with little else.

    Raises `LeaseLost`.
    """
    collection = _Collection(stock, rules, tenure, step)
    done = collection.done
    done.expired = await expire(stock, policy, tenure, dry_run=rules.dry_run)
    try:
        await collection.remove_idle()
        if stock.inventory is not None:
            await collection.remove_orphans(stock.inventory)
        if stock.segments is not None:
            await collection.compact(stock.segments)
    except _Postponed:
        done.postponed = True
    return done


class _Collection:
    def __init__(self, stock: Stock, rules: Rules, tenure: Tenure | None, step: Step) -> None:
        self._stock = stock
        self._rules = rules
        self._tenure = tenure
        self._step = step
        self._before = stock.before(rules.grace)
        self.done = Collected()

    async def _allowed(self, tx: Tx) -> None:
        await fence(self._tenure, tx)
        if not await revoked(tx, BACKUP, self._stock.clock()):
            raise _Postponed

    # ------------------------------------------------------------ blobs that no version holds

    async def remove_idle(self) -> None:
        for account in await accounts(self._stock.catalog):
            number = account.number

            def idle(window: Window, number: int = number) -> BlobQuery:
                return BlobQuery(number, window, idle_before=self._before)

            async for page in pages(self._stock.catalog, idle, _PAGE):
                for blob in page if self._rules.dry_run else await self._forget(page):
                    self.done.blobs += 1
                    self.done.blob_bytes += blob.size
                    if not self._rules.dry_run:
                        await self._stock.blobs.delete(blob.locator)
                    self._step(blob.size)

    async def _forget(self, found: tuple[Blob, ...]) -> list[Blob]:
        """Remove those rows that are still idle; their bytes are then nobody's."""

        async def body(tx: Tx) -> list[Blob]:
            await self._allowed(tx)
            gone = []
            for each in found:
                blob = await tx.get(BlobKey(each.account, each.sha256))
                if blob is not None and await self._is_idle(tx, blob):
                    await tx.remove(blob)
                    gone.append(blob)
            return gone

        return await self._stock.catalog.transact(body)

    async def _is_idle(self, tx: Tx, blob: Blob) -> bool:
        if blob.refs or blob.idle_since is None or blob.idle_since >= self._before:
            return False
        holds = await tx.find(HoldQuery(blob.account, (blob.sha256,)))
        if holds.items[0].holders:
            # The count is wrong, which verifying mends; bytes that somebody needs stay whatever the count says.
            _log.error("blob %s of account %d is in use and counted as idle", blob.sha256.hex(), blob.account)
            return False
        return True

    # ------------------------------------------------------------ bytes that no row names

    async def remove_orphans(self, inventory: Inventory) -> None:
        batch: list[Stored] = []
        async for stored in inventory.scan():
            if stored.kind == "temporary" and stored.modified_at < self._before and self._rules.dry_run:
                self.done.temporaries += 1
            if stored.kind == "whole" and stored.modified_at < self._before:
                batch.append(stored)
            if len(batch) == _PAGE:
                await self._remove_unnamed(batch)
                batch = []
        await self._remove_unnamed(batch)
        if not self._rules.dry_run:
            self.done.temporaries = await inventory.leftovers(self._rules.grace)

    async def _remove_unnamed(self, batch: list[Stored]) -> None:
        unnamed = await self._unnamed(self._stock.catalog, batch)
        if unnamed and not self._rules.dry_run:

            async def body(tx: Tx) -> list[Stored]:
                await self._allowed(tx)
                return await self._unnamed(tx, unnamed)

            unnamed = await self._stock.catalog.transact(body)
        for stored in unnamed:
            self.done.orphans += 1
            self.done.orphan_bytes += stored.size
            if not self._rules.dry_run:
                await self._stock.blobs.delete(stored.locator)
            self._step(stored.size)
        await asyncio.sleep(0)

    async def _unnamed(self, rows: Rows, batch: list[Stored]) -> list[Stored]:
        page = await rows.find(LocatedQuery(tuple(stored.locator for stored in batch)))
        named = {blob.locator for blob in page.items}
        return [stored for stored in batch if stored.locator not in named]

    # ------------------------------------------------------------ segments with few blobs left

    async def compact(self, segments: Segments) -> None:
        for segment in await segments.segments():
            # While it grows, or is young, an upload may be about to name a blob in it.
            if segment.growing or segment.modified_at >= self._before:
                continue
            live = await self._live(segment)
            in_use = sum(blob.size for blob in live)
            try:
                if not live:
                    await self._drop(segments, segment)
                elif in_use < self._rules.compact_below * segment.size:
                    await self._move(segments, segment, live)
            except (Conflict, ContentLost):
                _log.info("segment %s is left for the next time", segment.name, exc_info=True)

    async def _live(self, segment: Segment) -> list[Blob]:
        def placed(window: Window) -> PlacedQuery:
            return PlacedQuery(segment.prefix, window)

        return [blob async for page in pages(self._stock.catalog, placed, _PAGE) for blob in page]

    async def _drop(self, segments: Segments, segment: Segment) -> None:
        if not self._rules.dry_run:

            async def body(tx: Tx) -> bool:
                await self._allowed(tx)
                return bool((await tx.find(PlacedQuery(segment.prefix, Window(1)))).items)

            if await self._stock.catalog.transact(body):
                return
            await segments.drop(segment.name)
        self.done.dropped += 1
        self.done.dropped_bytes += segment.size
        self._step(segment.size)

    async def _move(self, segments: Segments, segment: Segment, live: list[Blob]) -> None:
        self.done.compacted += 1
        if self._rules.dry_run:
            self.done.moved += len(live)
            return
        await self._stock.catalog.transact(self._allowed)
        copied = await segments.compact(segment.name, [blob.locator for blob in live])
        for start in range(0, len(live), _PAGE):
            self.done.moved += await self._follow(live[start : start + _PAGE], copied.moved)

    async def _follow(self, batch: list[Blob], moved: dict[str, str]) -> int:
        """Let the rows name the copies; those that have changed meanwhile keep what they say."""

        async def body(tx: Tx) -> int:
            await self._allowed(tx)
            count = 0
            for each in batch:
                blob = await tx.get(BlobKey(each.account, each.sha256))
                if blob is not None and blob.locator == each.locator and each.locator in moved:
                    await tx.save(msgspec.structs.replace(blob, locator=moved[each.locator]))
                    count += 1
            return count

        return await self._stock.catalog.transact(body)
