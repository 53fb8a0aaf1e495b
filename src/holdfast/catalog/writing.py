"""The verbs of `Tx` on the writing connection.

They are coroutines in form only: none of them ever suspends, so that the writer thread runs a body by itself.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import apsw

from holdfast.catalog.batch import REMEMBERED, UNKNOWN, Batch
from holdfast.catalog.connection import core_error
from holdfast.catalog.reading import Reading
from holdfast.catalog.rowwriter import RowWriter
from holdfast.core.errors import Conflict
from holdfast.core.model import Attachment, Blob, Event, Ledger, Link, Version
from holdfast.core.ports import Key, LedgerKey, MoveTree, Page, Query, R, Row, VersionKey

T = TypeVar("T")

_SAVED_STRAIGHT: Final = frozenset({Attachment, Link})
_ADDED_STRAIGHT: Final = _SAVED_STRAIGHT | {Version, Event, Blob}
"""Changes that touch nothing that is kept back or remembered. An upload makes no others."""


class SqliteTx:
    """One body's view of the open transaction.

    What can wait is kept back until the group ends, or something asks for more than the keys that are remembered:
    see `Batch`. `group` holds what the group's earlier bodies have kept; what this one keeps joins it in `finish`.
    """

    def __init__(self, reading: Reading, rows: RowWriter, group: Batch) -> None:
        self._reading = reading
        self._rows = rows
        self._group = group
        self._own = rows.batch = Batch()
        self.failure: Exception | None = None
        rows.touched, rows.counted = set(), set()

    async def get(self, key: Key[R]) -> R | None:
        """The row of that key, or None."""
        if type(key) in REMEMBERED:
            row = self._known(key)
            if row is UNKNOWN:
                row = self._own.known[key] = self._guarded(self._reading.get, key)
            return cast("R | None", row)
        if isinstance(key, VersionKey):
            self._write()
        return self._guarded(self._reading.get, key)

    async def find(self, query: Query[R]) -> Page[R]:
        """The rows of that query."""
        self._write()
        return self._guarded(self._reading.find, query)

    async def add(self, row: Row) -> None:
        """Insert. Raises `Conflict` if its key or another unique value is taken, or what it hangs on is missing; for
        events, versions and blobs the transaction as a whole does."""
        if type(row) not in _ADDED_STRAIGHT:
            self._settle()
        self._guarded(self._rows.add, row)

    async def save(self, row: Row) -> None:
        """Write over the row of the same key. Raises `LookupError` if there is none."""
        if isinstance(row, Ledger) and self._known(LedgerKey(row.account)) not in (None, UNKNOWN):
            self._guarded(self._own.save, row)
            self._rows.counted.add(row.account)
            return
        if type(row) not in _SAVED_STRAIGHT:
            self._settle()
        self._guarded(self._rows.save, row)

    async def remove(self, row: Row) -> None:
        """Delete the row. Raises `Conflict` for a record that is the parent of others."""
        self._settle()
        self._guarded(self._rows.remove, row)

    async def move(self, change: MoveTree) -> int:
        """Rewrite the paths of folders and attachments; the number of rows rewritten."""
        self._settle()
        try:
            return self._guarded(self._rows.move, change)
        except Conflict as error:
            self.failure = error
            raise

    def finish(self, *, alone: bool) -> None:
        """Mark the accounts whose rows changed, and leave the rest to the group; `alone`, write it now."""
        if self.failure is not None:
            raise self.failure
        for account in self._rows.touched - self._rows.counted:
            self._rows.touch(account)
        if alone:
            self._write()
        self._group.absorb(self._own)

    def _known(self, key: Key[Any]) -> Any:  # noqa: ANN401 -- any kind of row
        row = self._own.known.get(key, UNKNOWN)
        return self._group.known.get(key, UNKNOWN) if row is UNKNOWN else row

    def _settle(self) -> None:
        """Before a change that may touch what is kept back or remembered."""
        self._write()
        self._own.known.clear()
        self._group.known.clear()

    def _write(self) -> None:
        self._guarded(self._rows.write, self._group)
        self._guarded(self._rows.write, self._own)

    def _guarded(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 -- what the work takes
        if self.failure is not None:
            # The engine may have given the transaction up, and a write now would stand alone.
            raise self.failure
        try:
            return work(*args)
        except apsw.Error as error:
            failure = core_error(error, self._rows.system_errno)
            if not isinstance(failure, Conflict):
                self.failure = failure
            raise failure from error
