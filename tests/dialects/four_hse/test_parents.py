"""Projects, offices, certificates, actions and persons in offices."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.four_hse.stage import (
    ENTITY,
    NAME,
    NOWHERE,
    OFFICE,
    OTHER,
    PDF,
    PROJECT,
    ROOT,
    Stage,
    digest,
    error,
    wrong,
)

ID = "11111111-2222-4333-8444-555555555555"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "project": ("project_id", {"name": "Umbra", "country": "IT"}),
    "office": ("office_id", {"name": "Rome", "project_id": PROJECT}),
    "certificate": (
        "certificate_id",
        {
            "name": "First aid",
            "date_release": "2026-01-31",
            "action_type": "TRAINING",
            "resource_id": OFFICE,
            "tenant_id": PROJECT,
        },
    ),
    "action": ("action_id", {"action_type": "CHECK", "name": "Check", "subtenant_id": OFFICE, "tenant_id": PROJECT}),
    "person-office": ("person_office_id", {"office_id": OFFICE, "person_id": NOWHERE, "project_id": PROJECT}),
}
every_kind = pytest.mark.parametrize("kind", CASES)


@pytest.fixture
async def office(stage: Stage) -> Stage:
    await stage.office("Milan")
    return stage


@every_kind
async def test_five_calls_make_find_change_and_remove_each(office: Stage, kind: str) -> None:
    id, told = CASES[kind]
    made = await office.made(kind, **{**told, id: ID})
    assert {name: made[name] for name in told} == told
    assert made[id] == ID
    viewed = await office.http.get(f"/v2/{kind}/view/{ID}")
    assert (viewed.status_code, viewed.json()) == (200, made)
    listed = await office.http.post(f"/v2/{kind}/index", json={"filter": {id: ID.upper()}})
    assert (listed.json(), listed.headers["X-Pagination-Total-Count"]) == ([made], "1")
    change = {"person_code": "7"} if kind == "person-office" else {"name": "Changed"}
    changed = await office.http.put(f"/v2/{kind}/update/{ID}", json={**change, id: NOWHERE})
    assert changed.status_code == 200, changed.text
    assert {**changed.json(), "updated_at": ""} == {**made, **change, "updated_at": ""}
    removed = await office.http.delete(f"/v2/{kind}/delete/{ID}")
    assert (removed.status_code, removed.content) == (204, b"")
    assert error(await office.http.get(f"/v2/{kind}/view/{ID}"))[:2] == (404, "Not Found")


@every_kind
async def test_the_id_may_be_in_the_query_and_the_body_a_form(office: Stage, kind: str) -> None:
    id, told = CASES[kind]
    made = await office.http.post(f"/v2/{kind}/create", data={**told, id: ID})
    assert made.status_code == 201, made.text
    viewed = await office.http.get(f"/v2/{kind}/view", params={"id": ID.upper()})
    assert viewed.json() == made.json()
    assert (await office.http.put(f"/v2/{kind}/update", params={"id": ID}, data={})).status_code == 200
    listed = await office.http.get(f"/v2/{kind}/index", params={f"filter[{id}]": ID, "per-page": 1})
    assert [each[id] for each in listed.json()] == [ID]
    assert (await office.http.delete(f"/v2/{kind}/delete", params={"id": ID})).status_code == 204
    for method, word in (("GET", "view"), ("PUT", "update"), ("DELETE", "delete")):
        bare = await office.http.request(method, f"/v2/{kind}/{word}", json={} if method == "PUT" else None)
        assert error(bare) == (400, "Bad Request", "Missing required parameters: id")


@every_kind
async def test_an_id_is_made_where_none_is_given_and_taken_once(office: Stage, kind: str) -> None:
    id, told = CASES[kind]
    made = await office.made(kind, **told)
    assert len(made[id]) == 36
    before = await office.held()
    again = await office.http.post(f"/v2/{kind}/create", json={**told, "name": "Another", id: made[id]})
    assert set(wrong(again)) == {id}
    assert await office.held() == before


@every_kind
async def test_what_is_missing_or_of_another_type_is_said_for_each_field(office: Stage, kind: str) -> None:
    id, told = CASES[kind]
    before = await office.held()
    assert set(wrong(await office.http.post(f"/v2/{kind}/create", json={}))) == set(told)
    nulls = await office.http.post(f"/v2/{kind}/create", json=dict.fromkeys(told))
    assert set(wrong(nulls)) == set(told)
    bads: tuple[Any, ...] = (5, [], {}, True, "", "x" * 256)
    for bad in bads:
        response = await office.http.post(f"/v2/{kind}/create", json={**dict.fromkeys(told, bad), id: bad})
        assert set(wrong(response)) >= {*told, id} - {"name"}, bad
    assert await office.held() == before


@every_kind
async def test_an_unknown_id_is_not_found(office: Stage, kind: str) -> None:
    before = await office.held()
    for id in (NOWHERE, "x", "%20", "%C3%A9", "index"):
        assert error(await office.http.get(f"/v2/{kind}/view/{id}"))[0] == 404
        assert error(await office.http.put(f"/v2/{kind}/update/{id}", json={}))[0] == 404
        assert error(await office.http.delete(f"/v2/{kind}/delete/{id}?force=true"))[0] == 404
    assert await office.held() == before


@every_kind
@pytest.mark.parametrize(
    "body",
    [
        {"page": 0},
        {"per-page": 0},
        {"per-page": -1},
        {"sort": "colour"},
        {"sort": "-"},
        {"filter": {"colour": "red"}},
        {"filter": {"name": {"like": "x"}}},
        {"filter": {"person_id": ["x"] * 101}},
        {"filter": "name"},
        {"filter": []},
        {"history": "perhaps"},
    ],
)
async def test_a_list_that_cannot_be_is_a_bad_request(office: Stage, kind: str, body: dict[str, Any]) -> None:
    assert error(await office.http.post(f"/v2/{kind}/index", json=body))[:2] == (400, "Bad Request")


@every_kind
async def test_history_is_taken_and_changes_nothing(office: Stage, kind: str) -> None:
    url = f"/v2/{kind}/index"
    plain = await office.http.post(url, json={})
    for history in (True, False):
        assert (await office.http.post(url, json={"history": history})).json() == plain.json()


async def names(stage: Stage, kind: str, **body: object) -> list[str]:
    response = await stage.http.post(f"/v2/{kind}/index", json=body)
    assert response.status_code == 200, response.text
    return [each["name"] for each in response.json()]


async def test_text_is_filtered_by_a_part_and_all_else_by_the_whole(stage: Stage) -> None:
    await stage.made("project", name="Beta acmé", country="FR", status="suspended")
    assert await names(stage, "project", filter={"name": "ACM"}) == [NAME, "Beta acmé"]
    assert await names(stage, "project", filter={"name": "construction"}) == [NAME]
    assert await names(stage, "project", filter={"country": "I"}) == []
    assert await names(stage, "project", filter={"country": "IT"}) == [NAME]
    assert await names(stage, "project", filter={"country": ["IT", "FR"], "status": "suspended"}) == ["Beta acmé"]
    assert await names(stage, "project", filter={"project_id": [PROJECT, NOWHERE]}) == [NAME]
    assert await names(stage, "project", filter={"description": None}) == [NAME, "Beta acmé"]
    assert await names(stage, "project", filter={}) == [NAME, "Beta acmé"]
    await stage.certificate(warning=1)
    assert await names(stage, "certificate", filter={"warning": 1}) == ["First aid"]
    assert await names(stage, "certificate", filter={"warning": "1", "tenant_id": PROJECT}) == ["First aid"]
    assert await names(stage, "certificate", filter={"warning": 0}) == []


async def test_lists_are_sorted_and_paged(stage: Stage) -> None:
    for name in ("Zeta", "Beta"):
        await stage.made("project", name=name, country="IT")
    assert await names(stage, "project") == [NAME, "Zeta", "Beta"]
    assert await names(stage, "project", sort="name") == [NAME, "Beta", "Zeta"]
    assert await names(stage, "project", sort="-name") == ["Zeta", "Beta", NAME]
    response = await stage.http.post("/v2/project/index", json={"sort": "name", "page": 9, "per-page": 2})
    assert [each["name"] for each in response.json()] == ["Zeta"]
    headers = response.headers
    assert [headers[f"X-Pagination-{each}"] for each in ("Current-Page", "Page-Count", "Per-Page", "Total-Count")] == [
        *("2", "2", "2", "3")
    ]


async def test_a_project_and_an_office_come_with_their_folders(stage: Stage) -> None:
    folder = await stage.office("Città – 本社")
    assert await stage.paths(root_path=ROOT) == [f"{ROOT}/offices", folder]
    assert (await stage.described(ROOT))["data"]["mimetype"] == "directory"


async def test_a_renamed_office_takes_its_folder_along(office: Stage) -> None:
    await office.certificate()
    was = await office.upload(f"{ROOT}/offices/Milan", "plan.pdf")
    link = await office.link(was)
    assert (await office.http.put(f"/v2/office/update/{OFFICE}", json={"name": "Monza"})).status_code == 200
    now = f"{ROOT}/offices/Monza/plan.pdf"
    assert (await office.view(now)).content == PDF
    assert error(await office.view(was))[0] == 404
    assert await office.links_of() == [now]
    viewed = await office.http.get(f"/v2/entity-attachment/view/{link['entity_attachment_id']}")
    assert viewed.json()["attachment_id"] == digest(now)
    assert (await office.described(now))["data"]["office_name"] == "Monza"
    await office.folder(f"{ROOT}/offices", "Taken")
    before = await office.held()
    taken = await office.http.put(f"/v2/office/update/{OFFICE}", json={"name": "Taken"})
    assert set(wrong(taken)) == {"name"}
    assert await office.held() == before


async def test_an_office_takes_over_a_folder_that_is_there(stage: Stage) -> None:
    path = await stage.upload(f"{ROOT}/offices/Milan", "plan.pdf")
    await stage.office("Milan")
    assert (await stage.described(path))["data"]["office_id"] == OFFICE


@pytest.mark.parametrize("name", ["a/b", ".", "..", "a\nb", "\x7f", "", "x" * 256])
async def test_the_name_of_an_office_must_be_fit_for_a_folder(office: Stage, name: str) -> None:
    before = await office.held()
    response = await office.http.post("/v2/office/create", json={"project_id": PROJECT, "name": name})
    assert set(wrong(response)) == {"name"}
    response = await office.http.put(f"/v2/office/update/{OFFICE}", json={"name": name})
    assert set(wrong(response)) == {"name"}
    assert await office.held() == before


async def test_two_offices_of_a_project_have_two_names(office: Stage) -> None:
    told: dict[str, Any] = {"project_id": PROJECT, "name": "Milan"}
    assert set(wrong(await office.http.post("/v2/office/create", json=told))) == {"name"}
    await office.project(OTHER)
    await office.made("office", **{**told, "project_id": OTHER})
    same = await office.http.put(f"/v2/office/update/{OFFICE}", json={"name": "Milan", "code": "M"})
    assert same.json()["code"] == "M"


async def test_a_file_where_the_offices_folder_would_be(stage: Stage) -> None:
    await stage.upload(f"{ROOT}/offices", "Milan")
    before = await stage.held()
    response = await stage.http.post("/v2/office/create", json={"project_id": PROJECT, "name": "Milan"})
    assert set(wrong(response)) == {"name"}
    assert await stage.held() == before


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("office", "project_id"),
        ("certificate", "tenant_id"),
        ("action", "tenant_id"),
        ("action", "subtenant_id"),
        ("person-office", "project_id"),
        ("person-office", "office_id"),
    ],
)
async def test_an_unknown_parent_or_one_of_another_project_is_refused(office: Stage, kind: str, field: str) -> None:
    await office.project(OTHER)
    _, told = CASES[kind]
    before = await office.held()
    assert set(wrong(await office.http.post(f"/v2/{kind}/create", json={**told, field: NOWHERE}))) == {field}
    if kind in {"action", "person-office"} and field in {"tenant_id", "project_id"}:
        response = await office.http.post(f"/v2/{kind}/create", json={**told, field: OTHER})
        assert set(wrong(response)) == {"subtenant_id" if kind == "action" else "office_id"}
    assert await office.held() == before


async def test_some_fields_never_change(office: Stage) -> None:
    await office.certificate()
    await office.project(OTHER)
    before = await office.held()
    for path, told in (
        (f"certificate/update/{ENTITY}", {"action_type": "HEALTH"}),
        (f"certificate/update/{ENTITY}", {"tenant_id": OTHER}),
        (f"office/update/{OFFICE}", {"project_id": OTHER}),
    ):
        assert set(wrong(await office.http.put(f"/v2/{path}", json=told))) == set(told)
    assert await office.held() == before
    same = await office.http.put(f"/v2/certificate/update/{ENTITY}", json={"action_type": "TRAINING"})
    assert same.status_code == 200


async def test_a_change_leaves_alone_what_it_does_not_name_and_null_clears(stage: Stage) -> None:
    await stage.certificate(note="Seen", date_expire="2027-01-31", data={"hours": 8, "teacher": {"name": "Ada"}})
    url = f"/v2/certificate/update/{ENTITY}"
    changed = (await stage.http.put(url, json={"note": None, "validity": 3, "validity_unit": "YEAR"})).json()
    assert (changed["note"], changed["date_expire"], changed["validity"]) == (None, "2027-01-31", 3)
    assert changed["data"] == {"hours": 8, "teacher": {"name": "Ada"}}
    refused: tuple[dict[str, Any], ...] = (
        {"date_expire": "2027-02-30"},
        {"validity_unit": "WEEK"},
        {"validity": -1},
        {"warning": 2},
        {"data": []},
        {"name": None},
        {"name": ""},
    )
    for told in refused:
        assert set(wrong(await stage.http.put(url, json=told))) == set(told)


async def test_the_names_of_those_above_are_shown(office: Stage) -> None:
    shown = (await office.http.get(f"/v2/office/view/{OFFICE}")).json()
    assert (shown["project_name"], shown["project_type"]) == (NAME, "safety")
    for kind in ("action", "person-office"):
        made = await office.made(kind, **CASES[kind][1])
        assert (made["office_name"], made["project_name"]) == ("Milan", NAME)


async def test_records_below_stand_in_the_way_unless_forced(office: Stage) -> None:
    person = await office.made("person-office", **CASES["person-office"][1])
    await office.certificate()
    before = await office.held()
    for path in (f"office/delete/{OFFICE}", f"project/delete/{PROJECT}", f"project/delete/{PROJECT}?force=0"):
        assert error(await office.http.delete(f"/v2/{path}"))[:2] == (409, "Conflict")
    assert error(await office.http.delete(f"/v2/office/delete/{OFFICE}?force=maybe"))[0] == 400
    assert await office.held() == before
    path = await office.upload(f"{ROOT}/offices/Milan", "plan.pdf")
    assert (await office.http.delete(f"/v2/office/delete/{OFFICE}?force=true")).status_code == 204
    gone = await office.http.get(f"/v2/person-office/view/{person['person_office_id']}")
    assert error(gone)[0] == 404
    assert (await office.http.get(f"/v2/certificate/view/{ENTITY}")).status_code == 200
    assert (await office.view(path)).content == PDF
    assert "office_id" not in (await office.described(path))["data"]


async def test_files_of_a_deleted_project_stay_and_nothing_is_added(stage: Stage) -> None:
    path = await stage.upload(ROOT, "a.pdf")
    assert (await stage.http.delete(f"/v2/project/delete/{PROJECT}?force=true")).status_code == 204
    assert (await stage.described(path))["data"] == {
        "mimetype": "application/pdf",
        "size": str(len(PDF)),
        "project_id": PROJECT,
    }
    assert error(await stage.put(ROOT, "b.pdf"))[0] == 400


async def test_records_that_a_host_has_registered_are_shown_as_far_as_they_fit(stage: Stage) -> None:
    desk = await stage.desk()
    project = RecordRef("project", "P-1")
    await desk.records.create(NewRecord(project, {"name": 5, "country": ["IT"], "status": "odd", "extra": "x"}))
    await desk.records.create(NewRecord(RecordRef("office", "O-1"), {"name": "Site"}, (project,)))
    shown = (await stage.http.get("/v2/project/view/P-1")).json()
    assert (shown["project_id"], shown["name"], shown["country"], shown["status"]) == ("P-1", "", None, "odd")
    assert (await stage.http.get("/v2/office/view/O-1")).json()["project_id"] == "P-1"
    path = await stage.upload("/projects/P-1/offices/Site", "a.pdf")
    data = (await stage.described(path))["data"]
    assert (data["project_id"], data["project_name"], data["office_id"]) == ("P-1", "", "O-1")
    assert await stage.paths(key="office_id", value="O-1") == [path]
    renamed = await stage.http.put("/v2/office/update/O-1", json={"name": "New"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "New")
    assert (await stage.view("/projects/P-1/offices/New/a.pdf")).status_code == 200
    await desk.records.create(NewRecord(RecordRef("office", "O-2")))
    assert set(wrong(await stage.http.put("/v2/office/update/O-2", json={"code": "1"}))) == {"project_id"}


async def test_of_many_equal_projects_at_once_one_is_made(stage: Stage) -> None:
    told = {"name": "Umbra", "country": "IT", "project_id": OTHER}
    made = await asyncio.gather(*(stage.http.post("/v2/project/create", json=told) for _ in range(12)))
    assert Counter(response.status_code for response in made) == {201: 1, 422: 11}


async def test_data_that_is_too_large_is_refused(stage: Stage) -> None:
    told = {**CASES["certificate"][1], "data": {"x": "y" * 300_000}}
    before = await stage.held()
    assert wrong(await stage.http.post("/v2/certificate/create", json=told)) != {}
    assert await stage.held() == before


async def test_the_smallest_run_from_end_to_end(stage: Stage) -> None:
    project = (await stage.made("project", name="Run", country="IT"))["project_id"]
    office = (await stage.made("office", name="Site", project_id=project))["office_id"]
    path = await stage.upload(f"/projects/{project}/", "a.pdf")
    told = {**CASES["certificate"][1], "tenant_id": project, "resource_id": office}
    certificate = (await stage.made("certificate", **told))["certificate_id"]
    link = await stage.link(path, certificate)
    assert await stage.links_of(certificate) == [path]
    assert (await stage.view(link["attachment_id"])).content == PDF
    assert (await stage.delete(path)).json() == [link]
    assert (await stage.delete(path, "true")).status_code == 204
    assert await stage.links_of(certificate) == []
