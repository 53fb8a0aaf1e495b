"""An installation whose clock the test moves, and short words to damage it and to look behind it."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from holdfast.blobs.disk import DiskBlobs, open_disk
from holdfast.catalog.sqlite import SqliteCatalog, open_sqlite
from holdfast.compose import now
from holdfast.core.leases import Leases
from holdfast.core.model import Account, Blob
from holdfast.core.policy import Policy
from holdfast.core.ports import BlobKey, BlobQuery, Catalog, Tx, Window
from holdfast.core.store import Engines, Store
from holdfast.core.upkeep.collecting import Collected, Rules
from holdfast.core.upkeep.front import Upkeep
from holdfast.core.upkeep.stock import Stock
from holdfast.core.upkeep.verifying import Finding, Reading
from holdfast.media.sniff import sniff
from holdfast.passwords import Argon2Passwords
from tests.core.office import Office

DAY = 24 * 3600
LARGE = 300 * 1024


class MovedClock:
    """The real time, moved by the test; files on the disk keep the real one."""

    def __init__(self) -> None:
        self.moved = 0

    def __call__(self) -> int:
        return now() + self.moved

    def move(self, seconds: float) -> None:
        self.moved += int(seconds * 1_000_000)


@dataclass(frozen=True, slots=True)
class Workshop:
    folder: Path
    clock: MovedClock
    catalog: SqliteCatalog
    blobs: DiskBlobs
    office: Office

    @property
    def upkeep(self) -> Upkeep:
        return self.office.store.operator().upkeep

    def stock(self, catalog: Catalog | None = None) -> Stock:
        return Stock(catalog or self.catalog, self.blobs, self.clock, self.blobs, self.blobs.segments)

    def leases(self, sleep: Any = asyncio.sleep) -> Leases:
        return Leases(self.catalog, self.clock, os.urandom, sleep)

    def upkeep_on(self, catalog: Any) -> Upkeep:
        """Upkeep that reaches the rows through another catalog."""
        return Upkeep(self.stock(catalog), Policy(), Leases(catalog, self.clock, os.urandom), None)

    async def collect(self, grace: float = DAY, **rules: Any) -> Collected:
        return await self.upkeep.collect(Rules(grace, **rules))

    async def findings(self, **reading: Any) -> list[Finding]:
        return (await self.upkeep.verify(Reading(**{"grace": 0, **reading}))).findings

    async def kinds(self, **reading: Any) -> list[str]:
        return sorted(each.kind for each in await self.findings(**reading))

    async def blob(self, data: bytes, account: Account | None = None) -> Blob | None:
        number = (account or self.office.acme).number
        return await self.catalog.get(BlobKey(number, hashlib.sha256(data).digest()))

    async def held(self, data: bytes) -> Blob:
        found = await self.blob(data)
        assert found is not None
        return found

    async def change(self, write: Callable[[Tx], Any]) -> None:
        """Change rows behind the core's back."""

        async def body(tx: Tx) -> None:
            await write(tx)

        await self.catalog.transact(body)

    async def events(self, kind: str, account: Account | None = None) -> list[dict[str, Any]]:
        page = await self.office.desk(account=account).events.after(0, 10_000)
        return [{"subject": event.subject, **event.data} for event in page.items if event.kind == kind]

    async def path_of(self, data: bytes) -> Path:
        """The file that holds a large content."""
        locator = (await self.held(data)).locator
        assert locator.startswith("f:")
        return self.folder / "blobs" / locator[2:]

    def state(self) -> str:
        """The hash of every row and of every file, its time too."""
        digest = hashlib.sha256()
        connection = apsw.Connection(str(self.folder / "catalog.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"):
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()
            digest.update(repr((table, sorted(map(repr, rows)))).encode())
        connection.close()
        for path in sorted((self.folder / "blobs").rglob("*")):
            status = path.lstat()
            digest.update(repr((str(path), status.st_mode)).encode())
            if path.is_file() and not path.is_symlink():
                digest.update(repr(status.st_mtime_ns).encode() + path.read_bytes())
        return digest.hexdigest()


@asynccontextmanager
async def opened(folder: Path, clock: MovedClock | None = None) -> AsyncIterator[Workshop]:
    """Open the workshop in a folder; a second time while it is open, it is another process to the first."""
    clock = clock or MovedClock()
    catalog, blobs = open_sqlite(folder / "catalog.sqlite"), open_disk(folder / "blobs", clock=clock)
    engines = Engines(
        catalog, blobs, Argon2Passwords(), sniff, clock, os.urandom, None, blobs, blobs.segments, catalog
    )  # fmt: skip
    store = Store(engines, Policy())
    accounts = store.operator().accounts
    try:
        office = Office(store, await accounts.ensure("acme"), await accounts.ensure("umbra"))
        yield Workshop(folder, clock, catalog, blobs, office)
    finally:
        await store.close()


async def all_blobs(catalog: Catalog, account: int) -> list[Blob]:
    return list((await catalog.find(BlobQuery(account, Window(10_000)))).items)


class Pausing:
    """A catalog that lets the test do something at a chosen moment: before or after the n-th call of a verb."""

    def __init__(self, catalog: Catalog, before: Callable[[str, object], Any]) -> None:
        self._catalog = catalog
        self._before = before

    async def get(self, key: Any) -> Any:
        return await self._catalog.get(key)

    async def find(self, query: Any) -> Any:
        page = await self._catalog.find(query)
        await self._before("find", query)
        return page

    def stamp(self) -> Any:
        return self._catalog.stamp()

    async def transact(self, body: Any) -> Any:
        result = await self._catalog.transact(body)
        await self._before("transact", result)
        return result

    async def close(self) -> None:
        return None
