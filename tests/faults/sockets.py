"""Kill points through sockets: `python -m tests.faults.sockets` tells each API's story to a real server and kills it.

All processes of the server die at the N-th durable call of the story. What the client had been told of is then looked
for in what they left: the bytes of the upload, the description, the link or move, the deletion.
"""

import argparse
import asyncio
import hashlib
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from holdfast.app import build
from holdfast.compose import open_store
from holdfast.core.model import RecordRef
from holdfast.core.ports import Window
from holdfast.core.store import Desk, Store
from holdfast.dialects import ALL
from holdfast.settings import Settings
from tests.faults.gated import Warden, at_call, gated, kill_group
from tests.faults.state import problems_of
from tests.installation import Installation
from tests.journeys.journey import Begin, File, Home, Journey, every_journey
from tests.serving import Served

UNLIMITED = {
    "HOLDFAST_PROPERTY_DECK_RATE_LIMIT": "0",
    "HOLDFAST_PROPOPS_RATE_LIMIT": "0",
    "HOLDFAST_ADDRESS_REQUESTS": "0",
    "HOLDFAST_ADDRESS_UPLOADS": "0",
}
_SIZES = (700, 90_000, 400_000, 3_000_000)


@dataclass(frozen=True, slots=True)
class Remote(Installation):
    """An installation whose HTTP clients talk to a server process, beside a store of its own on the same data."""

    base: str = ""
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def bare_client(self, token: str | None = None) -> httpx.AsyncClient:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        client = httpx.AsyncClient(base_url=self.base, headers=headers, timeout=30)
        self.clients.append(client)
        return client

    async def hang_up(self) -> None:
        """Close all clients."""
        await asyncio.gather(*(client.aclose() for client in self.clients))


@dataclass
class Told:
    """What the client knows to have happened. `calls` counts the durable calls of a story that came to its end."""

    file: File
    id: str | None = None
    described: dict[str, object] = field(default_factory=dict)
    homes: list[Home] = field(default_factory=list)
    deleted: bool = False
    deleting: bool = False
    whole: bool = False


async def tell(journey: Journey, told: Told) -> None:
    """The story, noting each success; ends early when the server is gone."""
    try:
        home = await journey.make_parent()
        handle = await journey.upload(told.file)
        told.id, told.homes = await journey.core_id(handle), [home]
        described = dict(await journey.describe(handle))
        told.described, told.homes = described, []
        handle, second = await journey.carry(handle)
        told.homes = [second]
        told.deleting = True
        await journey.delete(handle)
        told.deleted = told.whole = True
    except httpx.TransportError:
        return


async def missing(desk: Desk, told: Told) -> list[str]:
    """What the client was told of and the store does not have."""
    if told.id is None:
        return []
    trashed = told.deleted or (told.deleting and not await _is_live(desk, told.id))
    attachment = await desk.attachments.get(told.id, trashed=trashed)
    wrong = [name for name, value in told.described.items() if getattr(attachment, name) != value]
    if attachment.sha256 != hashlib.sha256(told.file.content).digest():
        wrong.append("content")
    if not trashed:
        links = {link.record for link in (await desk.links.page(told.id, Window(100))).items}
        wrong += [
            str(home)
            for home in told.homes
            if home not in (links if isinstance(home, RecordRef) else {attachment.folder})
        ]
    return [f"told of, and not there: {name}" for name in wrong]


async def _is_live(desk: Desk, id: str) -> bool:
    try:
        await desk.attachments.get(id)
    except Exception:  # noqa: BLE001  whatever it is, it is not there
        return False
    return True


async def story(begin: Begin, server: Served, store: Store, file: File, warden: Warden, number: int) -> Told:
    """One story on that server, killed at the `number`-th call after it has begun."""
    house = Remote(store, build(store, ALL), Settings(data=server.data), "acme", server.base)
    journey, told = await begin(house), Told(file)
    warden.rule = at_call(number, lambda: kill_group(server))
    await tell(journey, told)
    await house.hang_up()
    return told


async def trial(folder: Path, begin: Begin, number: int, size: int) -> tuple[Told, list[str]]:
    """Serve, kill at that call, and look; what was told, and what is wrong."""
    data, left = folder / "data", folder / "left"
    file = File("lease.pdf", "application/pdf", b"%PDF-1.4\n" + random.Random(number).randbytes(size))
    with gated(data, settings=UNLIMITED) as (server, warden):
        store = open_store(Settings(data=data))
        try:
            told = await story(begin, server, store, file, warden, number)
            kill_group(server)
            server.process.wait()
            # Closing the store at hand would finish what the dead one left unfinished; so a copy is looked at.
            await asyncio.to_thread(shutil.copytree, data, left, ignore=shutil.ignore_patterns("*-shm"))
        finally:
            await store.close()
    problems = await problems_of(left / "catalog.sqlite", left / "blobs")
    store = open_store(Settings(data=left))
    try:
        operator = store.operator()
        problems += await missing(operator.desk(await operator.accounts.ensure("acme")), told)
    finally:
        await store.close()
    return told, problems


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.sockets", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="how long to go on (default: 180)")
    parser.add_argument("--rounds", type=int, default=1_000_000, help="how many stories of each API at most")
    given = parser.parse_args()
    points: Counter[str] = Counter()
    losses, told_of, began, chance = [], 0, time.monotonic(), random.Random(7)
    for round in range(given.rounds):
        for name, begin in every_journey().items():
            if time.monotonic() - began > given.seconds:
                break
            number = chance.randrange(1, 160)
            with tempfile.TemporaryDirectory() as folder:
                told, problems = asyncio.run(trial(Path(folder), begin, number, _SIZES[round % len(_SIZES)]))
            points[name] += 1
            told_of += told.id is not None
            losses += [f"{name}, call {number}: {problem}" for problem in problems]
        else:
            continue
        break
    took = time.monotonic() - began
    print(f"{points.total()} kill points through sockets in {took:.0f} s, {points.total() / took:.2f} a second")
    print(", ".join(f"{name} {count}" for name, count in points.items()))
    print(f"{told_of} uploads acknowledged, {len(losses)} losses")
    print("\n".join(losses[:20]))
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
