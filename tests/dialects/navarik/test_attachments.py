"""The five calls on attachments, told as a person sees them."""

import re
import uuid
from typing import Any

import pytest

from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.navarik.world import PDF, UNKNOWN, World, good, message, unchanged

KEYS = [
    "id", "version_id", "previous_version_id", "last_action", "created_by", "created_at", "modified_by",
    "modified_at", "type", "schema", "body", "meta",
]  # fmt: skip
BODY = [
    "workspace", "document", "caption", "size", "location", "format", "clientReferenceNumber",
    "vendorReferenceNumber", "description",
]  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def test_a_file_goes_all_the_way(world: World) -> None:
    """Contract section 5, "End-to-end walk"."""
    made = await world.upload("coa.pdf", description="Certificate")
    one = f"{world.attachments}/{made['id']}"
    assert await world.listed() == [made]
    assert good(await world.http.get(one)) == made
    assert (await world.http.get(f"{one}/content")).content == PDF
    deleted = good(await world.http.delete(one))
    assert deleted["last_action"] == "delete"
    assert await world.listed() == []
    assert message(await world.http.get(one), 404) == "Attachment not found"


async def test_the_envelope_has_twelve_keys_and_the_body_nine(world: World) -> None:
    made = await world.upload()
    assert list(made) == KEYS
    assert list(made["body"]) == BODY
    assert made["type"] == "navarik.bridge.attachment"
    assert made["meta"] == {}
    assert uuid.UUID(made["schema"]) == uuid.UUID((await world.upload())["schema"])


async def test_a_fresh_envelope_has_never_been_changed(world: World) -> None:
    made = await world.upload()
    assert (made["last_action"], made["previous_version_id"]) == ("create", None)
    assert made["modified_at"] == made["created_at"]
    assert made["modified_by"] == made["created_by"] == world.document["created_by"]
    assert MOMENT.fullmatch(made["created_at"])


async def test_the_body_says_what_was_sent(world: World) -> None:
    data = b"\x89PNG\r\n\x1a\n" + bytes(100)
    made = await world.upload("scan.png", data, clientReferenceNumber="C-1", vendorReferenceNumber="V-2")
    assert made["body"] == {
        "workspace": world.workspace["id"],
        "document": world.document["id"],
        "caption": "scan.png",
        "size": len(data),
        "location": made["body"]["location"],
        "format": "image/png",
        "clientReferenceNumber": "C-1",
        "vendorReferenceNumber": "V-2",
        "description": None,
    }
    assert re.fullmatch(r"[0-9a-f]{25}", made["body"]["location"])


async def test_optional_texts_that_were_not_given_are_null(world: World) -> None:
    body = (await world.upload())["body"]
    assert [body[name] for name in BODY[6:]] == [None, None, None]


async def test_reference_numbers_go_by_their_names(world: World) -> None:
    """The page's descriptions of the two are swapped; its model and its example are not."""
    body = (await world.upload(clientReferenceNumber="client's", vendorReferenceNumber="vendor's"))["body"]
    assert (body["clientReferenceNumber"], body["vendorReferenceNumber"]) == ("client's", "vendor's")


async def test_texts_may_be_parts_of_the_form_and_the_query_wins(world: World) -> None:
    form = {"description": "form", "clientReferenceNumber": "form", "vendorReferenceNumber": "", "other": "ignored"}
    answer = await world.http.post(
        world.attachments, params={"description": "query"}, data=form, files={"file": ("a.pdf", PDF)}
    )
    body = good(answer, 201)["body"]
    assert [body[name] for name in BODY[6:]] == ["form", None, "query"]


async def test_texts_may_follow_the_file(world: World) -> None:
    lines = [
        '--X\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n' + PDF.decode(),
        '\r\n--X\r\nContent-Disposition: form-data; name="description"\r\n\r\nafter\r\n--X--\r\n',
    ]
    answer = await world.http.post(
        world.attachments, content="".join(lines).encode(), headers={"Content-Type": "multipart/form-data; boundary=X"}
    )
    assert good(answer, 201)["body"]["description"] == "after"


async def test_create_says_where_the_new_one_is(world: World) -> None:
    answer = await world.http.post(f"/bridge{world.attachments}", files={"file": ("a.pdf", PDF)})
    assert answer.headers["location"] == f"/bridge{world.attachments}/{good(answer, 201)['id']}"
    assert good(await world.http.get(answer.headers["location"]))["body"]["caption"] == "a.pdf"


async def test_an_empty_file_is_a_file(world: World) -> None:
    made = await world.upload("empty.txt", b"")
    assert made["body"]["size"] == 0
    assert (await world.http.get(f"{world.attachments}/{made['id']}/content")).content == b""


@pytest.mark.parametrize(
    "name",
    [
        "Zürich.pdf", "書類.pdf", "مستند.pdf", "отчёт.pdf", "🎉🎊.pdf", "a'b.pdf", 'a"b.pdf', "a\\b.pdf", "attachments",
        "content", "index", "bulk", "..pdf", "5d41402abc4b2a76b9719d911017c592", " lead and trail ", "x" * 255,
        "6b0f0c53-5f43-4b1c-8a9e-1f5b8f5a7c11",
    ],
)  # fmt: skip
async def test_names_come_back_as_they_were_sent(world: World, name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    head = f'--X\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'.encode()
    answer = await world.http.post(
        world.attachments,
        content=head + PDF + b"\r\n--X--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=X"},
    )
    made = good(answer, 201)
    assert made["body"]["caption"] == name
    assert good(await world.http.get(f"{world.attachments}/{made['id']}"))["body"]["caption"] == name
    assert (await world.http.get(f"{world.attachments}/{made['id']}/content")).status_code == 200


async def test_content_is_the_bytes_under_their_name(world: World) -> None:
    made = await world.upload("Zürich.pdf")
    answer = await world.http.get(f"{world.attachments}/{made['id']}/content")
    assert answer.content == PDF
    assert answer.headers["content-type"] == made["body"]["format"] == "application/pdf"
    assert answer.headers["content-length"] == str(made["body"]["size"])
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"Zurich.pdf\"; filename*=UTF-8''Z%C3%BCrich.pdf"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_content_has_ranges_and_conditions(world: World) -> None:
    path = f"{world.attachments}/{(await world.upload())['id']}/content"
    whole = await world.http.get(path)
    part = await world.http.get(path, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, PDF[1:4])
    assert (await world.http.get(path, headers={"Range": "bytes=999-"})).status_code == 416
    assert (await world.http.get(path, headers={"If-None-Match": whole.headers["etag"]})).status_code == 304
    assert (await world.http.get(path, headers={"If-Match": '"other"'})).status_code == 412
    head = await world.http.head(path)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(PDF)))


async def test_content_is_sent_whatever_the_client_accepts(world: World) -> None:
    path = f"{world.attachments}/{(await world.upload('data.xml', b'<a/>'))['id']}/content"
    assert (await world.http.get(path, headers={"Accept": "application/xml"})).content == b"<a/>"


async def test_a_deletion_keeps_the_version_and_renews_who_and_when(world: World) -> None:
    made = await world.upload()
    other = await world.client("attachments.write")
    deleted = good(await other.delete(f"{world.attachments}/{made['id']}"))
    kept = {name for name in KEYS if deleted[name] == made[name]}
    assert kept == set(KEYS) - {"last_action", "modified_by", "modified_at"}
    assert deleted["last_action"] == "delete"
    assert deleted["modified_at"] >= made["modified_at"]


async def test_what_is_deleted_is_gone_from_every_call(world: World) -> None:
    one = f"{world.attachments}/{(await world.upload())['id']}"
    good(await world.http.delete(one))
    async with unchanged(world):
        for answer in (
            await world.http.get(one),
            await world.http.get(f"{one}/content"),
            await world.http.delete(one),
        ):
            assert message(answer, 404) == "Attachment not found"


async def test_a_deletion_can_be_undone_through_the_native_api(world: World) -> None:
    made = await world.upload()
    good(await world.http.delete(f"{world.attachments}/{made['id']}"))
    async with await world.house.client() as native:
        assert (await native.post(f"/v1/attachments/{made['id']}/restore")).status_code == 200
    back = (await world.listed())[0]
    assert (back["id"], back["version_id"], back["last_action"]) == (made["id"], made["version_id"], "update")


async def test_attachments_are_not_updated(world: World) -> None:
    one = f"{world.attachments}/{(await world.upload())['id']}"
    async with unchanged(world):
        for method in ("PUT", "PATCH", "POST"):
            answer = await world.http.request(method, one, json={"description": "x"})
            assert message(answer, 405).startswith("This path offers ")
            assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS"
        assert (await world.http.put(world.attachments)).status_code == 405
        assert (await world.http.put(f"{one}/content", content=PDF)).status_code == 405


async def test_the_same_bytes_have_the_same_location(world: World) -> None:
    one, other, third = await world.upload(), await world.upload("b.pdf"), await world.upload("c.pdf", PDF + b"x")
    assert one["body"]["location"] == other["body"]["location"] != third["body"]["location"]


async def test_both_mounts_are_the_same_api(world: World) -> None:
    made = await world.upload()
    assert good(await world.http.get(f"/bridge{world.attachments}")) == [made]
    assert good(await world.http.get(f"/bridge/v2/organizations/{world.shipper['id']}")) == world.shipper


async def test_a_file_hung_by_another_api_is_an_attachment_here(world: World) -> None:
    """A document registered elsewhere, and a file linked to it there, without anything of this dialect."""
    desk = await world.house.desk()
    workspace = RecordRef("workspace", world.workspace["id"])
    document = RecordRef("document", UNKNOWN)
    await desk.records.create(NewRecord(document, {"host": "data"}, (workspace,)))
    made = await world.upload("shared.pdf")
    await desk.links.hang(made["id"], Hook(document, role="photo"))
    listed = good(await world.http.get(f"{world.documents}/{UNKNOWN}/attachments"))
    assert [(item["id"], item["body"]["document"]) for item in listed] == [(made["id"], UNKNOWN)]
    told = good(await world.http.get(f"{world.documents}/{UNKNOWN}"))
    assert (told["type"], told["body"]) == ("navarik.bridge.document", {})
    untyped = good(await world.http.get(world.documents, params={"type": "navarik.bridge.document"}))
    assert untyped == [told]
    good(await world.http.delete(f"{world.documents}/{UNKNOWN}/attachments/{made['id']}"))
    assert await world.listed() == []


async def test_attachments_go_with_their_document(world: World) -> None:
    made = await world.upload()
    desk = await world.house.desk()
    await desk.records.delete(RecordRef("document", world.document["id"]))
    assert message(await world.http.get(world.attachments), 404) == "Document not found"
    assert (await desk.attachments.get(made["id"], trashed=True)).name == "coa.pdf"


@pytest.mark.parametrize("told", [{}, {"navarik": "text"}, {"navarik": {"clientReferenceNumber": 7}}])
async def test_properties_of_another_hand_do_no_harm(world: World, told: dict[str, Any]) -> None:
    made = await world.upload(clientReferenceNumber="C-1")
    async with await world.house.client() as native:
        good(await native.patch(f"/v1/attachments/{made['id']}", json={"properties": {"navarik": None, **told}}))
    now = good(await world.http.get(f"{world.attachments}/{made['id']}"))
    assert now["body"]["clientReferenceNumber"] is None
    assert now["version_id"] != made["version_id"]
    assert now["last_action"] == "update"
