from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.dialects.four_hse.stage import Stage, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """With one project, as in the vendor's examples."""
    async with staged(tmp_path) as stage:
        await stage.project()
        yield stage
