"""The adapters that have to conform."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from holdfast.catalog.sqlite import open_sqlite
from holdfast.core.ports import Catalog
from tests.engines.postgres import fresh_catalog


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Catalog]:
    catalog = open_sqlite(folder / "catalog.db")
    try:
        yield catalog
    finally:
        await catalog.close()


CATALOGS: dict[str, Callable[[Path], AbstractAsyncContextManager[Catalog]]] = {
    "sqlite": _sqlite,
    "postgres": lambda _: fresh_catalog(),
}


@pytest.fixture(params=CATALOGS)
async def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Catalog]:
    async with CATALOGS[request.param](tmp_path) as opened:
        yield opened
