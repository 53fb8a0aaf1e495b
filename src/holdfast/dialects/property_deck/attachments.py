"""`/attachments`, the two creates, and the two file URLs (seed 001; contract section 4).

The view: live attachments that hang on at least one contact or property.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from holdfast.core.attachments import Description, NewAttachment
from holdfast.core.errors import Invalid, NotFound
from holdfast.core.intake import Intake
from holdfast.core.links import Hook
from holdfast.core.model import Attachment, RecordRef
from holdfast.core.paths import checked_name
from holdfast.core.ports import AttachmentQuery, Page, RecordFilter, Where, Window
from holdfast.dialects.property_deck.errors import Refused
from holdfast.dialects.property_deck.filters import (
    ATTACHMENT_FILTERS,
    CONTACT_FILTERS,
    PROPERTY_FILTERS,
    conditions,
    related,
    spellings,
)
from holdfast.dialects.property_deck.inputs import TEXT, read_input
from holdfast.dialects.property_deck.paging import page_meta, read_sheet
from holdfast.dialects.property_deck.shapes import AttachmentPage, OneAttachment, attachment_object
from holdfast.web import body
from holdfast.web.content import serve
from holdfast.web.dialect import Call, Handler
from holdfast.web.reply import Reply, empty, json

CONTACT: Final = "contact"
PROPERTY: Final = "property"

_HERE: Final = RecordFilter((CONTACT, PROPERTY))
_RELATED: Final = {CONTACT: CONTACT_FILTERS, PROPERTY: PROPERTY_FILTERS}

T = TypeVar("T")


async def listed(call: Call) -> Reply:
    """GET /attachments, newest first."""
    sheet = read_sheet(call)
    now = call.desk.now()
    own = {path: given for path, given in sheet.filters.items() if path[0] not in _RELATED}
    where = conditions(ATTACHMENT_FILTERS, own, now)
    linked = tuple(
        found for type, filters in _RELATED.items() if (found := related(type, filters, sheet.filters, now)) is not None
    )
    query = AttachmentQuery(call.actor.account, sheet.window, linked=linked or (_HERE,), where=where)
    page = await call.desk.attachments.find(query)
    base_url = call.base_url
    data = [attachment_object(attachment, base_url) for attachment in page.items]
    return json(AttachmentPage(data, page_meta(call, sheet, len(data), page.total or 0)))


async def get(call: Call) -> Reply:
    """GET /attachments/{uuid}."""
    return _one(call, await _found(call))


async def _found(call: Call) -> Attachment:
    """The attachment that the path names, if it is part of this view. Raises `NotFound`."""
    id = call.params["uuid"].lower()
    query = AttachmentQuery(call.actor.account, Window(1), linked=(_HERE,), where=(Where("id", "eq", id),))
    page: Page[Attachment] = await call.desk.attachments.find(query)
    if not page.items:
        raise NotFound("attachment")
    return page.items[0]


def _one(call: Call, attachment: Attachment, status: int = 200) -> Reply:
    shown = attachment_object(attachment, call.base_url)
    headers = (("Location", f"{call.base_url}/attachments/{attachment.id}"),) if status == 201 else ()
    return json(OneAttachment(shown), status, headers=headers)


async def update(call: Call) -> Reply:
    """PUT /attachments/{uuid}: the description alone can change; absent leaves it, null clears it."""
    attachment = await _found(call)
    told = await read_input(call, {"description": TEXT})
    if "description" in told:
        description = told["description"]
        change = Description(description=description if isinstance(description, str) else None)
        attachment = await call.desk.attachments.describe(attachment.id, change)
    return _one(call, attachment)


async def delete(call: Call) -> Reply:
    """DELETE /attachments/{uuid}."""
    await call.desk.attachments.trash((await _found(call)).id)
    return empty()


async def download(call: Call) -> Reply:
    """GET /attachments/{uuid}/download: to be saved."""
    return await _bytes(call, inline=False)


async def stream(call: Call) -> Reply:
    """GET /attachments/{uuid}/stream: shown in the browser, if its type is safe to show."""
    return await _bytes(call, inline=True)


async def _bytes(call: Call, *, inline: bool) -> Reply:
    _, content = await call.desk.attachments.content((await _found(call)).id)
    return serve(call, content, inline=inline)


# ---------------------------------------------------------------- creating


async def first_known(ids: tuple[RecordRef, ...], look: Callable[[RecordRef], Awaitable[T]]) -> T:
    """What the first of these spellings of an id gives that is there. Raises `NotFound`."""
    for ref in ids:
        try:
            return await look(ref)
        except NotFound:
            continue
    raise NotFound("record")


def refs(type: str, uuid: str) -> tuple[RecordRef, ...]:
    """The records that the path may mean. Raises `NotFound` for what cannot be an id."""
    try:
        return tuple(RecordRef.checked(type, spelling) for spelling in spellings(uuid))
    except Invalid:
        raise NotFound(type) from None


def upload_to(type: str) -> Handler:
    """POST /contacts/{uuid}/attachments or /properties/{uuid}/attachments."""

    async def upload(call: Call) -> Reply:
        async def look(ref: RecordRef) -> Hook:
            hook = Hook(ref)
            await call.desk.links.may_hang((hook,))
            return hook

        hook = await first_known(refs(type, call.params["uuid"]), look)
        async with await call.desk.attachments.receive() as intake:
            new = msgspec.structs.replace(await _read_form(call, intake), hooks=(hook,))
            return _one(call, await call.desk.attachments.create(intake, new), 201)

    return upload


async def _read_form(call: Call, intake: Intake) -> NewAttachment:
    """`upload` and `description` in either order, each once; other text fields are passed over."""
    name: str | None = None
    texts: dict[str, str] = {}
    problems: dict[str, str] = {}
    async for part in body.form(call, urlencoded=False):
        if part.name in texts or (part.name == "upload" and name is not None):
            problems[part.name] = f"The {part.name} field is given more than once."
        elif isinstance(part, body.Field):
            texts[part.name] = part.value
        elif part.name != "upload":
            problems[part.name] = "The file must be sent as upload."
        else:
            name = _file_name(part.filename)
            await intake.take(part.chunks, name=name, declared_type=part.media_type)
    if "upload" in texts:
        problems["upload"] = "The upload must be a file with a name."
    elif name is None:
        problems["upload"] = "The upload field is required."
    if problems or name is None:
        raise Refused(problems)
    return NewAttachment(name, texts.get("description") or None)


def _file_name(name: str) -> str:
    try:
        return checked_name(name)
    except Invalid as refused:
        raise Refused({"upload": f"The upload needs another file name: {refused.detail}."}) from None
