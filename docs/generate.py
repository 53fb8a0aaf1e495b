"""Write the generated pages of this folder: `make docs`. The tests fail when one is out of date."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer.main

from holdfast.cli.commands import app
from holdfast.dialects import ALL
from holdfast.settings import Setting, describe_settings

FOLDER = Path(__file__).parent

SETTINGS_INTRODUCTION = """\
# Settings

A value comes from the last of these that gives one: the default, the file, the environment, the command line.

- **File**: `holdfast.toml` in the data folder, or the one that `--config` or `HOLDFAST_CONFIG` names. A relative
  `data` in it is relative to the file.
- **Environment**: `HOLDFAST_` and the name in capitals, such as `HOLDFAST_UPLOAD_LIMIT`. An empty variable counts as
  not given. A list is written with commas.

A name that does not exist is an error, in the file and in the environment: a misspelt limit never goes unnoticed.
Sizes are bytes, or carry a unit: KB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB of 1024.
"""


def settings_page() -> str:
    """Render the table of all settings."""
    head = ["| Name | Takes | Default | What it does |", "|---|---|---|---|"]
    return "\n".join([SETTINGS_INTRODUCTION, *head, *map(settings_row, describe_settings()), ""])


def settings_row(setting: Setting) -> str:
    """Render one setting."""
    default = f"`{setting.default}`" if setting.default else ""
    return f"| `{setting.name}` | {setting.values} | {default} | {setting.help} |"


DIALECTS_INTRODUCTION = """\
# The APIs that Holdfast speaks

One store, one origin. Each vendor's client moves over by changing its base URL; a file that one API has uploaded is
there for the others once it hangs on a record that they show. Every API has its OpenAPI 3.1 document at
`/openapi/NAME.json` and on the reference page `/docs`; `HOLDFAST_DIALECTS` names those that are on.

[Adding another one](adding-one.md) is a recipe. The [native API](../api.md) is Holdfast's own.

| API | Name in settings | Operations | Documented behaviours shown by a test | Readings of ours shown by a test |
|---|---|---|---|---|
"""

DIALECTS_CLOSING = """
A documented behaviour is one that the vendor's own page states; a reading is what we chose where the page is silent or
contradicts itself. Each is listed with its test in `tests/dialects/NAME/coverage.py`, from which this table is made;
what is left out, and why, stands on the API's own page.

How much of each API lies in one place: its lines in its own module, goldens, tests and page, against the lines
elsewhere that name it (settings, command line, journeys).

| API | Share in one place |
|---|---|
"""

PAGES = {"case_iq": "case-iq", "four_hse": "4hse", "navarik": "navarik-bridge", "property_deck": "property-deck"}


class Place(NamedTuple):
    """How many lines of a dialect are its own, and how many stand elsewhere."""

    own: int
    elsewhere: int


def dialects_page() -> str:
    """Render the table of vendors' APIs."""
    vendors = [dialect for dialect in ALL if dialect.name != "native"]
    coverage = [dialect_row(dialect.name, dialect.title, len(dialect.routes)) for dialect in vendors]
    places = [place_row(dialect.name, dialect.title) for dialect in vendors]
    return DIALECTS_INTRODUCTION + "\n".join(coverage) + "\n" + DIALECTS_CLOSING + "\n".join(places) + "\n"


def dialect_row(name: str, title: str, operations: int) -> str:
    """Render what one dialect covers."""
    coverage = importlib.import_module(f"tests.dialects.{name}.coverage").COVERAGE
    counts = []
    for kind in ("documented", "reading"):
        listed = [behaviour for behaviour in coverage if behaviour.kind == kind]
        counts.append(f"{sum(bool(behaviour.test) for behaviour in listed)} of {len(listed)}")
    return f"| [{title}]({PAGES.get(name, name)}.md) | `{name}` | {operations} | {counts[0]} | {counts[1]} |"


def place_row(name: str, title: str) -> str:
    """Render how much of one dialect is in one place."""
    place = lines_of(name)
    return f"| {title} | {place.own / (place.own + place.elsewhere):.0%} |"


def lines_of(name: str) -> Place:
    """Count a dialect's lines."""
    root = FOLDER.parent
    folders = [root / "src/holdfast/dialects" / name, root / "tests/dialects" / name]
    own = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in {".py", ".json", ".txt"}]
    own.append(FOLDER / "dialects" / f"{PAGES.get(name, name)}.md")
    others = [path for folder in ("src", "tests") for path in sorted((root / folder).rglob("*.py")) if path not in own]
    mentions = sum(name in line for path in others for line in path.read_text(encoding="utf-8").splitlines())
    journey = root / "tests/journeys" / f"{name}.py"
    written = len(journey.read_text(encoding="utf-8").splitlines()) if journey.exists() else 0
    return Place(sum(len(path.read_text(encoding="utf-8").splitlines()) for path in own), mentions + written)


COMMANDS_INTRODUCTION = """\
# The command line

Every command works on a data folder, also while a server runs on it. `--data` names the folder; without it the
[settings](settings.md) do, and without those it is `data` where the command is started. `--config` names a
`holdfast.toml` other than the data folder's.

Exit code 0 is success; 1 that something could not be done; 2 that the command, a setting or the installation is not
usable as it is; 130 that it was interrupted. What a command was asked for goes to standard output, everything else to
standard error, and a refusal is one line there.
"""


def commands_page() -> str:
    """Render every command with its arguments and options."""
    return "\n".join([COMMANDS_INTRODUCTION, *(command_section(*named) for named in commands())])


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its whole name."""

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 -- typer does not export the type
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
            return
        for word in inner:
            yield from below(f"{name} {word}", inner[word])

    yield from below("holdfast", typer.main.get_command(app))


def command_section(name: str, command: Any) -> str:  # noqa: ANN401 -- typer does not export the type
    """Render one command."""
    rows = [option_row(parameter) for parameter in command.params]
    table = ["| Takes | | What it is |", "|---|---|---|", *rows]
    paragraphs = [" ".join(part.split()) for part in (command.help or "").split("\n\n")]
    return "\n".join([f"## {name}", "", "\n\n".join(paragraphs), "", *table, ""])


def option_row(parameter: Any) -> str:  # noqa: ANN401 -- typer does not export the type
    """Render one argument or option."""
    named = parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()
    given = parameter.default not in (None, False)
    note = "required" if parameter.required else f"default `{parameter.default}`" if given else ""
    return f"| `{named}` | {note} | {parameter.help} |"


ROUTES_START = "<!-- routes: written by docs/generate.py -->"
ROUTES_END = "<!-- /routes -->"


def api_page() -> str:
    """The page of the native API with its table of routes written anew."""
    page = (FOLDER / "api.md").read_text(encoding="utf-8")
    before, _, rest = page.partition(ROUTES_START)
    native = next(dialect for dialect in ALL if dialect.name == "native")
    rows = [f"| {route.method} | `{route.path.replace(':path}', '}')}` | {route.summary} |" for route in native.routes]
    table = ["", "", "| Method | Path | Does |", "|---|---|---|", *rows, "", ""]
    return before + ROUTES_START + "\n".join(table) + ROUTES_END + rest.partition(ROUTES_END)[2]


def pages() -> dict[Path, str]:
    """Render every generated page, by its path."""
    return {
        FOLDER / "settings.md": settings_page(),
        FOLDER / "cli.md": commands_page(),
        FOLDER / "api.md": api_page(),
        FOLDER / "dialects" / "index.md": dialects_page(),
    }


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parent))
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.name)
