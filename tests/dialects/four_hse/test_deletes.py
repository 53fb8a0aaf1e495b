"""`DELETE /v2/attachment/delete/{id}`."""

from pathlib import Path

import pytest

from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.four_hse.stage import ENTITY, LINK, NOWHERE, OFFICE, ROOT, Stage, chosen, digest, error, staged

FILE = f"{ROOT}/a.pdf"


@pytest.fixture
async def linked(stage: Stage) -> Stage:
    await stage.upload(ROOT, "a.pdf")
    await stage.certificate()
    await stage.link(FILE, entity_attachment_id=LINK)
    return stage


async def test_without_force_what_is_linked_is_shown_and_nothing_deleted(linked: Stage) -> None:
    before = await linked.held()
    for force in (None, "false", "0", ""):
        response = await linked.delete(FILE, force)
        assert response.status_code == 400
        link = {"entity_attachment_id": LINK, "entity_id": ENTITY}
        assert response.json() == [{**link, "attachment_id": digest(FILE), "attachment_path": FILE}]
        assert response.headers["X-Pagination-Total-Count"] == "1"
    assert await linked.held() == before


async def test_without_force_nothing_is_deleted_even_if_nothing_is_linked(stage: Stage) -> None:
    path = await stage.upload(ROOT, "a.pdf")
    for id in (path, ROOT):
        response = await stage.delete(id)
        assert (response.status_code, response.json()) == (400, [])
    assert (await stage.view(path)).status_code == 200


@pytest.mark.parametrize("force", ["true", "1"])
async def test_with_force_the_file_and_its_links_are_gone(linked: Stage, force: str) -> None:
    response = await linked.delete(FILE, force)
    assert (response.status_code, response.content) == (204, b"")
    for id in (FILE, digest(FILE)):
        assert error(await linked.view(id))[0] == 404
        assert error(await linked.delete(id, "true")) == (404, "Not Found", "Attachment not found")
    assert await linked.links_of() == []
    assert error(await linked.http.get(f"/v2/entity-attachment/view/{LINK}"))[0] == 404
    assert await linked.paths(parent_path=ROOT) == []


async def test_the_path_is_free_again(linked: Stage) -> None:
    await linked.delete(FILE, "true")
    await linked.upload(ROOT, "a.pdf")
    assert await linked.links_of() == []


async def test_a_folder_shows_the_links_of_all_below_and_goes_with_them(linked: Stage) -> None:
    await linked.office("Milan")
    deep = await linked.upload(f"{ROOT}/x/y", "b.pdf")
    beside = await linked.upload(f"{ROOT}/xy", "c.pdf")
    for path, entity in ((deep, ENTITY), (deep, OFFICE), (beside, ENTITY)):
        await linked.link(path, entity)
    preview = await linked.delete(f"{ROOT}/x")
    assert sorted((link["attachment_path"], link["entity_id"]) for link in preview.json()) == [
        (deep, OFFICE),
        (deep, ENTITY),
    ]
    assert (await linked.delete(f"{ROOT}/x", "true")).status_code == 204
    assert await linked.links_of() == [FILE, beside]
    assert await linked.links_of(OFFICE) == []
    assert error(await linked.view(f"{ROOT}/x/y", Accept="application/json"))[0] == 404


async def test_links_of_other_apis_are_shown_too(linked: Stage) -> None:
    desk = await linked.desk()
    await desk.records.create(NewRecord(RecordRef("case", "C-1")))
    await desk.links.hang((await desk.attachments.at(FILE)).id, Hook(RecordRef("case", "C-1")))
    assert [link["entity_id"] for link in (await linked.delete(FILE)).json()] == [ENTITY, "C-1"]


async def test_a_preview_is_bounded_and_says_how_many_there_are(tmp_path: Path) -> None:
    async with staged(tmp_path, chosen(preview_links=1)) as stage:
        await stage.project()
        await stage.certificate()
        for name in ("a", "b"):
            await stage.link(await stage.upload(ROOT, name))
        response = await stage.delete(ROOT)
        assert (len(response.json()), response.headers["X-Pagination-Total-Count"]) == (1, "2")


async def test_the_operator_may_choose_that_unlinked_files_go_at_once(tmp_path: Path) -> None:
    async with staged(tmp_path, chosen(delete_without_force="unlinked")) as stage:
        await stage.project()
        await stage.certificate()
        for name in ("free", "held"):
            await stage.upload(ROOT, name)
        await stage.link(f"{ROOT}/held")
        assert (await stage.delete(f"{ROOT}/free")).status_code == 204
        assert (await stage.delete(f"{ROOT}/held")).status_code == 400
        assert await stage.paths(parent_path=ROOT) == [f"{ROOT}/held"]


async def test_a_bad_force_or_id_changes_nothing(linked: Stage) -> None:
    before = await linked.held()
    for query in ("force=yes", "force=2", "force=true&force=false", "force=TRUE"):
        assert error(await linked.http.delete(f"/v2/attachment/delete/{digest(FILE)}?{query}"))[0] == 400
    for id in (f"{ROOT}/nothing", NOWHERE, "0" * 32, f"{FILE}/below"):
        for force in (None, "true"):
            assert error(await linked.delete(id, force)) == (404, "Not Found", "Attachment not found")
    assert error(await linked.http.delete("/v2/attachment/delete?force=true"))[0] == 400
    assert error(await linked.delete("/", "true"))[0] == 400
    assert await linked.held() == before


async def test_the_id_may_be_in_the_query(linked: Stage) -> None:
    for id in (digest(FILE), FILE):
        response = await linked.http.delete("/v2/attachment/delete", params={"id": id})
        assert (response.status_code, len(response.json())) == (400, 1)
    forced = await linked.http.delete("/v2/attachment/delete", params={"id": FILE, "force": "true"})
    assert forced.status_code == 204


async def test_what_is_deleted_can_be_restored_by_the_operator(linked: Stage) -> None:
    desk = await linked.desk()
    id = (await desk.attachments.at(FILE)).id
    await linked.delete(FILE, "true")
    await desk.attachments.restore(id)
    assert await linked.links_of() == [FILE]
