"""Whole copies of a catalog file that are consistent although the file is in use, and files closed for good."""

import os
from pathlib import Path

import apsw

from holdfast.catalog.connection import connect, translated
from holdfast.core.errors import Unavailable

_PAGES = 2_000


def snapshot_file(source: Path, target: Path) -> None:
    """Copy all that is committed in `source` to a new durable file. Raises `StorageFull`, `Unavailable`.

    The transaction that stays open on the source keeps the copy to one moment however long it takes, and no writer
    waits for it.
    """
    try:
        with translated():
            _copy(source, target)
        seal(target)
    except BaseException:
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(f"{target}{suffix}").unlink(missing_ok=True)
        raise


def seal(path: Path) -> None:
    """Bring a file that nobody has open into one durable piece, without a log beside it. Raises `Unavailable`."""
    connection = connect(path, "write")
    try:
        with translated():
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if connection.execute("PRAGMA journal_mode = DELETE").get != "delete":
                raise Unavailable("The catalog's copy is in use")
    finally:
        connection.close()
    _sync(path)
    _sync(path.parent)


def _copy(source: Path, target: Path) -> None:
    reading = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        writing = apsw.Connection(str(target))
        try:
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            with writing.backup("main", reading, "main") as backup:
                while not backup.done:
                    backup.step(_PAGES)
        finally:
            writing.close()
    finally:
        reading.close()


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unavailable("The copy of the catalog cannot be made durable") from error
