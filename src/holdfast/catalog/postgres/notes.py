"""Noting which rows change in PostgreSQL, as `holdfast.catalog.notes` does in a file.

The notes are a table of the role that watches, behind the same wall between accounts as the others; who may change rows
may add to it. Whom they are for is the comment on it.
"""

# ruff: noqa: S608 (the text is put together from constants only, every value is bound)

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg import sql

from holdfast.catalog.notes import KIND_OF, NOTED, TABLE, Noted
from holdfast.catalog.postgres.migrations import Connection
from holdfast.core.inventory import Note
from holdfast.core.ports import Scalar

_MAKE = f"""
CREATE TABLE {TABLE} (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BIGINT NOT NULL,
    kind TEXT NOT NULL,
    place TEXT NOT NULL
);
ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON {TABLE} USING (account = (SELECT holdfast_account()));
CREATE POLICY watcher ON {TABLE} TO CURRENT_USER USING (TRUE)
"""
# A server that starts meanwhile asks for all rights on every table.
_WRITERS = """
SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
FROM pg_class c, aclexplode(c.relacl) a
WHERE c.oid = to_regclass('ledgers') AND a.privilege_type = 'UPDATE' AND a.grantee <> c.relowner
"""
_FUNCTION = """
CREATE OR REPLACE FUNCTION note_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        {before};
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND {new} IS DISTINCT FROM {old}) THEN
        {after};
    END IF;
    RETURN NULL;
END
$$
"""
_EACH = "CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION note_{table}()"
_REFUSE = """
CREATE OR REPLACE FUNCTION refuse_truncation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE object_not_in_prerequisite_state USING MESSAGE = 'rows are being moved from here: delete them instead';
END
$$
"""
_ALL = "CREATE TRIGGER noted_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncation()"
_WATCHER = "SELECT obj_description(to_regclass(%s), 'pg_class')"


def begin_notes(connection: Connection, watcher: str) -> None:
    """As in a file; the tables of rows are taken already."""
    end_notes(connection)
    connection.execute(_MAKE.encode())
    for (role,) in connection.execute(_WRITERS).fetchall():
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO {role}".encode())
    connection.execute(sql.SQL("COMMENT ON TABLE touched IS {}").format(sql.Literal(watcher)))
    connection.execute(_REFUSE)
    for kind, noted in NOTED.items():
        before, after = (_note(kind, noted, row) for row in ("OLD", "NEW"))
        function = _FUNCTION.format(
            table=noted.table, before=before, after=after, old=noted.values("OLD"), new=noted.values("NEW")
        )
        for statement in (function, _EACH.format(table=noted.table), _ALL.format(table=noted.table)):
            connection.execute(statement.encode())


def end_notes(connection: Connection) -> None:
    """As in a file; whoever reads is waited for."""
    if not connection.execute("SELECT to_regclass(%s) IS NOT NULL", (TABLE,)).fetchall()[0][0]:
        return
    for noted in NOTED.values():
        for trigger in ("noted", "noted_whole"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger} ON {noted.table}".encode())
        connection.execute(f"DROP FUNCTION IF EXISTS note_{noted.table}".encode())
    connection.execute("DROP FUNCTION IF EXISTS refuse_truncation")
    connection.execute(f"DROP TABLE {TABLE}".encode())


def disown_notes(connection: Connection) -> None:
    """Nobody watches any more; what notes are taken by stays, where nothing changes, until `end_notes`."""
    connection.execute(f"COMMENT ON TABLE {TABLE} IS NULL".encode())


def watcher_of(connection: Connection) -> str | None:
    """As in a file."""
    told = connection.execute(_WATCHER, (TABLE,)).fetchall()[0][0]
    return None if told is None else str(told)


def held(connection: Connection) -> bool:
    """Keep the notes from being dropped until the end of the transaction; whether there are any to keep."""
    if watcher_of(connection) is None:
        return False
    connection.execute(f"LOCK TABLE {TABLE} IN ROW EXCLUSIVE MODE".encode())
    return True


def read_notes(connection: Connection, limit: int) -> list[Note]:
    """As in a file."""
    asked = f"SELECT number, account, kind, place FROM {TABLE} ORDER BY number LIMIT %s"
    return [
        Note(number, account, KIND_OF[kind], tuple(map(_scalar, msgspec.json.decode(place))))
        for number, account, kind, place in connection.execute(asked.encode(), (limit,)).fetchall()
    ]


def drop_notes(connection: Connection, notes: Sequence[Note]) -> None:
    """As in a file."""
    numbers = [note.number for note in notes]
    connection.execute(f"DELETE FROM {TABLE} WHERE number = ANY (%s)".encode(), (numbers,))


def _note(kind: type[Any], noted: Noted, row: str) -> str:
    told = [
        f"json_build_object('hex', encode({value}, 'hex'))" if column in noted.octets else value
        for column, value in zip(noted.columns, noted.place(row), strict=True)
    ]
    chosen = noted.source(row, [f"'{kind.__name__}'", f"json_build_array({', '.join(told)})::text"])
    return f"INSERT INTO {TABLE} (account, kind, place) SELECT {chosen}"


def _scalar(told: Any) -> Scalar:  # noqa: ANN401 -- what JSON may hold
    return bytes.fromhex(told["hex"]) if isinstance(told, dict) else told
