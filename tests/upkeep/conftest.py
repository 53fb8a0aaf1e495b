from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.upkeep.workshop import Workshop, opened


@pytest.fixture
async def workshop(tmp_path: Path) -> AsyncIterator[Workshop]:
    async with opened(tmp_path) as ready:
        yield ready
