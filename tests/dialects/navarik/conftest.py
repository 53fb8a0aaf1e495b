from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.app import Options
from tests.dialects.navarik.world import World, made
from tests.installation import Installation, installed


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(tmp_path, Options()) as installation:
        yield installation


@pytest.fixture
async def world(house: Installation) -> World:
    return await made(house)
