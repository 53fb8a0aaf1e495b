"""What holds for every test of the project."""

import gc
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from holdfast.blobs.buckets import BucketOptions
from tests.engines import objects
from tests.engines.pairs import PAIRS, fresh_pair

# A deadline measures the machine, not the code; and a run on main must not fail by the luck of a seed.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.register_profile("whole", hypothesis.settings.get_profile("project"), max_examples=250)

HERE = Path(__file__).parent
MEMORY, ROOM = Path("/dev/shm"), 2 << 30

LONGEST = (
    "nodes/test_faults.py",
    "cli/test_move.py",
    "faults/test_kills.py",
    "browser/test_active_content.py",
    "cli/test_backups.py",
    "upkeep/test_last_pass.py",
    "conformance/test_blobs.py",
    "media/test_hostile.py",
    "cli/test_object_stores.py",
    "authorization/test_matrix.py",
    "cli/test_postgres.py",
    "nodes/test_nodes.py",
    "model/test_model.py",
)
"""What lanes begin with, so that none is left with it at the end."""


def pytest_configure(config: pytest.Config) -> None:
    """Settle how many examples are tried, and where tests write: into memory where there is room for it. Nothing waits
    for a disk there, and what is synced is proven by the calls that are made. `PYTEST_DEBUG_TEMPROOT` names another
    place."""
    hypothesis.settings.load_profile("whole" if config.getoption("engines") == "all" else "project")
    if MEMORY.is_dir() and "PYTEST_DEBUG_TEMPROOT" not in os.environ:
        place = os.statvfs(MEMORY)
        if place.f_bavail * place.f_frsize >= ROOM and not place.f_flag & os.ST_NOEXEC:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)
    # Whoever started this process may have settled the place already.
    tempfile.tempdir = os.environ.get("PYTEST_DEBUG_TEMPROOT", tempfile.tempdir)


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """A program that ran inside a test has set up logging for its process, which is also that of the next test; and
    whatever it did to the collector, it has to have taken back."""
    root = logging.getLogger()
    level, handlers = root.level, tuple(root.handlers)
    collects = gc.isenabled()
    yield
    assert gc.isenabled() == collects
    root.setLevel(level)
    root.handlers[:] = [handler for handler in root.handlers if handler in handlers]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engines",
        choices=("some", "all"),
        default="some",
        help="take suites that are long on few pairs of engines, in part (the default), or on all of them and whole",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each lane takes one file after the other, in this order; a run without lanes keeps to that of the files."""
    if hasattr(config, "workerinput"):
        places = {HERE / name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Tests and modules stay until the run ends; the collector need not look at them with every full round."""
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engines" in metafunc.fixturenames:
        whole = metafunc.config.getoption("engines") == "all" or metafunc.definition.get_closest_marker(
            "on_all_engines"
        )
        pairs = PAIRS if whole else PAIRS[:1]
        metafunc.parametrize("engines", pairs, indirect=True, scope="function")


@pytest.fixture
def engines(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Any]]:
    """The settings of an installation on each pair of engines in turn, new for each test.

    With the marker `on_all_engines` on all of them, else on the first, unless more is asked for by `--engines all`.
    """
    with fresh_pair(request.param) as settings:
        yield settings


@pytest.fixture(scope="session")
def object_store() -> objects.ObjectStore:
    """An object store for all tests of the run; each takes a place of its own in it."""
    return objects.shared_store()


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
