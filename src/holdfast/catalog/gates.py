"""Closing a SQLite catalog to changes: triggers that refuse them, whoever has the file open.

They are made in one transaction, which waits for the writer at work: all that was committed before can be read, and
nothing is committed after. The reason stands in a view beside them.
"""

import asyncio
from pathlib import Path

import apsw
import msgspec

from holdfast.catalog.connection import connect, translated
from holdfast.core.inventory import Closure

CLOSED = "closed"
"""What the triggers raise; `connection.core_error` says it in the core's words."""

_OPEN = frozenset({"counts", "leases", "schema_versions"})
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

    async def closure(self) -> Closure | None:
        """As `Gate.closure`."""
        return await asyncio.to_thread(closure_of, self._path)

    async def close(self, why: Closure) -> None:
        """As `Gate.close`."""
        await asyncio.to_thread(self._set, why)

    async def open(self) -> None:
        """As `Gate.open`."""
        await asyncio.to_thread(self._set, None)

    def _set(self, why: Closure | None) -> None:
        with translated():
            connection = connect(self._path, "write")
            try:
                connection.execute("BEGIN IMMEDIATE")
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
                connection.execute("COMMIT")
            finally:
                connection.close()


def closure_of(path: Path) -> Closure | None:
    """Why the file is closed; None if it is not, or is not there. Raises `Unavailable`."""
    if not path.exists():
        return None
    with translated():
        connection = connect(path, "read")
        try:
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (_VIEW,)).fetchall():
                return None
            told = connection.execute(f"SELECT told FROM {_VIEW}").get  # noqa: S608 -- a constant
        finally:
            connection.close()
    return msgspec.json.decode(str(told), type=Closure)


def past(connection: apsw.Connection) -> None:
    """Let this connection change a closed catalog: it is the one that fills it."""
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)


def _closable(connection: apsw.Connection) -> list[str]:
    """The tables that hold rows; what the index of names keeps follows from them."""
    return sorted({str(name) for (name,) in connection.execute(_TABLES)} - _OPEN)


def _trigger(table: str, verb: str) -> str:
    return f"{CLOSED}_{table}_{verb.lower()}"
