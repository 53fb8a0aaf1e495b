"""Closing a PostgreSQL catalog to changes: triggers that refuse them, whichever server asks.

Making them takes the tables from all writers for a moment: those at work are waited for, and later ones are refused. It
takes the role that owns the tables. The reason is the comment on one of the triggers. The triggers that note what
changes are made in the same way.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from holdfast.catalog.notes import TABLE
from holdfast.catalog.postgres import notes
from holdfast.catalog.postgres.migrations import Connection, connected, one_line
from holdfast.core.errors import Unavailable
from holdfast.core.inventory import Closure, Fence, FillLost, Note, WatchLost

T = TypeVar("T")

_TRIGGER = "closed"
_OPEN = frozenset({"counts", "leases", "sessions", "schema_versions", TABLE})
_WAIT_SECONDS = 30
_TRIES = 5
_TABLES = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
_TOLD = """
SELECT obj_description(t.oid, 'pg_trigger') FROM pg_trigger t
WHERE t.tgrelid = to_regclass('accounts') AND t.tgname = 'closed'
"""
_OWNED = """
SELECT coalesce(
    bool_and(pg_has_role(current_user, tableowner, 'MEMBER')), has_schema_privilege(current_schema(), 'CREATE')
)
FROM pg_tables WHERE schemaname = current_schema()
"""
_REFUSE = """
CREATE OR REPLACE FUNCTION refuse_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE object_not_in_prerequisite_state USING MESSAGE = 'closed';
END
$$
"""
_CLOSE = """
CREATE OR REPLACE TRIGGER closed BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {} FOR EACH STATEMENT
WHEN (current_setting('holdfast.past_gate', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION refuse_changes()
"""


class PostgresGate:
    """`Gate` of the catalog in a database."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._watcher = ""

    async def closure(self) -> Closure | None:
        """As `Gate.closure`."""
        return await asyncio.to_thread(closure_of, self._dsn)

    async def close(self, why: Closure, fence: Fence | None = None) -> None:
        """As `Gate.close`."""
        await asyncio.to_thread(self._change, lambda connection: _close_behind(connection, why, fence))

    async def open(self, fence: Fence | None = None) -> None:
        """As `Gate.open`."""
        await asyncio.to_thread(self._change, lambda connection: _close_behind(connection, None, fence))

    async def watch(self) -> Closure | None:
        """As `Gate.watch`."""
        self._watcher = secrets.token_hex(16)
        return await asyncio.to_thread(self._change, self._watch)

    async def seen(self, limit: int) -> list[Note]:
        """As `Gate.seen`."""
        return await asyncio.to_thread(self._change, lambda connection: self._read(connection, limit))

    async def forget(self, seen: Sequence[Note]) -> None:
        """As `Gate.forget`."""
        await asyncio.to_thread(self._change, lambda connection: self._forget(connection, seen))

    async def hold(self, why: Closure) -> None:
        """As `Gate.hold`."""
        await asyncio.to_thread(self._change, lambda connection: self._hold(connection, why))

    async def seal(self, why: Closure) -> bool:
        """As `Gate.seal`."""
        return await asyncio.to_thread(self._change, lambda connection: self._seal(connection, why))

    async def withdraw(self, why: Closure | None) -> None:
        """As `Gate.withdraw`."""
        await asyncio.to_thread(self._change, lambda connection: self._withdraw(connection, why))

    def _watch(self, connection: Connection) -> Closure | None:
        _take(connection)
        why = _closure(connection)
        if why is not None and why.state == "moving":
            _close(connection, None)
        notes.begin_notes(connection, self._watcher)
        return why

    def _read(self, connection: Connection, limit: int) -> list[Note]:
        self._see_that_it_is_ours(connection)
        return notes.read_notes(connection, limit)

    def _forget(self, connection: Connection, seen: Sequence[Note]) -> None:
        self._see_that_it_is_ours(connection)
        notes.drop_notes(connection, seen)

    def _hold(self, connection: Connection, why: Closure) -> None:
        _take(connection)
        self._see_that_it_is_ours(connection)
        _close(connection, why, keep_notes=True)

    def _seal(self, connection: Connection, why: Closure) -> bool:
        _take(connection)
        self._see_that_it_is_ours(connection)
        if notes.read_notes(connection, 1):
            return False
        # Taking triggers away would have to wait for all who read, and let nobody read meanwhile.
        notes.disown_notes(connection)
        _close(connection, why, keep_notes=True)
        return True

    def _withdraw(self, connection: Connection, why: Closure | None) -> None:
        _take(connection)
        if notes.watcher_of(connection) == self._watcher:
            _close(connection, why)

    def _see_that_it_is_ours(self, connection: Connection) -> None:
        if not notes.held(connection) or notes.watcher_of(connection) != self._watcher:
            raise WatchLost("another move from this catalog has begun, or it was reopened")

    def _change(self, work: Callable[[Connection], T]) -> T:
        for attempt in range(_TRIES):
            with connected(self._dsn) as connection:
                try:
                    with connection.transaction():
                        return work(connection)
                except errors.DeadlockDetected:
                    time.sleep(0.1 * attempt)
                except errors.InsufficientPrivilege:
                    raise Unavailable(
                        "Closing the catalog takes the role that owns its tables: move as that role, as for migrate"
                    ) from None
                except psycopg.Error as error:
                    raise Unavailable(f"The catalog was not closed: {one_line(error)}") from error
        raise Unavailable("The catalog was not closed: its writers were in the way")


def closure_of(dsn: str) -> Closure | None:
    """Why the database is closed; None if it is not. Raises `Unavailable`, `Unsuitable`."""
    with connected(dsn) as connection:
        try:
            return _closure(connection)
        except psycopg.Error as error:
            raise Unavailable(one_line(error)) from error


def is_watched(dsn: str) -> bool:
    """Whether the database's changes are noted for a move. Raises `Unavailable`, `Unsuitable`."""
    with connected(dsn) as connection:
        try:
            return notes.watcher_of(connection) is not None
        except psycopg.Error as error:
            raise Unavailable(one_line(error)) from error


def may_close(dsn: str) -> bool:
    """Whether the role of this connection string could close it. Raises `Unavailable`, `Unsuitable`."""
    with connected(dsn) as connection:
        try:
            return bool(connection.execute(_OWNED).fetchall()[0][0])
        except psycopg.Error as error:
            raise Unavailable(one_line(error)) from error


def past(dsn: str) -> str:
    """The same connection string for the one who fills a closed catalog."""
    before: dict[str, Any] = dict(conninfo_to_dict(dsn))
    return make_conninfo(dsn, options=f"{before.get('options') or ''} -c holdfast.past_gate=on".strip())


def _take(connection: Connection) -> list[sql.Identifier]:
    """Wait for the writers at work, and let no others begin until the end of the transaction; the tables of rows."""
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{_WAIT_SECONDS}s",))
    tables = [str(name) for (name,) in connection.execute(_TABLES).fetchall() if name not in _OPEN]
    names = [sql.Identifier(table) for table in tables]
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.SQL(", ").join(names)))
    return names


def _closure(connection: Connection) -> Closure | None:
    rows = connection.execute(_TOLD).fetchall()
    return msgspec.json.decode(str(rows[0][0]), type=Closure) if rows else None


def _close_behind(connection: Connection, why: Closure | None, fence: Fence | None) -> None:
    if fence is not None:
        # Held to the end, and before the tables, as by whoever fills them.
        rows = connection.execute("SELECT fence FROM leases WHERE name = %s FOR UPDATE", (fence.name,)).fetchall()
        if [number for (number,) in rows] != [fence.number]:
            raise FillLost
    _close(connection, why)


def _close(connection: Connection, why: Closure | None, *, keep_notes: bool = False) -> None:
    names = _take(connection)
    if not keep_notes:
        notes.end_notes(connection)
    if why is None:
        for name in names:
            connection.execute(sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(sql.Identifier(_TRIGGER), name))
        return
    connection.execute(_REFUSE)
    for name in names:
        connection.execute(sql.SQL(_CLOSE).format(name))
    told = sql.Literal(msgspec.json.encode(why).decode())
    connection.execute(sql.SQL("COMMENT ON TRIGGER closed ON accounts IS {}").format(told))
