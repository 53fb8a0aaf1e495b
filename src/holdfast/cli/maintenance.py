"""Looking after an installation: migrate, doctor, openapi."""

import resource
from typing import Annotated

import typer

from holdfast.cli.opening import FAILED, USAGE, Config, Data, fail, printable, read_settings


def migrate(data: Data = None, config: Config = None) -> None:
    """Bring the catalog's schema up to date. `serve` does it too; running it twice does nothing."""
    from holdfast.compose import InstallationError  # noqa: PLC0415 -- opens the heavy rooms
    from holdfast.compose import migrate as run  # noqa: PLC0415

    try:
        versions = run(read_settings(config, data=data))
    except InstallationError as error:
        fail(str(error), USAGE)
    if versions.found == versions.known:
        typer.echo(f"The schema is up to date (version {versions.known})")
    else:
        typer.echo(f"Migrated the schema from version {versions.found} to {versions.known}")


def doctor(data: Data = None, config: Config = None) -> None:
    """Say what is wrong with this installation and how to mend it. Exit code 1 if something is."""
    from holdfast.compose import InstallationError, diagnose  # noqa: PLC0415 -- opens the heavy rooms

    settings = read_settings(config, data=data)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        findings = list(diagnose(settings, (1 << 30) if hard == resource.RLIM_INFINITY else hard))
    except InstallationError as error:
        fail(str(error), USAGE)
    for finding in findings:
        typer.echo(f"{finding.level:<8} {finding.subject}: {printable(finding.detail)}")
        if finding.remedy:
            typer.echo(f"{'':<8} -> {printable(finding.remedy)}")
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(FAILED)


def openapi(
    dialect: Annotated[str, typer.Argument(help="Which API; native unless told.")] = "native",
    url: Annotated[str, typer.Option("--url", help="Base URL to write into it.")] = "http://127.0.0.1:8080",
) -> None:
    """Print the OpenAPI 3.1 document of one API."""
    from holdfast.app import dialect_names, openapi_document  # noqa: PLC0415 -- the command line starts without the web

    if dialect not in dialect_names():
        fail(f"there is no API {printable(dialect)}; known are {', '.join(dialect_names())}", USAGE)
    typer.echo(openapi_document(dialect, url))
