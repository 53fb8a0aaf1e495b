"""The adapters that have to conform."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from holdfast.catalog.sqlite import open_sqlite
from holdfast.core.ports import Catalog

CATALOGS: dict[str, Callable[[Path], Catalog]] = {"sqlite": lambda folder: open_sqlite(folder / "catalog.db")}


@pytest.fixture(params=CATALOGS)
async def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Catalog]:
    opened = CATALOGS[request.param](tmp_path)
    yield opened
    await opened.close()
