"""Seed 2, section 2: lists with limit, before, after, sort, order, fields and string filters."""

from datetime import datetime
from typing import Any

import pytest

from holdfast.core.attachments import Description, NewAttachment
from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.case_iq.harness import NOWHERE, CaseIq, File, Json, check_error
from tests.installation import Installation


async def three(iq: CaseIq) -> list[Json]:
    """Three files on one case, oldest first: sizes 3, 1, 2 and names b, c, a."""
    case = await iq.case()
    return [await iq.file(case, name, b"x" * size) for name, size in (("b.txt", 3), ("c.pdf", 1), ("a.txt", 2))]


def ids(records: list[Json]) -> list[str]:
    return [record["id"] for record in records]


async def test_a_list_is_records_and_how_many_of_them_are_here(iq: CaseIq) -> None:
    assert (await iq.get("/attachments")).json() == {"records": [], "count": 0}
    files = await three(iq)
    body = (await iq.get("/attachments", params={"limit": 2})).json()
    assert body["count"] == 2
    assert body["records"] == [files[2], files[1]]


async def test_the_newest_comes_first_unless_told(iq: CaseIq) -> None:
    files = await three(iq)
    assert await iq.page() == files[::-1]
    assert await iq.page(order="asc") == files
    assert await iq.page(order="DESC", sort="createdDate") == files[::-1]


async def test_created_dates_are_unique_and_show_microseconds(iq: CaseIq) -> None:
    dates = [record["createdDate"] for record in await three(iq)]
    assert all(len(date) == len("2025-01-31T14:05:09.123456Z") and date.endswith("Z") for date in dates)
    assert dates == sorted(set(dates))


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("name", "a.txt b.txt c.pdf"), ("sizeBytes", "c.pdf a.txt b.txt"), ("createdDate", "b.txt c.pdf a.txt"),
     ("mimeType", "b.txt c.pdf a.txt"), ("lastUpdatedDate", "b.txt c.pdf a.txt"), ("id", "b.txt c.pdf a.txt")],
)  # fmt: skip
async def test_sorting_by_a_field_goes_both_ways(iq: CaseIq, sort: str, expected: str) -> None:
    await three(iq)
    assert await iq.names(sort=sort, order="asc") == expected.split()
    assert await iq.names(sort=sort, order="desc") == expected.split()[::-1]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_before_is_smaller_and_after_is_greater_in_either_order(iq: CaseIq, order: str) -> None:
    files = await three(iq)
    middle = files[1]["createdDate"]
    assert await iq.names(before=middle, order=order) == ["b.txt"]
    assert await iq.names(after=middle, order=order) == ["a.txt"]
    assert await iq.names(sort="name", after="a.txt", before="c.pdf", order=order) == ["b.txt"]
    assert await iq.names(sort="sizeBytes", after="2", order=order) == ["b.txt"]
    assert await iq.names(sort="objectId", before=max(record["objectId"] for record in files), limit=1) != []


async def test_a_whole_list_is_walked_page_by_page(iq: CaseIq) -> None:
    case = await iq.case()
    files = [await iq.file(case, f"{number}.txt") for number in range(7)]
    await iq.file(await iq.case(), "elsewhere.txt")
    walked: list[Json] = []
    while page := await iq.page(caseId=case, sort="createdDate", order="asc", limit=2, **_after(walked)):
        walked += page
    assert walked == files


def _after(walked: list[Json]) -> dict[str, str]:
    return {"after": walked[-1]["createdDate"]} if walked else {}


async def test_times_with_an_offset_name_the_same_moment(iq: CaseIq) -> None:
    files = await three(iq)
    middle = files[1]["createdDate"].replace("Z", "+00:00")
    assert await iq.names(after=middle) == ["a.txt"]
    assert await iq.names(after="2000-01-01") == ["a.txt", "c.pdf", "b.txt"]
    assert datetime.fromisoformat(middle).utcoffset() is not None


async def test_fields_leave_what_was_asked_for_and_the_id(iq: CaseIq) -> None:
    files = await three(iq)
    newest = files[2]
    [record] = await iq.page(fields="name,sizeBytes", limit=1)
    assert record == {key: newest[key] for key in ("id", "name", "sizeBytes")}
    [record] = (await iq.get("/attachments?fields=name&fields=caseId,kind&limit=1")).json()["records"]
    assert record == {key: newest[key] for key in ("id", "name", "caseId", "kind")}
    [record] = await iq.page(fields="", limit=1)
    assert record == newest


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"kind": "File Upload"}, ["a.txt", "c.pdf", "b.txt"]),
        ({"kind": "URL"}, []),
        ({"fileFormat": "txt"}, ["a.txt", "b.txt"]),
        ({"fileFormat": "tx"}, []),
        ({"fileFormat": "TXT"}, []),
        ({"fileFormat": "t xt"}, []),
        ({"fileFormat": "ツ"}, []),
        ({"fileFormat": "txt", "limit": 1}, ["a.txt"]),
        ({"fileFormat": "txt", "name": "b.txt"}, ["b.txt"]),
        ({"name": "b.txt", "kind": "URL"}, []),
        ({"nameWithoutExtension": "c"}, ["c.pdf"]),
        ({"nameWithoutExtension": ""}, ["a.txt", "c.pdf", "b.txt"]),
        ({"mimeType": "text/plain"}, ["a.txt", "c.pdf", "b.txt"]),
        ({"mimeType": "text"}, []),
        ({"encoding": "7bit"}, ["a.txt", "c.pdf", "b.txt"]),
        ({"encoding": "binary"}, []),
        ({"templateLocale": "en_US"}, ["a.txt", "c.pdf", "b.txt"]),
        ({"templateLocale": "de_DE"}, []),
        ({"description": "nothing like it"}, []),
        ({"objectId": "not hex"}, []),
        ({"objectId": "00"}, []),
        ({"createdBy": "nobody"}, []),
        ({"id": NOWHERE}, []),
        ({"caseId": NOWHERE}, []),
        ({"caseId": "a/b"}, []),
    ],
    ids=str,
)
async def test_string_fields_filter_by_equality(iq: CaseIq, filter: dict[str, Any], expected: list[str]) -> None:
    await three(iq)
    assert await iq.names(**filter) == expected


async def test_every_string_field_finds_the_record_that_shows_it(iq: CaseIq) -> None:
    files = await three(iq)
    case = await iq.case()
    parts = [("caseId", case), ("description", "one of a kind"), ("templateLocale", "es_419")]
    wanted = (await iq.save(*parts, ("file", File("Rapport.DOCX", b"unlike", None, "8bit")))).json()
    for name in ("fileFormat", "caseId", "id", "name", "nameWithoutExtension", "description", "encoding", "objectId"):
        assert await iq.page(**{name: wanted[name]}) == [wanted], name
    assert await iq.page(templateLocale="es_419") == [wanted]
    assert await iq.page(createdBy=wanted["createdBy"]) == [wanted, *files[::-1]]


async def test_files_that_came_by_another_api_appear_and_are_found(iq: CaseIq, house: Installation) -> None:
    case = await iq.case()
    desk = await house.desk()
    ref = RecordRef("case", case)
    async with await desk.attachments.receive() as intake:
        await intake.take(_bytes(b"native"), name="native.csv")
        new = NewAttachment("native.csv", hooks=(Hook(ref),), properties={"case_iq": "not an object"})
        attachment = await desk.attachments.create(intake, new)
    [record] = await iq.page(caseId=case, kind="File Upload", encoding="7bit", templateLocale="en_US")
    assert record["id"] == attachment.id
    assert (record["fileFormat"], record["bulkTags"]) == ("csv", [])
    await desk.attachments.describe(attachment.id, Description(name="renamed.ods"))
    assert ids(await iq.page(fileFormat="ods")) == [attachment.id]
    assert await iq.page(fileFormat="csv") == []


async def test_files_that_hang_on_no_case_are_not_seen(iq: CaseIq, house: Installation) -> None:
    desk = await house.desk()
    await desk.records.create(NewRecord(RecordRef("property", "p1")))
    async with await desk.attachments.receive() as intake:
        await intake.take(_bytes(b"deed"), name="deed.pdf")
        attachment = await desk.attachments.create(
            intake, NewAttachment("deed.pdf", hooks=(Hook(RecordRef("property", "p1")),))
        )
    assert await iq.page() == []
    assert await iq.page(name="deed.pdf") == []
    for path in (f"/attachment/{attachment.id}", f"/attachment/{attachment.id}/attachment"):
        check_error(await iq.get(path), 404, "Attachment not found")
    case = await iq.case()
    await desk.links.hang(attachment.id, Hook(RecordRef("case", case)))
    assert ids(await iq.page(caseId=case)) == [attachment.id]
    assert (await iq.get(f"/attachment/{attachment.id}")).json()["caseId"] == case


async def test_what_is_trashed_is_gone_from_every_list(iq: CaseIq, house: Installation) -> None:
    files = await three(iq)
    await (await house.desk()).attachments.trash(files[0]["id"])
    assert await iq.names() == ["a.txt", "c.pdf"]
    assert await iq.names(caseId=files[0]["caseId"]) == ["a.txt", "c.pdf"]
    check_error(await iq.get(f"/attachment/{files[0]['id']}"), 404, "Attachment not found")


async def test_pages_of_a_part_of_a_name_are_full(iq: CaseIq) -> None:
    case = await iq.case()
    for number in range(6):
        await iq.file(case, f"x{number}.pdf.zip" if number % 2 else f"x{number}.pdf")
    assert await iq.names(fileFormat="pdf", limit=3) == ["x4.pdf", "x2.pdf", "x0.pdf"]
    assert await iq.names(fileFormat="pdf", limit=2) == ["x4.pdf", "x2.pdf"]
    assert await iq.names(nameWithoutExtension="x1.pdf", limit=1) == ["x1.pdf.zip"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=-1", "limit=1001", "limit=1000000000", "limit=1e9", "limit=ten", "limit=1.5", "limit=%2B5",
        "limit=1&limit=2", "order=up", "order=asc&order=desc", "sort=nothing", "sort=caseId", "sort=created_at",
        "sort=properties", "sort=%27%3B--", "before=yesterday", "after=2025-13-01", "before=1",
        "sort=sizeBytes&after=big", "sort=sizeBytes&before=" + "9" * 19, "sort=objectId&after=xyz",
        "fields=nothing", "fields=name,sha256",
        "offset=10", "page=0", "page=2", "q=x", "caseid=1", "sizeBytes=3", "createdDate=2025-01-01", "bulkTags=red",
        "name=a&name=b", "case_iq.kind=x", "=x", "property.x=1",
    ],
)  # fmt: skip
async def test_other_queries_are_bad_requests(iq: CaseIq, house: Installation, query: str) -> None:
    await three(iq)
    before = await (await house.desk()).usage()
    check_error(await iq.get(f"/attachments?{query}"), 400)
    assert await (await house.desk()).usage() == before


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59.999999-23:59", "2025-W01"])
async def test_moments_at_the_ends_of_time_are_no_fault(iq: CaseIq, moment: str) -> None:
    await three(iq)
    assert (await iq.get(f"/attachments?after={moment}")).status_code == 200


@pytest.mark.parametrize("query", ["name=%FF", "name=%00", "before=%C3%28"])
async def test_queries_that_are_not_text_are_bad_requests(iq: CaseIq, query: str) -> None:
    check_error(await iq.get(f"/attachments?{query}"), 400)


async def test_the_default_page_holds_a_hundred_and_the_largest_a_thousand(iq: CaseIq, house: Installation) -> None:
    case = await iq.case()
    desk = await house.desk()
    for number in range(101):
        async with await desk.attachments.receive() as intake:
            await intake.take(_bytes(b"same"), name=f"{number}.txt")
            await desk.attachments.create(
                intake, NewAttachment(f"{number}.txt", hooks=(Hook(RecordRef("case", case)),))
            )
    assert len(await iq.page()) == 100
    assert len(await iq.page(limit=1000)) == 101
    assert len(await iq.page(limit=1000, caseId=case, fields="id")) == 101


async def _bytes(data: bytes) -> Any:
    yield data
