"""What the documentation tells people to type works when typed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import PROJECT
from tests.serving import PROGRAM, Served, served

WALKTHROUGH = re.compile(r"^```sh walkthrough\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    return [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]


def walkthroughs() -> Iterator[object]:
    for page in pages():
        for number, text in enumerate(WALKTHROUGH.findall(page.read_text(encoding="utf-8")), 1):
            yield pytest.param(f"walk-{page.stem.lower()}-{number}", text, id=f"{page.stem}-{number}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `holdfast` command that runs the sources under test."""
    folder = tmp_path_factory.mktemp("bin")
    command = " ".join(f"'{word}'" for word in PROGRAM)
    (folder / "holdfast").write_text(f"#!/bin/sh\nPYTHONPATH='{PROJECT / 'src'}' exec {command} \"$@\"\n")
    (folder / "holdfast").chmod(0o755)
    (folder / "python3").symlink_to(sys.executable)
    return folder


@pytest.mark.parametrize(("account", "text"), list(walkthroughs()))
def test_a_walkthrough_runs(server: Served, programs: Path, tmp_path: Path, account: str, text: str) -> None:
    environ = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "BASE": server.base,
        "TOKEN": server.token(account=account),
        "ACCOUNT": account,
        "DATA": str(server.data),
    }
    command = ["bash", "-e", "-x", "-c", text]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_page_that_promises_a_walkthrough_has_one() -> None:
    names = ["README", "quickstart", "api", *(page.stem for page in (PROJECT / "docs" / "dialects").glob("*.md"))]
    missing = [
        page.stem
        for page in pages()
        if page.stem in names
        and page.stem not in {"index", "adding-one"}
        and not WALKTHROUGH.search(page.read_text(encoding="utf-8"))
    ]
    assert missing == []


def test_sections_that_links_name_exist() -> None:
    missing = []
    for page in pages():
        for target, section in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target and section not in sections(page.parent / target if target else page):
                missing.append(f"{page.name}: {target}#{section}")
    assert missing == []


def sections(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
