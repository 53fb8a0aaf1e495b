"""What holds for every test of the project."""

import logging
from collections.abc import Iterator

import hypothesis
import pytest

# A deadline measures the machine, not the code; and a run on main must not fail by the luck of a seed.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.load_profile("project")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A program that ran inside a test has set up logging for its process, which is also that of the next test."""
    root = logging.getLogger()
    level, handlers = root.level, tuple(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = [handler for handler in root.handlers if handler in handlers]
