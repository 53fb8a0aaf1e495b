"""The SQL that all engines share, as PostgreSQL takes it: numbered parameters, and none of SQLite's hints."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from holdfast.catalog.statements import load_statements

_NAMED = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")
_HINT = re.compile(r" INDEXED BY \w+")


class Statement(NamedTuple):
    """One statement, ready to run."""

    text: str
    args: tuple[Any, ...] = ()


@lru_cache(maxsize=2048)
def worded(text: str) -> str:
    """A statement with `?` for its parameters. Which index to use, and what to begin with, the engine knows best."""
    parts = _HINT.sub("", text).replace("CROSS JOIN", "JOIN").split("?")
    return parts[0] + "".join(f"${at}{part}" for at, part in enumerate(parts[1:], 1))


def worded_statements() -> Mapping[str, str]:
    """The named statements, their parameters numbered in the order in which they first stand there."""
    return {name: _numbered(text) for name, text in load_statements("postgres").items()}


def _numbered(text: str) -> str:
    numbers: dict[str, int] = {}
    return _NAMED.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", text)
