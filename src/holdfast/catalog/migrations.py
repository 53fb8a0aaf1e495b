"""The schema, brought up to date step by step.

Each migration is one transaction together with the row that records it, begun under the write lock: two processes
that start at once run it once, and a crash in its middle leaves nothing of it.
"""

import re
import time
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import apsw

from holdfast.catalog.connection import BUSY_SECONDS, translated
from holdfast.core.errors import Unavailable

_FILE = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT"


class SchemaTooNew(Exception):
    """The catalog was written by a later version of the program, which has to be used to open it."""


class Migration(NamedTuple):
    """One numbered step of the schema."""

    version: int
    name: str
    sql: str


class SchemaVersions(NamedTuple):
    """A schema's version as found, and the newest that this program knows or the one that was reached."""

    found: int
    known: int


def known_migrations() -> tuple[Migration, ...]:
    """All steps that this version of the program knows, in order."""
    return read_migrations("sqlite")


def read_migrations(engine: str) -> tuple[Migration, ...]:
    """All steps that this version of the program knows for an engine, in order."""
    entries = files("holdfast.catalog").joinpath(f"sql/migrations/{engine}").iterdir()
    return tuple(sorted(_read(entry) for entry in entries if _FILE.fullmatch(entry.name)))


def schema_version(connection: apsw.Connection) -> int:
    """The number of the last migration that was run; 0 for an empty file."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'schema_versions'").fetchall():
        return 0
    return int(connection.execute("SELECT coalesce(max(version), 0) FROM schema_versions").get)


def migrate(connection: apsw.Connection, path: Path, migrations: tuple[Migration, ...]) -> int:
    """Run what is missing and give the version reached.

    Raises `SchemaTooNew`, and `Unavailable` when another process holds the file too long.
    """
    with translated():
        _use_write_ahead_log(connection)
        refuse_newer(connection, path, migrations)
        for migration in migrations[schema_version(connection) :]:
            _run(connection, migration)
        return schema_version(connection)


def refuse_newer(connection: apsw.Connection, path: Path, migrations: tuple[Migration, ...]) -> None:
    """Raise `SchemaTooNew` if the file is ahead of the program."""
    found, known = schema_version(connection), migrations[-1].version
    if found > known:
        raise SchemaTooNew(f"{path.name} has schema {found}, this version knows {known}: use the newer version")


def _read(entry: Traversable) -> Migration:
    number, _, name = entry.name.removesuffix(".sql").partition("_")
    return Migration(int(number), name, entry.read_text("utf-8"))


def _run(connection: apsw.Connection, migration: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if schema_version(connection) < migration.version:
            connection.execute(_VERSIONS)
            connection.execute(migration.sql)
            connection.execute("INSERT INTO schema_versions VALUES (?, ?)", migration[:2])
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _use_write_ahead_log(connection: apsw.Connection) -> None:
    # The switch needs the file alone and does not wait for it, unlike everything else.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode = WAL").get != "wal":
                raise Unavailable("The catalog's file system does not support a write-ahead log")
            break
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA wal_autocheckpoint = 4000").fetchall()
    connection.execute(f"PRAGMA journal_size_limit = {64 * 1024 * 1024}").fetchall()
