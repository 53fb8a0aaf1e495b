"""How much one address may have under way, and whom that counts for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest

from holdfast.app import Options
from holdfast.core.errors import RateLimited
from holdfast.web.limits import Crowd
from holdfast.web.wire import Pace
from tests.web.asgi import Answer, Client
from tests.web.conftest import Make

PATIENT = Pace(window=30, floor=1)
MOST_UPLOADS = Options(address_uploads=3, address_requests=5, pace=PATIENT)


@asynccontextmanager
async def under_way(*requests: Awaitable[Answer]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(request) for request in requests]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def stalled(client: Client, address: str, count: int, **headers: str) -> list[Awaitable[Answer]]:
    return [
        client("PUT", f"/toy/files/{number}", b"x", stall=True, length=100, client=address, headers=headers)
        for number in range(count)
    ]


async def test_an_address_with_too_many_uploads_may_still_read(make: Make) -> None:
    client = make(MOST_UPLOADS)
    async with under_way(*stalled(client, "192.0.2.1", 3)):
        refused = await client("PUT", "/toy/files/more", b"y", client="192.0.2.1", stall=True, length=10)
        assert (refused.status, refused["retry-after"], refused["connection"]) == (429, "1", "close")
        assert refused.json["code"] == "rate_limited"
        assert (await client("GET", "/toy/open", client="192.0.2.1")).status == 200
        assert (await client("PUT", "/toy/files/other", b"y", client="192.0.2.2")).status == 201
    assert (await client("PUT", "/toy/files/more", b"y", client="192.0.2.1")).status == 201


async def test_the_refusal_has_the_shape_of_the_dialect(make: Make) -> None:
    client = make(MOST_UPLOADS)
    async with under_way(*stalled(client, "192.0.2.1", 3)):
        refused = await client("POST", "/vendor/json", b"{}", client="192.0.2.1")
        assert (refused.status, refused.body, refused["x-vendor"]) == (418, b"rate_limited", "yes")


async def test_a_house_counts_as_one_address(make: Make) -> None:
    client = make(MOST_UPLOADS)
    async with under_way(*stalled(client, "2001:db8::1", 3)):
        assert (await client("PUT", "/toy/files/a", b"y", client="2001:db8::2")).status == 429
        assert (await client("PUT", "/toy/files/a", b"y", client="2001:db8:0:1::1")).status == 201


async def test_behind_a_trusted_proxy_the_forwarded_address_counts(make: Make) -> None:
    client = make(Options(address_uploads=3, pace=PATIENT, trusted_proxies=("192.0.2.1",)))
    forwarded = {"x-forwarded-for": "198.51.100.7"}
    async with under_way(*stalled(client, "192.0.2.1", 3, **forwarded)):
        put = ("PUT", "/toy/files/a", b"y")
        assert (await client(*put, client="192.0.2.1", headers=forwarded)).status == 429
        other = {"x-forwarded-for": "198.51.100.7, 198.51.100.8"}
        assert (await client(*put, client="192.0.2.1", headers=other)).status == 201
        # Without the header nobody is named: the limit would hit everybody behind the proxy.
        assert (await client(*put, client="192.0.2.1")).status == 201
    async with under_way(*stalled(client, "192.0.2.1", 4)):
        assert (await client(*put, client="192.0.2.1")).status == 201
    async with under_way(*stalled(client, "192.0.2.9", 3, **forwarded)):
        # Who is no trusted proxy speaks for itself alone.
        assert (await client(*put, client="192.0.2.9")).status == 429
        assert (await client(*put, client="192.0.2.1", headers=forwarded)).status == 201


async def test_no_limit_is_no_limit(make: Make) -> None:
    client = make(Options(address_uploads=None, address_requests=None, pace=PATIENT))
    async with under_way(*stalled(client, "192.0.2.1", 50)):
        assert (await client("PUT", "/toy/files/a", b"y", client="192.0.2.1")).status == 201


def test_counts_return_to_nothing() -> None:
    crowd = Crowd(4, 2)
    for upload in (True, True, False, False):
        crowd.enter("a", upload=upload)
    for upload in (True, False):
        with pytest.raises(RateLimited):
            crowd.enter("a", upload=upload)
    crowd.leave("a", upload=True)
    crowd.enter("a", upload=True)
    for upload in (True, True, False, False):
        crowd.leave("a", upload=upload)
    assert (crowd._requests, crowd._uploads) == ({}, {})
