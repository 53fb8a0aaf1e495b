"""Every failure that can be answered has this API's own shape."""

from collections.abc import Iterator

import msgspec
import pytest

from holdfast.core import errors
from holdfast.core.errors import HoldfastError
from holdfast.core.store import Store
from holdfast.dialects.property_deck import PROPERTY_DECK
from holdfast.dialects.property_deck.errors import ERRORS, Failure
from holdfast.web.dialect import Absent
from holdfast.web.problems import FAILURES, lookup
from tests.dialects.property_deck.stage import NOWHERE, Stage

EXPECTED = {
    "Unauthenticated": (401, "Unauthenticated."),
    "Forbidden": (403, "Invalid scope(s) provided."),
    "OutOfScope": (404, "Not Found"),
    "PartlyOutOfScope": (404, "Not Found"),
    "NotFound": (404, "Not Found"),
    "RouteNotFound": (404, "Not Found"),
    "MethodNotAllowed": (405, "Method Not Allowed"),
    "NotAcceptable": (406, "Not Acceptable"),
    "TooSlow": (408, "Request Timeout"),
    "Conflict": (409, "Conflict"),
    "LengthRequired": (411, "Length Required"),
    "Stale": (412, "Precondition Failed"),
    "TooLarge": (413, "The request is larger than the limit of 7 bytes."),
    "QuotaExceeded": (413, "Quota exceeded"),
    "UnsupportedType": (415, "Unsupported media type"),
    "Invalid": (422, "The given data was invalid."),
    "Malformed": (400, "Malformed request"),
    "Incomplete": (400, "Incomplete body"),
    "DigestMismatch": (400, "Digest mismatch"),
    "KeyReused": (422, "The given data was invalid."),
    "RateLimited": (429, "Too Many Attempts."),
    "ContentLost": (500, "Server Error"),
    "InternalError": (500, "Server Error"),
    "Unavailable": (503, "Service Unavailable"),
    "StorageFull": (507, "Insufficient Storage"),
}


def made(kind: type[HoldfastError]) -> HoldfastError:
    if issubclass(kind, errors.TooLarge | errors.RateLimited):
        return kind(7)
    if kind is errors.NotFound:
        return errors.NotFound("attachment")
    return kind()


def leaves(kind: type[HoldfastError]) -> Iterator[type[HoldfastError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from leaves(below)


@pytest.mark.parametrize("kind", FAILURES, ids=lambda kind: kind.__name__)
def test_every_failure_has_a_status_and_a_message(kind: type[HoldfastError]) -> None:
    answer = lookup(ERRORS, kind)
    assert answer is not None
    reply = answer(made(kind), None)  # type: ignore[arg-type]
    assert isinstance(reply.body, bytes)
    body = msgspec.json.decode(reply.body, type=Failure)
    assert (reply.status, body.message) == EXPECTED[kind.__name__]
    assert reply.media_type == "application/json"
    assert (body.errors is not msgspec.UNSET) == (reply.status == 422)


def test_no_failure_of_the_product_is_without_an_entry() -> None:
    known = {kind for kind in leaves(HoldfastError) if kind.__module__.startswith("holdfast.")}
    assert all(lookup(ERRORS, kind) is not None for kind in known)


@pytest.mark.parametrize("prefix", PROPERTY_DECK.prefixes)
async def test_paths_that_nobody_offers_are_not_found_in_this_shape(stage: Stage, prefix: str) -> None:
    for path in (f"{prefix}/", f"{prefix}/a/b/c", f"{prefix}//", f"{prefix}/a%2Fb", f"{prefix}/a/"):
        response = await stage.http.get(path)
        assert (response.status_code, response.json()) == (404, {"message": "Not Found"}), path


@pytest.mark.parametrize("path", ["/attachments/%FF", "/contacts/%00", "/properties/%zz"])
async def test_paths_that_are_no_text_are_malformed(stage: Stage, path: str) -> None:
    response = await stage.http.get(path)
    assert (response.status_code, set(response.json())) == (400, {"message"})


@pytest.mark.parametrize("prefix", PROPERTY_DECK.prefixes)
async def test_a_fault_of_ours_says_nothing_of_itself(
    stage: Stage, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(Store, "desk", broken)
    response = await stage.http.get(prefix)
    assert (response.status_code, response.json()) == (500, {"message": "Server Error"})


async def test_methods_that_nobody_offers(stage: Stage) -> None:
    for method, path in [
        ("PATCH", "/contacts/x"),
        ("DELETE", "/contacts"),
        ("PUT", "/attachments"),
        ("TRACE", "/contacts"),
    ]:
        response = await stage.http.request(method, path)
        assert (response.status_code, response.json()) == (405, {"message": "Method Not Allowed"})


@pytest.mark.parametrize("absent", PROPERTY_DECK.absent, ids=lambda absent: f"{absent.method} {absent.path}")
async def test_what_is_left_out_is_not_half_there(stage: Stage, absent: Absent) -> None:
    response = await stage.http.request(absent.method, absent.path.replace("{uuid}", NOWHERE))
    assert response.status_code == 404
    assert absent.why
