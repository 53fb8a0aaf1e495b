"""The four places where files come from: their lists, uploads and deletes, and the pictures of documents.

Contract sections 5.3 to 5.7.
"""

from typing import Final, NamedTuple

from holdfast.core.attachments import NewAttachment
from holdfast.core.errors import Invalid, NotFound, TooLarge, Unavailable, Unrenderable, UnsupportedType
from holdfast.core.intake import Intake
from holdfast.core.links import Hook
from holdfast.core.model import Attachment, Record, RecordRef
from holdfast.core.ports import AttachmentQuery, Window
from holdfast.dialects.propops.downloads import bare
from holdfast.dialects.propops.errors import bad_parameter
from holdfast.dialects.propops.jobs import CASE_NOTE, DOCUMENT_ROLES, JOB, OWN, PHOTO_ROLES, job_ref, read_window
from holdfast.dialects.propops.sessions import require_csrf
from holdfast.dialects.propops.shapes import (
    BranchFile,
    BranchFileList,
    JobFile,
    JobFileList,
    NoteFile,
    NoteFileList,
    Reference,
    Written,
    moment,
)
from holdfast.web import body
from holdfast.web.content import serve
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters
from holdfast.web.reply import Reply, json

BRANCH: Final = "branch"
SVG: Final = "image/svg+xml"
PLACEHOLDER: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200" viewBox="0 0 200 200">'
    b'<rect width="200" height="200" fill="#eee"/><path d="M60 40h55l25 25v95H60z" fill="#fff" stroke="#999"/></svg>'
)
"""What stands for a document of which there is no picture."""

_EDGES: Final = (128, 200, 256, 512)
_YEAR: Final = ("Cache-Control", "private, max-age=31536000")
_LINKS: Final = Window(limit=1000)


class Source(NamedTuple):
    """Where files hang: the record's type, the roles listed (the first is given), and the form's field names."""

    type: str
    roles: tuple[str, ...]
    target: str
    file: str
    id: str


DOCUMENTS: Final = Source(JOB, DOCUMENT_ROLES, "job_uuid", "file", "document_uuid")
PHOTOS: Final = Source(JOB, PHOTO_ROLES, "job_uuid", "photo", "photo_uuid")
NOTE_FILES: Final = Source(CASE_NOTE, ("attachment", "document", "photo"), "case_note_uuid", "file", "attachment_uuid")
BRANCH_FILES: Final = Source(BRANCH, ("document", "attachment", "photo"), "branch_id", "file", "document_uuid")


def _target(source: Source, value: str | None) -> RecordRef:
    if not value:
        raise bad_parameter(source.target)
    if source.type == BRANCH:
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise bad_parameter(source.target)
        value = str(int(value))
    return job_ref(source.type, value, source.target)


# ---------------------------------------------------------------- lists


async def read_documents(call: Call) -> Reply:
    """GET /api/jobs/documents."""
    record, files = await _listed(call, DOCUMENTS)
    return _job_files(record, files)


async def read_photos(call: Call) -> Reply:
    """GET /api/jobs/photos."""
    record, files = await _listed(call, PHOTOS)
    return _job_files(record, files)


async def read_note_files(call: Call) -> Reply:
    """GET /api/jobs/case-note-attachments."""
    record, files = await _listed(call, NOTE_FILES)
    job = next((parent for parent in record.parents if parent.type == JOB), None)
    job_id = None if job is None else (await call.desk.records.get(job)).number
    items = [
        NoteFile(
            ID=file.number,
            uuid=file.id,
            job_id=job_id,
            case_note_uuid=record.id,
            file_name=file.name,
            mime_type=file.media_type,
            file_size=file.size,
            created_by_name=_author(file),
            created_at=moment(file.created_at),
        )
        for file in files
    ]
    return json(NoteFileList(data=items, count=len(items)))


async def read_branch_files(call: Call) -> Reply:
    """GET /api/agents/document-thumbnail: a list, and with `document_uuid` the picture of one of them."""
    if Parameters(call.req.params).text("document_uuid") is not None:
        return await _picture(call, _target(BRANCH_FILES, Parameters(call.req.params).text("branch_id")))
    record, files = await _listed(call, BRANCH_FILES)
    items = [
        BranchFile(
            ID=file.number,
            uuid=file.id,
            branch_id=int(record.id),
            document_type_id=_document_type(file),
            file_name=file.name,
            mime_type=file.media_type,
            file_size=file.size,
            created_by_name=_author(file),
            created_at=moment(file.created_at),
        )
        for file in files
    ]
    return json(BranchFileList(data=items, count=len(items)))


async def _listed(call: Call, source: Source) -> tuple[Record, tuple[Attachment, ...]]:
    parameters = Parameters(call.req.params)
    parameters.choice("action", ("list",))
    ref = _target(source, parameters.text(source.target))
    window = read_window(parameters)
    record = await call.desk.records.get(ref)
    query = AttachmentQuery(call.actor.account, window, record=ref, roles=source.roles)
    return record, (await call.desk.attachments.find(query)).items


def _job_files(record: Record, files: tuple[Attachment, ...]) -> Reply:
    items = [
        JobFile(
            ID=file.number,
            uuid=file.id,
            job_id=record.number,
            document_type_id=_document_type(file),
            file_name=file.name,
            mime_type=file.media_type,
            file_size=file.size,
            created_by_name=_author(file),
            created_at=moment(file.created_at),
        )
        for file in files
    ]
    return json(JobFileList(data=items, count=len(items)))


def _own(file: Attachment) -> dict[str, object]:
    found = file.properties.get(OWN)
    return found if isinstance(found, dict) else {}


def _document_type(file: Attachment) -> int | None:
    found = _own(file).get("document_type_id")
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _author(file: Attachment) -> str:
    """The name that the uploader had; files of other APIs have the author's id."""
    found = _own(file).get("created_by_name")
    return found if isinstance(found, str) else file.created_by


# ---------------------------------------------------------------- uploads and deletes


async def write_documents(call: Call) -> Reply:
    """POST /api/jobs/documents."""
    return await _submitted(call, DOCUMENTS)


async def write_photos(call: Call) -> Reply:
    """POST /api/jobs/photos. The bytes are kept as sent."""
    return await _submitted(call, PHOTOS)


async def write_note_files(call: Call) -> Reply:
    """POST /api/jobs/case-note-attachments."""
    return await _submitted(call, NOTE_FILES)


async def write_branch_files(call: Call) -> Reply:
    """POST /api/agents/documents."""
    return await _submitted(call, BRANCH_FILES)


async def _submitted(call: Call, source: Source) -> Reply:
    """A form whose parts come in any order; nothing is decided before it has ended."""
    async with await call.desk.attachments.receive() as intake:
        fields, received = await _read_form(call, source, intake)
        require_csrf(call, fields.get("csrf_token"))
        action = fields.get("action")
        if action not in {"upload", "delete"}:
            raise bad_parameter("action")
        target = _target(source, fields.get(source.target))
        if action == "delete":
            await _delete(call, source, target, fields.get(source.id))
            return json(Written())
        if not received:
            raise bad_parameter(source.file)
        new = NewAttachment(intake.name, hooks=(Hook(target, source.roles[0]),), properties={OWN: _known(call, fields)})
        try:
            attachment = await call.desk.attachments.create(intake, new)
        except UnsupportedType as refused:
            raise Invalid(refused.detail) from None
    return json(Written(data=Reference(attachment.number, attachment.id)))


async def _read_form(call: Call, source: Source, intake: Intake) -> tuple[dict[str, str], bool]:
    fields: dict[str, str] = {}
    received = False
    async for part in body.form(call):
        if isinstance(part, body.Field):
            if part.name in fields:
                raise bad_parameter(part.name)
            fields[part.name] = part.value
        # A browser sends an input that was left empty as a file without a name.
        elif part.name == source.file and part.filename:
            if received:
                raise bad_parameter(part.name)
            await _refuse_early(call, source, fields)
            await _take(intake, part)
            received = True
    return fields, received


async def _refuse_early(call: Call, source: Source, fields: dict[str, str]) -> None:
    """What the fields before the file already show to be wrong need not wait for its bytes."""
    if "csrf_token" in fields:
        require_csrf(call, fields["csrf_token"])
    if source.target in fields:
        await call.desk.links.may_hang((Hook(_target(source, fields[source.target])),))


async def _take(intake: Intake, part: body.FilePart) -> None:
    """Receive the file; limits of size and type are answered 400 (contract, reading 34)."""
    try:
        await intake.take(part.chunks, name=part.filename, declared_type=part.media_type)
    except (TooLarge, UnsupportedType) as refused:
        raise Invalid(refused.detail) from None


def _known(call: Call, fields: dict[str, str]) -> dict[str, object]:
    known: dict[str, object] = {"created_by_name": call.actor.name}
    document_type = fields.get("document_type_id")
    if document_type:
        if not (document_type.isascii() and document_type.isdigit() and len(document_type) <= 15):
            raise bad_parameter("document_type_id")
        known["document_type_id"] = int(document_type)
    return known


async def _delete(call: Call, source: Source, target: RecordRef, id: str | None) -> None:
    """Into the trash, if it hangs where the form says."""
    if not id:
        raise bad_parameter(source.id)
    await _hanging(call, id, source, target)
    await call.desk.attachments.trash(id)


async def _hanging(call: Call, id: str, source: Source, target: RecordRef | None) -> None:
    """The file hangs on that record, or on any of the type, in one of the roles. Raises `NotFound`, `OutOfScope`."""
    links = (await call.desk.links.page(id, _LINKS)).items
    for link in links:
        if link.record.type == source.type and link.role in source.roles and target in {None, link.record}:
            return
    raise NotFound("attachment")


# ---------------------------------------------------------------- pictures of documents


async def document_thumbnail(call: Call) -> Reply:
    """GET /api/jobs/document-thumbnail."""
    return await _picture(call, None)


async def _picture(call: Call, branch: RecordRef | None) -> Reply:
    """A JPEG of a document, or a drawing in its place (contract 5.6); `size` 50 to 500, 200 unless told."""
    parameters = Parameters(call.req.params)
    uuid, size = parameters.text("document_uuid"), parameters.whole("size", 200, 50, 500)
    if uuid is None:
        raise bad_parameter("document_uuid")
    await _hanging(call, uuid, DOCUMENTS if branch is None else BRANCH_FILES, branch)
    try:
        picture = await call.desk.renditions.thumbnail(uuid, next(edge for edge in _EDGES if edge >= size))
    except (Unavailable, Unrenderable):
        return Reply(200, PLACEHOLDER, SVG)
    return bare(serve(call, picture, inline=True, headers=(_YEAR,)))
