"""What the store should do, said as plainly as possible: one account in memory, every change a few lines.

It shares the frozen values, the failures and the definition of queries with the store, and nothing else. Times are
counted by change, ids are given from outside.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from msgspec import structs

from holdfast.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OutOfScope,
    PartlyOutOfScope,
    QuotaExceeded,
    Stale,
)
from holdfast.core.model import (
    PURGE,
    READ,
    RECORDS_READ,
    RECORDS_WRITE,
    WRITE,
    Actor,
    Attachment,
    Folder,
    Link,
    PathScope,
    Record,
    RecordRef,
    RecordScope,
    TypeScope,
    Version,
)
from holdfast.core.ports import AttachmentQuery, EntryQuery, RecordQuery
from tests.catalog import model
from tests.catalog.model import World

Log = tuple[str, str, str]
"""An event: its kind, its subject, who did it."""


def joined(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def above(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def at_or_below(path: str | None, folder: str) -> bool:
    return path is not None and (path == folder or model.below(path, folder))


class Reference:
    """One account. Every verb checks, changes or raises; one that raises leaves nothing."""

    def __init__(self) -> None:
        self.world = World([], [], [], [])
        self.versions: list[Version] = []
        self.contents: dict[bytes, bytes] = {}
        self.log: list[Log] = []
        self.numbers: Counter[str] = Counter()
        self.clock = 0
        self.most_bytes: int | None = None
        self.most_attachments: int | None = None

    def copy(self) -> "Reference":
        other = Reference()
        world = self.world
        other.world = World(world.records[:], world.attachments[:], world.links[:], world.folders[:])
        other.versions, other.log = self.versions[:], self.log[:]
        other.contents, other.numbers = self.contents.copy(), self.numbers.copy()
        other.clock = self.clock
        other.most_bytes, other.most_attachments = self.most_bytes, self.most_attachments
        return other

    @contextmanager
    def transaction(self) -> Iterator["Reference"]:
        before = self.copy()
        try:
            yield before
        except Exception:
            self.__dict__.update(before.__dict__)
            raise

    # ------------------------------------------------------------ figures

    @property
    def held(self) -> int:
        return sum(version.size for version in self.versions)

    @property
    def live(self) -> list[Attachment]:
        return [each for each in self.world.attachments if each.trashed_at is None]

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def number(self, series: str) -> int:
        self.numbers[series] += 1
        return self.numbers[series]

    def note(self, actor: Actor, kind: str, subject: str) -> None:
        self.log.append((kind, subject, actor.id))

    def settle(self, *, grown: bool, counted: bool) -> None:
        """Quotas hold when something was added that they count."""
        if grown and self.most_bytes is not None and self.held > self.most_bytes:
            raise QuotaExceeded
        if counted and self.most_attachments is not None and len(self.live) > self.most_attachments:
            raise QuotaExceeded

    def warn(self, actor: Actor, before: "Reference") -> None:
        """A change that brought a quota to 80 or to 95 percent says so, each once."""
        if self.held <= before.held and len(self.live) <= len(before.live):
            return
        for kind, most, was, now in (
            ("bytes", self.most_bytes, before.held, self.held),
            ("attachments", self.most_attachments, len(before.live), len(self.live)),
        ):
            for percent in (80, 95):
                if most and was * 100 < percent * most <= now * 100:
                    self.tick()
                    self.note(actor, "account.quota_warning", kind)

    # ------------------------------------------------------------ who may see what

    def permit(self, actor: Actor, permission: str) -> None:
        if not actor.may(permission):
            raise Forbidden

    def reach(self, actor: Actor, path: str) -> None:
        scopes = [scope for scope in actor.scopes if isinstance(scope, PathScope)]
        if actor.scopes and not any(at_or_below(path, scope.path) for scope in scopes):
            raise OutOfScope

    def within(self, actor: Actor, *refs: RecordRef) -> None:
        for ref in refs:
            if actor.scopes and not (self.world.record(ref) and model.record_within(self.world, ref, actor.scopes)):
                raise OutOfScope

    def record(self, actor: Actor, ref: RecordRef) -> Record:
        found = self.world.record(ref)
        if found is None:
            raise NotFound("record")
        self.within(actor, ref)
        return found

    def attachment(self, actor: Actor, id: str, *, trashed: bool = False) -> Attachment:
        found = next((each for each in self.world.attachments if each.id == id), None)
        if found is None or (found.trashed_at is not None) != trashed:
            raise NotFound("attachment")
        if actor.scopes and not model.within(self.world, found, actor.scopes):
            raise OutOfScope
        return found

    def at(self, actor: Actor, path: str) -> Attachment | None:
        found = self.file_at(path)
        return None if found is None else self.attachment(actor, found.id)

    def wholly(self, actor: Actor, row: Attachment) -> None:
        if not actor.scopes:
            return
        links = self.world.links_of(row)
        inside = [model.record_within(self.world, link.record, actor.scopes) for link in links]
        if row.path is not None:
            inside.append(model.path_within(row.path, actor.scopes))
        if not inside or not all(inside):
            raise PartlyOutOfScope if any(inside) and actor.may(READ) else OutOfScope

    def changeable(self, actor: Actor, id: str, revision: int | None, *, trashed: bool = False) -> Attachment:
        row = self.attachment(actor, id, trashed=trashed)
        self.wholly(actor, row)
        if revision is not None and row.revision != revision:
            raise Stale
        return row

    # ------------------------------------------------------------ the tree

    def file_at(self, path: str) -> Attachment | None:
        return next((each for each in self.live if each.path == path), None)

    def folder_at(self, path: str) -> Folder | None:
        return next((each for each in self.world.folders if each.path == path), None)

    def taken(self, path: str) -> bool:
        return self.file_at(path) is not None or self.folder_at(path) is not None

    def place(self, actor: Actor, folder: str, name: str) -> None:
        self.reach(actor, joined(folder, name))
        if self.taken(joined(folder, name)):
            raise Conflict
        self.ensure_folder(actor, folder)

    def ensure_folder(self, actor: Actor, path: str) -> None:
        if path == "/" or self.folder_at(path) is not None:
            return
        if self.file_at(path) is not None:
            raise Invalid
        self.ensure_folder(actor, above(path))
        self.world.folders.append(Folder(0, path, self.tick(), actor.id))
        self.note(actor, "folder.created", path)

    def folder(self, actor: Actor, path: str) -> None:
        self.reach(actor, path)
        if path != "/" and self.folder_at(path) is None:
            raise NotFound("folder")

    # ------------------------------------------------------------ rows

    def put(self, rows: list[Any], old: Any, new: Any) -> None:
        rows[rows.index(old)] = new

    def touched(self, actor: Actor, row: Attachment, **changes: Any) -> Attachment:
        new = structs.replace(row, revision=row.revision + 1, updated_at=self.tick(), updated_by=actor.id, **changes)
        self.put(self.world.attachments, row, new)
        return new

    def version(self, row: Attachment) -> None:
        self.versions.append(
            Version(0, row.id, row.version, row.name, "", row.size, row.sha256, row.updated_at, row.updated_by)
        )
        self.settle(grown=row.size > 0, counted=False)

    def hang(self, actor: Actor, row: Attachment, ref: RecordRef, role: str) -> Link:
        self.record(actor, ref)
        if any((link.record, link.role) == (ref, role) for link in self.world.links_of(row)):
            raise Conflict
        link = Link(0, "", row.id, ref, role, 0, None, self.tick(), actor.id)
        self.world.links.append(link)
        self.note(actor, "attachment.linked", row.id)
        return link

    def discard(self, actor: Actor, row: Attachment) -> Attachment:
        at = self.clock + 1
        gone = self.touched(actor, row, trashed_at=at)
        self.note(actor, "attachment.trashed", row.id)
        return gone

    def discard_if_homeless(self, actor: Actor, id: str) -> None:
        row = next(each for each in self.world.attachments if each.id == id)
        if row.trashed_at is None and row.folder is None and not self.world.links_of(row):
            self.discard(actor, row)

    # ------------------------------------------------------------ attachments: verbs

    def create(  # noqa: PLR0913, PLR0917 -- all that an upload says
        self,
        actor: Actor,
        name: str,
        data: bytes,
        hooks: Sequence[tuple[RecordRef, str]],
        folder: str | None,
        on_conflict: str,
        id: str = "?",
    ) -> Attachment:
        self.permit(actor, WRITE)
        self.contents[sha256(data).digest()] = data
        if folder is not None and on_conflict == "replace":
            present = self.at(actor, joined(folder, name))
            if present is not None:
                self.wholly(actor, present)
                have = {(link.record, link.role) for link in self.world.links_of(present)}
                for ref, role in hooks:
                    if (ref, role) not in have:
                        self.hang(actor, present, ref, role)
                return self.revise(actor, present, data)
        if folder is not None:
            name = self.free_name(folder, name) if on_conflict == "rename" else name
            self.place(actor, folder, name)
        elif not hooks and actor.scopes:
            raise OutOfScope
        at = self.tick()
        row = Attachment(
            0, id, self.number("attachment"), name, None, "", len(data), sha256(data).digest(), 1, 1, {}, folder, at,
            actor.id, at, actor.id,
        )  # fmt: skip
        self.world.attachments.append(row)
        self.version(row)
        self.settle(grown=False, counted=True)
        self.note(actor, "attachment.created", id)
        for ref, role in hooks:
            self.hang(actor, row, ref, role)
        return row

    def free_name(self, folder: str, name: str) -> str:
        stem, dot, extension = name.rpartition(".") if "." in name[1:] else (name, "", "")
        names = [name, *(f"{stem} ({n}){dot}{extension}" for n in range(2, 99))]
        return next(each for each in names if not self.taken(joined(folder, each)))

    def revise(self, actor: Actor, row: Attachment, data: bytes) -> Attachment:
        digest = sha256(data).digest()
        new = self.touched(actor, row, size=len(data), sha256=digest, version=row.version + 1)
        self.version(new)
        self.note(actor, "attachment.replaced", row.id)
        return new

    def replace(self, actor: Actor, id: str, data: bytes, revision: int | None) -> Attachment:
        self.permit(actor, WRITE)
        self.contents[sha256(data).digest()] = data
        return self.revise(actor, self.changeable(actor, id, revision), data)

    def restore_version(self, actor: Actor, id: str, number: int, revision: int | None) -> Attachment:
        self.permit(actor, WRITE)
        row = self.changeable(actor, id, revision)
        found = next((each for each in self.versions if (each.attachment, each.number) == (id, number)), None)
        if found is None:
            raise NotFound("version")
        return self.revise(actor, row, self.contents[found.sha256])

    def describe(self, actor: Actor, id: str, change: dict[str, Any], revision: int | None) -> Attachment:
        self.permit(actor, WRITE)
        row = self.changeable(actor, id, revision)
        name, folder = change.get("name", row.name), change.get("folder", row.folder)
        if folder is not None and (folder, name) != (row.folder, row.name):
            self.place(actor, folder, name)
        properties = dict(row.properties)
        for key, value in change.get("properties", {}).items():
            properties.pop(key, None)
            if value is not None:
                properties[key] = value
        text = change.get("description", row.description)
        new = self.touched(actor, row, name=name, folder=folder, properties=properties, description=text)
        self.note(actor, "attachment.described", id)
        if row.folder is not None and folder is None:
            self.discard_if_homeless(actor, id)
        return new

    def trash(self, actor: Actor, id: str, revision: int | None) -> Attachment:
        self.permit(actor, WRITE)
        return self.discard(actor, self.changeable(actor, id, revision))

    def restore(self, actor: Actor, id: str) -> Attachment:
        self.permit(actor, WRITE)
        row = self.changeable(actor, id, None, trashed=True)
        if row.folder is not None:
            self.place(actor, row.folder, row.name)
        back = self.touched(actor, row, trashed_at=None)
        self.settle(grown=False, counted=True)
        self.note(actor, "attachment.restored", id)
        return back

    def purge(self, actor: Actor, id: str, revision: int | None) -> None:
        self.permit(actor, PURGE)
        trashed = any(each.id == id and each.trashed_at is not None for each in self.world.attachments)
        row = self.changeable(actor, id, revision, trashed=trashed)
        self.world.attachments.remove(row)
        self.world.links = [link for link in self.world.links if link.attachment != id]
        self.versions = [version for version in self.versions if version.attachment != id]
        self.note(actor, "attachment.purged", id)

    def link(self, actor: Actor, id: str, ref: RecordRef, role: str) -> Link:
        self.permit(actor, WRITE)
        return self.hang(actor, self.attachment(actor, id), ref, role)

    def linked(self, actor: Actor, link: str) -> Link:
        found = next((each for each in self.world.links if each.id == link), None)
        if found is None:
            raise NotFound("link")
        self.attachment(actor, found.attachment)
        self.within(actor, found.record)
        return found

    def relink(self, actor: Actor, link: str, to: RecordRef, position: int) -> Link:
        self.permit(actor, WRITE)
        found = self.linked(actor, link)
        self.record(actor, to)
        taken = {(each.attachment, each.record, each.role) for each in self.world.links if each != found}
        if (found.attachment, to, found.role) in taken:
            raise Conflict
        new = structs.replace(found, record=to, position=position)
        self.put(self.world.links, found, new)
        self.tick()
        self.note(actor, "attachment.relinked", found.attachment)
        return new

    def unlink(self, actor: Actor, link: str) -> Link:
        self.permit(actor, WRITE)
        found = self.linked(actor, link)
        self.world.links.remove(found)
        self.tick()
        self.note(actor, "attachment.unlinked", found.attachment)
        self.discard_if_homeless(actor, found.attachment)
        return found

    # ------------------------------------------------------------ folders: verbs

    def make_folder(self, actor: Actor, path: str) -> None:
        if path == "/":
            raise Conflict
        self.permit(actor, WRITE)
        self.place(actor, above(path), path.rpartition("/")[2])
        self.ensure_folder(actor, path)

    def move_folder(self, actor: Actor, source: str, target: str) -> None:
        if "/" in (source, target) or model.below(target, source):
            raise Invalid
        self.permit(actor, WRITE)
        self.folder(actor, source)
        self.place(actor, above(target), target.rpartition("/")[2])
        at = self.tick()

        def moved(path: str) -> str:
            return target + path.removeprefix(source)

        for row in list(self.world.attachments):
            if row.folder is not None and at_or_below(row.folder, source):
                new = structs.replace(
                    row, folder=moved(row.folder), revision=row.revision + 1, updated_at=at, updated_by=actor.id
                )
                self.put(self.world.attachments, row, new)
        for folder in list(self.world.folders):
            if at_or_below(folder.path, source):
                self.put(self.world.folders, folder, structs.replace(folder, path=moved(folder.path)))
        self.note(actor, "folder.moved", source)
        self.folder(actor, target)

    def delete_folder(self, actor: Actor, path: str) -> tuple[int, int]:
        if path == "/":
            raise Invalid
        self.permit(actor, WRITE)
        self.folder(actor, path)
        files = [each for each in self.live if model.below(each.path, path)]
        for row in sorted(files, key=lambda each: -each.number):
            self.wholly(actor, row)
            self.discard(actor, row)
        gone = [each for each in self.world.folders if at_or_below(each.path, path)]
        for folder in gone:
            self.world.folders.remove(folder)
        self.tick()
        self.note(actor, "folder.deleted", path)
        return len(gone), len(files)

    # ------------------------------------------------------------ records: verbs

    def check_parents(self, actor: Actor, ref: RecordRef, parents: Sequence[RecordRef]) -> None:
        if len(set(parents)) != len(parents) or not all(self.world.record(parent) for parent in parents):
            raise Invalid
        self.within(actor, *parents)
        if any(ref in model.ancestors(self.world, parent) for parent in parents):
            raise Invalid

    def register(self, actor: Actor, ref: RecordRef, parents: tuple[RecordRef, ...], attributes: Any) -> Record:
        self.permit(actor, RECORDS_WRITE)
        return self.insert(actor, ref, parents, attributes)

    def insert(self, actor: Actor, ref: RecordRef, parents: tuple[RecordRef, ...], attributes: Any) -> Record:
        self.check_parents(actor, ref, parents)
        if not parents and actor.scopes and not {TypeScope(ref.type), RecordScope(ref)} & set(actor.scopes):
            raise OutOfScope
        if self.world.record(ref):
            raise Conflict
        at, number = self.tick(), self.number(f"record:{ref.type}")
        row = Record(0, ref.type, ref.id, number, attributes, parents, None, 1, at, actor.id, at, actor.id)
        self.world.records.append(row)
        self.note(actor, "record.created", str(ref))
        return row

    def put_record(self, actor: Actor, ref: RecordRef, parents: tuple[RecordRef, ...], attributes: Any) -> Record:
        self.permit(actor, RECORDS_WRITE)
        present = self.world.record(ref)
        if present is None:
            return self.insert(actor, ref, parents, attributes)
        self.within(actor, ref)
        return self.alter(actor, present, parents, attributes)

    def change_record(self, actor: Actor, ref: RecordRef, parents: tuple[RecordRef, ...], attributes: Any) -> Record:
        self.permit(actor, RECORDS_WRITE)
        present = self.record(actor, ref)
        merged = {key: value for key, value in present.attributes.items() if key not in attributes}
        return self.alter(actor, present, parents, merged | {k: v for k, v in attributes.items() if v is not None})

    def alter(self, actor: Actor, row: Record, parents: tuple[RecordRef, ...], attributes: Any) -> Record:
        if parents != row.parents:
            self.check_parents(actor, row.ref, parents)
        new = structs.replace(
            row,
            parents=parents,
            attributes=attributes,
            revision=row.revision + 1,
            updated_at=self.tick(),
            updated_by=actor.id,
        )
        self.put(self.world.records, row, new)
        self.within(actor, row.ref)
        self.note(actor, "record.updated", str(row.ref))
        return new

    def delete_record(self, actor: Actor, ref: RecordRef, cascade: bool) -> list[str]:
        self.permit(actor, RECORDS_WRITE)
        deleted: list[str] = []
        self.drop(actor, self.record(actor, ref), cascade, deleted)
        return deleted

    def drop(self, actor: Actor, row: Record, cascade: bool, deleted: list[str]) -> None:
        while below := [each for each in self.world.records if row.ref in each.parents]:
            if not cascade:
                raise Conflict
            child = max(below, key=lambda each: each.created_at)
            self.within(actor, child.ref)
            rest = tuple(parent for parent in child.parents if parent != row.ref)
            if rest:
                self.put(self.world.records, child, structs.replace(child, parents=rest))
            else:
                self.drop(actor, child, cascade, deleted)
        hanging = {link.attachment for link in self.world.links if link.record == row.ref}
        self.world.links = [link for link in self.world.links if link.record != row.ref]
        self.world.records = [each for each in self.world.records if each.ref != row.ref]
        self.tick()
        self.note(actor, "record.deleted", str(row.ref))
        deleted.append(str(row.ref))
        for id in sorted(hanging):
            self.discard_if_homeless(actor, id)

    # ------------------------------------------------------------ looking

    def find(self, actor: Actor, query: AttachmentQuery) -> list[str]:
        self.permit(actor, READ)
        if query.record is not None:
            self.record(actor, query.record)
        return [each.id for each in model.attachments(self.world, structs.replace(query, scopes=actor.scopes))]

    def entries(self, actor: Actor, query: EntryQuery) -> list[str | None]:
        self.permit(actor, READ)
        if query.parent is not None:
            self.folder(actor, query.parent)
        return [each.path for each in model.entries(self.world, structs.replace(query, scopes=actor.scopes))]

    def records(self, actor: Actor, query: RecordQuery) -> list[str]:
        self.permit(actor, RECORDS_READ)
        if query.parent is not None:
            self.record(actor, query.parent)
        return [str(each.ref) for each in model.records(self.world, structs.replace(query, scopes=actor.scopes))]

    def read(self, actor: Actor, id: str, version: int | None) -> bytes:
        self.permit(actor, READ)
        row = self.attachment(actor, id)
        number = row.version if version is None else version
        found = next((each for each in self.versions if (each.attachment, each.number) == (id, number)), None)
        if found is None:
            raise NotFound("version")
        return self.contents[found.sha256]

    def links(self, actor: Actor, id: str) -> list[tuple[str, str]]:
        self.permit(actor, READ)
        row = self.attachment(actor, id)
        seen = [
            link
            for link in self.world.links_of(row)
            if not actor.scopes or model.record_within(self.world, link.record, actor.scopes)
        ]
        return sorted((str(link.record), link.role) for link in seen)
