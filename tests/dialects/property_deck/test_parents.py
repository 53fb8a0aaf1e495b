"""Contacts and properties: made, read, changed and deleted, and the attachments that go with them."""

import pytest

from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.property_deck.stage import Hand, Stage, refusal


async def test_a_contact_has_exactly_its_fields(timed: Stage) -> None:
    response = await timed.http.post("/contacts", json={"name": "Ada", "email": "ada@example.com", "city": "London"})
    made = response.json()["data"]
    assert response.status_code == 201
    assert response.headers["Location"] == f"http://holdfast.test/contacts/{made['uuid']}"
    assert made == {
        "uuid": made["uuid"],
        "created_at": "2014-05-13T16:53:20+00:00",
        "updated_at": "2014-05-13T16:53:20+00:00",
        "name": "Ada",
        "email": "ada@example.com",
        "contact_number": None,
        "company": None,
        "address": None,
        "address2": None,
        "city": "London",
        "county": None,
        "postcode": None,
        "num_attachments": 0,
        "num_notes": 0,
    }
    assert (await timed.http.get(f"/contacts/{made['uuid']}")).json()["data"] == made


async def test_a_property_has_exactly_its_fields(timed: Stage) -> None:
    told = {"address": "1 Harbour Street", "bedrooms": "3", "has_garage": "1", "has_garden": True, "type": "House"}
    made = (await timed.http.post("/properties", json=told)).json()["data"]
    assert made == {
        "uuid": made["uuid"],
        "created_at": "2014-05-13T16:53:20+00:00",
        "updated_at": "2014-05-13T16:53:20+00:00",
        "address": "1 Harbour Street",
        "address2": None,
        "city": None,
        "county": None,
        "postcode": None,
        "type": "House",
        "bedrooms": 3,
        "bathrooms": 0,
        "has_garage": True,
        "has_garden": True,
        "has_parking": False,
        "num_attachments": 0,
        "num_notes": 0,
    }


@pytest.mark.parametrize("way", ["json", "data", "files"])
async def test_records_are_made_by_json_or_by_form(stage: Stage, way: str) -> None:
    told = {"name": "Ada", "email": "ada@example.com", "company": ""}
    parts = {name: (None, value) for name, value in told.items()}
    response = await stage.http.request("POST", "/contacts", **{way: parts if way == "files" else told})  # type: ignore[arg-type]
    assert response.status_code == 201
    assert (response.json()["data"]["name"], response.json()["data"]["company"]) == ("Ada", None)


@pytest.mark.parametrize(
    ("path", "told", "fields"),
    [
        ("/contacts", {}, ["name", "email"]),
        ("/contacts", {"name": "Ada"}, ["email"]),
        ("/contacts", {"name": None, "email": ""}, ["name", "email"]),
        ("/contacts", {"name": 5, "email": ["x"]}, ["name", "email"]),
        ("/contacts", {"name": "Ada", "email": "a@b", "city": 5}, ["city"]),
        ("/contacts", {"name": "x" * 262_144, "email": "a@b"}, ["attributes"]),
        ("/properties", {}, ["address"]),
        ("/properties", {"address": "x", "bedrooms": "many"}, ["bedrooms"]),
        ("/properties", {"address": "x", "bedrooms": 1.5}, ["bedrooms"]),
        ("/properties", {"address": "x", "bedrooms": True}, ["bedrooms"]),
        ("/properties", {"address": "x", "bathrooms": -1}, ["bathrooms"]),
        ("/properties", {"address": "x", "bathrooms": 10**30}, ["bathrooms"]),
        ("/properties", {"address": "x", "has_garage": "maybe"}, ["has_garage"]),
        ("/properties", {"address": "x", "has_garage": []}, ["has_garage"]),
    ],
)
async def test_wrong_input_is_refused_field_by_field(
    stage: Stage, path: str, told: dict[str, object], fields: list[str]
) -> None:
    async with stage.unchanged():
        response = await stage.http.post(path, json=told)
    assert list(refusal(response)) == fields
    assert (await stage.page(path=path))["data"] == []


@pytest.mark.parametrize(
    ("content", "type", "status"),
    [
        (b"", "application/json", 422),
        (b"{", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b'{"name": "\\ud800", "email": "x"}', "application/json", 400),
        (b"name=a&name=b&email=c", "application/x-www-form-urlencoded", 422),
        (b"name", "text/xml", 415),
        (b"{}" + b" " * (1 << 20), "application/json", 413),
    ],
)
async def test_a_body_that_cannot_be_read_makes_nothing(stage: Stage, content: bytes, type: str, status: int) -> None:
    async with stage.unchanged():
        response = await stage.http.post("/contacts", content=content, headers={"Content-Type": type})
    assert response.status_code == status, response.text


async def test_unknown_fields_are_passed_over(stage: Stage) -> None:
    uuid = await stage.contact(uuid="mine", num_attachments=9, tags=["a"])
    assert uuid != "mine"
    assert (await stage.http.get(f"/contacts/{uuid}")).json()["data"]["num_attachments"] == 0


async def test_names_in_every_script_come_back_as_they_were_sent(stage: Stage) -> None:
    for name in ("Ōta Tomoko 太田", "Żółć", "فاطمة", 'O\'Neil "Bob"', "🏠 Ltd", "index", "  x  ", "a\nb"):
        uuid = await stage.contact(name=name)
        assert (await stage.http.get(f"/contacts/{uuid}")).json()["data"]["name"] == name


async def test_an_update_changes_what_it_names(timed: Stage, hand: Hand) -> None:
    uuid = await timed.contact(city="London", company="Engines")
    before = (await timed.http.get(f"/contacts/{uuid}")).json()["data"]
    hand.now += 3_000_000
    response = await timed.http.put(f"/contacts/{uuid}", json={"city": "Bath", "company": None})
    assert response.status_code == 200
    after = response.json()["data"]
    assert after == {**before, "city": "Bath", "company": None, "updated_at": "2014-05-13T16:53:23+00:00"}
    assert (await timed.http.get(f"/contacts/{uuid}")).json()["data"] == after


@pytest.mark.parametrize("told", [{"name": None}, {"email": ""}, {"name": 5}, {"city": {}}])
async def test_an_update_cannot_empty_what_is_needed(stage: Stage, told: dict[str, object]) -> None:
    uuid = await stage.contact(city="London")
    async with stage.unchanged():
        response = await stage.http.put(f"/contacts/{uuid}", json=told)
    assert list(refusal(response)) == list(told)


async def test_an_update_of_nothing_changes_nothing(stage: Stage) -> None:
    uuid = await stage.property(bedrooms=3)
    async with stage.unchanged():
        response = await stage.http.put(f"/properties/{uuid}", json={"colour": "red"})
    assert response.json()["data"]["bedrooms"] == 3


async def test_null_of_a_number_is_0_and_of_a_yes_or_no_is_no(stage: Stage) -> None:
    uuid = await stage.property(bedrooms=3, has_garage=True)
    changed = (await stage.http.put(f"/properties/{uuid}", json={"bedrooms": None, "has_garage": None})).json()["data"]
    assert (changed["bedrooms"], changed["has_garage"]) == (0, False)


async def test_the_number_of_attachments_moves_with_uploads_and_deletes(stage: Stage) -> None:
    contact = await stage.contact()

    async def count() -> tuple[int, int]:
        one = (await stage.http.get(f"/contacts/{contact}")).json()["data"]
        (row,) = (await stage.page(path="/contacts"))["data"]
        assert row == one
        return one["num_attachments"], one["num_notes"]

    assert await count() == (0, 0)
    first = await stage.upload(f"/contacts/{contact}")
    await stage.upload(f"/contacts/{contact}")
    assert await count() == (2, 0)
    await stage.http.delete(f"/attachments/{first['uuid']}")
    assert await count() == (1, 0)
    updated = await stage.http.put(f"/contacts/{contact}", json={"city": "Cork"})
    assert updated.json()["data"]["num_attachments"] == 1


@pytest.mark.parametrize("kind", ["contacts", "properties"])
async def test_deleting_a_parent_deletes_what_belonged_to_it_alone(stage: Stage, kind: str) -> None:
    uuid = await (stage.contact() if kind == "contacts" else stage.property())
    made = await stage.upload(f"/{kind}/{uuid}")
    gone = await stage.http.delete(f"/{kind}/{uuid}")
    assert (gone.status_code, gone.content) == (204, b"")
    for path in (f"/{kind}/{uuid}", f"/attachments/{made['uuid']}", made["download_url"]):
        assert (await stage.http.get(path)).status_code == 404
    assert (await stage.http.delete(f"/{kind}/{uuid}")).status_code == 404
    assert (await (await stage.house.desk()).attachments.get(made["uuid"], trashed=True)).name == "example.pdf"


async def test_a_parent_with_records_below_it_stays(stage: Stage) -> None:
    uuid = await stage.property()
    desk = await stage.house.desk()
    await desk.records.create(NewRecord(RecordRef("job", "1"), parents=(RecordRef("property", uuid),)))
    async with stage.unchanged():
        response = await stage.http.delete(f"/properties/{uuid}")
    assert (response.status_code, set(response.json())) == (409, {"message"})


async def test_records_that_another_api_registered_are_shown_as_far_as_they_fit(stage: Stage) -> None:
    desk = await stage.house.desk()
    strange = {"name": 5, "email": None, "city": ["x"], "bedrooms": "3", "has_garage": "yes", "extra": {"a": 1}}
    await desk.records.create(NewRecord(RecordRef("contact", "Host-42"), strange))
    await desk.records.create(NewRecord(RecordRef("property", "Host-42"), strange))
    contact = (await stage.http.get("/contacts/Host-42")).json()["data"]
    assert (contact["uuid"], contact["name"], contact["email"], contact["city"]) == ("Host-42", "", "", None)
    property = (await stage.http.get("/properties/Host-42")).json()["data"]
    assert (property["address"], property["bedrooms"], property["has_garage"]) == ("", 0, False)
    made = await stage.upload("/contacts/Host-42")
    assert await stage.listed("contact=Host-42") == [made["uuid"]]
    await stage.http.put("/contacts/Host-42", json={"name": "Ada"})
    assert (await desk.records.get(RecordRef("contact", "Host-42"))).attributes["extra"] == {"a": 1}
