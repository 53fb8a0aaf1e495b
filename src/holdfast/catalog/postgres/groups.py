"""Bodies that change one account share a transaction, one after the other, and its commit.

Each takes the account's ledger first, so they would wait for each other's commits in any case. Those of one process
that wait at the same time sit down in one transaction instead: what all of them ask for is read once, the ledger is
written once, and one commit makes all durable. None is answered before that. Whatever goes wrong, nothing has been
changed, and each body is run again in a transaction of its own, where it hears of its own fault alone.
"""

import asyncio
import time
from collections import deque
from typing import Any, Final, Protocol

from holdfast.catalog.postgres.conversations import Conversation, How, RunAgain
from holdfast.catalog.postgres.settings import Limits
from holdfast.core.errors import Unavailable
from holdfast.core.ports import Key

SEATS: Final = 16
SECONDS: Final = 0.05
"""How many bodies a group has at most, and for how long it takes in more once the first of them is over."""


class Engine(Protocol):
    """What opens and ends the transactions."""

    async def open(self, *, careful: bool = False) -> Conversation:
        """On a connection of its own. Raises `Unavailable`."""
        ...

    async def end(self, talk: Conversation, spoilt: Exception | None) -> None:
        """Commit it, or roll it back and raise what has spoilt it; give the connection back.

        Raises `RunAgain` and others when nothing was changed, an `Unavailable` that is `unsure` when that is not known.
        """
        ...


class Group:
    """A transaction and who sits in it. `known` are rows that were read or written in it, None for one not there."""

    def __init__(self, talk: Conversation, line: "_Line") -> None:
        self.talk = talk
        self.known: dict[Key[Any], Any] = {}
        self.seats = 1
        self.line = line
        self.until: float | None = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Most groups end well, or all who sit in them hear of it: nobody has to look.
        self.over.add_done_callback(lambda over: over.cancelled() or over.exception())


class _Line:
    """Those who wait for one account. Their turn is a seat in a group, or None: to begin one."""

    def __init__(self, account: int) -> None:
        self.account = account
        self.waiting: deque[asyncio.Future[Group | None]] = deque()

    def call(self, group: Group | None) -> bool:
        """Give the next one his turn; False if nobody waits."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(group)
                return True
        return False


class Groups:
    """The groups of one process."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine = engine
        self._limits = limits
        self._lines: dict[int, _Line] = {}

    async def join(self, account: int) -> Group:
        """A seat in a group of that account, to be left by `leave`. Raises `Unavailable`."""
        line = self._lines.get(account)
        if line is None:
            line = self._lines[account] = _Line(account)
            return await self._begin(line)
        if len(line.waiting) >= self._limits.waiting:
            raise Unavailable("The catalog is busy with other changes")
        turn: asyncio.Future[Group | None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        group = await self._turn(turn)
        return await self._begin(line) if group is None else group

    async def leave(self, group: Group, spoilt: Exception | None = None) -> None:
        """One body is over, and with `spoilt` so is the group. Returns once all that it changed is durable.

        Raises `RunAgain`, and as `Engine.end` does when nobody else was in the group.
        """
        now = time.monotonic()
        if group.until is None:
            # Not earlier: the first has waited for the account, which another process may have held.
            group.until = now + SECONDS
        if spoilt is None and group.seats < SEATS and now < group.until and group.line.call(group):
            group.seats += 1
        else:
            await self._end(group, spoilt)
        await asyncio.shield(group.over)

    def in_company(self, group: Group) -> bool:
        """Whether others sit in the group, or wait for a seat."""
        return group.seats > 1 or bool(group.line.waiting)

    async def _turn(self, turn: "asyncio.Future[Group | None]") -> Group | None:
        try:
            async with asyncio.timeout(self._limits.lock_seconds):
                return await turn
        except TimeoutError:
            if turn.done() and not turn.cancelled():
                return turn.result()
            raise Unavailable("The catalog is busy with other changes") from None

    async def _begin(self, line: _Line) -> Group:
        try:
            return Group(await self._engine.open(), line)
        except BaseException:
            self._next(line)
            raise

    async def _end(self, group: Group, spoilt: Exception | None) -> None:
        try:
            await self._engine.end(group.talk, spoilt)
        except Exception as error:  # noqa: BLE001 -- whoever sits in the group has to be told of anything
            group.over.set_exception(_for_each(error, group))
        except BaseException:
            group.over.set_exception(Unavailable("The catalog is closing"))
            raise
        else:
            group.over.set_result(None)
        finally:
            self._next(group.line)

    def _next(self, line: _Line) -> None:
        if not line.call(None):
            del self._lines[line.account]


def _for_each(error: Exception, group: Group) -> Exception:
    """In company nobody knows whose fault it was: each finds out by himself, unless it may have been done."""
    if group.seats == 1 or getattr(error, "unsure", False):
        return error
    return RunAgain(error.cause if isinstance(error, RunAgain) else error, How.ALONE)
