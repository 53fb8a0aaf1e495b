"""Closing a SQLite catalog to changes: triggers that refuse them, whoever has the file open.

They are made in one transaction, which waits for the writer at work: all that was committed before can be read, and
nothing is committed after. The reason stands in a view beside them. So are the triggers that note what changes.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from holdfast.catalog import notes
from holdfast.catalog.connection import connect, translated
from holdfast.core.inventory import Closure, Fence, FillLost, Note, WatchLost

T = TypeVar("T")

CLOSED = "closed"
"""What the triggers raise; `connection.core_error` says it in the core's words."""

_OPEN = frozenset({"counts", "leases", "schema_versions", notes.TABLE})
_TABLES = """
SELECT name FROM pragma_table_list
WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'
"""
_VERBS = ("INSERT", "UPDATE", "DELETE")
_VIEW = "closure"


class SqliteGate:
    """`Gate` of the catalog in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._watcher = ""

    async def closure(self) -> Closure | None:
        """As `Gate.closure`."""
        return await asyncio.to_thread(closure_of, self._path)

    async def close(self, why: Closure, fence: Fence | None = None) -> None:
        """As `Gate.close`."""
        await asyncio.to_thread(self._change, lambda connection: _set_behind(connection, why, fence))

    async def open(self, fence: Fence | None = None) -> None:
        """As `Gate.open`."""
        await asyncio.to_thread(self._change, lambda connection: _set_behind(connection, None, fence))

    async def watch(self) -> Closure | None:
        """As `Gate.watch`."""
        self._watcher = secrets.token_hex(16)
        return await asyncio.to_thread(self._change, self._watch)

    async def seen(self, limit: int) -> list[Note]:
        """As `Gate.seen`."""
        return await asyncio.to_thread(self._change, lambda connection: self._read(connection, limit), "BEGIN")

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

    def _watch(self, connection: apsw.Connection) -> Closure | None:
        why = _closure(connection)
        if why is not None and why.state == "moving":
            _set(connection, None)
        notes.begin_notes(connection, self._watcher)
        return why

    def _read(self, connection: apsw.Connection, limit: int) -> list[Note]:
        self._see_that_it_is_ours(connection)
        return notes.read_notes(connection, limit)

    def _forget(self, connection: apsw.Connection, seen: Sequence[Note]) -> None:
        self._see_that_it_is_ours(connection)
        notes.drop_notes(connection, seen)

    def _hold(self, connection: apsw.Connection, why: Closure) -> None:
        self._see_that_it_is_ours(connection)
        _set(connection, why, keep_notes=True)

    def _seal(self, connection: apsw.Connection, why: Closure) -> bool:
        self._see_that_it_is_ours(connection)
        if notes.read_notes(connection, 1):
            return False
        _set(connection, why)
        return True

    def _withdraw(self, connection: apsw.Connection, why: Closure | None) -> None:
        if notes.watcher_of(connection) == self._watcher:
            _set(connection, why)

    def _see_that_it_is_ours(self, connection: apsw.Connection) -> None:
        if notes.watcher_of(connection) != self._watcher:
            raise WatchLost("another move from this catalog has begun, or it was reopened")

    def _change(self, work: Callable[[apsw.Connection], T], begin: str = "BEGIN IMMEDIATE") -> T:
        with translated():
            connection = connect(self._path, "write")
            try:
                connection.execute(begin)
                result = work(connection)
                connection.execute("COMMIT")
                return result
            finally:
                connection.close()


def closure_of(path: Path) -> Closure | None:
    """Why the file is closed; None if it is not, or is not there. Raises `Unavailable`."""
    if not path.exists():
        return None
    with translated():
        connection = connect(path, "read")
        try:
            return _closure(connection)
        finally:
            connection.close()


def is_watched(path: Path) -> bool:
    """Whether the file's changes are noted for a move. Raises `Unavailable`."""
    if not path.exists():
        return False
    with translated():
        connection = connect(path, "read")
        try:
            return notes.watcher_of(connection) is not None
        finally:
            connection.close()


def past(connection: apsw.Connection) -> None:
    """Let this connection change a closed catalog: it is the one that fills it."""
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)


def _closure(connection: apsw.Connection) -> Closure | None:
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (_VIEW,)).fetchall():
        return None
    told = connection.execute(f"SELECT told FROM {_VIEW}").get  # noqa: S608 -- a constant
    return msgspec.json.decode(str(told), type=Closure)


def _set_behind(connection: apsw.Connection, why: Closure | None, fence: Fence | None) -> None:
    if fence is not None:
        number = connection.execute("SELECT fence FROM leases WHERE name = ?", (fence.name,)).get
        if number != fence.number:
            raise FillLost
    _set(connection, why)


def _set(connection: apsw.Connection, why: Closure | None, *, keep_notes: bool = False) -> None:
    connection.execute(f"DROP VIEW IF EXISTS {_VIEW}")
    for table in _closable(connection):
        for verb in _VERBS:
            connection.execute(f"DROP TRIGGER IF EXISTS {_trigger(table, verb)}")
            if why is not None:
                connection.execute(
                    f"CREATE TRIGGER {_trigger(table, verb)} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{CLOSED}'); END"
                )
    if why is not None:
        told = msgspec.json.encode(why).decode().replace("'", "''")
        connection.execute(f"CREATE VIEW {_VIEW} AS SELECT '{told}' AS told")
    if not keep_notes:
        notes.end_notes(connection)


def _closable(connection: apsw.Connection) -> list[str]:
    """The tables that hold rows; what the index of names keeps follows from them."""
    return sorted({str(name) for (name,) in connection.execute(_TABLES)} - _OPEN)


def _trigger(table: str, verb: str) -> str:
    return f"{CLOSED}_{table}_{verb.lower()}"
