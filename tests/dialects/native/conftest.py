from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from holdfast.dialects.native import NATIVE
from tests.installation import Installation, installed


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(tmp_path, dialects=(NATIVE,)) as opened:
        yield opened


@pytest.fixture
async def client(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may do everything, in an account with the records contact:42 and job:7."""
    async with await installation.client() as opened:
        for record in ("contact/42", "job/7"):
            assert (await opened.put(f"/v1/records/{record}", json={})).status_code == 201
        yield opened
