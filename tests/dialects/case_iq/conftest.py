from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.dialects.case_iq.harness import CaseIq
from tests.installation import Installation, installed


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(tmp_path) as installation:
        yield installation


@pytest.fixture
async def iq(house: Installation) -> CaseIq:
    """A caller that may do everything in the account acme."""
    return CaseIq(await house.client())


@pytest.fixture
async def other(house: Installation) -> CaseIq:
    """A caller that may do everything in another account."""
    return CaseIq(await house.client(account="rival"))
