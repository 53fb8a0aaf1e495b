"""One story, told through every API, with the same look behind the counter after each step."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.errors import NotFound
from holdfast.core.model import Attachment, ByteRange, Event, Ledger, RecordRef
from holdfast.core.ports import Window
from holdfast.core.store import Desk
from tests.installation import Installation, installed
from tests.journeys.journey import Begin, File, Home, every_journey

pytestmark = pytest.mark.on_all_engines

LEASE = File("lease.pdf", "application/pdf", b"%PDF-1.4\n" + bytes(range(256)) * 400)


class Counter:
    """The store behind the API, seen with every permission."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def attachment(self, id: str, *, trashed: bool = False) -> Attachment:
        return await self._desk.attachments.get(id, trashed=trashed)

    async def is_live(self, id: str) -> bool:
        try:
            await self.attachment(id)
        except NotFound:
            return False
        return True

    async def is_at(self, id: str, home: Home) -> bool:
        if isinstance(home, RecordRef):
            links = await self._desk.links.page(id, Window(100))
            return home in {link.record for link in links.items}
        return (await self.attachment(id)).folder == home

    async def content(self, id: str) -> bytes:
        _, content = await self._desk.attachments.content(id)
        return b"".join([chunk async for chunk in content.read(ByteRange(0, content.size))])

    async def usage(self) -> Ledger:
        return await self._desk.usage()

    async def events_of(self, id: str) -> list[str]:
        events: tuple[Event, ...] = (await self._desk.events.after(0, 1000)).items
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        return [event.kind for event in events if event.subject == id]

    async def restore(self, id: str) -> None:
        await self._desk.attachments.restore(id)


@pytest.fixture
async def house(tmp_path: Path, engines: Mapping[str, Any]) -> AsyncIterator[Installation]:
    async with installed(tmp_path, **engines) as house:
        yield house


@pytest.mark.parametrize("begin", every_journey().values(), ids=every_journey())
async def test_a_file_comes_is_found_changes_and_goes(house: Installation, begin: Begin) -> None:
    journey, counter = await begin(house), Counter(await house.desk())
    home = await journey.make_parent()
    assert await journey.listed() == []

    handle = await journey.upload(LEASE)
    id = await journey.core_id(handle)
    stored = await counter.attachment(id)
    assert (stored.name, stored.media_type, stored.version) == (LEASE.name, LEASE.media_type, 1)
    assert (stored.size, stored.sha256) == (len(LEASE.content), hashlib.sha256(LEASE.content).digest())
    assert await counter.content(id) == LEASE.content
    assert await counter.is_at(id, home)
    usage = await counter.usage()
    assert (usage.attachments, usage.bytes) == (1, len(LEASE.content))
    assert await journey.listed() == [handle]

    told = await journey.describe(handle)
    described = await counter.attachment(id)
    assert {member: getattr(described, member) for member in told} == dict(told)
    assert (described.revision > stored.revision) is bool(told)
    assert (described.sha256, described.version) == (stored.sha256, 1)
    assert await journey.download(handle) == LEASE.content

    handle, elsewhere = await journey.carry(handle)
    assert elsewhere != home
    assert await journey.core_id(handle) == id
    assert await counter.is_at(id, elsewhere)
    assert await journey.download(handle) == LEASE.content
    assert (await counter.usage()).attachments == 1

    await journey.delete(handle)
    assert await journey.is_gone(handle)
    assert await journey.listed() == []
    assert not await counter.is_live(id)
    assert (await counter.attachment(id, trashed=True)).sha256 == stored.sha256
    usage = await counter.usage()
    assert (usage.attachments, usage.bytes) == (0, len(LEASE.content))
    kinds = await counter.events_of(id)
    assert (kinds[0], kinds[-1], kinds.count("attachment.trashed")) == ("attachment.created", "attachment.trashed", 1)

    await counter.restore(id)
    assert await journey.download(handle) == LEASE.content


@pytest.mark.parametrize("begin", every_journey().values(), ids=every_journey())
async def test_two_accounts_never_meet(house: Installation, begin: Begin) -> None:
    """The whole story of one account leaves no trace in another."""
    journey = await begin(house)
    await journey.make_parent()
    await journey.upload(LEASE)
    other = await house.desk("globex")
    usage = await other.usage()
    assert (usage.attachments, usage.bytes, usage.event) == (0, 0, 0)
