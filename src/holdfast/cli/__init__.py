"""The command line. Heavy parts are imported by the command that needs them, so that each starts quickly."""

import sys

import typer

from holdfast.cli import accounts, credentials, maintenance, serving, transfer

app = typer.Typer(
    name="holdfast",
    help="A self-hosted server that keeps the files that hang on business records.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve")(serving.serve)
app.add_typer(credentials.tokens, name="token")
app.add_typer(credentials.users, name="user")
app.add_typer(credentials.clients, name="client")
app.add_typer(accounts.accounts, name="account")
app.command("import")(transfer.import_tree)
app.command("export")(transfer.export_tree)
app.command("migrate")(maintenance.migrate)
app.command("doctor")(maintenance.doctor)
app.command("openapi")(maintenance.openapi)


def main() -> None:
    """Run the command that the arguments name."""
    app(args=sys.argv[1:])
