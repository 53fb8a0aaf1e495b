"""Records of the host application: register, describe, find, delete, and what lies below what."""

from collections.abc import Callable

import msgspec

from holdfast.core.access import Guard, Work
from holdfast.core.errors import Conflict, Invalid, OutOfScope, Stale
from holdfast.core.folders import relocate
from holdfast.core.model import (
    READ,
    RECORDS_READ,
    RECORDS_WRITE,
    JsonObject,
    Record,
    RecordRef,
    RecordScope,
    Tally,
    TypeScope,
    has_control_characters,
)
from holdfast.core.paths import checked_folder
from holdfast.core.policy import Policy
from holdfast.core.ports import (
    AttachmentKey,
    FolderKey,
    LinkQuery,
    Page,
    RecordKey,
    RecordQuery,
    TallyQuery,
    Window,
    WithinQuery,
)
from holdfast.core.trash import trash_if_homeless

_BATCH = 500
_MAX_ATTRIBUTES = 256 * 1024


class NewRecord(msgspec.Struct, frozen=True):
    """What is said of a record when it is registered. `folder` is made with it, unless it is there already."""

    ref: RecordRef
    attributes: JsonObject = {}
    parents: tuple[RecordRef, ...] = ()
    state: str | None = None
    folder: str | None = None


class RecordChange(msgspec.Struct, frozen=True):
    """What may be changed of a record; UNSET leaves a member as it is.

    `attributes` is merged at the first level, a null removes the key; with `replace` it takes the place of all.
    `moves` is a folder that follows the record, from where to where; if there is none, nothing moves.
    """

    attributes: JsonObject | msgspec.UnsetType = msgspec.UNSET
    parents: tuple[RecordRef, ...] | msgspec.UnsetType = msgspec.UNSET
    state: str | msgspec.UnsetType | None = msgspec.UNSET
    replace: bool = False
    moves: tuple[str, str] | None = None


class Records:
    """The account's records as one actor may use them."""

    __slots__ = ("_guard", "_policy")

    def __init__(self, guard: Guard, policy: Policy) -> None:
        self._guard = guard
        self._policy = policy

    async def get(self, ref: RecordRef) -> Record:
        """One record. Raises `NotFound`, `OutOfScope`."""
        return await self._guard.see(RECORDS_READ).record(ref)

    async def find(self, query: RecordQuery) -> Page[Record]:
        """Records within scope; see `RecordQuery`."""
        sight = self._guard.see(RECORDS_READ)
        if query.parent is not None:
            await sight.record(query.parent)
        return await sight.find(query)

    async def tally(self, records: tuple[RecordRef, ...], roles: tuple[str, ...] = ()) -> dict[RecordRef, int]:
        """How many live attachments hang on each of these records. Raises `OutOfScope`."""
        sight = self._guard.see(RECORDS_READ, READ)
        await sight.within(records)
        page: Page[Tally] = await sight.find(TallyQuery(sight.account, records, roles))
        return {tally.record: tally.count for tally in page.items}

    async def create(self, new: NewRecord, *, also: Callable[[Record], JsonObject] | None = None) -> Record:
        """Register a record. Raises `Conflict` if it exists, `Invalid` for unknown parents, `OutOfScope`.

        `also` may add attributes that depend on the number or the time that the record gets.
        """

        async def body(work: Work) -> Record:
            return await self._insert(work, new, also)

        return await self._guard.change(RECORDS_WRITE, body)

    async def create_all(self, batch: tuple[NewRecord, ...]) -> tuple[Record, ...]:
        """Register several records, all of them or none. Raises as `create` does."""

        async def body(work: Work) -> tuple[Record, ...]:
            return tuple([await self._insert(work, new, None) for new in batch])

        return await self._guard.change(RECORDS_WRITE, body)

    async def put(self, new: NewRecord, revisions: frozenset[int] | None = None) -> tuple[Record, bool]:
        """Register the record or replace what is known of it; whether it was new.

        Raises `Stale` when `revisions` names none that it has (an absent record has revision 0), `Invalid`,
        `OutOfScope`.
        """

        async def body(work: Work) -> tuple[Record, bool]:
            present = await work.get(RecordKey(work.account, new.ref))
            if revisions is not None and (present.revision if present else 0) not in revisions:
                raise Stale("The record has changed since it was read")
            if present is None:
                return await self._insert(work, new, None), True
            await work.within((new.ref,))
            change = RecordChange(new.attributes, new.parents, new.state, replace=True)
            return await self._alter(work, present, change), False

        return await self._guard.change(RECORDS_WRITE, body)

    async def change(self, ref: RecordRef, change: RecordChange, revisions: frozenset[int] | None = None) -> Record:
        """Change what is known of a record.

        Raises `NotFound`, `OutOfScope`, `Stale`, `Invalid`, and for the folder that follows as `Folders.move` does.
        """

        async def body(work: Work) -> Record:
            record = await work.record(ref)
            if revisions is not None and record.revision not in revisions:
                raise Stale("The record has changed since it was read")
            return await self._alter(work, record, change)

        return await self._guard.change(RECORDS_WRITE, body)

    async def delete(
        self, ref: RecordRef, *, cascade: bool = False, revisions: frozenset[int] | None = None
    ) -> tuple[Record, ...]:
        """Delete a record with its links; attachments left without a home go to the trash.

        Records directly below it stand in the way, unless `cascade` deletes those that are below nothing else too.
        Gives the records deleted. Raises `NotFound`, `OutOfScope`, `Stale`, `Conflict`.
        """

        async def body(work: Work) -> tuple[Record, ...]:
            record = await work.record(ref)
            if revisions is not None and record.revision not in revisions:
                raise Stale("The record has changed since it was read")
            deleted: list[Record] = []
            await self._delete(work, record, deleted, cascade=cascade)
            return tuple(deleted)

        return await self._guard.change(RECORDS_WRITE, body)

    async def _insert(self, work: Work, new: NewRecord, also: Callable[[Record], JsonObject] | None) -> Record:
        RecordRef.checked(new.ref.type, new.ref.id)
        _check(new.attributes, new.state)
        await self._check_parents(work, new.ref, new.parents)
        if not new.parents:
            _may_begin(work, new.ref)
        record = await register(work, new)
        if new.folder is not None:
            await work.ensure_folder(checked_folder(new.folder))
        if also is not None:
            record = msgspec.structs.replace(record, attributes={**record.attributes, **also(record)})
            await work.save(record)
        return record

    async def _alter(self, work: Work, record: Record, change: RecordChange) -> Record:
        attributes, parents, state = record.attributes, record.parents, record.state
        if change.attributes is not msgspec.UNSET:
            attributes = change.attributes if change.replace else merged(attributes, change.attributes)
        if change.parents is not msgspec.UNSET and change.parents != parents:
            parents = change.parents
            await self._check_parents(work, record.ref, parents)
        if change.state is not msgspec.UNSET:
            state = change.state
        _check(attributes, state)
        at = work.tick()
        altered = msgspec.structs.replace(
            record,
            attributes=attributes,
            parents=parents,
            state=state,
            revision=record.revision + 1,
            updated_at=at,
            updated_by=work.actor.id,
        )
        await work.save(altered)
        await work.within((record.ref,))
        await work.log("record.updated", str(record.ref), {}, at)
        if change.moves is not None:
            source, target = map(checked_folder, change.moves)
            if await work.get(FolderKey(work.account, source)) is not None:
                await relocate(work, source, target)
        return altered

    async def _check_parents(self, work: Work, ref: RecordRef, parents: tuple[RecordRef, ...]) -> None:
        if len(set(parents)) != len(parents):
            raise Invalid("A parent is named twice", fields={"parents": "repeated"})
        for parent in parents:
            if await work.get(RecordKey(work.account, parent)) is None:
                if self._policy.records == "strict" or parent == ref:
                    raise Invalid(f"The parent {parent} is not known", fields={"parents": "unknown record"})
                await register(work, NewRecord(parent))
        await work.within(parents)
        if parents:
            circle = await work.tx.find(WithinQuery(work.account, parents, (RecordScope(ref),)))
            if circle.items:
                raise Invalid("A record cannot lie below itself", fields={"parents": "a circle"})

    async def _delete(self, work: Work, record: Record, deleted: list[Record], *, cascade: bool) -> None:
        below = RecordQuery(work.account, Window(limit=_BATCH), parent=record.ref)
        while children := (await work.tx.find(below)).items:
            if not cascade:
                raise Conflict(f"Other records lie below {record.ref}")
            for listed in children:
                # What went before it in this list may have taken it along, or changed what it lies below.
                child = await work.get(RecordKey(work.account, listed.ref))
                if child is None or record.ref not in child.parents:
                    continue
                await work.within((child.ref,))
                rest = tuple(parent for parent in child.parents if parent != record.ref)
                if rest:
                    await work.save(msgspec.structs.replace(child, parents=rest))
                else:
                    await self._delete(work, child, deleted, cascade=cascade)
        hanging: set[str] = set()
        links = LinkQuery(work.account, Window(limit=_BATCH), record=record.ref)
        while page := (await work.tx.find(links)).items:
            for link in page:
                hanging.add(link.attachment)
                await work.remove(link)
        await work.remove(record)
        await work.log("record.deleted", str(record.ref), {}, work.tick())
        deleted.append(record)
        for id in sorted(hanging):
            attachment = await work.get(AttachmentKey(work.account, id))
            if attachment is not None:
                await trash_if_homeless(work, attachment)


def _may_begin(work: Work, ref: RecordRef) -> None:
    """A scoped actor makes top-level records only of a type, or of the very id, that its scopes name."""
    scopes = work.actor.scopes
    named = (TypeScope(ref.type), RecordScope(ref))
    if scopes and not any(scope in scopes for scope in named):
        raise OutOfScope


def _check(attributes: JsonObject, state: str | None) -> None:
    if len(msgspec.json.encode(attributes)) > _MAX_ATTRIBUTES:
        raise Invalid(f"Attributes take at most {_MAX_ATTRIBUTES} bytes", fields={"attributes": "too large"})
    if holds_nul(attributes) or (state is not None and (has_control_characters(state) or len(state) > 100)):
        raise Invalid("Text without NUL is needed", fields={"attributes": "control characters"})


def holds_nul(value: object) -> bool:
    """Whether any text in the value, keys too, holds a NUL or half of a surrogate pair."""
    if isinstance(value, str):
        return "\x00" in value or (not value.isprintable() and any("\ud800" <= c <= "\udfff" for c in value))
    if isinstance(value, dict):
        return any(holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(holds_nul(part) for part in value)


def merged(old: JsonObject, new: JsonObject) -> JsonObject:
    """The old members with the new ones over them; a null takes a member away."""
    kept = {key: value for key, value in old.items() if key not in new}
    return kept | {key: value for key, value in new.items() if value is not None}


async def register(work: Work, new: NewRecord) -> Record:
    """Insert a record whose reference, parents and attributes were checked. Raises `Conflict` if it exists."""
    at = work.tick()
    actor = work.actor.id
    number = work.number(f"record:{new.ref.type}")
    record = Record(
        work.account, new.ref.type, new.ref.id, number, new.attributes, new.parents, new.state, 1, at, actor, at, actor
    )
    await work.add(record)
    await work.log("record.created", str(record.ref), {}, at)
    return record


async def hangable(work: Work, ref: RecordRef, policy: Policy) -> None:
    """The record is there and within scope, or is created now where the policy allows it.

    Raises `NotFound`, `OutOfScope`.
    """
    if policy.records == "open" and await work.get(RecordKey(work.account, ref)) is None:
        _may_begin(work, ref)
        await register(work, NewRecord(RecordRef.checked(ref.type, ref.id)))
    await work.record(ref)
