"""Holds every reply against the OpenAPI document of the dialect."""

import re
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from holdfast.dialects.four_hse import FOUR_HSE
from holdfast.web.openapi import describe

STREAM = "*/*"


class Promise:
    """The document, ready to be asked about replies."""

    def __init__(self) -> None:
        self._document = describe(FOUR_HSE)
        self._paths = [(self._pattern(path), item) for path, item in self._document["paths"].items()]

    @staticmethod
    def _pattern(path: str) -> re.Pattern[str]:
        return re.compile(re.escape(path).replace(r"\{rest\}", ".*").replace(r"\{id\}", "[^/]+"))

    async def check(self, response: httpx.Response) -> None:
        """Raises `AssertionError` for a status, media type or body that the document does not promise."""
        path = response.request.url.raw_path.decode().partition("?")[0]
        item = next((item for pattern, item in self._paths if pattern.fullmatch(path)), None)
        method = response.request.method.lower()
        operation = None if item is None else item.get("get" if method == "head" else method)
        if operation is None:
            return
        responses = operation["responses"]
        promised = responses.get(str(response.status_code), responses["default"])
        await response.aread()
        if method != "head":
            self._check_body(promised, response)

    def _check_body(self, promised: dict[str, Any], response: httpx.Response) -> None:
        content = promised.get("content", {})
        if not content:
            assert response.content == b""
            return
        kind = response.headers["content-type"]
        if kind in content and content[kind].get("schema"):
            whole = {**content[kind]["schema"], "components": self._document["components"]}
            Draft202012Validator(whole).validate(response.json())
        else:
            assert STREAM in content, kind


@cache
def promised() -> Promise:
    """The one of all tests: the document is the same in each."""
    return Promise()
