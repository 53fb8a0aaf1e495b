"""Counters against too many requests and too many guesses. They live in an object that the application holds."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from math import ceil
from typing import Final

import msgspec

from holdfast.core.counts import Counts, count_key
from holdfast.core.errors import RateLimited

_MICROSECONDS: Final = 1_000_000


class Quota(msgspec.Struct, frozen=True):
    """Where a caller stands after this request. `reset_at` and `retry_after` are in seconds."""

    limit: int
    remaining: int
    reset_at: int
    retry_after: int


class Counters:
    """Fixed windows: so many of something for a key in so many seconds.

    `clock` gives seconds since the epoch. At most `capacity` keys are kept; windows that are over go first, then the
    oldest, so that a flood of invented keys costs bounded memory. What is counted is `fresh` until other
    processes, where there are any, are told of it.
    """

    __slots__ = ("_capacity", "_fresh", "_windows", "clock")

    def __init__(self, clock: Callable[[], float], capacity: int = 100_000) -> None:
        self.clock = clock
        self._capacity = capacity
        self._windows: dict[Hashable, tuple[float, int]] = {}
        self._fresh: dict[Hashable, int] = {}

    def take(self, key: Hashable, limit: int, seconds: int = 60) -> Quota:
        """Count one. Raises `RateLimited` when the window's limit was already reached."""
        quota = self.look(key, limit, seconds, more=1)
        if quota.remaining < 0:
            raise RateLimited(quota.retry_after, "Too many requests")
        return quota

    def look(self, key: Hashable, limit: int, seconds: int = 60, *, more: int = 0) -> Quota:
        """Where the key stands, after `more` are counted; `remaining` is below zero when they were too many."""
        now = self.clock()
        ends, used = self._windows.get(key, (0.0, 0))
        if ends <= now:
            ends, used = now + seconds, 0
        if more:
            if key not in self._windows and len(self._windows) >= self._capacity:
                self._make_room(now)
            counted = min(used + more, limit + 1)
            if counted > used:
                self._fresh[key] = self._fresh.get(key, 0) + counted - used
            used = counted
            self._windows[key] = (ends, used)
        return Quota(limit, limit - used, ceil(ends), max(1, ceil(ends - now)))

    def fresh(self) -> dict[Hashable, tuple[float, int]]:
        """What was counted since this was last asked, in windows that are still open, with their ends."""
        fresh, self._fresh = self._fresh, {}
        now = self.clock()
        return {
            key: (window[0], more)
            for key, more in fresh.items()
            if (window := self._windows.get(key)) is not None and window[0] > now
        }

    def learn(self, totals: Mapping[Hashable, tuple[float, int]]) -> None:
        """Take over ends of windows and what all processes have counted together; what is fresh comes on top."""
        for key, (ends, used) in totals.items():
            self._windows[key] = (ends, used + self._fresh.get(key, 0))

    def _make_room(self, now: float) -> None:
        for key in [key for key, (ends, _) in self._windows.items() if ends <= now]:
            del self._windows[key]
            self._fresh.pop(key, None)
        for key in list(self._windows)[: max(0, len(self._windows) - self._capacity * 9 // 10)]:
            del self._windows[key]
            self._fresh.pop(key, None)


class Crowd:
    """How many requests each client has under way, and how many of them bring a body. None is no limit.

    It counts for one process: with several workers each has its own figures.
    """

    __slots__ = ("_most", "_most_uploads", "_requests", "_uploads")

    def __init__(self, requests: int | None, uploads: int | None) -> None:
        self._most = requests
        self._most_uploads = uploads
        self._requests: dict[str, int] = {}
        self._uploads: dict[str, int] = {}

    def enter(self, client: str, *, upload: bool) -> None:
        """Count one until `leave`. Raises `RateLimited`, counting nothing, when the client has as many as it may."""
        requests, uploads = self._requests.get(client, 0), self._uploads.get(client, 0)
        if self._most is not None and requests >= self._most:
            raise RateLimited(1, "Too many requests at once from this address")
        if upload and self._most_uploads is not None and uploads >= self._most_uploads:
            raise RateLimited(1, "Too many uploads at once from this address")
        self._requests[client] = requests + 1
        if upload:
            self._uploads[client] = uploads + 1

    def leave(self, client: str, *, upload: bool) -> None:
        """One that has entered is done."""
        _drop(self._requests, client)
        if upload:
            _drop(self._uploads, client)


def _drop(counts: dict[str, int], key: str) -> None:
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]


class Guesses:
    """Failed sign-ins, by the address block and by the name that was tried; counted by all processes together."""

    __slots__ = ("_clock", "_counts", "_limit", "_seconds")

    def __init__(self, counts: Counts, clock: Callable[[], float], limit: int = 10, seconds: int = 300) -> None:
        self._counts = counts
        self._clock = clock
        self._limit = limit
        self._seconds = seconds

    async def check(self, *keys: str) -> None:
        """Raises `RateLimited` before a secret is even looked at. For secrets that nobody can guess."""
        await self._counts.check(_guessed(keys), self._limit, self._now())

    async def attempt(self, *keys: str) -> None:
        """Count a failure for each key before the slow comparison: those that arrive together are counted all the same.

        Raises `RateLimited` before a password is even looked at.
        """
        now = self._now()
        await self._counts.take(_guessed(keys), self._limit, now + self._seconds * _MICROSECONDS, now)

    async def failed(self, *keys: str) -> None:
        """Count a failure for each key after a `check`."""
        now = self._now()
        await self._counts.take(_guessed(keys), None, now + self._seconds * _MICROSECONDS, now)

    async def succeeded(self, *names: str, returned: Sequence[str] = ()) -> None:
        """Forget the failures of these names; of the keys that are `returned`, only what `attempt` has counted."""
        await self._counts.settle(_guessed(names), _guessed(returned), self._now())

    def _now(self) -> int:
        return int(self._clock() * _MICROSECONDS)


def _guessed(keys: Sequence[str]) -> list[str]:
    return [count_key("guess", key) for key in keys]
