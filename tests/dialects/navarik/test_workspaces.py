"""Workspaces: what two organizations share."""

from typing import Any

import pytest

from holdfast.core.model import RecordRef
from tests.dialects.navarik.world import UNKNOWN, World, good, message, unchanged

URL = "/v2/workspaces"


def told(world: World, **more: Any) -> dict[str, Any]:
    parties = {"client": {"id": world.shipper["id"]}, "vendor": {"id": world.inspector["id"]}}
    return {"description": "Two", "parties": parties, **more}


async def listed(world: World, **params: Any) -> list[str]:
    found = good(await world.http.get(URL, params={"sort": "created_at:asc", **params}))
    return [item["body"]["description"] for item in found]


async def test_a_workspace_is_opened_and_found(world: World) -> None:
    answer = await world.http.post(URL, json=told(world, color="red"))
    made = good(answer, 201)
    assert made["type"] == "navarik.bridge.workspace"
    assert made["body"] == {
        "description": "Two",
        "parties": {
            "client": {"id": world.shipper["id"], "xref": None},
            "vendor": {"id": world.inspector["id"], "xref": None},
        },
    }
    assert answer.headers["location"] == f"{URL}/{made['id']}"
    assert good(await world.http.get(f"{URL}/{made['id']}")) == made


async def test_both_parties_are_parents_of_its_record(world: World) -> None:
    desk = await world.house.desk()
    record = await desk.records.get(RecordRef("workspace", world.workspace["id"]))
    assert [str(parent) for parent in record.parents] == [
        f"organization:{world.shipper['id']}",
        f"organization:{world.inspector['id']}",
    ]


async def test_party_ids_in_upper_case_mean_the_same(world: World) -> None:
    parties = {"client": {"id": world.shipper["id"].upper()}, "vendor": {"id": world.inspector["id"]}}
    made = good(await world.http.post(URL, json={"parties": parties}), 201)
    assert made["body"]["parties"]["client"]["id"] == world.shipper["id"]
    assert made["body"]["description"] is None


async def test_workspaces_are_filtered(world: World) -> None:
    third = good(await world.http.post("/v2/organizations", json={"name": "Third"}), 201)
    parties = {"client": {"id": third["id"], "xref": "x9"}, "vendor": {"id": world.inspector["id"]}}
    good(await world.http.post(URL, json={"description": "Three", "parties": parties}), 201)
    filters: dict[str, dict[str, list[str]]] = {
        "filter[body.parties.client.id]": {world.shipper["id"]: ["One"], third["id"].upper(): ["Three"]},
        "filter[body.parties.vendor.id]": {world.inspector["id"]: ["One", "Three"], third["id"]: []},
        "filter[body.description]": {"Three": ["Three"], "three": [], "Thr": []},
        "filter[body.parties.client.xref]": {"x9": ["Three"], "abcd": ["One"]},
        "filter[description]": {"One": ["One"]},
        "filter[id]": {world.workspace["id"]: ["One"], UNKNOWN: []},
        "filter[version_id]": {world.workspace["version_id"].upper(): ["One"]},
        "filter[created_at]": {world.workspace["created_at"]: ["One"]},
        "filter[last_action]": {"create": ["One", "Three"], "update": []},
        "filter[body.nonsense]": {"x": []},
    }
    for name, cases in filters.items():
        for value, expected in cases.items():
            assert await listed(world, **{name: value}) == expected, (name, value)


async def test_filters_are_all_meant(world: World) -> None:
    both = {"filter[body.description]": "One", "filter[body.parties.client.id]": world.inspector["id"]}
    assert await listed(world, **both) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("filter[body.parties.client.id]", "42"), ("filter[body.parties.vendor.id]", "x"), ("filter[id]", "1"),
        ("filter[created_at]", "yesterday"), ("filter[]", "x"), ("filter[body.]", "x"), ("filter[body..a]", "x"),
        ('filter[body.a"b]', "x"), ("filter[body.a\\b]", "x"), ("filter[body.a[0]]", "x"),
        ("filter[body." + "a" * 300 + "]", "x"),
    ],
)  # fmt: skip
async def test_filters_that_cannot_be_read_are_refused(world: World, name: str, value: str) -> None:
    message(await world.http.get(URL, params={name: value}), 400)


async def test_filters_have_a_bound_and_are_given_once(world: World) -> None:
    many = {f"filter[body.a{at}]": "x" for at in range(11)}
    assert message(await world.http.get(URL, params=many), 400) == "There are at most 10 filters"
    message(await world.http.get(URL, params={"filter[body.description]": ["a", "b"]}), 400)


@pytest.mark.parametrize("name", ["filter", "filter[", "filterx[id]", "filter[id]x"])
async def test_parameters_that_are_no_filters_are_ignored(world: World, name: str) -> None:
    assert await listed(world, **{name: "x"}) == ["One"]


async def test_what_is_no_workspace_is_refused(world: World) -> None:
    client, vendor = {"id": world.shipper["id"]}, {"id": world.inspector["id"]}
    cases: list[object] = [
        {},
        {"description": "x"},
        {"parties": {}},
        {"parties": {"client": client}},
        {"parties": {"vendor": vendor}},
        {"parties": {"client": client, "vendor": client}},
        {"parties": {"client": client, "vendor": {"id": "42"}}},
        {"parties": {"client": client, "vendor": {"id": None}}},
        {"parties": {"client": client, "vendor": {"id": UNKNOWN}}},
        {"parties": {"client": client, "vendor": {"id": world.workspace["id"]}}},
        {"parties": [client, vendor]},
        {"parties": {"client": client, "vendor": {**vendor, "xref": 7}}},
        {"parties": {"client": client, "vendor": {**vendor, "xref": "x" * 201}}},
        {"description": 7, "parties": {"client": client, "vendor": vendor}},
        [],
    ]
    async with unchanged(world):
        for case in cases:
            message(await world.http.post(URL, json=case), 400)
    unknown = {"parties": {"client": client, "vendor": {"id": UNKNOWN}}}
    assert message(await world.http.post(URL, json=unknown), 400) == "parties.vendor.id names no organization"


async def test_ids_are_uuids_and_known(world: World) -> None:
    assert message(await world.http.get(f"{URL}/42"), 400) == "workspace_id is not a UUID"
    assert message(await world.http.get(f"{URL}/{UNKNOWN}"), 404) == "Workspace not found"


async def test_update_and_delete_are_not_offered(world: World) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        assert (await world.http.request(method, f"{URL}/{world.workspace['id']}")).status_code == 405
