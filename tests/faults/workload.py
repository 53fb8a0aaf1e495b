"""Every operation that changes the store, as one script whose outcome does not depend on when or how often it is cut.

Clock and ids of an operation follow from its place in the script alone. So the rows after the first N operations are
the same in every run, killed or not, and "all or nothing" can be checked row by row.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from holdfast.blobs.disk import open_disk
from holdfast.catalog.sqlite import SqliteCatalog, open_sqlite
from holdfast.core.attachments import Description, NewAttachment, OnConflict
from holdfast.core.credentials import Grant
from holdfast.core.errors import HoldfastError
from holdfast.core.idempotency import Answer, Once
from holdfast.core.links import Hook, LinkChange
from holdfast.core.model import Account, Attachment, Count, RecordRef
from holdfast.core.policy import Policy
from holdfast.core.ports import AttachmentQuery, Window
from holdfast.core.records import NewRecord, RecordChange
from holdfast.core.store import Desk, Engines, Operator, Store
from holdfast.core.upkeep.collecting import Rules
from holdfast.core.upkeep.verifying import Reading

SEGMENT = 400_000
_BEGAN = 1_800_000_000_000_000
_WINDOW = Window(limit=100)
_COUNTED = 300_000_000


class PlainPasswords:
    """Hashes that cost nothing: only that they are stored matters here."""

    async def hash(self, password: str) -> str:
        return hashlib.sha256(password.encode()).hexdigest()

    async def verify(self, password: str, hash: str) -> bool:
        return await self.hash(password) == hash


class Fate:
    """Clock and randomness that begin anew with every operation."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._place = self._ticks = self._draws = 0

    def turn_to(self, place: int) -> None:
        """The operation at this place of the script begins."""
        self._place, self._ticks, self._draws = place, 0, 0

    def clock(self) -> int:
        self._ticks += 1
        return _BEGAN + self._place * 1_000_000 + self._ticks

    def entropy(self, count: int) -> bytes:
        self._draws += 1
        return self.body(f"entropy {self._draws}", count)

    def earlier_secret(self, steps: int, draw: int = 1) -> str:
        """The secret that the operation so many steps before this one gave out first, or at that draw."""
        return self._bytes(self._place - steps, f"entropy {draw}", 32).hex()

    def body(self, purpose: str | None, count: int) -> bytes:
        """Bytes that follow from the seed, the operation and the purpose; without purpose, from the seed alone."""
        return self._bytes(-1 if purpose is None else self._place, purpose or "", count)

    def _bytes(self, place: int, purpose: str, count: int) -> bytes:
        return hashlib.shake_128(f"{self._seed} {place} {purpose}".encode()).digest(count)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the two halves of an installation lie, and how often the log is written into the database, in pages."""

    database: Path
    blobs: Path
    checkpoint: int | None = None


class House:
    """The store opened on a place, and short words for what the script does with it."""

    def __init__(self, place: Place, fate: Fate) -> None:
        catalog = open_sqlite(place.database)
        if place.checkpoint is not None:
            checkpoint_every(catalog, place.checkpoint)
        blobs = open_disk(place.blobs, segment_size=SEGMENT)
        engines = Engines(
            catalog=catalog,
            blobs=blobs,
            passwords=PlainPasswords(),
            sniff=_as_declared,
            clock=fate.clock,
            entropy=fate.entropy,
            inventory=blobs,
            segments=blobs.segments,
            snapshots=catalog,
        )
        self.fate = fate
        self.catalog = catalog
        self.store = Store(engines, Policy())
        self.operator: Operator = self.store.operator()

    async def account(self) -> Account:
        return await self.operator.accounts.get("acme")

    async def desk(self) -> Desk:
        return self.operator.desk(await self.account())

    async def named(self, name: str, *, trashed: bool = False) -> Attachment:
        desk = await self.desk()
        query = AttachmentQuery(desk.actor.account, _WINDOW, words=name, trashed=trashed)
        return (await desk.attachments.find(query)).items[0]

    async def upload(
        self, new: NewAttachment, size: int, *, purpose: str | None = "body", once: Once | None = None
    ) -> Attachment:
        desk = await self.desk()
        if once is not None:
            desk = desk.once(once)
        async with await desk.attachments.receive() as intake:
            await intake.take(_stream(self.fate.body(purpose, size)), name=new.name, declared_type="image/png")
            return await desk.attachments.create(intake, new)

    async def replace(self, name: str, size: int) -> Attachment:
        desk = await self.desk()
        async with await desk.attachments.receive() as intake:
            await intake.take(_stream(self.fate.body("body", size)), name=name, declared_type="image/png")
            return await desk.attachments.replace((await self.named(name)).id, intake)


def _as_declared(head: bytes, name: str, declared: str | None) -> str:
    return declared or "application/octet-stream"


async def _stream(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 65536):
        yield data[start : start + 65536]


def checkpoint_every(catalog: SqliteCatalog, pages: int) -> None:
    catalog._writer._connection.execute(f"PRAGMA wal_autocheckpoint = {pages}").fetchall()


class Operation(Protocol):
    """One step of the script."""

    def __call__(self, house: House) -> Awaitable[object]: ...


Script = Sequence[tuple[str, Operation]]


def create(
    name: str, size: int, *records: str, folder: str | None = None, on_conflict: OnConflict = "fail"
) -> Operation:
    hooks = tuple(Hook(RecordRef.parse(record)) for record in records)
    properties = {"reference": name, "nested": {"size": size}}
    new = NewAttachment(name, "Sent in", hooks, folder, properties, on_conflict)
    return lambda house: house.upload(new, size)


def twin(name: str, size: int) -> Operation:
    """The same bytes wherever it stands in the script, so that only rows are written the second time."""
    new = NewAttachment(name, hooks=(Hook(RecordRef("job", "b")),))
    return lambda house: house.upload(new, size, purpose=None)


def on(name: str, do: Callable[[Desk, Attachment], Awaitable[object]], *, trashed: bool = False) -> Operation:
    async def run(house: House) -> None:
        await do(await house.desk(), await house.named(name, trashed=trashed))

    return run


def at_desk(do: Callable[[Desk], Awaitable[object]]) -> Operation:
    async def run(house: House) -> None:
        await do(await house.desk())

    return run


async def first_link(desk: Desk, attachment: Attachment) -> str:
    return (await desk.links.page(attachment.id, _WINDOW)).items[0].id


def _unlink() -> Operation:
    async def do(desk: Desk, attachment: Attachment) -> None:
        await desk.links.remove(await first_link(desk, attachment))

    return on("hung.png", do)


def _relink() -> Operation:
    async def do(desk: Desk, attachment: Attachment) -> None:
        await desk.links.change(await first_link(desk, attachment), LinkChange(caption="Front", position=2))

    return on("hung.png", do)


def _sessions() -> Script:
    async def sign_in(house: House) -> None:
        await house.store.sign_in("ada@example.com", "correct horse", lifetime=3600, refresh=7200)

    async def renew(house: House) -> None:
        await house.store.renew(house.fate.earlier_secret(1, draw=2), lifetime=3600, refresh=7200)

    async def prolong(house: House) -> None:
        await house.store.prolong(house.fate.earlier_secret(1), lifetime=60)

    async def sign_out(house: House) -> None:
        await house.store.sign_out(house.fate.earlier_secret(2))

    async def client(house: House) -> None:
        await house.operator.credentials.add_client((await house.account()).number, "scanner", Grant())

    async def sign_in_client(house: House) -> None:
        await house.store.sign_in_client("scanner", house.fate.earlier_secret(1), lifetime=60)

    return (
        ("user", _user),
        ("sign in", sign_in),
        ("renew", renew),
        ("prolong", prolong),
        ("sign out", sign_out),
        ("client", client),
        ("client signs in", sign_in_client),
        ("token", _token),
        ("token revoke", _revoke),
    )


async def _user(house: House) -> None:
    number = (await house.account()).number
    await house.operator.credentials.add_user(number, "ada@example.com", "Ada", "correct horse", Grant())


async def _token(house: House) -> None:
    await house.operator.credentials.issue_token((await house.account()).number, "ci", Grant())


async def _revoke(house: House) -> None:
    number = (await house.account()).number
    tokens = (await house.operator.credentials.tokens(number, _WINDOW)).items
    token = next(token for token in tokens if token.kind == "token")
    await house.operator.credentials.revoke(number, token.id)


def _records() -> Script:
    project, office = RecordRef("project", "p"), RecordRef("office", "o")
    return (
        ("record create", at_desk(lambda desk: desk.records.create(NewRecord(project, {"title": "Harbour"})))),
        ("record create all", at_desk(lambda desk: desk.records.create_all(tuple(map(_job, "abc"))))),
        ("record put new", at_desk(lambda desk: desk.records.put(NewRecord(office, {"town": "Bergen"})))),
        ("record put", at_desk(lambda desk: desk.records.put(NewRecord(office, {"town": "Oslo"}, (project,))))),
        ("record change", at_desk(lambda desk: desk.records.change(office, RecordChange({"floor": 3}, (), "open")))),
    )


def _job(id: str) -> NewRecord:
    return NewRecord(RecordRef("job", id), {"title": f"Job {id}"}, (RecordRef("project", "p"),))


def _uploads(small: int, large: int) -> Script:
    return (
        ("create small", create("hung.png", small, "job:a", "job:b")),
        ("create empty", create("empty.png", 0, "job:c")),
        ("create large", create("large.png", large, "job:a")),
        ("create in folder", create("placed.png", small, folder="/plans/2026/june")),
        ("create large in folder", create("scan.png", large, "job:c", folder="/plans")),
        ("create one of two", twin("one.png", small)),
        ("create of known bytes", twin("two.png", small)),
        ("create renamed", create("placed.png", small, folder="/plans/2026/june", on_conflict="rename")),
        ("create over", create("scan.png", small, folder="/plans", on_conflict="replace")),
        ("replace small", lambda house: house.replace("hung.png", small + 7)),
        ("replace large", lambda house: house.replace("large.png", large + 7)),
        ("restore version", on("large.png", lambda desk, it: desk.attachments.restore_version(it.id, 1))),
    )


def _repeatable(small: int) -> Script:
    async def create_once(house: House) -> None:
        once = Once("key", b"request", lambda made: Answer(201, (), made.id.encode()))
        await house.upload(NewAttachment("once.png"), small, once=once)

    return (("create under a key", create_once),)


def _counts() -> Script:
    async def guess(house: House) -> None:
        now = house.fate.clock()
        await house.store.counts.take(("address", "name"), 10, now + _COUNTED, now)

    async def forgive(house: House) -> None:
        await house.store.counts.settle(("name",), ("address",), house.fate.clock())

    async def share(house: House) -> None:
        now = house.fate.clock()
        await house.store.counts.share({"requests": Count("requests", now + _COUNTED, 5)}, now)

    return (
        ("guess", guess),
        ("guess again", guess),
        ("guesses forgiven", forgive),
        ("requests told", share),
        ("requests told again", share),
    )


def _changes() -> Script:
    renamed = Description("renamed.png", properties={"reference": None, "more": [1, 2]})
    return (
        ("describe", on("empty.png", lambda desk, it: desk.attachments.describe(it.id, renamed))),
        ("move", on("scan.png", lambda desk, it: desk.attachments.describe(it.id, Description(folder="/old/scans")))),
        (
            "take out of the tree",
            on("scan.png", lambda desk, it: desk.attachments.describe(it.id, Description(folder=None))),
        ),
        (
            "link",
            on("hung.png", lambda desk, it: desk.links.hang(it.id, Hook(RecordRef("office", "o"), "photo"))),
        ),
        ("relink", _relink()),
        ("unlink", _unlink()),
        ("folder create", at_desk(lambda desk: desk.folders.create("/empty/inside"))),
        ("folder move", at_desk(lambda desk: desk.folders.move("/plans", "/drawings"))),
        ("trash", on("large.png", lambda desk, it: desk.attachments.trash(it.id))),
        ("restore", on("large.png", lambda desk, it: desk.attachments.restore(it.id), trashed=True)),
        ("trash again", on("large.png", lambda desk, it: desk.attachments.trash(it.id))),
        ("purge large", on("large.png", lambda desk, it: desk.attachments.purge(it.id), trashed=True)),
        ("purge small", on("hung.png", lambda desk, it: desk.attachments.purge(it.id))),
        ("folder delete", at_desk(lambda desk: desk.folders.delete("/drawings"))),
        ("record delete", at_desk(lambda desk: desk.records.delete(RecordRef("project", "p"), cascade=True))),
    )


def _upkeep() -> Script:
    """These take several transactions each, so a kill may leave them half way, but never anything that is wrong."""
    at_once = Rules(grace=0, compact_below=0.95)
    return (
        ("nothing is kept in the trash", lambda house: house.operator.accounts.configure("acme", {"trash_days": 0})),
        ("upkeep: expire and collect", _alone(lambda house: house.operator.upkeep.collect(at_once))),
        ("upkeep: collect what was compacted", _alone(lambda house: house.operator.upkeep.collect(at_once))),
        ("upkeep: verify", _alone(lambda house: house.operator.upkeep.verify(Reading()))),
    )


def _alone(operation: Operation) -> Operation:
    """The operation at a time when the lease of a process that died in it has run out."""

    async def run(house: House) -> None:
        house.catalog._writer._connection.execute("UPDATE leases SET until = 0")
        await operation(house)

    return run


def script(small: int, large: int) -> Script:
    """Every mutating operation of the store; bodies of about these sizes in bytes."""
    settings = {"quota_bytes": 1 << 40, "trash_days": 7}
    return (
        ("account", lambda house: house.operator.accounts.ensure("acme")),
        ("account set", lambda house: house.operator.accounts.configure("acme", settings)),
        *_sessions(),
        *_records(),
        *_uploads(small, large),
        *_changes(),
        *_repeatable(small),
        *_counts(),
        *_upkeep(),
        ("close", lambda house: house.store.close()),
    )


async def perform(place: Place, seed: int, steps: Script, first: int, told: Callable[[int], None]) -> House:
    """Open the store and do the steps from `first` on, telling of each as soon as it has succeeded."""
    fate = Fate(seed)
    house = House(place, fate)
    for number in range(first, len(steps)):
        fate.turn_to(number)
        await steps[number][1](house)
        told(number)
    return house


async def wave(house: House, count: int, told: Callable[[int], None]) -> None:
    """Many uploads at once, some of them changed and deleted; each tells for itself."""
    desk = await house.desk()

    async def one(number: int) -> None:
        name = f"wave-{number}.png"
        try:
            made = await house.upload(
                NewAttachment(name, hooks=(Hook(RecordRef("job", "a")),)), 3000 + number, purpose=name
            )
            if number % 3 == 1:
                await desk.attachments.describe(made.id, Description(description="seen"))
        except HoldfastError:
            return
        told(number)

    await asyncio.gather(*(one(number) for number in range(count)))
