"""All commands. Heavy parts are imported by the command that needs them, so that each starts quickly."""

from typing import Annotated

import typer

from holdfast import __version__
from holdfast.cli.accounts import accounts
from holdfast.cli.backups import backup, restore
from holdfast.cli.credentials import clients, tokens, users
from holdfast.cli.maintenance import doctor, migrate, openapi
from holdfast.cli.moving import move
from holdfast.cli.serving import serve
from holdfast.cli.transfer import export_tree, import_tree
from holdfast.cli.upkeep import collect, verify

app = typer.Typer(
    name="holdfast",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"holdfast {__version__}")
        raise typer.Exit


@app.callback()
def holdfast(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """A self-hosted server that keeps the files that hang on business records."""


app.command("serve")(serve)
app.add_typer(tokens, name="token")
app.add_typer(users, name="user")
app.add_typer(clients, name="client")
app.add_typer(accounts, name="account")
app.command("import")(import_tree)
app.command("export")(export_tree)
app.command("verify")(verify)
app.command("collect")(collect)
app.command("backup")(backup)
app.command("restore")(restore)
app.command("move")(move)
app.command("migrate")(migrate)
app.command("doctor")(doctor)
app.command("openapi")(openapi)
