from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.core.office import Office
from tests.installation import installed


@pytest.fixture
async def office(tmp_path: Path, engines: Mapping[str, Any]) -> AsyncIterator[Office]:
    async with installed(tmp_path, dialects=(), **engines) as installation:
        yield Office(installation.store, await installation.account("acme"), await installation.account("umbra"))
