"""The documentation says what is so."""

import itertools
import re
import subprocess
import tomllib

import pytest

from docs.generate import pages
from tests.house.source import PROJECT, project_files

MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")


def test_generated_pages_are_up_to_date() -> None:
    written = {path: path.read_text(encoding="utf-8") if path.exists() else None for path in pages()}
    stale = [path.name for path, text in pages().items() if written[path] != text]
    assert stale == [], "run: make docs"


def test_links_between_pages_lead_somewhere() -> None:
    dead = []
    for page in project_files():
        if page.suffix == ".md":
            links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
            local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
            dead += [f"{page.name}: {link}" for link in local if not (page.parent / link).exists()]
    assert dead == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    reasons = (PROJECT / "docs" / "decisions" / "dependencies.md").read_text(encoding="utf-8")
    groups = [*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()]
    required = itertools.chain(project["project"]["dependencies"], *groups)
    names = {re.split(r"[\[<>=~! ]", requirement)[0] for requirement in required}
    rows = re.findall(r"^\| ([^|]+) \|", reasons, re.MULTILINE)
    assert sorted(names - {name for row in rows for name in row.split(", ")}) == []


def test_make_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    shown = subprocess.run(["make", "help"], cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    listed = dict(re.findall(r"^  ([\w-]+) +(\S.*)$", shown, re.MULTILINE))
    assert sorted(listed) == sorted(phony[1].split())


@pytest.mark.parametrize("lock", ["fuzz.lock", "redbot.lock", "run.lock", "test.lock"])
def test_locks_carry_hashes_and_no_addresses(lock: str) -> None:
    text = (PROJECT / "requirements" / lock).read_text(encoding="utf-8")
    assert "://" not in text
    pinned = re.findall(r"^([a-z0-9-]+)==\S+(.*)\\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^\w", text, re.MULTILINE)) > 0
