"""What OpenAPI says of each PropOps operation, by its handler."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from holdfast.dialects.propops import downloads, files, jobs, sessions, shapes
from holdfast.web.body import JSON, MULTIPART, URLENCODED
from holdfast.web.dialect import Handler, Operation, Parameter, Response, Schema

PLAIN: Final = "text/plain; charset=utf-8"
BINARY: Final = {"type": "string", "format": "binary"}

_MEANINGS: Final = {
    400: "A parameter is missing or wrong",
    401: "No valid token",
    403: "No permission, or outside what the caller may see",
    404: "Not there",
    405: "The path has other methods",
    408: "The body came too slowly",
    409: "Somebody else has changed it meanwhile",
    413: "The body is too large",
    415: "The body is of another type",
    429: "Too many requests",
    500: "A fault of the server",
    503: "Try again later",
    507: "No room",
}
_READING: Final = (400, 401, 403, 404, 429, 500, 503)
_WRITING: Final = (*_READING[:4], 408, 409, 413, 415, *_READING[4:], 507)
_OPEN: Final = (400, 401, 403, 408, 413, 415, 429, 500, 503, 507)


def _failures(statuses: tuple[int, ...], media_type: str = JSON) -> dict[int, Response]:
    schema: Schema = shapes.Refusal if media_type == JSON else str
    return {status: Response(_MEANINGS[status], {media_type: schema}) for status in statuses}


def _ok(type: Schema, statuses: tuple[int, ...] = _READING, description: str = "Done") -> dict[int, Response]:
    return {200: Response(description, {JSON: type}), **_failures(statuses)}


def _query(name: str, schema: Schema, description: str, *, required: bool = False) -> Parameter:
    return Parameter(name, schema, description, required=required)


_WINDOW: Final = (
    _query("limit", Annotated[int, Meta(ge=1, le=200)], "Rows a page; 50 unless told."),
    _query("offset", Annotated[int, Meta(ge=0, le=2**53)], "Rows to leave out."),
)
_LISTING: Final = _query("action", Literal["list"], "What to do; list unless told.")
_JOB: Final = _query("job_uuid", str, "The job.", required=True)
_HEADER: Final = Parameter("X-CSRF-Token", str, "The session's token, unless the body has it.", where="header")
_UUID: Final = Parameter("uuid", str, "The attachment's UUID.", where="path", required=True)
_STALE: Final = _query("v", str, "Any value; makes the URL a new one for caches.")
_SIZE: Final = _query(
    "size", Annotated[int, Meta(ge=50, le=500)], "Pixels; the next of 128, 200, 256 and 512 is sent. 200 unless told."
)
_BYTES: Final = {
    200: Response("The bytes", {"*/*": BINARY}),
    206: Response("Part of the bytes", {"*/*": BINARY}),
    304: Response("The copy named by the condition is still good"),
    412: Response("The condition does not hold"),
    416: Response("No such part"),
    **_failures(_READING, PLAIN),
}
_PICTURE: Final = {
    200: Response("A JPEG, or a drawing where there is none", {"image/jpeg": BINARY, files.SVG: BINARY}),
    206: Response("Part of the JPEG", {"*/*": BINARY}),
    304: Response("The copy named by the condition is still good"),
    412: Response("The condition does not hold"),
    416: Response("No such part"),
    **_failures(_READING),
}
_LIST_OR_PICTURE: Final = {
    **_PICTURE,
    200: Response("The list, or a picture", {JSON: shapes.BranchFileList, "image/jpeg": BINARY, files.SVG: BINARY}),
}


def _form(source: files.Source) -> dict[str, Schema]:
    """The form of an upload or delete, and the same fields url-encoded for a delete."""
    fields: dict[str, Any] = {
        "action": {"type": "string", "enum": ["upload", "delete"]},
        source.target: {"type": "string", "description": "Where the file hangs."},
        "csrf_token": {"type": "string", "description": "The session's token, unless the header has it."},
        source.id: {"type": "string", "description": "The file to delete."},
    }
    upload = {
        **fields,
        "document_type_id": {"type": "integer", "description": "A number of the client's own."},
        source.file: {**BINARY, "description": "The file to upload."},
    }
    required = ["action", source.target]
    return {
        MULTIPART: {"type": "object", "required": required, "properties": upload},
        URLENCODED: {"type": "object", "required": required, "properties": fields},
    }


def _list(id: str, source: files.Source, reply: Schema, responses: Mapping[int, Response] | None = None) -> Operation:
    target = _query(source.target, int if source is files.BRANCH_FILES else str, "Where they hang.", required=True)
    return Operation(
        id,
        "Newest first.",
        tags=("files",),
        parameters=(_LISTING, target, *_WINDOW),
        responses=responses or _ok(reply, description="One page"),
    )


def _write(id: str, source: files.Source) -> Operation:
    return Operation(
        id,
        "The parts of the form may come in any order.",
        tags=("files",),
        parameters=(_HEADER,),
        body=_form(source),
        responses=_ok(shapes.Written, _WRITING),
    )


OPERATIONS: Final[Mapping[Handler, Operation]] = {
    downloads.download: Operation(
        "downloadAttachment", tags=("attachments",), parameters=(_UUID, _STALE), responses=_BYTES
    ),
    downloads.thumbnail: Operation(
        "downloadThumbnail",
        "A JPEG of a JPEG or PNG, within 200 by 200 pixels; the original of anything else.",
        tags=("attachments",),
        parameters=(_UUID, _STALE),
        responses=_BYTES,
    ),
    downloads.nothing: Operation(
        "downloadNothing", tags=("attachments",), responses=_failures((400, 401, 429, 500, 503), PLAIN)
    ),
    sessions.login: Operation(
        "login", tags=("sessions",), body={JSON: shapes.Login}, responses=_ok(shapes.LoggedIn, _OPEN)
    ),
    sessions.mobile_auth: Operation(
        "mobileAuth", tags=("sessions",), body={JSON: shapes.MobileAuth}, responses=_ok(shapes.MobileSession, _OPEN)
    ),
    sessions.issue_csrf_token: Operation("getCsrfToken", tags=("sessions",), responses=_ok(shapes.CsrfIssued)),
    sessions.permissions: Operation("getPermissions", tags=("sessions",), responses=_ok(shapes.PermissionsReply)),
    jobs.read_jobs: Operation(
        "readJobs",
        "Newest first.",
        tags=("jobs",),
        parameters=(
            _query("action", Literal["list", "get"], "What to do; list unless told."),
            _query("uuid", str, "The job to get."),
            _query("status_id", shapes.Identifier, "Only jobs of this status."),
            _query("priority_id", shapes.Identifier, "Only jobs of this priority."),
            _query("agent_id", shapes.Identifier, "Only jobs of this agent."),
            _query("contractor_id", shapes.Identifier, "Only jobs of this contractor."),
            _query("created_by", str, "Only jobs that this actor made, by its id."),
            _query("search", str, "Text in reference, title, description, address or access details."),
            _query("has_photos", bool, "Only jobs with photos."),
            _query("has_documents", bool, "Only jobs with documents."),
            *_WINDOW,
        ),
        responses=_ok(shapes.JobsReply),
    ),
    jobs.write_jobs: Operation(
        "writeJob",
        tags=("jobs",),
        parameters=(_HEADER,),
        body={JSON: shapes.JobCommand},
        responses=_ok(shapes.Written, _WRITING),
    ),
    jobs.read_notes: Operation(
        "listCaseNotes",
        "Newest first.",
        tags=("jobs",),
        parameters=(_LISTING, _JOB, *_WINDOW),
        responses=_ok(shapes.NoteList),
    ),
    jobs.write_note: Operation(
        "createCaseNote",
        tags=("jobs",),
        parameters=(_HEADER,),
        body={JSON: shapes.NewNote},
        responses=_ok(shapes.NoteCreated, _WRITING),
    ),
    files.read_documents: _list("listDocuments", files.DOCUMENTS, shapes.JobFileList),
    files.write_documents: _write("writeDocument", files.DOCUMENTS),
    files.read_photos: _list("listPhotos", files.PHOTOS, shapes.JobFileList),
    files.write_photos: _write("writePhoto", files.PHOTOS),
    files.read_note_files: _list("listCaseNoteAttachments", files.NOTE_FILES, shapes.NoteFileList),
    files.write_note_files: _write("writeCaseNoteAttachment", files.NOTE_FILES),
    files.write_branch_files: _write("writeBranchDocument", files.BRANCH_FILES),
    files.document_thumbnail: Operation(
        "showDocument",
        tags=("files",),
        parameters=(_query("document_uuid", str, "The document.", required=True), _SIZE),
        responses=_PICTURE,
    ),
    files.read_branch_files: Operation(
        "readBranchDocuments",
        "A list, newest first; with `document_uuid` a picture of that document.",
        tags=("files",),
        parameters=(
            _LISTING,
            _query("branch_id", Annotated[int, Meta(ge=0, le=10**15)], "The branch.", required=True),
            _query("document_uuid", str, "The document to show."),
            _SIZE,
            *_WINDOW,
        ),
        responses=_LIST_OR_PICTURE,
    ),
}
