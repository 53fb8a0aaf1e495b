"""Tokens, users and clients."""

import datetime as dt
import difflib
import json
import sys
from typing import Annotated

import typer

from holdfast.cli.opening import USAGE, AccountName, Config, Data, fail, printable, read_settings, with_store
from holdfast.core.access import parse_scope
from holdfast.core.credentials import Grant
from holdfast.core.errors import HoldfastError
from holdfast.core.model import PERMISSIONS
from holdfast.core.ports import Window
from holdfast.core.store import Store

tokens = typer.Typer(no_args_is_help=True, help="Bearer tokens of an account: create, list, revoke.")
users = typer.Typer(no_args_is_help=True, help="People who sign in with e-mail and password.")
clients = typer.Typer(no_args_is_help=True, help="Programs that sign in with an id and a secret.")

Allow = Annotated[list[str], typer.Option("--allow", help="A permission, such as attachments.read or '*'. Repeatable.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="Narrow to record:TYPE:ID, type:TYPE or path:/FOLDER. Repeatable."),
]
Name = Annotated[str, typer.Option("--name", help="What people will know it by.")]


def read_grant(allow: list[str], scopes: list[str] | None) -> Grant:
    """The permissions and scopes of the options, or one line about the one that cannot be read, and exit code 2."""
    for permission in allow:
        _check_permission(permission)
    try:
        return Grant(frozenset(allow), tuple(parse_scope(scope) for scope in scopes or ()))
    except HoldfastError as error:
        fail(f"--scope: {error.detail}", USAGE)


def _check_permission(permission: str) -> None:
    """Vendors' keys are an open set; what is all but one of our own permissions is taken for a slip of the pen."""
    if permission in PERMISSIONS:
        return
    close = difflib.get_close_matches(permission, sorted(PERMISSIONS), n=1, cutoff=0.85)
    if close and permission not in _known_keys():
        fail(f"--allow {printable(permission)}: there is no such permission; the closest is {close[0]}", USAGE)
    if not all(part.isidentifier() for part in permission.replace("-", "_").split(".")):
        fail(f"--allow {printable(permission)}: not the name of a permission", USAGE)


def _known_keys() -> frozenset[str]:
    from holdfast.app import permission_keys  # noqa: PLC0415 -- the command line starts without the web

    return permission_keys()


@tokens.command("create")
def create_token(
    account: AccountName,
    name: Name,
    allow: Allow,
    scope: Scopes = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=36500, help="Days until it expires; default never.")
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a token and print it, alone; it is shown this once."""
    grant = read_grant(allow, scope)

    async def work(store: Store) -> str:
        operator = store.operator()
        owner = await operator.accounts.ensure(account)
        ends = None
        if days is not None:
            end = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
            ends = int(end.timestamp() * 1_000_000)
        return await operator.credentials.issue_token(owner.number, name, grant, ends)

    typer.echo(with_store(read_settings(config, data=data), work))


@tokens.command("list")
def list_tokens(account: AccountName, data: Data = None, config: Config = None) -> None:
    """List an account's tokens: id, name, permissions, scopes and end, one a line, tabs between."""

    async def work(store: Store) -> list[str]:
        operator = store.operator()
        owner = await operator.accounts.get(account)
        found = await operator.credentials.tokens(owner.number, Window(limit=10_000))
        return [
            "\t".join(
                (
                    token.id,
                    printable(token.name),
                    ",".join(sorted(token.permissions)),
                    printable(" ".join(map(str, token.scopes)) or "-"),
                    _date(token.expires_at),
                )
            )
            for token in found.items
            if token.kind == "token"
        ]

    for line in with_store(read_settings(config, data=data), work):
        typer.echo(line)


@tokens.command("revoke")
def revoke_token(
    account: AccountName,
    id: Annotated[str, typer.Argument(help="The token's id, as `token list` prints it.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """End a token; the next request that shows it is refused."""

    async def work(store: Store) -> str:
        operator = store.operator()
        owner = await operator.accounts.get(account)
        return (await operator.credentials.revoke(owner.number, id)).name

    typer.echo(f"Revoked {printable(with_store(read_settings(config, data=data), work))}")


@users.command("create")
def create_user(
    account: AccountName,
    email: Annotated[str, typer.Option("--email", help="Unique in the installation.")],
    allow: Allow,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    name: Annotated[str | None, typer.Option("--name", help="Full name; default the e-mail.")] = None,
    scope: Scopes = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a user and print the id."""
    grant = read_grant(allow, scope)
    if password_stdin:
        password = sys.stdin.read().removesuffix("\n")
    else:
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))

    async def work(store: Store) -> str:
        operator = store.operator()
        owner = await operator.accounts.ensure(account)
        return (await operator.credentials.add_user(owner.number, email, name or email, password, grant)).id

    typer.echo(with_store(read_settings(config, data=data), work))


@clients.command("create")
def create_client(
    account: AccountName,
    name: Name,
    allow: Allow,
    scope: Scopes = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a client and print its id and secret as JSON; the secret is shown this once."""
    grant = read_grant(allow, scope)

    async def work(store: Store) -> dict[str, str]:
        operator = store.operator()
        owner = await operator.accounts.ensure(account)
        client, secret = await operator.credentials.add_client(owner.number, name, grant)
        return {"client_id": client.id, "client_secret": secret}

    typer.echo(json.dumps(with_store(read_settings(config, data=data), work)))


def _date(moment: int | None) -> str:
    if moment is None:
        return "never"
    return dt.datetime.fromtimestamp(moment / 1_000_000, dt.UTC).isoformat(timespec="seconds")
