"""Connections, and round trips on them: what is sent together travels together and is answered together."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection, AsyncCursor, AsyncRawCursor
from psycopg.abc import AdaptContext, Buffer
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import StrDumperUnknown
from psycopg_pool import AsyncConnectionPool

from holdfast.catalog.postgres.failures import is_lost
from holdfast.catalog.postgres.settings import Limits
from holdfast.catalog.postgres.wording import Statement

APPLICATION = "holdfast"
STATEMENTS_KEPT = 500
FORGOTTEN_SECONDS = 2 * 24 * 3600
CONNECT_SECONDS = 3
# Beyond any character that text may hold: NUL, which the engine cannot take, is compared as if it were this one.
_INSTEAD_OF_NUL = "\U0010ffff"

_SET_UP = """
WITH forgotten AS (DELETE FROM sessions WHERE opened_at < $4)
INSERT INTO sessions (id, opened_at, attempt) VALUES ($1, $2, 0)
RETURNING
    set_config('statement_timeout', $3, false),
    set_config('lock_timeout', $5, false),
    set_config('idle_in_transaction_session_timeout', $6, false),
    set_config('jit', 'off', false),
    set_config('max_parallel_workers_per_gather', '0', false),
    set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)
"""

Connection = AsyncConnection[Any]


class Result(NamedTuple):
    """What a statement gave: its rows, and what the engine says it did, such as `COMMIT`."""

    rows: list[tuple[Any, ...]]
    done: str


class _Text(StrDumperUnknown):
    def dump(self, obj: str) -> Buffer | None:
        """Text for the engine."""
        return super().dump(obj.replace("\0", _INSTEAD_OF_NUL) if "\0" in obj else obj)


class Session:
    """A connection while it is used."""

    def __init__(self, connection: Connection, id: str) -> None:
        self.connection = connection
        self.id = id
        self.attempt = 0
        self.opened_at = self.taken_at = time.monotonic()

    async def run(self, statements: Sequence[Statement], seconds: float) -> list[Result]:
        """Send the statements together and give what each came to.

        Outside a transaction they are one by themselves. Raises `psycopg.Error`, and `TimeoutError` without an answer.
        """
        cursors: list[AsyncCursor[Any]] = []
        failure: psycopg.Error | None = None
        async with asyncio.timeout(seconds):
            try:
                # Alone a statement travels at less cost without a pipeline.
                async with self.connection.pipeline() if len(statements) > 1 else nullcontext():
                    failure = await self._send(statements, cursors)
            except psycopg.Error as error:
                # Once a statement has failed, all that follow it are said to have been left out.
                failure = failure or error
        if failure is not None:
            raise failure
        return [await _result(cursor) for cursor in cursors]

    async def _send(self, statements: Sequence[Statement], cursors: list[AsyncCursor[Any]]) -> psycopg.Error | None:
        """Send until all is sent, or an answer says that one has failed already."""
        for statement in statements:
            cursor = self.connection.cursor()
            try:
                args = statement.args
                await cursor.execute(statement.text.encode(), args or None, prepare=None if args else False)
            except psycopg.Error as error:
                return error
            cursors.append(cursor)
        return None

    async def undo(self) -> None:
        """Roll back what is open; a connection on which that fails is closed."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self.connection.rollback()
        except (psycopg.Error, TimeoutError):
            with suppress(psycopg.Error):
                await self.connection.close()


class Sessions:
    """The connections of this process to one database, opened when they are needed."""

    def __init__(self, dsn: str, limits: Limits) -> None:
        self._dsn = dsn
        self._limits = limits
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lost_at = 0.0
        self._closed = False
        self._ids: dict[int, Session] = {}

    async def take(self) -> Session:
        """A connection for use, to be given back. Raises `psycopg.OperationalError` when none is to be had in time."""
        pool = await self._open()
        connection = await pool.getconn()
        session = self._ids.get(id(connection))
        if session is None or session.connection is not connection:
            raise psycopg.OperationalError("a connection that was not set up")
        session.taken_at = time.monotonic()
        return session

    async def give_back(self, session: Session, failure: BaseException | None = None) -> None:
        """Let others have the connection; after its loss those that were open beside it are not trusted either."""
        pool = self._pool
        if pool is None:
            await session.connection.close()
            return
        lost = failure is not None and is_lost(failure)
        if lost:
            with suppress(psycopg.Error):
                await session.connection.close()
        if session.connection.closed:
            self._ids.pop(id(session.connection), None)
        await pool.putconn(session.connection)
        if lost and session.taken_at > self._lost_at:
            self._lost_at = time.monotonic()
            await pool.drain()

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        if self._pool is not None:
            await self._pool.close()
            self._pool = None
        self._ids.clear()

    async def _open(self) -> AsyncConnectionPool[Connection]:
        loop = asyncio.get_running_loop()
        if self._closed:
            raise psycopg.OperationalError("the catalog is closed")
        if self._pool is None or self._loop is not loop:
            limits = self._limits
            self._loop = loop
            self._pool = AsyncConnectionPool(
                self._dsn,
                kwargs=connection_options(),
                min_size=0,
                max_size=limits.connections,
                open=False,
                configure=self._configure,
                timeout=limits.wait_seconds,
                reconnect_timeout=limits.wait_seconds,
                max_waiting=limits.waiting,
                name=APPLICATION,
            )
            await self._pool.open()
        return self._pool

    async def _configure(self, connection: Connection) -> None:
        adapt(connection)
        connection.prepared_max = STATEMENTS_KEPT
        session = Session(connection, secrets.token_hex(16))
        now, limits = int(time.time()), self._limits
        args = (
            session.id,
            now,
            _milliseconds(limits.read_seconds),
            now - FORGOTTEN_SECONDS,
            _milliseconds(limits.lock_seconds),
            _milliseconds(limits.transaction_seconds),
        )
        await session.run([Statement(_SET_UP, args)], limits.wait_seconds)
        gone = [key for key, each in self._ids.items() if each.connection.closed]
        for key in gone:
            del self._ids[key]
        self._ids[id(connection)] = session


def connection_options() -> dict[str, Any]:
    """What every connection is opened with, besides what the setting says."""
    return {
        "autocommit": True,
        "cursor_factory": AsyncRawCursor,
        "application_name": APPLICATION,
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 8000,
        "client_encoding": "UTF8",
    }


def adapt(context: AdaptContext) -> None:
    """Send every integer as one of 64 bits, so that a statement is the same whatever is bound in it."""
    context.adapters.register_dumper(int, Int8BinaryDumper)
    context.adapters.register_dumper(str, _Text)


def timeout_of(seconds: float) -> Statement:
    """The statement that gives the rest of the transaction this much time for each statement."""
    return Statement("SELECT set_config('statement_timeout', $1, true)", (_milliseconds(seconds),))


def account_is(context: str) -> Statement:
    """The statement that names the account whose rows the rest of the transaction may meet."""
    return Statement("SELECT set_config('holdfast.account', $1, true)", (context,))


def _milliseconds(seconds: float) -> str:
    return str(max(1, int(seconds * 1000)))


async def _result(cursor: AsyncCursor[Any]) -> Result:
    # The answer is here already: nothing is waited for.
    rows = await cursor.fetchall() if cursor.description else []
    return Result(rows, cursor.statusmessage or "")
