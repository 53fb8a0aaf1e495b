"""Every behaviour that we say is shown is shown by a test that exists."""

import re
from pathlib import Path

from tests.dialects.four_hse.coverage import COVERAGE

TESTS = frozenset(
    name
    for path in Path(__file__).parent.glob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
)


def test_every_behaviour_names_a_test_that_exists() -> None:
    assert [behaviour for behaviour in COVERAGE if behaviour.test not in TESTS] == []


def test_no_behaviour_is_counted_twice() -> None:
    assert len({(behaviour.kind, behaviour.text) for behaviour in COVERAGE}) == len(COVERAGE)
