"""Verifying: rows against bytes both ways, and rows against each other.

What looks wrong while others write may only have changed between two reads, so every suspect is looked at again, in one
transaction where more than one row has a say, before it is called a finding.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from holdfast.core.access import Work
from holdfast.core.errors import ContentLost, Unavailable
from holdfast.core.inventory import Inventory, Segments, Stored
from holdfast.core.leases import Sleep, Tenure
from holdfast.core.model import ROOT, WRITE, Account, Attachment, Blob, ByteRange, Figures, Ledger, Version
from holdfast.core.ports import (
    AttachmentKey,
    BlobKey,
    BlobQuery,
    Blobs,
    FiguresQuery,
    FolderKey,
    HistoryQuery,
    HoldQuery,
    LedgerKey,
    LocatedQuery,
    PlacedQuery,
    Rows,
    Tx,
    UsageQuery,
    VersionQuery,
    Window,
)
from holdfast.core.upkeep.collecting import DEFAULT_GRACE
from holdfast.core.upkeep.stock import Step, Stock, accounts, all_of, fence, pages, unwatched

_PAGE = 100
_LONG_HISTORY = 10_000
_STEADY_READS = 3
# Shorter pauses cost more in switching than they spread the load.
_LEAST_PAUSE = 0.05

Kind = Literal["damaged", "unreadable", "unheld", "refs", "ledger", "history", "folder", "orphan", "foreign"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be. `subject` is a digest, an attachment's id, a locator or a file's name.

    `damaged`: bytes are gone or changed; `unreadable`: the store could not tell now; `unheld`: a version has no blob;
    `refs` and `ledger`: a count is wrong; `history`: an attachment and its versions disagree; `folder`: it lies in none
    that exists; `orphan`: bytes that no row names; `foreign`: not made by the store. `size` in bytes where it matters.
    """

    kind: Kind
    account: int | None
    subject: str
    detail: str
    size: int = 0


class Reading(msgspec.Struct, frozen=True):
    """How to verify. `rate` in bytes a second, 0 for as fast as can be; `quick` looks at lengths, not at digests;
    `grace` in seconds is the age from which bytes without a row count; `mark` lets damage be noted in the rows; `hands`
    is how many contents are read at a time."""

    rate: int = 0
    quick: bool = False
    grace: float = DEFAULT_GRACE
    mark: bool = True
    hands: int = 16


class Verified(msgspec.Struct):
    """What was looked at, and what was found. `bytes` were read whole and digested."""

    blobs: int = 0
    bytes: int = 0
    attachments: int = 0
    findings: list[Finding] = []


class Throttle:
    """Spreads work over time. `rate` in bytes a second, 0 for no limit; `monotonic` in seconds."""

    def __init__(self, rate: int, sleep: Sleep, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._sleep = sleep
        self._monotonic = monotonic
        self._free_at = monotonic()

    async def spent(self, size: int) -> None:
        """Wait until that many more bytes are within the rate."""
        if not self._rate:
            return
        now = self._monotonic()
        self._free_at = max(self._free_at, now) + size / self._rate
        if self._free_at - now >= _LEAST_PAUSE:
            await self._sleep(self._free_at - now)


async def verify(
    stock: Stock,
    reading: Reading,
    tenure: Tenure | None = None,
    step: Step = unwatched,
    *,
    sleep: Sleep = asyncio.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Verified:
    """Look at everything once, from where the tenure's place says. Raises `LeaseLost`, and `Unavailable` when the
    catalog does not answer."""
    verification = _Verification(stock, reading, tenure, step, Throttle(reading.rate, sleep, monotonic))
    for account in await accounts(stock.catalog):
        await verification.bytes_of(account)
        await verification.rows_of(account)
    if stock.inventory is not None:
        await verification.stored(stock.inventory)
    if stock.segments is not None:
        await verification.segments(stock.segments)
    return verification.done


async def fault_of(blobs: Blobs, blob: Blob, throttle: Throttle, *, quick: bool = False) -> str | None:
    """What is wrong with a blob's bytes, None if nothing is. Raises `Unavailable`."""
    part = ByteRange(max(blob.size - 1, 0), min(blob.size, 1)) if quick else ByteRange(0, blob.size)
    digest, length = hashlib.sha256(), 0
    try:
        async for chunk in blobs.read(blob.locator, part):
            digest.update(chunk)
            length += len(chunk)
            await throttle.spent(len(chunk))
    except ContentLost:
        return "its bytes are missing, shorter than they were, or damaged"
    if quick or digest.digest() == blob.sha256:
        return None
    return "its bytes have changed"


class _Verification:
    def __init__(self, stock: Stock, reading: Reading, tenure: Tenure | None, step: Step, throttle: Throttle) -> None:
        self._stock = stock
        self._catalog = stock.catalog
        self._reading = reading
        self._tenure = tenure
        self._step = step
        self._throttle = throttle
        self._before = stock.before(reading.grace)
        self._damaged: set[tuple[int, bytes]] = set()
        self.done = Verified()

    def _found(self, kind: Kind, account: int | None, subject: str, detail: str, size: int = 0) -> None:
        self.done.findings.append(Finding(kind, account, subject, detail, size))

    # ------------------------------------------------------------ from rows to bytes

    async def bytes_of(self, account: Account) -> None:
        """Every blob of the account: its bytes, and how many hold it."""
        number = account.number
        begin = _begin(self._tenure, number)
        if begin is None:
            return
        window = Window(_PAGE, after=begin or None)
        while True:
            page = await self._catalog.find(BlobQuery(number, window))
            await self._blobs(page.items)
            await self._counts(page.items)
            if self._tenure is not None:
                self._tenure.check()
            if page.next is None:
                return
            if self._tenure is not None:
                self._tenure.place = f"{number}:{page.items[-1].sha256.hex()}"
            window = Window(_PAGE, after=page.next)

    async def _blobs(self, found: Sequence[Blob]) -> None:
        """Several at a time, where each waits for a store that is far; what was found stays in the order of rows."""
        before = len(self.done.findings)
        rest = iter(found)

        async def work() -> None:
            for blob in rest:
                await self._blob(blob)

        await all_of(work() for _ in range(self._reading.hands))
        self.done.findings[before:] = sorted(self.done.findings[before:], key=lambda finding: finding.subject)

    async def _blob(self, blob: Blob) -> None:
        fault, blob = await self._settled_fault(blob)
        if fault is None and blob.damaged_at is not None:
            fault = await self._lasting_fault(blob)
        if fault is not None:
            self._damaged.add((blob.account, blob.sha256))
            self._found("damaged", blob.account, blob.sha256.hex(), fault, blob.size)
        if (fault is not None) != (blob.damaged_at is not None):
            await self._mark(blob, fault)
        self.done.blobs += 1
        if not self._reading.quick:
            self.done.bytes += blob.size
        self._step(blob.size)

    async def _settled_fault(self, blob: Blob) -> tuple[str | None, Blob]:
        """What is wrong with it where it lies now: it may have been moved or removed since its row was read."""
        while True:
            try:
                fault = await fault_of(self._stock.blobs, blob, self._throttle, quick=self._reading.quick)
            except Unavailable as error:
                self._found("unreadable", blob.account, blob.sha256.hex(), error.detail, blob.size)
                return None, msgspec.structs.replace(blob, damaged_at=None)
            if fault is None:
                return None, blob
            current = await self._catalog.get(BlobKey(blob.account, blob.sha256))
            if current is None:
                return None, msgspec.structs.replace(blob, damaged_at=None)
            if current.locator == blob.locator:
                return fault, current
            blob = current

    async def _lasting_fault(self, blob: Blob) -> str | None:
        """Why a blob that was marked and now reads well is still not sound."""
        if self._reading.quick:
            return "its bytes were found damaged before"
        try:
            async for _ in self._stock.blobs.read(blob.locator, ByteRange(blob.size, 1)):
                return "it has more bytes than it should"
        except ContentLost:
            pass
        return None

    async def _mark(self, blob: Blob, fault: str | None) -> None:
        """Note the damage, so that the bytes are not served; or that they are whole again, so that they are."""
        if not self._reading.mark:
            return

        async def body(work: Work) -> None:
            await fence(self._tenure, work.tx)
            current = await work.get(BlobKey(blob.account, blob.sha256))
            if current is None or current.locator != blob.locator:
                return
            at = work.tick()
            await work.save(msgspec.structs.replace(current, damaged_at=None if fault is None else at))
            kind = "content.restored" if fault is None else "content.damaged"
            await work.log(kind, blob.sha256.hex(), {"size": blob.size}, at)

        await self._stock.change(blob.account, WRITE, body)

    async def _counts(self, found: tuple[Blob, ...]) -> None:
        if not found:
            return
        account = found[0].account
        holds = await self._catalog.find(HoldQuery(account, tuple(blob.sha256 for blob in found)))
        for blob, hold in zip(found, holds.items, strict=True):
            if blob.refs != hold.holders or (blob.refs == 0) != (blob.idle_since is not None):
                await self._recount(blob)

    async def _recount(self, blob: Blob) -> None:
        async def body(tx: Tx) -> tuple[Blob | None, int]:
            hold = await tx.find(HoldQuery(blob.account, (blob.sha256,)))
            return await tx.get(BlobKey(blob.account, blob.sha256)), hold.items[0].holders

        current, holders = await self._catalog.transact(body)
        if current is None:
            return
        if current.refs != holders:
            detail = f"it counts {current.refs} holders, {holders} hold it"
            self._found("refs", blob.account, blob.sha256.hex(), detail, blob.size)
        elif (current.refs == 0) != (current.idle_since is not None):
            self._found("refs", blob.account, blob.sha256.hex(), "its idle time does not fit its count", blob.size)

    # ------------------------------------------------------------ rows against each other

    async def rows_of(self, account: Account) -> None:
        """Every version against its blob and its attachment, every attachment's folder, and the ledger."""
        current: list[Version] = []

        def history(window: Window) -> HistoryQuery:
            return HistoryQuery(account.number, window)

        async for page in pages(self._catalog, history, _PAGE):
            whole: list[list[Version]] = []
            for version in page:
                if current and current[0].attachment != version.attachment:
                    whole.append(current)
                    current = []
                current.append(version)
            await self._histories(whole)
            await asyncio.sleep(0)
        if current:
            await self._histories([current])
        await self._ledger(account)

    async def _histories(self, found: Sequence[list[Version]]) -> None:
        """All at a time: a catalog that is far answers together what is asked together."""
        for findings in await all_of(map(self._history, found)):
            self.done.findings += findings
        self.done.attachments += len(found)

    async def _history(self, versions: list[Version]) -> list[Finding]:
        account, id = versions[0].account, versions[0].attachment
        if not await self._faults(self._catalog, account, versions):
            return []

        async def body(tx: Tx) -> list[Finding]:
            page = await tx.find(VersionQuery(account, id, Window(_LONG_HISTORY)))
            return await self._faults(tx, account, list(reversed(page.items)))

        return await self._catalog.transact(body)

    async def _faults(self, rows: Rows, account: int, versions: list[Version]) -> list[Finding]:
        if not versions:
            return []
        id, found = versions[0].attachment, []
        attachment = await rows.get(AttachmentKey(account, id))
        fault = None if attachment is None else _disagreement(attachment, versions)
        if attachment is not None and fault is not None:
            found.append(Finding("history", account, id, fault))
        if attachment is not None and attachment.trashed_at is None and attachment.folder not in (None, ROOT):
            folder = await rows.get(FolderKey(account, attachment.folder or ROOT))
            if folder is None:
                found.append(Finding("folder", account, id, f"it lies in {attachment.folder}, which is not there"))
        for version in versions:
            blob = await rows.get(BlobKey(account, version.sha256))
            if blob is None:
                detail = f"version {version.number} of {id} has no blob"
                found.append(Finding("unheld", account, version.sha256.hex(), detail, version.size))
            elif blob.size != version.size:
                detail = f"version {version.number} is said to have {version.size} bytes, its blob has {blob.size}"
                found.append(Finding("history", account, id, detail))
        return found

    async def _ledger(self, account: Account) -> None:
        number = account.number
        for _ in range(_STEADY_READS):
            before = (await self._catalog.find(UsageQuery(number))).items
            figures = (await self._catalog.find(FiguresQuery(number))).items[0]
            after = (await self._catalog.find(UsageQuery(number))).items
            if before == after:
                break
        else:
            # Somebody writes all the time: the rows have to stand still for one count.
            async def body(tx: Tx) -> tuple[tuple[Ledger, ...], Figures]:
                ledger = await tx.get(LedgerKey(number))
                return () if ledger is None else (ledger,), (await tx.find(FiguresQuery(number))).items[0]

            after, figures = await self._catalog.transact(body)
        if not after:
            self._found("ledger", number, account.slug, "it has no ledger")
        elif (after[0].bytes, after[0].attachments) != (figures.bytes, figures.attachments):
            said = f"it says {after[0].bytes} bytes and {after[0].attachments} attachments"
            detail = f"{said}, the rows add up to {figures.bytes} and {figures.attachments}"
            self._found("ledger", number, account.slug, detail)

    # ------------------------------------------------------------ from bytes to rows

    async def stored(self, inventory: Inventory) -> None:
        """Everything in the store: what no row names, what has another length than its row says, what is foreign."""
        batch: list[Stored] = []
        async for stored in inventory.scan():
            if stored.kind == "foreign":
                self._found("foreign", None, stored.locator, "the store has not made it")
            elif stored.kind == "whole":
                batch.append(stored)
            if len(batch) == _PAGE:
                await self._named(batch)
                batch = []
        await self._named(batch)

    async def _named(self, batch: list[Stored]) -> None:
        named = await self._by_locator(batch)
        unnamed = [each for each in batch if each.locator not in named and each.modified_at < self._before]
        if unnamed:
            # A row may have come to name it since the last look.
            later = await self._by_locator(unnamed)
            for stored in unnamed:
                if stored.locator not in later:
                    self._found("orphan", stored.account, stored.locator, "no row names it", stored.size)
        for stored in batch:
            blob = named.get(stored.locator)
            if blob is None or blob.size == stored.size or (blob.account, blob.sha256) in self._damaged:
                continue
            fault = f"it has {stored.size} bytes instead of {blob.size}"
            self._found("damaged", blob.account, blob.sha256.hex(), fault, blob.size)
            await self._mark(blob, fault)
        await asyncio.sleep(0)

    async def _by_locator(self, batch: list[Stored]) -> dict[str, Blob]:
        page = await self._catalog.find(LocatedQuery(tuple(stored.locator for stored in batch)))
        return {blob.locator: blob for blob in page.items}

    async def segments(self, segments: Segments) -> None:
        """Segments that no row names any more."""
        for segment in await segments.segments():
            if segment.growing or segment.modified_at >= self._before:
                continue
            if not (await self._catalog.find(PlacedQuery(segment.prefix, Window(1)))).items:
                self._found("orphan", None, segment.name, "a segment that no row names", segment.size)


def _begin(tenure: Tenure | None, account: int) -> tuple[bytes] | tuple[()] | None:
    """Where to go on in an account after an interruption: after a digest, at its start, or None to pass it by."""
    if tenure is None or not tenure.place:
        return ()
    number, _, digest = tenure.place.partition(":")
    if account < int(number):
        return None
    return (bytes.fromhex(digest),) if account == int(number) else ()


def _disagreement(attachment: Attachment, versions: list[Version]) -> str | None:
    if [version.number for version in versions] != list(range(1, len(versions) + 1)):
        return "its versions are not numbered without gaps"
    last = versions[-1]
    said = (attachment.version, attachment.sha256, attachment.size, attachment.media_type)
    if said != (last.number, last.sha256, last.size, last.media_type):
        return "it does not say what its newest version says"
    return None
