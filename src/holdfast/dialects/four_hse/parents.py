"""The business records that folders and links need: five calls each, one set of rules for all (contract 5.2)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from holdfast.core.errors import Conflict, Invalid, NotFound
from holdfast.core.model import Record, RecordRef
from holdfast.core.ports import Order, Page, RecordFilter, RecordQuery, Scalar, Where, Window
from holdfast.core.records import NewRecord, RecordChange
from holdfast.core.store import Desk
from holdfast.dialects.four_hse.errors import Unprocessable
from holdfast.dialects.four_hse.inputs import DEFAULT_PAGE_SIZE, asked, checked, converted, flag, ordered, paged, told
from holdfast.dialects.four_hse.search import Positive
from holdfast.dialects.four_hse.shapes import known
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters, moment_text, scalars_like
from holdfast.web.reply import Reply, empty, json

Values = Mapping[str, Any]
Records = Mapping[RecordRef, Record]

OLDEST_FIRST: Final = Order("created_at")
MOST_ALTERNATIVES: Final = 100


class Listing(msgspec.Struct, frozen=True):
    """What is listed. `history` is taken and changes nothing: no past states are kept apart."""

    filter: dict[str, Any] = {}
    per_page: Positive = msgspec.field(default=DEFAULT_PAGE_SIZE, name="per-page")
    page: Positive = 1
    sort: str = ""
    history: bool = False


class Parent(msgspec.Struct, frozen=True):
    """A field that holds the id of a record above, which must be there.

    `below` is another such field: the record must lie below that one. `direct`: it is a parent in the core's sense,
    which is left out where another parent lies below it already.
    """

    field: str
    type: str
    below: str = ""
    direct: bool = True


class Named(msgspec.Struct, frozen=True):
    """A field that is shown and kept elsewhere: as an attribute of the record whose id a field holds."""

    field: str
    type: str
    attribute: str


async def _nothing_more(_desk: Desk, _values: Values, _present: Record | None) -> tuple[RecordRef, ...]:
    return ()


def _no_folder(_values: Values) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of record: its fields, what it lies below, and what else must hold.

    `texts` are filtered by a part of them, all else by the whole. `fixed` fields never change. `more` checks what
    depends on other records and may give further parents. `folder` says which folder belongs to the record.
    """

    kind: str
    id: str
    new: type[msgspec.Struct]
    view: type[msgspec.Struct]
    sorts: tuple[str, ...]
    texts: frozenset[str]
    parents: tuple[Parent, ...] = ()
    fixed: tuple[str, ...] = ()
    names: Mapping[str, Named] = field(default_factory=dict)
    more: Callable[[Desk, Values, Record | None], Awaitable[tuple[RecordRef, ...]]] = _nothing_more
    folder: Callable[[Values], str | None] = _no_folder

    # ------------------------------------------------------------ the five calls

    async def index(self, call: Call) -> Reply:
        """POST (or GET) /v2/<resource>/index."""
        listing = converted(await asked(call), Listing)
        where = tuple(self._condition(name, value) for name, value in listing.filter.items())
        sorts = {name: f"attribute.{name}" for name in self.sorts}
        order = (ordered(listing.sort, sorts, OLDEST_FIRST),)
        filter = RecordFilter((self.kind,), where)

        async def fetch(window: Window) -> Page[Record]:
            return await call.desk.records.find(RecordQuery(call.desk.actor.account, window, filter, order=order))

        records, headers = await paged(call, listing.page, listing.per_page, fetch)
        return json(await self._views(call.desk, records), headers=headers)

    async def get(self, call: Call) -> Reply:
        """GET /v2/<resource>/view/{id}."""
        record = await self._found(call)
        return json((await self._views(call.desk, (record,)))[0])

    async def create(self, call: Call) -> Reply:
        """POST /v2/<resource>/create."""
        values = checked(self.new, await told(call), partial=False)
        id = values.pop(self.id, None) or call.desk.new_id()
        values = {**_defaults(self.new, self.id), **values}
        parents = await self._parents(call.desk, values, None)
        attributes = {name: value for name, value in values.items() if value is not None}
        folder = self.folder({**attributes, self.id: id})
        new = NewRecord(RecordRef(self.kind, id), attributes, parents, folder=folder)
        try:
            record = await call.desk.records.create(new)
        except Conflict:
            raise Unprocessable({self.id: f"This {self.id} is already taken."}) from None
        except Invalid as refused:
            raise self._unprocessable(refused) from None
        return json((await self._views(call.desk, (record,)))[0], 201)

    async def update(self, call: Call) -> Reply:
        """PUT /v2/<resource>/update/{id}: the fields that are sent."""
        record = await self._found(call)
        values = checked(self.new, await told(call), partial=True)
        values.pop(self.id, None)
        told_before = self._told(record)
        for name in self.fixed:
            if name in values and values[name] != told_before.get(name):
                raise Unprocessable({name: f"{name} cannot be changed."})
        whole = {**told_before, **values}
        parents = await self._parents(call.desk, whole, record)
        before, after = (self.folder({**each, self.id: record.id}) for each in (told_before, whole))
        moves = (before, after) if before and after and before != after else None
        change = RecordChange(values, parents or msgspec.UNSET, moves=moves)
        try:
            record = await call.desk.records.change(record.ref, change)
        except Conflict:
            raise Unprocessable({"name": "There is a folder of this name already."}) from None
        except Invalid as refused:
            raise self._unprocessable(refused) from None
        return json((await self._views(call.desk, (record,)))[0])

    async def delete(self, call: Call) -> Reply:
        """DELETE /v2/<resource>/delete/{id}: its links go too; records below it only with `force`."""
        force = flag(call, "force")
        record = await self._found(call)
        await call.desk.records.delete(record.ref, cascade=force)
        return empty()

    # ------------------------------------------------------------ their parts

    async def _found(self, call: Call) -> Record:
        id = call.params.get("id") or Parameters(call.req.params).text("id")
        if not id:
            raise Invalid("Missing required parameters: id", fields={"id": "missing"})
        return await _either(call.desk, self.kind, id)

    def _condition(self, name: str, value: object) -> Where:
        if name == self.id:
            ids = tuple(str(each) for each in _alternatives(name, value))
            return Where("id", "in", (*ids, *(id.lower() for id in ids)))
        offered = {each.encode_name for each in msgspec.structs.fields(self.new)}
        if name not in offered:
            raise Invalid(f"There is no filter {name!r} here", fields={"filter": f"unknown field {name}"})
        if name in self.texts and isinstance(value, str) and value:
            return Where(f"attribute.{name}", "contains", value)
        return Where(f"attribute.{name}", "in", _alternatives(name, value))

    async def _parents(self, desk: Desk, values: Values, present: Record | None) -> tuple[RecordRef, ...]:
        """What the record lies below. Raises `Unprocessable` for what is not there or lies elsewhere."""
        found: dict[str, RecordRef] = {}
        for parent in self.parents:
            record = await self._parent(desk, parent, values)
            found[parent.field] = record.ref
            above = found.get(parent.below)
            if above is not None and above not in record.parents:
                raise Unprocessable({parent.field: f"{parent.field} does not belong to this {parent.below}."})
        more = await self.more(desk, values, present)
        direct = [found[parent.field] for parent in self.parents if parent.direct]
        return tuple(dict.fromkeys((*direct, *more)))

    async def _parent(self, desk: Desk, parent: Parent, values: Values) -> Record:
        try:
            return await _either(desk, parent.type, str(values.get(parent.field)))
        except NotFound:
            message = f"There is no {parent.type} with this id."
            raise Unprocessable({parent.field: message}) from None

    @staticmethod
    def _unprocessable(refused: Invalid) -> Unprocessable:
        if isinstance(refused, Unprocessable):
            return refused
        # The only path of a record is that of its folder, which has its name.
        fields = ("name" if field == "path" else field for field in refused.fields)
        return Unprocessable(dict.fromkeys(fields, refused.detail) or {"name": refused.detail})

    async def _views(self, desk: Desk, records: Sequence[Record]) -> list[msgspec.Struct]:
        wanted = [
            RecordRef(named.type, str(values[named.field]))
            for values in map(self._told, records)
            for named in self.names.values()
            if values.get(named.field)
        ]
        above = await known(desk, dict.fromkeys(wanted))
        return [self._view(record, above) for record in records]

    def _told(self, record: Record) -> dict[str, Any]:
        """What is known of the record; the ids of its parents, where the host has told them by their place alone."""
        places = {parent.field: ref.id for parent in self.parents for ref in record.parents if ref.type == parent.type}
        return {**places, **record.attributes}

    def _view(self, record: Record, above: Records) -> msgspec.Struct:
        values = self._told(record)
        for name, named in self.names.items():
            parent = above.get(RecordRef(named.type, str(values.get(named.field))))
            values[name] = None if parent is None else parent.attributes.get(named.attribute)
        values[self.id] = record.id
        values["created_at"] = _moment(record.created_at)
        values["updated_at"] = _moment(record.updated_at)
        return _shaped(self.view, values)


async def _either(desk: Desk, type: str, id: str) -> Record:
    """The record of this id as it is written, or in lower case as UUIDs are kept."""
    try:
        return await desk.records.get(RecordRef(type, id))
    except NotFound:
        if id == id.lower():
            raise
    return await desk.records.get(RecordRef(type, id.lower()))


def _alternatives(name: str, value: object) -> tuple[Scalar, ...]:
    """One value or several, each of which will do; a number or boolean also as the text that spells it."""
    values = value if isinstance(value, list) else [value]
    if len(values) > MOST_ALTERNATIVES:
        raise Invalid(f"At most {MOST_ALTERNATIVES} values", fields={"filter": name})
    found: list[Scalar] = []
    for each in values:
        if isinstance(each, str):
            found.extend(scalars_like(each))
        elif each is None or isinstance(each, bool | int | float):
            found.append(each)
        else:
            raise Invalid(f"The filter {name!r} takes plain values", fields={"filter": name})
    return tuple(found)


def _defaults(kind: type[msgspec.Struct], id: str) -> dict[str, Any]:
    found = {field.encode_name: field.default for field in msgspec.structs.fields(kind) if not field.required}
    return {name: value for name, value in found.items() if name != id and value is not msgspec.NODEFAULT}


def _shaped(kind: type[msgspec.Struct], values: Values) -> msgspec.Struct:
    """The values as that shape; one that does not fit, as hosts may write them, gives way to the default."""
    fitting: dict[str, Any] = {}
    for each in msgspec.structs.fields(kind):
        try:
            fitting[each.name] = msgspec.convert(values[each.name], each.type)
        except (KeyError, msgspec.ValidationError):
            continue
    return kind(**fitting)


def _moment(microseconds: int) -> str:
    return moment_text(microseconds).strftime("%Y-%m-%dT%H:%M:%SZ")
