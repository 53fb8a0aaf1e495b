"""Filling the target of a move: of several that fill the same place, the one that began last, and no other.

A move that was paused or cut off from its database does not know that another has taken its place, and whatever it had
read is old by then. So each takes the target with a number that grows, and the number is read in the very transaction
that changes anything: whoever was passed over changes nothing any more, not even a target that was opened since.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import msgspec

from holdfast.core.inventory import Fence, FillLost
from holdfast.core.model import Lease
from holdfast.core.ports import Catalog, Key, LeaseKey, Page, Query, R, Tx

T = TypeVar("T")

FILLING = "filling"
"""The lease of the target that tells who fills it. It never runs out: it is taken by the next one."""


class Filling:
    """A `Catalog` that changes only while this move is the one that fills it. Made by `seize`."""

    def __init__(self, catalog: Catalog, fence: Fence) -> None:
        self.fence = fence
        self._catalog = catalog

    async def get(self, key: Key[R]) -> R | None:
        """As `Rows.get`."""
        return await self._catalog.get(key)

    async def find(self, query: Query[R]) -> Page[R]:
        """As `Rows.find`."""
        return await self._catalog.find(query)

    async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """As `Catalog.transact`. Raises `FillLost` too; nothing is changed then."""
        return await self._catalog.transact(partial(self._fenced, body))

    def stamp(self) -> bytes | None:
        """As `Catalog.stamp`."""
        return self._catalog.stamp()

    async def close(self) -> None:
        """As `Catalog.close`."""
        await self._catalog.close()

    async def _fenced(self, body: Callable[[Tx], Awaitable[T]], tx: Tx) -> T:
        lease = await tx.get(LeaseKey(self.fence.name))
        if lease is None or lease.fence != self.fence.number:
            raise FillLost
        return await body(tx)


async def seize(target: Catalog, holder: str) -> Filling:
    """Take the target from whoever filled it until now; a transaction of theirs that is under way is waited for.

    Raises `Unavailable` where that one does not end.
    """
    return Filling(target, Fence(FILLING, await target.transact(partial(_take, holder))))


async def _take(holder: str, tx: Tx) -> int:
    found = await tx.get(LeaseKey(FILLING))
    if found is None:
        await tx.add(Lease(FILLING, holder, 0, 1))
        return 1
    await tx.save(msgspec.structs.replace(found, holder=holder, fence=found.fence + 1))
    return found.fence + 1
