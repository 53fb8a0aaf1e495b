"""A record that may hold only so many files."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.attachments import NewAttachment
from holdfast.core.errors import QuotaExceeded
from holdfast.core.links import Hook
from holdfast.core.model import Attachment, RecordRef
from holdfast.core.records import NewRecord
from holdfast.core.store import Desk
from tests.installation import installed

BINDER = RecordRef("binder", "1")


@pytest.fixture
async def desk(tmp_path: Path, engines: Mapping[str, Any]) -> AsyncIterator[Desk]:
    async with installed(tmp_path, **engines) as installation:
        desk = await installation.desk()
        await desk.records.create(NewRecord(BINDER))
        yield desk


async def keep(desk: Desk, name: str, most: int | None) -> Attachment:
    async def chunks() -> AsyncIterator[bytes]:
        yield name.encode()

    async with await desk.attachments.receive() as intake:
        await intake.take(chunks(), name=name)
        return await desk.attachments.create(intake, NewAttachment(name, hooks=(Hook(BINDER, most=most),)))


async def test_a_full_record_takes_no_more_and_nothing_remains_of_the_attempt(desk: Desk) -> None:
    for name in ("one", "two"):
        await keep(desk, name, 2)
    before = await desk.usage()
    with pytest.raises(QuotaExceeded, match="A binder holds at most 2 files"):
        await keep(desk, "three", 2)
    assert await desk.usage() == before


async def test_what_is_in_the_trash_makes_room(desk: Desk) -> None:
    first = await keep(desk, "one", 1)
    await desk.attachments.trash(first.id)
    assert (await keep(desk, "two", 1)).name == "two"


async def test_without_a_bound_a_record_takes_any_number(desk: Desk) -> None:
    for number in range(3):
        await keep(desk, str(number), None)
    assert (await desk.usage()).attachments == 3
