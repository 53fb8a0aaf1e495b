"""The real store and the reference side by side: the same steps for both, and everything compared after each."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from holdfast.core.attachments import Description, Expected, NewAttachment
from holdfast.core.errors import HoldfastError
from holdfast.core.folders import Doomed
from holdfast.core.links import Hook, LinkChange
from holdfast.core.model import Account, Actor, Attachment, ByteRange, Link, Record, RecordRef
from holdfast.core.ports import (
    AttachmentQuery,
    BlobKey,
    EntryQuery,
    EventQuery,
    LinkQuery,
    Order,
    Query,
    RecordQuery,
    TallyQuery,
    UsageQuery,
    VersionQuery,
    Window,
)
from holdfast.core.records import NewRecord, RecordChange
from holdfast.core.store import Desk, Store
from tests.model.reference import Reference

ALL = Window(limit=1000, total=True)
Outcome = tuple[str, Any]


class Step(NamedTuple):
    """One call by one actor. `args` are those of the reference's verb."""

    verb: str
    actor: Actor
    args: Mapping[str, Any]


class Diverged(AssertionError):
    """The store and the reference do not agree."""


# ---------------------------------------------------------------- the store's verbs, in the words of the reference


async def _stream(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data


def _expected(revision: int | None) -> Expected:
    return Expected(None if revision is None else frozenset({revision}))


async def _create(
    desk: Desk, name: str, data: bytes, hooks: Sequence[tuple[RecordRef, str]], folder: str | None, on_conflict: Any
) -> Attachment:
    new = NewAttachment(name, None, tuple(Hook(ref, role) for ref, role in hooks), folder, {}, on_conflict)
    async with await desk.attachments.receive() as intake:
        await intake.take(_stream(data), name=name)
        return await desk.attachments.create(intake, new)


async def _replace(desk: Desk, id: str, data: bytes, revision: int | None) -> Attachment:
    async with await desk.attachments.receive() as intake:
        await intake.take(_stream(data), name="x")
        return await desk.attachments.replace(id, intake, _expected(revision))


async def _read(desk: Desk, id: str, version: int | None) -> bytes:
    _, content = await desk.attachments.content(id, version)
    return b"".join([chunk async for chunk in content.read(ByteRange(0, content.size))])


async def _pages(find: Callable[[Any], Awaitable[Any]], query: Any, show: Callable[[Any], Any]) -> list[Any]:
    """All rows by keyset in small pages; the same rows by offset, and their number, must agree."""
    found: list[Any] = []
    after = None
    while True:
        page = await find(msgspec.structs.replace(query, window=Window(3, after=after)))
        found.extend(map(show, page.items))
        if page.next is None:
            break
        after = page.next
    part = await find(msgspec.structs.replace(query, window=Window(2, offset=1, total=True)))
    if [show(each) for each in part.items] != found[1:3] or part.total != len(found):
        raise Diverged(f"pages of {query}: {found} and {part}")
    return found


async def _links(desk: Desk, id: str) -> list[tuple[str, str]]:
    page = await desk.links.page(id, ALL)
    return sorted((str(link.record), link.role) for link in page.items)


def _attachment(row: Attachment) -> Any:
    digest, trashed = row.sha256.hex()[:8], row.trashed_at is not None
    told = (row.id, row.number, row.name, row.description, row.size, digest, row.version, row.revision)
    return (*told, dict(row.properties), row.folder, row.created_by, row.updated_by, trashed)


def _record(row: Record) -> Any:
    parents = [str(parent) for parent in row.parents]
    return (str(row.ref), row.number, dict(row.attributes), parents, row.revision, row.created_by, row.updated_by)


def shown(value: Any) -> Any:  # noqa: PLR0911 -- one line a kind of result
    """What of a result is compared: all but times, media types and the ids of links."""
    match value:
        case Attachment():
            return _attachment(value)
        case Record():
            return _record(value)
        case Link():
            return (value.attachment, str(value.record), value.role, value.position, value.created_by)
        case Doomed():
            return (value.folders, value.attachments)
        case bytes() | str() | int() | list():
            return value
        case (Record() as row, bool()):
            return _record(row)
        case (Record(), *_):
            return [str(row.ref) for row in value]
        case tuple():
            return value
        case _:
            return None


def _change(args: Mapping[str, Any]) -> RecordChange:
    return RecordChange(args["attributes"], args["parents"])


REAL: Mapping[str, Callable[[Desk, Any], Awaitable[Any]]] = {
    "create": lambda desk, a: _create(desk, **a),
    "replace": lambda desk, a: _replace(desk, **a),
    "restore_version": lambda desk, a: desk.attachments.restore_version(a["id"], a["number"], _expected(a["revision"])),
    "describe": lambda desk, a: desk.attachments.describe(
        a["id"], Description(**a["change"]), _expected(a["revision"])
    ),
    "trash": lambda desk, a: desk.attachments.trash(a["id"], _expected(a["revision"])),
    "restore": lambda desk, a: desk.attachments.restore(a["id"]),
    "purge": lambda desk, a: desk.attachments.purge(a["id"], _expected(a["revision"])),
    "link": lambda desk, a: desk.links.hang(a["id"], Hook(a["ref"], a["role"])),
    "relink": lambda desk, a: desk.links.change(a["link"], LinkChange(position=a["position"], record=a["to"])),
    "unlink": lambda desk, a: desk.links.remove(a["link"]),
    "make_folder": lambda desk, a: desk.folders.create(a["path"]),
    "move_folder": lambda desk, a: desk.folders.move(a["source"], a["target"]),
    "delete_folder": lambda desk, a: desk.folders.delete(a["path"]),
    "register": lambda desk, a: desk.records.create(NewRecord(a["ref"], a["attributes"], a["parents"])),
    "put_record": lambda desk, a: desk.records.put(NewRecord(a["ref"], a["attributes"], a["parents"])),
    "change_record": lambda desk, a: desk.records.change(a["ref"], _change(a)),
    "delete_record": lambda desk, a: desk.records.delete(a["ref"], cascade=a["cascade"]),
    "find": lambda desk, a: _pages(desk.attachments.find, a["query"], lambda row: row.id),
    "entries": lambda desk, a: _pages(desk.folders.find, a["query"], lambda row: row.path),
    "records": lambda desk, a: _pages(desk.records.find, a["query"], lambda row: str(row.ref)),
    "read": lambda desk, a: _read(desk, **a),
    "links": lambda desk, a: _links(desk, **a),
}


def expected(reference: Reference, step: Step, hint: Outcome) -> Outcome:
    """What the reference does; the id of what is made is the one that the store chose."""
    args = dict(step.args)
    if step.verb == "create" and hint[0] == "done":
        args["id"] = hint[1][0]
    try:
        with reference.transaction() as before:
            told = shown(getattr(reference, step.verb)(step.actor, **args))
            reference.warn(step.actor, before)
            return "done", told
    except HoldfastError as error:
        return "refused", type(error).__name__


# ---------------------------------------------------------------- all that there is


class Pair:
    """One account of the store, and its reference."""

    def __init__(self, store: Store, account: Account) -> None:
        self.store = store
        self.account = account
        self.reference = Reference()
        self._events = 0
        self._digests: set[bytes] = set()

    async def perform(self, step: Step) -> Outcome:
        desk = self.store.desk(step.actor)
        try:
            return "done", shown(await REAL[step.verb](desk, step.args))
        except HoldfastError as error:
            return "refused", type(error).__name__

    async def take(self, *steps: Step) -> tuple[Outcome, ...]:
        """One step, or several at once whose outcome is that of some order of them. Raises `Diverged`."""
        outcomes = tuple(await asyncio.gather(*map(self.perform, steps)))
        self._digests |= {hashlib.sha256(step.args["data"]).digest() for step in steps if "data" in step.args}
        seen = await self.seen()
        closest: list[Any] = []
        for reference in self._orders(self.reference, list(zip(steps, outcomes, strict=True)), closest):
            told = self.told(reference)
            if told == seen:
                self.reference = reference
                await self._name_links()
                self._events = len(reference.log)
                return outcomes
            closest.append({part: (seen[part], told[part]) for part in seen if seen[part] != told[part]})
        raise Diverged(f"{steps}\n gave {outcomes}\n but {closest}")

    def _orders(self, start: Reference, left: list[tuple[Step, Outcome]], closest: list[Any]) -> Iterator[Reference]:
        if not left:
            yield start
        for at, (step, outcome) in enumerate(left):
            trial = start.copy()
            told = expected(trial, step, outcome)
            if told == outcome:
                yield from self._orders(trial, left[:at] + left[at + 1 :], closest)
            else:
                closest.append((step.verb, "the reference says", told))

    def told(self, reference: Reference) -> dict[str, Any]:
        world, log = reference.world, reference.log[self._events :]
        numbers = {series: count for series, count in reference.numbers.items() if count}
        by_change = sorted(world.attachments, key=lambda row: (row.updated_at, row.number))
        return {
            "attachments": [shown(row) for row in sorted(world.attachments, key=lambda row: row.number)],
            "by change": [[row.id for row in by_change if (row.trashed_at is not None) == gone] for gone in (0, 1)],
            "records": [shown(row) for row in sorted(world.records, key=lambda row: row.created_at)],
            "folders": sorted(folder.path for folder in world.folders),
            "links": sorted(shown(link) for link in world.links),
            "versions": sorted((v.attachment, v.number, v.name, v.size, v.sha256.hex()) for v in reference.versions),
            "log": [(n, *entry) for n, entry in enumerate(log, self._events + 1)],
            "ledger": (reference.held, len(reference.live), len(reference.log), numbers),
            "references": {digest: n for digest, n in _held(reference).items() if n},
        }

    async def seen(self) -> dict[str, Any]:
        """The same of the store, through its catalog."""
        account = self.account.number
        find = self.store._engines.catalog.find
        halves = [await self._all(AttachmentQuery(account, ALL, trashed=gone)) for gone in (False, True)]
        rows = sorted(chain(*halves), key=lambda row: row.number)
        ids = tuple(row.id for row in rows)
        by_change = [[row.id for row in sorted(half, key=lambda row: (row.updated_at, row.number))] for half in halves]
        records = await self._all(RecordQuery(account, ALL, order=(Order("created_at"),)))
        folders = await self._all(EntryQuery(account, ALL, kinds=frozenset({"folder"})))
        links = await self._all(LinkQuery(account, ALL, attachments=ids)) if ids else []
        versions = [each for id in ids for each in await self._all(VersionQuery(account, id, ALL))]
        events = await self._all(EventQuery(account, self._events, ALL))
        (ledger,) = (await find(UsageQuery(account))).items
        return {
            "attachments": [shown(row) for row in rows],
            "by change": by_change,
            "records": [shown(row) for row in records],
            "folders": sorted(folder.path for folder in folders),
            "links": sorted(shown(link) for link in links),
            "versions": sorted((v.attachment, v.number, v.name, v.size, v.sha256.hex()) for v in versions),
            "log": [(event.number, event.kind, event.subject, event.actor) for event in events],
            "ledger": (ledger.bytes, ledger.attachments, ledger.event, dict(ledger.numbers)),
            "references": await self._references(),
        }

    async def _name_links(self) -> None:
        """Give the reference's links the ids that the store chose."""
        world = self.reference.world
        if any(not link.id for link in world.links):
            ids = tuple(row.id for row in world.attachments)
            found = await self._all(LinkQuery(self.account.number, ALL, attachments=ids))
            names = {(link.attachment, link.record, link.role): link.id for link in found}
            world.links = [
                msgspec.structs.replace(link, id=names[link.attachment, link.record, link.role]) for link in world.links
            ]

    async def _references(self) -> dict[str, int]:
        catalog, account = self.store._engines.catalog, self.account.number
        blobs = [await catalog.get(BlobKey(account, digest)) for digest in sorted(self._digests)]
        return {blob.sha256.hex(): blob.refs for blob in blobs if blob is not None and blob.refs}

    async def _all(self, query: Query[Any]) -> list[Any]:
        page = await self.store._engines.catalog.find(query)
        if page.next is not None:
            raise Diverged(f"more rows than the comparison reads: {query}")
        return list(page.items)

    async def tallies(self) -> None:
        """The counts of files on records. Raises `Diverged`."""
        world = self.reference.world
        live = {row.id for row in self.reference.live}
        refs = tuple(row.ref for row in world.records)
        if refs:
            page = await self.store._engines.catalog.find(TallyQuery(self.account.number, refs))
            told = {ref: len({link.attachment for link in world.links if link.record == ref} & live) for ref in refs}
            if {tally.record: tally.count for tally in page.items} != told:
                raise Diverged(f"{page.items} is not {told}")


def _held(reference: Reference) -> dict[str, int]:
    held: dict[str, int] = {}
    for version in reference.versions:
        held[version.sha256.hex()] = held.get(version.sha256.hex(), 0) + 1
    return held
