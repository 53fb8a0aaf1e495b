"""Noting which rows change: triggers that exist only while somebody wants to know, in the engine itself.

Each change adds notes in its own transaction, whoever makes it and with whatever version. A note says where the row
stood and stands, not what it says: it is read again by whoever follows. Notes are never put together, because a second
change that relied on a note of the first could lose it to the one who has just read that.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import apsw

from holdfast.core.inventory import Note
from holdfast.core.model import (
    Account,
    Attachment,
    Blob,
    Client,
    Event,
    Folder,
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

TABLE = "touched"
"""The table of notes, which is there while they are taken."""

_WATCHER = "watcher"
_MOST_COLUMNS = 3


class Noted(NamedTuple):
    """Where rows of a kind are, and the columns that make their place; `octets` are those of bytes.

    With `through`, the first column is the key of an attachment, whose account and id count instead. When that has
    gone, all that hung on it has gone with it, and there is nothing to note.
    """

    table: str
    columns: tuple[str, ...]
    account: str = "account"
    octets: frozenset[str] = frozenset()
    through: bool = False

    def source(self, row: str, columns: Sequence[str]) -> str:
        """The rest of a SELECT of the account and these columns, for the row `OLD` or `NEW`."""
        if not self.through:
            return ", ".join((f"{row}.{self.account}", *columns))
        return ", ".join(("a.account", *columns)) + f" FROM attachments a WHERE a.key = {row}.{self.columns[0]}"

    def place(self, row: str) -> list[str]:
        """The columns as they are read of the row `OLD` or `NEW`."""
        first = "a.id" if self.through else f"{row}.{self.columns[0]}"
        return [first, *(f"{row}.{column}" for column in self.columns[1:])]

    def values(self, row: str) -> str:
        """The columns of the row `OLD` or `NEW` as one value to compare."""
        return "(" + ", ".join(f"{row}.{column}" for column in self.columns) + ")"


_DIGEST = frozenset({"sha256"})

NOTED: Mapping[type[Any], Noted] = {
    Account: Noted("accounts", ("number",), account="number"),
    Ledger: Noted("ledgers", ("account",)),
    User: Noted("users", ("email", "id")),
    Client: Noted("clients", ("name", "id")),
    Token: Noted("tokens", ("created_at", "id")),
    Record: Noted("records", ("created_at", "type", "id")),
    Folder: Noted("folders", ("path",)),
    Attachment: Noted("attachments", ("number", "id")),
    Version: Noted("versions", ("attachment", "number"), through=True),
    Blob: Noted("blobs", ("sha256",), octets=_DIGEST),
    Rendition: Noted("renditions", ("source", "edge"), octets=frozenset({"source"})),
    MediaFacts: Noted("media_facts", ("sha256",), octets=_DIGEST),
    Link: Noted("links", ("id",)),
    Event: Noted("events", ("number",)),
    StoredAnswer: Noted("answers", ("created_at", "actor", "key")),
}
"""Every kind of row that is noted."""

KIND_OF: Mapping[str, type[Any]] = {kind.__name__: kind for kind in NOTED}
"""Kinds by the name that notes give them."""


def begin_notes(connection: apsw.Connection, watcher: str) -> None:
    """Note every change of a row from the end of this transaction on, for one watcher; earlier notes are dropped."""
    end_notes(connection)
    columns = "number INTEGER PRIMARY KEY, account INTEGER NOT NULL, kind TEXT NOT NULL, one ANY, two ANY, three ANY"
    connection.execute(f"CREATE TABLE {TABLE} ({columns}) STRICT")
    connection.execute(f"CREATE VIEW {_WATCHER} AS SELECT '{watcher}' AS name")
    for kind, noted in NOTED.items():
        for verb, body in _bodies(kind, noted).items():
            connection.execute(
                f"CREATE TRIGGER {_trigger(noted.table, verb)} AFTER {verb} ON {noted.table} BEGIN {body} END"
            )


def end_notes(connection: apsw.Connection) -> None:
    """Take no more notes, and drop those there are; nothing happens where none are taken."""
    for noted in NOTED.values():
        for verb in ("INSERT", "UPDATE", "DELETE"):
            connection.execute(f"DROP TRIGGER IF EXISTS {_trigger(noted.table, verb)}")
    connection.execute(f"DROP VIEW IF EXISTS {_WATCHER}")
    connection.execute(f"DROP TABLE IF EXISTS {TABLE}")


def watcher_of(connection: apsw.Connection) -> str | None:
    """For whom notes are taken; None if none are."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (_WATCHER,)).fetchall():
        return None
    return str(connection.execute(f"SELECT name FROM {_WATCHER}").get)  # noqa: S608 -- a constant


def read_notes(connection: apsw.Connection, limit: int) -> list[Note]:
    """The oldest notes, as many as `limit`."""
    asked = f"SELECT number, account, kind, one, two, three FROM {TABLE} ORDER BY number LIMIT ?"  # noqa: S608 -- a constant
    found = []
    for number, account, kind, *place in connection.execute(asked, (limit,)):
        width = len(NOTED[KIND_OF[str(kind)]].columns)
        found.append(Note(int(str(number)), int(str(account)), KIND_OF[str(kind)], tuple(place[:width])))
    return found


def drop_notes(connection: apsw.Connection, notes: Sequence[Note]) -> None:
    """Remove these notes, and no others."""
    connection.executemany(f"DELETE FROM {TABLE} WHERE number = ?", [(note.number,) for note in notes])  # noqa: S608 -- a constant


def _bodies(kind: type[Any], noted: Noted) -> Mapping[str, str]:
    def note(row: str) -> str:
        place = noted.place(row)
        padded = [f"'{kind.__name__}'", *place, *["NULL"] * (_MOST_COLUMNS - len(place))]
        chosen = noted.source(row, padded)
        return f"INSERT INTO {TABLE} (account, kind, one, two, three) SELECT {chosen}"

    also = " AND " if noted.through else " WHERE "
    elsewhere = f"{note('NEW')}{also}{noted.values('NEW')} IS NOT {noted.values('OLD')}"
    return {"INSERT": f"{note('NEW')};", "UPDATE": f"{note('OLD')}; {elsewhere};", "DELETE": f"{note('OLD')};"}


def _trigger(table: str, verb: str) -> str:
    return f"noted_{table}_{verb.lower()}"
