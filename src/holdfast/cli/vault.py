"""The folder of a backup, and how it comes to be complete and stays so.

    backup.json                   the marker: which catalog is the complete one, its digest, what it counts
    catalog-<time>.sqlite         the rows as of that time; they name places in `blobs`
    blobs/                        the bytes of this and earlier backups, each once
    index.sqlite                  what `blobs` holds, by digest
    lock                          held while a backup runs

A backup is complete when its marker is renamed into place, all else being durable by then; until that moment the
marker names the one before.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from holdfast.compose import BACKUP_MARKER, InstallationError

_FOLDER_MODE = 0o700


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What a complete backup says of itself. `taken_at` in microseconds; `origin` tells the installation from others;
    `bytes` are those of its blobs; `lost` are the digests of those that the installation had lost already."""

    format: int = 1
    version: str
    catalog: str
    catalog_sha256: str
    taken_at: int
    origin: str
    blobs: int
    bytes: int
    lost: tuple[str, ...] = ()


class NotABackup(Exception):
    """There is no complete backup in the folder; the text says why."""


class Vault:
    """A backup's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.blobs = self.folder / "blobs"
        self.index = self.folder / "index.sqlite"

    def marker(self) -> Marker:
        """The complete backup. Raises `NotABackup`."""
        try:
            marker = msgspec.json.decode((self.folder / BACKUP_MARKER).read_bytes(), type=Marker)
        except FileNotFoundError:
            raise NotABackup(f"{self.folder} holds no complete backup") from None
        except (OSError, msgspec.MsgspecError) as error:
            raise NotABackup(f"{self.folder / BACKUP_MARKER} cannot be read: {error}") from None
        if marker.format != 1:
            raise NotABackup(f"{self.folder} was written by a later version, which has to be used to read it")
        if Path(marker.catalog).name != marker.catalog:
            raise NotABackup(f"{self.folder / BACKUP_MARKER} names a catalog outside its folder")
        return marker

    def new_catalog(self, taken_at: int) -> Path:
        """Where the rows of a new backup go."""
        return self.folder / f"catalog-{taken_at}.sqlite"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The folder, made if it is missing, to itself as long as the block runs. Raises `InstallationError`."""
        try:
            self.folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            strangers = [path.name for path in self.folder.iterdir() if not _is_ours(path.name)]
            descriptor = None if strangers else os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InstallationError(f"{self.folder} cannot be written: {error.strerror}") from None
        if descriptor is None:
            raise InstallationError(f"{self.folder} holds other things ({strangers[0]}); a backup needs its own folder")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise InstallationError(f"another backup is being written to {self.folder}") from None
        finally:
            os.close(descriptor)

    def claim(self, origin: str) -> None:
        """See that an earlier backup in the folder, if there is one, is of the same installation.

        Raises `InstallationError`.
        """
        try:
            before = self.marker().origin
        except NotABackup:
            before = ""
        if before not in ("", origin):
            raise InstallationError(f"{self.folder} holds the backup of another installation")
        self.sweep()

    def sweep(self) -> None:
        """Remove catalogs that no marker names: those of backups that were cut short, or followed by another."""
        try:
            kept = self.marker().catalog
        except NotABackup:
            kept = ""
        for path in self.folder.glob("catalog-*.sqlite*"):
            if path.name != kept:
                path.unlink(missing_ok=True)

    def complete(self, marker: Marker) -> None:
        """Put the marker into place."""
        write_durably(self.folder / BACKUP_MARKER, msgspec.json.format(msgspec.json.encode(marker)))


def write_durably(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, over what was there."""
    partial = path.with_name(f"{path.name}.new")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    rename_durably(partial, path)


def copy_durably(source: Path, target: Path) -> str:
    """Copy a file whole or not at all; the SHA-256 of what was read, in hex."""
    digest = hashlib.sha256()
    partial = target.with_name(f"{target.name}.new")
    with source.open("rb") as reading, partial.open("wb") as writing:
        while chunk := reading.read(1 << 20):
            digest.update(chunk)
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    rename_durably(partial, target)
    return digest.hexdigest()


def rename_durably(source: Path, target: Path) -> None:
    """Give a durable file its name, for good."""
    source.rename(target)
    for folder in {source.parent, target.parent}:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_ours(name: str) -> bool:
    fixed = {BACKUP_MARKER, f"{BACKUP_MARKER}.new", "blobs", "lock"}
    return name in fixed or name.startswith(("catalog-", "index.sqlite"))
