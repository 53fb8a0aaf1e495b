"""Copying an installation's bytes to another store, each blob once, whenever the copying was interrupted.

The destination keeps an index of what it holds, itself a catalog of blobs: a blob is in it once its bytes are durable
there. A later run asks the index, so nothing is copied twice. At the end the copied rows are made to name the
destination's places, which makes them and the destination an installation of their own.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import msgspec

from holdfast.core.errors import ContentLost
from holdfast.core.model import Blob
from holdfast.core.ports import BlobKey, BlobQuery, Blobs, Catalog, LeaseKey, Tx
from holdfast.core.upkeep.collecting import BACKUP
from holdfast.core.upkeep.repairing import copy_bytes
from holdfast.core.upkeep.stock import Step, accounts, pages
from holdfast.core.upkeep.verifying import Throttle, fault_of

_PAGE = 200
_HANDS = 16


class Destination(msgspec.Struct, frozen=True):
    """Another blob store, and the index of what it holds. With `reads_back`, what the index says is not believed: the
    bytes are read, and copied anew if they are damaged."""

    index: Catalog
    blobs: Blobs
    reads_back: bool = False


class Copied(msgspec.Struct):
    """What a copying did. `kept` were in the destination already; `lost` have no sound bytes in the source.

    Sizes in bytes.
    """

    blobs: int = 0
    bytes: int = 0
    kept: int = 0
    lost: list[Blob] = []


def _unchecked() -> None:
    return None


async def copy_blobs(
    rows: Catalog,
    source: Blobs,
    target: Destination,
    step: Step,
    *,
    check: Callable[[], None] = _unchecked,
) -> Copied:
    """Bring every blob that the rows name to the destination; `check` is called now and then, to stop by raising.

    Raises `StorageFull`, `Unavailable`.
    """
    copying = _Copying(source, target, step)
    for account in await accounts(rows):
        async for page in pages(rows, partial(BlobQuery, account.number), _PAGE):
            check()
            await copying.bring(page)
    return copying.done


async def follow(rows: Catalog, index: Catalog) -> None:
    """Let the rows name the places of the destination; blobs that it does not hold are marked as damaged."""
    for account in await accounts(rows):
        async for page in pages(rows, partial(BlobQuery, account.number), _PAGE):
            changed = [placed for blob in page if (placed := await _placed(blob, index)) != blob]
            await rows.transact(partial(_save, changed))
    await rows.transact(_forget_backup)


class _Copying:
    def __init__(self, source: Blobs, target: Destination, step: Step) -> None:
        self._source = source
        self._target = target
        self._step = step
        self._hands = asyncio.Semaphore(_HANDS)
        self._unhurried = Throttle(0, asyncio.sleep, time.monotonic)
        self.done = Copied()

    async def bring(self, page: tuple[Blob, ...]) -> None:
        """Copy those of the page that the destination lacks, several at a time; its index grows with each."""
        wanted = []
        for blob in page:
            if await self._is_there(blob):
                self.done.kept += 1
                self._step(blob.size)
            else:
                wanted.append(blob)
        outcomes = await asyncio.gather(*map(self._copy, wanted), return_exceptions=True)
        for blob, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, ContentLost):
                self.done.lost.append(blob)
            elif isinstance(outcome, BaseException):
                raise outcome

    async def _is_there(self, blob: Blob) -> bool:
        there = await self._target.index.get(BlobKey(blob.account, blob.sha256))
        if there is None or not self._target.reads_back:
            return there is not None
        return await fault_of(self._target.blobs, there, self._unhurried) is None

    async def _copy(self, blob: Blob) -> None:
        async with self._hands:
            try:
                _, locator = await copy_bytes(
                    self._source, blob.locator, blob.size, self._target.blobs, account=blob.account, sha256=blob.sha256
                )
            finally:
                self._step(blob.size)
            row = Blob(blob.account, blob.sha256, blob.size, locator, 1, blob.created_at)
            await self._target.index.transact(partial(_put, row))
        self.done.blobs += 1
        self.done.bytes += blob.size


async def _placed(blob: Blob, index: Catalog) -> Blob:
    there = await index.get(BlobKey(blob.account, blob.sha256))
    if there is None:
        return blob if blob.damaged_at is not None else msgspec.structs.replace(blob, damaged_at=blob.created_at)
    return msgspec.structs.replace(blob, locator=there.locator, damaged_at=None)


async def _put(blob: Blob, tx: Tx) -> None:
    if await tx.get(BlobKey(blob.account, blob.sha256)) is None:
        await tx.add(blob)
    else:
        await tx.save(blob)


async def _save(blobs: list[Blob], tx: Tx) -> None:
    for blob in blobs:
        await tx.save(blob)


async def _forget_backup(tx: Tx) -> None:
    # The snapshot was taken under the lease of the backup, which is none of the copy's.
    lease = await tx.get(LeaseKey(BACKUP))
    if lease is not None:
        await tx.remove(lease)
