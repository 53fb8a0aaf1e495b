"""`move`: an installation brought to other stores while it serves."""

import asyncio
import logging
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

from holdfast.cli.opening import FAILED, USAGE, Config, Data, existing, fail, printable, read_settings
from holdfast.cli.progress import staged, watched
from holdfast.core.errors import HoldfastError
from holdfast.settings import Settings, SettingsError, local_path, read_size, store_name

if TYPE_CHECKING:
    from holdfast.core.ports import Rows
    from holdfast.core.upkeep.moving import Carried, Moved

T = TypeVar("T")


def move(
    to_catalog: Annotated[
        str | None, typer.Option("--to-catalog", metavar="URL", help="Where rows go: sqlite:///path or postgresql://…")
    ] = None,
    to_blobs: Annotated[
        str | None, typer.Option("--to-blobs", metavar="URL", help="Where contents go: file:///path or s3://…")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    rate: Annotated[str | None, typer.Option("--rate", help="Bytes a second to move at most, such as 50MiB.")] = None,
    reopen: Annotated[
        bool, typer.Option("--reopen", help="Let changes in again where a move was broken off; it moves nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Reopen without asking what was moved already.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Bring rows, contents or both to other stores while the server runs; every content is read back and digested.

    Killed at any moment, it goes on when run again. Rows: for its last moment changes are refused, with 503 and
    Retry-After; then the old catalog refuses them for good, and the servers are started on the new one. Contents
    alone: the servers are started first, with blobs as the new place and blobs_fallback as the old one. Exit code 1
    if contents were lost already.
    """
    settings = existing(read_settings(config, data=data))
    # A content that is not there yet is what this command is about, and no fault of the store.
    logging.getLogger("holdfast.blobs").setLevel(logging.CRITICAL)
    if reopen:
        _reopen(settings, yes=yes)
        return
    target = _target(settings, to_catalog, to_blobs)
    pace = 0 if rate is None else _rate(rate)
    if dry_run:
        _show_plan(settings, target)
    elif to_catalog is None:
        _report_contents(_guarded(_carry(settings, pace)))
    else:
        _report(_guarded(_move(settings, target, pace)), target)


def _target(settings: Settings, to_catalog: str | None, to_blobs: str | None) -> Settings:
    """The settings after the move. Ends with one line where they cannot be those."""
    if not to_catalog and not to_blobs:
        fail("say where to: --to-catalog, --to-blobs or both", USAGE)
    catalog, blobs = to_catalog or settings.catalog, to_blobs or settings.blobs
    try:
        target = msgspec.structs.replace(settings, catalog=catalog, blobs=blobs, blobs_fallback="")
    except SettingsError as error:
        fail(f"--to-{error.setting}: {error.problem}", USAGE)
    if to_catalog:
        if settings.blobs_fallback:
            fail("blobs_fallback: contents are being moved; let holdfast move --to-blobs finish first", USAGE)
        if store_name(catalog) == store_name(settings.catalog):
            fail("--to-catalog: the rows are there", USAGE)
        if to_blobs and blobs == settings.blobs:
            fail("--to-blobs: the contents are there; leave it out", USAGE)
    elif not settings.blobs_fallback or blobs != settings.blobs:
        fail(
            "contents alone move behind servers that know both places: start them with "
            f"HOLDFAST_BLOBS={store_name(blobs)} and HOLDFAST_BLOBS_FALLBACK={store_name(settings.blobs)}, "
            "and run this again with the same settings",
            USAGE,
        )
    return target


def _rate(text: str) -> int:
    try:
        return int(read_size(text))
    except SettingsError as error:
        fail(f"--rate: {error.problem}", USAGE)


# ---------------------------------------------------------------- rows, and contents with them


async def _move(settings: Settings, target: Settings, rate: int) -> "Moved":
    from holdfast.compose import gate_of, now, open_bytes, open_catalog  # noqa: PLC0415 -- opens the heavy rooms
    from holdfast.core.leases import Leases  # noqa: PLC0415
    from holdfast.core.upkeep.collecting import BACKUP  # noqa: PLC0415
    from holdfast.core.upkeep.front import extent  # noqa: PLC0415
    from holdfast.core.upkeep.moving import Courier, Move  # noqa: PLC0415

    async with AsyncExitStack() as opened:
        source = open_catalog(settings)
        opened.push_async_callback(source.close)
        filled = open_catalog(target, past_gate=True)
        opened.push_async_callback(filled.close)
        courier = None
        contents = await extent(source) if target.blobs != settings.blobs else (0, 0)
        bars = opened.enter_context(staged(*contents, await _rows(source)))
        if target.blobs != settings.blobs:
            old, new = open_bytes(settings), open_bytes(target)
            opened.push_async_callback(old.close)
            opened.push_async_callback(new.close)
            await new.leftovers(0)
            courier = Courier(old, new, rate=rate, step=bars.content)
        tenure = await opened.enter_async_context(Leases(source, now, os.urandom).shared(BACKUP))
        return await Move(
            source=source,
            target=filled,
            source_gate=gate_of(settings),
            target_gate=gate_of(target),
            source_name=store_name(settings.catalog),
            target_name=store_name(target.catalog),
            courier=courier,
            check=tenure.check,
            watch=bars.stage,
            step=bars.rows,
        ).run()


async def _rows(catalog: "Rows") -> int:
    from holdfast.core.ports import KindQuery, Window  # noqa: PLC0415
    from holdfast.core.upkeep.matching import PLACES  # noqa: PLC0415
    from holdfast.core.upkeep.stock import accounts  # noqa: PLC0415

    found = 0
    for account in await accounts(catalog):
        for kind in PLACES:
            page = await catalog.find(KindQuery(account.number, kind, Window(0, total=True)))
            found += page.total or 0
    return found


def _report(moved: "Moved", target: Settings) -> None:
    told = ", ".join(f"{count} {kind}" for kind, count in moved.rows.items() if count)
    typer.echo(f"rows compared on both sides: {told or 'none'}")
    typer.echo(
        f"changes were refused for {moved.closed_seconds:.1f} s, and {moved.again} rows compared again in that time; "
        "the old catalog refuses changes from now on"
    )
    typer.echo(f"serve with HOLDFAST_CATALOG={printable(store_name(target.catalog))}", nl=False)
    typer.echo(f" and HOLDFAST_BLOBS={printable(store_name(target.blobs))}")
    _report_contents(moved.carried)


# ---------------------------------------------------------------- contents alone


async def _carry(settings: Settings, rate: int) -> "Carried":
    from holdfast.compose import open_bytes, open_catalog, open_fallback  # noqa: PLC0415 -- opens the heavy rooms
    from holdfast.core.upkeep.front import extent  # noqa: PLC0415
    from holdfast.core.upkeep.moving import Courier, carry  # noqa: PLC0415

    async with AsyncExitStack() as opened:
        rows = open_catalog(settings)
        opened.push_async_callback(rows.close)
        old, new = open_fallback(settings), open_bytes(settings)
        opened.push_async_callback(old.close)
        opened.push_async_callback(new.close)
        with watched("Moving contents", *await extent(rows)) as step:
            return await carry(rows, Courier(old, new, rate=rate, step=step))


def _report_contents(carried: "Carried") -> None:
    typer.echo(f"{carried.blobs} contents ({carried.bytes} bytes) copied, each read back and digested")
    for account, sha256 in sorted(carried.lost):
        typer.echo(f"lost     {sha256.hex()} of account {account}", err=True)
    if carried.lost:
        raise typer.Exit(FAILED)


# ---------------------------------------------------------------- beforehand, and afterwards


def _show_plan(settings: Settings, target: Settings) -> None:
    rows, contents, size = _guarded(_extent(settings))
    typer.echo(f"catalog  {store_name(settings.catalog)} -> {store_name(target.catalog)}: {rows} rows")
    moves = settings.blobs_fallback or target.blobs != settings.blobs
    if moves:
        old = settings.blobs_fallback or settings.blobs
        typer.echo(f"blobs    {store_name(old)} -> {store_name(target.blobs)}: {contents} contents, {size} bytes")
    else:
        typer.echo(f"blobs    {store_name(settings.blobs)}: they stay")
    problems = [*_in_the_way(settings, target), *(_want_of_room(target, size) if moves else ())]
    for problem in problems:
        typer.echo(f"problem  {printable(problem)}")
    if problems:
        raise typer.Exit(FAILED)
    typer.echo("nothing is in the way; nothing was changed")


async def _extent(settings: Settings) -> tuple[int, int, int]:
    from holdfast.compose import open_catalog  # noqa: PLC0415
    from holdfast.core.upkeep.front import extent  # noqa: PLC0415

    catalog = open_catalog(settings)
    try:
        return (await _rows(catalog), *await extent(catalog))
    finally:
        await catalog.close()


async def _is_used(settings: Settings) -> bool:
    from holdfast.compose import open_catalog  # noqa: PLC0415
    from holdfast.core.upkeep.stock import accounts  # noqa: PLC0415

    catalog = open_catalog(settings)
    try:
        return bool(await accounts(catalog))
    finally:
        await catalog.close()


def _in_the_way(settings: Settings, target: Settings) -> list[str]:
    from holdfast.compose import InstallationError, closure, is_installed, may_close, on_postgres  # noqa: PLC0415
    from holdfast.compose import open_bytes as opened  # noqa: PLC0415

    found = []
    try:
        if target.catalog != settings.catalog:
            if not may_close(settings):
                found.append("the role of the old catalog does not own its tables: move as the one that migrates")
            if is_installed(target) and closure(target) is None and asyncio.run(_is_used(target)):
                found.append("there is a catalog already where the rows would go; it has to be empty")
            if on_postgres(target) and not may_close(target):
                found.append("the role of the new catalog may not make tables there")
        if target.blobs.startswith("file:"):
            above = local_path(target.blobs)
            while not above.exists():
                above = above.parent
            if not os.access(above, os.W_OK | os.X_OK):
                found.append(f"nothing can be written in {above}")
        else:
            asyncio.run(opened(target).close())
    except InstallationError as error:
        found.append(str(error))
    return found


def _want_of_room(target: Settings, size: int) -> list[str]:
    from holdfast.compose import room  # noqa: PLC0415

    free = room(target.blobs)
    typer.echo(f"room     {'nobody can say' if free is None else f'{free} bytes are free'}")
    return [f"{size} bytes are needed, {free} are free"] if free is not None and free < size else []


def _reopen(settings: Settings, *, yes: bool) -> None:
    from holdfast.compose import closure, gate_of, is_watched, said_of  # noqa: PLC0415

    why = closure(settings)
    if why is None:
        if is_watched(settings):
            _guarded(gate_of(settings).open())
        typer.echo("changes are let in")
        return
    if why.state != "moving" and not yes:
        fail(f"the catalog {said_of(why)}; changes made there are not here. --yes opens it all the same", USAGE)
    _guarded(gate_of(settings).open())
    typer.echo(f"changes are let in again; the catalog {said_of(why)}")


def _guarded(work: Coroutine[Any, Any, T]) -> T:
    from holdfast.compose import InstallationError  # noqa: PLC0415
    from holdfast.core.inventory import FillLost, WatchLost  # noqa: PLC0415
    from holdfast.core.leases import LeaseLost  # noqa: PLC0415
    from holdfast.core.upkeep.matching import NotACopy  # noqa: PLC0415
    from holdfast.core.upkeep.moving import Mismatch  # noqa: PLC0415

    try:
        return asyncio.run(work)
    except (InstallationError, NotACopy) as error:
        fail(str(error), USAGE)
    except Mismatch as error:
        fail(f"nothing was switched: {error}")
    except WatchLost as error:
        fail(f"nothing was switched by this move: {error}")
    except FillLost as error:
        fail(f"this move has ended: {error}")
    except LeaseLost:
        fail("the move was interrupted for so long that contents may have gone meanwhile; run it again")
    except HoldfastError as error:
        fail(error.detail)
    except KeyboardInterrupt:
        fail("interrupted; run it again to go on", 130)
