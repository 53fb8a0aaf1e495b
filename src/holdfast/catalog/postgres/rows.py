"""Rows to statements: what an insert, an update or a delete of each kind of row says to the engine."""

# ruff: noqa: S608 (the text is put together from named statements only, every value is bound)

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from holdfast.catalog import rowcodec as codec
from holdfast.catalog.folding import fold, name_pieces
from holdfast.catalog.postgres.grammar import openings_column, property_words
from holdfast.catalog.postgres.wording import Statement
from holdfast.catalog.rowargs import ADD, REMOVE, SAVE, derived_columns, parent_of
from holdfast.catalog.statements import Named
from holdfast.core.model import Account, Attachment, Count, Folder, Lease, Record
from holdfast.core.ports import MoveTree, Row

EVERY_ACCOUNT = "*"
_UPDATES = frozenset(
    f"{kind}_save"
    for kind in (
        *("account", "ledger", "user", "client", "token", "version", "blob", "rendition", "facts", "link", "folder"),
        *("event", "lease", "count", "answer", "record", "attachment"),
    )
)


class Change(NamedTuple):
    """What a row comes to: the statements, in order, and the account that they are about, if any."""

    account: int | None
    statements: Sequence[Statement]


class RowStatements:
    """Makes the statements. `state` asks for what a row was, where the change depends on it."""

    def __init__(self, statements: Mapping[str, str]) -> None:
        self._sql = {name: _must_be_there(text) if name in _UPDATES else text for name, text in statements.items()}

    def add(self, row: Row) -> Change:
        """The insert."""
        if isinstance(row, Attachment):
            return self._change(row, [_add_attachment(row)])
        if isinstance(row, Record):
            return self._change(row, _add_record(row))
        if isinstance(row, Folder):
            folded = fold(row.name)
            args = (row.account, row.path, row.created_at, row.created_by, parent_of(row.path), folded)
            return self._change(row, [Named("folder_add", (*args, openings_column(folded)))])
        return self._change(row, [ADD[type(row)](row)])

    def save(self, row: Row, state: Sequence[tuple[Any, ...]]) -> Change:
        """The update, `state` being what the question for it gave. Raises `LookupError` if there was no row."""
        if isinstance(row, Attachment):
            return self._change(row, _save_attachment(row, state))
        if isinstance(row, Record):
            return self._change(row, _save_record(row, state))
        return self._change(row, [SAVE[type(row)](row)])

    def remove(self, row: Row, state: Sequence[tuple[Any, ...]]) -> Change:
        """The delete, `state` being what the question for it gave."""
        if isinstance(row, Attachment):
            return self._change(row, _remove_attachment(row, state))
        if isinstance(row, Record):
            return self._change(row, [Named("record_remove", (row.account, row.type, row.id))])
        return self._change(row, [REMOVE[type(row)](row)])

    def question(self, row: Row, *, removing: bool) -> Statement | None:
        """What has to be known of the row before it is changed; None if nothing."""
        if isinstance(row, Attachment):
            return self._worded(Named("attachment_state", (row.account, row.id)))
        if isinstance(row, Record) and not removing:
            return self._worded(Named("record_key", (row.account, row.type, row.id)))
        return None

    def move(self, change: MoveTree) -> Change:
        """Rewriting the paths of folders and attachments, one statement for each place in the tree."""
        account, source, target = change.account, change.source, change.target
        skip, first, end = len(source) + 1, f"{source}/", f"{source}0"
        folded = fold(target.rpartition("/")[2])
        by = (change.at, change.actor)
        moved = [
            Named("folder_move", (target, parent_of(target), folded, openings_column(folded), account, source)),
            Named("folders_below_move", (target, skip, account, first, end)),
            Named("attachments_in_move", (target, skip, *by, account, source)),
            Named("attachments_below_move", (target, skip, *by, account, first, end)),
        ]
        return Change(account, [self._worded(each) for each in moved])

    def _change(self, row: Row, statements: Sequence[Named]) -> Change:
        return Change(account_of(row), [self._worded(each) for each in statements])

    def _worded(self, named: Named) -> Statement:
        return Statement(self._sql[named.name], named.args)


def account_of(row: Row) -> int | None:
    """The account that a row belongs to; None for a row of the installation."""
    if isinstance(row, Lease | Count):
        return None
    return row.number if isinstance(row, Account) else row.account


def _must_be_there(update: str) -> str:
    return f"WITH changed AS ({update} RETURNING 1) SELECT must_be_there((SELECT count(*) FROM changed))"


# ---------------------------------------------------------------- attachments


def _add_attachment(row: Attachment) -> Named:
    folded = fold(row.name)
    told = (row.number, row.name, row.description, row.media_type, row.size, row.sha256, row.version, row.revision)
    made = (codec.encode(row.properties), row.folder, row.created_at, row.created_by, row.updated_at, row.updated_by)
    beside = (*derived_columns(row), folded, openings_column(folded))
    index = (_pieces(row.account, folded), sorted(property_words(row.properties)))
    return Named("attachment_add", (row.account, row.id, *told, *made, *beside, *index))


def _save_attachment(row: Attachment, state: Sequence[tuple[Any, ...]]) -> list[Named]:
    if not state:
        raise LookupError("attachment_save: no such row")
    key, name, before, trashed = state[0]
    folded, properties, derived = fold(row.name), codec.encode(row.properties), derived_columns(row)
    told = (row.name, row.description, row.media_type, row.size, row.sha256, row.version, row.revision)
    made = (properties, row.folder, row.created_by, row.updated_at, row.updated_by)
    statements = [Named("attachment_save", (*told, *made, *derived, folded, openings_column(folded), key))]
    if row.name != name:
        old, new = set(_pieces(row.account, fold(name))), set(_pieces(row.account, folded))
        statements.append(Named("name_remove", (sorted(old - new), key)))
        statements.append(Named("name_add", (row.account, key, sorted(new - old))))
    if derived[1] != trashed:
        statements.append(Named("links_trashed", (derived[1], key)))
    if properties != before:
        had, has = property_words(codec.object_of(before)), property_words(row.properties)
        statements.append(Named("property_remove", (row.account, sorted(had - has), key)))
        statements.append(Named("property_add", (row.account, key, sorted(has - had))))
    return statements


def _remove_attachment(row: Attachment, state: Sequence[tuple[Any, ...]]) -> list[Named]:
    if not state:
        return []
    key, name, before, _ = state[0]
    return [
        Named("name_remove", (_pieces(row.account, fold(name)), key)),
        Named("property_remove", (row.account, sorted(property_words(codec.object_of(before))), key)),
        Named("attachment_remove", (key,)),
    ]


def _pieces(account: int, folded: str) -> list[str]:
    return sorted(name_pieces(account, folded).split())


# ---------------------------------------------------------------- records


def _add_record(row: Record) -> list[Named]:
    args = (row.account, row.type, row.id, row.number, codec.encode(row.attributes), codec.parents_column(row.parents))
    rest = (row.state, row.revision, row.created_at, row.created_by, row.updated_at, row.updated_by)
    ancestors = Named("ancestors_add", (row.account, row.type, row.id))
    return [Named("record_add", (*args, *rest)), *_parents(row), ancestors]


def _save_record(row: Record, state: Sequence[tuple[Any, ...]]) -> list[Named]:
    if not state:
        raise LookupError("record_save: no such row")
    key, before = state[0]
    parents = codec.parents_column(row.parents)
    told = (row.number, codec.encode(row.attributes), parents, row.state, row.revision)
    made = (row.created_at, row.created_by, row.updated_at, row.updated_by)
    statements = [Named("record_save", (*told, *made, key))]
    if parents != before:
        statements += [Named("parents_remove", (key,)), *_parents(row)]
        statements += [Named("ancestors_remove", (key,)), Named("ancestors_again", (key,))]
    return statements


def _parents(row: Record) -> list[Named]:
    above = dict.fromkeys(row.parents)
    return [Named("parent_add", (row.account, row.type, row.id, each.type, each.id)) for each in above]
