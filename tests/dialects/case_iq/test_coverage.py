"""The account of what is covered names tests that exist."""

import re
from pathlib import Path

from tests.dialects.case_iq.coverage import COVERAGE


def test_every_named_test_exists() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    tests = {name for source in sources for name in re.findall(r"^(?:async )?def (test_\w+)", source, re.MULTILINE)}
    assert sorted({behaviour.test for behaviour in COVERAGE} - tests) == []


def test_no_behaviour_is_counted_twice() -> None:
    texts = [behaviour.text for behaviour in COVERAGE]
    assert len(texts) == len(set(texts))
    assert {behaviour.kind for behaviour in COVERAGE} == {"documented", "reading"}
