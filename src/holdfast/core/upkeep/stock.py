"""What the duties work on, and the few steps that all of them share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

import msgspec

from holdfast.core.access import Guard, Work
from holdfast.core.inventory import Inventory, Segments
from holdfast.core.leases import Tenure
from holdfast.core.model import EVERYTHING, Account, Actor
from holdfast.core.ports import AccountQuery, Blobs, Catalog, Clock, Page, Query, Rows, Window

T = TypeVar("T")
R = TypeVar("R")

MICROSECONDS = 1_000_000

Step = Callable[[int], None]
"""Told after each item, with its size in bytes."""


def unwatched(_size: int) -> None:
    """A step that tells nobody."""


class Stock(msgspec.Struct, frozen=True):
    """Rows and bytes of an installation. A blob store may have no inventory, or no segments."""

    catalog: Catalog
    blobs: Blobs
    clock: Clock
    inventory: Inventory | None = None
    segments: Segments | None = None

    def before(self, seconds: float) -> int:
        """The time that many seconds ago, in microseconds."""
        return self.clock() - int(seconds * MICROSECONDS)

    async def change(self, account: int, permission: str, body: Callable[[Work], Awaitable[T]]) -> T:
        """Run a body in one numbered transaction of the account, as the system."""
        actor = Actor(account, "system", "system", "system", frozenset({EVERYTHING}))
        return await Guard(actor, self.catalog, self.clock).change(permission, body)


async def fence(tenure: Tenure | None, rows: Rows) -> None:
    """See that the duty is still ours; work that was asked for by a person holds no lease. Raises `LeaseLost`."""
    if tenure is not None:
        await tenure.hold(rows)


async def pages(rows: Rows, query: Callable[[Window], Query[R]], size: int) -> AsyncIterator[tuple[R, ...]]:
    """The pages of a query, `size` rows each, from the start."""
    window = Window(size)
    while True:
        page: Page[R] = await rows.find(query(window))
        if page.items:
            yield page.items
        if page.next is None:
            return
        window = Window(size, after=page.next)


async def accounts(rows: Rows) -> list[Account]:
    """All accounts, oldest first."""
    found = [account async for page in pages(rows, AccountQuery, 500) for account in page]
    return sorted(found, key=lambda account: account.number)


async def all_of(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of these come to; one that fails does so when the others have ended."""
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
