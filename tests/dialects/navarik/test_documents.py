"""Documents: what attachments hang on."""

import asyncio
from typing import Any

import httpx
import pytest

from holdfast.core.model import RecordRef
from holdfast.core.records import RecordChange
from tests.dialects.navarik.test_versions import computed
from tests.dialects.navarik.world import UNKNOWN, World, good, message, unchanged


async def created(world: World, body: dict[str, Any], type: str = "demo.doc") -> dict[str, Any]:
    made: dict[str, Any] = good(await world.http.post(world.documents, json={"type": type, "body": body}), 201)
    return made


async def patched(world: World, document: dict[str, Any], body: object, version: str | None = None) -> httpx.Response:
    told = {"previous_version_id": version or document["version_id"], "body": body}
    return await world.http.patch(f"{world.documents}/{document['id']}", json=told)


async def test_any_type_and_any_object_make_a_document(world: World) -> None:
    body = {"ünïcode": "🎉", "nested": {"deep": [1, 2.5, None, {"x": True}]}, "": "", "a.b": 1, "big": 10**25}
    made = await created(world, body, "Ladung/Prüfung #1")
    assert (made["type"], made["body"]) == ("Ladung/Prüfung #1", body)
    assert good(await world.http.get(f"{world.documents}/{made['id']}")) == made


async def test_documents_of_one_type_share_a_schema(world: World) -> None:
    one, other, third = await created(world, {}), await created(world, {"a": 2}), await created(world, {}, "other")
    assert one["schema"] == other["schema"] != third["schema"]


async def test_a_list_is_of_one_type(world: World) -> None:
    one, other = await created(world, {"n": 1}, "x"), await created(world, {"n": 2}, "y")
    for document in (one, other):
        assert good(await world.http.get(world.documents, params={"type": document["type"]})) == [document]
    assert good(await world.http.get(world.documents, params={"type": "none"})) == []
    assert "type" in message(await world.http.get(world.documents), 400)
    assert "type" in message(await world.http.get(world.documents, params={"type": ""}), 400)


async def test_a_list_is_of_one_workspace(world: World) -> None:
    parties = world.workspace["body"]["parties"]
    other = good(await world.http.post("/v2/workspaces", json={"parties": parties}), 201)
    assert good(await world.http.get(f"/v2/workspaces/{other['id']}/documents", params={"type": "demo.doc"})) == []


async def test_documents_are_filtered_by_their_members(world: World) -> None:
    bodies: list[dict[str, Any]] = [
        {"n": 1, "s": "1", "b": True, "deep": {"er": "x"}},
        {"n": 1.5, "s": "true", "b": False},
        {"n": None, "s": "Ü"},
    ]
    for body in bodies:
        await created(world, body, "f")

    async def matching(**params: str) -> list[Any]:
        found = good(await world.http.get(world.documents, params={"type": "f", "sort": "created_at:asc", **params}))
        return [bodies.index(item["body"]) for item in found]

    assert await matching(**{"filter[n]": "1"}) == [0]
    assert await matching(**{"filter[body.n]": "1.5"}) == [1]
    assert await matching(**{"filter[s]": "1"}) == [0]
    assert await matching(**{"filter[s]": "Ü"}) == [2]
    assert await matching(**{"filter[b]": "true"}) == [0]
    assert await matching(**{"filter[body.s]": "true"}) == [1]
    assert await matching(**{"filter[body.deep.er]": "x"}) == [0]
    assert await matching(**{"filter[n]": "1", "filter[s]": "true"}) == []
    assert await matching(**{"filter[n]": ""}) == [0, 1, 2]
    assert await matching(sort="body.n:desc") == [1, 0, 2]
    assert await matching(sort="body.deep.er:desc, body.s") == [0, 1, 2]


async def test_bulk_makes_all_or_none(world: World) -> None:
    url = f"{world.documents}/bulk"
    made = good(await world.http.post(url, json={"type": "b", "body": [{"n": 1}, {"n": 2}]}), 201)
    assert [item["body"]["n"] for item in made] == [1, 2]
    assert all(item["type"] == "b" and item["version_id"] == computed(item) for item in made)
    assert good(await world.http.post(url, json={"type": "b", "body": []}), 201) == []
    async with unchanged(world):
        huge = {"big": "x" * 300_000}
        cases: tuple[object, ...] = ([{"n": 3}, 4], [{"n": 3}, huge], [{}] * 1001, {"n": 1}, "x", None)
        for body in cases:
            message(await world.http.post(url, json={"type": "b", "body": body}), 400)


async def test_a_change_lays_new_members_over_the_old(world: World) -> None:
    made = await created(world, {"a": 1, "b": {"x": 1}, "c": 3})
    changed = good(await patched(world, made, {"b": {"y": 2}, "c": None, "d": 4}))
    assert changed["body"] == {"a": 1, "b": {"y": 2}, "c": None, "d": 4}
    assert changed["version_id"] == computed(changed) != made["version_id"]
    assert changed["previous_version_id"] == made["version_id"]
    assert (changed["last_action"], changed["created_at"]) == ("update", made["created_at"])
    assert changed["modified_at"] >= made["modified_at"]
    assert good(await world.http.get(f"{world.documents}/{made['id']}")) == changed


async def test_each_change_names_the_version_before(world: World) -> None:
    first = await created(world, {"n": 1})
    second = good(await patched(world, first, {"n": 2}))
    third = good(await patched(world, second, {"n": 1}))
    assert third["version_id"] == first["version_id"]
    assert third["previous_version_id"] == second["version_id"]


async def test_a_stale_version_is_refused(world: World) -> None:
    first = await created(world, {"n": 1})
    good(await patched(world, first, {"n": 2}, first["version_id"].upper()))
    async with unchanged(world):
        for version in (first["version_id"], UNKNOWN):
            told = message(await patched(world, first, {"n": 3}, version), 409)
            assert told == "previous_version_id is not the last version of this document"


async def test_of_two_changes_at_once_one_is_refused(world: World) -> None:
    first = await created(world, {"n": 1})
    answers = await asyncio.gather(*(patched(world, first, {"n": at}) for at in range(2, 7)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]


async def test_a_change_by_another_api_counts_as_a_version(world: World) -> None:
    made = await created(world, {"n": 1})
    desk = await world.house.desk()
    await desk.records.change(RecordRef("document", made["id"]), RecordChange({"body": {"n": 9}}))
    now = good(await world.http.get(f"{world.documents}/{made['id']}"))
    assert (now["body"], now["version_id"]) == ({"n": 9}, computed(now))
    assert (now["previous_version_id"], now["last_action"]) == (made["version_id"], "update")
    assert (await patched(world, made, {"n": 2})).status_code == 409
    assert good(await patched(world, now, {"n": 2}))["previous_version_id"] == now["version_id"]


@pytest.mark.parametrize(
    "told",
    [
        {}, {"body": {}}, {"previous_version_id": UNKNOWN}, {"previous_version_id": "1", "body": {}},
        {"previous_version_id": None, "body": {}}, {"previous_version_id": UNKNOWN, "body": []}, [],
    ],
)  # fmt: skip
async def test_a_change_that_cannot_be_read_is_refused(world: World, told: object) -> None:
    async with unchanged(world):
        message(await world.http.patch(f"{world.documents}/{world.document['id']}", json=told), 400)


@pytest.mark.parametrize(
    "told",
    [
        {}, {"type": "t"}, {"body": {}}, {"type": "", "body": {}}, {"type": "  ", "body": {}}, {"type": 7, "body": {}},
        {"type": "t\n", "body": {}}, {"type": "x" * 201, "body": {}}, {"type": "t", "body": []},
        {"type": "t", "body": "x"}, {"type": "t", "body": None}, {"type": "t", "body": {"a": "\x00"}},
        {"type": "t", "body": {"a": "x" * 300_000}}, [], "x",
    ],
)  # fmt: skip
async def test_what_is_no_document_is_refused(world: World, told: object) -> None:
    async with unchanged(world):
        message(await world.http.post(world.documents, json=told), 400)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400), (b"{", 400), (b"\xff", 400), (b'{"type":"t","body":{"a":1e999}}', 400),
        (b'{"type":"t","body":{"a":"\\ud800"}}', 400),
        (b'{"type":"t","body":{"a":' + b"[" * 900 + b"]" * 900 + b"}}", 400),
        (b'{"type":"t","body":{"a":' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}}", 400),
        (b'{"type":"t","body":{"a":"' + b"x" * (1 << 20) + b'"}}', 413),
    ],
)  # fmt: skip
async def test_json_that_cannot_be_read_is_refused(world: World, content: bytes, status: int) -> None:
    async with unchanged(world):
        answer = await world.http.post(world.documents, content=content, headers={"Content-Type": "application/json"})
        message(answer, status)
        message(await world.http.post(world.documents, content=content, headers={"Content-Type": "text/plain"}), 415)


async def test_documents_lie_in_their_workspace_only(world: World) -> None:
    parties = world.workspace["body"]["parties"]
    other = good(await world.http.post("/v2/workspaces", json={"parties": parties}), 201)
    elsewhere = f"/v2/workspaces/{other['id']}/documents/{world.document['id']}"
    async with unchanged(world):
        assert message(await world.http.get(elsewhere), 404) == "Document not found"
        told = {"previous_version_id": world.document["version_id"], "body": {}}
        assert message(await world.http.patch(elsewhere, json=told), 404) == "Document not found"
        assert message(await world.http.get(f"{elsewhere}/attachments"), 404) == "Document not found"


async def test_ids_are_uuids_and_known(world: World) -> None:
    for path, told in (
        ("/v2/workspaces/42/documents/42", "workspace_id is not a UUID"),
        (f"{world.documents}/42", "document_id is not a UUID"),
    ):
        assert message(await world.http.get(path), 400) == told
    assert message(await world.http.get(f"{world.documents}/bulk"), 405) == "This path offers OPTIONS, POST"
    assert message(await world.http.get(f"{world.documents}/{UNKNOWN}"), 404) == "Document not found"
    assert message(await world.http.get(f"/v2/workspaces/{UNKNOWN}/documents?type=t"), 404) == "Workspace not found"
    assert (await world.http.delete(f"{world.documents}/{world.document['id']}")).status_code == 405
