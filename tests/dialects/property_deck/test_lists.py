"""Pages and filters of the three lists."""

from pathlib import Path

import pytest

from tests.dialects.property_deck.stage import NOWHERE, Hand, Stage, refusal, staged


async def attached(stage: Stage, count: int) -> list[str]:
    """That many attachments of one contact, newest first."""
    parent = f"/contacts/{await stage.contact()}"
    made = [(await stage.upload(parent, f"{number}.pdf"))["uuid"] for number in range(count)]
    return made[::-1]


# ---------------------------------------------------------------- pages


async def test_an_empty_list_has_one_empty_page(stage: Stage) -> None:
    for path in ("/attachments", "/contacts", "/properties"):
        assert await stage.page(path=path) == {
            "data": [],
            "meta": {
                "pagination": {
                    "total": 0,
                    "count": 0,
                    "per_page": 10,
                    "current_page": 1,
                    "total_pages": 1,
                    "links": {},
                }
            },
        }


async def test_pages_are_ten_rows_newest_first(stage: Stage) -> None:
    uuids = await attached(stage, 23)
    assert await stage.listed() == uuids[:10]
    assert await stage.listed("page=2") == uuids[10:20]
    assert await stage.listed("page=3") == uuids[20:]


async def test_the_envelope_says_where_the_page_lies(stage: Stage) -> None:
    await attached(stage, 23)
    found = (await stage.page("page=2"))["meta"]["pagination"]
    assert {key: found[key] for key in found if key != "links"} == {
        "total": 23,
        "count": 10,
        "per_page": 10,
        "current_page": 2,
        "total_pages": 3,
    }
    assert found["links"] == {
        "previous": "http://holdfast.test/attachments?page=1",
        "next": "http://holdfast.test/attachments?page=3",
    }


async def test_links_lead_through_the_whole_list_and_keep_other_parameters(stage: Stage) -> None:
    uuids = await attached(stage, 5)
    await stage.upload(f"/properties/{await stage.property()}")
    url, seen = "/attachments?contact[name]=ada&per_page=2&embed=x", []
    while url:
        body = (await stage.http.get(url)).json()
        seen += [row["uuid"] for row in body["data"]]
        url = body["meta"]["pagination"]["links"].get("next", "")
        assert not url or url.startswith(
            "http://holdfast.test/attachments?contact%5Bname%5D=ada&per_page=2&embed=x&page="
        )
    assert seen == uuids


async def test_the_first_and_last_page_have_no_neighbour_beyond(stage: Stage) -> None:
    await attached(stage, 2)
    assert list((await stage.page("per_page=1"))["meta"]["pagination"]["links"]) == ["next"]
    assert list((await stage.page("per_page=1&page=2"))["meta"]["pagination"]["links"]) == ["previous"]


async def test_a_page_past_the_end_is_empty_and_leads_back(stage: Stage) -> None:
    await attached(stage, 3)
    for page in ("7", "1000000000"):
        body = await stage.page(f"per_page=2&page={page}")
        assert body["data"] == []
        assert body["meta"]["pagination"] == {
            "total": 3,
            "count": 0,
            "per_page": 2,
            "current_page": int(page),
            "total_pages": 2,
            "links": {"previous": "http://holdfast.test/attachments?per_page=2&page=2"},
        }


@pytest.mark.parametrize("path", ["/attachments", "/contacts", "/properties"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("page=1.5", "page"),
        ("page=1000000001", "page"),
        ("page=99999999999999999999999999", "page"),
        ("page[]=1", "page"),
        ("page=1&page=2", "page"),
        ("page=%D9%A1", "page"),
        ("per_page=0", "per_page"),
        ("per_page=-1", "per_page"),
        ("per_page=101", "per_page"),
        ("per_page=1000000000", "per_page"),
        ("per_page=ten", "per_page"),
    ],
)
async def test_pages_that_cannot_be_are_refused(stage: Stage, path: str, query: str, field: str) -> None:
    assert list(refusal(await stage.http.get(f"{path}?{query}"))) == [field]


async def test_up_to_a_hundred_rows_a_page(stage: Stage) -> None:
    await attached(stage, 12)
    assert len(await stage.listed("per_page=100")) == 12
    assert len(await stage.listed("per_page=11")) == 11


async def test_an_empty_parameter_is_an_absent_one(stage: Stage) -> None:
    uuids = await attached(stage, 2)
    assert await stage.listed("page=&per_page=&uuid=&contact[uuid]=&contact=") == uuids


async def test_rows_of_one_moment_keep_their_order(timed: Stage, hand: Hand) -> None:
    """The clock stands still, and the store's own order still gives each row once."""
    uuids = await attached(timed, 6)
    pages = [uuid for page in (1, 2, 3) for uuid in await timed.listed(f"per_page=2&page={page}")]
    assert pages == uuids


# ---------------------------------------------------------------- filters on attachments


async def test_by_uuid(stage: Stage) -> None:
    uuids = await attached(stage, 3)
    assert await stage.listed(f"uuid={uuids[1]}") == [uuids[1]]
    assert await stage.listed(f"uuid={uuids[1].upper()}") == [uuids[1]]
    assert await stage.listed(f"uuid={NOWHERE}") == []
    assert await stage.listed("uuid=not-a-uuid") == []


@pytest.mark.parametrize("style", ["uuid[]={}&uuid[]={}", "uuid[0]={}&uuid[1]={}", "uuid%5B%5D={}&uuid%5B%5D={}"])
async def test_by_any_of_several_uuids(stage: Stage, style: str) -> None:
    uuids = await attached(stage, 3)
    assert await stage.listed(style.format(uuids[2], uuids[0])) == [uuids[0], uuids[2]]


async def test_by_contact_and_by_property(stage: Stage) -> None:
    contact, other, property = await stage.contact(), await stage.contact(), await stage.property()
    one = (await stage.upload(f"/contacts/{contact}"))["uuid"]
    two = (await stage.upload(f"/contacts/{other}"))["uuid"]
    three = (await stage.upload(f"/properties/{property}"))["uuid"]
    assert await stage.listed(f"contact[uuid]={contact}") == [one]
    assert await stage.listed(f"contact={contact}") == [one]
    assert await stage.listed(f"contact[uuid][]={contact}&contact[uuid][]={other}") == [two, one]
    assert await stage.listed(f"contact[]={contact}&contact[]={other}") == [two, one]
    assert await stage.listed(f"property[uuid]={property}") == [three]
    assert await stage.listed(f"property={property.upper()}") == [three]
    assert await stage.listed(f"contact={property}") == []
    assert await stage.listed(f"contact={contact}&property={property}") == []
    assert await stage.listed(f"contact={contact}&uuid={two}") == []


async def test_by_what_is_said_of_the_contact(stage: Stage) -> None:
    ada = await stage.contact(name="Ada Lovelace", email="ada@engine.example", city="London")
    one = (await stage.upload(f"/contacts/{ada}"))["uuid"]
    await stage.upload(f"/contacts/{await stage.contact(name='Bob')}")
    assert await stage.listed("contact[name]=LOVE") == [one]
    assert await stage.listed("contact[email]=engine&contact[city]=lond") == [one]
    assert await stage.listed("contact[email]=engine&contact[city]=paris") == []


async def test_all_conditions_hold_for_one_and_the_same_property(stage: Stage) -> None:
    one, two = await stage.property(city="Cork", bedrooms=3), await stage.property(city="Kerry", bedrooms=2)
    await stage.upload(f"/properties/{one}")
    expected = (await stage.upload(f"/properties/{two}"))["uuid"]
    assert await stage.listed("property[city]=cork&property[bedrooms]=2") == []
    assert await stage.listed("property[city]=kerry&property[bedrooms]=2") == [expected]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("name=x", "name"),
        ("created_at=P2W", "created_at"),
        ("sort=name", "sort"),
        ("sort=-no_such_field", "sort"),
        ("order=asc", "order"),
        ("limit=1", "limit"),
        ("offset=1", "offset"),
        ("trashed=1", "trashed"),
        ("record=case:1", "record"),
        ("contact[id]=1", "contact.id"),
        ("contact[custom_fields][value]=x", "contact.custom_fields.value"),
        ("contact[num_attachments]=1", "contact.num_attachments"),
        ("property[email]=x", "property.email"),
        ("tenant[uuid]=x", "tenant.uuid"),
        ("uuid[a]=x", "uuid.a"),
        ("[uuid]=x", "[uuid]"),
        ("contact[uuid=x", "contact[uuid"),
        ("contact[uuid]x=x", "contact[uuid]x"),
        ("uuid=a&uuid=b", "uuid"),
        ("uuid=a&uuid[]=b", "uuid"),
        ("contact=a&contact[uuid]=b", "contact"),
        ("contact[name][]=a&contact[name][]=b", "contact.name"),
        ("contact[created_at][]=P1D", "contact.created_at"),
        ("property[bedrooms]=two", "property.bedrooms"),
        ("property[bedrooms]=-1", "property.bedrooms"),
        ("property[bedrooms]=99999999999999999999", "property.bedrooms"),
        ("property[has_garage]=maybe", "property.has_garage"),
        ("property[updated_at]=2014", "property.updated_at"),
        ("&".join(f"uuid[]={number}" for number in range(101)), "uuid"),
    ],
)
async def test_filters_that_are_not_known_or_not_readable_are_refused(stage: Stage, query: str, field: str) -> None:
    await attached(stage, 1)
    response = await stage.http.get(f"/attachments?{query}")
    assert list(refusal(response)) == [field]


@pytest.mark.parametrize(
    "text", ["%", "_", "'", '"', "\\", "*", "🏠", "ß", "x' OR '1'='1", "a" * 2000, "[", "\u202e", "𝒳"]
)
async def test_a_search_text_is_only_text(stage: Stage, text: str) -> None:
    await attached(stage, 1)
    response = await stage.http.get("/attachments", params={"contact[name]": text})
    assert (response.status_code, response.json()["data"]) == (200, [])


@pytest.mark.parametrize("query", ["uuid=%00", "uuid=%ff", "contact[name]=%c3%28"])
async def test_a_query_that_is_no_text_is_malformed(stage: Stage, query: str) -> None:
    response = await stage.http.get(f"/attachments?{query}")
    assert (response.status_code, list(response.json())) == (400, ["message"])


async def test_embedding_is_passed_over(stage: Stage) -> None:
    uuids = await attached(stage, 1)
    assert await stage.listed("embed=contact&include[]=status&include[]=type") == uuids


# ---------------------------------------------------------------- filters on contacts and properties


CONTACT = {
    "name": "Ada Lovelace",
    "email": "ada@engine.example",
    "contact_number": "+44 20 7946 0000",
    "company": "Analytical Engines",
    "address": "12 St James's Square",
    "address2": "Flat 2",
    "city": "London",
    "county": "Middlesex",
    "postcode": "SW1Y 4JH",
}
PROPERTY = {
    "address": "1 Harbour Street",
    "address2": "Unit 3",
    "city": "Cork",
    "county": "Munster",
    "postcode": "T12 X8N6",
    "type": "Apartment",
}


@pytest.mark.parametrize("field", CONTACT)
async def test_every_text_of_a_contact_is_found_by_a_part_of_it(stage: Stage, field: str) -> None:
    uuid = await stage.contact(**CONTACT)
    await stage.contact(name="Bob", email="bob@b.example")
    part = CONTACT[field][1:5].swapcase()
    response = await stage.http.get("/contacts", params={field: part})
    assert [row["uuid"] for row in response.json()["data"]] == [uuid]


@pytest.mark.parametrize("field", PROPERTY)
async def test_every_text_of_a_property_is_found_by_a_part_of_it(stage: Stage, field: str) -> None:
    uuid = await stage.property(**PROPERTY)
    await stage.property(address="2 Hill Road")
    part = PROPERTY[field][1:5].swapcase()
    response = await stage.http.get("/properties", params={field: part})
    assert [row["uuid"] for row in response.json()["data"]] == [uuid]


async def test_properties_by_numbers_and_by_yes_and_no(stage: Stage) -> None:
    big = await stage.property(bedrooms=4, bathrooms=2, has_garage=True, has_garden=True)
    small = await stage.property(bedrooms=1, has_parking=True)

    async def found(query: str) -> list[str]:
        return await stage.listed(query, "/properties")

    assert await found("bedrooms=4") == [big]
    assert await found("bedrooms[]=4&bedrooms[]=1") == [small, big]
    assert await found("bathrooms=0") == [small]
    assert await found("bathrooms=2&has_garage=true") == [big]
    assert await found("has_garden=1") == [big]
    assert await found("has_garage=false") == [small]
    assert await found("has_parking=0") == [big]


async def test_records_by_uuid(stage: Stage) -> None:
    one, two = await stage.contact(), await stage.contact()
    await stage.contact()
    assert await stage.listed(f"uuid={one}", "/contacts") == [one]
    assert await stage.listed(f"uuid[]={one}&uuid[]={two}", "/contacts") == [two, one]
    assert await stage.listed(f"uuid={one}", "/properties") == []


@pytest.mark.parametrize("query", ["contact[name]=x", "foo[name]=x", "name[first]=x", "type=x", "sort=name"])
async def test_contacts_know_only_their_own_filters(stage: Stage, query: str) -> None:
    assert len(refusal(await stage.http.get(f"/contacts?{query}"))) == 1


async def test_the_operator_may_choose_other_page_sizes(tmp_path: Path) -> None:
    async with staged(tmp_path, choices={"page_size": 2, "max_page_size": 3}) as stage:
        await attached(stage, 4)
        assert len(await stage.listed()) == 2
        assert len(await stage.listed("per_page=3")) == 3
        assert list(refusal(await stage.http.get("/attachments?per_page=4"))) == ["per_page"]
