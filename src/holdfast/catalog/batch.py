"""What a group of transactions has read already and has still to write.

A group's bodies hang on the same few rows, and add rows that nothing in the group asks for again. Each statement costs
the writer's thread a turn at the interpreter's lock, so the common rows are read once and written once for the whole
group, and the others go out together, many in one statement.
"""

from typing import Any, Final, NamedTuple

from holdfast.catalog.rowargs import ADD
from holdfast.core.model import Blob, Event, Ledger, Version
from holdfast.core.ports import AccountKey, BlobKey, Key, LedgerKey, RecordKey, Row, Scalar

UNKNOWN: Final = object()
REMEMBERED: Final = frozenset({AccountKey, BlobKey, LedgerKey, RecordKey})
"""Rows that the bodies of a group ask for again and again, and one that is asked for before it is added."""

KEPT: Final = frozenset({Blob, Event, Version})
"""Rows that are inserted together when the group ends."""

Columns = tuple[Scalar, ...]


class Name(NamedTuple):
    """What the index should hold for an attachment's name: its pieces, None once it is gone."""

    pieces: str | None
    is_new: bool = False


class Batch:
    """The rows read and kept back by one body, or by all bodies of a group that have succeeded.

    `known` are rows by their keys, None for one that is not there; `ledgers` those that were saved; `inserts` columns
    of new rows by the name of their statement; `names` index entries by the attachment's key.
    """

    __slots__ = ("inserts", "known", "ledgers", "names")

    def __init__(self) -> None:
        self.known: dict[Key[Any], Any] = {}
        self.ledgers: dict[int, Ledger] = {}
        self.inserts: dict[str, list[Columns]] = {}
        self.names: dict[int, Name] = {}

    def keep(self, row: Row) -> None:
        """Insert it later: an event, a version, or a blob that is known not to be there."""
        name, columns = ADD[type(row)](row)
        self.inserts.setdefault(name, []).append(columns)
        if isinstance(row, Blob):
            self.known[BlobKey(row.account, row.sha256)] = row

    def save(self, ledger: Ledger) -> None:
        """Write it later, over one that is known to be there."""
        self.ledgers[ledger.account] = self.known[LedgerKey(ledger.account)] = ledger

    def absorb(self, body: "Batch") -> None:
        """Take over what a body that succeeded has kept."""
        self.known.update(body.known)
        self.ledgers.update(body.ledgers)
        self.names.update(body.names)
        for name, rows in body.inserts.items():
            self.inserts.setdefault(name, []).extend(rows)

    def written(self) -> None:
        """Nothing is kept back any more."""
        self.ledgers.clear()
        self.inserts.clear()
        self.names.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.known.clear()
        self.written()
