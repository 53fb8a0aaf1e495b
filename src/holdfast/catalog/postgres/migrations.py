"""The schema, brought up to date step by step.

Each migration is one transaction together with the row that records it, under a lock of the database: servers that
start at once run it once, and a crash in its middle leaves nothing of it.
"""

from typing import Any

import psycopg

from holdfast.catalog.migrations import Migration, SchemaTooNew, SchemaVersions, read_migrations
from holdfast.catalog.postgres.failures import core_error
from holdfast.core.errors import Unavailable

_LOCK = 0x486F6C6466617374
_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, name TEXT NOT NULL)"
_WAIT_SECONDS = 60

Connection = psycopg.Connection[Any]


class Unsuitable(Exception):
    """The database cannot be used as it is; the text is one line that says why."""


def postgres_migrations() -> tuple[Migration, ...]:
    """All steps that this version of the program knows, in order."""
    return read_migrations("postgres")


def migrate_database(dsn: str, migrations: tuple[Migration, ...] | None = None) -> SchemaVersions:
    """Run what is missing; the version found, and the one reached.

    Raises `SchemaTooNew`, `Unsuitable`, `Unavailable`.
    """
    steps = postgres_migrations() if migrations is None else migrations
    with connected(dsn) as connection:
        try:
            found = schema_version(connection)
            refuse_newer(found, steps)
            for step in steps[found:]:
                _run(connection, step)
            return SchemaVersions(found, schema_version(connection))
        except psycopg.Error as error:
            raise _told(error) from error


def versions_of(dsn: str) -> SchemaVersions:
    """Where the database's schema stands. Raises `Unsuitable`, `Unavailable`."""
    with connected(dsn) as connection:
        return SchemaVersions(schema_version(connection), postgres_migrations()[-1].version)


def connected(dsn: str) -> Connection:
    """A connection for looking after the schema. Raises `Unsuitable` when the setting or the database is wrong."""
    try:
        connection = psycopg.connect(dsn, autocommit=True, connect_timeout=5, application_name="holdfast-schema")
    except psycopg.ProgrammingError:
        # What the driver says of it may quote a part of the password.
        raise Unsuitable("this is not a connection string that PostgreSQL understands") from None
    except psycopg.Error as error:
        raise Unsuitable(one_line(error)) from error
    encoding = connection.execute("SHOW server_encoding").fetchall()[0][0]
    if connection.info.server_version < 140000 or encoding != "UTF8":
        version = connection.info.server_version // 10000
        connection.close()
        raise Unsuitable(f"PostgreSQL 14 or newer and a database in UTF8 are needed, not {version} and {encoding}")
    return connection


def schema_version(connection: Connection) -> int:
    """The number of the last migration that was run; 0 for an empty database."""
    if connection.execute("SELECT to_regclass('schema_versions')").fetchall()[0][0] is None:
        return 0
    return int(connection.execute("SELECT coalesce(max(version), 0) FROM schema_versions").fetchall()[0][0])


def refuse_newer(found: int, migrations: tuple[Migration, ...]) -> None:
    """Raise `SchemaTooNew` if the database is ahead of the program."""
    known = migrations[-1].version
    if found > known:
        raise SchemaTooNew(f"the database has schema {found}, this version knows {known}: use the newer version")


def one_line(error: psycopg.Error) -> str:
    """What the driver says, in one line."""
    return " ".join(str(error).split())


def _run(connection: Connection, step: Migration) -> None:
    with connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{_WAIT_SECONDS}s",))
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if schema_version(connection) >= step.version:
            return
        connection.execute(_VERSIONS)
        connection.execute(step.sql.encode())
        connection.execute("INSERT INTO schema_versions VALUES (%s, %s)", (step.version, step.name))


def _told(error: psycopg.Error) -> Exception:
    failure = core_error(error)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return Unsuitable(f"the schema needs its owner: run holdfast migrate as that role ({one_line(error)})")
    return Unavailable(one_line(error)) if isinstance(failure, Unavailable) else failure
