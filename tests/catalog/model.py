"""What a catalog should answer, said as plainly as possible: lists, loops and sorting.

It shares nothing with the adapters but the definition of the queries.
"""

import functools
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from holdfast.core.model import (
    Attachment,
    Folder,
    Link,
    PathScope,
    Record,
    RecordRef,
    RecordScope,
    Scope,
    Tally,
    TypeScope,
)
from holdfast.core.ports import (
    AttachmentQuery,
    EntryQuery,
    LinkQuery,
    Order,
    RecordFilter,
    RecordQuery,
    TallyQuery,
    Where,
    WithinQuery,
)


class World(msgspec.Struct):
    """The rows of one account."""

    records: list[Record]
    attachments: list[Attachment]
    links: list[Link]
    folders: list[Folder]

    def record(self, ref: RecordRef) -> Record | None:
        return next((each for each in self.records if each.ref == ref), None)

    def links_of(self, attachment: Attachment) -> list[Link]:
        return [link for link in self.links if link.attachment == attachment.id]


def folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


# ---------------------------------------------------------------- words


def matches_words(name: str, words: str) -> bool:
    return all(_has_part(folded(name), part) for part in folded(words).split())


def _has_part(name: str, part: str) -> bool:
    places = [at for at in range(len(name)) if name.startswith(part, at)]
    return bool(places) if len(part) > 2 else any(_starts_a_word(name, at) for at in places)


def _starts_a_word(name: str, at: int) -> bool:
    if at == 0 or not _of_word(name[at]) or not _of_word(name[at - 1]):
        return True
    script = unicodedata.name(name[at], "").partition(" ")[0]
    return script in {"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "KATAKANA-HIRAGANA"}


def _of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


# ---------------------------------------------------------------- conditions and order


def value_of(row: Attachment | Record, field: str) -> Any:
    head, dot, rest = field.partition(".")
    if not dot or head not in ("property", "attribute"):
        return getattr(row, field)
    value: Any = row.properties if isinstance(row, Attachment) else row.attributes
    for key in rest.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def meets(row: Attachment | Record, where: Where) -> bool:
    value = value_of(row, where.field)
    match where.op:
        case "eq":
            return _same(value, where.value)
        case "ne":
            return not _same(value, where.value)
        case "in":
            assert isinstance(where.value, tuple)
            return any(_same(value, each) for each in where.value)
        case "contains":
            return isinstance(value, str) and isinstance(where.value, str) and folded(where.value) in folded(value)
        case "prefix":
            return isinstance(value, str) and isinstance(where.value, str) and value.startswith(where.value)
        case _:
            return _kind(value) == _kind(where.value) in ("number", "text", "bytes") and _before(
                value, where.op, where.value
            )


def _before(value: Any, op: str, other: Any) -> bool:
    return bool({"lt": value < other, "le": value <= other, "gt": value > other, "ge": value >= other}[op])


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return {str: "text", bytes: "bytes", type(None): "none"}.get(type(value), "other")


def _same(value: Any, other: Any) -> bool:
    return _kind(value) == _kind(other) != "other" and bool(value == other)


def ordered(rows: Iterable[Any], order: Sequence[Order], tie: str) -> list[Any]:
    """Sorted by the fields, ties by `tie` in the direction of the last field."""
    last = order[-1].descending if order else True
    orders = [*order, *(Order(field, descending=last) for field in tie.split())]

    def compare(one: Any, two: Any) -> int:
        for each in orders:
            a, b = _sortable(value_of(one, each.field)), _sortable(value_of(two, each.field))
            if a != b:
                return (1 if a > b else -1) * (-1 if each.descending else 1)
        return 0

    return sorted(rows, key=functools.cmp_to_key(compare))


def _sortable(value: Any) -> Any:
    if _kind(value) == "other":
        value = msgspec.json.encode(value).decode()
    kinds = {"none": 0, "bool": 1, "number": 1, "text": 2, "bytes": 3}
    return (kinds[_kind(value)], 0 if value is None else value)


# ---------------------------------------------------------------- places


def below(path: str | None, folder: str) -> bool:
    return path is not None and path.startswith("/" if folder == "/" else f"{folder}/")


def ancestors(world: World, ref: RecordRef) -> set[RecordRef]:
    """The record and all above it."""
    found: set[RecordRef] = set()
    left = [ref]
    while left:
        here = left.pop()
        record = world.record(here)
        if here not in found and record is not None:
            found.add(here)
            left.extend(record.parents)
    return found


def record_within(world: World, ref: RecordRef, scopes: Sequence[Scope]) -> bool:
    above = ancestors(world, ref)
    return any(
        (isinstance(scope, RecordScope) and scope.record in above)
        or (isinstance(scope, TypeScope) and scope.type in {each.type for each in above})
        for scope in scopes
    )


def path_within(path: str | None, scopes: Sequence[Scope]) -> bool:
    return any(
        isinstance(scope, PathScope) and path is not None and (path == scope.path or below(path, scope.path))
        for scope in scopes
    )


def within(world: World, row: Attachment, scopes: Sequence[Scope]) -> bool:
    return path_within(row.path, scopes) or any(
        record_within(world, link.record, scopes) for link in world.links_of(row)
    )


# ---------------------------------------------------------------- queries


def passes(record: Record, filter: RecordFilter) -> bool:
    return (not filter.types or record.type in filter.types) and all(meets(record, each) for each in filter.where)


def attachments(world: World, query: AttachmentQuery) -> list[Attachment]:
    def hangs(record: Record, filter: RecordFilter) -> bool:
        seen = not (filter.where and query.scopes) or record_within(world, record.ref, query.scopes)
        return seen and passes(record, filter)

    def fits(row: Attachment) -> bool:
        links = world.links_of(row)
        records = [world.record(link.record) for link in links]
        hung = [link for link in links if query.record is None or link.record == query.record]
        return all(
            [
                (row.trashed_at is not None) == query.trashed,
                query.record is None or bool(hung),
                not query.roles or any(link.role in query.roles for link in hung),
                all(any(record is not None and hangs(record, each) for record in records) for each in query.linked),
                query.words is None or matches_words(row.name, query.words),
                query.folder is None or row.folder == query.folder,
                not query.under or any(below(row.path, each) for each in query.under),
                all(meets(row, each) for each in query.where),
                not query.scopes or within(world, row, query.scopes),
            ]
        )

    return ordered(filter(fits, world.attachments), query.order, "number")


def records(world: World, query: RecordQuery) -> list[Record]:
    def fits(row: Record) -> bool:
        return (
            passes(row, query.filter)
            and (query.parent is None or query.parent in row.parents)
            and (not query.scopes or record_within(world, row.ref, query.scopes))
        )

    return ordered(filter(fits, world.records), query.order, "type id")


def entries(world: World, query: EntryQuery) -> list[Attachment | Folder]:
    found: list[Attachment | Folder] = []
    if "file" in query.kinds:
        for row in world.attachments:
            scoped = not query.scopes or within(world, row, query.scopes)
            if row.path is not None and row.trashed_at is None and scoped and all(meets(row, w) for w in query.where):
                found.append(row)
    if "folder" in query.kinds and not query.where:
        found += [each for each in world.folders if not query.scopes or path_within(each.path, query.scopes)]

    def fits(path: str, name: str) -> bool:
        return (
            (query.parent is None or (path.rpartition("/")[0] or "/") == query.parent)
            and (not query.under or any(below(path, each) for each in query.under))
            and (query.words is None or matches_words(name, query.words))
        )

    chosen = [each for each in found if fits(each.path or "", each.name)]
    return sorted(chosen, key=lambda each: each.path or "", reverse=query.descending)


def links(world: World, query: LinkQuery) -> list[Link]:
    live = {each.id: each for each in world.attachments if each.trashed_at is None}

    def fits(link: Link) -> bool:
        row = live.get(link.attachment)
        there = row is not None and (row.path == query.under or below(row.path, query.under or ""))
        return (
            (query.attachment is None or link.attachment == query.attachment)
            and (not query.attachments or link.attachment in query.attachments)
            and (query.record is None or link.record == query.record)
            and (query.under is None or there)
            and (not query.roles or link.role in query.roles)
        )

    return sorted(filter(fits, world.links), key=lambda link: (link.position, link.created_at, link.id))


def tallies(world: World, query: TallyQuery) -> list[Tally]:
    live = {each.id for each in world.attachments if each.trashed_at is None}
    found = []
    for ref in query.records:
        hung = {
            link.attachment
            for link in world.links
            if link.record == ref and link.attachment in live and (not query.roles or link.role in query.roles)
        }
        found.append(Tally(ref, len(hung)))
    return found


def within_scopes(world: World, query: WithinQuery) -> list[RecordRef]:
    return [ref for ref in query.records if world.record(ref) and record_within(world, ref, query.scopes)]
