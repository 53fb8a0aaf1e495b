"""Looking at a PostgreSQL catalog from outside, without serving from it: what `doctor` asks."""

from typing import NamedTuple

import psycopg

from holdfast.catalog.postgres.migrations import connected, one_line, postgres_migrations, schema_version
from holdfast.core.errors import Unavailable

_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname <> 'schema_versions' AND NOT (
    has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
    AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
ORDER BY 1
"""
_UNWALLED = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account'
WHERE n.nspname = current_schema() AND c.relkind = 'r' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
ORDER BY 1
"""
_SERVER = """
SELECT current_setting('server_version'), current_user::text, r.rolsuper OR r.rolbypassrls,
    current_setting('fsync'), current_setting('full_page_writes'), current_setting('data_checksums'),
    current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
FROM pg_roles r WHERE r.rolname = current_user
"""


class DatabaseFacts(NamedTuple):
    """What a database is like: its server's version, the role that was used, and whether that role passes through the
    walls between accounts; whether the server keeps what it has confirmed, and notices when its disk does not;
    how many may be connected; tables on which the role lacks rights, and those without a wall."""

    found: int
    known: int
    version: str
    role: str
    passes_walls: bool
    is_durable: bool
    has_checksums: bool
    connections: int
    without_rights: tuple[str, ...]
    without_wall: tuple[str, ...]


def facts_of(dsn: str) -> DatabaseFacts:
    """Ask the database. Raises `Unsuitable`, `Unavailable`."""
    with connected(dsn) as connection:
        try:
            version, role, passes, fsync, pages, checksums, most = connection.execute(_SERVER).fetchall()[0]
            rights = tuple(str(row[0]) for row in connection.execute(_TABLES).fetchall())
            unwalled = tuple(str(row[0]) for row in connection.execute(_UNWALLED).fetchall())
            found = schema_version(connection)
        except psycopg.Error as error:
            raise Unavailable(one_line(error)) from error
    durable, known = fsync == "on" and pages == "on", postgres_migrations()[-1].version
    return DatabaseFacts(found, known, version, role, passes, durable, checksums == "on", most, rights, unwalled)
