"""The table of threats is whole, and each test that it names is there to be run."""

import ast
import re
from pathlib import Path

from tests.house.source import PROJECT

PAGE = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = {int(row[0]): row[1:] for row in re.findall(r"^\| T(\d+) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)}
NAMED = re.compile(r"`(tests/[\w/]+\.py(?:::\w+)+)`")
DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LATER = {
    "console",
    "export of lists",
    "resumable uploads",
    "signed links",
    "virus scan",
}
"""Features that are not there yet; a row that waits for one gets its tests together with it."""


def test_every_threat_has_its_row_once() -> None:
    assert list(ROWS) == list(range(1, 82))
    assert len(re.findall(r"^\| T\d", PAGE, re.MULTILINE)) == len(ROWS)


def test_every_row_names_a_test_or_what_it_waits_for() -> None:
    for number, (*_, shown) in ROWS.items():
        waits = re.search(r"waits: (.+)$", shown)
        assert NAMED.search(shown) or waits, number
        assert waits is None or waits[1] in LATER, number


def test_every_test_that_is_named_can_be_run() -> None:
    named = sorted(set(NAMED.findall(PAGE)))
    assert len(named) > 80
    assert [each for each in named if not is_there(*each.split("::"))] == []


def is_there(file: str, *names: str) -> bool:
    """Whether the file defines a test of that name, in these classes, where pytest finds it."""
    found: ast.AST = ast.parse((PROJECT / file).read_text(encoding="utf-8"))
    for name in names:
        below = {each.name: each for each in getattr(found, "body", ()) if isinstance(each, DEFINED)}
        if name not in below:
            return False
        found = below[name]
    return names[-1].startswith(("test_", "Test")) and Path(file).name.startswith("test_")


def test_make_targets_that_are_named_exist() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", PAGE)) <= targets
