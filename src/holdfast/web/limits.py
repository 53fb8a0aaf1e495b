"""Counters against too many requests and too many guesses. They live in an object that the application holds."""

from collections.abc import Callable, Hashable
from math import ceil

import msgspec

from holdfast.core.errors import RateLimited


class Quota(msgspec.Struct, frozen=True):
    """Where a caller stands after this request. `reset_at` and `retry_after` are in seconds."""

    limit: int
    remaining: int
    reset_at: int
    retry_after: int


class Counters:
    """Fixed windows: so many of something for a key in so many seconds.

    `clock` gives seconds since the epoch. At most `capacity` keys are kept; windows that are over go first, then the
    oldest, so that a flood of invented keys costs bounded memory.
    """

    __slots__ = ("_capacity", "_clock", "_windows")

    def __init__(self, clock: Callable[[], float], capacity: int = 100_000) -> None:
        self._clock = clock
        self._capacity = capacity
        self._windows: dict[Hashable, tuple[float, int]] = {}

    def take(self, key: Hashable, limit: int, seconds: int = 60) -> Quota:
        """Count one. Raises `RateLimited` when the window's limit was already reached."""
        quota = self.look(key, limit, seconds, more=1)
        if quota.remaining < 0:
            raise RateLimited(quota.retry_after, "Too many requests")
        return quota

    def look(self, key: Hashable, limit: int, seconds: int = 60, *, more: int = 0) -> Quota:
        """Where the key stands, after `more` are counted; `remaining` is below zero when they were too many."""
        now = self._clock()
        ends, used = self._windows.get(key, (0.0, 0))
        if ends <= now:
            ends, used = now + seconds, 0
        if more:
            if key not in self._windows and len(self._windows) >= self._capacity:
                self._make_room(now)
            used = min(used + more, limit + 1)
            self._windows[key] = (ends, used)
        return Quota(limit, limit - used, ceil(ends), max(1, ceil(ends - now)))

    def forget(self, key: Hashable) -> None:
        """Start afresh, as after a sign-in that succeeded."""
        self._windows.pop(key, None)

    def _make_room(self, now: float) -> None:
        for key in [key for key, (ends, _) in self._windows.items() if ends <= now]:
            del self._windows[key]
        for key in list(self._windows)[: max(0, len(self._windows) - self._capacity * 9 // 10)]:
            del self._windows[key]


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
    """Failed sign-ins, by the address block and by the name that was tried."""

    __slots__ = ("_counters", "_limit", "_seconds")

    def __init__(self, counters: Counters, limit: int = 10, seconds: int = 300) -> None:
        self._counters = counters
        self._limit = limit
        self._seconds = seconds

    def check(self, *keys: str) -> None:
        """Raises `RateLimited` before a password is even looked at."""
        for key in keys:
            quota = self._counters.look(("guess", key), self._limit, self._seconds)
            if quota.remaining <= 0:
                raise RateLimited(quota.retry_after, "Too many failed sign-ins")

    def failed(self, *keys: str) -> None:
        """Count a failure for each key."""
        for key in keys:
            self._counters.look(("guess", key), self._limit, self._seconds, more=1)

    def succeeded(self, *keys: str) -> None:
        """Forget the failures of these keys."""
        for key in keys:
            self._counters.forget(("guess", key))
