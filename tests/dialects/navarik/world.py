"""A workspace of two organizations with one document in it, and a client that sees it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from holdfast.core.model import Ledger
from tests.dialects.navarik.truth import check
from tests.installation import Installation

PDF = b"%PDF-1.4\n%certificate\n"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def watched(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same client; every answer that it gets is held against the route table."""
    client.event_hooks["response"].append(check)
    return client


def good(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def message(answer: httpx.Response, status: int) -> str:
    """The one sentence of a refusal."""
    told = good(answer, status)
    assert set(told) == {"message"}
    return str(told["message"])


@dataclass(frozen=True)
class World:
    house: Installation
    http: httpx.AsyncClient
    account: str
    shipper: dict[str, Any]
    inspector: dict[str, Any]
    workspace: dict[str, Any]
    document: dict[str, Any]

    @property
    def documents(self) -> str:
        return f"/v2/workspaces/{self.workspace['id']}/documents"

    @property
    def attachments(self) -> str:
        return f"{self.documents}/{self.document['id']}/attachments"

    async def upload(self, name: str = "coa.pdf", data: bytes = PDF, **params: str) -> dict[str, Any]:
        answer = await self.http.post(self.attachments, params=params, files={"file": (name, data)})
        made: dict[str, Any] = good(answer, 201)
        return made

    async def listed(self, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = good(await self.http.get(self.attachments, params=params))
        return found

    async def ledger(self) -> Ledger:
        """What the account holds, and how many changes it has seen."""
        return await (await self.house.desk(self.account)).usage()

    async def client(self, *permissions: str, scopes: tuple[str, ...] = ()) -> httpx.AsyncClient:
        return watched(await self.house.client(*permissions, account=self.account, scopes=scopes))

    def party(self, side: dict[str, Any]) -> tuple[str, ...]:
        """The scope of those who speak for that organization."""
        return (f"record:organization:{side['id']}",)


async def made(house: Installation, account: str = "acme") -> World:
    """A new world in an account, made through the API itself."""
    http = watched(await house.client(account=account))
    shipper = good(await http.post("/v2/organizations", json={"name": "Shipper", "category": "shipper"}), 201)
    inspector = good(await http.post("/v2/organizations", json={"name": "Inspector", "category": "inspector"}), 201)
    parties = {"client": {"id": shipper["id"], "xref": "abcd"}, "vendor": {"id": inspector["id"], "xref": "2345"}}
    workspace = good(await http.post("/v2/workspaces", json={"description": "One", "parties": parties}), 201)
    new = {"type": "demo.doc", "body": {"a": 1}}
    document = good(await http.post(f"/v2/workspaces/{workspace['id']}/documents", json=new), 201)
    return World(house, http, account, shipper, inspector, workspace, document)


@asynccontextmanager
async def unchanged(world: World) -> AsyncIterator[None]:
    """Fails if the account holds anything else afterwards, or has one event more."""
    before = await world.ledger()
    yield
    assert await world.ledger() == before
