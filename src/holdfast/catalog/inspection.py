"""Looking at a SQLite catalog from outside, without serving from it: `migrate` and `doctor`."""

from pathlib import Path

import apsw

from holdfast.catalog.connection import connect, translated
from holdfast.catalog.migrations import SchemaVersions, known_migrations, migrate, schema_version


def migrate_file(path: Path) -> SchemaVersions:
    """Bring the file's schema up to date, making the file if it is missing; `found` is the version before.

    Raises `SchemaTooNew`, `Unavailable`.
    """
    connection = connect(path, "write")
    try:
        with translated():
            before = schema_version(connection)
        return SchemaVersions(before, migrate(connection, path, known_migrations()))
    finally:
        connection.close()


def versions_of(path: Path) -> SchemaVersions:
    """Where an existing file's schema stands. Raises `Unavailable`."""
    with translated():
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        with translated():
            return SchemaVersions(schema_version(connection), known_migrations()[-1].version)
    finally:
        connection.close()


def damage_of(path: Path) -> tuple[str, ...]:
    """What is wrong with an existing file, in the engine's words; empty if nothing is. Reads all of it."""
    with translated():
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        with translated():
            rows = connection.execute("PRAGMA integrity_check").fetchall()
            loose = connection.execute("PRAGMA foreign_key_check").fetchall()
    finally:
        connection.close()
    torn = (f"a row of {row[0]} hangs on a row of {row[2]} that is not there" for row in loose)
    return (*(str(row[0]) for row in rows if row[0] != "ok"), *torn)
