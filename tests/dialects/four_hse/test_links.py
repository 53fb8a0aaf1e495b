"""`/v2/entity-attachment`."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from holdfast.core.attachments import NewAttachment
from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from holdfast.core.ports import Window
from holdfast.core.records import NewRecord
from tests.dialects.four_hse.stage import (
    ENTITY,
    LINK,
    NOWHERE,
    OFFICE,
    PDF,
    PROJECT,
    ROOT,
    Stage,
    digest,
    error,
    wrong,
)

FILE = f"{ROOT}/list-dpi.xlsx"
PAGE = Window(limit=100)


@pytest.fixture
async def file(stage: Stage) -> Stage:
    await stage.upload(ROOT, "list-dpi.xlsx")
    await stage.certificate()
    return stage


async def test_a_link_is_made_found_viewed_and_removed(file: Stage) -> None:
    link = await file.link(FILE)
    assert link["entity_id"] == ENTITY
    assert (link["attachment_id"], link["attachment_path"]) == (digest(FILE), FILE)
    url = f"/v2/entity-attachment/view/{link['entity_attachment_id']}"
    assert (await file.http.get(url)).json() == link
    upper = link["entity_attachment_id"].upper()
    assert (await file.http.get(f"/v2/entity-attachment/view/{upper}")).json() == link
    removed = await file.http.delete(url.replace("view", "delete"))
    assert (removed.status_code, removed.content) == (204, b"")
    assert error(await file.http.get(url))[0] == 404
    assert await file.links_of() == []
    assert (await file.view(FILE)).content == PDF


async def test_the_caller_may_name_the_link(file: Stage) -> None:
    assert (await file.link(FILE, entity_attachment_id=LINK.upper()))["entity_attachment_id"] == LINK
    other = await file.upload(ROOT, "other")
    told = {"entity_id": ENTITY, "attachment_path": other, "entity_attachment_id": LINK}
    assert set(wrong(await file.http.post("/v2/entity-attachment/create", json=told))) == {"entity_attachment_id"}


async def test_the_path_wins_over_an_id_that_disagrees(file: Stage) -> None:
    link = await file.link(FILE, attachment_id=digest("/elsewhere"))
    assert link["attachment_id"] == digest(FILE)


async def test_entities_of_every_kind_take_links(file: Stage) -> None:
    await file.office()
    told: dict[str, Any] = {"action_type": "CHECK", "name": "Check", "tenant_id": PROJECT, "subtenant_id": OFFICE}
    action = (await file.made("action", **told))["action_id"]
    person = await file.made("person-office", office_id=OFFICE, project_id=PROJECT, person_id=NOWHERE)
    desk = await file.desk()
    await desk.records.create(NewRecord(RecordRef("office_equipment", "E-7")))
    for entity in (ENTITY, OFFICE, PROJECT, action, person["person_office_id"]):
        await file.link(FILE, entity)
        assert await file.links_of(entity) == [FILE]
    await desk.links.hang((await desk.attachments.at(FILE)).id, Hook(RecordRef("office_equipment", "E-7")))
    assert await file.links_of("E-7") == [FILE]


async def test_an_id_of_two_records_means_the_first_in_a_fixed_order(file: Stage) -> None:
    desk = await file.desk()
    await desk.records.create(NewRecord(RecordRef("equipment", ENTITY)))
    await desk.records.create(NewRecord(RecordRef("case", ENTITY)))
    await file.link(FILE)
    id = (await desk.attachments.at(FILE)).id
    await desk.links.hang(id, Hook(RecordRef("case", ENTITY)))
    records = {str(link.record) for link in (await desk.folders.links(FILE, PAGE)).items}
    assert records == {f"certificate:{ENTITY}", f"case:{ENTITY}"}
    assert await file.links_of() == [FILE]


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"attachment_path": FILE}, "entity_id"),
        ({"attachment_path": FILE, "entity_id": NOWHERE}, "entity_id"),
        ({"attachment_path": FILE, "entity_id": "no uuid"}, "entity_id"),
        ({"attachment_path": FILE, "entity_id": 5}, "entity_id"),
        ({"attachment_path": FILE, "entity_id": None}, "entity_id"),
        ({"attachment_path": FILE, "entity_id": ""}, "entity_id"),
        ({"entity_id": ENTITY}, "attachment_path"),
        ({"entity_id": ENTITY, "attachment_path": ""}, "attachment_path"),
        ({"entity_id": ENTITY, "attachment_path": 5}, "attachment_path"),
        ({"entity_id": ENTITY, "attachment_path": f"{ROOT}/nothing"}, "attachment_path"),
        ({"entity_id": ENTITY, "attachment_path": ROOT}, "attachment_path"),
        ({"entity_id": ENTITY, "attachment_path": "/a/.."}, "attachment_path"),
        ({"entity_id": ENTITY, "attachment_path": "/" + "x" * 1024}, "attachment_path"),
        ({"entity_id": ENTITY, "attachment_path": FILE, "entity_attachment_id": "x"}, "entity_attachment_id"),
        ({"entity_id": ENTITY, "attachment_path": FILE, "entity_attachment_id": 1}, "entity_attachment_id"),
        ({"entity_id": ENTITY, "attachment_path": FILE, "attachment_id": "x" * 51}, "attachment_id"),
        ({"entity_id": ENTITY, "attachment_path": FILE, "attachment_id": 7}, "attachment_id"),
    ],
)
async def test_a_link_that_cannot_be_says_which_field(file: Stage, told: dict[str, Any], field: str) -> None:
    before = await file.held()
    assert set(wrong(await file.http.post("/v2/entity-attachment/create", json=told))) == {field}
    assert await file.held() == before


async def test_everything_that_is_wrong_is_said_at_once(file: Stage) -> None:
    response = await file.http.post("/v2/entity-attachment/create", json={})
    assert wrong(response) == {
        "entity_id": "entity_id cannot be blank.",
        "attachment_path": "attachment_path cannot be blank.",
    }


async def test_the_same_link_twice_is_refused(file: Stage) -> None:
    await file.link(FILE)
    before = await file.held()
    told = {"entity_id": ENTITY, "attachment_path": FILE}
    assert set(wrong(await file.http.post("/v2/entity-attachment/create", json=told))) == {"attachment_path"}
    assert await file.held() == before


async def test_of_many_equal_links_at_once_one_is_made(file: Stage) -> None:
    told = {"entity_id": ENTITY, "attachment_path": FILE}
    made = await asyncio.gather(*(file.http.post("/v2/entity-attachment/create", json=told) for _ in range(12)))
    assert Counter(response.status_code for response in made) == {201: 1, 422: 11}


async def test_a_link_moves_to_another_entity_or_file_and_keeps_its_id(file: Stage) -> None:
    await file.office()
    other = await file.upload(ROOT, "other")
    await file.link(FILE, entity_attachment_id=LINK)
    url = f"/v2/entity-attachment/update/{LINK}"
    moved = await file.http.put(url, json={"entity_id": OFFICE})
    assert (moved.status_code, moved.json()["entity_id"], moved.json()["attachment_path"]) == (200, OFFICE, FILE)
    moved = await file.http.put(url, json={"attachment_path": other})
    assert moved.json() == {
        "entity_attachment_id": LINK,
        "entity_id": OFFICE,
        "attachment_id": digest(other),
        "attachment_path": other,
    }
    assert (await file.links_of(), await file.links_of(OFFICE)) == ([], [other])
    same = await file.http.put("/v2/entity-attachment/update", params={"id": LINK}, json={})
    assert same.json() == moved.json()


async def test_a_change_that_cannot_be_changes_nothing(file: Stage) -> None:
    await file.office()
    await file.link(FILE, entity_attachment_id=LINK)
    await file.link(FILE, OFFICE)
    url, before = f"/v2/entity-attachment/update/{LINK}", await file.held()
    for told, field in (
        ({"entity_id": NOWHERE}, "entity_id"),
        ({"entity_id": None}, "entity_id"),
        ({"attachment_path": "/nothing"}, "attachment_path"),
        ({"entity_id": OFFICE}, "attachment_path"),
    ):
        assert set(wrong(await file.http.put(url, json=told))) == {field}
    for id in (NOWHERE, "x", "%20"):
        assert error(await file.http.put(f"/v2/entity-attachment/update/{id}", json={}))[0] == 404
        assert error(await file.http.delete(f"/v2/entity-attachment/delete/{id}?force=true"))[0] == 404
        assert error(await file.http.get(f"/v2/entity-attachment/view/{id}"))[0] == 404
    for method, word in (("GET", "view"), ("PUT", "update"), ("DELETE", "delete")):
        bare = await file.http.request(method, f"/v2/entity-attachment/{word}", json={} if method == "PUT" else None)
        assert error(bare) == (400, "Bad Request", "Missing required parameters: id")
    assert await file.held() == before


async def test_a_list_needs_its_entity_wherever_it_stands(file: Stage) -> None:
    await file.link(FILE)
    url = "/v2/entity-attachment/index"
    for response in (
        await file.http.post(url, json={"entity_id": ENTITY}),
        await file.http.post(url, json={"filter": {"entity_id": ENTITY}}),
        await file.http.post(url, params={"entity_id": ENTITY}),
        await file.http.post(url, data={"filter[entity_id]": ENTITY}),
        await file.http.get(url, params={"entity_id": ENTITY.upper()}),
        await file.http.get(url, params={"filter[entity_id]": ENTITY}),
    ):
        assert [link["attachment_path"] for link in response.json()] == [FILE]
        assert response.headers["X-Pagination-Total-Count"] == "1"
    missing = await file.http.post(url, json={"filter": {"attachment_path": FILE}})
    assert error(missing) == (400, "Bad Request", "Missing required parameters: entity_id")
    for id in (NOWHERE, "no uuid", "../x"):
        assert set(wrong(await file.http.post(url, json={"entity_id": id}))) == {"entity_id"}


async def test_a_list_is_filtered_sorted_and_paged(file: Stage) -> None:
    for name in ("B.pdf", "a.pdf"):
        await file.upload(ROOT, name)
        await file.link(f"{ROOT}/{name}")
    link = await file.link(FILE, entity_attachment_id=LINK)
    b, a = f"{ROOT}/B.pdf", f"{ROOT}/a.pdf"
    assert await file.links_of() == [b, a, FILE]
    assert await file.links_of(sort="-attachment_path") == [FILE, a, b]
    assert await file.links_of(filter={"attachment_path": "LIST-dpi.xlsx"}) == [FILE]
    assert await file.links_of(filter={"attachment_id": digest(a)}) == [a]
    assert await file.links_of(filter={"entity_attachment_id": link["entity_attachment_id"]}) == [FILE]
    assert await file.links_of(filter={"entity_attachment_id": NOWHERE}) == []
    assert await file.links_of(filter={"entity_id": NOWHERE}) == []
    page = await file.http.post(
        "/v2/entity-attachment/index", json={"entity_id": ENTITY, "per-page": 2, "page": 9, "sort": "attachment_path"}
    )
    assert [each["attachment_path"] for each in page.json()] == [FILE]
    assert page.headers["X-Pagination-Current-Page"] == "2"
    assert page.headers["X-Pagination-Page-Count"] == "2"


@pytest.mark.parametrize(
    "body", [{"page": 0}, {"per-page": -1}, {"sort": "entity_id"}, {"filter": []}, {"filter": {"attachment_id": 5}}]
)
async def test_a_list_that_cannot_be_is_a_bad_request(file: Stage, body: dict[str, Any]) -> None:
    response = await file.http.post("/v2/entity-attachment/index", json={"entity_id": ENTITY, **body})
    assert error(response)[0] == 400


async def test_a_file_in_several_roles_is_one_link_here(file: Stage) -> None:
    link = await file.link(FILE)
    desk = await file.desk()
    await desk.links.hang((await desk.attachments.at(FILE)).id, Hook(RecordRef("certificate", ENTITY), "photo"))
    response = await file.http.post("/v2/entity-attachment/index", json={"entity_id": ENTITY})
    assert response.json() == [link]


async def test_a_file_without_a_place_in_the_tree_is_not_of_this_api(file: Stage) -> None:
    desk = await file.desk()
    certificate = RecordRef("certificate", ENTITY)

    async def once() -> Any:
        yield b"homeless"

    async with await desk.attachments.receive() as intake:
        await intake.take(once(), name="x")
        homeless = await desk.attachments.create(intake, NewAttachment("x", hooks=(Hook(certificate),)))
    assert await file.links_of() == []
    link = (await desk.links.page(homeless.id, PAGE)).items[0]
    assert error(await file.http.get(f"/v2/entity-attachment/view/{link.id}"))[0] == 404


async def test_a_deleted_entity_takes_its_links_along(file: Stage) -> None:
    link = await file.link(FILE)
    deleted: httpx.Response = await file.http.delete(f"/v2/certificate/delete/{ENTITY}")
    assert deleted.status_code == 204
    assert error(await file.http.get(f"/v2/entity-attachment/view/{link['entity_attachment_id']}"))[0] == 404
    assert (await file.view(FILE)).status_code == 200
    assert (await file.delete(FILE)).json() == []
