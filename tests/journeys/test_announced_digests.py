"""Every API holds an upload against the digest that its client announces, and keeps nothing that differs."""

import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.core.ports import AttachmentQuery, Window
from tests.installation import Installation, installed
from tests.journeys.journey import Begin, File, every_journey

pytestmark = pytest.mark.on_all_engines

FILE = File("report.pdf", "application/pdf", b"%PDF-1.4\nA report.\n")
JOURNEYS = every_journey()
FIELDS = [
    ("Content-Digest", "sha-256=:{}:", "sha256"),
    ("Content-Digest", "sha-512=:{}:", "sha512"),
    ("Repr-Digest", "sha-256=:{}:", "sha256"),
    ("Content-MD5", "{}", "md5"),
]


@dataclass
class Announcement:
    """The field that goes with every request that has a body, true to it or not."""

    name: str
    form: str
    algorithm: str
    honest: bool = True
    refusals: list[int] = field(default_factory=list)

    async def before(self, request: httpx.Request) -> None:
        body = await request.aread()
        if body:
            digest = hashlib.new(self.algorithm, body if self.honest else body + b"!").digest()
            request.headers[self.name] = self.form.format(b64encode(digest).decode())

    async def after(self, response: httpx.Response) -> None:
        if response.status_code >= 400:
            self.refusals.append(response.status_code)


@dataclass(frozen=True, slots=True)
class Announcing(Installation):
    """An installation whose clients announce."""

    announcement: Announcement = field(default_factory=lambda: Announcement("", "", ""))

    def bare_client(self, token: str | None = None) -> httpx.AsyncClient:
        client = Installation.bare_client(self, token)
        client.event_hooks = {"request": [self.announcement.before], "response": [self.announcement.after]}
        return client


@pytest.fixture
async def house(tmp_path: Path, engines: Mapping[str, Any]) -> AsyncIterator[Installation]:
    async with installed(tmp_path / "data", records="open", **engines) as installation:
        yield installation


async def count(house: Installation) -> int:
    account = await house.account()
    page = await (await house.desk()).attachments.find(AttachmentQuery(account.number, Window(1, total=True)))
    return page.total or 0


@pytest.mark.parametrize("begin", JOURNEYS.values(), ids=JOURNEYS)
@pytest.mark.parametrize(("name", "form", "algorithm"), FIELDS)
async def test_an_upload_is_what_was_announced(
    house: Installation, begin: Begin, name: str, form: str, algorithm: str
) -> None:
    announcement = Announcement(name, form, algorithm)
    journey = await begin(Announcing(house.store, house.app, house.settings, announcement=announcement))
    await journey.make_parent()
    handle = await journey.upload(FILE)
    assert await journey.download(handle) == FILE.content
    announcement.honest = False
    before = announcement.refusals.copy()
    with pytest.raises(AssertionError):
        await journey.upload(FILE)
    assert announcement.refusals == [*before, 400]
    assert await count(house) == 1
