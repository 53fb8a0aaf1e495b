"""Every failure in the vendor's object, with a code of its closed list (contract section 3, errors)."""

from typing import Any, cast

import msgspec
import pytest

from holdfast.core import errors
from holdfast.core.errors import HoldfastError
from holdfast.dialects.case_iq import CASE_IQ
from holdfast.dialects.case_iq.errors import CODES
from holdfast.web.dialect import Call
from holdfast.web.problems import FAILURES, MethodNotAllowed, NotAcceptable, lookup
from tests.dialects.case_iq.harness import NOWHERE, TOKEN, CaseIq, check_error
from tests.installation import Installation

STATUSES: dict[type[HoldfastError], int] = {
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.OutOfScope: 404,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Stale: 409,
    errors.RateLimited: 429,
    errors.ContentLost: 500,
    errors.Unavailable: 500,
    errors.StorageFull: 500,
    MethodNotAllowed: 405,
    NotAcceptable: 400,
}
"""What is not named here, and is no fault of the server, is 400."""


class _Request:
    def __init__(self, method: str, path: str) -> None:
        self.method, self.path = method, path


class _Call:
    def __init__(self, method: str, path: str) -> None:
        self.req = _Request(method, path)


def answer(
    kind: type[HoldfastError], method: str = "GET", path: str = "/api-public/1.0/attachments"
) -> tuple[int, Any]:
    entry = lookup(CASE_IQ.errors, kind)
    assert entry is not None
    error = kind(cast(Any, 7 if kind in {errors.TooLarge, errors.RateLimited} else "case"))
    reply = entry(error, cast(Call, _Call(method, path)))
    assert isinstance(reply.body, bytes)
    assert reply.media_type == "application/json"
    return reply.status, msgspec.json.decode(reply.body)


def expected(kind: type[HoldfastError]) -> int:
    found = lookup(STATUSES, kind)
    return found if found is not None else 500 if kind.__name__ == "InternalError" else 400


@pytest.mark.parametrize("kind", FAILURES)
def test_every_failure_has_its_status_and_code(kind: type[HoldfastError]) -> None:
    status, body = answer(kind)
    assert status == expected(kind)
    assert set(body) == {"name", "httpstatus", "meta", "message"}
    assert (body["name"], body["httpstatus"], body["message"]) == ("SERVICE_ACCOUNT_ERROR", status, CODES[status])
    assert body["meta"]["message"]


@pytest.mark.parametrize("kind", FAILURES)
def test_at_the_token_endpoint_they_have_oauths_shape_where_oauth_has_one(kind: type[HoldfastError]) -> None:
    status, body = answer(kind, "POST", TOKEN)
    assert status == expected(kind)
    if status in {400, 401, 429, 500}:
        assert set(body) == {"error", "error_description"}
    else:
        assert body["name"] == "SERVICE_ACCOUNT_ERROR"


def test_the_list_of_codes_is_closed() -> None:
    assert set(CODES) == {400, 401, 403, 404, 405, 409, 429, 500}


async def test_unclaimed_paths_below_the_prefixes_are_404_in_the_same_shape(house: Installation) -> None:
    stranger = CaseIq(house.bare_client())
    for path in (
        "",
        "/",
        "/attachment",
        "/attachments/",
        "/attachment/a/b/c",
        "/nothing",
        "/case/",
        f"/case/{NOWHERE}/x",
    ):
        check_error(await stranger.send("GET", f"/api-public/1.0{path}"), 404, "No such path")
    outside = await stranger.http.get("/api-public/2.0/attachments")
    assert outside.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("absent", CASE_IQ.absent, ids=lambda absent: f"{absent.method} {absent.path}")
async def test_what_is_listed_as_absent_is_absent(iq: CaseIq, house: Installation, absent: Any) -> None:
    case = await iq.case()
    before = await (await house.desk()).usage()
    response = await iq.send(absent.method, absent.path.replace("{id}", case).replace("{entity_id}", "x"), json={})
    check_error(response, 405 if "{id}" in absent.path else 404)
    assert absent.why
    assert await (await house.desk()).usage() == before


async def test_other_methods_are_405_and_name_those_that_are_offered(iq: CaseIq) -> None:
    for method, path, allow in (
        ("POST", "/attachments", "GET, HEAD, OPTIONS"),
        ("GET", "/save_file", "OPTIONS, POST"),
        ("DELETE", "/save_file", "OPTIONS, POST"),
        ("PATCH", "/cases", "GET, HEAD, OPTIONS"),
        ("DELETE", "/case", "OPTIONS, POST"),
    ):
        response = await iq.send(method, path)
        check_error(response, 405)
        assert response.headers["allow"] == allow


async def test_options_tells_what_is_offered(iq: CaseIq) -> None:
    response = await iq.send("OPTIONS", "/attachments")
    assert (response.status_code, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("path", ["/attachment/%ZZ", "/attachment/%FF", "/attachment/%00", "/case/%C3%28"])
async def test_paths_that_are_not_text_are_bad_requests(iq: CaseIq, path: str) -> None:
    check_error(await iq.http.get(f"/api-public/1.0{path}"), 400)


async def test_a_compressed_body_is_a_bad_request(iq: CaseIq) -> None:
    told = {"content": b"{}", "headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"}}
    check_error(await iq.send("POST", "/case", **told), 400)


async def test_a_fault_of_ours_says_nothing_of_the_house(
    iq: CaseIq, house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_secret: str) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(house.store, "identify", broken)
    response = await iq.http.get("/api-public/1.0/attachments")
    check_error(response, 500, "Internal server error")
