"""Every failure in the vendor's own shape, on both halves of the API."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from falcon.asgi import Request

from holdfast.core import errors
from holdfast.core.errors import HoldfastError
from holdfast.core.store import Store
from holdfast.dialects import ALL
from holdfast.dialects.propops import PROPOPS
from holdfast.web.auth import Site
from holdfast.web.dialect import Call
from holdfast.web.limits import Counters
from holdfast.web.problems import FAILURES, lookup
from holdfast.web.wire import Pace, Wire
from tests.dialects.propops.stage import Stage, staged

STATUSES = {
    "Unauthenticated": 401, "Forbidden": 403, "OutOfScope": 403, "PartlyOutOfScope": 403, "NotFound": 404,
    "Invalid": 400, "Malformed": 400, "Incomplete": 400, "DigestMismatch": 400, "KeyReused": 400, "Conflict": 409,
    "Stale": 409, "TooLarge": 413, "UnsupportedType": 415, "QuotaExceeded": 400, "RateLimited": 429,
    "ContentLost": 404, "Unavailable": 503,
    "StorageFull": 507,
    "RouteNotFound": 404, "MethodNotAllowed": 405, "NotAcceptable": 406, "LengthRequired": 411, "TooSlow": 408,
    "InternalError": 500,
}  # fmt: skip


def call_of(path: str) -> Call:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "http_version": "1.1"}

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        raise AssertionError

    req = Request(scope, receive)
    wire = Wire(scope, receive, send, Pace())
    return Call(
        req, cast(Store, None), wire, Site(), Counters(lambda: 0.0), "", 0.0, lambda: 0.0, 0, "", dialect=PROPOPS
    )


def sample(kind: type[HoldfastError]) -> HoldfastError:
    if issubclass(kind, errors.TooLarge | errors.RateLimited):
        return kind(1)
    return kind("thing")


@pytest.mark.parametrize("kind", FAILURES, ids=lambda kind: kind.__name__)
def test_every_failure_has_its_status_and_its_shape(kind: type[HoldfastError]) -> None:
    answer = lookup(PROPOPS.errors, kind)
    assert answer is not None
    spoken = answer(sample(kind), call_of("/api/jobs/manage"))
    plain = answer(sample(kind), call_of("/attachment/x"))
    assert spoken.status == plain.status == STATUSES[kind.__name__]
    assert isinstance(spoken.body, bytes)
    assert spoken.body.startswith(b'{"success":false,"error":"')
    assert (spoken.media_type, plain.media_type) == ("application/json", "text/plain; charset=utf-8")


def test_every_failure_there_is_is_known_here() -> None:
    assert {kind.__name__ for kind in FAILURES} == set(STATUSES)


def envelope(response: httpx.Response, status: int) -> str:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert (set(body), body["success"]) == ({"success", "error"}, False)
    return str(body["error"])


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nowhere", "/api/jobs", "/api/jobs/documents/x", "/api/auth"])
async def test_an_unclaimed_path_is_not_found_in_the_envelope(stage: Stage, path: str) -> None:
    assert envelope(await stage.me.get(path), 404) == "Resource not found"


async def test_every_path_refuses_the_methods_that_it_has_not(stage: Stage) -> None:
    for route in PROPOPS.routes:
        path = route.path.replace("{uuid}", "x")
        response = await stage.me.http.request("PATCH", path)
        assert response.status_code == 405
        assert response.headers["allow"]
        if path.startswith("/api"):
            assert envelope(response, 405) == "Method not allowed"
        else:
            assert response.text == "Method not allowed"


async def test_no_path_answers_without_a_token_but_those_that_give_one(stage: Stage) -> None:
    nobody = await stage.nobody()
    for route in PROPOPS.routes:
        if not route.public:
            path = route.path.replace("{uuid}", "x")
            assert (await nobody.http.request(route.method, path)).status_code == 401


async def test_a_token_of_any_other_form_is_no_token(stage: Stage) -> None:
    for value in ("Bearer", "Bearer  ", "Basic abc", "Bearer " + "0" * 64, "Bearer é", "0" * 64):
        headers = {b"Authorization": value.encode()}
        response = await stage.house.bare_client().get("/api/jobs/manage", headers=headers)
        assert envelope(response, 401) == "Authentication required. Please log in."


async def test_a_body_beyond_every_limit_is_refused_in_the_envelope(stage: Stage) -> None:
    headers = {"Content-Type": "application/json", "X-CSRF-Token": stage.me.csrf}
    async with stage.unchanged():
        response = await stage.me.http.post("/api/jobs/manage", content=b" " * (1 << 21), headers=headers)
    envelope(response, 413)


BROKEN = [
    b"", b"{", b"[]", b"null", b'"text"', b"\xff", b'{"job_title":"\\u0000"}', b'{"job_title":"\\ud83d"}', b"{" * 5000,
    b'{"job_title":NaN}', b'{"csrf_token":"\\ud83d","job_title":"x"}',
]  # fmt: skip


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("path", ["/api/jobs/manage", "/api/jobs/case-notes", "/api/auth/login"])
async def test_broken_json_is_refused_and_changes_nothing(stage: Stage, path: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "X-CSRF-Token": stage.me.csrf}
    async with stage.unchanged():
        response = await stage.me.http.post(path, content=body, headers=headers)
        assert response.status_code in {400, 403}
        envelope(response, response.status_code)


async def test_a_fault_of_ours_says_no_more_than_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged(tmp_path) as stage:

        async def broken(*_: object) -> None:
            raise RuntimeError("secret-of-the-house")

        engines = stage.house.store._engines
        monkeypatch.setattr(type(engines.catalog), "find", broken)
        response = await stage.me.get("/api/jobs/manage")
        assert envelope(response, 500) == "Internal server error"


def test_the_prefixes_are_claimed_once() -> None:
    assert PROPOPS in ALL
    assert PROPOPS.prefixes == ("/attachment", "/api")
