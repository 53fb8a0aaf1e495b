"""Three nodes on one PostgreSQL and one object store are one installation: what one has done the others know."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256

import pytest

from holdfast.core.counts import count_key
from holdfast.core.credentials import Grant
from holdfast.core.ports import Window
from holdfast.settings import Settings
from tests.journeys.journey import Begin, File, every_journey
from tests.nodes.cluster import Node, Remote, cluster, remote

LEASE = File("lease.pdf", "application/pdf", b"%PDF-1.4\n" + bytes(range(256)) * 400)
PASSWORD = "correct horse"
TRIES = 200


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[tuple[Node, ...], Settings]]:
    with cluster(tmp_path_factory.mktemp("nodes"), {}) as made:
        yield made


@pytest.fixture
async def house(running: tuple[tuple[Node, ...], Settings], request: pytest.FixtureRequest) -> AsyncIterator[Remote]:
    """Each test has an account of its own."""
    nodes, settings = running
    opened = remote(settings, nodes, slug=f"a{sha256(request.node.name.encode()).hexdigest()[:16]}")
    try:
        yield opened
    finally:
        await opened.close()


@pytest.mark.parametrize("begin", every_journey().values(), ids=every_journey())
async def test_a_story_is_told_with_each_request_to_another_node(house: Remote, begin: Begin) -> None:
    journey = await begin(house)
    await journey.make_parent()
    handle = await journey.upload(LEASE)
    assert await journey.listed() == [handle]
    assert await journey.download(handle) == LEASE.content
    await journey.describe(handle)
    handle, _ = await journey.carry(handle)
    assert await journey.download(handle) == LEASE.content
    await journey.delete(handle)
    assert await journey.is_gone(handle)


async def test_what_one_node_has_acknowledged_all_find_count_and_search(house: Remote) -> None:
    token = await house.token()
    clients = [house.at(n, token) for n in range(3)]
    for n in range(9):
        name = f"invoice {n} harbour.pdf"
        made = await clients[n % 3].post("/v1/attachments", params={"path": f"/a/{name}"}, content=name.encode())
        assert made.status_code == 201
        for client in clients:
            found = await client.get("/v1/attachments", params={"q": f"harbour {n}"})
            assert [item["id"] for item in found.json()["items"]] == [made.json()["id"]]
            assert (await client.get("/v1/stats")).json()["attachments"] == n + 1
            listed = await client.post("/v2/attachment/index", json={"root_path": "/a"})
            assert listed.headers["x-pagination-total-count"] == str(n + 1)
            assert (await client.get(f"/v1/attachments/{made.json()['id']}/content")).content == name.encode()


async def test_a_revoked_token_opens_nothing_on_any_node(house: Remote) -> None:
    account = (await house.account()).number
    for turn in range(3):
        token = await house.token()
        newest = (await house.operator.credentials.tokens(account, Window(1))).items[0]
        clients = [house.at(n, token) for n in range(3)]
        assert {(await client.get("/v1/me")).status_code for client in clients} == {200}, turn
        await house.operator.credentials.revoke(account, newest.id)
        assert {(await client.get("/v1/me")).status_code for client in clients} == {401}, turn


async def test_a_session_of_one_node_is_one_of_all_until_it_is_ended_on_any(house: Remote) -> None:
    number = (await house.account()).number
    await house.operator.credentials.add_user(number, "ada@nodes.example", "Ada", PASSWORD, Grant())
    async with house.bare_client() as anybody:
        told = {"email": "ada@nodes.example", "password": PASSWORD}
        signed = await anybody.post("/api/auth/login", json=told)
        assert signed.status_code == 200
        secret = signed.json()["token"]
        clients = [house.at(n, secret) for n in range(3)]
        assert {(await client.get("/v1/me")).status_code for client in clients} == {200}
        # A second sign-in, at the next node, ends the first session.
        assert (await anybody.post("/api/auth/login", json=told)).status_code == 200
        assert {(await client.get("/v1/me")).status_code for client in clients} == {401}


async def test_guesses_are_counted_over_all_nodes(house: Remote) -> None:
    """Forty at once, at three nodes: ten are heard, and then not even the right password is."""
    number = (await house.account()).number
    await house.operator.credentials.add_user(number, "eve@nodes.example", "Eve", PASSWORD, Grant())
    form = {"grant_type": "password", "client_id": "web", "username": "eve@nodes.example"}
    where = "/realms/4hse/protocol/openid-connect/token"
    async with house.bare_client() as anybody:
        wrong = [anybody.post(where, data={**form, "password": f"wrong {n}"}) for n in range(40)]
        statuses = Counter(answer.status_code for answer in await asyncio.gather(*wrong))
        assert statuses == {401: 10, 429: 30}
        for _ in range(3):
            right = await anybody.post(where, data={**form, "password": PASSWORD})
            assert (right.status_code, int(right.headers["Retry-After"]) > 0) == (429, True)
    # The other tests come from the same address.
    await house.store.counts.settle([count_key("guess", "127.0.0.1")], [], 0)


async def test_requests_a_minute_are_counted_over_all_nodes(house: Remote) -> None:
    token = await house.token()
    passed = 0
    async with house.bare_client(token) as turning:
        for _ in range(60):
            passed += (await turning.get("/attachments")).status_code == 200
    assert passed == 60
    clients = [house.at(n, token) for n in range(3)]
    for client in clients:
        for _ in range(TRIES):
            answer = await client.get("/attachments")
            if answer.status_code == 429:
                assert int(answer.headers["Retry-After"]) > 0
                break
            passed += 1
            await asyncio.sleep(0.1)
        else:
            pytest.fail("a node never refuses")
    # Each node alone would have let 60 pass.
    assert passed < 120


async def test_a_quota_is_kept_to_the_byte_by_all_nodes_together(house: Remote) -> None:
    await house.account()
    await house.operator.accounts.configure(house.slug, {"quota_attachments": 20})
    async with await house.client() as client:
        tried = [client.post("/v1/attachments", params={"path": f"/{n}.txt"}, content=b"x") for n in range(60)]
        statuses = Counter(answer.status_code for answer in await asyncio.gather(*tried))
        assert statuses[201] == 20
        assert sum(statuses.values()) - statuses[201] == 40
        assert all(status < 500 for status in statuses)
        assert (await client.get("/v1/stats")).json()["attachments"] == 20


async def test_a_key_that_is_used_at_all_nodes_at_once_makes_one_attachment(house: Remote) -> None:
    async with await house.client() as client:
        for n in range(12):
            headers = {"Idempotency-Key": f"key-{n}"}
            asked = [
                client.post("/v1/attachments", params={"path": f"/{n}.txt"}, content=b"x", headers=headers)
                for _ in range(6)
            ]
            answers = await asyncio.gather(*asked)
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.json()["id"] for answer in answers}) == 1
        assert (await client.get("/v1/stats")).json()["attachments"] == 12


async def test_the_change_feed_has_no_gap_and_hides_nothing_whoever_writes_where(house: Remote) -> None:
    """A reader who follows while three nodes write meets every number once, in order."""
    seen: list[int] = []
    done = asyncio.Event()
    async with await house.client() as writer, await house.client() as reader:

        async def follow() -> None:
            while True:
                over = done.is_set()
                page = (await reader.get("/v1/events", params={"after": str(seen[-1] if seen else 0)})).json()
                seen.extend(item["number"] for item in page["items"])
                if over and not page["items"]:
                    return

        following = asyncio.ensure_future(follow())
        made = [writer.post("/v1/attachments", params={"path": f"/{n}.txt"}, content=b"x") for n in range(60)]
        assert {answer.status_code for answer in await asyncio.gather(*made)} == {201}
        done.set()
        await following
        stats = json.loads((await reader.get("/v1/stats")).content)
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= stats["attachments"] == 60
