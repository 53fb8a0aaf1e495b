"""Repairing what verifying found: bytes from a second store, counts from the rows themselves."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec

from holdfast.core.access import Work
from holdfast.core.errors import ContentLost, Unavailable
from holdfast.core.inventory import Inventory
from holdfast.core.model import WRITE, Blob, ByteRange
from holdfast.core.ports import BlobKey, Blobs, BlobWriter, FiguresQuery, HoldQuery, LedgerKey, Tx
from holdfast.core.upkeep.stock import Step, Stock, unwatched
from holdfast.core.upkeep.verifying import Finding

BYTES = frozenset({"damaged", "unreadable", "unheld"})
"""Kinds of findings that are mended by bytes from elsewhere."""

COUNTS = frozenset({"refs", "ledger"})
"""Kinds of findings that are mended by counting again."""


class Repaired(msgspec.Struct):
    """What was mended, and what could not be: the findings for which the second store has no sound bytes."""

    blobs: int = 0
    bytes: int = 0
    counts: int = 0
    left: list[Finding] = []


class Spare(NamedTuple):
    """A second blob store to take bytes from."""

    blobs: Blobs
    inventory: Inventory


async def recount(stock: Stock, findings: list[Finding]) -> Repaired:
    """Set every wrong count to what the rows add up to when it is written."""
    done = Repaired()
    for finding in findings:
        if finding.account is None or finding.kind not in COUNTS:
            continue
        if finding.kind == "ledger":
            done.counts += await _recount_ledger(stock, finding.account)
        else:
            done.counts += await _recount_blob(stock, finding.account, bytes.fromhex(finding.subject))
    return done


async def refill(stock: Stock, findings: list[Finding], spare: Spare, step: Step = unwatched) -> Repaired:
    """Bring lost bytes back from the second store, each checked against its digest, whatever its place there.

    Raises `StorageFull`.
    """
    wanted: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.kind in BYTES and finding.account is not None:
            wanted.setdefault(finding.subject, []).append(finding)
    done = Repaired()
    async for stored in spare.inventory.scan():
        sought = wanted.get(stored.sha256.hex()) if stored.sha256 is not None else None
        if sought and stored.kind in ("whole", "shared"):
            for finding in tuple(sought):
                if await _bring(stock, spare.blobs, stored.locator, stored.size, finding):
                    sought.remove(finding)
                    done.blobs += 1
                    done.bytes += stored.size
                    step(stored.size)
    done.left = [finding for each in wanted.values() for finding in each]
    return done


async def copy_bytes(
    source: Blobs, locator: str, size: int, target: Blobs, *, account: int, sha256: bytes
) -> tuple[BlobWriter, str]:
    """Copy a blob to another store and make it durable there; its writer, to undo it, and its new locator.

    Raises `ContentLost` unless the bytes that were read have that digest; nothing of them stays then. Raises
    `Unavailable` when the target fails, or the source as a whole.
    """
    writer = target.create(account)
    try:
        async for chunk in _readable(source, locator, size):
            await writer.write(chunk)
        if (await writer.finish()).sha256 != sha256:
            raise ContentLost
        return writer, await writer.commit()
    except BaseException:
        await writer.cancel()
        raise


async def _readable(source: Blobs, locator: str, size: int) -> AsyncIterator[bytes]:
    try:
        async for chunk in source.read(locator, ByteRange(0, size)):
            yield chunk
    except Unavailable as error:
        if error.outage:
            raise
        # One bad sector must not keep all other bytes from being copied.
        raise ContentLost("The bytes cannot be read now") from error


async def _bring(stock: Stock, spare: Blobs, locator: str, size: int, finding: Finding) -> bool:
    account, sha256 = finding.account or 0, bytes.fromhex(finding.subject)
    try:
        writer, placed = await copy_bytes(spare, locator, size, stock.blobs, account=account, sha256=sha256)
    except ContentLost:
        return False

    async def body(work: Work) -> bool:
        current = await work.get(BlobKey(account, sha256))
        at = work.tick()
        if current is None:
            holders = (await work.find(HoldQuery(account, (sha256,)))).items[0].holders
            if not holders:
                return False
            await work.add(Blob(account, sha256, size, placed, holders, at))
        else:
            await work.save(msgspec.structs.replace(current, size=size, locator=placed, damaged_at=None))
        await work.log("content.restored", sha256.hex(), {"size": size}, at)
        return True

    try:
        is_used = await stock.change(account, WRITE, body)
    except Unavailable:
        # Nobody knows whether the row names the new bytes: they stay, and are an orphan if it does not.
        raise
    except BaseException:
        await writer.cancel()
        raise
    if not is_used:
        await writer.cancel()
    return True


async def _recount_blob(stock: Stock, account: int, sha256: bytes) -> bool:
    async def body(work: Work) -> bool:
        blob = await work.get(BlobKey(account, sha256))
        if blob is None:
            return False
        holders = (await work.find(HoldQuery(account, (sha256,)))).items[0].holders
        idle_since = None if holders else (blob.idle_since or work.tick())
        if (holders, idle_since) == (blob.refs, blob.idle_since):
            return False
        await work.save(msgspec.structs.replace(blob, refs=holders, idle_since=idle_since))
        return True

    return await stock.change(account, WRITE, body)


async def _recount_ledger(stock: Stock, account: int) -> bool:
    async def body(tx: Tx) -> bool:
        ledger = await tx.get(LedgerKey(account))
        figures = (await tx.find(FiguresQuery(account))).items[0]
        if ledger is None or (ledger.bytes, ledger.attachments) == (figures.bytes, figures.attachments):
            return False
        await tx.save(msgspec.structs.replace(ledger, bytes=figures.bytes, attachments=figures.attachments))
        return True

    return await stock.catalog.transact(body)
