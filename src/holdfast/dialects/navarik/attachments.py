"""`…/documents/{document_id}/attachments`: the five calls of the seed."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from holdfast.core.attachments import NewAttachment
from holdfast.core.errors import Invalid, NotFound
from holdfast.core.intake import Intake
from holdfast.core.links import Hook
from holdfast.core.model import Attachment, RecordRef, has_control_characters
from holdfast.core.ports import AttachmentQuery, Where, Window
from holdfast.dialects.navarik.envelopes import OURS, attachment_envelope
from holdfast.dialects.navarik.lists import Criterion, known, ordered, orders, page_of, read_sort
from holdfast.dialects.navarik.parents import document_in, workspace_of
from holdfast.dialects.navarik.requests import path_id, read_window
from holdfast.dialects.navarik.shapes import AttachmentBody, Envelope
from holdfast.web import body
from holdfast.web.content import serve
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters
from holdfast.web.reply import Reply, json

MAX_SORTED: Final = 1000
"""How many attachments of one document are put in order here, when the catalog has no such column."""

MAX_REFERENCE: Final = 1000

REFERENCES: Final = ("clientReferenceNumber", "vendorReferenceNumber")
_TEXTS: Final = (*REFERENCES, "description")

_COLUMNS: Final[Mapping[str, str]] = {
    "id": "id",
    "created_at": "created_at",
    "created_by": "created_by",
    "modified_at": "updated_at",
    "modified_by": "updated_by",
    "body.caption": "name",
    "body.size": "size",
    "body.location": "sha256",
    "body.format": "media_type",
    "body.description": "description",
    "body.clientReferenceNumber": "property.navarik.clientReferenceNumber",
    "body.vendorReferenceNumber": "property.navarik.vendorReferenceNumber",
}
_COMPUTED: Final = frozenset({"version_id", "last_action"})
_SORTABLE: Final = _COMPUTED.union(_COLUMNS)


class Place(NamedTuple):
    """The document that a call is about, and its workspace."""

    workspace: str
    document: str

    @property
    def record(self) -> RecordRef:
        """The document's record."""
        return RecordRef("document", self.document)


async def _place(call: Call) -> Place:
    """Raises `Invalid` for malformed ids, `NotFound`, `OutOfScope`."""
    workspace, document = path_id(call, "workspace_id"), path_id(call, "document_id")
    await workspace_of(call, workspace)
    await document_in(call, workspace, document)
    return Place(workspace, document)


async def _found(call: Call) -> tuple[Place, Attachment]:
    """The attachment under its document. Raises as `_place` does."""
    id = path_id(call, "attachment_id")
    place = await _place(call)
    only = (Where("id", "eq", id),)
    page = await call.desk.attachments.find(
        AttachmentQuery(call.actor.account, Window(1), record=place.record, where=only)
    )
    if not page.items:
        raise NotFound("attachment")
    return place, page.items[0]


def _view(place: Place, attachment: Attachment) -> Envelope[AttachmentBody]:
    return attachment_envelope(attachment, place.workspace, place.document)


# ---------------------------------------------------------------- list


async def listed(call: Call) -> Reply:
    """GET …/attachments."""
    parameters = Parameters(call.req.params)
    window, criteria = read_window(parameters), known(read_sort(parameters), _SORTABLE)
    place = await _place(call)
    query = AttachmentQuery(call.actor.account, window, record=place.record)
    if any(criterion.field in _COMPUTED for criterion in criteria):
        views = await _sorted_here(call, place, query, criteria)
        return json(views[window.offset : window.offset + window.limit])
    query = msgspec.structs.replace(query, order=orders(criteria, _COLUMNS))

    async def fetch(part: Window) -> list[Envelope[AttachmentBody]]:
        page = await call.desk.attachments.find(msgspec.structs.replace(query, window=part))
        return [_view(place, attachment) for attachment in page.items]

    return json(await page_of(fetch, window, criteria))


async def _sorted_here(
    call: Call, place: Place, query: AttachmentQuery, criteria: tuple[Criterion, ...]
) -> list[Envelope[AttachmentBody]]:
    """All attachments of the document in an order that the catalog cannot make. Raises `Invalid` for too many."""
    page = await call.desk.attachments.find(msgspec.structs.replace(query, window=Window(MAX_SORTED)))
    if page.next is not None:
        raise Invalid(
            f"A document with more than {MAX_SORTED} attachments is not sorted by version_id or last_action",
            fields={"sort": "too many attachments"},
        )
    return ordered([_view(place, attachment) for attachment in page.items], criteria)


# ---------------------------------------------------------------- create


async def create(call: Call) -> Reply:
    """POST …/attachments: a form with the part `file`; texts in the query, or in the form where the query has none."""
    parameters = Parameters(call.req.params)
    asked = {name: parameters.text(name) for name in _TEXTS}
    place = await _place(call)
    async with await call.desk.attachments.receive() as intake:
        told = await _take_form(call, intake)
        texts = {name: asked[name] or told.get(name) or None for name in _TEXTS}
        references = {name: _reference(name, text) for name in REFERENCES if (text := texts[name]) is not None}
        new = NewAttachment(
            intake.name,
            texts["description"],
            (Hook(place.record),),
            properties={OURS: references} if references else {},
        )
        attachment = await call.desk.attachments.create(intake, new)
    location = (("Location", f"{call.req.path}/{attachment.id}"),)
    return json(_view(place, attachment), 201, headers=location)


def _reference(name: str, text: str) -> str:
    if len(text) > MAX_REFERENCE or has_control_characters(text):
        raise Invalid(f"{name} is one line of at most {MAX_REFERENCE} characters", fields={name: "unfit"})
    return text


async def _take_form(call: Call, intake: Intake) -> dict[str, str]:
    """Receive the file and the known fields, in any order, each at most once. Raises `Invalid`."""
    told: dict[str, str] = {}
    received = False
    async for part in body.form(call, urlencoded=False):
        if isinstance(part, body.Field):
            _note(told, part)
            continue
        if received or part.name != "file":
            raise Invalid("The form holds one file, in the part named file", fields={part.name: "unexpected file"})
        await intake.take(part.chunks, name=part.filename, declared_type=part.media_type)
        received = True
    if not received:
        raise Invalid("No file was sent in the part named file", fields={"file": "missing"})
    return told


def _note(told: dict[str, str], part: body.Field) -> None:
    if part.name == "file":
        raise Invalid("The part named file has no filename", fields={"file": "not a file"})
    if part.name in told:
        raise Invalid(f"{part.name} is given more than once", fields={part.name: "repeated"})
    if part.name in _TEXTS:
        told[part.name] = part.value


# ---------------------------------------------------------------- one


async def descriptor(call: Call) -> Reply:
    """GET …/attachments/{attachment_id}."""
    return json(_view(*await _found(call)))


async def content(call: Call) -> Reply:
    """GET and HEAD …/attachments/{attachment_id}/content."""
    _, attachment = await _found(call)
    _, stored = await call.desk.attachments.content(attachment.id)
    return serve(call, stored)


async def delete(call: Call) -> Reply:
    """DELETE …/attachments/{attachment_id}: into the trash; the envelope is the last one."""
    place, attachment = await _found(call)
    gone = await call.desk.attachments.trash(attachment.id)
    return json(attachment_envelope(gone, place.workspace, place.document, deleted=True))
