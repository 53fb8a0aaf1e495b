"""The duties of a server that runs: begun with it, each done by one process of several, never in the way of its end."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

import msgspec

from holdfast.core.errors import HoldfastError
from holdfast.core.leases import LeaseLost, Sleep
from holdfast.core.upkeep.collecting import Collected, Rules
from holdfast.core.upkeep.front import COLLECT, VERIFY, Upkeep
from holdfast.core.upkeep.verifying import Reading, Verified

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 300.0


class Plan(msgspec.Struct, frozen=True):
    """How often, in seconds, and how."""

    collect_every: float = 3600
    verify_every: float = 24 * 3600
    rules: Rules = Rules()
    reading: Reading = Reading(rate=16 << 20)


class Figure(msgspec.Struct, frozen=True):
    """A number for those who watch the server: a `counter` only grows, a `gauge` is as it is now. `values` by label."""

    name: str
    help: str
    kind: str
    label: str
    values: dict[str, float]


class Duties:
    """Collecting and verifying in the background. `chance` gives numbers from 0 to 1, so that processes that start
    together do not work together."""

    def __init__(
        self,
        upkeep: Upkeep,
        plan: Plan,
        *,
        sleep: Sleep = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self._upkeep = upkeep
        self._plan = plan
        self._sleep = sleep
        self._chance = chance
        self._seconds = seconds
        self._tasks: list[asyncio.Task[None]] = []
        self._done_at: dict[str, float] = {}
        self._failed = {COLLECT: 0, VERIFY: 0}
        self._found: dict[str, float] = {}
        self._removed = {"expired": 0, "blobs": 0, "orphans": 0, "temporaries": 0, "segments": 0}
        self._reclaimed = 0
        self._verified = 0

    async def start(self) -> None:
        """Begin. The first looks come within minutes, not at once."""
        self._tasks = [
            asyncio.create_task(self._serve(COLLECT, self._collect)),
            asyncio.create_task(self._serve(VERIFY, self._verify)),
        ]

    async def stop(self) -> None:
        """Stop what is under way, wherever it is: every duty can be taken up again."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def figures(self) -> tuple[Figure, ...]:
        """What this process has done since it started."""
        return (
            Figure("holdfast_upkeep_last_run_seconds", "When a duty was last done", "gauge", "duty", self._done_at),
            Figure("holdfast_upkeep_failures", "Duties that failed", "counter", "duty", dict(self._failed)),
            Figure("holdfast_upkeep_findings", "What the last verifying found", "gauge", "kind", dict(self._found)),
            Figure("holdfast_upkeep_removed", "What collecting removed", "counter", "kind", dict(self._removed)),
            Figure("holdfast_upkeep_verified_bytes", "Bytes read and digested", "counter", "", {"": self._verified}),
            Figure("holdfast_upkeep_reclaimed_bytes", "Bytes that were removed", "counter", "", {"": self._reclaimed}),
        )

    async def _serve(self, name: str, work: Callable[[], Awaitable[bool]]) -> None:
        while True:
            await self._sleep(_LOOK_SECONDS * (0.5 + self._chance()))
            try:
                if await work():
                    self._done_at[name] = self._seconds()
            except LeaseLost:
                _log.warning("%s goes on in another process", name)
            except HoldfastError as error:
                self._failed[name] += 1
                _log.warning("%s was not done: %s", name, error.detail)
            except Exception:  # noqa: BLE001 -- a fault in a duty must end neither the server nor the duty
                self._failed[name] += 1
                _log.exception("%s failed", name)

    async def _collect(self) -> bool:
        done = await self._upkeep.collect_if_due(self._plan.rules, self._plan.collect_every)
        if done is not None:
            self._count(done)
        return done is not None

    def _count(self, done: Collected) -> None:
        removed = {
            "expired": done.expired,
            "blobs": done.blobs,
            "orphans": done.orphans,
            "temporaries": done.temporaries,
            "segments": done.dropped,
        }
        for kind, count in removed.items():
            self._removed[kind] += count
        self._reclaimed += done.reclaimed
        if any(removed.values()):
            _log.info("collected %s, %d bytes", removed, done.reclaimed)

    async def _verify(self) -> bool:
        done = await self._upkeep.verify_if_due(self._plan.reading, self._plan.verify_every, self._progress)
        if done is not None:
            self._report(done)
        return done is not None

    def _progress(self, size: int) -> None:
        self._verified += size

    def _report(self, done: Verified) -> None:
        found: dict[str, float] = {}
        for finding in done.findings:
            found[finding.kind] = found.get(finding.kind, 0) + 1
            _log.error("verifying found %s %s: %s", finding.kind, finding.subject, finding.detail)
        # A kind that is not found any more says so, rather than to vanish from the graph.
        self._found = dict.fromkeys(self._found, 0.0) | found
