"""Holds every reply against the OpenAPI document of the dialect."""

import re
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from holdfast.dialects.propops import PROPOPS
from holdfast.web.openapi import describe

EVERYWHERE = frozenset({"x-response-time-ms", "x-db-query-time-ms", "x-request-id"})


class Promise:
    """The document, ready to be asked about replies."""

    def __init__(self) -> None:
        self._document = describe(PROPOPS)
        self._paths = [
            (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), item)
            for path, item in self._document["paths"].items()
        ]

    async def check(self, response: httpx.Response) -> None:
        """Raises `AssertionError` for a status, header, media type or body that the document does not promise."""
        assert set(response.headers) >= EVERYWHERE
        path = response.request.url.raw_path.decode().partition("?")[0]
        item = next((item for pattern, item in self._paths if pattern.fullmatch(path)), None)
        method = response.request.method.lower()
        operation = None if item is None else item.get("get" if method == "head" else method)
        if operation is None:
            return
        promised = operation["responses"].get(str(response.status_code))
        assert promised is not None, f"{method} {path}: {response.status_code} is not promised"
        await response.aread()
        if method != "head":
            self._check_body(promised, response)

    def _check_body(self, promised: dict[str, Any], response: httpx.Response) -> None:
        content = promised.get("content", {})
        if not content:
            assert response.content == b""
            return
        media_type = response.headers["content-type"]
        if media_type not in content:
            assert "*/*" in content, f"{media_type} is not promised"
            return
        schema = content[media_type]["schema"]
        if schema.get("format") != "binary":
            whole = {**schema, "components": self._document["components"]}
            body = response.json() if media_type == "application/json" else response.text
            Draft202012Validator(whole).validate(body)


@cache
def promised() -> Promise:
    """The one of all tests: the document is the same in each."""
    return Promise()
