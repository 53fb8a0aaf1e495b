"""Rows into tables: insert, update and delete of every kind of row, and what the adapter keeps beside them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import apsw

from holdfast.catalog import rowcodec as codec
from holdfast.catalog.batch import Batch, Columns, Name
from holdfast.catalog.folding import fold, name_pieces
from holdfast.core.errors import Conflict
from holdfast.core.model import (
    ROOT,
    Account,
    Attachment,
    Blob,
    Client,
    Event,
    Folder,
    Lease,
    Ledger,
    Link,
    MediaFacts,
    Record,
    Rendition,
    StoredAnswer,
    Token,
    User,
    Version,
)
from holdfast.core.ports import MoveTree, Row, Scalar

_PARAMETER: Final = re.compile(r":[a-z0-9_]+")
_AT_ONCE: Final = 64
_Verb = Callable[[Any], None]


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
        self._write: Mapping[type[Any], tuple[_Verb, _Verb]] = {
            Account: (self._add_account, self._save_account),
            Ledger: (self._add_ledger, self._save_ledger),
            User: (self._add_user, self._save_user),
            Client: (self._add_client, self._save_client),
            Token: (self._add_token, self._save_token),
            Record: (self._add_record, self._save_record),
            Attachment: (self._add_attachment, self._save_attachment),
            Version: (self._keep, self._save_version),
            Blob: (self._keep, self._save_blob),
            Rendition: (self._add_rendition, self._save_rendition),
            MediaFacts: (self._add_facts, self._save_facts),
            Link: (self._add_link, self._save_link),
            Folder: (self._add_folder, self._save_folder),
            Event: (self._keep, self._save_event),
            Lease: (self._add_lease, self._save_lease),
            StoredAnswer: (self._add_answer, self._save_answer),
        }
        self._remove: Mapping[type[Any], _Verb] = {
            Account: lambda row: self._drop("account_remove", row.number),
            Ledger: lambda row: self._drop("ledger_remove", row.account),
            User: lambda row: self._drop("user_remove", row.account, row.id),
            Client: lambda row: self._drop("client_remove", row.account, row.id),
            Token: lambda row: self._drop("token_remove", row.account, row.sha256),
            Record: self._remove_record,
            Attachment: self._remove_attachment,
            Version: lambda row: self._drop(
                "version_remove", row.number, row.account, row.attachment, account=row.account
            ),
            Blob: lambda row: self._drop("blob_remove", row.account, row.sha256),
            Rendition: lambda row: self._drop("rendition_remove", row.account, row.source, row.edge),
            MediaFacts: lambda row: self._drop("facts_remove", row.account, row.sha256),
            Link: lambda row: self._drop("link_remove", row.account, row.id, account=row.account),
            Folder: lambda row: self._drop("folder_remove", row.account, row.path, account=row.account),
            Event: lambda row: self._drop("event_remove", row.account, row.number),
            Lease: lambda row: self._drop("lease_remove", row.name),
            StoredAnswer: lambda row: self._drop("answer_remove", row.account, row.actor, row.key),
        }

    @property
    def system_errno(self) -> int:
        """What the system said of the call that failed last."""
        return self._connection.system_errno

    def add(self, row: Row) -> None:
        """Insert the row. Raises `Conflict` when what it hangs on is missing."""
        self._write[type(row)][0](row)

    def save(self, row: Row) -> None:
        """Write over the row of the same key. Raises `LookupError` if there is none."""
        self._write[type(row)][1](row)

    def remove(self, row: Row) -> None:
        """Delete the row and what goes with it."""
        self._remove[type(row)](row)

    def write(self, batch: Batch) -> None:
        """Write all that was kept back, rows of one kind in one statement."""
        for ledger in batch.ledgers.values():
            self._save_ledger(ledger)
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

    def _keep(self, row: Row) -> None:
        self.batch.keep(row)
        if isinstance(row, Version):
            self.touched.add(row.account)

    def touch(self, account: int) -> None:
        """Tell that something in the account's lists may have changed."""
        self._run("ledger_touch", account)

    def _run(self, name: str, *args: Scalar) -> int:
        self._connection.execute(self._sql[name], args).fetchall()
        return self._connection.changes()

    def _rows(self, name: str, *args: Scalar) -> list[codec.DbRow]:
        return self._connection.execute(self._sql[name], args).fetchall()

    def _must(self, name: str, *args: Scalar) -> None:
        if self._run(name, *args) == 0:
            raise LookupError(f"{name}: no such row")

    # ------------------------------------------------------------ accounts, ledgers, actors

    def _add_account(self, row: Account) -> None:
        self._run("account_add", row.number, row.slug, row.created_at, codec.encode(row.settings))

    def _save_account(self, row: Account) -> None:
        self._must("account_save", row.slug, row.created_at, codec.encode(row.settings), row.number)

    def _add_ledger(self, row: Ledger) -> None:
        numbers = codec.encode(row.numbers)
        self._run("ledger_add", row.account, row.clock, row.event, row.bytes, row.attachments, numbers)

    def _save_ledger(self, row: Ledger) -> None:
        numbers = codec.encode(row.numbers)
        self.counted.add(row.account)
        self._must("ledger_save", row.clock, row.event, row.bytes, row.attachments, numbers, row.account)

    def _add_user(self, row: User) -> None:
        granted = codec.granted_columns(row.permissions, row.scopes)
        args = (row.account, row.id, row.email, row.name, row.password_hash, *granted, row.created_at)
        self._run("user_add", *args, int(row.disabled))

    def _save_user(self, row: User) -> None:
        granted = codec.granted_columns(row.permissions, row.scopes)
        args = (row.email, row.name, row.password_hash, *granted, row.created_at, int(row.disabled))
        self._must("user_save", *args, row.account, row.id)

    def _add_client(self, row: Client) -> None:
        granted = codec.granted_columns(row.permissions, row.scopes)
        self._run("client_add", row.account, row.id, row.name, row.secret_sha256, *granted, row.created_at)

    def _save_client(self, row: Client) -> None:
        granted = codec.granted_columns(row.permissions, row.scopes)
        self._must("client_save", row.name, row.secret_sha256, *granted, row.created_at, row.account, row.id)

    def _add_token(self, row: Token) -> None:
        granted = codec.granted_columns(row.permissions, row.scopes)
        args = (row.account, row.id, row.sha256, row.kind, row.name, row.owner)
        self._run("token_add", *args, *granted, row.created_at, row.expires_at)

    def _save_token(self, row: Token) -> None:
        granted = codec.granted_columns(row.permissions, row.scopes)
        args = (row.id, row.kind, row.name, row.owner, *granted, row.created_at, row.expires_at)
        self._must("token_save", *args, row.account, row.sha256)

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
        args += (row.created_by, row.updated_at, row.updated_by, *_derived(row), folded)
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
        derived = _derived(row)
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

    def _save_version(self, row: Version) -> None:
        args = (row.name, row.media_type, row.size, row.sha256, row.created_at, row.created_by)
        self._must("version_save", *args, row.number, row.account, row.attachment)
        self.touched.add(row.account)

    def _save_blob(self, row: Blob) -> None:
        args = (row.size, row.locator, row.refs, row.created_at, row.idle_since, row.damaged_at)
        self._must("blob_save", *args, row.account, row.sha256)

    def _add_rendition(self, row: Rendition) -> None:
        self._run("rendition_add", row.account, row.source, row.edge, row.blob, row.reason, row.made_at)

    def _save_rendition(self, row: Rendition) -> None:
        self._must("rendition_save", row.blob, row.reason, row.made_at, row.account, row.source, row.edge)

    def _add_facts(self, row: MediaFacts) -> None:
        self._run("facts_add", row.account, row.sha256, *_fact_columns(row), row.made_at)

    def _save_facts(self, row: MediaFacts) -> None:
        self._must("facts_save", *_fact_columns(row), row.made_at, row.account, row.sha256)

    def _add_link(self, row: Link) -> None:
        args = (row.account, row.id, row.role, row.position, row.caption, row.created_at, row.created_by)
        self._run("link_add", *args, row.attachment, row.record.type, row.record.id)
        self.touched.add(row.account)

    def _save_link(self, row: Link) -> None:
        args = (row.role, row.position, row.caption, row.created_at, row.created_by, row.account, row.id)
        self._must("link_save", *args, row.account, row.attachment, row.record.type, row.record.id)
        self.touched.add(row.account)

    # ------------------------------------------------------------ folders, events and leases

    def _add_folder(self, row: Folder) -> None:
        args = (row.account, row.path, row.created_at, row.created_by, _parent(row.path), fold(row.name))
        self._run("folder_add", *args)
        self.touched.add(row.account)

    def _save_folder(self, row: Folder) -> None:
        self._must("folder_save", row.created_at, row.created_by, row.account, row.path)
        self.touched.add(row.account)

    def _save_event(self, row: Event) -> None:
        data = codec.encode(row.data)
        self._must("event_save", row.at, row.actor, row.kind, row.subject, data, row.account, row.number)

    def _add_lease(self, row: Lease) -> None:
        self._run("lease_add", row.name, row.holder, row.until, row.fence, row.done_at, row.place)

    def _save_lease(self, row: Lease) -> None:
        self._must("lease_save", row.holder, row.until, row.fence, row.done_at, row.place, row.name)

    def _add_answer(self, row: StoredAnswer) -> None:
        headers = codec.encode(row.headers)
        told = (row.fingerprint, row.status, headers, row.body, row.created_at)
        self._run("answer_add", row.account, row.actor, row.key, *told)

    def _save_answer(self, row: StoredAnswer) -> None:
        headers = codec.encode(row.headers)
        told = (row.fingerprint, row.status, headers, row.body, row.created_at)
        self._must("answer_save", *told, row.account, row.actor, row.key)

    def _drop(self, name: str, *args: Scalar, account: int | None = None) -> None:
        self._run(name, *args)
        if account is not None:
            self.touched.add(account)

    def move(self, change: MoveTree) -> int:
        """Rewrite the paths of folders and attachments; the number of rows rewritten."""
        source, target, account = change.source, change.target, change.account
        skip, first, end = len(source) + 1, f"{source}/", f"{source}0"
        self.touched.add(account)
        folded = fold(target.rpartition("/")[2])
        moved = self._run("folder_move", target, _parent(target), folded, account, source)
        moved += self._run("folders_below_move", target, skip, account, first, end)
        moved += self._run("attachments_in_move", target, skip, change.at, change.actor, account, source)
        return moved + self._run("attachments_below_move", target, skip, change.at, change.actor, account, first, end)


def _derived(row: Attachment) -> tuple[int | None, int, str | None, str | None]:
    path = row.path
    return row.trashed_at, int(row.trashed_at is not None), path, None if path is None else codec.path_md5(path)


def _fact_columns(row: MediaFacts) -> tuple[Scalar, ...]:
    facts = row.facts
    return facts.width, facts.height, facts.pages, facts.captured


def _typed(pairs: Iterable[tuple[str, Scalar]]) -> set[tuple[str, str, Scalar]]:
    # 1, 1.0 and True are equal in Python but not all the same in the index.
    return {(name, type(value).__name__, value) for name, value in pairs}


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or ROOT
