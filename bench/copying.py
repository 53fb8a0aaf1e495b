"""Puts attachment rows into a catalog on PostgreSQL by COPY, some ten times as fast as one insert after the other.

The role has to be a superuser: COPY does not go past row-level security.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

import psycopg

from holdfast.catalog.folding import fold, name_pieces
from holdfast.catalog.postgres.grammar import openings_column
from holdfast.core.identity import uuid7
from holdfast.core.links import Hook
from holdfast.core.model import Attachment

BATCH = 20_000
Row = tuple[Any, ...]

_ATTACHMENTS = (
    "key, account, id, number, name, description, media_type, size, sha256, version, revision, properties, folder, "
    "created_at, created_by, updated_at, updated_by, trashed_at, trashed, path, path_md5, folded, openings"
)
_VERSIONS = "account, attachment, number, name, media_type, size, sha256, created_at, created_by"
_LINKS = "account, id, attachment, record, type, role, position, caption, created_at, created_by, trashed"


class Batch:
    """Rows like the model: names seed-<n>.pdf, each `apart` microseconds after the one before."""

    def __init__(self, model: Attachment, numbers: range, apart: int) -> None:
        self._model = model
        self._numbers = numbers
        self._apart = apart
        self._ids = [uuid7(self.at(place), os.urandom) for place in range(len(numbers))]

    def at(self, place: int) -> int:
        return self._model.created_at + (self._numbers[place] + 1) * self._apart

    def attachments(self, key: int) -> Iterator[Row]:
        model = self._model
        for place, n in enumerate(self._numbers):
            name = f"seed-{n}.pdf"
            at, number, folded = self.at(place), model.number + n + 1, fold(name)
            told = (model.account, self._ids[place], number, name, None, model.media_type, model.size, model.sha256)
            made = (1, 1, "{}", None, at, model.created_by, at, model.updated_by, None, 0, None, None)
            yield (key + place, *told, *made, folded, openings_column(folded))

    def versions(self, key: int) -> Iterator[Row]:
        model = self._model
        for place, n in enumerate(self._numbers):
            told = (1, f"seed-{n}.pdf", model.media_type, model.size, model.sha256, self.at(place), model.created_by)
            yield (model.account, key + place, *told)

    def links(self, key: int, record: int, hook: Hook) -> Iterator[Row]:
        model = self._model
        for place in range(len(self._numbers)):
            at, id = self.at(place), uuid7(self.at(place), os.urandom)
            kind = (hook.record.type, hook.role, 0, None)
            yield (model.account, id, key + place, record, *kind, at, model.created_by, 0)

    def names(self, key: int) -> Iterator[Row]:
        account = self._model.account
        for place, n in enumerate(self._numbers):
            for piece in name_pieces(account, f"seed-{n}.pdf").split():
                yield (account, piece, key + place)


def copy_in(dsn: str, model: Attachment, rows: int, hooks: tuple[Hook, ...], apart: int) -> None:
    """Insert the rows, and let ledger, blob and identity columns say so."""
    with psycopg.connect(dsn) as connection:
        first = int(connection.execute("SELECT coalesce(max(key), 0) + 1 FROM attachments").fetchall()[0][0])
        records = [_record(connection, model.account, hook) for hook in hooks]
        for start in range(0, rows, BATCH):
            batch, key = Batch(model, range(start, min(start + BATCH, rows)), apart), first + start
            _copy(connection, "attachments", _ATTACHMENTS, batch.attachments(key))
            _copy(connection, "versions", _VERSIONS, batch.versions(key))
            for hook, record in zip(hooks, records, strict=True):
                _copy(connection, "links", _LINKS, batch.links(key, record, hook))
            _copy(connection, "attachment_names", "account, piece, attachment", batch.names(key))
            connection.commit()
            print(f"\rseeded {min(start + BATCH, rows)} of {rows}", end="", file=sys.stderr)
        print(file=sys.stderr)
        _settle(connection, model, rows, apart)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _record(connection: psycopg.Connection[Row], account: int, hook: Hook) -> int:
    asked = "SELECT key FROM records WHERE account = %s AND type = %s AND id = %s"
    return int(connection.execute(asked, (account, hook.record.type, hook.record.id)).fetchall()[0][0])


def _copy(connection: psycopg.Connection[Row], table: str, columns: str, rows: Iterator[Row]) -> None:
    with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _settle(connection: psycopg.Connection[Row], model: Attachment, rows: int, apart: int) -> None:
    connection.execute(
        "UPDATE ledgers SET clock = %s, bytes = bytes + %s, attachments = attachments + %s, changes = changes + 1, "
        "numbers = jsonb_set(numbers::jsonb, '{attachment}', to_jsonb(%s::bigint))::text WHERE account = %s",
        (model.created_at + (rows + 1) * apart, model.size * rows, rows, model.number + rows, model.account),
    )
    connection.execute(
        "UPDATE blobs SET refs = refs + %s WHERE account = %s AND sha256 = %s", (rows, model.account, model.sha256)
    )
    connection.execute(
        "SELECT setval(pg_get_serial_sequence('attachments', 'key'), (SELECT max(key) FROM attachments))"
    )
