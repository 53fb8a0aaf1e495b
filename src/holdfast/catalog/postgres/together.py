"""Reads that travel together, and what they gave, remembered until anybody commits.

What makes remembering safe is the engine's own snapshot (`pg_current_snapshot`): it names the transactions that are not
over, in the whole database server. Two snapshots that are alike see the same rows, whichever process or machine has
committed in between. So every request asks for the snapshot of after it came in, and what was read under the same one
is still true. One question serves all requests that wait for it; it leaves when the one before it is back.

Numbers of transactions are handed out again after a crash, if nothing of them had reached the log. So an answer counts
only on a connection that is older than what was remembered: it would not have outlived the crash.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import psycopg

from holdfast.catalog.postgres.failures import raised
from holdfast.catalog.postgres.sessions import Session, Sessions, account_is
from holdfast.catalog.postgres.wording import Statement
from holdfast.catalog.remembered import Remembered

Rows = Sequence[tuple[Any, ...]]

STAMP: Final = Statement(
    "SELECT pg_current_snapshot()::text, pg_postmaster_start_time()::text, coalesce(inet_server_addr()::text, $1)",
    ("",),
)
"""What two reads have to have in common to have seen the same: the snapshot, and the server that it is of."""

MOST: Final = 64
"""Reads in one round trip."""

_NEVER_BUSY: Final = b"\0"


class Lost(Exception):
    """The round trip failed, whosever fault it was: the read has to be made by itself."""


class Errand(NamedTuple):
    """A read: what it is remembered by, its statements under the account to name, and the value of their rows.

    Without statements only what is remembered is asked for. A value of None is not remembered.
    """

    key: Hashable
    context: str | None
    statements: Sequence[Statement]
    value: Callable[[Sequence[Rows]], object | None]


class Elsewhere(NamedTuple):
    """What a read on another connection says of itself: the `epoch` before it, what `STAMP` gave, and since when the
    connection was open."""

    epoch: int
    stamp: Rows
    opened_at: float


_Waiter = tuple[Errand, asyncio.Future[object | None]]


class _Seen:
    """The stamp of the newest round trip."""

    def __init__(self) -> None:
        self.newest = _NEVER_BUSY

    def stamp(self) -> bytes:
        """As `Stamps.stamp`."""
        return self.newest


class Together:
    """The reads of one process."""

    def __init__(self, sessions: Sessions, seconds: float) -> None:
        """`seconds` is the time for one round trip."""
        self._sessions = sessions
        self._seconds = seconds
        self._seen = _Seen()
        self._remembered = Remembered(self._seen)
        # Whether the newest stamp was also that of the trip before: only then is it likely to be so once more.
        self._calm = False
        # What is remembered was read since then, on connections that were open by then.
        self._since = 0.0
        self.epoch = 0
        self._waiting: list[_Waiter] = []
        self._trip: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def read(self, errand: Errand) -> object | None:
        """The value as it is now or was after this was called. Raises `Lost`, `Unavailable`."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._waiting, self._trip = loop, [], None
        future: asyncio.Future[object | None] = loop.create_future()
        self._waiting.append((errand, future))
        if self._trip is None:
            self._trip = loop.create_task(self._travel())
        return await future

    def keep(self, key: Hashable, value: object, read: "Elsewhere") -> None:
        """Remember what was read on another connection."""
        unbroken = read.epoch == self.epoch and read.opened_at <= self._since
        if unbroken and self._stamp(read.stamp) == self._seen.newest and self._remembered.recall(key) is None:
            self._remembered.keep(key, value)

    def stamp(self) -> bytes | None:
        """Of the newest round trip; None when there was none, or one was lost since."""
        return None if self._seen.newest == _NEVER_BUSY else self._seen.newest

    async def close(self) -> None:
        """Wait for the trip that is under way."""
        if self._trip is not None and self._loop is asyncio.get_running_loop():
            await asyncio.wait([self._trip])

    async def _travel(self) -> None:
        """Round trips until nobody waits."""
        going: list[_Waiter] = []
        try:
            while self._waiting:
                going, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                self._waiting[:0] = await self._round(going)
        except BaseException:
            # Nobody is left without an answer, whatever went wrong.
            self._lose([*going, *self._waiting])
            raise
        finally:
            self._trip = None

    def _lose(self, going: Sequence[_Waiter]) -> None:
        """Let each read by himself, and nobody be told that his read saw what the newest round trip did."""
        self._seen.newest = _NEVER_BUSY
        _tell(going, Lost())

    async def _round(self, going: Sequence[_Waiter]) -> Sequence[_Waiter]:
        """One round trip; those whose read has to be asked for in the next."""
        try:
            session = await self._sessions.take()
        except psycopg.Error as error:
            _tell(going, raised(error))
            return ()
        failure: BaseException | None = None
        try:
            return await self._go(session, going)
        except Exception as error:  # noqa: BLE001 -- each is read by itself then, and hears of its own fault
            failure = error
            self._lose(going)
            return ()
        except BaseException as error:
            failure = error
            raise
        finally:
            await self._sessions.give_back(session, failure)

    async def _go(self, session: Session, going: Sequence[_Waiter]) -> Sequence[_Waiter]:
        if session.opened_at > self._since:
            self._since, self.epoch, self._calm = time.monotonic(), self.epoch + 1, False
        asked = self._asked(going)
        found = await session.run([STAMP, *_batch(asked.values())], self._seconds)
        stamp = self._stamp(found[0].rows)
        self._calm = stamp == self._seen.newest
        self._seen.newest = stamp
        answers = (each.rows for each in found[1:])
        values = {key: self._value(errand, answers) for key, errand in asked.items()}
        again: list[_Waiter] = []
        for errand, future in going:
            value = values[errand.key] if errand.key in values else self._remembered.recall(errand.key)
            if value is None and errand.statements and errand.key not in values:
                # It was remembered, and is so no more.
                again.append((errand, future))
            elif not future.done():
                future.set_result(value)
        return again

    def _stamp(self, rows: Rows) -> bytes:
        return _NEVER_BUSY + "\0".join(map(str, (self.epoch, *rows[0]))).encode()

    def _asked(self, going: Sequence[_Waiter]) -> dict[Hashable, Errand]:
        """What has to be read, as far as can be told before the stamp is known."""
        wanted = {errand.key: errand for errand, _ in going if errand.statements}
        if self._calm:
            return {key: errand for key, errand in wanted.items() if self._remembered.recall(key) is None}
        return wanted

    def _value(self, errand: Errand, answers: Iterator[Rows]) -> object | None:
        if errand.context is not None:
            next(answers)
        value = errand.value([next(answers) for _ in errand.statements])
        if value is not None and self._remembered.recall(errand.key) is None:
            self._remembered.keep(errand.key, value)
        return value


def _batch(errands: Iterable[Errand]) -> Iterator[Statement]:
    for errand in errands:
        if errand.context is not None:
            yield account_is(errand.context)
        yield from errand.statements


def _tell(going: Sequence[_Waiter], failure: Exception) -> None:
    for _, future in going:
        if not future.done():
            future.set_exception(failure)
