"""What all commands share: their common options, opening the store, and saying plainly what went wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer

from holdfast.core.errors import HoldfastError
from holdfast.core.store import Store
from holdfast.settings import Settings, SettingsError, load_settings

T = TypeVar("T")

# Text rather than a path: an empty one, as an unset variable gives it, must not come to mean the current folder.
Data = Annotated[
    str | None, typer.Option("--data", metavar="PATH", help="Folder of everything the server keeps; made on first use.")
]
Config = Annotated[Path | None, typer.Option("--config", help="A holdfast.toml other than the data folder's.")]
AccountName = Annotated[str, typer.Option("--account", help="Account, by its slug; made on first use.")]

USAGE = 2
FAILED = 1


def fail(problem: str, code: int = FAILED) -> NoReturn:
    """Print one line to standard error and end."""
    typer.echo(f"holdfast: {problem}", err=True)
    raise typer.Exit(code)


def read_settings(config: Path | None = None, **overrides: object) -> Settings:
    """The settings with these overrides, or one line that names the setting, and exit code 2."""
    given = {name: str(value) if isinstance(value, Path) else value for name, value in overrides.items()}
    try:
        return load_settings(overrides=given, config=config)
    except SettingsError as error:
        fail(str(error), USAGE)


def existing(settings: Settings) -> Settings:
    """The settings, if an installation is there already; else one line and exit code 2.

    Upkeep of a mistyped folder would find all well in a new and empty installation.
    """
    from holdfast.compose import InstallationError, is_installed, on_postgres  # noqa: PLC0415 -- opens the heavy rooms

    try:
        if is_installed(settings):
            return settings
    except InstallationError as error:
        fail(str(error), USAGE)
    if on_postgres(settings):
        fail("catalog: there is no installation in this database; holdfast migrate makes one", USAGE)
    fail(f"data: there is no installation in {printable(str(settings.data))}", USAGE)


def with_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    """Run work on the opened store and close it. A failure is one line and exit code 1."""
    from holdfast.compose import InstallationError, open_store  # noqa: PLC0415 -- opens the heavy rooms

    async def run() -> T:
        store = open_store(settings)
        try:
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except InstallationError as error:
        fail(str(error), USAGE)
    except HoldfastError as error:
        fail(error.detail)
    except KeyboardInterrupt:
        fail("interrupted", 130)


def printable(text: str) -> str:
    """Text for a terminal: control characters, which could drive it, are shown as escapes."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
