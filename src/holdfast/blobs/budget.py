"""Memory that all uploads of a process share."""

import asyncio
import contextlib
from collections import deque

from holdfast.core.errors import Unavailable


class Budget:
    """So many bytes, and not more. Used from one event loop."""

    def __init__(self, total: int, seconds: float) -> None:
        self.total = total
        self.held = 0
        self.most = 0
        """The most that was ever held at once."""
        self._seconds = seconds
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Take that many bytes, waiting for others to give theirs back. Raises `Unavailable` when that takes too long.

        Who holds some and waits for more may wait for others who do the same, so every wait has an end.
        """
        if not self._waiting and self._fits(size):
            self._hold(size)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give(size)
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove((size, turn))
                self._wake()
            if isinstance(error, TimeoutError):
                raise Unavailable("Too many uploads are under way", retry_after=5) from None
            raise

    def give(self, size: int) -> None:
        """Give that many back."""
        self.held -= size
        self._wake()

    def _fits(self, size: int) -> bool:
        return self.held + size <= self.total

    def _hold(self, size: int) -> None:
        self.held += size
        self.most = max(self.most, self.held)

    def _wake(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._hold(size)
                turn.set_result(None)


class Share:
    """What one upload holds of a budget; giving it back twice does nothing."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._loop = asyncio.get_running_loop()
        self.size = 0

    async def grow(self, size: int) -> None:
        """Hold at least that many bytes. Raises `Unavailable`."""
        if size > self.size:
            await self._budget.take(size - self.size)
            self.size = size

    def shrink(self, size: int) -> None:
        """Hold at most that many bytes."""
        if size < self.size:
            spare, self.size = self.size - size, size
            self._budget.give(spare)

    def drop(self) -> None:
        """Give all of it back, from whichever thread."""
        if self.size:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.shrink, 0)
