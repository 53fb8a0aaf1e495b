"""The native API told as its users' stories."""

import hashlib
from typing import Any

import httpx
import pytest

from tests.installation import Installation

PDF = b"%PDF-1.7 a lease"


async def upload(
    client: httpx.AsyncClient, name: str = "lease.pdf", data: bytes = PDF, **fields: Any
) -> dict[str, Any]:
    answer = await client.post("/v1/attachments", data=fields, files={"file": (name, data)})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_form_becomes_an_attachment_and_its_bytes_come_back(client: httpx.AsyncClient) -> None:
    made = await upload(
        client,
        "Miete «Zoë».pdf",
        record="contact:42",
        role="document",
        description="Lease",
        path="/leases/",
        properties='{"pages": 3}',
    )
    assert made["path"] == "/leases/Miete «Zoë».pdf"
    assert (made["media_type"], made["size"], made["properties"]) == ("application/pdf", len(PDF), {"pages": 3})
    assert made["sha256"] == hashlib.sha256(PDF).hexdigest()
    content = await client.get(f"/v1/attachments/{made['id']}/content")
    assert (content.status_code, content.content) == (200, PDF)
    assert content.headers["etag"] == f'"{made["sha256"]}"'
    links = (await client.get(f"/v1/attachments/{made['id']}/links")).json()["items"]
    assert [(link["record"], link["role"]) for link in links] == [("contact:42", "document")]


async def test_the_bytes_alone_with_the_rest_in_the_query(client: httpx.AsyncClient) -> None:
    query: dict[str, Any] = {"name": "notes.txt", "record": ["contact:42", "job:7"], "properties": '{"a":1}'}
    answer = await client.post(
        "/v1/attachments", params=query, content=b"plain", headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/attachments/{answer.json()['id']}"
    assert answer.headers["etag"] == '"r1"'
    for record in ("contact/42", "job/7"):
        items = (await client.get(f"/v1/records/{record}/attachments")).json()["items"]
        assert [item["name"] for item in items] == ["notes.txt"]


async def test_what_happens_when_the_path_is_taken(client: httpx.AsyncClient) -> None:
    first = await upload(client, path="/a/x.pdf")
    again = await client.post("/v1/attachments", data={"path": "/a/x.pdf"}, files={"file": ("y.pdf", PDF)})
    assert again.status_code == 409
    renamed = await upload(client, path="/a/x.pdf", on_conflict="rename")
    assert renamed["path"] == "/a/x (2).pdf"
    data = {"path": "/a/x.pdf", "on_conflict": "replace"}
    replaced = await client.post("/v1/attachments", data=data, files={"file": ("z.pdf", PDF + b"2")})
    assert (replaced.status_code, replaced.json()["id"], replaced.json()["version"]) == (200, first["id"], 2)


@pytest.mark.parametrize(
    ("fields", "files", "wrong"),
    [
        ({}, None, "file"),
        ({"record": "contact"}, {"file": ("a", b"x")}, "record"),
        ({"record": ":1"}, {"file": ("a", b"x")}, "record"),
        ({"name": "a/b"}, {"file": ("a", b"x")}, "name"),
        ({}, {"file": ("a\x7fb", b"x")}, "name"),
        ({"path": "relative"}, {"file": ("a", b"x")}, "path"),
        ({"path": "/a/../b"}, {"file": ("a", b"x")}, "path"),
        ({"path": "/a/" + "x" * 1030}, {"file": ("a", b"x")}, "path"),
        ({"name": "one", "path": "/a/two"}, {"file": ("a", b"x")}, "name"),
        ({"properties": "[1]"}, {"file": ("a", b"x")}, "properties"),
        ({"on_conflict": "shrug"}, {"file": ("a", b"x")}, "on_conflict"),
        ({"unknown": "1"}, {"file": ("a", b"x")}, "unknown"),
        ({"role": "x" * 65}, {"file": ("a", b"x")}, "role"),
        ({"description": "bell\x07"}, {"file": ("a", b"x")}, "description"),
        ({}, {"upload": ("a", b"x")}, "upload"),
    ],
)
async def test_a_form_that_cannot_be_taken(
    client: httpx.AsyncClient,
    fields: dict[str, str],
    files: dict[str, tuple[str | None, bytes]] | None,
    wrong: str,
) -> None:
    before = (await client.get("/v1/stats")).json()
    form = files or {"none": (None, b"")}
    answer = await client.post("/v1/attachments", data=fields, files=form)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert problem["code"] == "malformed" or set(problem["errors"]) == {wrong}
    assert (await client.get("/v1/stats")).json() == before


async def test_fields_after_the_file_are_refused(client: httpx.AsyncClient) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nx\r\n'
        b'--b\r\nContent-Disposition: form-data; name="record"\r\n\r\ncontact:42\r\n--b--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert (await client.post("/v1/attachments", content=body, headers=headers)).status_code == 400
    assert (await client.get("/v1/attachments")).json()["items"] == []


@pytest.mark.parametrize("name", ["", "a\x00b", "..", "tab\there"])
async def test_a_raw_upload_needs_a_name_that_can_be_kept(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/v1/attachments", params={"name": name}, content=b"x")
    assert answer.status_code == 400
    assert (await client.get("/v1/attachments")).json()["items"] == []


async def test_an_unknown_record_is_not_found_and_nothing_is_kept(client: httpx.AsyncClient) -> None:
    before = (await client.get("/v1/stats")).json()
    for record in ("contact:unknown", "nosuch:42"):
        answer = await client.post("/v1/attachments", params={"name": "a", "record": record}, content=b"x" * 100_000)
        assert answer.status_code == 404
    assert (await client.get("/v1/stats")).json() == before


async def test_an_empty_file_is_a_file(client: httpx.AsyncClient) -> None:
    made = await upload(client, "empty.txt", b"")
    assert made["size"] == 0
    assert (await client.get(f"/v1/attachments/{made['id']}/content")).content == b""


async def test_describing_with_if_match(client: httpx.AsyncClient) -> None:
    made = await upload(client, path="/a/")
    url = f"/v1/attachments/{made['id']}"
    change = {"name": "b.pdf", "description": "now", "properties": {"k": [1, {"x": None}]}}
    answer = await client.patch(url, json=change, headers={"If-Match": '"r1"'})
    assert (answer.status_code, answer.headers["etag"], answer.json()["path"]) == (200, '"r2"', "/a/b.pdf")
    assert answer.json()["properties"] == {"k": [1, {"x": None}]}
    for stale in ('"r1"', 'W/"r2"', '"nonsense"', ""):
        assert (await client.patch(url, json={"name": "c"}, headers={"If-Match": stale})).status_code == 412
    assert (await client.patch(url, json={"path": "/b/"}, headers={"If-Match": "*"})).json()["path"] == "/b/b.pdf"
    assert (await client.patch(url, json={"path": "/c/d.pdf"}, headers={"If-Match": '"r0", "r3"'})).status_code == 200
    moved = (await client.get(url)).json()
    assert (moved["name"], moved["path"], moved["revision"]) == ("d.pdf", "/c/d.pdf", 4)


@pytest.mark.parametrize(
    "change", [{"name": ""}, {"name": 1}, {"path": "x"}, {"unknown": 1}, {"properties": []}, [], {"description": 5}]
)
async def test_a_description_that_makes_no_sense(client: httpx.AsyncClient, change: object) -> None:
    made = await upload(client)
    answer = await client.patch(f"/v1/attachments/{made['id']}", json=change)
    assert answer.status_code == 400
    assert (await client.get(f"/v1/attachments/{made['id']}")).json() == made


async def test_a_copy_that_is_fresh_is_not_sent_again(client: httpx.AsyncClient) -> None:
    made = await upload(client)
    url = f"/v1/attachments/{made['id']}"
    assert (await client.get(url, headers={"If-None-Match": 'W/"r1"'})).status_code == 304
    assert (await client.get(url, headers={"If-None-Match": '"r2"'})).status_code == 200
    tag = f'"{made["sha256"]}"'
    assert (await client.get(f"{url}/content", headers={"If-None-Match": tag})).status_code == 304


async def test_versions_come_and_come_back(client: httpx.AsyncClient) -> None:
    made = await upload(client)
    url = f"/v1/attachments/{made['id']}"
    tag = f'"{made["sha256"]}"'
    second = await client.put(f"{url}/content", content=b"second", headers={"If-Match": tag})
    assert (second.status_code, second.json()["version"], second.json()["media_type"]) == (200, 2, "text/plain")
    assert (await client.put(f"{url}/content", content=b"third", headers={"If-Match": tag})).status_code == 412
    form = await client.put(f"{url}/content", files={"file": ("other-name.txt", b"third")})
    assert (form.json()["version"], form.json()["name"]) == (3, "lease.pdf")
    restored = await client.post(f"{url}/versions/1/restore")
    assert (restored.status_code, restored.json()["version"], restored.json()["sha256"]) == (200, 4, made["sha256"])
    listed = (await client.get(f"{url}/versions?limit=3")).json()
    assert [version["number"] for version in listed["items"]] == [4, 3, 2]
    rest = (await client.get(f"{url}/versions", params={"limit": 3, "cursor": listed["next"]})).json()
    assert [version["number"] for version in rest["items"]] == [1]
    for number, expected in ((1, PDF), (2, b"second"), (3, b"third"), (4, PDF)):
        assert (await client.get(f"{url}/versions/{number}/content")).content == expected
    for wrong in ("0", "5", "-1", "x", "1e1", "٣"):
        assert (await client.get(f"{url}/versions/{wrong}/content")).status_code == 404


async def test_trash_restore_and_purge(client: httpx.AsyncClient, installation: Installation) -> None:
    made = await upload(client, record="contact:42")
    url = f"/v1/attachments/{made['id']}"
    assert (await client.delete(url)).status_code == 204
    for gone in (url, f"{url}/content", f"{url}/versions", f"{url}/links"):
        assert (await client.get(gone)).status_code == 404
    assert (await client.get(f"{url}?trashed=true")).json()["trashed_at"] is not None
    assert (await client.delete(url)).status_code == 404
    assert (await client.post(f"{url}/restore")).status_code == 200
    assert (await client.post(f"{url}/restore")).status_code == 404
    async with await installation.client("attachments.read", "attachments.write") as writer:
        assert (await writer.delete(f"{url}?purge=true")).status_code == 403
    assert (await client.delete(f"{url}?purge=true")).status_code == 204
    assert (await client.get(f"{url}?trashed=true")).status_code == 404
    assert (await client.get("/v1/stats")).json()["bytes"] == 0


async def test_links_are_made_listed_and_taken_off(client: httpx.AsyncClient) -> None:
    made = await upload(client, record="contact:42")
    url = f"/v1/attachments/{made['id']}/links"
    link = {"record": "job:7", "role": "photo", "caption": "Front", "position": 2}
    answer = await client.post(url, json=link)
    assert answer.status_code == 201
    assert {key: answer.json()[key] for key in link} == link
    assert (await client.post(url, json=link)).status_code == 409
    assert (await client.post(url, json={"record": "job:unknown"})).status_code == 404
    other = await upload(client, record="contact:42")
    id = answer.json()["id"]
    assert (await client.delete(f"/v1/attachments/{other['id']}/links/{id}")).status_code == 404
    assert (await client.delete(f"{url}/{id}")).status_code == 204
    assert len((await client.get(url)).json()["items"]) == 1


class TestListing:
    async def names(self, client: httpx.AsyncClient, **query: Any) -> list[str]:
        answer = await client.get("/v1/attachments", params=query)
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json()["items"]]

    async def test_filters(self, client: httpx.AsyncClient) -> None:
        first = await upload(client, "Boiler service.pdf", record="job:7", properties='{"invoice": 12, "paid": true}')
        await upload(client, "boiler photo.txt", b"text", path="/photos/2026/", properties='{"invoice": "12"}')
        third = await upload(client, "Zürich.txt", b"text", path="/photosx/", record="contact:42", role="photo")
        everything = ["Zürich.txt", "boiler photo.txt", "Boiler service.pdf"]
        for expected, query in (
            (everything, {}),
            (["boiler photo.txt", "Boiler service.pdf"], {"q": "BOILER"}),
            (["Boiler service.pdf"], {"q": "vice boil"}),
            (["Zürich.txt"], {"q": "ÜRI"}),
            ([], {"q": "100%"}),
            (["boiler photo.txt", "Boiler service.pdf"], {"property.invoice": "12"}),
            (["Boiler service.pdf"], {"property.paid": "true"}),
            (["boiler photo.txt"], {"under": "/photos"}),
            (["Zürich.txt"], {"path": "/photosx/Zürich.txt"}),
            (["Boiler service.pdf"], {"media_type": "application/pdf"}),
            (["Boiler service.pdf"], {"sha256": first["sha256"]}),
            (["Zürich.txt"], {"type": "contact"}),
            (["Zürich.txt"], {"record": "contact:42", "role": "photo"}),
            ([], {"record": "contact:42", "role": "document"}),
            (everything[:2], {"created_after": first["created_at"]}),
            (everything[1:], {"created_before": third["created_at"]}),
            (["Boiler service.pdf", "Zürich.txt", "boiler photo.txt"], {"sort": "name"}),
            (everything[::-1], {"sort": "created_at"}),
            ([], {"trashed": "true"}),
        ):
            assert await self.names(client, **query) == expected, query

    @pytest.mark.parametrize(
        "sort", ["created_at", "-created_at", "name", "-name", "size", "-size", "path", "-updated_at"]
    )
    async def test_pages_hold_everything_once(self, client: httpx.AsyncClient, sort: str) -> None:
        for number in range(7):
            await upload(client, f"file {number % 3}", b"x" * (number % 2), path=f"/f{number}/")
        seen: list[str] = []
        query: dict[str, Any] = {"sort": sort, "limit": 2}
        while True:
            page = (await client.get("/v1/attachments", params=query)).json()
            seen += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert len(seen) == len(set(seen)) == 7

    async def test_only_the_members_that_are_wanted(self, client: httpx.AsyncClient) -> None:
        made = await upload(client)
        page = (await client.get("/v1/attachments?fields=name,size")).json()
        assert page["items"] == [{"id": made["id"], "name": "lease.pdf", "size": len(PDF)}]

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=ten",
            "limit=1e9",
            "limit=1&limit=2",
            "sort=secret",
            "sort=--name",
            "cursor=x",
            "cursor=W10",
            "fields=secret",
            "created_after=yesterday",
            "sha256=12",
            "under=a",
            "record=x",
            "trashed=maybe",
            "page=2",
            "q=a&q=b",
        ],
    )
    async def test_a_question_that_makes_no_sense(self, client: httpx.AsyncClient, query: str) -> None:
        answer = await client.get(f"/v1/attachments?{query}")
        assert answer.status_code == 400
        assert answer.json()["errors"]

    async def test_a_cursor_belongs_to_its_list(self, client: httpx.AsyncClient) -> None:
        for number in range(3):
            await upload(client, f"{number}.txt")
        cursor = (await client.get("/v1/attachments?limit=1")).json()["next"]
        assert (await client.get(f"/v1/attachments?limit=1&cursor={cursor}")).status_code == 200
        for other in ("sort=name", "q=txt"):
            assert (await client.get(f"/v1/attachments?limit=1&cursor={cursor}&{other}")).status_code == 400


class TestWhoIsAsking:
    async def test_nobody_gets_nothing(self, installation: Installation) -> None:
        async with installation.bare_client() as stranger, installation.bare_client("0" * 64) as guesser:
            for client in (stranger, guesser):
                answer = await client.get("/v1/attachments")
                assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
                assert answer.headers["www-authenticate"] == "Bearer"

    async def test_a_reader_may_not_write(self, client: httpx.AsyncClient, installation: Installation) -> None:
        made = await upload(client)
        async with await installation.client("attachments.read") as reader:
            assert (await reader.get(f"/v1/attachments/{made['id']}/content")).content == PDF
            for answer in (
                await reader.post("/v1/attachments", files={"file": ("a", b"x")}),
                await reader.put(f"/v1/attachments/{made['id']}/content", content=b"x"),
                await reader.patch(f"/v1/attachments/{made['id']}", json={"name": "x"}),
                await reader.delete(f"/v1/attachments/{made['id']}"),
                await reader.put("/v1/records/contact/43", json={}),
            ):
                assert answer.status_code == 403
        assert (await client.get(f"/v1/attachments/{made['id']}")).json() == made

    async def test_foreign_unknown_and_malformed_ids_look_alike(
        self, client: httpx.AsyncClient, installation: Installation
    ) -> None:
        made = await upload(client, record="contact:42")
        async with await installation.client(account="umbra") as foreign:
            answers = [
                await foreign.get(f"/v1/attachments/{id}")
                for id in (made["id"], "01a20494-31ed-76b0-871f-25b6ffcdc1ac", "x", "%F0%9F%99%82", "' OR 1=1")
            ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.text for answer in answers}) == 1

    async def test_out_of_scope_looks_like_not_there(
        self, client: httpx.AsyncClient, installation: Installation
    ) -> None:
        made = await upload(client, record="contact:42")
        async with await installation.client(scopes=["record:job:7"]) as scoped:
            hidden = await scoped.get(f"/v1/attachments/{made['id']}")
            nowhere = await scoped.get("/v1/attachments/01a20494-31ed-76b0-871f-25b6ffcdc1ac")
            assert (hidden.status_code, hidden.text) == (404, nowhere.text)
            hidden, nowhere = [await scoped.get(f"/v1/records/contact/{id}") for id in ("42", "43")]
            assert (hidden.status_code, hidden.text) == (404, nowhere.text)
            assert (await scoped.get("/v1/attachments")).json()["items"] == []
            me = (await scoped.get("/v1/me")).json()
            assert me["scopes"] == ["record:job:7"]
            assert (await scoped.get("/v1/events")).status_code == 404
