"""The upkeep of one installation: its duties under leases, for the command line and the background alike."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from holdfast.core.errors import Conflict, Unavailable
from holdfast.core.inventory import Snapshots
from holdfast.core.leases import Leases, Tenure
from holdfast.core.policy import Policy
from holdfast.core.ports import Catalog, FiguresQuery
from holdfast.core.upkeep.collecting import BACKUP, Collected, Rules, collect
from holdfast.core.upkeep.copying import Copied, Destination, copy_blobs
from holdfast.core.upkeep.repairing import Repaired, Spare, recount, refill
from holdfast.core.upkeep.stock import Step, Stock, accounts, unwatched
from holdfast.core.upkeep.verifying import Finding, Reading, Verified, verify

COLLECT = "collect"
VERIFY = "verify"


class Upkeep:
    """What an operator, or a background duty, does to keep an installation sound."""

    def __init__(self, stock: Stock, policy: Policy, leases: Leases, snapshots: Snapshots | None) -> None:
        self.leases = leases
        self._stock = stock
        self._policy = policy
        self._snapshots = snapshots

    async def collect(self, rules: Rules, step: Step = unwatched) -> Collected:
        """Expire the trash and remove what nobody can ask for. Raises `Conflict` while another process does it."""
        if rules.dry_run:
            return await collect(self._stock, self._policy, rules, step=step)
        async with self._alone(COLLECT) as tenure:
            return await collect(self._stock, self._policy, rules, tenure, step)

    async def collect_if_due(self, rules: Rules, every: float) -> Collected | None:
        """As `collect`, at most once in `every` seconds over all processes; None if it is not due here."""
        tenure = await self.leases.take(COLLECT, every)
        if tenure is None:
            return None
        async with self.leases.held(tenure):
            return await collect(self._stock, self._policy, rules, tenure)

    async def verify(self, reading: Reading, step: Step = unwatched) -> Verified:
        """Hold rows against bytes and against each other."""
        return await verify(self._stock, reading, step=step)

    async def verify_if_due(self, reading: Reading, every: float, step: Step = unwatched) -> Verified | None:
        """As `verify`, at most once in `every` seconds over all processes; goes on where an earlier one was stopped."""
        tenure = await self.leases.take(VERIFY, every)
        if tenure is None:
            return None
        async with self.leases.held(tenure):
            return await verify(self._stock, reading, tenure, step)

    async def recount(self, findings: list[Finding]) -> Repaired:
        """Mend the wrong counts among the findings."""
        return await recount(self._stock, findings)

    async def refill(self, findings: list[Finding], spare: Spare, step: Step = unwatched) -> Repaired:
        """Mend the lost bytes among the findings from a second store. Raises `StorageFull`."""
        return await refill(self._stock, findings, spare, step)

    async def extent(self) -> tuple[int, int]:
        """The number of all blobs and their bytes."""
        return await extent(self._stock.catalog)

    async def origin(self) -> str:
        """What tells this installation from others: its first account, and when that was made; empty without one."""
        found = await accounts(self._stock.catalog)
        return f"{found[0].slug}@{found[0].created_at}" if found else ""

    @asynccontextmanager
    async def backing_up(self) -> AsyncIterator[Tenure]:
        """As long as the block runs, no bytes are removed; several may do so together."""
        async with self.leases.shared(BACKUP) as tenure:
            yield tenure

    async def snapshot(self, target: str) -> None:
        """Copy all rows to one file. Raises `Unavailable`, also for a catalog that cannot do it."""
        if self._snapshots is None:
            raise Unavailable("This kind of catalog is backed up by its own tools")
        await self._snapshots.snapshot(target)

    async def copy_blobs(self, rows: Catalog, target: Destination, tenure: Tenure, step: Step = unwatched) -> Copied:
        """Bring every blob that these rows name, from this installation's store to the destination.

        Raises `LeaseLost`, `StorageFull`.
        """
        return await copy_blobs(rows, self._stock.blobs, target, step, check=tenure.check)

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[Tenure]:
        tenure = await self.leases.take(name)
        if tenure is None:
            raise Conflict(f"Another process is busy with {name}; try again when it is done")
        async with self.leases.held(tenure):
            yield tenure


async def extent(rows: Catalog) -> tuple[int, int]:
    """The number of all blobs that the rows name, and their bytes."""
    count = size = 0
    for account in await accounts(rows):
        figures = (await rows.find(FiguresQuery(account.number))).items[0]
        count += figures.blobs
        size += figures.blob_bytes
    return count, size
