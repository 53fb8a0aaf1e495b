"""A whole installation in a temporary folder: real catalog, real blobs, the application, and a client for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from holdfast.app import Application, Options, build
from holdfast.compose import open_store
from holdfast.core.access import parse_scope
from holdfast.core.credentials import Grant
from holdfast.core.model import Account
from holdfast.core.store import Desk, Operator, Store
from holdfast.dialects import ALL
from holdfast.settings import Settings
from holdfast.web.dialect import Dialect

HOST = "http://holdfast.test"


@dataclass(frozen=True, slots=True)
class Installation:
    """One store with one application over it. `slug` is the account that is meant where none is named."""

    store: Store
    app: Application
    settings: Settings
    slug: str = "acme"

    @property
    def operator(self) -> Operator:
        return self.store.operator()

    async def account(self, slug: str | None = None) -> Account:
        return await self.operator.accounts.ensure(slug or self.slug)

    async def desk(self, slug: str | None = None) -> Desk:
        """A desk that may do everything in the account, to arrange and to look behind the API."""
        return self.operator.desk(await self.account(slug))

    async def token(self, *permissions: str, account: str | None = None, scopes: Sequence[str] = ()) -> str:
        """The secret of a new token; every permission if none is named."""
        grant = Grant(frozenset(permissions or {"*"}), tuple(parse_scope(scope) for scope in scopes))
        number = (await self.account(account)).number
        return await self.operator.credentials.issue_token(number, "test", grant)

    async def client(
        self, *permissions: str, account: str | None = None, scopes: Sequence[str] = ()
    ) -> httpx.AsyncClient:
        """An HTTP client with a new token of these permissions."""
        return self.bare_client(await self.token(*permissions, account=account, scopes=scopes))

    def bare_client(self, token: str | None = None) -> httpx.AsyncClient:
        """An HTTP client that shows this token, or none."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url=HOST, headers=headers)


@asynccontextmanager
async def installed(
    folder: Path, options: Options | None = None, dialects: Sequence[Dialect] = ALL, **settings: object
) -> AsyncIterator[Installation]:
    """Open an installation in the folder, and close it."""
    chosen = Settings(data=folder, **settings)  # type: ignore[arg-type]
    store = open_store(chosen)
    try:
        yield Installation(store, build(store, dialects, options), chosen)
    finally:
        await store.close()


async def idle(store: Store) -> None:
    """Wait until no picture is being made in the background, and all that were given are kept."""
    while (worker := store._studio._worker) is not None:
        await worker
    await kept(store)


async def kept(store: Store) -> None:
    """Wait until the pictures that were given are kept, which nobody else waits for."""
    await asyncio.gather(*(each.task for each in store._studio._making.values() if each.picture.done()))
