"""Pages and orders, the same for every list of the API."""

import asyncio
from typing import Any

import httpx
import pytest

from holdfast.core.attachments import Description
from holdfast.core.ports import Order
from holdfast.dialects.navarik import attachments, lists
from holdfast.dialects.navarik.lists import Criterion, orders
from tests.dialects.navarik.world import PDF, World, good, message


def names(found: list[dict[str, Any]]) -> list[str]:
    return [item["body"]["caption"] for item in found]


def in_documented_order(found: list[dict[str, Any]]) -> bool:
    """`created_at:desc, id:asc`."""
    by_id = sorted(found, key=lambda item: str(item["id"]))
    return sorted(by_id, key=lambda item: str(item["created_at"]), reverse=True) == found


async def test_a_list_is_a_bare_array_newest_first(world: World) -> None:
    made = [await world.upload(f"{at}.pdf") for at in range(3)]
    found = await world.listed()
    assert isinstance(found, list)
    assert in_documented_order(found)
    assert {item["id"] for item in found} == {item["id"] for item in made}


async def test_a_list_without_attachments_is_an_empty_array(world: World) -> None:
    assert await world.listed() == []


async def test_a_page_has_25_unless_told(world: World) -> None:
    await asyncio.gather(*(world.upload(f"{at}.pdf") for at in range(27)))
    assert len(await world.listed()) == 25
    assert len(await world.listed(limit=26)) == 26
    assert len(await world.listed(limit=10**9)) == 27
    assert len(await world.listed(limit="9" * 60)) == 27


async def test_limit_is_cut_to_a_thousand(world: World) -> None:
    bulk = {"type": "many", "body": [{"n": n} for n in range(1000)]}
    for _ in range(2):
        good(await world.http.post(f"{world.documents}/bulk", json=bulk), 201)
    found = good(await world.http.get(world.documents, params={"type": "many", "limit": 5000}))
    assert len(found) == 1000


async def test_offset_skips_and_the_end_is_empty(world: World) -> None:
    await asyncio.gather(*(world.upload(f"{at}.pdf") for at in range(7)))
    every = await world.listed()
    assert [await world.listed(limit=3, offset=at) for at in (0, 3, 6)] == [every[:3], every[3:6], every[6:]]
    for beyond in (7, 1000, 10**18, 10**40):
        assert await world.listed(offset=beyond) == []


@pytest.mark.parametrize("limit", ["0", "-1", "1e9", "abc", "1.5", "+5", "٣", " 5", "0x10", "00"])
async def test_a_limit_that_is_no_positive_whole_number_is_refused(world: World, limit: str) -> None:
    assert "limit" in message(await world.http.get(world.attachments, params={"limit": limit}), 400)


@pytest.mark.parametrize("offset", ["-1", "1e3", "abc", "1.0"])
async def test_an_offset_that_is_no_whole_number_is_refused(world: World, offset: str) -> None:
    assert "offset" in message(await world.http.get(world.attachments, params={"offset": offset}), 400)


async def test_a_known_parameter_given_twice_is_refused(world: World) -> None:
    for name, value in (("limit", "5"), ("offset", "0"), ("sort", "id:asc")):
        answer = await world.http.get(world.attachments, params=[(name, value), (name, value)])
        assert message(answer, 400) == f"{name} is given more than once"


async def test_unknown_parameters_and_empty_ones_change_nothing(world: World) -> None:
    made = await world.upload()
    assert await world.listed(page=0, foo="bar", limit="", offset="", sort="") == [made]


# ---------------------------------------------------------------- sort


@pytest.fixture
async def three(world: World) -> World:
    """b (small), a (large), C (middle), made in this order."""
    await world.upload("b.pdf", PDF, description="z", clientReferenceNumber="3")
    await world.upload("a.pdf", PDF * 9, vendorReferenceNumber="1")
    await world.upload("C.txt", b"plain text, plainly longer than a little", description="y", clientReferenceNumber="1")
    return world


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("created_at:asc", "b.pdf a.pdf C.txt"),
        ("created_at:desc", "C.txt a.pdf b.pdf"),
        ("created_at:desc, id:asc", "C.txt a.pdf b.pdf"),
        ("modified_at", "b.pdf a.pdf C.txt"),
        ("id:desc", "C.txt a.pdf b.pdf"),
        ("id", "b.pdf a.pdf C.txt"),
        ("body.caption", "C.txt a.pdf b.pdf"),
        ("body.caption:DESC", "b.pdf a.pdf C.txt"),
        ("  body.caption : Desc  ", "b.pdf a.pdf C.txt"),
        ("body.size:asc", "b.pdf C.txt a.pdf"),
        ("body.format:desc,body.caption:asc", "C.txt a.pdf b.pdf"),
        ("body.format:asc, body.size:desc", "a.pdf b.pdf C.txt"),
        ("body.description:asc", "a.pdf C.txt b.pdf"),
        ("body.description:desc", "b.pdf C.txt a.pdf"),
        ("body.clientReferenceNumber:asc", "a.pdf C.txt b.pdf"),
        ("body.vendorReferenceNumber:desc, body.caption", "a.pdf C.txt b.pdf"),
        ("created_by, body.caption:desc", "b.pdf a.pdf C.txt"),
        ("modified_by:desc, body.caption:desc", "b.pdf a.pdf C.txt"),
        ("last_action:desc, body.caption", "C.txt a.pdf b.pdf"),
        ("nonsense:desc, body.caption", "C.txt a.pdf b.pdf"),
        ("body.nonsense", "C.txt a.pdf b.pdf"),
        ("body", "C.txt a.pdf b.pdf"),
        ("type, schema, meta, body.workspace, body.document, previous_version_id", "C.txt a.pdf b.pdf"),
        ("body.caption.deeper, __class__, body.__class__:desc", "C.txt a.pdf b.pdf"),
        ("body.caption:asc, body.caption:desc", "C.txt a.pdf b.pdf"),
    ],
)
async def test_sort(three: World, sort: str, expected: str) -> None:
    assert names(await three.listed(sort=sort)) == expected.split()


@pytest.mark.parametrize(
    "sort", ["body.caption:down", ":asc", ",", "id:asc,", "id,,id", "id:", "id:asc:desc", ",".join("abcdefghijk")]
)
async def test_a_malformed_sort_is_refused(world: World, sort: str) -> None:
    assert message(await world.http.get(world.attachments, params={"sort": sort}), 400).startswith("sort ")


async def test_values_that_are_no_column_are_sorted_too(three: World) -> None:
    for direction in ("asc", "desc"):
        for field in ("version_id", "body.location"):
            head, _, rest = field.partition(".")
            found = await three.listed(sort=f"{field}:{direction}")
            values = [item[head][rest] if rest else item[head] for item in found]
            assert values == sorted(values, reverse=direction == "desc")
            assert len(values) == 3


async def test_sort_here_pages_like_every_other(three: World) -> None:
    every = await three.listed(sort="version_id")
    assert [await three.listed(sort="version_id", limit=2, offset=at) for at in (0, 2, 4)] == [
        every[:2],
        every[2:],
        [],
    ]


async def test_last_action_tells_changed_ones_apart(three: World) -> None:
    changed = (await three.listed(sort="body.caption"))[1]
    desk = await three.house.desk()
    await desk.attachments.describe(changed["id"], Description(description="new"))
    assert names(await three.listed(sort="last_action:desc, body.caption")) == ["a.pdf", "C.txt", "b.pdf"]


async def test_sort_here_has_a_bound(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "MAX_SORTED", 2)
    told = message(await three.http.get(three.attachments, params={"sort": "version_id"}), 400)
    assert told == "A document with more than 2 attachments is not sorted by version_id or last_action"
    assert len(await three.listed(sort="body.caption")) == 3


def test_only_what_can_decide_is_asked_of_the_catalog() -> None:
    criteria = (Criterion("created_at", descending=True), Criterion("id", descending=False))
    assert orders(criteria, lists.RECORD_COLUMNS) == (Order("created_at", descending=True),)


# ---------------------------------------------------------------- ties


async def bulk(world: World, count: int) -> None:
    """Documents made in one transaction: most of them share a printed millisecond."""
    body = [{"n": n % 3} for n in range(count)]
    good(await world.http.post(f"{world.documents}/bulk", json={"type": "tied", "body": body}), 201)


async def documents(world: World, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = good(await world.http.get(world.documents, params={"type": "tied", **params}))
    return found


async def test_entities_of_the_same_printed_time_follow_the_next_criterion(world: World) -> None:
    await bulk(world, 40)
    await bulk(world, 23)
    every = await documents(world, limit=1000)
    assert len({item["created_at"] for item in every}) < 20
    assert in_documented_order(every)
    by_n = await documents(world, limit=1000, sort="created_at:asc, body.n:desc, id:desc")
    expected = sorted(every, key=lambda item: str(item["id"]), reverse=True)
    expected.sort(key=lambda item: -item["body"]["n"])
    expected.sort(key=lambda item: str(item["created_at"]))
    assert by_n == expected


@pytest.mark.parametrize("sort", ["created_at:desc, id:asc", "modified_at:asc, id:desc", "created_at:asc, body.n"])
async def test_pages_cut_through_ties_without_loss_or_repetition(world: World, sort: str) -> None:
    await bulk(world, 30)
    await bulk(world, 30)
    every = await documents(world, limit=1000, sort=sort)
    pages = [await documents(world, limit=7, offset=at, sort=sort) for at in range(0, 63, 7)]
    assert [item for page in pages for item in page] == every


async def test_every_list_has_the_same_paging(world: World) -> None:
    for path in ("/v2/organizations", "/v2/workspaces", f"{world.documents}?type=demo.doc", world.attachments):
        url = httpx.URL(path)
        for params in ({"limit": "0"}, {"limit": "-1"}, {"limit": "1e9"}, {"offset": "-1"}, {"sort": "id:up"}):
            message(await world.http.get(url.copy_merge_params(params)), 400)
        assert good(await world.http.get(url.copy_merge_params({"offset": "1000000"}))) == []
