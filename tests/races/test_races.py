"""A few rounds of each race; `make races` holds a thousand."""

from pathlib import Path

import pytest

from tests.installation import installed
from tests.races.rounds import RACES, Ring

ROUNDS = 4


@pytest.mark.parametrize("name", RACES)
async def test_every_round_has_the_one_right_outcome(tmp_path: Path, name: str) -> None:
    async with installed(tmp_path) as house:
        for n in range(ROUNDS):
            await RACES[name](Ring(house, f"r{n}"))
