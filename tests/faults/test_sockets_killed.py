"""One story of each API killed half way; `make faults` kills many."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.sockets import trial
from tests.journeys.journey import every_journey


@pytest.mark.parametrize(("place", "name"), list(enumerate(every_journey())))
def test_what_a_client_was_told_of_is_there_after_the_server_is_killed(tmp_path: Path, place: int, name: str) -> None:
    told, problems = asyncio.run(trial(tmp_path, every_journey()[name], 60 + 17 * place, 300_000 * (place % 2) + 900))
    assert problems == []
    assert not told.whole or told.id is not None
