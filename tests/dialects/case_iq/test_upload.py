"""Seed 2, section 1: a file goes onto a case, the file last, tags one by one."""

import hashlib

import pytest

from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.case_iq.harness import NOWHERE, CaseIq, File, Part, check_error, form
from tests.installation import Installation


async def register_tags(house: Installation, *ids: str) -> None:
    desk = await house.desk()
    for id in ids:
        await desk.records.create(NewRecord(RecordRef("tag", id)))


async def test_a_file_goes_onto_a_case_and_its_record_comes_back_with_200(iq: CaseIq) -> None:
    case = await iq.case()
    data = b"%PDF-1.4\n" + b"x" * 1000
    response = await iq.save(("caseId", case), ("file", File("statement.pdf", data, "application/pdf")))
    assert response.status_code == 200
    record = response.json()
    assert len(record["id"]) == 36
    assert record["name"] == "statement.pdf"
    assert record["nameWithoutExtension"] == "statement"
    assert record["encoding"] == "7bit"
    assert record["mimeType"] == "application/pdf"
    assert record["objectId"] == hashlib.sha256(data).hexdigest()
    assert record["sizeBytes"] == len(data)
    assert record["caseId"] == case
    assert (await iq.get(f"/attachment/{record['id']}")).json() == record


async def test_the_optional_fields_are_kept(iq: CaseIq, house: Installation) -> None:
    await register_tags(house, "red", "blue")
    case = await iq.case()
    parts: list[Part] = [
        ("caseId", case),
        ("description", "First line\nsecond “line” 🙂"),
        ("templateLocale", "fr_CA"),
        ("bulkTags[]", "red"),
        ("bulkTags[]", "blue"),
        ("file", File("a.txt")),
    ]
    record = (await iq.save(*parts)).json()
    assert record["description"] == "First line\nsecond “line” 🙂"
    assert record["templateLocale"] == "fr_CA"
    assert record["bulkTags"] == ["red", "blue"]
    stored = await (await house.desk()).attachments.get(record["id"])
    assert stored.properties == {
        "case_iq": {
            "kind": "File Upload",
            "encoding": "7bit",
            "templateLocale": "fr_CA",
            "bulkTags": ["red", "blue"],
        }
    }


async def test_left_out_they_have_their_defaults(iq: CaseIq) -> None:
    record = await iq.file(await iq.case())
    assert record["description"] is None
    assert record["templateLocale"] == "en_US"
    assert record["bulkTags"] == []
    assert record["kind"] == "File Upload"
    assert record["fileFormat"] == "txt"


async def test_empty_fields_are_absent_ones(iq: CaseIq) -> None:
    case = await iq.case()
    record = (
        await iq.save(("caseId", case), ("templateLocale", ""), ("bulkTags[]", ""), ("file", File("a.txt")))
    ).json()
    assert (record["templateLocale"], record["bulkTags"]) == ("en_US", [])
    check_error(await iq.save(("caseId", ""), ("file", File("a.txt"))), 400, "caseId is required")


async def test_parts_after_the_file_are_not_seen(iq: CaseIq) -> None:
    case = await iq.case()
    record = (
        await iq.save(
            ("caseId", case),
            ("file", File("first.txt", b"first")),
            ("description", "too late"),
            ("templateLocale", "nonsense"),
            ("file", File("second.txt", b"second")),
        )
    ).json()
    assert (record["name"], record["description"], record["templateLocale"]) == ("first.txt", None, "en_US")
    assert await iq.names(caseId=case) == ["first.txt"]


async def test_a_case_id_after_the_file_is_missing(iq: CaseIq) -> None:
    case = await iq.case()
    check_error(await iq.save(("file", File("a.txt")), ("caseId", case)), 400, "caseId is required")


async def test_a_transfer_encoding_of_the_part_is_kept(iq: CaseIq) -> None:
    case = await iq.case()
    record = (await iq.save(("caseId", case), ("file", File("a.bin", b"\x00\xff", None, "Binary")))).json()
    assert record["encoding"] == "binary"


async def test_the_type_is_what_the_bytes_are(iq: CaseIq) -> None:
    case = await iq.case()
    record = (await iq.save(("caseId", case), ("file", File("photo.jpg", b"<html><script>", "image/jpeg")))).json()
    assert record["mimeType"] == "text/html"


async def test_upper_case_ids_name_the_same_case(iq: CaseIq) -> None:
    case = await iq.case()
    assert (await iq.file(case.upper()))["caseId"] == case


async def test_tags_given_twice_count_once(iq: CaseIq, house: Installation) -> None:
    await register_tags(house, "red")
    case = await iq.case()
    parts: list[Part] = [("caseId", case), ("bulkTags[]", "red"), ("bulkTags[]", "red"), ("file", File("a.txt"))]
    assert (await iq.save(*parts)).json()["bulkTags"] == ["red"]


@pytest.mark.parametrize(
    "name",
    [
        "save_file",
        "attachments",
        "attachment",
        "d41d8cd98f00b204e9800998ecf8427e",
        "index",
        "quotes \"double\" and 'single'.txt",
        "semi;colon & per%20cent +.txt",
        "日本語のファイル.pdf",
        "Αρχείο ελληνικό.docx",
        "ملف عربي.txt",
        "नमस्ते.txt",
        "e\u0301 combining.txt",
        "🧾👩🏽‍🚀.png",
        ".profile",
        "notes.",
        "archive.tar.GZ",
        "x" * 251 + ".txt",
    ],
)
async def test_names_of_every_kind_come_back_byte_for_byte(iq: CaseIq, name: str) -> None:
    case = await iq.case()
    record = await iq.file(case, name)
    assert record["name"] == name
    assert await iq.names(name=name) == [name]
    assert await iq.names(nameWithoutExtension=record["nameWithoutExtension"]) == [name]
    if record["fileFormat"]:
        assert await iq.names(fileFormat=record["fileFormat"]) == [name]
        assert f"{record['nameWithoutExtension']}.{record['fileFormat']}".lower() == name.lower()
    else:
        assert record["nameWithoutExtension"] == name


CASE: Part = ("caseId", "CASE")
FILE: Part = ("file", File("a.txt"))

REFUSED: dict[str, tuple[tuple[Part, ...], int, str]] = {
    "no case": ((FILE,), 400, "caseId is required"),
    "no file": ((CASE,), 400, "file is required"),
    "nothing but a tag": ((("bulkTags[]", "red"),), 400, "file is required"),
    "file as text": ((CASE, ("file", "just text")), 400, "file must be a file with a name"),
    "case as file": ((("caseId", File("id.txt")), FILE), 400, "'caseId' must not be a file"),
    "file without a name": ((CASE, ("file", File(""))), 400, "A name is needed"),
    "file with a path": ((CASE, ("file", File("../../etc/passwd"))), 400, "A name is not a path"),
    "file with a long name": ((CASE, ("file", File("x" * 256))), 400, "A name has at most 255 characters"),
    "malformed case": ((("caseId", "12345"), FILE), 400, "caseId must be a UUID"),
    "braced case": ((("caseId", "{" + NOWHERE + "}"), FILE), 400, "caseId must be a UUID"),
    "unknown case": ((("caseId", NOWHERE), FILE), 404, "Case not found"),
    "two cases": ((CASE, CASE, FILE), 400, "caseId is given more than once"),
    "two texts": ((CASE, ("description", "a"), ("description", "b"), FILE), 400, "description is given more than once"),
    "long description": ((CASE, ("description", "x" * 10_001), FILE), 400, "Text has at most 10000 characters"),
    "control characters": ((CASE, ("description", "a\x07b"), FILE), 400, "Text holds no control characters"),
    "tags without brackets": ((CASE, ("bulkTags", "red"), FILE), 400, "Repeat bulkTags[] once per tag ID"),
    "tags with an index": ((CASE, ("bulkTags[0]", "red"), FILE), 400, "Repeat bulkTags[] once per tag ID"),
    "tags as JSON": ((CASE, ("bulkTags[]", '["red","blue"]'), FILE), 400, """There is no tag '["red","blue"]'"""),
    "unknown tag": ((CASE, ("bulkTags[]", "red"), ("bulkTags[]", "green"), FILE), 400, "There is no tag 'green'"),
    "no such locale": ((CASE, ("templateLocale", "english"), FILE), 400, "templateLocale is a locale such as en_US"),
    "unknown field": ((CASE, ("descripton", "typo"), FILE), 400, "There is no form field 'descripton'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_is_refused_and_changes_nothing(iq: CaseIq, house: Installation, case: str) -> None:
    parts, status, text = REFUSED[case]
    await register_tags(house, "red", "blue")
    id = await iq.case()
    desk = await house.desk()
    before = await desk.usage()
    told: list[Part] = [(name, id if value == "CASE" else value) for name, value in parts]
    check_error(await iq.save(*told), status, text)
    assert await desk.usage() == before


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "application/json"),
        (b"caseId=1", "application/x-www-form-urlencoded"),
        (b"hello", "text/plain"),
        (b"", "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb', "multipart/form-data; boundary=x"),
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\nb\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"hello", "multipart/form-data"),
    ],
)
async def test_other_bodies_are_bad_requests(iq: CaseIq, house: Installation, content: bytes, kind: str) -> None:
    before = await (await house.desk()).usage()
    check_error(await iq.send("POST", "/save_file", content=content, headers={"Content-Type": kind}), 400)
    assert await (await house.desk()).usage() == before


async def test_sixty_two_tags_go_and_more_parts_do_not(iq: CaseIq, house: Installation) -> None:
    await register_tags(house, *(f"t{number}" for number in range(63)))
    case = await iq.case()
    tags: list[Part] = [("bulkTags[]", f"t{number}") for number in range(62)]
    record = (await iq.save(("caseId", case), *tags, FILE)).json()
    assert len(record["bulkTags"]) == 62
    check_error(await iq.save(("caseId", case), *tags, ("bulkTags[]", "t62"), FILE), 400)


async def test_a_closed_case_still_takes_files(iq: CaseIq) -> None:
    created = (await iq.send("POST", "/case", json={})).json()
    closing = {"caseStatus": "Close", "workflowId": created["lastWorkflowId"]}
    assert (await iq.send("POST", f"/case/{created['id']}/transition", json=closing)).status_code == 200
    assert (await iq.file(created["id"]))["caseId"] == created["id"]


async def test_an_unknown_part_as_a_file_is_refused(iq: CaseIq) -> None:
    case = await iq.case()
    refused = await iq.save(("caseId", case), ("attachment", File("a.txt")))
    check_error(refused, 400, "'attachment' must not be a file")


async def test_without_a_token_nothing_is_read(house: Installation) -> None:
    stranger = CaseIq(house.bare_client())
    check_error(await stranger.send("POST", "/save_file", **form(CASE, FILE)), 401)
