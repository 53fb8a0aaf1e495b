"""Every answer that a test sees is held against what the route table says of it."""

from functools import cache
from typing import Any

import httpx
import jsonschema
import msgspec

from holdfast.dialects.navarik import NAVARIK
from holdfast.dialects.navarik.shapes import Failure
from holdfast.web.dialect import Response, Route

UNROUTED = frozenset({404, 405, 400})
"""Said of paths and methods that no route has, and of paths that cannot be read."""


def _fits(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        want == have or (want.startswith("{") and have) for want, have in zip(wanted, given, strict=True)
    )


def route_of(method: str, path: str) -> Route | None:
    """The route that answers, if the path with the fewest fields has the method."""
    bare = path.removeprefix("/bridge")
    found = {route.path for route in NAVARIK.routes if _fits(route.path, bare)}
    nearest = min(found, key=lambda template: template.count("{"), default=None)
    return next((route for route in NAVARIK.routes if (route.method, route.path) == (method, nearest)), None)


@cache
def validator(type: Any) -> jsonschema.Draft202012Validator:
    schema = type if isinstance(type, dict) else msgspec.json.schema(type)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


async def check(answer: httpx.Response) -> None:
    """Fails unless the status is among those that the route lists, with a body of the type that it lists."""
    await answer.aread()
    method = {"HEAD": "GET"}.get(answer.request.method, answer.request.method)
    route = route_of(method, answer.request.url.path)
    if route is None:
        if method == "OPTIONS":
            assert answer.status_code in {204, 404}
            return
        assert answer.status_code in UNROUTED, answer.text
        described = Response("", {"application/json": Failure})
    else:
        listed = route.operation.responses
        assert answer.status_code in listed, f"{method} {route.path} does not list {answer.status_code}"
        described = listed[answer.status_code]
    _check_body(answer, described)


def _check_body(answer: httpx.Response, described: Response) -> None:
    if answer.request.method == "HEAD":
        assert answer.content == b""
        return
    if "application/json" in described.content:
        assert answer.headers["content-type"] == "application/json"
        validator(described.content["application/json"]).validate(answer.json())
    elif not described.content:
        assert answer.content == b""
