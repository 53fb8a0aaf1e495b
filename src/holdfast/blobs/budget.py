"""Memory that all uploads of a process share.

Who holds some and waits for more may wait for others who do the same. So a part of the memory is set apart in places,
each large enough for any one upload to its end: who finds no room elsewhere takes a place, if one is free, and leaves
what it held before to the others. Those who have a place never wait, so there is always one who comes to an end.
"""

import asyncio
import contextlib
from collections import deque

from holdfast.core.errors import Unavailable


class Budget:
    """So many bytes, and not more; no upload holds more than `each`. Used from one event loop."""

    def __init__(self, total: int, each: int, seconds: float) -> None:
        if total < each:
            raise ValueError("one upload must find room")
        self.most = 0
        """The most that was ever held at once."""
        self._places = max(1, total // each // 4)
        self._common = total - self._places * each
        self._common_held = 0
        self._placed: set[Share] = set()
        self._seconds = seconds
        self._waiting: deque[tuple[Share, int, asyncio.Future[None]]] = deque()

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._common_held + sum(share.size for share in self._placed)

    async def take(self, share: "Share", size: int) -> None:
        """Let the share hold that many, waiting for others to give theirs back. Raises `Unavailable` when that takes
        too long."""
        if (share in self._placed or not self._waiting) and self._granted(share, size):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (share, size, turn)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except TimeoutError:
            raise Unavailable("Too many uploads are under way", retry_after=5) from None
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(entry)
            self._wake()

    def give(self, share: "Share", size: int) -> None:
        """Let it hold that many, which are fewer."""
        if share in self._placed:
            share.size = size
            if not size:
                self._placed.discard(share)
        else:
            self._common_held -= share.size - size
            share.size = size
        self._wake()

    def _granted(self, share: "Share", size: int) -> bool:
        if share not in self._placed:
            if self._common_held + size - share.size <= self._common:
                self._common_held += size - share.size
            elif len(self._placed) < self._places:
                self._common_held -= share.size
                self._placed.add(share)
            else:
                return False
        share.size = size
        self.most = max(self.most, self.held)
        return True

    def _wake(self) -> None:
        while self._waiting:
            share, size, turn = self._waiting[0]
            if not turn.done():
                if not self._granted(share, size):
                    return
                turn.set_result(None)
            self._waiting.popleft()


class Share:
    """What one upload holds of a budget; giving it back twice does nothing."""

    def __init__(self, budget: Budget) -> None:
        self.size = 0
        self._budget = budget
        self._loop = asyncio.get_running_loop()

    async def grow(self, size: int) -> None:
        """Hold at least that many bytes. Raises `Unavailable`."""
        if size > self.size:
            await self._budget.take(self, size)

    def shrink(self, size: int) -> None:
        """Hold at most that many bytes."""
        if size < self.size:
            self._budget.give(self, size)

    def drop(self) -> None:
        """Give all of it back, from whichever thread."""
        if self.size:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.shrink, 0)
