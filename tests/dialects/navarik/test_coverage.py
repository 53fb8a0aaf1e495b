"""The list of what is covered names tests that are there, and the page tells of every route."""

import ast
from pathlib import Path

from holdfast.dialects.navarik import NAVARIK
from tests.dialects.navarik.coverage import COVERAGE

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "dialects" / "navarik-bridge.md"


def names_of_tests() -> set[str]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in HERE.glob("test_*.py")]
    functions = (node for tree in trees for node in ast.walk(tree))
    return {node.name for node in functions if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_behaviour_names_a_test_that_is_there() -> None:
    there = names_of_tests()
    assert [behaviour.test for behaviour in COVERAGE if behaviour.test not in there] == []


def test_no_behaviour_is_counted_twice() -> None:
    told = [(behaviour.kind, behaviour.text) for behaviour in COVERAGE]
    assert len(told) == len(set(told))


def test_the_page_tells_of_every_route() -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = [(route.method, route.path) for route in NAVARIK.routes]
    told += [(absent.method, absent.path) for absent in NAVARIK.absent]
    assert [call for call in told if f"`{call[0]} {call[1]}`" not in page] == []
