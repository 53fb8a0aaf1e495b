"""A whole installation that speaks PropOps, and short words for what tests do with it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from msgspec import structs

from holdfast.app import Options, build
from holdfast.core.access import parse_scope
from holdfast.core.credentials import Grant
from holdfast.core.model import RecordRef
from holdfast.core.ports import BlobKey
from holdfast.core.records import NewRecord
from holdfast.core.store import Store
from holdfast.dialects import ALL
from tests.dialects.propops.promise import Promise, promised
from tests.installation import Installation, installed

PDF = b"%PDF-1.4\n" + bytes(range(256)) * 4
NOWHERE = "00000000-0000-0000-0000-000000000000"
PASSWORD = "correct horse"
DOCUMENTS = "/api/jobs/documents"
PHOTOS = "/api/jobs/photos"
NOTE_FILES = "/api/jobs/case-note-attachments"
BRANCH_FILES = "/api/agents/documents"
TARGETS = {DOCUMENTS: "job_uuid", PHOTOS: "job_uuid", NOTE_FILES: "case_note_uuid", BRANCH_FILES: "branch_id"}
IDS = {DOCUMENTS: "document_uuid", PHOTOS: "photo_uuid", NOTE_FILES: "attachment_uuid", BRANCH_FILES: "document_uuid"}
LISTS = {**{path: path for path in TARGETS}, BRANCH_FILES: "/api/agents/document-thumbnail"}


@dataclass
class Hand:
    """A clock that only tests move; in microseconds."""

    now: int = 1_717_250_400_000_000

    def __call__(self) -> int:
        return self.now

    def seconds(self) -> float:
        return self.now / 1_000_000


@dataclass
class Caller:
    """One client with its CSRF token; every reply is held against the OpenAPI document."""

    http: httpx.AsyncClient
    csrf: str = ""

    async def get(self, path: str, **query: object) -> httpx.Response:
        return await self.http.get(path, params={name: str(value) for name, value in query.items()})

    async def post(self, path: str, **fields: object) -> httpx.Response:
        return await self.http.post(path, json={"csrf_token": self.csrf, **fields})

    async def send(
        self, path: str, target: object, content: bytes = PDF, name: str = "example.pdf", **fields: str
    ) -> httpx.Response:
        """Upload a file."""
        form = {"action": "upload", TARGETS[path]: str(target), "csrf_token": self.csrf, **fields}
        part = "photo" if path == PHOTOS else "file"
        return await self.http.post(path, data=form, files={part: (name, content)})

    async def upload(
        self, path: str, target: object, content: bytes = PDF, name: str = "example.pdf", **fields: str
    ) -> str:
        response = await self.send(path, target, content, name, **fields)
        assert response.status_code == 200, response.text
        return str(response.json()["data"]["uuid"])

    async def delete(self, path: str, target: object, uuid: str) -> httpx.Response:
        form = {"action": "delete", TARGETS[path]: str(target), "csrf_token": self.csrf, IDS[path]: uuid}
        return await self.http.post(path, data=form)

    async def job(self, **fields: object) -> str:
        response = await self.post("/api/jobs/manage", **{"job_title": "Boiler service", **fields})
        assert response.status_code == 200, response.text
        return str(response.json()["data"]["uuid"])

    async def note(self, job: str, text: str = "Attended site") -> str:
        response = await self.post("/api/jobs/case-notes", job_uuid=job, note_text=text)
        assert response.status_code == 200, response.text
        return str(response.json()["note_uuid"])

    async def listed(self, path: str, target: object, **query: object) -> list[dict[str, Any]]:
        response = await self.get(LISTS[path], **{"action": "list", TARGETS[path]: target, **query})
        assert response.status_code == 200, response.text
        body = response.json()
        assert body["count"] == len(body["data"])
        found: list[dict[str, Any]] = body["data"]
        return found


@dataclass
class Stage:
    """One account with a caller that may do everything."""

    house: Installation
    me: Caller
    promise: Promise = field(default_factory=promised)

    async def _entered(self, client: httpx.AsyncClient) -> Caller:
        client.event_hooks = {"response": [self.promise.check]}
        issued = await client.get("/api/security/csrf-token")
        return Caller(client, issued.json()["data"]["token"] if issued.status_code == 200 else "")

    async def caller(
        self, *permissions: str, account: str = "acme", scopes: tuple[str, ...] = (), name: str = "Staff_001"
    ) -> Caller:
        """Somebody with a token of these permissions."""
        grant = Grant(frozenset(permissions or {"*"}), tuple(parse_scope(scope) for scope in scopes))
        number = (await self.house.account(account)).number
        token = await self.house.operator.credentials.issue_token(number, name, grant)
        return await self._entered(self.house.bare_client(token))

    async def nobody(self) -> Caller:
        return await self._entered(self.house.bare_client())

    async def bearer(self, token: str) -> Caller:
        return await self._entered(self.house.bare_client(token))

    async def user(
        self, email: str = "admin@example.com", *permissions: str, name: str = "John Doe", scopes: tuple[str, ...] = ()
    ) -> None:
        grant = Grant(frozenset(permissions or {"*"}), tuple(parse_scope(scope) for scope in scopes))
        number = (await self.house.account()).number
        await self.house.operator.credentials.add_user(number, email, name, PASSWORD, grant)

    async def login(self, email: str = "admin@example.com", password: str = PASSWORD) -> httpx.Response:
        nobody = await self.nobody()
        return await nobody.http.post("/api/auth/login", json={"email": email, "password": password})

    async def record(self, ref: str, *, account: str = "acme") -> str:
        """Register a branch or contractor, as the host application does."""
        parsed = RecordRef.parse(ref)
        await (await self.house.desk(account)).records.create(NewRecord(parsed))
        return parsed.id

    async def lose(self, uuid: str) -> None:
        """Remove the bytes behind the catalog's back."""
        desk = await self.house.desk()
        attachment, _ = await desk.attachments.content(uuid)
        engines = self.house.store._engines
        blob = await engines.catalog.get(BlobKey(attachment.account, attachment.sha256))
        assert blob is not None
        await engines.blobs.delete(blob.locator)

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
    rate: int | None = None,
    choices: Mapping[str, str | int] | None = None,
    hand: Hand | None = None,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Open a stage in the folder; with `hand`, all its times come from there."""
    hand = hand or Hand()
    options = Options(
        rates={"propops": rate},
        choices={"propops": {"address_rate": 100_000, **(choices or {})}},
        clock=hand.seconds,
    )
    async with installed(folder, options, **settings) as opened:
        store = Store(structs.replace(opened.store._engines, clock=hand), opened.store.policy)
        house = Installation(store, build(store, ALL, options), opened.settings)
        stage = Stage(house, Caller(house.bare_client()))
        stage.me = await stage.caller()
        yield stage


def refused(response: httpx.Response, status: int, words: str) -> None:
    """The answer is this failure, in the envelope."""
    assert (response.status_code, response.text) == (status, f'{{"success":false,"error":"{words}"}}')
    assert response.headers["content-type"] == "application/json"


def refused_plainly(response: httpx.Response, status: int, words: str) -> None:
    """The answer is this failure, in plain text."""
    assert (response.status_code, response.content) == (status, words.encode())
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
