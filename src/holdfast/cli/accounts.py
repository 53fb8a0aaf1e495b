"""Accounts: their limits and what they hold."""

from collections.abc import Mapping
from typing import Annotated

import typer

from holdfast.cli.opening import USAGE, Config, Data, fail, read_settings, with_store
from holdfast.core.model import Account, AccountSettings, Ledger
from holdfast.core.store import Store
from holdfast.settings import SettingsError, read_size

accounts = typer.Typer(no_args_is_help=True, help="Accounts: set limits, show, list.")

NONE = "none"

Slug = Annotated[str, typer.Argument(help="The account's slug.")]
Bytes = Annotated[str | None, typer.Option(help="Bytes, such as 20GiB; none for no limit.")]
Count = Annotated[str | None, typer.Option(help="A number; none for no limit or the default.")]


@accounts.command("set")
def configure(
    slug: Slug,
    quota_bytes: Bytes = None,
    quota_attachments: Count = None,
    max_file_bytes: Bytes = None,
    allowed_types: Annotated[
        str | None, typer.Option(help="Media types with commas between, such as image/png,image/jpeg; none for all.")
    ] = None,
    allowed_types_on: Annotated[
        list[str] | None,
        typer.Option(help="The same for a record type: TYPE=image/png,image/jpeg or TYPE=none; repeat it."),
    ] = None,
    trash_days: Count = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Set limits of an account, made now if it is new; what is not named stays as it is."""
    change: dict[str, object] = {}
    if quota_bytes is not None:
        change["quota_bytes"] = _bytes("--quota-bytes", quota_bytes)
    if quota_attachments is not None:
        change["quota_attachments"] = _count("--quota-attachments", quota_attachments)
    if max_file_bytes is not None:
        change["max_file_bytes"] = _bytes("--max-file-bytes", max_file_bytes)
    if allowed_types is not None:
        change["allowed_types"] = _types(allowed_types)
    if allowed_types_on:
        change["allowed_types_on"] = dict(map(_types_on, allowed_types_on))
    if trash_days is not None:
        change["trash_days"] = _count("--trash-days", trash_days)

    async def work(store: Store) -> Account:
        operator = store.operator()
        await operator.accounts.ensure(slug)
        return await operator.accounts.configure(slug, change)

    _show(with_store(read_settings(config, data=data), work), None)


@accounts.command("show")
def show(slug: Slug, data: Data = None, config: Config = None) -> None:
    """Show an account's limits and what it holds."""

    async def work(store: Store) -> tuple[Account, Ledger]:
        operator = store.operator()
        account = await operator.accounts.get(slug)
        return account, await operator.accounts.usage(account)

    _show(*with_store(read_settings(config, data=data), work))


@accounts.command("list")
def list_accounts(data: Data = None, config: Config = None) -> None:
    """List all accounts: slug, attachments and bytes, one a line, tabs between."""

    async def work(store: Store) -> list[str]:
        operator = store.operator()
        lines = []
        for account in await operator.accounts.all():
            usage = await operator.accounts.usage(account)
            lines.append(f"{account.slug}\t{usage.attachments}\t{usage.bytes}")
        return lines

    for line in with_store(read_settings(config, data=data), work):
        typer.echo(line)


def _show(account: Account, usage: Ledger | None) -> None:
    typer.echo(f"account            {account.slug}")
    if usage is not None:
        typer.echo(f"attachments        {usage.attachments}")
        typer.echo(f"bytes              {usage.bytes}")
    for field in AccountSettings.__struct_fields__:
        value = getattr(account.settings, field)
        typer.echo(f"{field:<18} {_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, Mapping):
        return " ".join(f"{type}={','.join(allowed)}" for type, allowed in sorted(value.items())) or "-"
    return "-" if value is None else str(value)


def _bytes(option: str, text: str) -> int | None:
    try:
        return None if text == NONE else int(read_size(text))
    except SettingsError as error:
        fail(f"{option}: {error.problem}", USAGE)


def _count(option: str, text: str) -> int | None:
    if text == NONE:
        return None
    if not text.isascii() or not text.isdigit():
        fail(f"{option}: expected a whole number or none", USAGE)
    return int(text)


def _types_on(text: str) -> tuple[str, tuple[str, ...] | None]:
    record_type, equals, listed = text.partition("=")
    if not equals or not record_type:
        fail("--allowed-types-on: expected TYPE=image/png,… or TYPE=none", USAGE)
    return record_type, _types(listed)


def _types(text: str) -> tuple[str, ...] | None:
    return None if text == NONE else tuple(part.strip().lower() for part in text.split(","))
