"""The named statements, read from `sql/statements.sql`, some of them in other words for an engine that needs them."""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, NamedTuple

_NAME = re.compile(r"^-- name: ([a-z0-9_]+)$", re.MULTILINE)


class Named(NamedTuple):
    """A named statement and what is bound in it, in the order in which its parameters first stand there."""

    name: str
    args: tuple[Any, ...]


def load_statements(engine: str | None = None) -> Mapping[str, str]:
    """Name -> SQL of every statement, in the `:name` style of parameters, with those that an engine says otherwise."""
    found = _read("sql/statements.sql")
    return found if engine is None else {**found, **_read(f"sql/{engine}/statements.sql")}


def _read(path: str) -> dict[str, str]:
    text = files("holdfast.catalog").joinpath(path).read_text("utf-8")
    parts = _NAME.split(text)[1:]
    return {name: _bare(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _bare(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if line and not line.startswith("--"))
