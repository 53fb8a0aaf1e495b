"""What is said to be covered has its test."""

import ast
from pathlib import Path

from tests.dialects.propops.coverage import COVERAGE


def test_every_behaviour_names_a_test_that_is_there() -> None:
    names = {
        node.name
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {behaviour.test for behaviour in COVERAGE} - names == set()


def test_no_behaviour_is_told_twice() -> None:
    assert len({(behaviour.kind, behaviour.text) for behaviour in COVERAGE}) == len(COVERAGE)
