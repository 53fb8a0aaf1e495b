"""The four attachment operations of seed 2: upload, list, download, retrieve.

A file is seen here while it hangs on a record of type `case`, however it came there.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from holdfast.core.attachments import NewAttachment
from holdfast.core.errors import Invalid, NotFound, OutOfScope, TooLarge
from holdfast.core.intake import Intake
from holdfast.core.links import Hook
from holdfast.core.model import Attachment, Link, RecordRef
from holdfast.core.ports import AttachmentQuery, RecordFilter, Where, Window
from holdfast.dialects.case_iq.listing import (
    Listing,
    Sortable,
    as_digest,
    as_moment,
    as_text,
    as_whole,
    read_listing,
)
from holdfast.dialects.case_iq.shapes import (
    CASE,
    ENCODING,
    FILE_MEMBERS,
    KIND,
    LOCALE,
    OWN,
    TAG,
    checked_uuid,
    file_record,
    split_name,
)
from holdfast.web import body
from holdfast.web.content import serve
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters
from holdfast.web.reply import Reply, json

SORTABLE: Final[Mapping[str, Sortable]] = {
    "createdDate": Sortable("created_at", as_moment),
    "lastUpdatedDate": Sortable("updated_at", as_moment),
    "id": Sortable("id", as_text),
    "name": Sortable("name", as_text),
    "mimeType": Sortable("media_type", as_text),
    "sizeBytes": Sortable("size", as_whole),
    "description": Sortable("description", as_text),
    "createdBy": Sortable("created_by", as_text),
    "objectId": Sortable("sha256", as_digest),
}

FILTERS: Final = (
    "kind",
    "fileFormat",
    "caseId",
    "id",
    "name",
    "nameWithoutExtension",
    "mimeType",
    "description",
    "encoding",
    "templateLocale",
    "objectId",
    "createdBy",
)
"""The string fields of a file record, in the order in which the page names them."""

_COLUMNS: Final = {
    "id": "id",
    "name": "name",
    "mimeType": "media_type",
    "description": "description",
    "createdBy": "created_by",
}
_DEFAULTS: Final = {"kind": KIND, "encoding": ENCODING, "templateLocale": LOCALE}
_SINGLE: Final = frozenset({"caseId", "description", "templateLocale"})
_LOCALE: Final = re.compile(r"[a-z]{2,3}(?:_[A-Z][a-z]{3})?_(?:[A-Z]{2}|[0-9]{3})")
_FORM_OVERHEAD: Final = body.MAX_PARTS * (body.MAX_FIELD + body.MAX_PART_HEADER_BYTES)

Keep = Callable[[Attachment], bool]


# ---------------------------------------------------------------- upload


async def save_file(call: Call) -> Reply:
    """POST /api-public/1.0/save_file. Parts that follow the file are not seen."""
    limit = int(call.choice("upload_limit"))
    fields: dict[str, list[str]] = {}
    new: NewAttachment | None = None
    async with await call.desk.attachments.receive(limit=limit) as intake:
        try:
            async for part in body.form(call, limit=limit + _FORM_OVERHEAD, urlencoded=False):
                if new is not None:
                    continue
                if isinstance(part, body.Field):
                    _note(fields, part)
                else:
                    new = await _take_file(call, intake, part, fields)
        except TooLarge as error:
            raise TooLarge(min(limit, error.limit)) from None
        if new is None:
            raise _missing("file")
        try:
            attachment = await call.desk.attachments.create(intake, new)
        except OutOfScope:
            raise NotFound(CASE) from None
    return json(file_record(attachment, new.hooks[0].record.id))


def _note(fields: dict[str, list[str]], part: body.Field) -> None:
    if part.name == "file":
        raise Invalid("file must be a file with a name", fields={"file": "not a file"})
    if part.name == "bulkTags" or (part.name.startswith("bulkTags[") and part.name != "bulkTags[]"):
        raise Invalid("Repeat bulkTags[] once per tag ID", fields={part.name: "send bulkTags[]"})
    if part.name not in _SINGLE and part.name != "bulkTags[]":
        raise Invalid(f"There is no form field {part.name!r}", fields={part.name: "unknown field"})
    if part.name in _SINGLE and part.name in fields:
        raise Invalid(f"{part.name} is given more than once", fields={part.name: "repeated"})
    fields.setdefault(part.name, []).append(part.value)


async def _take_file(call: Call, intake: Intake, part: body.FilePart, fields: dict[str, list[str]]) -> NewAttachment:
    """Check all that the fields say, then receive the bytes."""
    if part.name != "file":
        raise Invalid(f"{part.name!r} must not be a file", fields={part.name: "unexpected file"})
    case = RecordRef(CASE, checked_uuid(_single(fields, "caseId"), "caseId"))
    locale = _single(fields, "templateLocale", LOCALE)
    if not _LOCALE.fullmatch(locale):
        raise Invalid("templateLocale is a locale such as en_US", fields={"templateLocale": "not a locale"})
    most = int(call.choice("files_per_case"))
    hook = Hook(case, most=most)
    try:
        await call.desk.links.may_hang((hook,))
    except OutOfScope:
        raise NotFound(CASE) from None
    own = {
        "kind": KIND,
        "encoding": _transfer_encoding(part),
        "templateLocale": locale,
        "bulkTags": await _known_tags(call, fields.get("bulkTags[]", [])),
    }
    await intake.take(part.chunks, name=part.filename, declared_type=part.media_type)
    description = fields["description"][0] if "description" in fields else None
    return NewAttachment(part.filename, description, (hook,), properties={OWN: own})


def _single(fields: Mapping[str, list[str]], name: str, default: str | None = None) -> str:
    """The one value of a field; an empty one is an absent one. Raises `Invalid` when there is none."""
    value = fields.get(name, [""])[0] or default
    if value is None:
        raise _missing(name)
    return value


def _missing(name: str) -> Invalid:
    return Invalid(f"{name} is required", fields={name: "missing"})


async def _known_tags(call: Call, ids: list[str]) -> list[str]:
    """The tags in their order, each once. Raises `Invalid` for one that is not registered within scope."""
    tags = list(dict.fromkeys(filter(None, ids)))
    for id in tags:
        try:
            await call.desk.links.may_hang((Hook(RecordRef.checked(TAG, id)),))
        except (NotFound, OutOfScope, Invalid):
            raise Invalid(f"There is no tag {id!r}", fields={"bulkTags[]": "unknown tag"}) from None
    return tags


def _transfer_encoding(part: body.FilePart) -> str:
    for name, value in part.headers:
        if name.lower() == "content-transfer-encoding":
            return value.strip().lower() or ENCODING
    return ENCODING


# ---------------------------------------------------------------- one file


async def get(call: Call) -> Reply:
    """GET /api-public/1.0/attachment/{id}."""
    attachment, case = await _seen(call)
    return json(file_record(attachment, case))


async def download(call: Call) -> Reply:
    """GET and HEAD /api-public/1.0/attachment/{id}/attachment: the bytes, never JSON."""
    attachment, _ = await _seen(call)
    _, content = await call.desk.attachments.content(attachment.id)
    return serve(call, content)


async def _seen(call: Call) -> tuple[Attachment, str]:
    """The attachment of the path and its case. Raises `Invalid` for a malformed id, `NotFound`."""
    id = checked_uuid(call.params["id"], "id")
    try:
        attachment: Attachment = await call.desk.attachments.get(id)
        links = await call.desk.links.of((attachment.id,))
    except OutOfScope:
        raise NotFound("attachment") from None
    case = _first_case(links[attachment.id])
    if case is None:
        raise NotFound("attachment")
    return attachment, case


def _first_case(links: Iterable[Link]) -> str | None:
    """The first case among the links that the caller sees."""
    return next((link.record.id for link in links if link.record.type == CASE), None)


# ---------------------------------------------------------------- list


async def listed(call: Call) -> Reply:
    """GET /api-public/1.0/attachments."""
    parameters = Parameters(call.req.params)
    listing = read_listing(parameters, SORTABLE, FILE_MEMBERS)
    asked = {name: value for name in FILTERS if (value := parameters.text(name)) is not None}
    parameters.finish()
    query = _query(call, listing, asked)
    found = [] if query is None else await _collect(call, listing, query, _keeps(asked))
    return listing.reply([file_record(attachment, case) for attachment, case in found])


def _query(call: Call, listing: Listing, asked: Mapping[str, str]) -> AttachmentQuery | None:
    """What the core is asked for, or None when nothing can match."""
    where = [*listing.bounds, *(_condition(name, value) for name, value in asked.items() if name != "caseId")]
    query = AttachmentQuery(
        call.desk.actor.account,
        Window(listing.limit),
        words=_extension_words(asked.get("fileFormat")),
        where=tuple(condition for condition in where if condition is not None),
        order=listing.order,
    )
    case = asked.get("caseId")
    if case is None:
        return msgspec.structs.replace(query, linked=(RecordFilter((CASE,)),))
    try:
        return msgspec.structs.replace(query, record=RecordRef.checked(CASE, case))
    except Invalid:
        return None


def _condition(name: str, value: str) -> Where | None:
    if name in _COLUMNS:
        return Where(_COLUMNS[name], "eq", value)
    if name in _DEFAULTS:
        return Where(f"property.{OWN}.{name}", "in", (value, None) if value == _DEFAULTS[name] else (value,))
    if name == "objectId":
        return Where("sha256", "eq", _digest(value))
    return Where("name", "prefix", value) if name == "nameWithoutExtension" else None


def _digest(value: str) -> bytes:
    try:
        return bytes.fromhex(value) if value == value.lower() else b""
    except ValueError:
        return b""


def _extension_words(extension: str | None) -> str | None:
    """A search that finds at least every name with this extension, where it is plain enough to search for."""
    return f".{extension}" if extension is not None and extension.isascii() and " " not in extension else None


def _keeps(asked: Mapping[str, str]) -> Keep:
    """What the core's conditions leave open: the two fields that are parts of the name."""
    stem, extension = asked.get("nameWithoutExtension"), asked.get("fileFormat")

    def keep(attachment: Attachment) -> bool:
        parts = split_name(attachment.name)
        return stem in {None, parts[0]} and extension in {None, parts[1].lower()}

    return keep


async def _collect(call: Call, listing: Listing, query: AttachmentQuery, keep: Keep) -> list[tuple[Attachment, str]]:
    """The first rows that are kept and whose case the caller sees, up to the limit."""
    found: list[tuple[Attachment, str]] = []
    while True:
        try:
            page = await call.desk.attachments.find(query)
        except (NotFound, OutOfScope):
            return []
        kept = [attachment for attachment in page.items if keep(attachment)]
        found += await _with_cases(call, listing, query.record, kept)
        if len(found) >= listing.limit or page.next is None:
            return found[: listing.limit]
        query = msgspec.structs.replace(query, window=Window(listing.limit, after=page.next))


async def _with_cases(
    call: Call, listing: Listing, wanted: RecordRef | None, attachments: list[Attachment]
) -> list[tuple[Attachment, str]]:
    """Each with its case; without those whose case is out of the caller's sight."""
    if wanted is not None:
        return [(attachment, wanted.id) for attachment in attachments]
    if not call.desk.actor.scopes and not listing.wants("caseId"):
        return [(attachment, "") for attachment in attachments]
    links = await call.desk.links.of(tuple(attachment.id for attachment in attachments))
    cases = [(attachment, _first_case(links[attachment.id])) for attachment in attachments]
    return [(attachment, case) for attachment, case in cases if case is not None]
