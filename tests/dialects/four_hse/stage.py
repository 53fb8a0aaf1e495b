"""A whole installation that speaks 4HSE, and short words for what tests do with it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from holdfast.app import Options
from holdfast.core.credentials import Grant
from holdfast.core.store import Desk
from tests.dialects.four_hse.promise import Promise, promised
from tests.installation import Installation, installed

PROJECT = "b5a7d602-3fc9-4e2a-9d1a-6e5b4c8f7a01"
OTHER = "569bc3c7-ead1-41e8-85ab-fdccf7085c5f"
ENTITY = "db7d0826-e572-4f7b-b4a7-69e7534b1634"
LINK = "576331b6-fee8-4949-8bd9-d839202fb6e0"
OFFICE = "0f8fad5b-d9cb-469f-a165-70867728950e"
NOWHERE = "97b28627-d690-40f6-988e-018b28e5cf3e"
NAME = "Acme Construction Ltd"
ROOT = f"/projects/{PROJECT}"
PDF = b"%PDF-1.4\n" + bytes(range(256)) * 4
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
JSON: dict[str, Any] = {"Accept": "application/json"}
"""Headers that ask for metadata."""


def digest(path: str) -> str:
    """The attachment_id of a path."""
    return md5(path.encode(), usedforsecurity=False).hexdigest()


@dataclass
class Stage:
    """One account with a client that may do everything; every reply is held against the OpenAPI document."""

    house: Installation
    http: httpx.AsyncClient
    promise: Promise = field(default_factory=promised)

    def watched(self, client: httpx.AsyncClient) -> httpx.AsyncClient:
        client.event_hooks = {"response": [self.promise.check]}
        return client

    async def client(self, *permissions: str, account: str = "acme", scopes: Sequence[str] = ()) -> httpx.AsyncClient:
        return self.watched(await self.house.client(*permissions, account=account, scopes=scopes))

    async def user(self, email: str = "ada@example.com", password: str = "correct horse") -> None:
        """A person who may do everything."""
        number = (await self.house.account()).number
        await self.house.operator.credentials.add_user(number, email, "Ada", password, Grant())

    async def desk(self) -> Desk:
        return await self.house.desk()

    async def held(self, account: str = "acme") -> tuple[int, int, int]:
        """Attachments, bytes and events of the account: whatever changes, changes these."""
        usage = await (await self.house.desk(account)).usage()
        return usage.attachments, usage.bytes, usage.event

    # ------------------------------------------------------------ making things

    async def made(self, kind: str, client: httpx.AsyncClient | None = None, **fields: Any) -> dict[str, Any]:
        response = await (client or self.http).post(f"/v2/{kind}/create", json=fields)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def project(self, id: str = PROJECT, name: str = NAME, client: httpx.AsyncClient | None = None) -> str:
        await self.made("project", client, project_id=id, name=name, country="IT")
        return f"/projects/{id}"

    async def office(self, name: str = "Milan", id: str = OFFICE, project: str = PROJECT) -> str:
        await self.made("office", office_id=id, project_id=project, name=name)
        return f"/projects/{project}/offices/{name}"

    async def certificate(self, id: str = ENTITY, project: str = PROJECT, **fields: Any) -> str:
        told: dict[str, Any] = {"name": "First aid", "date_release": "2026-01-31", "action_type": "TRAINING", **fields}
        await self.made("certificate", certificate_id=id, resource_id=NOWHERE, tenant_id=project, **told)
        return id

    async def put(
        self,
        folder: str,
        name: str,
        content: bytes = PDF,
        *,
        type: str = "application/pdf",
        client: httpx.AsyncClient | None = None,
        **fields: object,
    ) -> httpx.Response:
        """POST a file to a folder."""
        return await (client or self.http).post(
            f"/v2/attachment/{quote(folder, safe='')}",
            data={"path": name, **fields},
            files={"file": (name, content, type)},
        )

    async def upload(self, folder: str, name: str, content: bytes = PDF, **options: Any) -> str:
        """A file that is there; its path."""
        response = await self.put(folder, name, content, **options)
        assert response.status_code == 201, response.text
        return str(response.json()["attachment_path"])

    async def folder(self, above: str, name: str) -> str:
        response = await self.http.post(f"/v2/attachment/{quote(above, safe='')}", json={"path": name})
        assert response.status_code == 201, response.text
        return str(response.json()["attachment_path"])

    async def link(self, path: str, entity: str = ENTITY, **fields: Any) -> dict[str, Any]:
        return await self.made("entity-attachment", attachment_path=path, entity_id=entity, **fields)

    # ------------------------------------------------------------ asking

    async def view(self, id: str, client: httpx.AsyncClient | None = None, **headers: Any) -> httpx.Response:
        return await (client or self.http).get(f"/v2/attachment/view/{quote(id, safe='')}", headers=headers)

    async def described(self, id: str) -> dict[str, Any]:
        response = await self.view(id, Accept="application/json")
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def move(self, id: str, target: object, client: httpx.AsyncClient | None = None) -> httpx.Response:
        return await (client or self.http).put(f"/v2/attachment/update/{quote(id, safe='')}", json={"path": target})

    async def delete(
        self, id: str, force: str | None = None, client: httpx.AsyncClient | None = None
    ) -> httpx.Response:
        params = {} if force is None else {"force": force}
        return await (client or self.http).delete(f"/v2/attachment/delete/{quote(id, safe='')}", params=params)

    async def search(self, client: httpx.AsyncClient | None = None, /, **body: Any) -> httpx.Response:
        return await (client or self.http).post("/v2/attachment/index", json=body)

    async def paths(self, client: httpx.AsyncClient | None = None, **body: object) -> list[str]:
        response = await self.search(client, **{"per-page": 1000, **body})
        assert response.status_code == 200, response.text
        return [item["attachment_path"] for item in response.json()]

    async def links_of(self, entity: str = ENTITY, **body: object) -> list[str]:
        response = await self.http.post("/v2/entity-attachment/index", json={"entity_id": entity, **body})
        assert response.status_code == 200, response.text
        return [item["attachment_path"] for item in response.json()]


def error(response: httpx.Response) -> tuple[int, str, str]:
    """Status, name and message of a failure in the vendor's shape."""
    body = response.json()
    assert set(body) == {"name", "message", "code", "status"}, body
    assert (body["code"], body["status"]) == (0, response.status_code)
    return response.status_code, body["name"], body["message"]


def wrong(response: httpx.Response) -> dict[str, str]:
    """The fields of a 422."""
    assert response.status_code == 422, response.text
    return {each["field"]: each["message"] for each in response.json()}


@asynccontextmanager
async def staged(folder: Path, options: Options | None = None, **settings: Any) -> AsyncIterator[Stage]:
    async with installed(folder, options, **settings) as house, await house.client() as http:
        stage = Stage(house, http)
        stage.watched(http)
        yield stage


def chosen(**choices: str | int) -> Options:
    """An application with these choices of the operator."""
    options: Mapping[str, Mapping[str, str | int]] = {"four_hse": choices}
    return Options(choices=options)
