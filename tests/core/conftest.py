from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.office import Office
from tests.installation import installed


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with installed(tmp_path, dialects=()) as installation:
        yield Office(installation.store, await installation.account("acme"), await installation.account("umbra"))
