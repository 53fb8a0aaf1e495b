"""The embedded catalog: one SQLite file, read on the event loop and in reader threads, written by one thread.

Several processes may use the same file: each write waits its turn, each read sees what was committed before it.
"""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import apsw

from holdfast.catalog.compile import Select, Sql
from holdfast.catalog.connection import connect, core_error
from holdfast.catalog.gates import past
from holdfast.catalog.migrations import known_migrations, migrate
from holdfast.catalog.reading import Reading
from holdfast.catalog.remembered import Changes, Remembered, busy
from holdfast.catalog.snapshots import snapshot_file
from holdfast.catalog.statements import load_statements
from holdfast.catalog.threads import Limits, Readers, Watch, Writer
from holdfast.core.errors import Unavailable
from holdfast.core.ports import (
    AttachmentQuery,
    EntryQuery,
    FiguresQuery,
    Key,
    LinkQuery,
    Page,
    Query,
    R,
    RecordQuery,
    Tx,
    VersionQuery,
    Window,
)

T = TypeVar("T")

CACHED_TOTALS = 1024
KNOWN_SLOW = 256
DEEP_OFFSET = 1_000


_NO_WINDOW = Window(0)


class _Totals:
    """Totals of queries, exact as long as nothing in the account has changed.

    Used from the loop and from the reader threads; each operation on the dictionary is one step of its own.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[tuple[int, Sql], int] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, reading: Reading, query: Query[Any], select: Select) -> int | None:
        """The total in the snapshot that is being read, if it is known."""
        key = self._key(reading, query, select)
        if key is None:
            return None
        with self._lock:
            total = self._known.get(key)
            if total is not None:
                self._known.move_to_end(key)
            return total

    def keep(self, reading: Reading, query: Query[Any], select: Select, total: int) -> None:
        """Remember the total of the snapshot that is being read."""
        key = self._key(reading, query, select)
        if key is not None:
            with self._lock:
                self._known[key] = total
                if len(self._known) > self._size:
                    self._known.popitem(last=False)

    def _key(self, reading: Reading, query: Query[Any], select: Select) -> tuple[int, Sql] | None:
        if not isinstance(query, AttachmentQuery | RecordQuery | EntryQuery | LinkQuery | VersionQuery):
            return None
        # Not the query itself: to Python, one that asks for 1 equals one that asks for True.
        changes = reading.changes(query.account)
        return None if changes is None else (changes, select.total)


class SqliteCatalog:
    """`Catalog` on one SQLite file. Made by `open_sqlite`."""

    def __init__(self, path: Path, writing: apsw.Connection, changes: Changes, limits: Limits) -> None:
        statements = load_statements()
        self._changes = changes
        self._remembered = Remembered(changes)
        self._path = path
        self._loop_seconds = limits.loop_seconds
        self._count_seconds = limits.count_seconds
        self._connection = connect(path, "loop", limits.busy_seconds)
        self._reading = Reading(self._connection, statements)
        self._watch = Watch(self._connection)
        self._readers = Readers(path, statements, limits)
        self._writer = Writer(writing, changes, statements)
        self._totals = _Totals(CACHED_TOTALS)
        self._slow: set[str] = set()

    async def get(self, key: Key[R]) -> R | None:
        """The row of that key, or None."""
        row = cast("R | None", self._remembered.recall(key))
        if row is None:
            try:
                row = self._reading.get(key)
            except apsw.Error as error:
                raise core_error(error) from error
            if row is not None:
                self._remembered.keep(key, row)
        return row

    async def find(self, query: Query[R]) -> Page[R]:
        """The rows of that query. Raises `Invalid` for an unknown field, `Unavailable` past the time limit."""
        if not _surely_scans(query):
            page = self._find_on_loop(query)
            if page is not None:
                return page
        seconds = self._count_seconds if isinstance(query, FiguresQuery) else None
        return await self._readers.run(lambda reading: self._find_in_thread(reading, query), seconds)

    def _find_on_loop(self, query: Query[R]) -> Page[R] | None:
        """The page, or None if it has to come from a reader thread."""
        select = self._reading.plan(query) if hasattr(query, "window") else None
        if select is not None and (select.scans or select.rows.text in self._slow):
            return None
        self._watch.deadline = time.monotonic() + self._loop_seconds
        try:
            if select is None:
                return self._reading.find(query)
            return self._page(query, select)
        except apsw.InterruptError:
            if select is not None:
                self._remember_slow(select.rows.text)
            return None
        except apsw.Error as error:
            raise core_error(error) from error
        finally:
            self._watch.deadline = None

    def _page(self, query: Query[R], select: Select) -> Page[R] | None:
        counted: bool = query.window.total  # type: ignore[attr-defined]
        # By what the engine is asked: to Python, a query that asks for 1 equals one that asks for True.
        key = (select.rows, counted)
        page = cast("Page[R] | None", self._remembered.recall(key))
        if page is None:
            page = self._with_known_total(query, select) if counted else self._reading.page(query, select)
            if page is not None:
                self._remembered.keep(key, page)
        return page

    def _with_known_total(self, query: Query[R], select: Select) -> Page[R] | None:
        # One snapshot for the figure and the page, closed before this returns.
        self._connection.execute("BEGIN")
        try:
            total = self._totals.known(self._reading, query, select)
            return None if total is None else self._reading.page(query, select, total)
        finally:
            # The end is never cut short: a snapshot left open would hide all that is committed from then on.
            self._watch.deadline = None
            self._connection.execute("COMMIT")

    def _find_in_thread(self, reading: Reading, query: Query[R]) -> Page[R]:
        if not hasattr(query, "window"):
            return reading.find(query)
        select = reading.plan(query)
        if not query.window.total:
            return reading.page(query, select)
        total = self._totals.known(reading, query, select)
        if total is None:
            total = reading.total(select)
            self._totals.keep(reading, query, select, total)
        return reading.page(query, select, total)

    def _remember_slow(self, text: str) -> None:
        if len(self._slow) >= KNOWN_SLOW:
            self._slow.clear()
        self._slow.add(text)

    def stamp(self) -> bytes | None:
        """As `Catalog.stamp`."""
        stamp = self._changes.stamp()
        return None if busy(stamp) else stamp

    async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """Run the body in a transaction, together with others that wait, and commit it durably."""
        return await self._writer.transact(body)

    async def snapshot(self, target: str) -> None:
        """As `Snapshots.snapshot`: a consistent copy, taken while others read and write."""
        await asyncio.to_thread(snapshot_file, self._path, Path(target))

    async def close(self) -> None:
        """Finish what is under way and close the file."""
        await self._readers.close()
        await self._writer.close()
        self._connection.close()
        self._changes.close()


def _surely_scans(query: Query[Any]) -> bool:
    """Whether even planning the query reads more than a few rows, or it skips many."""
    if isinstance(query, FiguresQuery) or (isinstance(query, AttachmentQuery) and (query.scopes or query.under)):
        return True
    return getattr(query, "window", _NO_WINDOW).offset > DEEP_OFFSET


def open_sqlite(path: Path, limits: Limits | None = None, *, past_gate: bool = False) -> SqliteCatalog:
    """Open the file, make it if it is missing, and bring its schema up to date; `past_gate`, to fill it while closed.

    Raises `SchemaTooNew`, and `Unavailable` when the file cannot be used.
    """
    limits = limits or Limits()
    writing = connect(path, "write", limits.busy_seconds)
    try:
        migrate(writing, path, known_migrations())
        if past_gate:
            past(writing)
        changes = _changes(path)
    except BaseException:
        writing.close()
        raise
    return SqliteCatalog(path, writing, changes, limits)


def _changes(path: Path) -> Changes:
    try:
        return Changes(path)
    except OSError as error:
        raise Unavailable(f"{path}-changes cannot be used: {error.strerror}") from error
