"""Holds every reply against the OpenAPI document of the dialect."""

import re
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from holdfast.dialects.property_deck import PROPERTY_DECK
from holdfast.web.openapi import describe


class Promise:
    """The document, ready to be asked about replies."""

    def __init__(self) -> None:
        self._document = describe(PROPERTY_DECK)
        self._paths = [
            (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), item)
            for path, item in self._document["paths"].items()
        ]

    async def check(self, response: httpx.Response) -> None:
        """Raises `AssertionError` for a status, media type or body that the document does not promise."""
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
        elif "*/*" not in content:
            schema = content[response.headers["content-type"]]["schema"]
            whole = {**schema, "components": self._document["components"]}
            Draft202012Validator(whole).validate(response.json())


@cache
def promised() -> Promise:
    """The one of all tests: the document is the same in each."""
    return Promise()
