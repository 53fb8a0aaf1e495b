"""A server that the tests of a module share, and commands on its data while it runs."""

from collections.abc import Iterator

import pytest

from tests.serving import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("server") / "data") as running:
        yield running
