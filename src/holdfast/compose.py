"""Settings -> Store. The only file that names adapters."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from holdfast.blobs.disk import DiskBlobs, open_disk
from holdfast.blobs.fallback import FallbackBlobs
from holdfast.catalog.gates import SqliteGate, closure_of
from holdfast.catalog.gates import is_watched as file_is_watched
from holdfast.catalog.inspection import damage_of, migrate_file, versions_of
from holdfast.catalog.migrations import SchemaTooNew, SchemaVersions
from holdfast.catalog.snapshots import seal as seal_file
from holdfast.catalog.sqlite import SqliteCatalog, open_sqlite
from holdfast.core.errors import HoldfastError
from holdfast.core.inventory import Closure, Gate
from holdfast.core.policy import Policy
from holdfast.core.ports import Blobs, Catalog
from holdfast.core.store import Engines, Store
from holdfast.core.upkeep.duties import Figure
from holdfast.media.renditions import CagedRenditions
from holdfast.media.sniff import sniff
from holdfast.passwords import Argon2Passwords
from holdfast.settings import BUCKETS, Settings, local_path

if TYPE_CHECKING:
    from holdfast.blobs.objects import ObjectBlobs
    from holdfast.catalog.postgres.inspection import DatabaseFacts

T = TypeVar("T")

_log = logging.getLogger(__name__)

BACKUP_MARKER = "backup.json"
"""The file that is in a backup's folder once a backup is complete."""

RESTORING = "restoring"
"""The folder that is in a data folder while it is not yet wholly restored."""

_LOW_SPACE = 1 << 30
_SETTING_OF = {
    "bucket": "blobs",
    "endpoint": "s3_endpoint",
    "region": "s3_region",
    "credentials": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
}
"""What to look at, by what is wrong with a bucket."""
FEW_FILES = 4096


class InstallationError(Exception):
    """The installation cannot be opened; the text is one line that says what is wrong and which setting it is."""


class Finding(msgspec.Struct, frozen=True):
    """One result of a diagnosis. `remedy` says how to mend what is not well."""

    level: Literal["ok", "warning", "error"]
    subject: str
    detail: str
    remedy: str = ""


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def open_store(settings: Settings) -> Store:
    """Open the engines that the settings name, bringing the schema up to date. Raises `InstallationError`."""
    _refuse_half_restored(settings)
    _heed_closure(settings)
    catalog, blobs = open_catalog(settings), _open_blobs(settings)
    served = FallbackBlobs(blobs, open_fallback(settings)) if settings.blobs_fallback else blobs
    engines = Engines(
        catalog=catalog,
        blobs=served,
        passwords=Argon2Passwords(),
        sniff=sniff,
        clock=now,
        entropy=os.urandom,
        renderer=CagedRenditions(),
        inventory=blobs,
        segments=blobs.segments if isinstance(blobs, DiskBlobs) else None,
        snapshots=catalog if isinstance(catalog, SqliteCatalog) else None,
        figures=partial(_fallbacks, served),
    )
    policy = Policy(
        upload_limit=int(settings.upload_limit),
        records=settings.records,
        trash_days=settings.trash_retention_days,
        render_on_upload=settings.render_on_upload,
    )
    return Store(engines, policy)


def open_catalog(settings: Settings, *, past_gate: bool = False) -> Catalog:
    """The catalog that the settings name, alone, made if it is missing; `past_gate`, to fill it while it is closed.

    Raises `InstallationError`.
    """
    if on_postgres(settings):
        from holdfast.catalog.postgres.catalog import open_postgres  # noqa: PLC0415 -- a driver few need
        from holdfast.catalog.postgres.settings import Limits  # noqa: PLC0415

        limits = Limits(connections=settings.catalog_connections)
        return _on_database(lambda: open_postgres(settings.catalog, limits, past_gate=past_gate))
    path = catalog_place(settings)
    _make_folder(path.parent)
    try:
        return open_sqlite(path, past_gate=past_gate)
    except SchemaTooNew as error:
        raise InstallationError(f"catalog: {error}") from None
    except HoldfastError as error:
        raise InstallationError(f"catalog: {path}: {error.detail}") from None


def _fallbacks(blobs: Blobs) -> tuple[Figure, ...]:
    told, count = "Contents read from blobs_fallback", blobs.fallbacks if isinstance(blobs, FallbackBlobs) else 0
    return (Figure("holdfast_fallback_reads", told, "counter", "", {"": count}),)


def open_fallback(settings: Settings) -> "DiskBlobs | ObjectBlobs":
    """The blob store that contents are moved away from. Raises `InstallationError`."""
    old = msgspec.structs.replace(settings, blobs=settings.blobs_fallback, blobs_fallback="")
    if not _is_bucket(old.blobs) and not local_path(old.blobs).is_dir():
        raise InstallationError(f"blobs_fallback: {local_path(old.blobs)}: there is no such folder")
    return _open_blobs(old)


def gate_of(settings: Settings) -> Gate:
    """The gate of the catalog that the settings name."""
    if on_postgres(settings):
        from holdfast.catalog.postgres.gates import PostgresGate  # noqa: PLC0415 -- a driver few need

        return PostgresGate(settings.catalog)
    return SqliteGate(catalog_place(settings))


def closure(settings: Settings) -> Closure | None:
    """Why the catalog takes no changes; None if it does. Raises `InstallationError`."""
    if on_postgres(settings):
        from holdfast.catalog.postgres import gates  # noqa: PLC0415 -- a driver few need

        return _on_database(lambda: gates.closure_of(settings.catalog))
    path = catalog_place(settings)
    try:
        return closure_of(path)
    except HoldfastError as error:
        raise InstallationError(f"catalog: {path}: {error.detail}") from None


def is_watched(settings: Settings) -> bool:
    """Whether the catalog's changes are noted for a move. Raises `InstallationError`."""
    if on_postgres(settings):
        from holdfast.catalog.postgres import gates  # noqa: PLC0415 -- a driver few need

        return _on_database(lambda: gates.is_watched(settings.catalog))
    path = catalog_place(settings)
    try:
        return file_is_watched(path)
    except HoldfastError as error:
        raise InstallationError(f"catalog: {path}: {error.detail}") from None


def may_close(settings: Settings) -> bool:
    """Whether the catalog can be closed as it was opened: a database, only by the owner of its tables.

    Raises `InstallationError`.
    """
    if not on_postgres(settings):
        return os.access(catalog_place(settings), os.W_OK)
    from holdfast.catalog.postgres import gates  # noqa: PLC0415 -- a driver few need

    return _on_database(lambda: gates.may_close(settings.catalog))


def room(url: str) -> int | None:
    """Bytes that are free where such a store would lie; None where nobody can say."""
    if not url.startswith(("file:", "sqlite:")):
        return None
    path = local_path(url)
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def open_rows(path: Path) -> SqliteCatalog:
    """A catalog in a file outside the installation, such as a backup's. Raises `InstallationError`."""
    try:
        return open_sqlite(path)
    except SchemaTooNew as error:
        raise InstallationError(f"{path}: {error}") from None
    except HoldfastError as error:
        raise InstallationError(f"{path}: {error.detail}") from None


def open_bytes(settings: Settings) -> "DiskBlobs | ObjectBlobs":
    """The blob store that the settings name, alone. Raises `InstallationError`."""
    return _open_blobs(settings)


def check_bytes(settings: Settings) -> None:
    """Ask a bucket once whether it can be used; a folder is not touched. Raises `InstallationError`."""
    if _is_bucket(settings.blobs):
        _open_bucket(settings.blobs, settings)


def open_folder(path: Path) -> DiskBlobs:
    """A blob store in a folder outside the installation, such as a backup's. Raises `InstallationError`."""
    try:
        return open_disk(path)
    except HoldfastError as error:
        raise InstallationError(f"{path}: {error.detail}") from None


def open_spare(location: str, settings: Settings) -> "DiskBlobs | ObjectBlobs":
    """A second blob store to mend the first from: a backup's folder, a blob folder, its file:/// URL, or a bucket.

    Raises `InstallationError`.
    """
    if _is_bucket(location):
        return _open_bucket(location, settings)
    path = local_path(location) if location.startswith("file:") else Path(location).absolute()
    if (path / BACKUP_MARKER).exists():
        path /= "blobs"
    if not path.is_dir():
        raise InstallationError(f"{path}: there is no such folder")
    return open_folder(path)


def catalog_place(settings: Settings) -> Path:
    """Where the catalog's file is, or will be. Raises `InstallationError` when it is none."""
    if on_postgres(settings):
        raise InstallationError(
            "catalog: backup and restore are for catalogs in a file; rows in PostgreSQL are copied by pg_dump, and "
            "contents after them, as docs/postgresql.md says"
        )
    return local_path(settings.catalog)


def on_postgres(settings: Settings) -> bool:
    """Whether rows are kept in PostgreSQL."""
    return settings.catalog.startswith("postgresql:")


def is_installed(settings: Settings) -> bool:
    """Whether there is a catalog already. Raises `InstallationError`."""
    if on_postgres(settings):
        return _database_facts(settings).found > 0
    return catalog_place(settings).exists()


def catalog_damage(settings: Settings) -> tuple[str, ...]:
    """What the engine itself says is wrong with the catalog; PostgreSQL has tools of its own for that.

    Raises `InstallationError`.
    """
    if on_postgres(settings):
        return ()
    path = catalog_place(settings)
    try:
        return damage_of(path)
    except HoldfastError as error:
        raise InstallationError(f"catalog: {path}: {error.detail}") from None


def seal(path: Path) -> None:
    """Make one durable file of a catalog that nobody has open. Raises `InstallationError`."""
    try:
        seal_file(path)
    except HoldfastError as error:
        raise InstallationError(f"{path}: {error.detail}") from None


def migrate(settings: Settings) -> SchemaVersions:
    """Bring the schema up to date; the version found, and the one reached. Raises `InstallationError`."""
    _refuse_half_restored(settings)
    if on_postgres(settings):
        from holdfast.catalog.postgres.migrations import migrate_database  # noqa: PLC0415 -- a driver few need

        return _on_database(lambda: migrate_database(settings.catalog))
    path = catalog_place(settings)
    _make_folder(path.parent)
    try:
        return migrate_file(path)
    except SchemaTooNew as error:
        raise InstallationError(f"catalog: {error}") from None
    except HoldfastError as error:
        raise InstallationError(f"catalog: {path}: {error.detail}") from None


def _refuse_half_restored(settings: Settings) -> None:
    if (settings.data / RESTORING).exists():
        raise InstallationError(f"data: {settings.data} is being restored; run holdfast restore again to finish it")


def _heed_closure(settings: Settings) -> None:
    why = closure(settings)
    if why is not None and why.state == "filling":
        raise InstallationError(
            f"catalog: rows are still being moved here from {why.place}; finish it with holdfast move, run there"
        )
    if why is not None:
        _log.warning("this catalog takes no changes: it %s", said_of(why))


def said_of(why: Closure) -> str:
    """A closure in words, after `it`."""
    told = {"filling": "is being filled from", "moving": "is being moved to", "moved": "was moved to"}
    return f"{told[why.state]} {why.place}"


def _on_database(work: Callable[[], T]) -> T:
    from holdfast.catalog.postgres.migrations import Unsuitable  # noqa: PLC0415 -- a driver few need

    try:
        return work()
    except (SchemaTooNew, Unsuitable) as error:
        raise InstallationError(f"catalog: {error}") from None
    except HoldfastError as error:
        raise InstallationError(f"catalog: {error.detail}") from None


def _database_facts(settings: Settings) -> "DatabaseFacts":
    from holdfast.catalog.postgres.inspection import facts_of  # noqa: PLC0415 -- a driver few need

    return _on_database(lambda: facts_of(settings.catalog))


def _open_blobs(settings: Settings) -> "DiskBlobs | ObjectBlobs":
    if _is_bucket(settings.blobs):
        return _open_bucket(settings.blobs, settings)
    path = local_path(settings.blobs)
    try:
        return open_disk(path)
    except HoldfastError as error:
        raise InstallationError(f"blobs: {path}: {error.detail}") from None


def _is_bucket(url: str) -> bool:
    return url.partition("://")[0] in BUCKETS


def _open_bucket(url: str, settings: Settings) -> "ObjectBlobs":
    """The bucket, after it has answered once."""
    from holdfast.blobs.buckets import BucketError, BucketOptions, check  # noqa: PLC0415 -- only buckets need a driver
    from holdfast.blobs.objects import open_objects  # noqa: PLC0415
    from holdfast.blobs.sending import sizes_for  # noqa: PLC0415

    options = BucketOptions(
        url=url,
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        encryption={"bucket": "", "aes256": "AES256"}.get(settings.s3_encryption, settings.s3_encryption),
        encryption_key=settings.s3_encryption_key,
        bucket_key=settings.s3_bucket_key,
    )
    try:
        check(options)
        return open_objects(options, sizes=sizes_for(settings.upload_limit))
    except BucketError as error:
        raise InstallationError(f"{_SETTING_OF[error.about]}: {url}: {error}") from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InstallationError(f"data: cannot make {folder}: {error.strerror}") from None


# ---------------------------------------------------------------- diagnosis


def diagnose(settings: Settings, open_files: int) -> Iterator[Finding]:
    """What is wrong with this installation and how to mend it; `open_files` is the limit the server would have."""
    yield _check_folder(settings.data)
    yield _check_space(settings.data)
    if on_postgres(settings):
        yield from _check_database(settings)
    else:
        yield _check_schema(settings)
        yield from _check_catalog(settings)
    yield from _check_gate(settings)
    yield _check_blobs(settings)
    if open_files < FEW_FILES:
        yield Finding(
            "warning",
            "open files",
            f"The limit is {open_files}",
            "Raise it: ulimit -n 65536, or LimitNOFILE in systemd",
        )
    else:
        yield Finding("ok", "open files", f"The limit is {open_files}")


def _check_folder(folder: Path) -> Finding:
    if not folder.exists():
        return _check_place(folder)
    if not folder.is_dir():
        return Finding("error", "data folder", f"{folder} is not a folder", "Name another with --data")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            "error", "data folder", f"{folder} cannot be written", f"chown it to the server's user: {folder}"
        )
    if folder.stat().st_mode & 0o007:
        return Finding("warning", "data folder", f"{folder} is open to every user", f"chmod o-rwx {folder}")
    return Finding("ok", "data folder", str(folder))


def _check_place(folder: Path) -> Finding:
    """Whether a folder that is not there can be made."""
    above = next(parent for parent in folder.parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        return Finding(
            "error",
            "data folder",
            f"{folder} is not there, and nothing can be made in {above}",
            "Make it and chown it to the server's user, or name another with --data",
        )
    return Finding("warning", "data folder", f"{folder} is not there", "It is made when the server first starts")


def _check_space(folder: Path) -> Finding:
    present = folder
    while not present.exists():
        present = present.parent
    free = shutil.disk_usage(present).free
    if free < _LOW_SPACE:
        return Finding("error", "disk", f"{free} bytes are free", "Make room: uploads are refused when it is full")
    return Finding("ok", "disk", f"{free} bytes are free")


def _check_schema(settings: Settings) -> Finding:
    path = catalog_place(settings)
    if not path.exists():
        return Finding("warning", "schema", f"{path} is not there", "It is made when the server first starts")
    try:
        versions = versions_of(path)
    except HoldfastError as error:
        return Finding("error", "schema", error.detail, "Restore the catalog from a backup")
    return _schema_finding(versions.found, versions.known)


def _schema_finding(found: int, known: int) -> Finding:
    if found > known:
        return Finding("error", "schema", f"Version {found} is newer than {known}", "Install a newer Holdfast")
    if found < known:
        return Finding("warning", "schema", f"Version {found} of {known}", "holdfast migrate brings it up to date")
    return Finding("ok", "schema", f"Version {found}")


def _check_database(settings: Settings) -> Iterator[Finding]:
    try:
        facts = _database_facts(settings)
    except InstallationError as error:
        yield Finding(
            "error",
            "catalog",
            str(error).removeprefix("catalog: "),
            "Check HOLDFAST_CATALOG, and that the database is there and up",
        )
        return
    yield Finding("ok", "catalog", f"PostgreSQL {facts.version}, as {facts.role}")
    yield _schema_finding(facts.found, facts.known)
    if facts.without_rights:
        tables = ", ".join(facts.without_rights)
        yield Finding(
            "error", "rights", f"{facts.role} lacks some on {tables}", "Grant them as docs/postgresql.md says"
        )
    if facts.passes_walls or facts.without_wall:
        detail = f"{facts.role} passes through row-level security"
        if facts.without_wall:
            detail = f"Not on {', '.join(facts.without_wall)}"
        remedy = "Serve as an ordinary role, as docs/postgresql.md says"
        yield Finding("warning", "wall between accounts", detail, remedy)
    if not facts.is_durable:
        remedy = "Set fsync and full_page_writes to on"
        yield Finding("error", "durability", "The database loses what it has confirmed when the power fails", remedy)
    if not facts.has_checksums:
        remedy = "pg_checksums --enable, while the database is stopped"
        yield Finding("warning", "checksums", "The database would not notice a page that its disk has changed", remedy)
    wanted = settings.catalog_connections * settings.workers
    level: Literal["ok", "error"] = "error" if wanted > facts.connections else "ok"
    detail = f"This server opens up to {wanted}, the database takes {facts.connections} from all its clients"
    yield Finding(
        level, "connections", detail, "Lower catalog_connections or raise max_connections" * (level == "error")
    )


def _check_catalog(settings: Settings) -> Iterator[Finding]:
    path = catalog_place(settings)
    if not path.exists():
        return
    problems: tuple[str, ...]
    try:
        problems = damage_of(path)
    except HoldfastError as error:
        problems = (error.detail,)
    for problem in problems:
        yield Finding("error", "catalog", problem, "Stop the server and restore the catalog from a backup")
    if not problems:
        yield Finding("ok", "catalog", f"{path} is whole")


def _check_gate(settings: Settings) -> Iterator[Finding]:
    try:
        why, watched = closure(settings), is_watched(settings)
    except InstallationError:
        return
    if watched:
        remedy = "If no move runs any more, run it again to finish it, or end it with holdfast move --reopen"
        yield Finding("warning", "move", "Every change is noted for a move, and the notes take room", remedy)
    if why is not None:
        remedy = (
            "Serve from there"
            if why.state == "moved"
            else "Run the same holdfast move again, or holdfast move --reopen"
        )
        yield Finding("warning", "changes", f"They are refused: the catalog {said_of(why)}", remedy)


def _check_blobs(settings: Settings) -> Finding:
    if _is_bucket(settings.blobs):
        try:
            _open_bucket(settings.blobs, settings)
        except InstallationError as error:
            return Finding("error", "blobs", str(error), "Mend the setting that it names, or the store")
        return Finding("ok", "blobs", f"{settings.blobs} can be listed")
    path = local_path(settings.blobs)
    if not path.exists():
        return Finding("warning", "blobs", f"{path} is not there", "It is made when the server first starts")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Finding("error", "blobs", f"{path} cannot be written", f"chown it to the server's user: {path}")
    return Finding("ok", "blobs", str(path))
