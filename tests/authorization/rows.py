"""All rows of an installation, seen past its server: whether any was written, and how to put all of them back."""

from collections.abc import Iterator
from typing import Any, Protocol

import apsw
import psycopg
from psycopg.conninfo import conninfo_to_dict

from holdfast.catalog.postgres.catalog import PostgresCatalog
from holdfast.settings import local_path
from tests.engines.postgres import server
from tests.installation import Installation

_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
# What a session writes of itself says nothing of the installation.
_POSTGRES_TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'sessions'
ORDER BY relname
"""


class Rows(Protocol):
    """What is asked of an engine."""

    def stamp(self) -> object:
        """A value that every commit of a change changes."""
        ...

    def restore(self) -> None:
        """Put every row back to where it was at the beginning."""
        ...

    def forget(self) -> None:
        """Let the server remember nothing of what it has read."""
        ...

    def tables(self) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        """Every table with all of its rows."""
        ...

    def close(self) -> None:
        """Let go of the engine."""
        ...


class SqliteRows:
    """Those of a file."""

    def __init__(self, house: Installation) -> None:
        self._own = apsw.Connection(str(local_path(house.settings.catalog)))
        self._own.set_busy_timeout(60_000)
        self._totals = house.store._engines.catalog._totals  # type: ignore[attr-defined]
        self._changes = house.store._engines.catalog._changes  # type: ignore[attr-defined]
        self._kept = apsw.Connection(":memory:")
        with self._kept.backup("main", self._own, "main") as copying:
            copying.step()

    def stamp(self) -> object:
        (version,) = next(iter(self._own.execute("PRAGMA data_version")))
        return version

    def restore(self) -> None:
        with self._own.backup("main", self._kept, "main") as copying:
            copying.step()
        # They are known by a count of changes that has just been turned back.
        self._totals._known.clear()
        self.forget()

    def forget(self) -> None:
        self._changes.begin()
        self._changes.end()

    def tables(self) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        for (table,) in self._own.execute(_TABLES).fetchall():
            yield str(table), self._own.execute(f'SELECT * FROM "{table}"').fetchall()

    def close(self) -> None:
        self._own.close()
        self._kept.close()


class PostgresRows:
    """Those of a database, seen by the owner of its server, before whom there are no walls."""

    def __init__(self, catalog: PostgresCatalog) -> None:
        self._asking = catalog._asking
        self._together = catalog._together
        database = str(conninfo_to_dict(catalog._sessions._dsn)["dbname"])
        self._own = psycopg.connect(server().dsn(database), autocommit=True)
        self._names = [str(name) for (name,) in self._own.execute(_POSTGRES_TABLES.encode()).fetchall()]
        versions = "SELECT md5(string_agg(t.xmin::text || ' ' || t.ctid::text, ' ' ORDER BY t.ctid)) FROM"
        self._versions = " UNION ALL ".join(f"SELECT '{name}', ({versions} {name} t)" for name in self._names)
        self._kept = {name: self._copied(name) for name in self._names}
        self._as_kept = self._now()
        self._at, self._stamp = self._transaction(), self._as_kept

    def stamp(self) -> object:
        """The versions of all rows; they are looked at only when some transaction may have written."""
        at = self._transaction()
        if at != self._at:
            self._at, self._stamp = at, self._now()
        return self._stamp

    def restore(self) -> None:
        now = self._now()
        with self._own.transaction():
            self._own.execute("SET LOCAL session_replication_role = replica")
            for name in self._names:
                if now[name] != self._as_kept[name]:
                    self._own.execute(f"DELETE FROM {name}".encode())
                    with self._own.cursor().copy(f"COPY {name} FROM STDIN".encode()) as copying:
                        copying.write(self._kept[name])
        self._as_kept = self._now()
        self._at, self._stamp = self._transaction(), self._as_kept
        self.forget()

    def forget(self) -> None:
        self._asking._reach_until = 0.0
        self._together._calm = False
        # A transaction that has a number and changes nothing: what was read before it is not trusted.
        self._own.execute("SELECT pg_current_xact_id()")
        self._at = self._transaction()

    def tables(self) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        for name in self._names:
            yield name, self._own.execute(f"SELECT * FROM {name}".encode()).fetchall()

    def close(self) -> None:
        self._own.close()

    def _transaction(self) -> int:
        """A number that every transaction which writes, or locks, makes larger."""
        found = self._own.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchall()
        return int(found[0][0])

    def _now(self) -> dict[str, str]:
        found = self._own.execute(self._versions.encode()).fetchall()
        return {str(name): str(digest) for name, digest in found}

    def _copied(self, name: str) -> bytes:
        with self._own.cursor().copy(f"COPY {name} TO STDOUT".encode()) as copying:
            return b"".join(bytes(block) for block in copying)
