"""Uploads that are not right: each is refused in the vendor's shape, and nothing of it stays."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dialects.navarik.world import PDF, UNKNOWN, World, good, made, message, unchanged
from tests.installation import installed

FORM = {"Content-Type": "multipart/form-data; boundary=X"}


def form(*parts: str, end: str = "--X--\r\n") -> bytes:
    return ("".join(f"--X\r\n{part}\r\n" for part in parts) + end).encode()


def field(name: str, value: str) -> str:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'


def file(name: str = "file", filename: str = "a.pdf", content: str = "%PDF-1.4") -> str:
    return f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n{content}'


FORMS: dict[str, bytes] = {
    "nothing": b"",
    "no part": b"--X--\r\n",
    "no file": form(field("description", "x")),
    "a file that is text": form(field("file", "x")),
    "the file twice": form(file(), file()),
    "the file twice, one in between": form(file(), field("description", "x"), file(filename="b.pdf")),
    "another file": form(file("document")),
    "another file beside": form(file(), file("other")),
    "text and file of one name": form(file(), field("file", "x")),
    "a text twice": form(field("description", "a"), field("description", "b"), file()),
    "no filename": form(file(filename="")),
    "a path": form(file(filename="a/b.pdf")),
    "a path upwards": form(file(filename="../../etc/passwd")),
    "dots": form(file(filename="..")),
    "a line break in the name": form(file(filename="a%0D%0Ab.pdf")),
    "an overlong name": form(file(filename="x" * 256)),
    "an overlong description": form(field("description", "x" * 10_001), file()),
    "a description with a bell": form(field("description", "a\x07b"), file()),
    "NUL in a text": form(field("description", "a\x00b"), file()),
    "no end": form(file(), end=""),
    "cut in the middle": form(file())[:-12],
    "another boundary": form(file()).replace(b"--X", b"--Y"),
    "a part without name": form("Content-Disposition: form-data\r\n\r\nx", file()),
    "a part without disposition": form("Content-Type: text/plain\r\n\r\nx", file()),
    "not UTF-8": form(field("description", "@"), file()).replace(b"@", b"\xff"),
    "many parts": form(*[field(f"f{at}", "x") for at in range(70)], file()),
}


@pytest.mark.parametrize("name", FORMS)
async def test_forms_that_are_not_right_leave_nothing(world: World, name: str) -> None:
    async with unchanged(world):
        message(await world.http.post(world.attachments, content=FORMS[name], headers=FORM), 400)
        assert await world.listed() == []


@pytest.mark.parametrize(
    "media_type",
    [
        "application/octet-stream",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=X",
    ],
)
async def test_only_multipart_is_taken(world: World, media_type: str) -> None:
    async with unchanged(world):
        answer = await world.http.post(world.attachments, content=form(file()), headers={"Content-Type": media_type})
        assert message(answer, 415) == "Send multipart/form-data"
        message(await world.http.post(world.attachments), 415)


@pytest.mark.parametrize(
    "media_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=a=b; c"]
)
async def test_a_type_that_cannot_be_read_is_refused(world: World, media_type: str) -> None:
    async with unchanged(world):
        answer = await world.http.post(world.attachments, content=form(file()), headers={"Content-Type": media_type})
        message(answer, 400)


@pytest.mark.parametrize("name", ["clientReferenceNumber", "vendorReferenceNumber", "description"])
async def test_texts_come_once_and_within_bounds(world: World, name: str) -> None:
    async with unchanged(world):
        for value in (["a", "b"], "x" * 10_001, "a\x07b"):
            told = {name: value}
            message(await world.http.post(world.attachments, params=told, files={"file": ("a.pdf", PDF)}), 400)
            message(await world.http.post(world.attachments, data=told, files={"file": ("a.pdf", PDF)}), 400)


async def test_texts_that_are_not_known_are_ignored(world: World) -> None:
    content = form(field("x", "a"), file(), field("x", "b"), field("", "c"))
    good(await world.http.post(world.attachments, content=content, headers=FORM), 201)


UUIDS: dict[str, Callable[[str], str]] = {
    "a word": lambda _: "abc",
    "a number": lambda _: "42",
    "no hyphens": lambda uuid: uuid.replace("-", ""),
    "braces": lambda uuid: f"%7B{uuid}%7D",
    "a URN": lambda uuid: f"urn:uuid:{uuid}",
    "one digit short": lambda uuid: uuid[:-1],
    "one digit long": lambda uuid: uuid + "0",
    "no hexadecimal": lambda uuid: "g" + uuid[1:],
    "hyphens elsewhere": lambda uuid: uuid[:9].replace("-", "0-") + uuid[10:],
    "a blank after": lambda uuid: uuid + "%20",
    "a line break after": lambda uuid: uuid + "%0A",
    "other digits": lambda uuid: "%D9%A3" + uuid[1:],
    "an MD5": lambda _: "5d41402abc4b2a76b9719d911017c592",
}


@pytest.mark.parametrize("name", UUIDS)
async def test_malformed_ids_are_refused_wherever_they_are(world: World, name: str) -> None:
    one = (await world.upload())["id"]
    workspace, document = world.workspace["id"], world.document["id"]
    bend = UUIDS[name]
    async with unchanged(world):
        for path, field_name in (
            (f"/v2/workspaces/{bend(workspace)}/documents/{document}/attachments", "workspace_id"),
            (f"{world.documents}/{bend(document)}/attachments", "document_id"),
            (f"{world.attachments}/{bend(one)}", "attachment_id"),
            (f"{world.attachments}/{bend(one)}/content", "attachment_id"),
        ):
            assert message(await world.http.get(path), 400) == f"{field_name} is not a UUID"
        assert message(await world.http.delete(f"{world.attachments}/{bend(one)}"), 400)
        url = f"{world.documents}/{bend(document)}/attachments"
        assert message(await world.http.post(url, files={"file": ("a.pdf", PDF)}), 400)


async def test_ids_in_upper_case_mean_the_same(world: World) -> None:
    attachment = await world.upload()
    url = f"{world.attachments}/{attachment['id']}".replace("/v2", "").upper()
    path = "/v2" + url.replace("WORKSPACES", "workspaces").replace("DOCUMENTS", "documents")
    assert good(await world.http.get(path.replace("ATTACHMENTS", "attachments"))) == attachment


async def test_unknown_parents_are_not_found(world: World) -> None:
    nowhere = f"/v2/workspaces/{UNKNOWN}/documents/{world.document['id']}/attachments"
    nothing = f"{world.documents}/{UNKNOWN}/attachments"
    swapped = f"/v2/workspaces/{world.document['id']}/documents/{world.workspace['id']}/attachments"
    upload = {"file": ("a.pdf", PDF)}
    async with unchanged(world):
        for path, told in (
            (nowhere, "Workspace not found"),
            (nothing, "Document not found"),
            (swapped, "Workspace not found"),
        ):
            assert message(await world.http.get(path), 404) == told
            assert message(await world.http.post(path, files=upload), 404) == told
            assert message(await world.http.get(f"{path}/{UNKNOWN}"), 404) == told
            assert message(await world.http.delete(f"{path}/{UNKNOWN}"), 404) == told


async def test_an_attachment_lies_under_its_document_only(world: World) -> None:
    attachment = await world.upload()
    told = {"type": "demo.doc", "body": {}}
    other = good(await world.http.post(world.documents, json=told), 201)
    elsewhere = f"{world.documents}/{other['id']}/attachments/{attachment['id']}"
    async with unchanged(world):
        for path in (elsewhere, f"{elsewhere}/content", f"{world.attachments}/{UNKNOWN}"):
            assert message(await world.http.get(path), 404) == "Attachment not found"
        assert message(await world.http.delete(elsewhere), 404) == "Attachment not found"


async def test_files_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    async with installed(tmp_path, upload_limit=1000) as house:
        world = await made(house)
        async with unchanged(world):
            answer = await world.http.post(world.attachments, files={"file": ("a.bin", bytes(1001))})
            assert message(answer, 413) == "The file is larger than the limit of 1000 bytes"
        assert (await world.upload("a.bin", bytes(1000)))["body"]["size"] == 1000


async def test_types_and_quotas_of_the_account_hold(world: World) -> None:
    accounts = world.house.operator.accounts
    await accounts.configure("acme", {"allowed_types": ("image/png",)})
    async with unchanged(world):
        message(await world.http.post(world.attachments, files={"file": ("a.pdf", PDF)}), 415)
    await accounts.configure("acme", {"allowed_types": None, "quota_bytes": 10})
    async with unchanged(world):
        message(await world.http.post(world.attachments, files={"file": ("a.pdf", PDF)}), 413)
