"""Uploads to contacts and properties: what is taken, what is refused, and that a refusal leaves nothing."""

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.dialects.property_deck.stage import NOWHERE, PDF, Stage, refusal, staged

Part = tuple[str, str | None, bytes]
BOUNDARY = "boundary-of-the-form"
NAMES = [
    "Grundriß (Entwurf).pdf",
    "平面図.pdf",
    "план.pdf",
    "مخطط.pdf",
    "תוכנית.pdf",
    "แผน.pdf",
    "🏠🔑.pdf",
    "e\u0301.pdf",
    'the "old" one.pdf',
    "it's.pdf",
    "50% off; a=b, c.pdf",
    "back\\slash.pdf",
    " leading and trailing ",
    "no extension",
    ".hidden",
    "a" * 251 + ".pdf",
    "d41d8cd98f00b204e9800998ecf8427e",
    "index",
    "view",
    "update",
    "download",
    "stream",
    "attachments",
    "<script>.html",
    "..pdf",
    "CON",
]


def quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "%22")


def form(parts: Sequence[Part]) -> bytes:
    """A form whose parts come in just this order; a file name makes a part a file."""
    body = b""
    for name, filename, content in parts:
        file = "" if filename is None else f'; filename="{quoted(filename)}"'
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


async def sent(stage: Stage, parent: str, parts: Sequence[Part]) -> httpx.Response:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return await stage.http.post(f"{parent}/attachments", content=form(parts), headers=headers)


@pytest.mark.parametrize("kind", ["contacts", "properties"])
async def test_each_kind_of_parent_takes_files(stage: Stage, kind: str) -> None:
    parent = f"/{kind}/{await (stage.contact() if kind == 'contacts' else stage.property())}"
    response = await stage.http.post(f"{parent}/attachments", files={"upload": ("example.pdf", PDF, "application/pdf")})
    assert response.status_code == 201
    made = response.json()["data"]
    assert (made["name"], made["size"], made["mime_type"]) == ("example.pdf", len(PDF), "application/pdf")
    assert made["description"] is None
    assert response.headers["Location"] == f"http://holdfast.test/attachments/{made['uuid']}"
    assert (await stage.http.get(parent)).json()["data"]["num_attachments"] == 1


@pytest.mark.parametrize("upload_first", [True, False])
async def test_the_description_may_come_before_or_after_the_file(stage: Stage, upload_first: bool) -> None:
    parts: list[Part] = [("upload", "a.pdf", PDF), ("description", None, b"Lease")]
    response = await sent(stage, f"/contacts/{await stage.contact()}", parts if upload_first else parts[::-1])
    assert response.status_code == 201
    assert response.json()["data"]["description"] == "Lease"


async def test_an_empty_description_is_none(stage: Stage) -> None:
    response = await sent(
        stage, f"/contacts/{await stage.contact()}", [("description", None, b""), ("upload", "a", b"x")]
    )
    assert response.json()["data"]["description"] is None


async def test_an_empty_file_is_a_file(stage: Stage) -> None:
    response = await sent(stage, f"/contacts/{await stage.contact()}", [("upload", "empty.txt", b"")])
    assert (response.status_code, response.json()["data"]["size"]) == (201, 0)


async def test_unknown_text_fields_are_passed_over(stage: Stage) -> None:
    parts: list[Part] = [("_method", None, b"POST"), ("upload", "a.pdf", PDF), ("tag", None, b"x")]
    assert (await sent(stage, f"/contacts/{await stage.contact()}", parts)).status_code == 201


async def test_the_same_file_twice_is_two_attachments(stage: Stage) -> None:
    contact = await stage.contact()
    one, two = await stage.upload(f"/contacts/{contact}"), await stage.upload(f"/contacts/{contact}")
    assert one["uuid"] != two["uuid"]
    assert (await stage.http.get(f"/contacts/{contact}")).json()["data"]["num_attachments"] == 2


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_comes_back_as_it_was_sent(stage: Stage, name: str) -> None:
    response = await sent(stage, f"/contacts/{await stage.contact()}", [("upload", name, b"x")])
    assert response.status_code == 201, response.text
    made = response.json()["data"]
    assert made["name"] == name
    assert (await stage.http.get(made["download_url"])).content == b"x"


UPLOAD: Part = ("upload", "a.pdf", PDF)


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ([("description", None, b"Lease")], "upload"),
        ([("file", "a.pdf", PDF)], "upload"),
        ([("upload", None, PDF[:8])], "upload"),
        ([("upload", "", PDF)], "upload"),
        ([("upload", "a/b.pdf", PDF)], "upload"),
        ([("upload", "..", PDF)], "upload"),
        ([("upload", "x" * 256, PDF)], "upload"),
        ([UPLOAD, UPLOAD], "upload"),
        ([UPLOAD, ("upload", None, b"x")], "upload"),
        ([("upload", None, b"x"), UPLOAD], "upload"),
        ([UPLOAD, ("photo", "b.png", b"x")], "photo"),
        ([("photo", "b.png", b"x"), UPLOAD], "photo"),
        ([("description", None, b"a"), UPLOAD, ("description", None, b"b")], "description"),
        ([UPLOAD, ("description", "d.txt", b"a")], "description"),
        ([UPLOAD, ("description", None, b"x" * 10_001)], "description"),
        ([UPLOAD, ("description", None, b"bell \x07")], "description"),
    ],
)
async def test_a_form_with_wrong_parts_is_refused_and_leaves_nothing(
    stage: Stage, parts: list[Part], field: str
) -> None:
    contact = await stage.contact()
    async with stage.unchanged():
        response = await sent(stage, f"/contacts/{contact}", parts)
    assert field in refusal(response)
    assert await stage.listed() == []


async def test_a_missing_file_is_said_in_the_words_of_the_vendor_s_framework(stage: Stage) -> None:
    response = await sent(stage, f"/contacts/{await stage.contact()}", [("description", None, b"x")])
    assert refusal(response) == {"upload": "The upload field is required."}


@pytest.mark.parametrize("type", ["application/json", "application/x-www-form-urlencoded", "application/pdf", None])
async def test_only_multipart_is_taken(stage: Stage, type: str | None) -> None:
    contact = await stage.contact()
    async with stage.unchanged():
        headers = {} if type is None else {"Content-Type": type}
        response = await stage.http.post(f"/contacts/{contact}/attachments", content=b"upload=x", headers=headers)
    assert response.status_code == 415
    assert response.json() == {"message": "Send multipart/form-data"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--",
        form([UPLOAD])[:-4],
        form([UPLOAD])[:40],
        form([UPLOAD] * 65),
        b"\xff" * 99,
        form([("d", None, b"\xff"), UPLOAD]),
    ],
)
async def test_a_form_that_cannot_be_read_leaves_nothing(stage: Stage, body: bytes) -> None:
    contact = await stage.contact()
    async with stage.unchanged():
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        response = await stage.http.post(f"/contacts/{contact}/attachments", content=body, headers=headers)
    assert response.status_code in {400, 422}
    assert set(response.json()) <= {"message", "errors"}


@pytest.mark.parametrize("path", [f"/contacts/{NOWHERE}", f"/properties/{NOWHERE}", "/contacts/index", "/contacts/%2E"])
async def test_an_unknown_parent_is_not_found(stage: Stage, path: str) -> None:
    async with stage.unchanged():
        response = await sent(stage, path, [UPLOAD])
    assert (response.status_code, response.json()) == (404, {"message": "Not Found"})


async def test_a_property_is_not_found_among_contacts(stage: Stage) -> None:
    contact, property = await stage.contact(), await stage.property()
    async with stage.unchanged():
        assert (await sent(stage, f"/contacts/{property}", [UPLOAD])).status_code == 404
        assert (await sent(stage, f"/properties/{contact}", [UPLOAD])).status_code == 404


async def test_a_file_over_the_limit_is_refused(stage: Stage) -> None:
    contact = await stage.contact()
    await stage.house.operator.accounts.configure("acme", {"max_file_bytes": 100})
    async with stage.unchanged():
        response = await sent(stage, f"/contacts/{contact}", [("upload", "a.pdf", b"x" * 101)])
    assert response.status_code == 413
    assert response.json() == {"message": "The request is larger than the limit of 100 bytes."}
    assert (await sent(stage, f"/contacts/{contact}", [("upload", "a.pdf", b"x" * 100)])).status_code == 201


async def test_a_full_account_takes_nothing_more(stage: Stage) -> None:
    contact = await stage.contact()
    await stage.house.operator.accounts.configure("acme", {"quota_attachments": 0})
    async with stage.unchanged():
        response = await sent(stage, f"/contacts/{contact}", [UPLOAD])
    assert response.status_code == 413
    assert set(response.json()) == {"message"}


async def test_a_type_that_the_account_does_not_allow_is_refused(stage: Stage) -> None:
    contact = await stage.contact()
    await stage.house.operator.accounts.configure("acme", {"allowed_types": ("image/png",)})
    async with stage.unchanged():
        assert (await sent(stage, f"/contacts/{contact}", [UPLOAD])).status_code == 415


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/attachments"),
        ("GET", "/contacts/x/attachments"),
        ("PATCH", "/attachments/x"),
        ("PUT", "/attachments/x/download"),
    ],
)
async def test_methods_that_the_page_does_not_offer(stage: Stage, method: str, path: str) -> None:
    response = await stage.http.request(method, path)
    assert (response.status_code, response.json()) == (405, {"message": "Method Not Allowed"})
    assert "OPTIONS" in response.headers["Allow"]


async def test_hosts_that_register_nothing_may_let_records_open(tmp_path: Path) -> None:
    async with staged(tmp_path, records="open") as stage:
        assert (await sent(stage, "/contacts/42", [UPLOAD])).status_code == 201
        contact = (await stage.http.get("/contacts/42")).json()["data"]
        assert (contact["uuid"], contact["name"], contact["email"], contact["num_attachments"]) == ("42", "", "", 1)
