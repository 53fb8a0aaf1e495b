"""One configured connection to the SQLite file, and the engine's failures in the core's words."""

import errno
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import apsw

from holdfast.catalog.folding import fold, matches
from holdfast.catalog.rowcodec import path_md5
from holdfast.core.errors import CLOSED, CLOSED_SECONDS, Conflict, HoldfastError, StorageFull, Unavailable

BUSY_SECONDS = 10.0
NAP_SECONDS = 0.0002
_Value = int | float | bytes | str | None
_MIB = 1024 * 1024
_UNAVAILABLE: Mapping[type[apsw.Error], str] = {
    apsw.BusyError: "The catalog is busy with another process",
    apsw.LockedError: "The catalog is busy with another process",
    apsw.InterruptError: "The query took too long; narrow it",
    apsw.CorruptError: "The catalog file is damaged; `holdfast doctor` tells more",
    apsw.NotADBError: "The catalog file is not a catalog, or its beginning is damaged",
    apsw.ReadOnlyError: "The catalog file cannot be written to",
    apsw.CantOpenError: "The catalog file cannot be opened",
}
# The engine tells a failed extension of its log's index, and a quota that is used up, as input/output errors.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_CACHE_KIB = {"write": 32 * 1024, "loop": 32 * 1024, "read": 16 * 1024}


def connect(path: Path, role: Literal["write", "loop", "read"], busy_seconds: float = BUSY_SECONDS) -> apsw.Connection:
    """A connection for one role, which waits `busy_seconds` for others. Raises `Unavailable` if it cannot be opened."""
    flags = apsw.SQLITE_OPEN_READONLY
    if role == "write":
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    with translated():
        connection = apsw.Connection(str(path), flags=flags, statementcachesize=512)
        connection.set_busy_handler(_Nap(busy_seconds))
        for pragma in (
            f"cache_size = -{_CACHE_KIB[role]}",
            f"mmap_size = {256 * _MIB}",
            "synchronous = FULL",
            "foreign_keys = ON",
            # In memory, the journal of savepoints is a chain walked from its start at every statement.
            f"temp_store = {'FILE' if role == 'write' else 'MEMORY'}",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.create_scalar_function("fold", _fold, 1, deterministic=True)
        connection.create_scalar_function("has_part", _has_part, 2, deterministic=True)
        connection.create_scalar_function("path_md5", _path_md5, 1, deterministic=True)
    return connection


class _Nap:
    """How a connection waits for another process: in short naps, for as many seconds at most.

    The engine's own way doubles its pauses up to a tenth of a second, and of two processes that write all the time one
    would often sleep long after its turn had come. A nap costs microseconds.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0

    def __call__(self, naps: int) -> bool:
        now = time.monotonic()
        if naps == 0:
            self._until = now + self._seconds
        if now >= self._until:
            return False
        time.sleep(NAP_SECONDS)
        return True


@contextmanager
def translated() -> Iterator[None]:
    """Turn the engine's exceptions into the core's."""
    try:
        yield
    except apsw.Error as error:
        raise core_error(error) from error


def core_error(error: apsw.Error, system_errno: int = 0) -> HoldfastError | apsw.Error:
    """The core's error for one of the engine's; the error itself if it is a fault of this program.

    `system_errno` is what the connection says of the system call that failed; 0 if it is not known.
    """
    if isinstance(error, apsw.SQLError | apsw.MisuseError | apsw.RangeError | apsw.MismatchError):
        return error
    if isinstance(error, apsw.ConstraintError):
        if getattr(error, "extendedresult", 0) == apsw.SQLITE_CONSTRAINT_TRIGGER:
            return Unavailable(CLOSED, retry_after=CLOSED_SECONDS)
        # A missing row that another hangs on shows as a missing value, because its key was looked up in the insert.
        missing = getattr(error, "extendedresult", 0) in (
            apsw.SQLITE_CONSTRAINT_NOTNULL,
            apsw.SQLITE_CONSTRAINT_FOREIGNKEY,
        )
        return Conflict("It hangs on what is not there" if missing else "The value is already in use")
    if isinstance(error, apsw.FullError) or (isinstance(error, apsw.IOError) and system_errno in _NO_ROOM):
        return StorageFull("There is no room left for the catalog")
    for kind, detail in _UNAVAILABLE.items():
        if isinstance(error, kind):
            return Unavailable(detail)
    return Unavailable("The catalog cannot be used")


def _fold(*args: _Value) -> _Value:
    return fold(args[0]) if isinstance(args[0], str) else args[0]


def _has_part(*args: _Value) -> _Value:
    return matches(str(args[0]), str(args[1]))


def _path_md5(*args: _Value) -> _Value:
    return path_md5(str(args[0]))
