"""Seed 2, sections 3 and 4: the bytes of a file, and its record."""

import httpx
import pytest

from tests.dialects.case_iq.harness import NOWHERE, CaseIq, check_error
from tests.installation import Installation


def url(record: dict[str, str]) -> str:
    return f"/attachment/{record['id']}/attachment"


async def test_a_download_is_the_raw_file(iq: CaseIq) -> None:
    data = bytes(range(256)) * 300
    record = await iq.file(await iq.case(), "all bytes.bin", data)
    response = await iq.get(url(record))
    assert response.status_code == 200
    assert response.content == data
    assert response.headers["content-type"] == record["mimeType"]
    assert response.headers["content-length"] == str(len(data))
    assert response.headers["content-disposition"] == 'attachment; filename="all bytes.bin"'


async def test_a_json_file_comes_back_as_its_bytes_and_not_as_a_record(iq: CaseIq) -> None:
    record = await iq.file(await iq.case(), "data.json", b'{"id": 1}')
    response = await iq.get(url(record))
    assert response.content == b'{"id": 1}'


async def test_bytes_leave_with_the_safe_headers(iq: CaseIq) -> None:
    record = await iq.file(await iq.case(), "page.html", b"<script>alert(1)</script>")
    headers = (await iq.get(url(record))).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["content-disposition"].startswith("attachment;")
    assert headers["etag"] == f'"{record["objectId"]}"'


async def test_a_name_beyond_ascii_is_encoded(iq: CaseIq) -> None:
    record = await iq.file(await iq.case(), "Übersicht 🙂.txt")
    header = (await iq.get(url(record))).headers["content-disposition"]
    assert "filename*=UTF-8''%C3%9Cbersicht%20%F0%9F%99%82.txt" in header


async def test_parts_and_conditions_are_honoured(iq: CaseIq) -> None:
    record = await iq.file(await iq.case(), data=b"0123456789")
    etag = f'"{record["objectId"]}"'
    cases: list[tuple[dict[str, str], int, bytes]] = [
        ({"Range": "bytes=2-4"}, 206, b"234"),
        ({"Range": "bytes=-1"}, 206, b"9"),
        ({"Range": "bytes=50-"}, 416, b""),
        ({"If-None-Match": etag}, 304, b""),
        ({"If-Match": '"other"'}, 412, b""),
        ({"If-Match": etag}, 200, b"0123456789"),
    ]
    for headers, status, body in cases:
        response = await iq.get(url(record), headers=headers)
        assert (response.status_code, response.content) == (status, body), headers


async def test_head_tells_the_size_without_the_bytes(iq: CaseIq) -> None:
    record = await iq.file(await iq.case(), data=b"0123456789")
    response = await iq.send("HEAD", url(record))
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == "10"


async def test_an_empty_file_is_a_file(iq: CaseIq) -> None:
    record = await iq.file(await iq.case(), "empty", b"")
    assert record["sizeBytes"] == 0
    response = await iq.get(url(record))
    assert (response.status_code, response.content) == (200, b"")


async def test_retrieving_gives_the_bare_record(iq: CaseIq) -> None:
    record = await iq.file(await iq.case(), "statement.pdf", b"%PDF-1.4", description="May")
    response = await iq.get(f"/attachment/{record['id']}")
    assert response.status_code == 200
    body = response.json()
    assert body == record
    assert {"id", "createdDate", "name", "sizeBytes", "mimeType"} <= set(body)
    assert (await iq.get(f"/attachment/{record['id'].upper()}")).json() == record


async def test_after_a_new_version_the_current_one_is_given(iq: CaseIq, house: Installation) -> None:
    record = await iq.file(await iq.case(), data=b"old")
    native = await house.client()
    put = await native.put(f"/v1/attachments/{record['id']}/content", content=b"newer")
    assert put.status_code == 200
    assert (await iq.get(url(record))).content == b"newer"
    changed = (await iq.get(f"/attachment/{record['id']}")).json()
    assert changed["sizeBytes"] == 5
    assert changed["createdDate"] == record["createdDate"]
    assert changed["lastUpdatedDate"] > record["lastUpdatedDate"]


@pytest.mark.parametrize("suffix", ["", "/attachment"])
@pytest.mark.parametrize(
    "id", ["1", "attachments", "d41d8cd98f00b204e9800998ecf8427e", NOWHERE[:-1], f"{NOWHERE}0", "%20", "ÿ", "a%2Fb"]
)
async def test_malformed_ids_are_refused(iq: CaseIq, id: str, suffix: str) -> None:
    response = await iq.get(f"/attachment/{id}{suffix}")
    if id == "a%2Fb":
        check_error(response, 404)
    else:
        check_error(response, 400, "id must be a UUID")


@pytest.mark.parametrize("suffix", ["", "/attachment"])
async def test_unknown_ids_and_ids_of_other_things_are_not_found(iq: CaseIq, suffix: str) -> None:
    for id in (NOWHERE, await iq.case()):
        check_error(await iq.get(f"/attachment/{id}{suffix}"), 404, "Attachment not found")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
async def test_update_and_delete_are_not_offered(iq: CaseIq, house: Installation, method: str) -> None:
    record = await iq.file(await iq.case())
    before = await (await house.desk()).usage()
    for path in (f"/attachment/{record['id']}", url(record)):
        response = await iq.send(method, path, json={"name": "x"})
        check_error(response, 405)
        assert response.headers["allow"] == "GET, HEAD, OPTIONS"
    assert await (await house.desk()).usage() == before


async def test_lost_bytes_are_a_fault_of_the_server_in_the_vendors_shape(iq: CaseIq, house: Installation) -> None:
    record = await iq.file(await iq.case(), data=b"x" * 300_000)
    for file in (house.settings.data).rglob("*"):
        if file.is_file() and file.stat().st_size == 300_000:
            file.unlink()
    response: httpx.Response = await iq.http.get(f"/api-public/1.0{url(record)}")
    check_error(response, 500, "Content unavailable")
