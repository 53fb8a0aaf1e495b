"""Reading, describing and deleting attachments."""

import pytest

from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from holdfast.core.ports import Window
from holdfast.core.records import NewRecord
from tests.dialects.property_deck.stage import NOWHERE, PDF, PNG, Hand, Stage, refusal


async def test_an_attachment_has_exactly_the_ten_fields(stage: Stage) -> None:
    contact = await stage.contact()
    made = await stage.upload(f"/contacts/{contact}", description="Lease")
    got = (await stage.http.get(f"/attachments/{made['uuid']}")).json()["data"]
    assert got == made
    url = f"http://holdfast.test/attachments/{made['uuid']}"
    assert {key: got[key] for key in got if not key.endswith("_at") and key != "uuid"} == {
        "name": "example.pdf",
        "description": "Lease",
        "size": len(PDF),
        "download_url": f"{url}/download",
        "stream_url": f"{url}/stream",
        "mime_type": "application/pdf",
        "type": "Document",
    }


@pytest.mark.parametrize(
    ("name", "content", "declared", "type"),
    [
        ("a.pdf", PDF, "application/pdf", "Document"),
        ("a.png", PNG, "image/png", "Image"),
        ("a.mp3", b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(64), "audio/mpeg", "Audio"),
        ("a.mp4", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(64), "video/mp4", "Video"),
        ("a.txt", b"hello", "text/plain", "Document"),
        ("a.bin", b"\x00\x01\x02", "application/octet-stream", "Document"),
    ],
)
async def test_the_type_is_a_word_for_people(stage: Stage, name: str, content: bytes, declared: str, type: str) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}", name, content, type=declared)
    assert (made["type"], made["mime_type"]) == (type, declared)


async def test_times_are_in_utc_to_the_second(timed: Stage, hand: Hand) -> None:
    hand.now = 1_400_000_000_999_999
    made = await timed.upload(f"/contacts/{await timed.contact()}")
    assert made["created_at"] == made["updated_at"] == "2014-05-13T16:53:21+00:00"


async def test_the_public_address_is_in_the_urls(stage: Stage) -> None:
    made = await stage.upload(f"/properties/{await stage.property()}")
    elsewhere = await stage.http.get(f"/attachments/{made['uuid']}", headers={"Host": "files.example:8443"})
    assert elsewhere.json()["data"]["stream_url"] == f"http://files.example:8443/attachments/{made['uuid']}/stream"


async def test_an_id_may_come_in_upper_case(stage: Stage) -> None:
    contact = await stage.contact()
    made = await stage.upload(f"/contacts/{contact.upper()}")
    assert (await stage.http.get(f"/attachments/{made['uuid'].upper()}")).json()["data"] == made
    assert (await stage.http.get(f"/contacts/{contact.upper()}")).json()["data"]["uuid"] == contact


@pytest.mark.parametrize("send", [{"json": {"description": "Signed"}}, {"data": {"description": "Signed"}}])
async def test_the_description_changes_by_json_or_by_form(stage: Stage, send: dict[str, dict[str, str]]) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}")
    response = await stage.http.put(f"/attachments/{made['uuid']}", **send)  # type: ignore[arg-type]
    assert response.status_code == 200
    changed = response.json()["data"]
    assert {**changed, "updated_at": made["updated_at"]} == {**made, "description": "Signed"}


async def test_a_change_moves_updated_at(timed: Stage, hand: Hand) -> None:
    made = await timed.upload(f"/contacts/{await timed.contact()}")
    hand.now += 5_000_000
    changed = (await timed.http.put(f"/attachments/{made['uuid']}", json={"description": "x"})).json()["data"]
    assert changed["created_at"] == made["created_at"]
    assert changed["updated_at"] > made["updated_at"]


@pytest.mark.parametrize(
    "send", [{"json": {"description": None}}, {"json": {"description": ""}}, {"data": {"description": ""}}]
)
async def test_null_or_an_empty_text_clears_the_description(stage: Stage, send: dict[str, dict[str, str]]) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}", description="Lease")
    response = await stage.http.put(f"/attachments/{made['uuid']}", **send)  # type: ignore[arg-type]
    assert response.json()["data"]["description"] is None


@pytest.mark.parametrize("send", [{}, {"json": {}}, {"json": {"name": "other.pdf", "size": 0}}])
async def test_what_is_absent_stays_and_other_fields_are_passed_over(
    stage: Stage, send: dict[str, dict[str, str]]
) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}", description="Lease")
    async with stage.unchanged():
        response = await stage.http.put(f"/attachments/{made['uuid']}", **send)  # type: ignore[arg-type]
    assert (response.status_code, response.json()["data"]) == (200, made)


@pytest.mark.parametrize("value", [5, True, ["x"], {"a": 1}, "x" * 10_001, "bell\x07"])
async def test_a_description_that_is_no_text_is_refused(stage: Stage, value: object) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}", description="Lease")
    async with stage.unchanged():
        response = await stage.http.put(f"/attachments/{made['uuid']}", json={"description": value})
    assert list(refusal(response)) == ["description"]


@pytest.mark.parametrize(
    ("content", "type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"description": "\\u0000"}', "application/json", 400),
        (b"[]", "application/json", 422),
        (b'"x"', "application/json", 422),
        (b"description=a&description=b", "application/x-www-form-urlencoded", 422),
        (b"description=%ff", "application/x-www-form-urlencoded", 400),
        (b"description", "text/plain", 415),
        (b"x", "multipart/form-data", 400),
    ],
)
async def test_a_body_that_cannot_be_read_changes_nothing(stage: Stage, content: bytes, type: str, status: int) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}", description="Lease")
    async with stage.unchanged():
        response = await stage.http.put(f"/attachments/{made['uuid']}", content=content, headers={"Content-Type": type})
    assert response.status_code == status
    assert isinstance(response.json()["message"], str)


async def test_a_deleted_attachment_is_gone_from_everywhere(stage: Stage) -> None:
    contact = await stage.contact()
    made = await stage.upload(f"/contacts/{contact}")
    url = f"/attachments/{made['uuid']}"
    gone = await stage.http.delete(url)
    assert (gone.status_code, gone.content) == (204, b"")
    for method, path in [
        ("GET", url),
        ("PUT", url),
        ("DELETE", url),
        ("GET", f"{url}/download"),
        ("GET", f"{url}/stream"),
    ]:
        response = await stage.http.request(method, path)
        assert (response.status_code, response.json()) == (404, {"message": "Not Found"})
    assert await stage.listed() == []


async def test_a_deleted_attachment_can_still_be_restored_by_the_operator(stage: Stage) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}")
    await stage.http.delete(f"/attachments/{made['uuid']}")
    await (await stage.house.desk()).attachments.restore(made["uuid"])
    assert await stage.listed() == [made["uuid"]]


@pytest.mark.parametrize("uuid", [NOWHERE, "1", "index", "x" * 300, "%F0%9F%98%80", "...", "97b28627", "%20"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_unknown_or_malformed_id_is_not_found(stage: Stage, uuid: str, method: str) -> None:
    for path in (f"/attachments/{uuid}", f"/contacts/{uuid}", f"/properties/{uuid}"):
        async with stage.unchanged():
            response = await stage.http.request(method, path)
        assert (response.status_code, response.json()) == (404, {"message": "Not Found"})


async def test_only_attachments_of_contacts_and_properties_are_seen(stage: Stage) -> None:
    """The same files are in the store, on other records, and stay out of this view until they are linked into it."""
    contact = await stage.contact()
    shown = await stage.upload(f"/contacts/{contact}")
    desk = await stage.house.desk()
    await desk.records.create(NewRecord(RecordRef("case", "7")))
    await desk.links.hang(shown["uuid"], Hook(RecordRef("case", "7")))
    on_contact = (await desk.links.page(shown["uuid"], Window(10))).items
    await desk.links.remove(next(link.id for link in on_contact if link.record.type == "contact"))
    url = f"/attachments/{shown['uuid']}"
    assert await stage.listed() == []
    for method, path in [("GET", url), ("PUT", url), ("DELETE", url), ("GET", f"{url}/download")]:
        assert (await stage.http.request(method, path)).status_code == 404
    await desk.links.hang(shown["uuid"], Hook(RecordRef("contact", contact)))
    assert await stage.listed() == [shown["uuid"]]


async def test_a_file_on_two_parents_is_one_attachment(stage: Stage) -> None:
    contact, property = await stage.contact(), await stage.property()
    made = await stage.upload(f"/contacts/{contact}")
    await (await stage.house.desk()).links.hang(made["uuid"], Hook(RecordRef("property", property)))
    assert await stage.listed() == [made["uuid"]]
    assert await stage.listed(f"contact[uuid]={contact}&property[uuid]={property}") == [made["uuid"]]
    await stage.http.delete(f"/contacts/{contact}")
    assert await stage.listed() == [made["uuid"]]
    await stage.http.delete(f"/properties/{property}")
    assert await stage.listed() == []
