"""Threads behind the event loop: the one writer with its group commit, and the readers with their time limit."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import apsw
import msgspec

from holdfast.catalog.batch import Batch
from holdfast.catalog.connection import connect, core_error
from holdfast.catalog.reading import Reading
from holdfast.catalog.remembered import Changes
from holdfast.catalog.rowwriter import RowWriter
from holdfast.catalog.writing import SqliteTx
from holdfast.core.errors import Unavailable
from holdfast.core.ports import Tx

T = TypeVar("T")

GROUP_SIZE = 64
GROUP_SECONDS = 0.005
GATHER_SECONDS = 0.008
GATHER_STEP = 0.0005
STEPS_BETWEEN_CHECKS = 2_000


class Limits(msgspec.Struct, frozen=True):
    """How long things may take, in seconds, and how many readers there are.

    `busy_seconds` waits for another process that writes; `reader_seconds` is a query's time in a reader thread,
    `count_seconds` that of a count over a whole account, and `loop_seconds` what a query may take of the event loop
    before it is given to a reader.
    """

    busy_seconds: float = 10.0
    reader_seconds: float = 10.0
    count_seconds: float = 3600.0
    loop_seconds: float = 0.003
    readers: int = 2


Body = Callable[[Tx], Awaitable[Any]]


class _Job:
    """A body that waits for the writer. Exactly one of `result` and `error` counts in the end."""

    __slots__ = ("body", "error", "future", "loop", "result")

    def __init__(self, body: Body, loop: asyncio.AbstractEventLoop) -> None:
        self.body = body
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None


class _GroupLost(Exception):
    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure


class Writer:
    """Runs bodies one after the other on its own thread, many in one commit.

    The first body that waits opens a transaction; those that arrive meanwhile join it, up to 64 or 5 ms of work. Where
    several came together, the next group waits for as many, up to 8 ms after the last commit.
    One that fails leaves no trace, and the others are not disturbed, but may be run a second time. Nobody hears of
    success before the commit is durable.
    """

    def __init__(self, connection: apsw.Connection, changes: Changes, statements: Mapping[str, str]) -> None:
        self._connection = connection
        self._changes = changes
        self._reading = Reading(connection, statements)
        self._rows = RowWriter(connection, statements)
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._together = 1
        self._ended = 0.0
        self._thread = threading.Thread(target=self._serve, name="holdfast-writer", daemon=True)
        self._thread.start()

    async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """Run the body in the next group; give its result once that is durable."""
        if self._closed:
            raise Unavailable("The catalog is closed")
        job = _Job(body, asyncio.get_running_loop())
        self._queue.put(job)
        result: T = await job.future
        return result

    async def close(self) -> None:
        """Finish all bodies that wait, then let go of the connection."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        job = self._queue.get()
        while job is not None:
            job = self._group(job)
        self._connection.close()

    def _group(self, first: _Job) -> _Job | None:
        """Run a group that begins with this job; give the job that the next one begins with, None to stop."""
        jobs: list[_Job] = []
        following: _Job | None = first
        batch = Batch()
        careful = committing = False
        self._gather()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            until = time.monotonic() + GROUP_SECONDS
            while following is not None:
                jobs.append(following)
                if not self._run(following, batch, careful=careful):
                    careful = True
                    self._begin_again(jobs, batch)
                if len(jobs) == GROUP_SIZE or time.monotonic() > until:
                    break
                try:
                    following = self._queue.get_nowait()
                except Empty:
                    break
            self._write(jobs, batch)
            committing = True
            self._commit()
        except apsw.Error as error:
            self._fail(jobs or [first], self._failure(error, committing=committing))
        except _GroupLost as error:
            self._fail(jobs, error.failure)
        _deliver(jobs or [first])
        self._together, self._ended = len(jobs), time.monotonic()
        return None if following is None else self._queue.get()

    def _gather(self) -> None:
        """Wait a moment for as many as were served together last time, since they tend to come back together.

        A commit writes each page that it has touched once, for one body as for many. Whoever works alone never waits.
        """
        until = self._ended + GATHER_SECONDS
        while self._queue.qsize() + 1 < self._together and time.monotonic() < until:
            time.sleep(GATHER_STEP)

    def _run(self, job: _Job, batch: Batch, *, careful: bool) -> bool:
        """Run one body; False if it failed and left traces that only a rollback of the whole group removes.

        `careful` gives it a savepoint, so that its traces are its own. That costs a copy of every page it touches,
        and few bodies fail after their first write: so it is done only in a group where one has.
        """
        if job.future.cancelled():
            return True
        execute, before = self._connection.execute, self._connection.total_changes()
        if careful:
            execute("SAVEPOINT body")
        tx = SqliteTx(self._reading, self._rows, batch)
        try:
            job.result = drive(job.body, tx)
            tx.finish(alone=careful)
        except BaseException as error:
            job.error = error
            if not self._connection.in_transaction and careful:
                raise _GroupLost(tx.failure or Unavailable("The catalog rolled back")) from error
            if not careful:
                return self._connection.in_transaction and self._connection.total_changes() == before
            execute("ROLLBACK TO body")
        if careful:
            execute("RELEASE body")
        return True

    def _write(self, jobs: list[_Job], batch: Batch) -> None:
        try:
            self._rows.write(batch)
        except apsw.ConstraintError:
            self._begin_again(jobs, batch)

    def _begin_again(self, jobs: list[_Job], batch: Batch) -> None:
        """Roll everything back and run the bodies that had succeeded once more, each with a savepoint."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        batch.clear()
        self._connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            if job.error is None:
                self._run(job, batch, careful=True)

    def _commit(self) -> None:
        self._changes.begin()
        try:
            self._connection.execute("COMMIT")
        finally:
            self._changes.end()

    def _failure(self, error: apsw.Error, *, committing: bool) -> Exception:
        failure = core_error(error, self._connection.system_errno)
        if failure is not error:
            failure.__cause__ = error
        if isinstance(failure, Unavailable):
            # The log may hold the whole group already: until it is written over, a crash brings the group back.
            failure.unsure = committing
        return failure

    def _fail(self, jobs: list[_Job], failure: Exception) -> None:
        for job in jobs:
            if job.error is None:
                job.error = failure
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def drive(body: Callable[[Tx], Awaitable[T]], tx: Tx) -> T:
    """Run a body to its end without an event loop. Raises `RuntimeError` if it awaits anything but its `Tx`."""
    steps = body(tx).__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
    if (close := getattr(steps, "close", None)) is not None:
        close()
    raise RuntimeError("A transaction's body may await nothing but the Tx that it is given")


def _deliver(jobs: list[_Job]) -> None:
    for loop in {job.loop for job in jobs}:
        try:
            loop.call_soon_threadsafe(_settle, [job for job in jobs if job.loop is loop])
        except RuntimeError:
            continue  # The loop is closed: nobody waits any more.


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


class Watch:
    """Stops a connection's query at a deadline, in seconds of the monotonic clock; None lets it run."""

    __slots__ = ("deadline",)

    def __init__(self, connection: apsw.Connection) -> None:
        self.deadline: float | None = None
        connection.set_progress_handler(self._overdue, STEPS_BETWEEN_CHECKS)

    def _overdue(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline


class Readers:
    """A few threads with a read-only connection each, for queries that may scan.

    The time of a query counts from the call: one that waited too long is not begun.
    """

    def __init__(self, path: Path, statements: Mapping[str, str], limits: Limits) -> None:
        self._path = path
        self._statements = statements
        self._limits = limits
        self._pool = ThreadPoolExecutor(limits.readers, thread_name_prefix="holdfast-reader")
        self._idle: deque[tuple[apsw.Connection, Reading, Watch]] = deque()

    async def run(self, work: Callable[[Reading], T], seconds: float | None = None) -> T:
        """The result of the work on a reader's connection. Raises `Unavailable` past the limit, or past `seconds`."""
        cancelled = threading.Event()
        deadline = time.monotonic() + (self._limits.reader_seconds if seconds is None else seconds)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._work, work, deadline, cancelled)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def close(self) -> None:
        """Wait for what is under way and close the connections."""
        await asyncio.to_thread(self._pool.shutdown)
        while self._idle:
            self._idle.pop()[0].close()

    def _work(self, work: Callable[[Reading], T], deadline: float, cancelled: threading.Event) -> T:
        if cancelled.is_set() or time.monotonic() > deadline:
            raise Unavailable("The catalog is busy")
        connection, reading, watch = self._idle.pop() if self._idle else self._open()
        watch.deadline = deadline
        try:
            connection.execute("BEGIN")
            try:
                return work(reading)
            finally:
                # The end is never cut short: a snapshot left open would hide all that is committed from then on.
                watch.deadline = None
                connection.execute("COMMIT")
        except apsw.Error as error:
            raise core_error(error) from error
        finally:
            watch.deadline = None
            self._idle.append((connection, reading, watch))

    def _open(self) -> tuple[apsw.Connection, Reading, Watch]:
        connection = connect(self._path, "read", self._limits.busy_seconds)
        return connection, Reading(connection, self._statements), Watch(connection)
