"""`backup` and `restore`: an installation copied whole while it runs, and brought back."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from holdfast import __version__
from holdfast.cli.opening import FAILED, USAGE, Config, Data, existing, fail, printable, read_settings, with_store
from holdfast.cli.progress import watched
from holdfast.core.errors import HoldfastError
from holdfast.settings import CONFIG_NAME, Settings

if TYPE_CHECKING:
    from holdfast.cli.vault import Marker, Vault
    from holdfast.core.store import Store
    from holdfast.core.upkeep.copying import Copied

T = TypeVar("T")


def backup(
    target: Annotated[Path, typer.Argument(file_okay=False, help="The backup's own folder; made if it is missing.")],
    check: Annotated[
        bool, typer.Option("--check", help="Read back what earlier runs have copied, and copy anew what is damaged.")
    ] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Copy everything to a folder, consistently, while the server runs.

    Run again on the same folder it copies only what is new. Cut short, it leaves the backup before it as it was, and
    the next run goes on. Exit code 1 if contents of the installation were lost already.
    """
    from holdfast.cli.vault import Vault  # noqa: PLC0415 -- opens the heavy rooms
    from holdfast.compose import InstallationError, catalog_place  # noqa: PLC0415
    from holdfast.core.leases import LeaseLost  # noqa: PLC0415

    settings, vault = existing(read_settings(config, data=data)), Vault(target)
    try:
        catalog_place(settings)
        with vault.locked():
            copied, marker = with_store(settings, lambda store: _back_up(store, vault, check=check))
    except InstallationError as error:
        fail(str(error), USAGE)
    except LeaseLost:
        fail("the backup was interrupted for so long that contents may have gone meanwhile; run it again")
    except OSError as error:
        fail(f"{target}: {error.strerror}")
    typer.echo(
        f"{marker.blobs} contents ({marker.bytes} bytes) in {printable(str(target))}: "
        f"{copied.blobs} copied ({copied.bytes} bytes), {copied.kept} there before, {len(copied.lost)} lost"
    )
    _end(copied)


def restore(
    source: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A folder that backup has written.")],
    drill: Annotated[
        bool, typer.Option("--drill", help="Restore to a temporary place, check every digest and row, remove it.")
    ] = False,
    scratch: Annotated[
        Path | None,
        typer.Option("--scratch", exists=True, file_okay=False, help="Where a drill restores to. Default: TMPDIR."),
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Bring an installation back from a backup, every content checked against its digest.

    The data folder must be empty but for a holdfast.toml. Cut short, it goes on when run again. Exit code 1 if
    contents could not be brought back whole.
    """
    if drill:
        _drill(source, scratch)
        return
    if scratch is not None:
        fail("--scratch: only a drill has a temporary place", USAGE)
    settings = read_settings(config, data=data)
    copied, marker = _guarded(_restore(source, settings))
    typer.echo(
        f"{marker.blobs - len(copied.lost)} of {marker.blobs} contents restored to {printable(str(settings.data))}: "
        f"{copied.blobs} copied ({copied.bytes} bytes), {copied.kept} there before"
    )
    _end(copied)


def _end(copied: "Copied") -> None:
    for blob in copied.lost:
        typer.echo(f"lost     {blob.sha256.hex()} ({blob.size} bytes)", err=True)
    if copied.lost:
        raise typer.Exit(FAILED)


# ---------------------------------------------------------------- out


async def _back_up(store: "Store", vault: "Vault", *, check: bool) -> "tuple[Copied, Marker]":
    from holdfast.cli.vault import Marker, digest_of  # noqa: PLC0415
    from holdfast.compose import now, open_folder, open_rows, seal  # noqa: PLC0415
    from holdfast.core.upkeep.copying import Destination, follow  # noqa: PLC0415
    from holdfast.core.upkeep.front import extent  # noqa: PLC0415

    upkeep = store.operator().upkeep
    async with upkeep.backing_up() as tenure:
        origin = await upkeep.origin()
        vault.claim(origin)
        taken_at = now()
        path = vault.new_catalog(taken_at)
        await upkeep.snapshot(str(path))
        rows, index, blobs = open_rows(path), open_rows(vault.index), open_folder(vault.blobs)
        try:
            await blobs.leftovers(0)
            count, size = await extent(rows)
            with watched("Backing up", count, size) as step:
                copied = await upkeep.copy_blobs(rows, Destination(index, blobs, check), tenure, step)
            # Asked of the rows themselves: until now nothing that the snapshot names can have been removed.
            await upkeep.leases.renew(tenure)
            await follow(rows, index)
        finally:
            for opened in (rows, index, blobs):
                await opened.close()
    seal(path)
    seal(vault.index)
    lost = tuple(blob.sha256.hex() for blob in copied.lost)
    marker = Marker(
        version=__version__,
        catalog=path.name,
        catalog_sha256=digest_of(path),
        taken_at=taken_at,
        origin=origin,
        blobs=count,
        bytes=size,
        lost=lost,
    )
    vault.complete(marker)
    vault.sweep()
    return copied, marker


# ---------------------------------------------------------------- back


class _Workplace(NamedTuple):
    """Where a restored catalog is put together before it takes its place."""

    folder: Path
    catalog: Path
    holdings: Path


async def _restore(source: Path, settings: Settings) -> "tuple[Copied, Marker]":
    from holdfast.cli.vault import Vault, rename_durably, sync_folder  # noqa: PLC0415
    from holdfast.compose import RESTORING, catalog_place, open_bytes, open_folder, open_rows, seal  # noqa: PLC0415
    from holdfast.core.upkeep.copying import Copied, Destination, copy_blobs, follow  # noqa: PLC0415

    vault = Vault(source)
    marker = vault.marker()
    place = catalog_place(settings)
    if _is_finished(settings, marker, place):
        shutil.rmtree(settings.data / RESTORING)
        return Copied(kept=marker.blobs), marker
    work = _prepare(vault, marker, settings, place)
    rows, index = open_rows(work.catalog), open_rows(work.holdings)
    kept, target = open_folder(vault.blobs), open_bytes(settings)
    try:
        await target.leftovers(0)
        with watched("Restoring", marker.blobs, marker.bytes) as step:
            copied = await copy_blobs(rows, kept, Destination(index, target), step)
        await follow(rows, index)
    finally:
        for opened in (rows, index, kept, target):
            await opened.close()
    seal(work.catalog)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    rename_durably(work.catalog, place)
    shutil.rmtree(work.folder)
    sync_folder(settings.data)
    return copied, marker


def _is_finished(settings: Settings, marker: "Marker", place: Path) -> bool:
    """Whether only the last step of a restore of this backup is missing, the removal of its workplace."""
    from holdfast.compose import RESTORING  # noqa: PLC0415

    folder = settings.data / RESTORING
    return place.exists() and not (folder / "catalog.sqlite").exists() and _goes_on(folder, marker)


def _goes_on(folder: Path, marker: "Marker") -> bool:
    origin = folder / "origin"
    return origin.exists() and origin.read_text("utf-8") == marker.catalog_sha256


def _prepare(vault: "Vault", marker: "Marker", settings: Settings, place: Path) -> _Workplace:
    """An empty data folder, or one where a restore of this very backup was cut short, with the rows in it.

    Raises `InstallationError` for any other, `NotABackup` for rows that are not those of the marker.
    """
    from holdfast.cli.vault import NotABackup, copy_durably, write_durably  # noqa: PLC0415
    from holdfast.compose import RESTORING, InstallationError  # noqa: PLC0415

    folder = settings.data / RESTORING
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    goes_on = _goes_on(folder, marker)
    present = {path.name for path in settings.data.iterdir()} - {CONFIG_NAME}
    if place.exists() or (present and not goes_on):
        raise InstallationError(f"data: {settings.data} is not empty; restore to a new folder")
    work = _Workplace(folder, folder / "catalog.sqlite", folder / "index.sqlite")
    if not goes_on:
        folder.mkdir(mode=0o700)
        write_durably(folder / "origin", marker.catalog_sha256.encode())
    if not work.catalog.exists():
        try:
            digest = copy_durably(vault.folder / marker.catalog, work.catalog)
        except FileNotFoundError:
            digest = ""
        if digest != marker.catalog_sha256:
            shutil.rmtree(folder)
            raise NotABackup(f"{vault.folder / marker.catalog} is missing or damaged")
    return work


# ---------------------------------------------------------------- the drill


def _drill(source: Path, scratch: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="holdfast-drill-", dir=scratch) as folder:
        settings = Settings(data=Path(folder) / "data")
        copied, marker = _guarded(_restore(source, settings))
        problems = [f"content {blob.sha256.hex()} is missing or damaged" for blob in copied.lost]
        problems += with_store(settings, lambda store: _checked(store, settings, marker))
    for problem in problems:
        typer.echo(f"damaged  {printable(problem)}", err=True)
    outcome = f"{len(problems)} problems" if problems else "every digest and every row is right"
    typer.echo(f"{marker.blobs} contents ({marker.bytes} bytes) restored and checked: {outcome}")
    if problems:
        raise typer.Exit(FAILED)


async def _checked(store: "Store", settings: Settings, marker: "Marker") -> list[str]:
    from holdfast.compose import catalog_damage  # noqa: PLC0415
    from holdfast.core.upkeep.verifying import Reading  # noqa: PLC0415

    upkeep = store.operator().upkeep
    problems = [f"catalog: {problem}" for problem in catalog_damage(settings)]
    count, size = await upkeep.extent()
    if (count, size) != (marker.blobs, marker.bytes):
        problems.append(f"{count} contents of {size} bytes instead of {marker.blobs} of {marker.bytes}")
    with watched("Checking", count, size) as step:
        done = await upkeep.verify(Reading(grace=0, mark=False), step)
    return problems + [f"{each.kind} {each.subject}: {each.detail}" for each in done.findings]


def _guarded(work: Coroutine[Any, Any, T]) -> T:
    from holdfast.cli.vault import NotABackup  # noqa: PLC0415
    from holdfast.compose import InstallationError  # noqa: PLC0415

    try:
        return asyncio.run(work)
    except (InstallationError, NotABackup) as error:
        fail(str(error), USAGE)
    except HoldfastError as error:
        fail(error.detail)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        fail("interrupted", 130)
