"""One configured connection to the SQLite file, and the engine's failures in the core's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import apsw

from holdfast.catalog.folding import fold, matches
from holdfast.catalog.rowcodec import path_md5
from holdfast.core.errors import Conflict, HoldfastError, StorageFull, Unavailable

BUSY_MILLISECONDS = 10_000
_MIB = 1024 * 1024
_CACHE_KIB = {"write": 32 * 1024, "loop": 32 * 1024, "read": 16 * 1024}


def connect(path: Path, role: Literal["write", "loop", "read"]) -> apsw.Connection:
    """A connection for one role. Raises `Unavailable` when the file cannot be opened."""
    flags = apsw.SQLITE_OPEN_READONLY
    if role == "write":
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    with translated():
        connection = apsw.Connection(str(path), flags=flags, statementcachesize=512)
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        for pragma in (
            f"cache_size = -{_CACHE_KIB[role]}",
            f"mmap_size = {256 * _MIB}",
            "synchronous = FULL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.create_scalar_function("fold", _fold, 1, deterministic=True)
        connection.create_scalar_function("has_part", _has_part, 2, deterministic=True)
        connection.create_scalar_function("path_md5", path_md5, 1, deterministic=True)
    return connection


@contextmanager
def translated() -> Iterator[None]:
    """Turn the engine's exceptions into the core's."""
    try:
        yield
    except apsw.Error as error:
        raise core_error(error) from error


def core_error(error: apsw.Error) -> HoldfastError:
    """The core's error for one of the engine's."""
    if isinstance(error, apsw.ConstraintError):
        return Conflict("The value is already in use")
    if isinstance(error, apsw.FullError) or (isinstance(error, apsw.IOError) and _no_room(error)):
        return StorageFull("There is no room left for the catalog")
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return Unavailable("The catalog is busy with another process")
    if isinstance(error, apsw.InterruptError):
        return Unavailable("The query took too long; narrow it")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return Unavailable("The catalog file is damaged; run `holdfast doctor`", retry_after=300)
    return Unavailable("The catalog cannot be used")


def _no_room(error: apsw.IOError) -> bool:
    # The engine reports a failed extension of its shared memory or journal as an input/output error.
    return error.extendedresult in (apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_TRUNCATE)


def _fold(text: object) -> object:
    return fold(text) if isinstance(text, str) else text


def _has_part(folded: str, part: str) -> bool:
    return matches(folded, part)
