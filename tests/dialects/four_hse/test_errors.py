"""Every failure in the vendor's shape."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from holdfast.core import errors
from holdfast.core.errors import HoldfastError
from holdfast.dialects.four_hse.errors import ERRORS, NAMES, Failure, FieldError, TokenError, Unprocessable
from holdfast.web import problems
from holdfast.web.problems import FAILURES, RouteNotFound, lookup
from holdfast.web.reply import Reply
from tests.dialects.four_hse.stage import PROJECT, ROOT, Stage, error, staged

ARGUMENTS: dict[type[HoldfastError], tuple[Any, ...]] = {
    errors.NotFound: ("attachment",),
    errors.TooLarge: (1000,),
    errors.RateLimited: (60,),
}
PATHS = ("/v2/attachment/view/x", "/v2/project/view/x", "/realms/4hse/protocol/openid-connect/token")


def answered(failure: HoldfastError, path: str, method: str = "GET") -> Reply:
    call: Any = SimpleNamespace(req=SimpleNamespace(path=path, method=method))
    answer = lookup(ERRORS, type(failure))
    assert answer is not None
    return answer(failure, call)


@pytest.mark.parametrize("kind", FAILURES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("path", PATHS)
def test_every_failure_has_this_apis_own_shape(kind: type[HoldfastError], path: str) -> None:
    reply = answered(kind(*ARGUMENTS.get(kind, ())), path)
    assert isinstance(reply.body, bytes)
    assert reply.status >= 400
    if path == PATHS[2]:
        assert msgspec.json.decode(reply.body, type=TokenError).error
        return
    body = msgspec.json.decode(reply.body, type=Failure)
    assert (body.status, body.name, body.code) == (reply.status, NAMES[reply.status], 0)
    assert body.message


@pytest.mark.parametrize(
    ("failure", "method", "status", "message"),
    [
        (errors.Invalid("No"), "POST", 400, "Bad request: No"),
        (errors.Conflict("x"), "POST", 409, "Destination path already exists"),
        (errors.TooLarge(5), "POST", 413, "File size is too large"),
        (problems.InternalError(), "POST", 500, "Failed to create for unknown reason"),
        (errors.ContentLost(), "PUT", 500, "Unable to rename file or folder"),
        (problems.InternalError(), "GET", 500, "An internal server error occurred."),
        (errors.NotFound("folder"), "PUT", 404, "Attachment not found"),
        (errors.OutOfScope(), "GET", 403, "Outside the caller's scope"),
        (errors.StorageFull(), "POST", 507, "Insufficient storage"),
        (RouteNotFound("/x"), "GET", 404, "No such path"),
    ],
)
def test_the_texts_are_those_of_the_vendors_page(
    failure: HoldfastError, method: str, status: int, message: str
) -> None:
    reply = answered(failure, "/v2/attachment/x", method)
    assert isinstance(reply.body, bytes)
    assert msgspec.json.decode(reply.body, type=Failure) == Failure(NAMES[status], message, status)


def test_fields_that_are_wrong_are_listed() -> None:
    reply = answered(Unprocessable({"a": "b", "c": "d"}), "/v2/project/create", "POST")
    assert isinstance(reply.body, bytes)
    assert (reply.status, msgspec.json.decode(reply.body, type=list[FieldError])) == (
        422,
        [FieldError("a", "b"), FieldError("c", "d")],
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/attachment", 404),
        ("GET", "/v2/attachment/", 404),
        ("GET", "/v2/attachment/nothing/x", 404),
        ("GET", "/v2/attachment/views/x", 404),
        ("PUT", "/v2/attachment/view/x", 404),
        ("DELETE", "/v2/attachment/update/x", 404),
        ("POST", "/v2/attachment/", 400),
        ("GET", "/v2/attachment/index", 405),
        ("GET", "/v2/attachment/create", 405),
        ("PATCH", f"/v2/attachment/view/{ROOT}", 405),
        ("GET", "/v2/entity-attachment", 404),
        ("GET", "/v2/entity-attachment/x", 404),
        ("POST", "/v2/entity-attachment/view/x", 405),
        ("GET", "/v2/project", 404),
        ("GET", "/v2/project/view/a/b", 404),
        ("POST", f"/v2/project/view/{PROJECT}", 405),
        ("PATCH", f"/v2/project/update/{PROJECT}", 405),
        ("GET", "/v2/office/x", 404),
        ("GET", "/v2/certificate/x", 404),
        ("GET", "/v2/action/x", 404),
        ("GET", "/v2/person-office/x", 404),
        ("POST", "/v2/person-office/view/x", 405),
    ],
)
async def test_a_path_or_method_that_is_not_offered(stage: Stage, method: str, path: str, status: int) -> None:
    response = await stage.http.request(method, path)
    assert error(response)[:2] == (status, NAMES[status])
    if status == 405:
        assert method not in response.headers["Allow"].split(", ")


async def test_a_body_that_is_too_large_for_any_call(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        huge = b'{"name": "' + b"x" * (2 << 20) + b'"}'
        headers = {"Content-Type": "application/json"}
        response = await stage.http.post("/v2/project/create", content=huge, headers=headers)
        assert error(response)[:2] == (413, "Request Entity Too Large")


async def test_a_body_in_another_type(stage: Stage) -> None:
    for path in ("project/create", "project/index", "entity-attachment/create", "attachment/index"):
        response = await stage.http.post(f"/v2/{path}", content=b"<x/>", headers={"Content-Type": "application/xml"})
        assert error(response)[:2] == (415, "Unsupported Media Type")


async def test_a_fault_of_the_server_says_nothing_of_itself(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("holdfast.dialects.four_hse.uploads.normal", broken)
    assert error(await stage.put(ROOT, "a.pdf")) == (
        500,
        "Internal Server Error",
        "Failed to create for unknown reason",
    )
    monkeypatch.setattr("holdfast.dialects.four_hse.attachments.absolute", broken)
    assert error(await stage.move(ROOT, "/x"))[2] == "Unable to rename file or folder"


async def test_lost_bytes_are_a_fault_that_is_told(stage: Stage) -> None:
    path = await stage.upload(ROOT, "a.bin", b"x" * (300 << 10))
    for file in (stage.house.settings.data / "blobs").rglob("*"):
        if file.is_file():
            file.unlink()
    assert error(await stage.view(path))[:2] == (500, "Internal Server Error")
