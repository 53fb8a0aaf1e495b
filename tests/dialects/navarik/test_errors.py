"""Every failure is told in the vendor's shape, whatever fails and wherever."""

import logging
from typing import Any, NoReturn

import pytest

from holdfast.core import errors
from holdfast.core.attachments import Attachments
from holdfast.core.errors import HoldfastError
from holdfast.core.records import Records
from holdfast.dialects.navarik import NAVARIK
from holdfast.dialects.navarik.errors import STATUS
from holdfast.web.problems import FAILURES, lookup
from holdfast.web.problems import STATUS as HTTP_STATUS
from tests.dialects.navarik.world import UNKNOWN, World, message, unchanged

OURS = {errors.OutOfScope: 403, errors.Stale: 409}
"""Where the vendor's ways differ from what HTTP alone would say."""


def leaf(kind: type[HoldfastError]) -> HoldfastError:
    if kind in {errors.TooLarge, errors.RateLimited}:
        return kind(7)
    return kind("attachment") if kind is errors.NotFound else kind()


@pytest.mark.parametrize("kind", FAILURES)
def test_every_failure_has_its_place_in_the_table(kind: type[HoldfastError]) -> None:
    assert kind in NAVARIK.errors
    assert STATUS[kind] == OURS.get(kind, HTTP_STATUS[kind])


@pytest.mark.parametrize("kind", FAILURES)
async def test_every_failure_is_one_message(
    world: World, kind: type[HoldfastError], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_args: Any, **_more: Any) -> NoReturn:
        raise leaf(kind)

    answer = lookup(NAVARIK.errors, kind)
    assert answer is not None
    monkeypatch.setattr(Records, "get", fail)
    async with await world.house.client() as bare:
        refused = await bare.get(world.attachments)
    told = message(refused, STATUS[kind])
    assert told
    assert refused.headers["content-type"] == "application/json"


async def test_a_fault_of_ours_says_nothing_of_itself(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_args: Any, **_more: Any) -> NoReturn:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(Attachments, "find", fail)
    with caplog.at_level(logging.CRITICAL):
        assert message(await world.http.get(world.attachments), 500) == "Internal server error"


async def test_a_field_is_named_where_the_sentence_does_not_name_it(world: World) -> None:
    told = message(await world.http.post("/v2/organizations", json={"name": 7}), 400)
    assert told == "name: Expected `str`, got `int`"
    told = message(await world.http.post("/v2/organizations", json={"category": "shipper"}), 400)
    assert "name" in told


@pytest.mark.parametrize(
    "path",
    [
        "/v2/organizations/", "/v2/organizations/a/b", "/v2/workspaces/x/y", "/auth/v1", "/auth/v1/token",
        "/bridge/v2/workspaces/x/nothing", "/v2/workspaces//documents", "/v2/workspaces/%2F/documents",
        f"/v2/workspaces/{UNKNOWN}/documents/{UNKNOWN}/attachments/{UNKNOWN}/content/x",
    ],
)  # fmt: skip
async def test_unknown_paths_under_our_prefixes_have_our_shape(world: World, path: str) -> None:
    assert message(await world.http.get(path), 404) == "No such path"


@pytest.mark.parametrize("path", ["/v2/organizations/%FF", "/v2/workspaces/%zz", "/v2/workspaces/%00/documents"])
async def test_paths_that_cannot_be_read_have_our_shape(world: World, path: str) -> None:
    message(await world.http.get(path), 400)


async def test_queries_that_cannot_be_read_have_our_shape(world: World) -> None:
    message(await world.http.get(f"{world.attachments}?limit=%FF"), 400)
    message(await world.http.get(f"{world.attachments}?sort=%00"), 400)


async def test_methods_that_are_not_offered_have_our_shape(world: World) -> None:
    for path in ("/v2/organizations", "/v2/workspaces", world.documents, world.attachments):
        answer = await world.http.delete(path)
        assert message(answer, 405) == "This path offers GET, HEAD, OPTIONS, POST"
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    options = await world.http.options(world.attachments)
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


async def test_what_is_absent_is_not_routed() -> None:
    offered = {(route.method, route.path) for route in NAVARIK.routes}
    assert NAVARIK.absent
    for absent in NAVARIK.absent:
        assert (absent.method, absent.path) not in offered
        assert absent.why


@pytest.mark.parametrize(
    "accept", ["application/xml", "text/xml", "application/xml, text/xml;q=0.5", "application/atom+xml", "TEXT/XML"]
)
async def test_xml_alone_is_not_acceptable(world: World, accept: str) -> None:
    async with unchanged(world):
        for method, path in (
            ("GET", world.attachments),
            ("POST", world.attachments),
            ("GET", "/v2/organizations"),
            ("POST", "/v2/workspaces"),
            ("PATCH", f"{world.documents}/{world.document['id']}"),
        ):
            answer = await world.http.request(method, path, headers={"Accept": accept})
            assert message(answer, 406) == "Entities are sent as application/json only"


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/json", "application/xml, application/json", "text/html", ",", "x" * 9000]
)
async def test_everything_else_gets_json(world: World, accept: str) -> None:
    answer = await world.http.get(world.attachments, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
