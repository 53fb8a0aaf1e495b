"""Rows into tables: insert, update and delete of every kind of row, and what the adapter keeps beside them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import apsw

from holdfast.catalog import rowcodec as codec
from holdfast.catalog.batch import KEPT, Batch, Columns, Name
from holdfast.catalog.folding import fold, name_pieces
from holdfast.catalog.rowargs import ADD, REMOVE, SAVE, derived_columns, parent_of
from holdfast.catalog.statements import Named
from holdfast.core.errors import Conflict
from holdfast.core.model import Attachment, Folder, Ledger, Link, Record, Version
from holdfast.core.ports import MoveTree, Row, Scalar

_PARAMETER: Final = re.compile(r":[a-z0-9_]+")
_AT_ONCE: Final = 64
_Verb = Callable[[Any], None]
_LISTED = (Version, Link, Folder)
"""Rows that count in the lists of an account, besides records and attachments."""


class RowWriter:
    """Writes rows on one connection, inside a transaction that somebody else begins and ends.

    `touched`, `counted` and `batch` gather, until they are taken away, the accounts whose lists may have changed, those
    whose ledger was saved and so counts the change already, and the rows that are still to be written.
    """

    def __init__(self, connection: apsw.Connection, statements: Mapping[str, str]) -> None:
        self._connection = connection
        self._sql = statements
        self.touched: set[int] = set()
        self.counted: set[int] = set()
        self.batch = Batch()
        self._own: Mapping[type[Any], tuple[_Verb, _Verb, _Verb]] = {
            Record: (self._add_record, self._save_record, self._remove_record),
            Attachment: (self._add_attachment, self._save_attachment, self._remove_attachment),
        }

    @property
    def system_errno(self) -> int:
        """What the system said of the call that failed last."""
        return self._connection.system_errno

    def add(self, row: Row) -> None:
        """Insert the row. Raises `Conflict` when what it hangs on is missing."""
        own = self._own.get(type(row))
        if own is not None:
            own[0](row)
        elif type(row) in KEPT:
            self._keep(row)
        else:
            self._one(ADD[type(row)](row), row)

    def save(self, row: Row) -> None:
        """Write over the row of the same key. Raises `LookupError` if there is none."""
        own = self._own.get(type(row))
        if own is not None:
            own[1](row)
        elif self._one(SAVE[type(row)](row), row) == 0:
            raise LookupError(f"{type(row).__name__}: no such row")

    def remove(self, row: Row) -> None:
        """Delete the row and what goes with it."""
        own = self._own.get(type(row))
        if own is not None:
            own[2](row)
        else:
            self._one(REMOVE[type(row)](row), row)

    def write(self, batch: Batch) -> None:
        """Write all that was kept back, rows of one kind in one statement."""
        for ledger in batch.ledgers.values():
            self._one(SAVE[Ledger](ledger), ledger)
        for statement, rows in batch.inserts.items():
            self._insert(statement, rows)
        names = sorted(batch.names.items())
        for key, name in names:
            if not name.is_new:
                self._run("name_remove", key)
        self._insert("name_add", [(key, name.pieces) for key, name in names if name.pieces])
        batch.written()

    def _insert(self, statement: str, rows: Sequence[Columns]) -> None:
        head, _, values = self._sql[statement].partition("VALUES ")
        one = _PARAMETER.sub("?", values)
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            text = f"{head}VALUES {', '.join([one] * len(some))}"
            self._connection.execute(text, [value for row in some for value in row]).fetchall()

    def touch(self, account: int) -> None:
        """Tell that something in the account's lists may have changed."""
        self._run("ledger_touch", account)

    def _run(self, name: str, *args: Scalar) -> int:
        self._connection.execute(self._sql[name], args).fetchall()
        return self._connection.changes()

    def _rows(self, name: str, *args: Scalar) -> list[codec.DbRow]:
        return self._connection.execute(self._sql[name], args).fetchall()

    def _keep(self, row: Row) -> None:
        self.batch.keep(row)
        if isinstance(row, _LISTED):
            self.touched.add(row.account)

    def _one(self, statement: Named, row: Row) -> int:
        changed = self._run(statement.name, *statement.args)
        if isinstance(row, _LISTED):
            self.touched.add(row.account)
        elif isinstance(row, Ledger):
            self.counted.add(row.account)
        return changed

    # ------------------------------------------------------------ records

    def _add_record(self, row: Record) -> None:
        args = (row.account, row.type, row.id, row.number, codec.encode(row.attributes))
        rest = (row.state, row.revision, row.created_at, row.created_by, row.updated_at, row.updated_by)
        parents = codec.parents_column(row.parents)
        above = self._parent_keys(row)
        self._run("record_add", *args, parents, *rest)
        key = self._connection.last_insert_rowid()
        self.touched.add(row.account)
        self._set_parents(key, above)
        self._run("ancestors_add", key)

    def _save_record(self, row: Record) -> None:
        found = self._rows("record_key", row.account, row.type, row.id)
        if not found:
            raise LookupError("record_save: no such row")
        above = self._parent_keys(row)
        key, before = found[0]
        parents = codec.parents_column(row.parents)
        args = (row.number, codec.encode(row.attributes), parents, row.state, row.revision)
        self._run("record_save", *args, row.created_at, row.created_by, row.updated_at, row.updated_by, key)
        self.touched.add(row.account)
        if parents != before:
            self._run("parents_remove", key)
            self._set_parents(key, above)
            for (below,) in self._rows("descendants", key):
                self._run("ancestors_remove", below)
                self._run("ancestors_add", below)

    def _parent_keys(self, row: Record) -> list[int]:
        keys = []
        for parent in dict.fromkeys(row.parents):
            found = self._rows("record_key", row.account, parent.type, parent.id)
            if not found:
                raise Conflict(f"The parent {parent} does not exist")
            keys.append(int(found[0][0]))
        return keys

    def _set_parents(self, key: int, above: Iterable[int]) -> None:
        for parent in above:
            self._run("parent_add", key, parent)

    def _remove_record(self, row: Record) -> None:
        self._run("record_remove", row.account, row.type, row.id)
        self.touched.add(row.account)

    # ------------------------------------------------------------ attachments and what hangs on them

    def _add_attachment(self, row: Attachment) -> None:
        folded = fold(row.name)
        properties = codec.encode(row.properties)
        args: tuple[Scalar, ...] = (row.account, row.id, row.number, row.name, row.description, row.media_type)
        args += (row.size, row.sha256, row.version, row.revision, properties, row.folder, row.created_at)
        args += (row.created_by, row.updated_at, row.updated_by, *derived_columns(row), folded)
        self._run("attachment_add", *args)
        key = self._connection.last_insert_rowid()
        self.touched.add(row.account)
        self.batch.names[key] = Name(name_pieces(row.account, folded), is_new=True)
        for name, value in codec.indexed_properties(row.properties):
            self._run("property_add", row.account, name, value, key)

    def _save_attachment(self, row: Attachment) -> None:
        key, name, before, trashed = self._attachment_state(row)
        folded = fold(row.name)
        properties = codec.encode(row.properties)
        derived = derived_columns(row)
        args: tuple[Scalar, ...] = (row.name, row.description, row.media_type, row.size, row.sha256, row.version)
        args += (
            row.revision,
            properties,
            row.folder,
            row.created_by,
            row.updated_at,
            row.updated_by,
            *derived,
            folded,
            key,
        )
        self._run("attachment_save", *args)
        self.touched.add(row.account)
        if row.name != name:
            self.batch.names[key] = Name(name_pieces(row.account, folded))
        if derived[1] != trashed:
            self._run("links_trashed", derived[1], key)
        if properties != before:
            self._change_properties(row, key, before)

    def _attachment_state(self, row: Attachment) -> tuple[int, str, str, int]:
        found = self._rows("attachment_state", row.account, row.id)
        if not found:
            raise LookupError("attachment: no such row")
        return cast(tuple[int, str, str, int], found[0])

    def _change_properties(self, row: Attachment, key: int, before: str) -> None:
        old = _typed(codec.indexed_properties(codec.object_of(before)))
        new = _typed(codec.indexed_properties(row.properties))
        for name, _, value in old - new:
            self._run("property_remove", row.account, name, value, key)
        for name, _, value in new - old:
            self._run("property_add", row.account, name, value, key)

    def _remove_attachment(self, row: Attachment) -> None:
        found = self._rows("attachment_state", row.account, row.id)
        if not found:
            return
        key, _, before, _ = found[0]
        for name, value in codec.indexed_properties(codec.object_of(before)):
            self._run("property_remove", row.account, name, value, key)
        self._run("attachment_remove", key)
        self.touched.add(row.account)
        self.batch.names[key] = Name(None)

    def move(self, change: MoveTree) -> int:
        """Rewrite the paths of folders and attachments; the number of rows rewritten."""
        source, target, account = change.source, change.target, change.account
        skip, first, end = len(source) + 1, f"{source}/", f"{source}0"
        self.touched.add(account)
        folded = fold(target.rpartition("/")[2])
        moved = self._run("folder_move", target, parent_of(target), folded, account, source)
        moved += self._run("folders_below_move", target, skip, account, first, end)
        moved += self._run("attachments_in_move", target, skip, change.at, change.actor, account, source)
        return moved + self._run("attachments_below_move", target, skip, change.at, change.actor, account, first, end)


def _typed(pairs: Iterable[tuple[str, Scalar]]) -> set[tuple[str, str, Scalar]]:
    # 1, 1.0 and True are equal in Python but not all the same in the index.
    return {(name, type(value).__name__, value) for name, value in pairs}
