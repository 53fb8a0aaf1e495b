"""An answer is given again while it would be the same, and not once longer."""

import asyncio
from typing import Any

import pytest

from holdfast.web.repeats import BYTES, MOST, Repeats
from holdfast.web.reply import Reply
from tests.web.asgi import Client
from tests.web.toy import Store


async def test_the_same_question_gets_the_same_answer_until_somebody_commits(client: Client, store: Store) -> None:
    assert [(await client("GET", "/toy/count")).json for _ in range(3)] == [1, 1, 1]
    store.keep("x", b"1")
    assert [(await client("GET", "/toy/count")).json for _ in range(2)] == [2, 2]


@pytest.mark.parametrize(
    "other",
    [
        {"headers": {"authorization": "Bearer token-bob"}},
        {"headers": {"host": "other.example"}},
        {"headers": {"if-none-match": "*"}},
        {"headers": {"x-forwarded-proto": "https"}},
        {"client": "192.0.2.2"},
        {"target": "/toy/count?a=1"},
        {"target": "/toy/%63ount"},
    ],
)
async def test_another_question_gets_an_answer_of_its_own(client: Client, other: dict[str, Any]) -> None:
    bare = Client(client.app)
    mine = {"headers": client.headers, **other}
    mine["headers"] = {**client.headers, **mine["headers"]}
    assert (await client("GET", "/toy/count")).json == 1
    target = str(mine.pop("target", "/toy/count"))
    assert (await bare("GET", target, **mine)).json == 2
    assert (await client("GET", "/toy/count")).json == 1


async def test_the_name_of_a_request_asks_nothing_else(client: Client) -> None:
    for number in range(3):
        name = f"request-{number}"
        answer = await client("GET", "/toy/count", headers={"x-request-id": name, "traceparent": name})
        assert (answer.json, answer["x-request-id"]) == (1, name)


async def test_a_revoked_token_opens_nothing_that_was_kept(client: Client, store: Store) -> None:
    assert (await client("GET", "/toy/count")).json == 1
    store.revoked = True
    assert (await client("GET", "/toy/count")).status == 401


async def test_what_was_begun_before_a_commit_is_not_kept(client: Client, store: Store) -> None:
    store.door = asyncio.Event()
    slow = asyncio.create_task(client("GET", "/toy/count"))
    await asyncio.wait_for(store.entered.wait(), 30)
    store.keep("x", b"1")
    await client("GET", "/toy/echo/somebody/else")
    store.door.set()
    assert (await slow).json == 1
    assert (await client("GET", "/toy/count")).json == 2


async def test_two_that_ask_at_once_leave_one_answer(client: Client, store: Store) -> None:
    store.door = asyncio.Event()
    both = [asyncio.create_task(client("GET", "/toy/count"))]
    await asyncio.wait_for(store.entered.wait(), 30)
    store.entered.clear()
    both.append(asyncio.create_task(client("GET", "/toy/count")))
    await asyncio.wait_for(store.entered.wait(), 30)
    store.door.set()
    given = {(await each).json for each in both}
    assert given == {1, 2}
    assert (await client("GET", "/toy/count")).json in given
    assert store.asked == 2


async def test_where_nobody_can_tell_of_commits_nothing_is_kept(client: Client, store: Store) -> None:
    store.blind = True
    assert [(await client("GET", "/toy/count")).json for _ in range(2)] == [1, 2]


async def test_what_depends_on_more_is_made_anew(client: Client) -> None:
    assert [(await client("GET", "/toy/count/anew")).json for _ in range(2)] == [1, 2]


async def test_bytes_come_whole_each_time(client: Client, store: Store) -> None:
    store.keep("x", b"0123456789" * 500)
    for _ in range(3):
        assert (await client("GET", "/toy/files/x")).body == b"0123456789" * 500
        assert (await client("HEAD", "/toy/files/x"))["content-length"] == "5000"
        assert (await client("GET", "/toy/files/x", headers={"range": "bytes=1-3"})).body == b"123"
    assert (store.reads, store.closed) == (3 * 5 + 3, 6)
    store.lost = True
    assert (await client("GET", "/toy/files/x")).status == 500


async def test_failures_are_found_out_each_time(client: Client, store: Store) -> None:
    assert (await client("GET", "/toy/files/y")).status == 404
    store.files["y"] = store.keep("x", b"1")
    store.commits -= 1
    assert (await client("GET", "/toy/files/y")).status == 200


def test_no_more_is_kept_than_there_is_room_for() -> None:
    repeats = Repeats(lambda: b"1")
    stamp = repeats.stamp()
    assert stamp is not None
    large = Reply(body=bytes(MOST // 2))
    rounds = range(2 * BYTES // MOST + 10)
    for number in rounds:
        repeats.keep(stamp, number, large)
        assert repeats.recall(number) is large
    held = [number for number in rounds if repeats.recall(number) is not None]
    assert held == list(rounds[held[0] :])
    assert len(held) * (MOST // 2) <= BYTES
    repeats.keep(stamp, "long", Reply(body=bytes(MOST + 1)))
    assert repeats.recall("long") is None
