"""PropOps: attachments of jobs, case notes and branches, at `/attachment/<uuid>` and under `/api/`."""

from dataclasses import replace
from typing import Final

from holdfast.core.model import READ, RECORDS_READ, RECORDS_WRITE, WRITE
from holdfast.dialects.propops import downloads, files, jobs, sessions
from holdfast.dialects.propops.errors import ERRORS
from holdfast.dialects.propops.operations import OPERATIONS
from holdfast.dialects.propops.shapes import Refusal
from holdfast.web.dialect import Absent, Dialect, Handler, Method, Route

_LOOK: Final = (READ, RECORDS_READ)
_UPLOAD: Final = (READ, WRITE, RECORDS_READ)


def _route(
    method: Method, path: str, handler: Handler, summary: str, key: str = "", grants: tuple[str, ...] = ()
) -> Route:
    keys = (key,) if key else ()
    return Route(method, path, handler, keys=keys, grants=grants, summary=summary, operation=OPERATIONS[handler])


def _public(path: str, handler: Handler, summary: str, *keys: str) -> Route:
    return Route("POST", path, handler, keys=keys, public=True, summary=summary, operation=OPERATIONS[handler])


_VIEW: Final = "api.system.attachment.view"
_DOCUMENTS: Final = "api.jobs.documents.manage"
_PHOTOS: Final = "api.jobs.photos.manage"
_NOTES: Final = "api.jobs.case-notes.manage"
_NOTE_FILES: Final = "api.jobs.case-note-attachments.manage"
_BRANCH_VIEW: Final = "api.agents.document_thumbnail.view"
_BRANCH_WRITE: Final = "api.agents.documents.manage"

ROUTES: Final = (
    _route("GET", "/attachment/{uuid}", downloads.download, "Download an attachment", _VIEW, (READ,)),
    _route("GET", "/attachment/{uuid}/thumbnail", downloads.thumbnail, "Download a thumbnail", _VIEW, (READ,)),
    _route("GET", "/attachment", downloads.nothing, "Say that a UUID is needed", _VIEW, (READ,)),
    Route(
        "GET",
        "/attachment/",
        downloads.nothing,
        keys=(_VIEW,),
        grants=(READ,),
        summary="Say that a UUID is needed",
        operation=replace(OPERATIONS[downloads.nothing], id="downloadNothingBelow"),
    ),
    _public("/api/auth/login", sessions.login, "Log in with e-mail and password"),
    _public("/api/security/mobile-auth", sessions.mobile_auth, "Begin a mobile session", sessions.MOBILE_KEY),
    _route("GET", "/api/security/csrf-token", sessions.issue_csrf_token, "Get the token that writes carry"),
    _route("GET", "/api/users/permissions", sessions.permissions, "Say what the caller may do"),
    _route("GET", "/api/jobs/manage", jobs.read_jobs, "List or get jobs", "api.jobs.manage.list", _LOOK),
    _route(
        "POST",
        "/api/jobs/manage",
        jobs.write_jobs,
        "Create, update or delete a job",
        "api.jobs.manage.manage",
        (RECORDS_READ, RECORDS_WRITE),
    ),
    _route("GET", "/api/jobs/case-notes", jobs.read_notes, "List a job's case notes", _NOTES, _LOOK),
    _route("POST", "/api/jobs/case-notes", jobs.write_note, "Add a case note", _NOTES, (RECORDS_READ, RECORDS_WRITE)),
    _route(
        "GET",
        "/api/jobs/case-note-attachments",
        files.read_note_files,
        "List a case note's attachments",
        _NOTE_FILES,
        _LOOK,
    ),
    _route(
        "POST",
        "/api/jobs/case-note-attachments",
        files.write_note_files,
        "Upload or delete an attachment of a case note",
        _NOTE_FILES,
        _UPLOAD,
    ),
    _route("GET", "/api/jobs/documents", files.read_documents, "List a job's documents", _DOCUMENTS, _LOOK),
    _route("POST", "/api/jobs/documents", files.write_documents, "Upload or delete a document", _DOCUMENTS, _UPLOAD),
    _route("GET", "/api/jobs/photos", files.read_photos, "List a job's photos", _PHOTOS, _LOOK),
    _route("POST", "/api/jobs/photos", files.write_photos, "Upload or delete a photo", _PHOTOS, _UPLOAD),
    _route(
        "GET",
        "/api/jobs/document-thumbnail",
        files.document_thumbnail,
        "Show a picture of a job's document",
        "api.jobs.document_thumbnail.view",
        (READ,),
    ),
    _route(
        "GET",
        "/api/agents/document-thumbnail",
        files.read_branch_files,
        "List a branch's documents, or show a picture of one",
        _BRANCH_VIEW,
        _LOOK,
    ),
    _route(
        "POST",
        "/api/agents/documents",
        files.write_branch_files,
        "Upload or delete a branch's document",
        _BRANCH_WRITE,
        _UPLOAD,
    ),
)

ABSENT: Final = (
    Absent("GET", "/api/agents/branches", "Branches are registered by the host: PUT /v1/records/branch/{id}"),
    Absent("POST", "/api/agents/branches", "Branches are registered by the host: PUT /v1/records/branch/{id}"),
    Absent("POST", "/api/agents/branch-logo", "Not a source of attachments"),
    Absent("POST", "/api/contractors/certification", "Not a source of attachments"),
)

PROPOPS: Final = Dialect(
    name="propops",
    title="PropOps attachments",
    prefixes=("/attachment", "/api"),
    routes=ROUTES,
    errors=ERRORS,
    absent=ABSENT,
    finish=sessions.finish,
    rate=600,
    description="Files of jobs, case notes and branches, as PropOps' attachment page describes them.",
    failure=Refusal,
    choices={"disposition": "attachment", "address_rate": 600},
)
