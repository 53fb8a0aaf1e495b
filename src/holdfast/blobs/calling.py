"""Calling an object store: how often, how many at once, and when no longer."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import msgspec

from holdfast.blobs.answers import FAILURES, Answer, read_answer, unavailable
from holdfast.core.errors import Unavailable

T = TypeVar("T")

_log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]


class Patience(msgspec.Struct, frozen=True):
    """How long a store is borne with. Times in seconds.

    One request is tried at most `attempts` times within `within`, `first_pause` after the first failure and up to
    twice as long after each further one, never longer than `longest_pause`. After `failures` in a row, whoever asked,
    nothing is asked for `rest`. At most `requests` and `streams` are under way at once, and others wait at most `queue`
    for their turn. An attempt has `answer` to begin its answer, and each piece of a body `piece` to arrive.
    """

    attempts: int = 7
    within: float = 30.0
    first_pause: float = 0.1
    longest_pause: float = 5.0
    failures: int = 16
    rest: float = 5.0
    requests: int = 64
    streams: int = 1024
    queue: float = 30.0
    answer: float = 10.0
    piece: float = 30.0


class Breaker:
    """Closed while the store answers. After a run of failures it is open for a while, and everyone is told so at once;
    then one attempt is let through, which closes it or opens it anew."""

    def __init__(self, failures: int, rest: float, monotonic: Callable[[], float]) -> None:
        self._limit = failures
        self._rest = rest
        self._monotonic = monotonic
        self._failures = 0
        self._asked_again_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the store is given a rest."""
        return self._asked_again_at is not None

    def enter(self) -> None:
        """Ask to attempt something. Raises `Unavailable` while it is open."""
        if self._asked_again_at is None:
            return
        now = self._monotonic()
        if now < self._asked_again_at:
            raise outage(retry_after=max(1, round(self._asked_again_at - now)))
        # Half open: this one is let through, the next ones only after its rest.
        self._asked_again_at = now + self._rest

    def succeeded(self) -> None:
        """The store has answered."""
        self._failures = 0
        if self._asked_again_at is not None:
            self._asked_again_at = None
            _log.warning("the object store answers again")

    def failed(self) -> None:
        """It has not."""
        self._failures += 1
        if self._failures >= self._limit and self._asked_again_at is None:
            self._asked_again_at = self._monotonic() + self._rest
            _log.error("the object store has failed %d times in a row and is given a rest", self._failures)


class Refused(Exception):
    """The store has answered, and no further attempt would change what it says."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer))
        self.answer = answer


class Failed(Exception):
    """An attempt failed, and another may succeed."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer))
        self.answer = answer


class Caller:
    """Makes requests with patience. Used from one event loop."""

    def __init__(
        self,
        patience: Patience,
        *,
        sleep: Sleep = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience = patience
        self.breaker = Breaker(patience.failures, patience.rest, monotonic)
        self._sleep = sleep
        self._chance = chance
        self._monotonic = monotonic
        self._requests = asyncio.Semaphore(patience.requests)
        self._streams = asyncio.Semaphore(patience.streams)

    async def call(self, request: Callable[[], Awaitable[T]], *, seconds: float | None = None) -> T:
        """The outcome of a request that may be made several times; each attempt has that many seconds.

        Raises `Refused` when the store has answered and the answer is no, `Unavailable` when it does not.
        """
        attempt, until = 1, self._monotonic() + self.patience.within
        while True:
            try:
                return await self.attempt(request, seconds=seconds)
            except Failed as failure:
                pause = self.pause(attempt)
                if attempt == self.patience.attempts or self._monotonic() + pause > until:
                    raise unavailable(failure.answer) from failure
            attempt += 1
            await self._sleep(pause)

    async def attempt(self, request: Callable[[], Awaitable[T]], *, seconds: float | None = None) -> T:
        """One attempt. Raises `Failed` if another may succeed, else as `call` does."""
        async with self._turn(self._requests):
            self.breaker.enter()
            try:
                async with asyncio.timeout(seconds or self.patience.answer):
                    outcome = await request()
            except FAILURES as error:
                raise self.understood(error) from error
        self.breaker.succeeded()
        return outcome

    def understood(self, error: BaseException) -> Failed | Refused:
        """Take note of a failure and say what it is."""
        answer = read_answer(error)
        if not answer.again:
            self.breaker.succeeded()
            return Refused(answer)
        self.breaker.failed()
        return Failed(answer)

    def pause(self, attempt: int) -> float:
        """How long to wait after that many failed attempts: at random, so that those who failed together do not come
        back together."""
        longest: float = min(self.patience.longest_pause, self.patience.first_pause * 2 ** (attempt - 1))
        return longest * (0.5 + self._chance() / 2)

    def stream(self) -> AbstractAsyncContextManager[None]:
        """A turn for a body that is read for as long as its reader takes. Raises `Unavailable`."""
        return self._turn(self._streams)

    @asynccontextmanager
    async def _turn(self, semaphore: asyncio.Semaphore) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.patience.queue):
                await semaphore.acquire()
        except TimeoutError:
            raise Unavailable("The blob store is busy") from None
        try:
            yield
        finally:
            semaphore.release()


def outage(*, retry_after: int = 1) -> Unavailable:
    """The store as a whole does not answer."""
    failure = Unavailable("The blob store cannot answer now", retry_after=retry_after)
    failure.outage = True
    return failure
