"""`GET /v2/attachment/view/{id}`."""

from typing import Any
from urllib.parse import quote

import pytest

from holdfast.dialects.four_hse.attachments import prefers_json
from tests.dialects.four_hse.stage import JSON, PDF, PNG, PROJECT, ROOT, Stage, digest, error

FILE = f"{ROOT}/fire-safety-certificate.pdf"


@pytest.fixture
async def file(stage: Stage) -> Stage:
    await stage.upload(ROOT, "fire-safety-certificate.pdf")
    return stage


async def test_the_bytes_come_unless_json_is_asked_for(file: Stage) -> None:
    response = await file.view(FILE)
    assert (response.status_code, response.content) == (200, PDF)
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Content-Length"] == str(len(PDF))
    assert response.headers["Content-Disposition"] == 'attachment; filename="fire-safety-certificate.pdf"'
    assert "Accept" in response.headers["Vary"]


async def test_json_is_the_metadata(file: Stage) -> None:
    data = {"mimetype": "application/pdf", "size": str(len(PDF))}
    project = {"project_id": PROJECT, "project_name": "Acme Construction Ltd"}
    expected = {"attachment_id": digest(FILE), "attachment_path": FILE, "data": {**data, **project}}
    assert await file.described(FILE) == expected


@pytest.mark.parametrize("base", [FILE, FILE.removeprefix("/"), f"{FILE}/", FILE.replace("/", "//")])
async def test_a_path_may_be_raw_or_escaped_with_or_without_its_first_slash(file: Stage, base: str) -> None:
    for path in (base, quote(base, safe="")):
        response = await file.http.get(f"/v2/attachment/view/{path}")
        assert (response.status_code, response.content) == (200, PDF)


async def test_the_id_may_be_in_the_query(file: Stage) -> None:
    for id in (FILE, digest(FILE)):
        response = await file.http.get("/v2/attachment/view", params={"id": id})
        assert (response.status_code, response.content) == (200, PDF)
    for path in ("/v2/attachment/view", "/v2/attachment/view/", "/v2/attachment/view?id="):
        assert error(await file.http.get(path)) == (
            400,
            "Bad Request",
            "Bad request: Missing required parameters: id",
        )
    assert error(await file.http.get("/v2/attachment/view?id=a&id=b"))[0] == 400


async def test_an_attachment_id_is_the_md5_of_the_path(file: Stage) -> None:
    assert digest(f"/projects/{PROJECT}") == "d7fb806218b7d9868b466f68d0ff9ad2"
    assert digest(FILE) == "f76a68c679fbcb6f10f0d2e876d91dd7"
    for id in (digest(FILE), digest(FILE).upper()):
        assert (await file.view(id)).content == PDF
    for path in (ROOT, "/projects", "/"):
        assert (await file.described(digest(path)))["attachment_path"] == path


async def test_an_id_that_nothing_has_is_not_found(file: Stage) -> None:
    for id in ("0" * 32, "/nothing", f"{ROOT}/nothing.pdf", f"{FILE}/below", digest("/nothing"), "x" * 32, "é", "%"):
        for asked in ({}, JSON):
            response = await file.view(id, **asked)
            assert error(response) == (404, "Not Found", "Attachment not found")


@pytest.mark.parametrize(
    ("mode", "kind"), [("", "attachment"), ("?mode=download", "attachment"), ("?mode=inline", "inline")]
)
async def test_mode_says_how_a_browser_takes_it(file: Stage, mode: str, kind: str) -> None:
    response = await file.http.get(f"/v2/attachment/view{FILE}{mode}".replace("view/", "view//"))
    assert response.headers["Content-Disposition"].startswith(f"{kind}; ")


async def test_another_mode_is_a_bad_request(file: Stage) -> None:
    for query in ("mode=stream", "mode=INLINE", "mode=inline&mode=download"):
        for headers in ({}, JSON):
            response = await file.http.get(f"/v2/attachment/view/{quote(FILE, safe='')}?{query}", headers=headers)
            assert error(response)[0] == 400


async def test_what_could_act_in_a_browser_is_never_inline(stage: Stage) -> None:
    path = await stage.upload(ROOT, "page.html", b"<script>alert(1)</script>", type="text/html")
    response = await stage.http.get("/v2/attachment/view", params={"id": path, "mode": "inline"})
    assert response.headers["Content-Disposition"].startswith("attachment; ")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]


async def test_a_folder_has_metadata_and_no_bytes(stage: Stage) -> None:
    assert (await stage.described(ROOT))["data"]["mimetype"] == "directory"
    assert (await stage.described(f"{ROOT}/"))["attachment_path"] == ROOT
    assert error(await stage.view(ROOT))[0] == 400


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/*", False),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/json, text/plain, */*", True),
        ("text/html, application/json", False),
        ("text/html;q=0.5, application/json;q=0.9", True),
        ("application/json;q=0.5, */*;q=0.8", False),
        ("application/json;q=0", False),
        ("application/json;q=0, */*;q=0", False),
        ("application/json;q=high", False),
        ("application/json;q=1.000", True),
        ("application/json;q=1.0000", False),
        ("application/json;q=9", True),
        (";;;, application/json", True),
        ("text/html;q", False),
        (",,,", False),
        ("application/json," * 1000, False),
    ],
)
def test_json_must_rank_above_all_else(accept: str | None, json: bool) -> None:
    assert prefers_json(accept) is json


async def test_a_part_of_the_bytes_and_a_copy_that_is_still_good(file: Stage) -> None:
    part = await file.view(FILE, Range="bytes=0-3")
    assert (part.status_code, part.content) == (206, PDF[:4])
    known: dict[str, Any] = {"If-None-Match": part.headers["ETag"]}
    again = await file.view(FILE, **known)
    assert (again.status_code, again.content) == (304, b"")
    assert (await file.view(FILE, Range="bytes=99999999-")).status_code == 416
    other: dict[str, Any] = {"If-Match": '"other"'}
    assert (await file.view(FILE, **other)).status_code == 412


async def test_head_tells_the_length_without_the_bytes(file: Stage) -> None:
    response = await file.http.head(f"/v2/attachment/view/{quote(FILE, safe='')}")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == str(len(PDF))


@pytest.mark.parametrize(
    "name", ["Прüfung 検査.png", 'a"b\\c.png', "it's 50%.png", "🔥.png", "a;b=c&d?e#f.png", " x .png"]
)
async def test_a_name_in_any_script_comes_back_as_it_was(stage: Stage, name: str) -> None:
    path = await stage.upload(ROOT, name, PNG, type="image/png")
    assert path == f"{ROOT}/{name}"
    for id in (path, digest(path)):
        assert (await stage.view(id)).content == PNG
    assert await stage.paths(searchText=name) == [path]
    raw = await stage.http.get(f"/v2/attachment/view/{quote(path)}")
    assert raw.content == PNG


async def test_an_escape_is_taken_apart_once(stage: Stage) -> None:
    await stage.folder(ROOT, "a")
    path = await stage.upload(ROOT, "a%2Fb.pdf")
    assert path == f"{ROOT}/a%2Fb.pdf"
    assert (await stage.view(path)).content == PDF
    assert error(await stage.view(f"{ROOT}/a/b.pdf"))[0] == 404
    for broken in ("%", "%zz", "%ff", "%00"):
        assert error(await stage.http.get(f"/v2/attachment/view/{broken}"))[0] in {400, 404}
