from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.dialects.property_deck.stage import Hand, Stage, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
async def timed(tmp_path: Path, hand: Hand) -> AsyncIterator[Stage]:
    """A stage whose clock is the hand."""
    async with staged(tmp_path, hand=hand) as stage:
        yield stage
