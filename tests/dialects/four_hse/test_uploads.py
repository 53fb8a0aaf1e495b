"""`POST /v2/attachment/{id}`: files and folders come in."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from holdfast.core.ports import Window
from tests.dialects.four_hse.stage import NOWHERE, PDF, PNG, PROJECT, ROOT, Stage, digest, error, staged

HERE = f"/v2/attachment/{quote(ROOT, safe='')}"


async def test_a_file_comes_into_the_folder_of_the_url(stage: Stage) -> None:
    response = await stage.put(f"{ROOT}/", "fire.pdf", replace=0)
    assert response.status_code == 201
    path = f"{ROOT}/fire.pdf"
    project = {"project_id": PROJECT, "project_name": "Acme Construction Ltd"}
    data = {"mimetype": "application/pdf", "size": str(len(PDF)), **project}
    assert response.json() == {"attachment_id": digest(path), "attachment_path": path, "data": data}
    assert (await stage.view(path)).content == PDF


@pytest.mark.parametrize("folder", [ROOT, f"{ROOT}/", ROOT.removeprefix("/"), f"//projects//{PROJECT}//"])
async def test_the_folder_may_be_raw_or_escaped_with_or_without_outer_slashes(stage: Stage, folder: str) -> None:
    files = {"file": ("x", b"text", "text/plain")}
    for number, path in enumerate((folder, quote(folder, safe=""))):
        name = f"{number}.txt"
        response = await stage.http.post(f"/v2/attachment/{path}", data={"path": name}, files=files)
        assert (response.status_code, response.json()["attachment_path"]) == (201, f"{ROOT}/{name}")


async def test_an_upload_links_nothing(stage: Stage) -> None:
    path = await stage.upload(ROOT, "a.pdf")
    desk = await stage.desk()
    assert (await desk.links.page((await desk.attachments.at(path)).id, Window(limit=10))).items == ()


async def test_without_a_file_a_folder_is_made(stage: Stage) -> None:
    multipart = {"path": (None, "by form data"), "replace": (None, "1")}
    for response, name in (
        (await stage.http.post(HERE, json={"path": "by json"}), "by json"),
        (await stage.http.post(HERE, json={"path": "by json too", "replace": 1}), "by json too"),
        (await stage.http.post(HERE, data={"path": "by form"}), "by form"),
        (await stage.http.post(HERE, files=multipart), "by form data"),
    ):
        assert response.status_code == 201
        assert response.json()["attachment_path"] == f"{ROOT}/{name}"
        assert response.json()["data"]["mimetype"] == "directory"


async def test_a_file_that_is_there_is_in_the_way_unless_it_is_to_be_replaced(stage: Stage) -> None:
    path = await stage.upload(ROOT, "a.pdf")
    before = await stage.held()
    for fields in ({}, {"replace": 0}, {"replace": ""}):
        response = await stage.put(ROOT, "a.pdf", PNG, **fields)
        assert error(response) == (409, "Conflict", "Destination path already exists")
    assert await stage.held() == before
    replaced = await stage.put(ROOT, "a.pdf", PNG, type="image/png", replace=1)
    assert (replaced.status_code, replaced.json()["attachment_id"]) == (201, digest(path))
    assert (await stage.view(path)).content == PNG


async def test_a_replaced_file_keeps_its_links(stage: Stage) -> None:
    path = await stage.upload(ROOT, "a.pdf")
    await stage.link(path, await stage.certificate())
    await stage.upload(ROOT, "a.pdf", PNG, replace=1)
    assert await stage.links_of() == [path]


async def test_a_folder_that_is_there_is_in_the_way_whatever_is_said(stage: Stage) -> None:
    await stage.folder(ROOT, "a")
    await stage.upload(ROOT, "b")
    before = await stage.held()
    for response in (
        await stage.http.post(HERE, json={"path": "a", "replace": 1}),
        await stage.http.post(HERE, json={"path": "b", "replace": 1}),
        await stage.put(ROOT, "a", replace=1),
    ):
        assert error(response) == (409, "Conflict", "Destination path already exists")
    assert await stage.held() == before


async def test_of_thirty_uploads_to_one_path_exactly_one_wins(stage: Stage) -> None:
    contents = [b"%d" % number for number in range(30)]
    responses = await asyncio.gather(*(stage.put(ROOT, "one.txt", content) for content in contents))
    assert Counter(response.status_code for response in responses) == {201: 1, 409: 29}
    winner = [response.status_code for response in responses].index(201)
    assert (await stage.view(f"{ROOT}/one.txt")).content == contents[winner]
    attachments, size, _ = await stage.held()
    assert (attachments, size) == (1, len(contents[winner]))


async def test_missing_folders_are_made(stage: Stage) -> None:
    path = await stage.upload(f"{ROOT}/a/b/c", "x.pdf")
    assert await stage.paths(root_path=ROOT) == [f"{ROOT}/a", f"{ROOT}/a/b", f"{ROOT}/a/b/c", path]


async def test_the_parts_may_come_in_any_order(stage: Stage) -> None:
    for number, order in enumerate((("file", "path", "replace"), ("replace", "file", "path"))):
        parts: dict[str, Any] = {
            "file": ("sent.pdf", PDF, "application/pdf"),
            "path": (None, f"{number}.pdf"),
            "replace": (None, "0"),
        }
        response = await stage.http.post(HERE, files=[(name, parts[name]) for name in order])
        assert response.json()["attachment_path"] == f"{ROOT}/{number}.pdf"


async def test_an_empty_file_is_a_file(stage: Stage) -> None:
    path = await stage.upload(ROOT, "empty.txt", b"", type="text/plain")
    assert (await stage.described(path))["data"]["size"] == "0"
    assert (await stage.view(path)).content == b""


async def test_a_file_input_that_was_left_alone_is_no_file(stage: Stage) -> None:
    untouched = {"path": (None, "folder"), "file": ("", b"", "application/octet-stream")}
    for name, files in (("folder", untouched), ("other", {"path": (None, "other"), "file": (None, "")})):
        body = multipart(files)
        response = await stage.http.post(HERE, content=body, headers=FORM)
        assert response.json()["data"]["mimetype"] == "directory", name


FORM = {"Content-Type": "multipart/form-data; boundary=xyz"}


def multipart(parts: Any) -> bytes:
    """A form as bytes, with an empty file name where one is given, which the HTTP client would leave out."""
    body = b""
    for name, part in parts.items() if isinstance(parts, dict) else parts:
        filename, content, *kind = part
        body += b'--xyz\r\nContent-Disposition: form-data; name="%s"' % name.encode()
        body += b"" if filename is None else b'; filename="%s"' % filename.encode()
        body += b"\r\nContent-Type: %s" % kind[0].encode() if kind else b""
        body += b"\r\n\r\n" + (content if isinstance(content, bytes) else content.encode()) + b"\r\n"
    return body + b"--xyz--\r\n"


A_FILE = ("a.pdf", PDF, "application/pdf")


@pytest.mark.parametrize(
    "parts",
    [
        [("file", A_FILE)],
        [("path", (None, "")), ("file", A_FILE)],
        [("path", (None, "a.pdf")), ("path", (None, "b.pdf")), ("file", A_FILE)],
        [("path", (None, "a.pdf")), ("file", A_FILE), ("file", A_FILE)],
        [("path", (None, "a.pdf")), ("replace", (None, "0")), ("replace", (None, "1")), ("file", A_FILE)],
        [("path", A_FILE), ("file", A_FILE)],
        [("path", (None, "a.pdf")), ("replace", A_FILE), ("file", A_FILE)],
        [("path", (None, "a.pdf")), ("file", (None, "only text"))],
        [("path", (None, "a.pdf")), ("replace", (None, "2")), ("file", A_FILE)],
        [("path", (None, "a.pdf")), ("replace", (None, "true")), ("file", A_FILE)],
        [("path", (None, "a.pdf")), ("replace", (None, "-1")), ("file", A_FILE)],
        [("path", (None, "/a.pdf")), ("file", A_FILE)],
        [("path", (None, "a/b.pdf")), ("file", A_FILE)],
        [("path", (None, "a/")), ("file", A_FILE)],
        [("path", (None, "..")), ("file", A_FILE)],
        [("path", (None, ".")), ("file", A_FILE)],
        [("path", (None, "a\nb")), ("file", A_FILE)],
        [("path", (None, "\x7f")), ("file", A_FILE)],
        [("path", (None, "x" * 256)), ("file", A_FILE)],
    ],
)
async def test_a_form_that_cannot_be_is_a_bad_request_and_leaves_nothing(stage: Stage, parts: Any) -> None:
    before = await stage.held()
    response = await stage.http.post(HERE, content=multipart(parts), headers=FORM)
    assert error(response)[:2] == (400, "Bad Request")
    assert await stage.held() == before


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"path": None},
        {"path": 5},
        {"path": ["a"]},
        {"path": "a", "replace": True},
        {"path": "a", "replace": [1]},
        {"path": "a", "replace": {}},
        {"path": "a", "replace": 2},
        {"path": "a/b"},
        [],
        "a",
    ],
)
async def test_a_folder_that_cannot_be_is_a_bad_request(stage: Stage, told: object) -> None:
    before = await stage.held()
    assert error(await stage.http.post(HERE, json=told))[:2] == (400, "Bad Request")
    assert await stage.held() == before


async def test_a_path_has_at_most_1024_characters(stage: Stage) -> None:
    deep = ROOT
    while len(deep) + 201 < 1020:
        deep += "/" + "d" * 200
    longest = "x" * (1024 - len(deep) - 1)
    before = await stage.held()
    assert error(await stage.put(deep, longest + "x"))[0] == 400
    assert error(await stage.put("/" + "d/" * 600, "x"))[0] == 400
    assert await stage.held() == before
    assert len(await stage.upload(deep, longest)) == 1024


@pytest.mark.parametrize(
    "folder",
    [f"/projects/{NOWHERE}", f"/projects/{NOWHERE}/a", "/projects/x", f"/projects/{PROJECT}/a/../b", "/a/\x07"],
)
async def test_a_folder_that_cannot_be_written_to_is_a_bad_request(stage: Stage, folder: str) -> None:
    before = await stage.held()
    assert error(await stage.put(folder, "a.pdf"))[:2] == (400, "Bad Request")
    assert error(await stage.http.post(f"/v2/attachment/{quote(folder, safe='')}", json={"path": "a"}))[0] == 400
    assert await stage.held() == before


async def test_right_below_projects_there_are_only_projects(stage: Stage) -> None:
    before = await stage.held()
    assert error(await stage.put("/projects", "a.pdf"))[0] == 400
    assert error(await stage.put("/projects", PROJECT, replace=1))[0] == 400
    assert error(await stage.put("/", "projects"))[0] == 400
    assert error(await stage.http.post("/v2/attachment/projects", json={"path": "not-a-project"}))[0] == 400
    assert error(await stage.http.post("/v2/attachment/projects", json={"path": PROJECT}))[0] == 409
    assert await stage.held() == before


async def test_a_file_is_no_folder(stage: Stage) -> None:
    path = await stage.upload(ROOT, "a.pdf")
    before = await stage.held()
    assert error(await stage.put(path, "b.pdf"))[0] == 400
    assert await stage.held() == before


async def test_create_takes_the_whole_path(stage: Stage) -> None:
    files = {"file": ("a.pdf", PDF, "application/pdf")}
    response = await stage.http.post("/v2/attachment/create", data={"path": f"{ROOT}/b/a.pdf"}, files=files)
    assert (response.status_code, response.json()["attachment_path"]) == (201, f"{ROOT}/b/a.pdf")
    folder = await stage.http.post("/v2/attachment/create", json={"path": f"{ROOT}/c/"})
    assert (folder.status_code, folder.json()["attachment_path"]) == (201, f"{ROOT}/c")
    for path in ("a.pdf", "", f"/projects/{NOWHERE}/a.pdf", "/"):
        response = await stage.http.post("/v2/attachment/create", data={"path": path}, files=files)
        assert error(response)[0] == 400


async def test_a_file_that_is_too_large_leaves_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path, upload_limit=1000) as stage:
        await stage.project()
        before = await stage.held()
        response = await stage.put(ROOT, "a.pdf", b"x" * 1001)
        assert error(response) == (413, "Request Entity Too Large", "File size is too large")
        assert await stage.held() == before
        await stage.upload(ROOT, "a.pdf", b"x" * 1000)


async def test_a_full_account_takes_nothing(stage: Stage) -> None:
    await stage.house.operator.accounts.configure("acme", {"quota_bytes": 10})
    before = await stage.held()
    assert error(await stage.put(ROOT, "a.pdf"))[:2] == (413, "Request Entity Too Large")
    assert await stage.held() == before


async def test_a_type_that_the_account_does_not_take(stage: Stage) -> None:
    await stage.house.operator.accounts.configure("acme", {"allowed_types": ("image/png",)})
    before = await stage.held()
    assert error(await stage.put(ROOT, "a.pdf"))[:2] == (415, "Unsupported Media Type")
    assert await stage.held() == before


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/octet-stream"])
async def test_another_body_is_an_unsupported_type(stage: Stage, kind: str) -> None:
    response = await stage.http.post(HERE, content=b"path=a", headers={"Content-Type": kind})
    assert error(response)[:2] == (415, "Unsupported Media Type")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xyz",
        b"--xyz--\r\n",
        b'--xyz\r\nContent-Disposition: form-data; name="path"\r\n\r\na.pdf',
        multipart([("path", (None, "a.pdf")), ("file", A_FILE)])[:-9],
    ],
)
async def test_a_form_that_breaks_off_leaves_nothing(stage: Stage, body: bytes) -> None:
    before = await stage.held()
    assert error(await stage.http.post(HERE, content=body, headers=FORM))[0] == 400
    assert await stage.held() == before


@pytest.mark.parametrize(
    ("name", "declared", "content", "stored"),
    [
        ("a.pdf", "application/pdf", PDF, "application/pdf"),
        ("a.bin", "image/png", PNG, "image/png"),
        ("a.csv", "text/csv", b"a;b\n", "text/csv"),
        ("a.xyz", "", b"\x00\x01\x02", "application/octet-stream"),
    ],
)
async def test_the_type_is_what_the_bytes_say_or_else_the_part(
    stage: Stage, name: str, declared: str, content: bytes, stored: str
) -> None:
    path = await stage.upload(ROOT, name, content, type=declared)
    assert (await stage.described(path))["data"]["mimetype"] == stored


async def test_parts_of_no_meaning_are_passed_over(stage: Stage) -> None:
    parts: Any = [("x", (None, "1")), ("x", (None, "2")), ("y", A_FILE), ("path", (None, "a.pdf")), ("file", A_FILE)]
    response: httpx.Response = await stage.http.post(HERE, content=multipart(parts), headers=FORM)
    assert response.status_code == 201


@pytest.mark.parametrize("word", ["index", "create", "view", "update", "delete"])
async def test_names_that_are_words_of_routes_stay_names(stage: Stage, word: str) -> None:
    for content, folder in enumerate(("/", f"/{word}", f"{ROOT}/{word}")):
        target = f"%2F{quote(folder.strip('/'), safe='')}%2F"
        files = {"file": (word, b"%d" % content, "text/plain")}
        response = await stage.http.post(f"/v2/attachment/{target}", data={"path": f"{word}.txt"}, files=files)
        assert response.json()["attachment_path"] == f"{folder.rstrip('/')}/{word}.txt", response.text
        assert (await stage.view(f"{folder}/{word}.txt")).content == b"%d" % content
    moved = await stage.move(f"/{word}", f"{ROOT}/moved")
    assert moved.json()["attachment_path"] == f"{ROOT}/moved"
    assert (await stage.delete(f"{ROOT}/moved", "true")).status_code == 204


async def test_a_name_that_looks_like_an_id_is_told_apart_by_its_slash(stage: Stage) -> None:
    other = await stage.upload(ROOT, "a.pdf")
    twin = await stage.upload("/", digest(other), PNG)
    assert (await stage.view(digest(other))).content == PDF
    assert (await stage.view(twin)).content == PNG
    assert (await stage.view(digest(twin))).content == PNG
    inside = await stage.folder("/", "f" * 32)
    assert (await stage.described(f"/{'f' * 32}"))["attachment_path"] == inside
    assert error(await stage.view("f" * 32))[0] == 404
