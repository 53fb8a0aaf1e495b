"""A whole installation that speaks Property Deck, and short words for what tests do with it."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from msgspec import structs

from holdfast.app import Options, build
from holdfast.core.credentials import Grant
from holdfast.core.store import Store
from holdfast.dialects import ALL
from tests.dialects.property_deck.promise import Promise, promised
from tests.installation import Installation, installed

PDF = b"%PDF-1.4\n" + bytes(range(256)) * 4
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
NOWHERE = "97b28627-d690-40f6-988e-018b28e5cf3e"


@dataclass
class Hand:
    """A clock that only tests move; in microseconds."""

    now: int = 1_400_000_000_000_000

    def __call__(self) -> int:
        return self.now

    def seconds(self) -> float:
        return self.now / 1_000_000


@dataclass
class Stage:
    """One account with a client that may do everything; every reply is held against the OpenAPI document."""

    house: Installation
    http: httpx.AsyncClient
    promise: Promise = field(default_factory=promised)

    def watched(self, client: httpx.AsyncClient) -> httpx.AsyncClient:
        client.event_hooks = {"response": [self.promise.check]}
        return client

    async def client(self, *permissions: str, account: str = "acme", scopes: tuple[str, ...] = ()) -> httpx.AsyncClient:
        return self.watched(await self.house.client(*permissions, account=account, scopes=scopes))

    async def user(self, email: str) -> None:
        """A person who may do everything."""
        number = (await self.house.account()).number
        await self.house.operator.credentials.add_user(number, email, "Ada", "correct horse", Grant())

    async def session(self, email: str) -> httpx.AsyncClient:
        """One more token of that person."""
        session = await self.house.store.sign_in(email, "correct horse", lifetime=3600)
        return self.watched(self.house.bare_client(session.secret))

    async def contact(self, **fields: object) -> str:
        return await self.made("/contacts", {"name": "Ada", "email": "ada@example.com", **fields})

    async def property(self, **fields: object) -> str:
        return await self.made("/properties", {"address": "1 Harbour Street", **fields})

    async def made(self, path: str, fields: dict[str, object]) -> str:
        response = await self.http.post(path, json=fields)
        assert response.status_code == 201, response.text
        return str(response.json()["data"]["uuid"])

    async def upload(
        self, parent: str, name: str = "example.pdf", content: bytes = PDF, **fields: str
    ) -> dict[str, Any]:
        """Upload below `/contacts/…` or `/properties/…`."""
        type = fields.pop("type", "application/pdf")
        files = {"upload": (name, content, type)}
        response = await self.http.post(f"{parent}/attachments", files=files, data=fields)
        assert response.status_code == 201, response.text
        found: dict[str, Any] = response.json()["data"]
        return found

    async def listed(self, query: str = "", path: str = "/attachments") -> list[str]:
        """The uuids that a list gives."""
        return [row["uuid"] for row in (await self.page(query, path))["data"]]

    async def page(self, query: str = "", path: str = "/attachments") -> dict[str, Any]:
        response = await self.http.get(f"{path}?{query}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Nothing in the account changes in here: no event, no byte, no attachment."""
        desk = await self.house.desk()
        before = await desk.usage()
        yield
        assert await desk.usage() == before


@asynccontextmanager
async def staged(
    folder: Path,
    *,
    rates: Mapping[str, int | None] | None = None,
    hand: Hand | None = None,
    choices: Mapping[str, str | int] | None = None,
    **settings: object,
) -> AsyncIterator[Stage]:
    """Open a stage in the folder, by default without a rate; with `hand`, all its times come from there."""
    rates = {"property_deck": None} if rates is None else rates
    clock = time.time if hand is None else hand.seconds
    options = Options(rates=rates, clock=clock, choices={"property_deck": choices or {}})
    async with installed(folder, options, ALL, **settings) as opened:
        house = opened
        if hand is not None:
            store = Store(structs.replace(opened.store._engines, clock=hand), opened.store.policy)
            house = Installation(store, build(store, ALL, options), opened.settings)
        stage = Stage(house, await house.client())
        stage.watched(stage.http)
        yield stage


def refusal(response: httpx.Response) -> dict[str, str]:
    """What is said of each field of a refused input."""
    assert response.status_code == 422, response.text
    body = response.json()
    assert body["message"] == "The given data was invalid."
    assert all(len(texts) == 1 for texts in body["errors"].values())
    return {field: texts[0] for field, texts in body["errors"].items()}
