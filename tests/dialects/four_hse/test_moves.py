"""`PUT /v2/attachment/update/{id}`."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.dialects.four_hse.stage import NOWHERE, OTHER, PDF, ROOT, Stage, digest, error

FILE = f"{ROOT}/a.pdf"


@pytest.fixture
async def file(stage: Stage) -> Stage:
    await stage.upload(ROOT, "a.pdf")
    return stage


async def test_a_file_gets_a_new_name_and_a_new_id(file: Stage) -> None:
    target = f"{ROOT}/b.pdf"
    response = await file.move(FILE, target)
    assert response.status_code == 200
    assert (response.json()["attachment_id"], response.json()["attachment_path"]) == (digest(target), target)
    assert response.json()["data"]["size"] == str(len(PDF))
    assert (await file.view(digest(target))).content == PDF
    for id in (FILE, digest(FILE)):
        assert error(await file.view(id)) == (404, "Not Found", "Attachment not found")


async def test_the_source_may_be_an_id_or_a_path_however_it_is_sent(file: Stage) -> None:
    source = FILE
    spellings: tuple[Callable[[str], str], ...] = (digest, str, "{}/".format, lambda path: quote(path, safe=""))
    for number, spell in enumerate(spellings):
        target = f"{ROOT}/{number}.pdf"
        response = await file.http.put(f"/v2/attachment/update/{spell(source)}", json={"path": target})
        assert response.json()["attachment_path"] == target, response.text
        source = target
    response = await file.http.put("/v2/attachment/update", params={"id": source}, data={"path": FILE})
    assert response.json()["attachment_path"] == FILE


async def test_a_file_moves_to_another_project_and_missing_folders_are_made(file: Stage) -> None:
    await file.project(OTHER, "Other")
    target = f"/projects/{OTHER}/new/deeper/a.pdf"
    moved = (await file.move(FILE, target)).json()
    assert moved["data"]["project_name"] == "Other"
    assert await file.paths(root_path=f"/projects/{OTHER}") == [
        f"/projects/{OTHER}/new",
        f"/projects/{OTHER}/new/deeper",
        target,
    ]


async def test_a_folder_takes_everything_below_along_with_new_ids(stage: Stage) -> None:
    await stage.certificate()
    await stage.folder(ROOT, "old")
    empty = await stage.folder(f"{ROOT}/old", "empty")
    deep = await stage.upload(f"{ROOT}/old/x", "a.pdf")
    beside = await stage.upload(f"{ROOT}/older", "a.pdf")
    await stage.link(deep)
    response = await stage.move(f"{ROOT}/old", f"{ROOT}/new")
    assert response.json()["data"]["mimetype"] == "directory"
    for was in (f"{ROOT}/old", empty, f"{ROOT}/old/x", deep):
        now = was.replace("/old", "/new")
        assert (await stage.described(digest(now)))["attachment_path"] == now
        assert error(await stage.view(digest(was), Accept="application/json"))[0] == 404
    assert (await stage.view(f"{ROOT}/new/x/a.pdf")).content == PDF
    assert (await stage.described(beside))["attachment_path"] == beside


async def test_links_follow_and_keep_their_ids(file: Stage) -> None:
    await file.certificate()
    link = await file.link(FILE)
    await file.move(FILE, f"{ROOT}/moved/b.pdf")
    await file.move(f"{ROOT}/moved", f"{ROOT}/again")
    response = await file.http.get(f"/v2/entity-attachment/view/{link['entity_attachment_id']}")
    path = f"{ROOT}/again/b.pdf"
    assert response.json() == {**link, "attachment_path": path, "attachment_id": digest(path)}
    assert await file.links_of() == [path]


async def test_what_is_there_is_in_the_way(file: Stage) -> None:
    other = await file.upload(ROOT, "b.pdf")
    folder = await file.folder(ROOT, "c")
    before = await file.held()
    for source, target in ((FILE, other), (FILE, folder), (folder, FILE), (folder, ROOT)):
        assert error(await file.move(source, target)) == (409, "Conflict", "Destination path already exists")
    assert await file.held() == before


async def test_the_path_that_it_has_is_in_the_way_too(file: Stage) -> None:
    folder = await file.folder(ROOT, "c")
    before = await file.held()
    for source in (FILE, folder):
        for target in (source, f"{source}/", source.replace("/", "//")):
            assert error(await file.move(source, target))[0] == 409
    assert await file.held() == before


async def test_a_folder_cannot_move_into_itself(stage: Stage) -> None:
    folder = await stage.folder(ROOT, "a")
    before = await stage.held()
    for target in (f"{folder}/b", f"{folder}/b/c"):
        assert error(await stage.move(folder, target))[:2] == (400, "Bad Request")
    assert error(await stage.move("/", f"{ROOT}/root"))[0] == 400
    assert await stage.held() == before


@pytest.mark.parametrize(
    "target",
    [
        *(None, "", 5, [], {}, True, "b.pdf", "/", f"{ROOT}/..", f"{ROOT}/a/./b", f"{ROOT}/\x01"),
        *(f"/projects/{NOWHERE}/a.pdf", "/projects/a.pdf", "/projects", "/" + "x" * 1025, f"{ROOT}/{'x' * 256}"),
        f"{FILE}/below",
    ],
)
async def test_a_target_that_cannot_be_is_a_bad_request(file: Stage, target: object) -> None:
    before = await file.held()
    assert error(await file.move(FILE, target))[:2] == (400, "Bad Request")
    assert await file.held() == before
    assert (await file.view(FILE)).status_code == 200


async def test_no_descendant_may_become_too_long(stage: Stage) -> None:
    folder = await stage.folder(ROOT, "a")
    deep = folder
    while len(deep) + 201 < 1020:
        deep += "/" + "d" * 200
    await stage.upload(deep, "x" * (1024 - len(deep) - 1))
    before = await stage.held()
    assert error(await stage.move(folder, f"{ROOT}/longer"))[0] == 400
    assert await stage.held() == before


async def test_a_source_that_is_not_there_is_not_found(file: Stage) -> None:
    before = await file.held()
    for source in (f"{ROOT}/nothing.pdf", "0" * 32, digest(ROOT + "/nothing"), "x"):
        assert error(await file.move(source, f"{ROOT}/b.pdf")) == (404, "Not Found", "Attachment not found")
    assert await file.held() == before


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"", "application/json", 400),
        (b"path=/a&path=/b", "application/x-www-form-urlencoded", 400),
        (b"/new/path", "text/plain", 415),
    ],
)
async def test_a_body_that_cannot_be_read_changes_nothing(file: Stage, content: bytes, kind: str, status: int) -> None:
    before = await file.held()
    path = f"/v2/attachment/update/{quote(FILE, safe='')}"
    response: Any = await file.http.put(path, content=content, headers={"Content-Type": kind})
    assert error(response)[0] == status
    assert await file.held() == before
