"""What a desk gives beside its rooms: ids for new records, and the time."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from holdfast.core.store import Desk
from tests.installation import installed


@pytest.fixture
async def desk(tmp_path: Path, engines: Mapping[str, Any]) -> AsyncIterator[Desk]:
    async with installed(tmp_path, **engines) as installation:
        yield await installation.desk()


def test_new_ids_are_uuids_of_version_7_and_never_the_same(desk: Desk) -> None:
    ids = [desk.new_id() for _ in range(100)]
    assert {UUID(id).version for id in ids} == {7}
    assert len(set(ids)) == 100
    assert ids == [str(UUID(id)) for id in ids]


def test_ids_and_times_come_from_one_clock(desk: Desk) -> None:
    before = desk.now()
    milliseconds = UUID(desk.new_id()).int >> 80
    assert before // 1000 <= milliseconds <= desk.now() // 1000
