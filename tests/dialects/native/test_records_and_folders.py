"""Records, folders, the log and the shape of failures in the native API."""

import httpx
import pytest

from holdfast.core import errors
from holdfast.dialects.native import NATIVE
from holdfast.web.problems import FAILURES, STATUS, lookup
from tests.dialects.native.test_attachments import upload


async def test_a_record_is_registered_replaced_changed_and_deleted(client: httpx.AsyncClient) -> None:
    url = "/v1/records/property/p-1"
    body = {"attributes": {"address": "1 Mill Lane", "rooms": 3}, "parents": ["contact:42"], "state": "let"}
    created = await client.put(url, json=body, headers={"If-None-Match": "*"})
    assert (created.status_code, created.headers["location"], created.json()["number"]) == (201, url, 1)
    assert {key: created.json()[key] for key in body} == body
    assert (await client.put(url, json={}, headers={"If-None-Match": "*"})).status_code == 412
    assert (await client.put(url, json={"attributes": {"a": 1}}, headers={"If-Match": '"r1"'})).status_code == 200
    patched = await client.patch(url, json={"attributes": {"b": 2}, "parents": []}, headers={"If-Match": '"r2"'})
    assert (patched.json()["attributes"], patched.json()["parents"]) == ({"a": 1, "b": 2}, [])
    assert (await client.get(url, headers={"If-None-Match": '"r3"'})).status_code == 304
    assert (await client.delete(url, headers={"If-Match": '"r1"'})).status_code == 412
    assert (await client.delete(url)).status_code == 204
    assert (await client.get(url)).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("contact/43", {"parents": ["contact:none"]}, 400),
        ("contact/43", {"parents": ["contact:43"]}, 400),
        ("contact/43", {"parents": "contact:42"}, 400),
        ("contact/43", {"attributes": []}, 400),
        ("contact/43", {"surprise": 1}, 400),
        ("con%20tact/43", {}, 400),
        (f"contact/{'x' * 201}", {}, 400),
        ("contact/a%2Fb", {}, 404),
    ],
)
async def test_a_record_that_cannot_be(client: httpx.AsyncClient, path: str, body: object, status: int) -> None:
    assert (await client.put(f"/v1/records/{path}", json=body)).status_code == status


async def test_records_are_listed_by_attribute_and_parent(client: httpx.AsyncClient) -> None:
    for number in range(3):
        body = {"attributes": {"city": "Bern" if number else "Chur", "n": number}, "parents": ["contact:42"]}
        await client.put(f"/v1/records/property/{number}", json=body)

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in (await client.get(f"/v1/records/property?{query}")).json()["items"]]

    assert await ids("") == ["2", "1", "0"]
    assert await ids("attribute.city=Bern&sort=number") == ["1", "2"]
    assert await ids("attribute.n=2") == ["2"]
    assert await ids("parent=contact:42&sort=-id&limit=1") == ["2"]
    assert (await client.get("/v1/records/property?parent=contact:none")).status_code == 404
    assert (await client.get("/v1/records/property?wrong=1")).status_code == 400


async def test_a_record_with_others_below_goes_with_cascade(client: httpx.AsyncClient) -> None:
    await client.put("/v1/records/case_note/1", json={"parents": ["job:7"]})
    assert (await client.delete("/v1/records/job/7")).status_code == 409
    assert (await client.delete("/v1/records/job/7?cascade=true")).status_code == 204
    assert (await client.get("/v1/records/case_note/1")).status_code == 404


async def test_folders_are_made_listed_moved_and_deleted(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/folders/a/b%20c")).status_code == 201
    assert (await client.post("/v1/folders/a/b%20c")).status_code == 409
    await upload(client, "x.txt", b"x", path="/a/", record="contact:42")
    listed = (await client.get("/v1/folders/a")).json()
    assert [(item["kind"], item["name"]) for item in listed["items"]] == [("folder", "b c"), ("file", "x.txt")]
    first = (await client.get("/v1/folders/a?limit=1")).json()
    second = (await client.get("/v1/folders/a", params={"limit": 1, "cursor": first["next"]})).json()
    assert [item["name"] for item in (*first["items"], *second["items"])] == ["b c", "x.txt"]
    assert [item["name"] for item in (await client.get("/v1/folders")).json()["items"]] == ["a"]
    assert (await client.patch("/v1/folders/a", json={"path": "/a/inside"})).status_code == 400
    assert (await client.patch("/v1/folders/a", json={"path": "/z/a"})).json()["path"] == "/z/a"
    assert (await client.get("/v1/attachments?path=/z/a/x.txt")).json()["items"][0]["name"] == "x.txt"
    shown = (await client.delete("/v1/folders/z")).json()
    assert (shown["deleted"], shown["folders"], shown["attachments"]) == (False, 3, 1)
    assert [link["record"] for link in shown["links"]] == ["contact:42"]
    assert (await client.delete("/v1/folders/z?force=true")).json()["deleted"] is True
    for missing in ("z", "z/a", "nowhere"):
        assert (await client.get(f"/v1/folders/{missing}")).status_code == 404


async def test_the_change_feed_never_skips(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await upload(client, f"{number}.txt")
    seen, after = [], 0
    while items := (page := (await client.get(f"/v1/events?after={after}&limit=2")).json())["items"]:
        seen += [event["number"] for event in items]
        after = page["next"]
    assert seen == list(range(1, len(seen) + 1))
    assert (await client.get("/v1/events?after=-1")).status_code == 400


def test_every_failure_has_its_problem() -> None:
    for kind in FAILURES:
        assert lookup(NATIVE.errors, kind) is not None
    assert STATUS[errors.StorageFull] == 507


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/v1/attachments/%FF", 400),
        ("GET", "/v1/attachments/%00", 400),
        ("GET", "/v1/attachments/%zz", 400),
        ("PUT", "/v1/attachments", 405),
        ("DELETE", "/v1/me", 405),
        ("PATCH", "/v1/records/contact/42", 415),
    ],
)
async def test_failures_are_problem_details(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path, content=b"{}" if method == "PATCH" else None)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
