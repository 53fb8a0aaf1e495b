from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.dialects.propops.stage import Hand, Stage, staged


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
async def stage(tmp_path: Path, hand: Hand) -> AsyncIterator[Stage]:
    async with staged(tmp_path, hand=hand) as stage:
        yield stage
