"""Jobs and their case notes: the records that files hang on (contract sections 5.1 and 5.2)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from holdfast.core.errors import Invalid, NotFound
from holdfast.core.model import JsonObject, Record, RecordRef
from holdfast.core.ports import RecordFilter, RecordQuery, Where, Window
from holdfast.core.records import NewRecord, RecordChange, merged
from holdfast.dialects.propops.errors import bad_parameter
from holdfast.dialects.propops.sessions import require_csrf
from holdfast.dialects.propops.shapes import (
    JobCommand,
    JobFields,
    JobsReply,
    JobView,
    NewNote,
    NoteCreated,
    NoteList,
    NoteView,
    Reference,
    Written,
    moment,
)
from holdfast.web import body
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters
from holdfast.web.reply import Reply, json

JOB: Final = "job"
CASE_NOTE: Final = "case_note"
PHOTO_ROLES: Final = ("photo",)
DOCUMENT_ROLES: Final = ("document", "attachment")
"""Files that other APIs hang on a job have the role `attachment` unless told otherwise."""

OWN: Final = "propops"
"""Where this dialect keeps what only it knows, in attributes and properties."""

_PARENTS: Final = {"branch_id": "branch", "contractor_id": "contractor"}
_WHOLE: Final = (
    "status_id",
    "priority_id",
    "job_type_id",
    "agent_id",
    "contractor_id",
    "branch_id",
    "address_id",
)
_AMOUNTS: Final = ("job_total_budget", "contractor_budget", "vat_percentage", "total_amount")
_TEXTS: Final = tuple(name for name in JobFields.__struct_fields__ if name not in {*_WHOLE, *_AMOUNTS, "is_pinned"})
_SEARCHED: Final = (
    "job_ref",
    "job_title",
    "job_description",
    "full_address",
    "invoice_no",
    "quote_no",
    "works_order_ref",
    "access_details",
)
_SCAN: Final = 200


def job_ref(type: str, id: str, parameter: str) -> RecordRef:
    """The record that a parameter names. Raises `Invalid` for what cannot be an id."""
    try:
        return RecordRef.checked(type, id)
    except Invalid:
        raise bad_parameter(parameter) from None


def read_window(parameters: Parameters) -> Window:
    """`limit` 1 to 200, 50 unless told, and `offset` (contract 3). Raises `Invalid`."""
    limit = parameters.whole("limit", 50, 1, 200)
    return Window(limit, offset=parameters.whole("offset", 0, 0, 2**53))


# ---------------------------------------------------------------- reading jobs


async def read_jobs(call: Call) -> Reply:
    """GET /api/jobs/manage, `action=list` or `action=get`."""
    parameters = Parameters(call.req.params)
    action = parameters.choice("action", ("list", "get")) or "list"
    if action == "get":
        uuid = parameters.text("uuid")
        if uuid is None:
            raise bad_parameter("uuid")
        record = await call.desk.records.get(job_ref(JOB, uuid, "uuid"))
        return json(JobsReply(data=(await _views(call, (record,)))[0]))
    window = read_window(parameters)
    query = RecordQuery(call.actor.account, window, RecordFilter((JOB,), _conditions(parameters)))
    wanted = [name for name in ("photos_count", "documents_count") if parameters.flag(f"has_{name[:-6]}")]
    if wanted:
        views = await _holding(call, query, wanted)
    else:
        views = await _views(call, (await call.desk.records.find(query)).items)
    return json(JobsReply(data=views, count=len(views)))


def _conditions(parameters: Parameters) -> tuple[Where, ...]:
    found: list[Where] = []
    for name in ("status_id", "priority_id", "agent_id", "contractor_id"):
        number = parameters.whole(name, -1, 0, 2**53)
        if number >= 0:
            found.append(Where(f"attribute.{name}", "eq", number))
    if (created_by := parameters.text("created_by")) is not None:
        found.append(Where("created_by", "eq", created_by))
    if (search := parameters.text("search")) is not None:
        found.append(Where(f"attribute.{OWN}.search", "contains", search))
    return tuple(found)


async def _holding(call: Call, query: RecordQuery, wanted: list[str]) -> list[JobView]:
    """The jobs of the window that have files of every kind wanted; the counts decide, so rows are walked through."""
    window, found = query.window, list[JobView]()
    walk = Window(_SCAN)
    while len(found) < window.offset + window.limit:
        page = await call.desk.records.find(msgspec.structs.replace(query, window=walk))
        views = await _views(call, page.items)
        found += [view for view in views if all(getattr(view, name) for name in wanted)]
        if page.next is None:
            break
        walk = Window(_SCAN, after=page.next)
    return found[window.offset : window.offset + window.limit]


async def _views(call: Call, records: tuple[Record, ...]) -> list[JobView]:
    refs = tuple(record.ref for record in records)
    photos = await call.desk.records.tally(refs, PHOTO_ROLES)
    documents = await call.desk.records.tally(refs, DOCUMENT_ROLES)
    return [_view(record, photos.get(record.ref, 0), documents.get(record.ref, 0)) for record in records]


def _view(record: Record, photos: int, documents: int) -> JobView:
    told = record.attributes
    values: dict[str, Any] = {
        **{name: _whole(told.get(name)) for name in _WHOLE},
        **{name: _amount(told.get(name)) for name in _AMOUNTS},
        **{name: _text(told.get(name)) for name in _TEXTS},
    }
    return JobView(
        **values,
        ID=record.number,
        uuid=record.id,
        is_pinned=told.get("is_pinned") is True,
        photos_count=photos,
        documents_count=documents,
        created_at=moment(record.created_at),
        updated_at=moment(record.updated_at),
    )


# Hosts register jobs with attributes of their own making; what does not fit is as if it were not there.
def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _amount(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


# ---------------------------------------------------------------- changing jobs


async def write_jobs(call: Call) -> Reply:
    """POST /api/jobs/manage: `action` create (unless told), update or delete."""
    told = await body.json(call, JobCommand)
    require_csrf(call, told.csrf_token)
    if told.action == "create":
        return await _create(call, told)
    if not told.uuid:
        raise bad_parameter("uuid")
    ref = job_ref(JOB, told.uuid, "uuid")
    if told.action == "delete":
        await call.desk.records.delete(ref, cascade=True)
    else:
        await _update(call, ref, told)
    return json(Written())


async def _create(call: Call, told: JobCommand) -> Reply:
    attributes = _told(told)
    if not attributes.get("job_title"):
        raise bad_parameter("job_title")
    ref = RecordRef(JOB, call.desk.new_id())
    new = NewRecord(ref, merged({}, attributes), _parents(attributes, ()))
    try:
        record = await call.desk.records.create(new, also=_numbered)
    except Invalid as refused:
        raise await _explained(call, refused, new.parents) from None
    return json(Written(data=Reference(record.number, record.id)))


async def _update(call: Call, ref: RecordRef, told: JobCommand) -> None:
    record = await call.desk.records.get(ref)
    attributes = _told(told)
    if attributes.get("job_title", "x") in {"", None}:
        raise bad_parameter("job_title")
    after = merged(record.attributes, attributes)
    parents = _parents(attributes, record.parents)
    change = RecordChange({**attributes, OWN: _searchable(after)}, parents)
    try:
        await call.desk.records.change(ref, change, frozenset({record.revision}))
    except Invalid as refused:
        raise await _explained(call, refused, parents) from None


def _told(told: JobCommand) -> dict[str, Any]:
    values = {name: getattr(told, name) for name in JobFields.__struct_fields__}
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}


def _numbered(record: Record) -> JsonObject:
    ref = record.attributes.get("job_ref") or f"JOB{record.number}"
    return {"job_ref": ref, OWN: _searchable({**record.attributes, "job_ref": ref})}


def _searchable(attributes: Mapping[str, Any]) -> JsonObject:
    return {"search": "\n".join(filter(None, (_text(attributes.get(name)) for name in _SEARCHED)))}


def _parents(told: Mapping[str, Any], present: tuple[RecordRef, ...]) -> tuple[RecordRef, ...]:
    """Branch and contractor as told; parents that are not spoken of stay."""
    spoken = {type for name, type in _PARENTS.items() if name in told}
    kept = [parent for parent in present if parent.type not in spoken]
    named = [RecordRef(type, str(told[name])) for name, type in _PARENTS.items() if told.get(name) is not None]
    return (*kept, *named)


async def _explained(call: Call, refused: Invalid, parents: tuple[RecordRef, ...]) -> Invalid:
    """Which of the client's own fields names the parent that is not there."""
    if "parents" in refused.fields:
        for name, type in _PARENTS.items():
            for parent in parents:
                if parent.type == type and await _is_unknown(call, parent):
                    return bad_parameter(name)
    return refused


async def _is_unknown(call: Call, ref: RecordRef) -> bool:
    try:
        await call.desk.records.get(ref)
    except NotFound:
        return True
    return False


# ---------------------------------------------------------------- case notes


async def read_notes(call: Call) -> Reply:
    """GET /api/jobs/case-notes."""
    parameters = Parameters(call.req.params)
    parameters.choice("action", ("list",))
    uuid = parameters.text("job_uuid")
    if uuid is None:
        raise bad_parameter("job_uuid")
    job = await call.desk.records.get(job_ref(JOB, uuid, "job_uuid"))
    query = RecordQuery(call.actor.account, read_window(parameters), RecordFilter((CASE_NOTE,)), parent=job.ref)
    records = (await call.desk.records.find(query)).items
    counts = await call.desk.records.tally(tuple(record.ref for record in records))
    views = [_note(record, job.number, counts.get(record.ref, 0)) for record in records]
    return json(NoteList(data=views, count=len(views)))


def _note(record: Record, job: int, files: int) -> NoteView:
    told = record.attributes
    return NoteView(
        record.number,
        record.id,
        job,
        _text(told.get("note_text")) or "",
        _text(told.get("created_by_name")) or record.created_by,
        told.get("send_email") is True,
        files,
        moment(record.created_at),
    )


async def write_note(call: Call) -> Reply:
    """POST /api/jobs/case-notes. The wish to send an e-mail is kept; none is sent."""
    told = await body.json(call, NewNote)
    require_csrf(call, told.csrf_token)
    if not told.job_uuid:
        raise bad_parameter("job_uuid")
    if not told.note_text.strip():
        raise bad_parameter("note_text")
    job = await call.desk.records.get(job_ref(JOB, told.job_uuid, "job_uuid"))
    attributes = {"note_text": told.note_text, "send_email": told.send_email, "created_by_name": call.actor.name}
    new = NewRecord(RecordRef(CASE_NOTE, call.desk.new_id()), attributes, (job.ref,))
    record = await call.desk.records.create(new)
    return json(NoteCreated(note_id=record.number, note_uuid=record.id))
