"""Organizations: who can be a party."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.navarik.world import UNKNOWN, World, good, message, unchanged

URL = "/v2/organizations"


async def listed(world: World, **params: Any) -> list[str]:
    found = good(await world.http.get(URL, params={"sort": "body.name", **params}))
    return [item["body"]["name"] for item in found]


async def test_an_organization_is_made_and_found(world: World) -> None:
    told = {"name": "Hafen & Söhne", "audience": UNKNOWN, "category": None}
    answer = await world.http.post(URL, json=told)
    made = good(answer, 201)
    assert made["type"] == "navarik.bridge.organization"
    assert made["body"] == told
    assert answer.headers["location"] == f"{URL}/{made['id']}"
    assert good(await world.http.get(f"{URL}/{made['id'].upper()}")) == made


async def test_name_alone_suffices_and_unknown_members_are_dropped(world: World) -> None:
    made = good(await world.http.post(URL, json={"name": "N", "color": "red"}), 201)
    assert made["body"] == {"name": "N", "audience": None, "category": None}


async def test_names_are_searched_by_part_in_any_case(world: World) -> None:
    good(await world.http.post(URL, json={"name": "Øresund Shipping"}), 201)
    assert await listed(world, name="SHIP") == ["Shipper", "Øresund Shipping"]
    assert await listed(world, name="øRES") == ["Øresund Shipping"]
    assert await listed(world, name="%") == await listed(world, name="_") == []


async def test_categories_are_filtered(world: World) -> None:
    good(await world.http.post(URL, json={"name": "Neither"}), 201)
    assert await listed(world, category="shipper") == ["Shipper"]
    assert await listed(world, category="inspector") == ["Inspector"]
    assert await listed(world, category="none") == ["Neither"]
    assert await listed(world, category="inspector", name="ship") == []
    message(await world.http.get(URL, params={"category": "pilot"}), 400)


async def test_a_name_is_given_once(world: World) -> None:
    async with unchanged(world):
        for told in ({"name": "Shipper"}, {"name": "Shipper", "category": "inspector"}):
            assert message(await world.http.post(URL, json=told), 409) == (
                "An organization of this name exists already"
            )
    good(await world.http.post(URL, json={"name": "shipper"}), 201)


async def test_of_two_calls_with_one_name_at_once_one_is_refused(world: World) -> None:
    answers: list[httpx.Response] = await asyncio.gather(
        *(world.http.post(URL, json={"name": "Twin"}) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert await listed(world, name="Twin") == ["Twin"]


async def test_a_name_that_another_api_has_registered_is_taken_too(world: World) -> None:
    desk = await world.house.desk()
    await desk.records.create(NewRecord(RecordRef("organization", "host-7"), {"name": "Host"}))
    message(await world.http.post(URL, json={"name": "Host"}), 409)


async def test_one_registered_elsewhere_is_an_organization_too(world: World) -> None:
    desk = await world.house.desk()
    told = {"name": "Registered", "category": "pilot", "audience": 7}
    await desk.records.create(NewRecord(RecordRef("organization", UNKNOWN), told))
    assert "Registered" in await listed(world)
    found = good(await world.http.get(f"{URL}/{UNKNOWN}"))
    assert found["body"] == {"name": "Registered", "audience": None, "category": None}


async def test_one_whose_id_is_no_uuid_is_listed_under_a_stand_in(world: World) -> None:
    desk = await world.house.desk()
    await desk.records.create(NewRecord(RecordRef("organization", "host-7"), {"name": ["not a text"]}))
    found = good(await world.http.get(URL))
    assert UUID(found[0]["id"]).version == 5
    assert found[0]["body"]["name"] == ""
    assert (await world.http.get(f"{URL}/{found[0]['id']}")).status_code == 404


@pytest.mark.parametrize(
    "told",
    [
        {}, {"name": ""}, {"name": "   "}, {"name": None}, {"name": 7}, {"name": ["a"]}, {"name": "x" * 201},
        {"name": "a", "category": "pilot"}, {"name": "a", "category": "none"}, {"name": "a", "audience": "x"},
        {"name": "a", "audience": ""}, {"name": "a\x00b"}, {"type": "t", "body": {"name": "a"}}, [], "a", 7,
    ],
)  # fmt: skip
async def test_what_is_no_organization_is_refused(world: World, told: object) -> None:
    async with unchanged(world):
        message(await world.http.post(URL, json=told), 400)


async def test_ids_are_uuids_and_known(world: World) -> None:
    assert message(await world.http.get(f"{URL}/42"), 400) == "organization_id is not a UUID"
    assert message(await world.http.get(f"{URL}/{UNKNOWN}"), 404) == "Organization not found"
    assert message(await world.http.get(f"{URL}/{world.workspace['id']}"), 404) == "Organization not found"


async def test_update_and_delete_are_not_offered(world: World) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        assert (await world.http.request(method, f"{URL}/{world.shipper['id']}")).status_code == 405
