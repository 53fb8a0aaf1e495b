"""A Case IQ client as a customer would write it, whose every answer is held against the published description."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import httpx
import jsonschema

from holdfast.dialects.case_iq import CASE_IQ
from holdfast.web.openapi import describe

API = "/api-public/1.0"
TOKEN = "/auth/oauth2/token"
NOWHERE = "00000000-0000-4000-8000-000000000000"

Json = Any


@dataclass(frozen=True, slots=True)
class File:
    """A form's part that is a file."""

    name: str
    data: bytes = b"hello"
    type: str | None = "text/plain"
    encoding: str | None = None


Part = tuple[str, str | File]


def form(*parts: Part) -> dict[str, Any]:
    """A multipart body with its parts in exactly this order, as keywords for httpx."""
    boundary = f"boundary{uuid4().hex}"
    body = b""
    for name, value in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if isinstance(value, File):
            head += f'; filename="{value.name.replace(chr(34), "%22")}"'
            head += f"\r\nContent-Type: {value.type}" if value.type else ""
            head += f"\r\nContent-Transfer-Encoding: {value.encoding}" if value.encoding else ""
        data = value.data if isinstance(value, File) else value.encode()
        body += head.encode() + b"\r\n\r\n" + data + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return {"content": body, "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"}}


@cache
def document() -> Json:
    return describe(CASE_IQ)


def operation(method: str, path: str) -> Json | None:
    """What the description says of this request, None for what it does not know."""
    for template, operations in document()["paths"].items():
        if re.fullmatch(re.sub(r"\{[a-z]+\}", "[^/]+", template), path):
            return operations.get("get" if method == "HEAD" else method.lower())
    return None


def check_described(response: httpx.Response) -> None:
    """The answer's status is listed for its operation, and its body fits the schema."""
    assert response.status_code < 500 or response.status_code == 501
    described = operation(response.request.method, response.request.url.path)
    if described is None:
        assert response.status_code in {204, 404, 405}
        if response.status_code != 204:
            check_error(response, response.status_code)
        return
    responses = described["responses"]
    assert str(response.status_code) in responses, f"{response.status_code} is not listed"
    content = responses[str(response.status_code)].get("content", {})
    if "application/json" in content and response.request.method != "HEAD":
        assert response.headers["content-type"] == "application/json"
        schema = {**content["application/json"]["schema"], "components": document()["components"]}
        jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(response.json())


CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
}


def check_error(response: httpx.Response, status: int, detail: str | None = None) -> None:
    """The vendor's error object with the code of that status, and with that text where one is given."""
    assert response.status_code == status, response.text
    body = response.json()
    text = body["meta"]["message"]
    assert body == {
        "name": "SERVICE_ACCOUNT_ERROR",
        "httpstatus": status,
        "meta": {"message": text},
        "message": CODES[status],
    }
    assert text
    if detail is not None:
        assert text == detail


class CaseIq:
    """One caller."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def send(self, method: str, path: str, **told: Any) -> httpx.Response:
        """Any request; a path that begins with `/` and is not the token's stands below the API's prefix."""
        url = path if path.startswith(("/api-public", "/auth")) else API + path
        response = await self.http.request(method, url, **told)
        check_described(response)
        return response

    async def get(self, path: str, **told: Any) -> httpx.Response:
        return await self.send("GET", path, **told)

    async def case(self, **fields: Json) -> str:
        """A new case; its id."""
        response = await self.send("POST", "/case", json=fields)
        assert response.status_code == 201
        return str(response.json()["id"])

    async def save(self, *parts: Part) -> httpx.Response:
        """POST save_file with these parts."""
        return await self.send("POST", "/save_file", **form(*parts))

    async def file(self, case: str, name: str = "notes.txt", data: bytes = b"hello", **fields: str) -> Json:
        """A file on a case; its record."""
        response = await self.save(("caseId", case), *fields.items(), ("file", File(name, data)))
        assert response.status_code == 200, response.text
        return response.json()

    async def page(self, path: str = "/attachments", **query: Any) -> list[Json]:
        """The records of a list, whose count must be true."""
        response = await self.get(path, params=query)
        assert response.status_code == 200, response.text
        body = response.json()
        assert set(body) == {"records", "count"}
        assert body["count"] == len(body["records"])
        return list(body["records"])

    async def names(self, **query: Any) -> list[str]:
        return [record["name"] for record in await self.page(**query)]
