"""Each vendor's API is told as a journey, and lives in one place."""

import pytest

from docs.generate import lines_of
from holdfast.dialects import ALL
from tests.journeys.journey import every_journey

VENDORS = [dialect.name for dialect in ALL if dialect.name != "native"]


def test_every_dialect_has_its_journey() -> None:
    assert sorted(every_journey()) == sorted(dialect.name for dialect in ALL)


@pytest.mark.parametrize("name", VENDORS)
def test_a_dialect_lives_in_its_own_module_goldens_and_page(name: str) -> None:
    place = lines_of(name)
    assert place.own / (place.own + place.elsewhere) >= 0.95
