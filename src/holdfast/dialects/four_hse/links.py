"""`/v2/entity-attachment`: which business record a stored file belongs to (contract section 5.1)."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from holdfast.core.errors import Conflict, Invalid, NotFound
from holdfast.core.links import Hook, LinkChange
from holdfast.core.model import Attachment, Link, RecordRef
from holdfast.core.ports import AttachmentQuery, Order, Page, RecordFilter, RecordQuery, Where, Window
from holdfast.core.store import Desk
from holdfast.dialects.four_hse.errors import Unprocessable
from holdfast.dialects.four_hse.inputs import DEFAULT_PAGE_SIZE, asked, checked, converted, flag, paged, told
from holdfast.dialects.four_hse.paths import normal, path_of
from holdfast.dialects.four_hse.search import Positive
from holdfast.dialects.four_hse.shapes import EntityAttachment, link_view
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters
from holdfast.web.reply import Reply, empty, json

ENTITY_TYPES: Final = (
    "certificate",
    "action",
    "person_office",
    "office_equipment",
    "office_work_environment",
    "office",
    "project",
    "person",
    "equipment",
)
"""Where an `entity_id` is looked for, in this order: it does not say what it is the id of."""

MOST_LINKS: Final = 100
TWIN: Final = "This file is already linked to the entity."

Path = Annotated[str, Meta(min_length=1, max_length=1024)]


class NewLink(msgspec.Struct, frozen=True):
    """A file and the record it belongs to. The path counts; an `attachment_id` beside it is not needed."""

    entity_id: UUID
    attachment_path: Path
    entity_attachment_id: UUID | UnsetType = UNSET
    attachment_id: Annotated[str, Meta(max_length=50)] | UnsetType | None = UNSET


class LinkFilter(msgspec.Struct, frozen=True):
    """Which links; all that is given must hold. The path needs to hold the text only."""

    entity_attachment_id: str | None = None
    entity_id: str | None = None
    attachment_id: str | None = None
    attachment_path: str | None = None


class LinkSearch(msgspec.Struct, frozen=True):
    """What is looked for. `entity_id` is needed, here, in the filter or in the query."""

    entity_id: str | None = None
    filter: LinkFilter = LinkFilter()
    per_page: Positive = field(default=DEFAULT_PAGE_SIZE, name="per-page")
    page: Positive = 1
    sort: Literal["attachment_path", "-attachment_path", ""] = ""


async def index(call: Call) -> Reply:
    """POST /v2/entity-attachment/index."""
    search = converted(await asked(call), LinkSearch)
    narrowed = search.filter
    id = search.entity_id or narrowed.entity_id
    if not id:
        raise Invalid("Missing required parameters: entity_id", fields={"entity_id": "missing"})
    entity = await _entity(call.desk, id)
    where = await _conditions(call.desk, narrowed)
    if where is None or (narrowed.entity_id and narrowed.entity_id.lower() != entity.id.lower()):
        where = (Where("path", "in", ()),)
    order = (Order("path", descending=search.sort.startswith("-")),)

    async def fetch(window: Window) -> Page[Attachment]:
        account = call.desk.actor.account
        return await call.desk.attachments.find(
            AttachmentQuery(account, window, record=entity, where=where, order=order)
        )

    files, headers = await paged(call, search.page, search.per_page, fetch)
    links = await call.desk.links.of(tuple(file.id for file in files))
    wanted = (narrowed.entity_attachment_id or "").lower()
    shown = [_shown(file, links[file.id], entity, wanted) for file in files]
    return json([link for link in shown if link is not None], headers=headers)


async def _conditions(desk: Desk, narrowed: LinkFilter) -> tuple[Where, ...] | None:
    """What the filter asks of the file; None when there is no such link."""
    where = [Where("path", "ne", None)]
    if narrowed.attachment_id:
        where.append(Where("path_md5", "eq", narrowed.attachment_id.lower()))
    if narrowed.attachment_path:
        where.append(Where("path", "contains", narrowed.attachment_path))
    if narrowed.entity_attachment_id:
        try:
            link = await desk.links.get(narrowed.entity_attachment_id)
        except NotFound:
            return None
        where.append(Where("id", "eq", link.attachment))
    return tuple(where)


def _shown(file: Attachment, links: Sequence[Link], entity: RecordRef, wanted: str) -> EntityAttachment | None:
    """The link of the file to the entity: one, even if another API has hung it there in several roles.

    None when it was taken off since the list was read.
    """
    there = [link for link in links if link.record == entity]
    chosen = [link for link in there if link.id == wanted] or there
    return link_view(chosen[0], path_of(file)) if chosen else None


async def view(call: Call) -> Reply:
    """GET /v2/entity-attachment/view/{id}."""
    link, file = await _found(call)
    return json(link_view(link, path_of(file)))


async def create(call: Call) -> Reply:
    """POST /v2/entity-attachment/create."""
    values = checked(NewLink, await told(call), partial=False)
    entity = await _entity(call.desk, values["entity_id"])
    file = await _file(call.desk, values["attachment_path"])
    await _refuse_twins(call.desk, file, entity)
    hook = Hook(entity, id=values.get("entity_attachment_id"))
    try:
        link = await call.desk.links.hang(file.id, hook)
    except Conflict:
        await _refuse_twins(call.desk, file, entity)
        raise Unprocessable({"entity_attachment_id": "This entity_attachment_id is already taken."}) from None
    return json(link_view(link, path_of(file)), 201)


async def update(call: Call) -> Reply:
    """PUT /v2/entity-attachment/update/{id}: another entity, another file, or both; the link keeps its id."""
    link, file = await _found(call)
    values = checked(NewLink, await told(call), partial=True)
    entity = await _entity(call.desk, values["entity_id"]) if values.get("entity_id") else link.record
    if "attachment_path" in values:
        file = await _file(call.desk, values["attachment_path"])
    if (entity, file.id) == (link.record, link.attachment):
        return json(link_view(link, path_of(file)))
    await _refuse_twins(call.desk, file, entity)
    try:
        changed = await call.desk.links.change(link.id, LinkChange(attachment=file.id, record=entity))
    except Conflict:
        raise Unprocessable({"attachment_path": TWIN}) from None
    return json(link_view(changed, path_of(file)))


async def delete(call: Call) -> Reply:
    """DELETE /v2/entity-attachment/delete/{id}: nothing hangs on a link, so `force` changes nothing."""
    flag(call, "force")
    link, _ = await _found(call)
    await call.desk.links.remove(link.id)
    return empty()


async def _found(call: Call) -> tuple[Link, Attachment]:
    id = call.params.get("id") or Parameters(call.req.params).text("id")
    if not id:
        raise Invalid("Missing required parameters: id", fields={"id": "missing"})
    link = await call.desk.links.get(id)
    file = await call.desk.attachments.get(link.attachment)
    path_of(file)
    return link, file


async def _entity(desk: Desk, id: str) -> RecordRef:
    """The record of this id, of the first type that has it. Raises `Unprocessable`."""
    ids = tuple({id: None, id.lower(): None})
    filter = RecordFilter(ENTITY_TYPES, (Where("id", "in", ids),))
    found = await desk.records.find(RecordQuery(desk.actor.account, Window(limit=2 * len(ENTITY_TYPES)), filter))
    if not found.items:
        raise Unprocessable({"entity_id": "There is no entity with this id."})
    return min((record.ref for record in found.items), key=lambda ref: ENTITY_TYPES.index(ref.type))


async def _file(desk: Desk, path: str) -> Attachment:
    try:
        return await desk.attachments.at(normal(path))
    except (NotFound, Invalid):
        raise Unprocessable({"attachment_path": "No file is stored at this path."}) from None


async def _refuse_twins(desk: Desk, file: Attachment, entity: RecordRef) -> None:
    window: Any = Window(limit=MOST_LINKS)
    while window is not None:
        page = await desk.links.page(file.id, window)
        if any(link.record == entity for link in page.items):
            raise Unprocessable({"attachment_path": TWIN})
        window = None if page.next is None else Window(limit=MOST_LINKS, after=page.next)
