"""The table of threats is whole, and each test that it names is there to be run."""

import os
import re
import subprocess
import sys

from tests.house.source import PROJECT

PAGE = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = {int(row[0]): row[1:] for row in re.findall(r"^\| T(\d+) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)}
NAMED = re.compile(r"`(tests/[\w/]+\.py(?:::\w+)+)`")
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
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT / "src"), str(PROJECT)])}
    done = subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if not line.startswith("tests/"))


def test_make_targets_that_are_named_exist() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", PAGE)) <= targets
