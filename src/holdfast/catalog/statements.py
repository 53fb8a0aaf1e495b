"""The named statements, read from `sql/statements.sql`."""

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- name: ([a-z0-9_]+)$", re.MULTILINE)


def load_statements() -> Mapping[str, str]:
    """Name -> SQL of every statement, in the `:name` style of parameters."""
    text = files("holdfast.catalog").joinpath("sql/statements.sql").read_text("utf-8")
    parts = _NAME.split(text)[1:]
    return {name: _bare(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _bare(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if line and not line.startswith("--"))
