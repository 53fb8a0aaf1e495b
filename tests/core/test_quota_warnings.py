"""The account's log says when a quota is nearly used up: once for each crossing, with the change that crosses."""

import asyncio
from typing import Any

import pytest

from holdfast.core.errors import QuotaExceeded
from tests.core.office import Office


async def warnings(office: Office) -> list[tuple[str, int, int]]:
    page = await office.desk().events.after(0, 10_000)
    found = [event for event in page.items if event.kind == "account.quota_warning"]
    assert all(event.subject == event.data["kind"] for event in found)
    return [(event.data["kind"], event.data["percent"], event.data["used"]) for event in found]


async def limit(office: Office, **quotas: int) -> None:
    await office.store.operator().accounts.configure("acme", quotas)


async def test_each_percentage_is_said_when_it_is_reached(office: Office) -> None:
    await limit(office, quota_bytes=100)
    said = []
    for n, size in enumerate((79, 1, 14, 1, 5)):
        await office.upload(f"{n}", b"x" * (size - 1) + b"%d" % n)
        said.append(len(await warnings(office)))
    assert said == [0, 1, 1, 2, 2]
    assert await warnings(office) == [("bytes", 80, 80), ("bytes", 95, 95)]


async def test_one_change_may_cross_both_and_both_quotas(office: Office) -> None:
    await limit(office, quota_bytes=10, quota_attachments=1)
    await office.upload("all", b"x" * 10)
    assert await warnings(office) == [
        ("bytes", 80, 10),
        ("bytes", 95, 10),
        ("attachments", 80, 1),
        ("attachments", 95, 1),
    ]


async def test_it_is_said_again_after_room_was_made(office: Office) -> None:
    await limit(office, quota_attachments=10)
    made = [await office.upload(f"{n}") for n in range(8)]
    assert len(await warnings(office)) == 1
    await office.desk().attachments.trash(made[0].id)
    assert len(await warnings(office)) == 1
    await office.desk().attachments.restore(made[0].id)
    assert len(await warnings(office)) == 2


async def test_what_is_refused_says_nothing(office: Office) -> None:
    await limit(office, quota_bytes=10)
    with pytest.raises(QuotaExceeded):
        await office.upload("too much", b"x" * 11)
    assert await warnings(office) == []


@pytest.mark.parametrize("quotas", [{}, {"quota_bytes": 0, "quota_attachments": 0}])
async def test_without_a_quota_there_is_nothing_to_say(office: Office, quotas: dict[str, Any]) -> None:
    await limit(office, **quotas)
    try:
        await office.upload("a", b"")
    except QuotaExceeded:
        pass
    assert await warnings(office) == []


async def test_twenty_uploads_at_once_cross_once(office: Office) -> None:
    await limit(office, quota_bytes=20 * 50, quota_attachments=20)
    await asyncio.gather(*(office.upload(f"{n}", b"%02d" % n * 25) for n in range(20)))
    assert sorted((kind, percent) for kind, percent, _ in await warnings(office)) == [
        ("attachments", 80),
        ("attachments", 95),
        ("bytes", 80),
        ("bytes", 95),
    ]
    page = await office.desk().events.after(0, 10_000)
    assert [event.number for event in page.items] == list(range(1, len(page.items) + 1))
    assert [event.at for event in page.items] == sorted(event.at for event in page.items)
