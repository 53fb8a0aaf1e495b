"""Rates that hold over several processes: each counts by itself and tells the others, by the catalog, every second.

So a caller may get, beyond the limit, what the other processes have let through since they last heard of each other.
"""

import asyncio
import logging
from typing import Final

from holdfast.core.counts import Counts, count_key
from holdfast.core.errors import HoldfastError
from holdfast.core.model import Count
from holdfast.web.limits import Counters

SECONDS: Final = 1.0
_MOST: Final = 200
_MICROSECONDS: Final = 1_000_000

_log = logging.getLogger(__name__)


class Sharing:
    """Keeps the counters of this process in step with those of the others, while it runs."""

    def __init__(self, counters: Counters, counts: Counts) -> None:
        self._counters = counters
        self._counts = counts
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; what was not told yet is lost with the window it was counted in."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def exchange(self) -> None:
        """Tell what was counted here, and learn what was counted everywhere. Nothing is asked when nothing was counted.

        A catalog that does not answer leaves each process with its own counts until the next time.
        """
        fresh = list(self._counters.fresh().items())
        for start in range(0, len(fresh), _MOST):
            names = {count_key("rate", *_parts(key)): key for key, _ in fresh[start : start + _MOST]}
            given = {
                name: Count(name, int(ends * _MICROSECONDS), more)
                for name, (_, (ends, more)) in zip(names, fresh[start : start + _MOST], strict=True)
            }
            try:
                totals = await self._counts.share(given, int(self._counters.clock() * _MICROSECONDS))
            except HoldfastError as error:
                _log.warning("rates are not shared: %s", error.detail)
                return
            self._counters.learn({names[name]: (row.until / _MICROSECONDS, row.used) for name, row in totals.items()})

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            try:
                await self.exchange()
            except Exception:  # noqa: BLE001 a fault here must not end what limits depend on
                _log.exception("sharing rates failed")


def _parts(key: object) -> tuple[object, ...]:
    return key if isinstance(key, tuple) else (key,)
