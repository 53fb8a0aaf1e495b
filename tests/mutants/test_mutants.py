"""All patches still fit, and a handful of mutants are killed; `make mutants` hunts them all."""

import ast
from pathlib import Path

import pytest

from tests.mutants.__main__ import PROJECT, apply, copy_project, mutants, outcome

HANDFUL = (
    "blob-not-synced",
    "permission-not-asked",
    "scope-of-attachment-not-asked",
    "sniffing-allowed",
    "commit-told-early",
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutants") / "copy"
    folder.mkdir()
    copy_project(folder)
    return folder


def test_every_patch_fits_changes_something_and_can_be_undone(copy: Path) -> None:
    found = mutants()
    assert len(found) >= 60
    for mutant in found:
        assert apply(mutant, copy) == "", mutant.name
        assert apply(mutant, copy, undo=True) == "", mutant.name
    assert not list(copy.rglob("*.rej"))


def test_every_mutant_names_tests_that_exist() -> None:
    wanted = {test for mutant in mutants() for test in mutant.tests}
    defined = {file: functions_of(PROJECT / file) for file in {test.partition("::")[0] for test in wanted}}
    missing = []
    for test in sorted(wanted):
        file, _, name = test.partition("::")
        if name and name.partition("[")[0] not in defined[file]:
            missing.append(test)
    assert missing == []


def functions_of(file: Path) -> set[str]:
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("name", HANDFUL)
def test_a_handful_is_killed(copy: Path, name: str) -> None:
    (mutant,) = mutants([name])
    kind, said = outcome(mutant, copy)
    assert kind == "killed", said
