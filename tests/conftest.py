"""What holds for every test of the project."""

import logging
from collections.abc import Iterator

import hypothesis
import pytest

from holdfast.blobs.buckets import BucketOptions
from tests.engines import objects

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


@pytest.fixture(scope="session")
def object_store() -> Iterator[objects.ObjectStore]:
    """An object store for all tests of the run; each takes a place of its own in it."""
    with objects.chosen() as store:
        yield store


@pytest.fixture(scope="session")
def signing_store() -> Iterator[objects.ObjectStore]:
    """One that checks signatures."""
    with objects.rclone() as store:
        yield store


@pytest.fixture
def object_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What opens the stores above, where the driver and every child process look for it."""
    for variable, value in objects.CREDENTIALS.items():
        monkeypatch.setenv(variable, value)


@pytest.fixture
def bucket(object_store: objects.ObjectStore, object_credentials: None) -> BucketOptions:
    """A place of one test alone: hand it to `open_objects`, or `object_settings(bucket)` to a process."""
    return object_store.fresh()
