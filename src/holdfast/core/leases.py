"""Leases: one process of several does a duty, another takes over when it dies, and the one passed over finds out.

The clock decides only who may take over. What a holder may change is decided by the fence, a number that grows with
every change of hands and is read in the very transaction that changes anything: a process that slept through its lease,
or whose clock is wrong, changes nothing any more.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import msgspec

from holdfast.core.errors import HoldfastError
from holdfast.core.model import Lease
from holdfast.core.ports import Catalog, Clock, Entropy, LeaseKey, Rows, Tx

_log = logging.getLogger(__name__)

LEASE_SECONDS = 120
_MICROSECONDS = 1_000_000

Sleep = Callable[[float], Awaitable[None]]


class LeaseLost(Exception):
    """Another process has taken over: whoever meets this stops without changing anything."""


class Tenure:
    """A lease while it is held. `place` may be set to say where the work stands; the next renewal keeps it."""

    __slots__ = ("fence", "is_lost", "name", "place")

    def __init__(self, lease: Lease) -> None:
        self.name = lease.name
        self.fence = lease.fence
        self.place = lease.place
        self.is_lost = False

    async def hold(self, tx: Rows) -> Lease:
        """The lease, still ours as this transaction sees it. Raises `LeaseLost`."""
        lease = await tx.get(LeaseKey(self.name))
        if self.is_lost or lease is None or lease.fence != self.fence:
            self.is_lost = True
            raise LeaseLost(self.name)
        return lease

    def check(self) -> None:
        """Raises `LeaseLost` as soon as it is known to be lost; for work that changes no row."""
        if self.is_lost:
            raise LeaseLost(self.name)


class Leases:
    """The leases of an installation as one process takes them."""

    __slots__ = ("_catalog", "_clock", "_entropy", "_holder", "_sleep")

    def __init__(self, catalog: Catalog, clock: Clock, entropy: Entropy, sleep: Sleep = asyncio.sleep) -> None:
        self._catalog = catalog
        self._clock = clock
        self._entropy = entropy
        self._holder = entropy(8).hex()
        self._sleep = sleep

    async def take(self, name: str, every: float | None = None) -> Tenure | None:
        """The lease, or None while another holds it. With `every`, in seconds, None also before the duty is due again.

        A duty that was last done in the future, since the clock was wrong then or is now, is due.
        """

        async def body(tx: Tx) -> Lease | None:
            now = self._clock()
            found = await tx.get(LeaseKey(name))
            if found is None:
                taken = Lease(name, self._holder, self._until(now), 1)
                await tx.add(taken)
                return taken
            if found.until > now or (every is not None and _was_just_done(found, now, every)):
                return None
            taken = msgspec.structs.replace(found, holder=self._holder, until=self._until(now), fence=found.fence + 1)
            await tx.save(taken)
            return taken

        lease = await self._catalog.transact(body)
        return None if lease is None else Tenure(lease)

    async def renew(self, tenure: Tenure) -> None:
        """Hold on to it for another while, and keep its place. Raises `LeaseLost`."""

        async def body(tx: Tx) -> None:
            lease = await tenure.hold(tx)
            await tx.save(msgspec.structs.replace(lease, until=self._until(self._clock()), place=tenure.place))

        await self._catalog.transact(body)

    async def end(self, tenure: Tenure, *, done: bool) -> None:
        """Let go. `done` says that the duty was done whole, and the next one begins at the start.

        Raises `LeaseLost`.
        """

        async def body(tx: Tx) -> None:
            lease = await tenure.hold(tx)
            now = self._clock()
            done_at, place = (now, "") if done else (lease.done_at, tenure.place)
            # A clock that goes back must not make a lease that was given up look held.
            await tx.save(msgspec.structs.replace(lease, until=0, done_at=done_at, place=place))

        await self._catalog.transact(body)

    @asynccontextmanager
    async def held(self, tenure: Tenure) -> AsyncIterator[Tenure]:
        """Renew it as long as the block runs, and let go when it ends; done if it ends well."""
        renewing = asyncio.create_task(self._renew(tenure))
        done = False
        try:
            yield tenure
            done = True
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            if not tenure.is_lost:
                await self._let_go(tenure, done=done)

    @asynccontextmanager
    async def shared(self, name: str) -> AsyncIterator[Tenure]:
        """A lease that any number may hold together, for as long as the block runs: it keeps others from something.

        Those others ask `revoked` first, which gives way while it is in force, and tells holders that came too late.
        """
        holder = self._entropy(8).hex()
        tenure = Tenure(await self._catalog.transact(partial(self._join, name, holder)))
        renewing = asyncio.create_task(self._renew(tenure))
        try:
            yield tenure
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            if not tenure.is_lost:
                await self._quietly(tenure, self._catalog.transact(partial(_leave, tenure, holder)))

    async def _join(self, name: str, holder: str, tx: Tx) -> Lease:
        now = self._clock()
        found = await tx.get(LeaseKey(name))
        if found is None:
            joined = Lease(name, holder, self._until(now), 1)
            await tx.add(joined)
            return joined
        if found.until > now:
            joined = msgspec.structs.replace(found, holder=f"{found.holder},{holder}", until=self._until(now))
        else:
            joined = msgspec.structs.replace(found, holder=holder, until=self._until(now), fence=found.fence + 1)
        await tx.save(joined)
        return joined

    async def _let_go(self, tenure: Tenure, *, done: bool) -> None:
        await self._quietly(tenure, self.end(tenure, done=done))

    async def _quietly(self, tenure: Tenure, ending: Awaitable[None]) -> None:
        try:
            await ending
        except (LeaseLost, HoldfastError):
            _log.warning("lease of %s not given back; it ends by itself", tenure.name, exc_info=True)

    async def _renew(self, tenure: Tenure) -> None:
        while not tenure.is_lost:
            await self._sleep(LEASE_SECONDS / 4)
            try:
                await self.renew(tenure)
            except LeaseLost:
                _log.warning("another process has taken over %s", tenure.name)
            except HoldfastError:
                _log.warning("lease of %s not renewed", tenure.name, exc_info=True)

    def _until(self, now: int) -> int:
        return now + LEASE_SECONDS * _MICROSECONDS


async def revoked(tx: Tx, name: str, now: int) -> bool:
    """Whether nobody holds that shared lease at that time, in microseconds.

    If somebody held it and let it lapse, that holder finds it lost from now on.
    """
    lease = await tx.get(LeaseKey(name))
    if lease is None or lease.until == 0:
        return True
    if lease.until > now:
        return False
    await tx.save(msgspec.structs.replace(lease, until=0, fence=lease.fence + 1))
    return True


async def _leave(tenure: Tenure, holder: str, tx: Tx) -> None:
    lease = await tenure.hold(tx)
    others = [each for each in lease.holder.split(",") if each != holder]
    until = lease.until if others else 0
    await tx.save(msgspec.structs.replace(lease, holder=",".join(others), until=until))


async def is_in_force(rows: Rows, name: str, now: int) -> bool:
    """Whether some process holds that lease at that time, in microseconds."""
    lease = await rows.get(LeaseKey(name))
    return lease is not None and lease.until > now


def _was_just_done(lease: Lease, now: int, every: float) -> bool:
    return lease.done_at is not None and 0 <= now - lease.done_at < every * _MICROSECONDS
