"""Counts that all processes of an installation keep together, in the catalog: each for a window of time."""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from holdfast.core.errors import Conflict, RateLimited
from holdfast.core.model import Count
from holdfast.core.ports import Catalog, CountKey, CountQuery, Tx, Window

_SECOND: Final = 1_000_000
_OUTLIVED: Final = 3600 * _SECOND
_SWEPT: Final = 8
_TRIES: Final = 4

_Body = Callable[[Tx], Awaitable[None]]


def count_key(*parts: object) -> str:
    """The key of a count for whoever or whatever these parts name: what is stored tells no name and no address."""
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Counts:
    """The counts of an installation. Times are in microseconds."""

    __slots__ = ("_catalog",)

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def check(self, keys: Collection[str], most: int, now: int) -> None:
        """Raises `RateLimited` when one of the keys has as many as it may have."""
        _refuse([await self._catalog.get(CountKey(key)) for key in keys], most, now)

    async def take(self, keys: Collection[str], most: int | None, until: int, now: int) -> None:
        """Count one for each key; a window that begins with it ends at `until`.

        Raises `RateLimited`, counting nothing, when one of them has `most` already.
        """

        async def body(tx: Tx) -> None:
            found = {key: await tx.get(CountKey(key)) for key in sorted(keys)}
            if most is not None:
                _refuse(list(found.values()), most, now)
            for key, count in found.items():
                await _add(tx, count, Count(key, until, 1), now)

        await self._patiently(body)

    async def settle(self, forgotten: Collection[str], returned: Collection[str], now: int) -> None:
        """Forget all that was counted for some keys, and take back one of each of the others."""

        async def body(tx: Tx) -> None:
            for key in sorted({*forgotten, *returned}):
                count = await tx.get(CountKey(key))
                if count is not None and (key in forgotten or count.used <= 1):
                    await tx.remove(count)
                elif count is not None and count.until > now:
                    await tx.save(Count(key, count.until, count.used - 1))

        await self._patiently(body)

    async def share(self, given: Mapping[str, Count], now: int) -> dict[str, Count]:
        """Add what this process has counted; where each key stands with what the others have."""
        totals: dict[str, Count] = {}

        async def body(tx: Tx) -> None:
            for key in sorted(given):
                totals[key] = await _add(tx, await tx.get(CountKey(key)), given[key], now)

        await self._patiently(body)
        return totals

    async def _patiently(self, body: _Body) -> None:
        """Run it; again when another process has begun the same window at the same moment."""
        for _ in range(_TRIES - 1):
            try:
                return await self._catalog.transact(body)
            except Conflict:
                continue
        return await self._catalog.transact(body)


def _refuse(counts: Collection[Count | None], most: int, now: int) -> None:
    ends = [count.until for count in counts if count is not None and count.until > now and count.used >= most]
    if ends:
        raise RateLimited(max(1, -(-(max(ends) - now) // _SECOND)), "Too many failed sign-ins")


async def _add(tx: Tx, found: Count | None, more: Count, now: int) -> Count:
    """The count with more in it; in a new window where the last is over."""
    if found is None:
        await _sweep(tx, now)
        await tx.add(more)
        return more
    counted = more if found.until <= now else Count(found.key, found.until, found.used + more.used)
    await tx.save(counted)
    return counted


async def _sweep(tx: Tx, now: int) -> None:
    """Drop a few that were over long ago, so that there are about as many as windows begin in an hour."""
    for count in (await tx.find(CountQuery(Window(limit=_SWEPT)))).items:
        if count.until < now - _OUTLIVED:
            held = await tx.get(CountKey(count.key))
            if held is not None and held.until == count.until:
                await tx.remove(held)
