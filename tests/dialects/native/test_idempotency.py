"""`Idempotency-Key` on every create of `/v1`: carried out once, answered alike, whoever asks however often."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest

from holdfast.app import build
from holdfast.core.idempotency import KEPT
from holdfast.core.ports import AnswerQuery, Window
from holdfast.core.store import Store
from holdfast.dialects.native import NATIVE
from tests.installation import HOST, Installation

FILE = b"%PDF-1.7 lease"


def form(**fields: Any) -> dict[str, Any]:
    content = fields.pop("content", FILE)
    return {"data": {"record": "contact:42", **fields}, "files": {"file": ("lease.pdf", content, "application/pdf")}}


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def state(client: httpx.AsyncClient) -> tuple[int, int, int]:
    told = (await client.get("/v1/stats")).json()
    return told["attachments"], told["bytes"], told["last_event"]


@dataclass
class Scene:
    """One attachment with two versions, one in the trash, to create things at."""

    client: httpx.AsyncClient
    id: str
    trashed: str


@pytest.fixture
async def scene(client: httpx.AsyncClient) -> Scene:
    made = [(await client.post("/v1/attachments", **form(content=b"%d" % n))).json()["id"] for n in range(2)]
    await client.put(f"/v1/attachments/{made[0]}/content", content=b"second")
    await client.delete(f"/v1/attachments/{made[1]}")
    return Scene(client, made[0], made[1])


CREATES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "form": ("POST", "/v1/attachments", form(), form(content=b"other")),
    "raw": ("POST", "/v1/attachments?name=a&path=/x/", {"content": FILE}, {"content": b"other"}),
    "links": ("POST", "/v1/attachments/{id}/links", {"json": {"record": "job:7"}}, {"json": {"record": "contact:42"}}),
    "content": ("PUT", "/v1/attachments/{id}/content", {"content": b"third"}, {"content": b"fourth"}),
    "version": ("POST", "/v1/attachments/{id}/versions/1/restore", {}, {"headers": {"If-Match": "*"}}),
    "restore": ("POST", "/v1/attachments/{trashed}/restore", {}, {"params": {"other": "1"}}),
    "folder": ("POST", "/v1/folders/a/b", {}, {"params": {"other": "1"}}),
}


async def asked(scene: Scene, method: str, path: str, sent: dict[str, Any], key: str = "k-1") -> httpx.Response:
    headers = {**sent.get("headers", {}), **keyed(key)}
    where = path.format(id=scene.id, trashed=scene.trashed)
    return await scene.client.request(method, where, **{**sent, "headers": headers})


@pytest.mark.parametrize(("method", "path", "sent", "other"), CREATES.values(), ids=CREATES)
async def test_every_create_is_carried_out_once_and_answered_alike(
    scene: Scene, method: str, path: str, sent: dict[str, Any], other: dict[str, Any]
) -> None:
    first = await asked(scene, method, path, sent)
    assert first.status_code in {200, 201}
    assert "Idempotency-Replayed" not in first.headers
    before = await state(scene.client)
    again = await asked(scene, method, path, sent)
    quoted = await asked(scene, method, path, sent, '"k-1"')
    for answer in (again, quoted):
        assert (answer.status_code, answer.content) == (first.status_code, first.content)
        assert answer.headers["Idempotency-Replayed"] == "true"
        for name in ("ETag", "Location", "Content-Type"):
            assert answer.headers.get(name) == first.headers.get(name)
    reused = await asked(scene, method, path, other)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert reused.headers["Content-Type"] == "application/problem+json"
    assert await state(scene.client) == before


async def test_the_key_holds_for_the_whole_request_and_one_actor(installation: Installation, scene: Scene) -> None:
    await asked(scene, "POST", "/v1/folders/one", {})
    other_path = await asked(scene, "POST", "/v1/folders/two", {})
    other_method = await asked(scene, "POST", "/v1/attachments", form())
    assert {other_path.status_code, other_method.status_code} == {422}
    async with await installation.client() as colleague:
        assert (await colleague.post("/v1/folders/two", headers=keyed("k-1"))).status_code == 201
    async with await installation.client(account="umbra") as stranger:
        assert (await stranger.post("/v1/folders/one", headers=keyed("k-1"))).status_code == 201


async def test_a_form_may_come_with_another_boundary_and_order_of_fields(scene: Scene) -> None:
    fields = [("record", "contact:42"), ("properties", '{"a":1,"b":2}'), ("name", "x.pdf")]

    def body(boundary: str, ordered: list[tuple[str, str]]) -> dict[str, Any]:
        parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in ordered]
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="l"\r\n\r\nhi\r\n')
        content = "".join(parts) + f"--{boundary}--\r\n"
        return {"content": content.encode(), "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"}}

    first = await asked(scene, "POST", "/v1/attachments", body("one", fields))
    second = await asked(scene, "POST", "/v1/attachments", body("two", fields[::-1]))
    third = await asked(scene, "POST", "/v1/attachments", body("two", [*fields[:2], ("name", "y.pdf")]))
    assert (first.status_code, second.status_code, third.status_code) == (201, 201, 422)
    assert second.content == first.content


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\tb", '""', '"a b"', "\x7f"])
@pytest.mark.parametrize("path", ["/v1/attachments", "/v1/folders/new"])
async def test_a_malformed_key_is_refused_before_anything_is_done(scene: Scene, path: str, key: str) -> None:
    before = await state(scene.client)
    sent = form() if path == "/v1/attachments" else {}
    answer = await scene.client.post(path, headers={b"Idempotency-Key": key.encode()}, **sent)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert await state(scene.client) == before


@pytest.mark.parametrize("key", ["x", "x" * 255, "!~", "8e03978e-40d5-43dd-bc93-6894a57f9324"])
async def test_any_visible_key_will_do(scene: Scene, key: str) -> None:
    answers = [await asked(scene, "POST", "/v1/folders/new", {}, key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]


async def test_a_refusal_is_not_kept(scene: Scene) -> None:
    missing = form(record="contact:nobody")
    assert (await asked(scene, "POST", "/v1/attachments", missing)).status_code == 404
    assert (await scene.client.put("/v1/records/contact/nobody", json={})).status_code == 201
    assert (await asked(scene, "POST", "/v1/attachments", missing)).status_code == 201


async def test_what_was_done_is_answered_though_it_is_gone_since(scene: Scene) -> None:
    uploaded = await asked(scene, "POST", "/v1/attachments", form())
    replaced = await asked(scene, "PUT", "/v1/attachments/{id}/content", {"content": b"new"}, "k-2")
    assert (await scene.client.delete("/v1/records/contact/42")).status_code == 204
    assert (await scene.client.get(f"/v1/attachments/{scene.id}")).status_code == 404
    before = await state(scene.client)
    assert (await asked(scene, "POST", "/v1/attachments", form())).content == uploaded.content
    again = await asked(scene, "PUT", "/v1/attachments/{id}/content", {"content": b"new"}, "k-2")
    assert again.content == replaced.content
    assert await state(scene.client) == before


async def test_the_permission_is_asked_for_each_time(installation: Installation, scene: Scene) -> None:
    secret = await installation.token("attachments.write", "attachments.read")
    async with installation.bare_client(secret) as writer:
        assert (await writer.post("/v1/folders/w", headers=keyed("k"))).status_code == 201
        found = await installation.operator.credentials.tokens((await installation.account()).number, Window(9))
        await installation.operator.credentials.revoke(found.items[0].account, found.items[0].id)
        assert (await writer.post("/v1/folders/w", headers=keyed("k"))).status_code == 401


class TestManyAtOnce:
    @pytest.mark.parametrize("name", CREATES)
    async def test_fifty_requests_with_one_key_change_one_thing(self, scene: Scene, name: str) -> None:
        method, path, sent, _ = CREATES[name]
        _, bytes, events = await state(scene.client)
        answers = await asyncio.gather(*(asked(scene, method, path, sent) for _ in range(50)))
        assert {(answer.status_code, answer.content) for answer in answers} == {
            (answers[0].status_code, answers[0].content)
        }
        assert answers[0].status_code in {200, 201}
        assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
        after = await state(scene.client)
        once = await asked(scene, method, path, sent)
        assert once.content == answers[0].content
        assert after == await state(scene.client)
        assert after[2] - events <= 3
        assert after[1] - bytes <= len(FILE)

    async def test_the_losers_leave_no_bytes(self, installation: Installation, scene: Scene) -> None:
        content = bytes(range(256)) * 4096
        sent = {"content": content}
        await asyncio.gather(*(asked(scene, "POST", "/v1/attachments?name=a&path=/x/", sent) for _ in range(12)))
        files = [path for path in (installation.settings.data / "blobs").rglob("*") if path.is_file()]
        assert [path.read_bytes() for path in files if path.stat().st_size == len(content)] == [content]

    async def test_two_bodies_under_one_key_one_wins_the_other_hears_why(self, scene: Scene) -> None:
        sent = [{"content": b"%d" % n} for n in range(10)]
        answers = await asyncio.gather(*(asked(scene, "PUT", "/v1/attachments/{id}/content", each) for each in sent))
        assert sorted(answer.status_code for answer in answers) == [200] + [422] * 9
        listed = (await scene.client.get(f"/v1/attachments/{scene.id}/versions")).json()["items"]
        assert [item["number"] for item in listed] == [3, 2, 1]


class TestAge:
    @pytest.fixture
    def clock(self) -> list[int]:
        return [1_800_000_000_000_000]

    @pytest.fixture
    async def later(self, installation: Installation, clock: list[int]) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the same data, served under a clock of its own."""
        engines = msgspec.structs.replace(installation.store._engines, clock=lambda: clock[0])
        store = Store(engines, installation.store.policy)
        transport = httpx.ASGITransport(app=build(store, (NATIVE,)))  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {await installation.token()}"}
        async with httpx.AsyncClient(transport=transport, base_url=HOST, headers=headers) as opened:
            yield opened

    async def test_an_answer_is_kept_for_a_day(self, later: httpx.AsyncClient, clock: list[int]) -> None:
        assert (await later.post("/v1/folders/a", headers=keyed("k"))).status_code == 201
        clock[0] += KEPT - 1
        assert (await later.post("/v1/folders/a", headers=keyed("k"))).status_code == 201
        clock[0] += 1
        assert (await later.post("/v1/folders/a", headers=keyed("k"))).status_code == 409
        assert (await later.post("/v1/folders/b", headers=keyed("k"))).status_code == 201

    async def test_old_answers_go_as_new_ones_come(
        self, installation: Installation, later: httpx.AsyncClient, clock: list[int]
    ) -> None:
        for n in range(40):
            await later.post(f"/v1/folders/old-{n}", headers=keyed(f"old-{n}"))
        clock[0] += KEPT
        for n in range(4):
            await later.post(f"/v1/folders/new-{n}", headers=keyed(f"new-{n}"))
        account = (await installation.account()).number
        page = await installation.store._engines.catalog.find(AnswerQuery(account, Window(100)))
        assert [answer.key for answer in page.items] == [f"new-{n}" for n in range(4)]
