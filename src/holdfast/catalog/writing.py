"""The verbs of `Tx` on the writing connection.

They are coroutines in form only: none of them ever suspends, so that the writer thread runs a body by itself.
"""

from collections.abc import Callable
from typing import TypeVar

import apsw

from holdfast.catalog.connection import core_error
from holdfast.catalog.reading import Reading
from holdfast.catalog.rowwriter import Names, RowWriter
from holdfast.core.errors import Conflict
from holdfast.core.ports import AttachmentQuery, EntryQuery, Key, MoveTree, Page, Query, R, Row

T = TypeVar("T")


class SqliteTx:
    """One body's view of the open transaction.

    Index entries of names are kept back (`pending`, those of the group's earlier bodies) until the group ends or a
    query wants them: the engine closes its current batch of them at every savepoint and before every query, and a
    batch for each body would cost more than the rest of the body.
    """

    def __init__(self, reading: Reading, rows: RowWriter, pending: Names) -> None:
        self._reading = reading
        self._rows = rows
        self._pending = pending
        self._flushed = False
        self.failure: Exception | None = None
        rows.touched, rows.counted, rows.names = set(), set(), {}

    async def get(self, key: Key[R]) -> R | None:
        """The row of that key, or None."""
        return self._guarded(lambda: self._reading.get(key))

    async def find(self, query: Query[R]) -> Page[R]:
        """The rows of that query."""
        if isinstance(query, AttachmentQuery | EntryQuery) and query.words is not None:
            self._guarded(self._flush_names)
        return self._guarded(lambda: self._reading.find(query))

    async def add(self, row: Row) -> None:
        """Insert. Raises `Conflict` if its key or another unique value is taken, or what it hangs on is missing."""
        self._guarded(lambda: self._rows.add(row))

    async def save(self, row: Row) -> None:
        """Write over the row of the same key. Raises `LookupError` if there is none."""
        self._guarded(lambda: self._rows.save(row))

    async def remove(self, row: Row) -> None:
        """Delete the row. Raises `Conflict` for a record that is the parent of others."""
        self._guarded(lambda: self._rows.remove(row))

    async def move(self, change: MoveTree) -> int:
        """Rewrite the paths of folders and attachments; the number of rows rewritten."""
        try:
            return self._guarded(lambda: self._rows.move(change))
        except Conflict as error:
            self.failure = error
            raise

    def finish(self) -> None:
        """Mark the accounts whose rows changed, and hand the names still to be indexed to the group."""
        if self.failure is not None:
            raise self.failure
        for account in self._rows.touched - self._rows.counted:
            self._rows.touch(account)
        if self._flushed:
            self._pending.clear()
        self._pending.update(self._rows.names)

    def _flush_names(self) -> None:
        # The group's earlier names are written too, but stay pending until this body is known to succeed.
        if not self._flushed:
            self._rows.write_names(self._pending)
            self._flushed = True
        self._rows.write_names(self._rows.names)
        self._rows.names.clear()

    def _guarded(self, work: Callable[[], T]) -> T:
        if self.failure is not None:
            # The engine may have given the transaction up, and a write now would stand alone.
            raise self.failure
        try:
            return work()
        except apsw.Error as error:
            failure = core_error(error, self._rows.system_errno)
            if not isinstance(failure, Conflict):
                self.failure = failure
            raise failure from error
