"""What each route asks of its caller, said once: the permissions, and where its target lies.

Every route of every dialect has its row here, by method and path; a route without one fails the test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from holdfast.core.model import ADMIN, PURGE, READ, RECORDS_READ, RECORDS_WRITE, WRITE

Target = Literal["read", "change", "list", "nothing"]
Place = Literal["record", "path", "account", "anywhere"]
"""Below the top branch; in the folder tree; the account as a whole; of no place that a scope could speak of."""

JSON = {"Accept": "application/json"}


@dataclass(frozen=True)
class Row:
    """One request, with `{names}` of the world in it, and who may make it.

    `needs` are the core's permissions, all of them (one of `either` is enough beside). `places` are those of the
    target: reading needs one in scope, changing all. `shows` names what an answer holds only for those who see it.
    `outside` is the status for callers whose scopes leave the target out, where it is not the dialect's usual one; it
    may differ by scope, where the target has several parts. Some calls look their target up before they change it:
    `first` is what that needs, in `first_places` where they are not `places`.
    """

    needs: tuple[str, ...] = ()
    target: Target = "read"
    places: tuple[Place, ...] = ("record",)
    ok: int = 200
    fields: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    json: Any = None
    form: Mapping[str, str] | None = None
    file: str = ""
    raw: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    shows: str = ""
    either: tuple[str, ...] = ()
    outside: int | Mapping[str, int] | None = None
    first: tuple[str, ...] = ()
    first_places: tuple[Place, ...] = ()
    ranged: bool = False
    foreign: bool = True


def read(*needs: str, **more: Any) -> Row:
    return Row(needs or (READ,), "read", **more)


def change(*needs: str, **more: Any) -> Row:
    return Row(needs or (WRITE,), "change", **more)


def listing(shows: str, *needs: str, **more: Any) -> Row:
    return Row(needs or (READ,), "list", shows=shows, **more)


def begin(*needs: str, **more: Any) -> Row:
    """Something new at the top, which only the scope of its own type allows: none that the matrix has."""
    return Row(needs or (RECORDS_WRITE,), "change", ("account",), **more)


ID = {"id": "file"}
CONTACT = {"type": "=contact", "id": "contact"}
PATH: tuple[Place, ...] = ("path",)
BOTH: tuple[Place, ...] = ("record", "path")
ACCOUNT: tuple[Place, ...] = ("account",)

SHARED: dict[str, Any] = {
    "fields": {"id": "shared", "number": "=1"},
    "places": BOTH,
    "outside": dict.fromkeys(("in", "path", "type"), 403),
}
"""A file on a record and at a path, for those who reach one of them: they see it, and hear why it stays as it is."""

NATIVE: dict[str, Row] = {
    "POST /v1/attachments": change(form={"record": "contact:{contact}"}, file="file", ok=201),
    "GET /v1/attachments": listing("file"),
    "GET /v1/attachments?record": read(query="record=contact:{contact}"),
    "GET /v1/attachments?type": listing("file", query="type=contact", foreign=False),
    "GET /v1/attachments?sha256": listing("file of job", query="sha256={file of job sha256}&fields=id"),
    "GET /v1/attachments?under": listing("placed", query="under={folder}", places=PATH),
    "GET /v1/attachments/{id}": read(fields=ID),
    "PATCH /v1/attachments/{id}": change(fields=ID, json={"description": "new"}),
    "DELETE /v1/attachments/{id}": change(fields=ID, ok=204),
    "GET /v1/attachments/{id}?partly": read(fields={"id": "shared"}, places=BOTH),
    "PATCH /v1/attachments/{id}?partly": change(json={"description": "new"}, **SHARED),
    "DELETE /v1/attachments/{id}?partly": change(ok=204, **SHARED),
    "PUT /v1/attachments/{id}/content?partly": change(READ, WRITE, first=(READ,), raw=b"third", **SHARED),
    "POST /v1/attachments/{id}/versions/{number}/restore?partly": change(**SHARED),
    "DELETE /v1/attachments/{id}?purge=true": change(PURGE, fields=ID, ok=204),
    "POST /v1/attachments/{id}/restore": change(fields={"id": "trashed"}),
    "GET /v1/attachments/{id}/content": read(fields=ID, ranged=True),
    "PUT /v1/attachments/{id}/content": change(READ, WRITE, first=(READ,), fields=ID, raw=b"third"),
    "GET /v1/attachments/{id}/versions": read(fields=ID),
    "GET /v1/attachments/{id}/versions/{number}/content": read(fields={**ID, "number": "=1"}, ranged=True),
    "GET /v1/attachments/{id}/thumbnail": read(fields=ID, query="size=128", ranged=True),
    "GET /v1/attachments/{id}/versions/{number}/thumbnail": read(fields={**ID, "number": "=1"}, query="size=128"),
    "POST /v1/attachments/{id}/versions/{number}/restore": change(fields={**ID, "number": "=1"}),
    "GET /v1/attachments/{id}/links": read(fields=ID),
    "POST /v1/attachments/{id}/links": change(fields=ID, json={"record": "case:{case}"}, ok=201),
    "DELETE /v1/attachments/{id}/links/{link}": change(
        READ, WRITE, first=(READ,), fields={**ID, "link": "link"}, ok=204
    ),
    "GET /v1/records/{type}": listing("contact", RECORDS_READ, fields={"type": "=contact"}),
    "GET /v1/records/{type}/{id}": read(RECORDS_READ, fields=CONTACT),
    "PUT /v1/records/{type}/{id}": change(
        RECORDS_WRITE, fields=CONTACT, json={"parents": ["branch:{top}"]}, foreign=False
    ),
    "PATCH /v1/records/{type}/{id}": change(RECORDS_WRITE, fields=CONTACT, json={"state": "new"}),
    "DELETE /v1/records/{type}/{id}": change(RECORDS_WRITE, fields=CONTACT, ok=204),
    "GET /v1/records/{type}/{id}/attachments": read(fields=CONTACT),
    "GET /v1/folders": read(places=PATH, foreign=False),
    "GET /v1/folders/{path:path}": read(fields={"path": "folder"}, places=PATH),
    "POST /v1/folders/{path:path}": change(fields={"path": "folder", "+": "=new"}, places=PATH, ok=201, foreign=False),
    "PATCH /v1/folders/{path:path}": change(fields={"path": "folder"}, json={"path": "/elsewhere"}, places=PATH),
    "DELETE /v1/folders/{path:path}": read(fields={"path": "folder"}, places=PATH),
    "DELETE /v1/folders/{path:path}?force=true": change(fields={"path": "folder"}, places=PATH),
    "GET /v1/events": read(places=ACCOUNT, foreign=False),
    "GET /v1/me": Row(target="nothing", places=("anywhere",), foreign=False),
    "GET /v1/stats": Row(either=(READ, ADMIN), places=ACCOUNT, foreign=False),
}

JOB_FORM = {"job_uuid": "{job}", "csrf_token": "{csrf}"}
CSRF = {"csrf_token": "{csrf}"}
SUBMIT = (READ, WRITE, RECORDS_READ)
PROPOPS: dict[str, Row] = {
    "GET /attachment/{uuid}": read(fields={"uuid": "file of job"}, ranged=True),
    "GET /attachment/{uuid}/thumbnail": read(fields={"uuid": "file of job"}),
    "GET /attachment": Row(target="nothing", places=("anywhere",), ok=400, foreign=False),
    "GET /attachment/": Row(target="nothing", places=("anywhere",), ok=400, foreign=False),
    "GET /api/security/csrf-token": Row(target="nothing", places=("anywhere",), foreign=False),
    "GET /api/users/permissions": Row(target="nothing", places=("anywhere",), foreign=False),
    "GET /api/jobs/manage": listing("job", RECORDS_READ),
    "GET /api/jobs/manage?action=get": read(RECORDS_READ, query="uuid={job}"),
    "POST /api/jobs/manage": begin(json={"job_title": "x", **CSRF}, foreign=False),
    "POST /api/jobs/manage update": change(
        RECORDS_READ, RECORDS_WRITE, json={"action": "update", "uuid": "{job}", "job_title": "x", **CSRF}
    ),
    "POST /api/jobs/manage delete": change(RECORDS_WRITE, json={"action": "delete", "uuid": "{job}", **CSRF}),
    "GET /api/jobs/case-notes": read(RECORDS_READ, query="job_uuid={job}"),
    "POST /api/jobs/case-notes": change(
        RECORDS_READ, RECORDS_WRITE, json={"job_uuid": "{job}", "note_text": "x", **CSRF}
    ),
    "GET /api/jobs/case-note-attachments": read(READ, RECORDS_READ, query="case_note_uuid={case_note}"),
    "POST /api/jobs/case-note-attachments": change(
        form={"action": "upload", "case_note_uuid": "{case_note}", **CSRF}, file="file"
    ),
    "POST /api/jobs/case-note-attachments delete": change(
        READ,
        WRITE,
        form={"action": "delete", "case_note_uuid": "{case_note}", "attachment_uuid": "{file of case_note}", **CSRF},
    ),
    "GET /api/jobs/documents": read(READ, RECORDS_READ, query="job_uuid={job}"),
    "POST /api/jobs/documents": change(form={"action": "upload", **JOB_FORM}, file="file"),
    "POST /api/jobs/documents delete": change(
        READ, WRITE, form={"action": "delete", "document_uuid": "{file of job}", **JOB_FORM}
    ),
    "GET /api/jobs/photos": read(READ, RECORDS_READ, query="job_uuid={job}"),
    "POST /api/jobs/photos": change(form={"action": "upload", **JOB_FORM}, file="photo"),
    "POST /api/jobs/photos delete": change(READ, WRITE, form={"action": "delete", "photo_uuid": "{photo}", **JOB_FORM}),
    "GET /api/jobs/document-thumbnail": read(query="document_uuid={file of job}"),
    "GET /api/agents/document-thumbnail": read(READ, RECORDS_READ, query="branch_id={top}"),
    "GET /api/agents/document-thumbnail picture": read(query="branch_id={top}&document_uuid={file of branch}"),
    "POST /api/agents/documents": change(form={"action": "upload", "branch_id": "{top}", **CSRF}, file="file"),
    "POST /api/agents/documents delete": change(
        READ, WRITE, form={"action": "delete", "branch_id": "{top}", "document_uuid": "{file of branch}", **CSRF}
    ),
}

OF_CONTACT = {"uuid": "file of contact"}
PROPERTY_DECK: dict[str, Row] = {
    "GET /attachments": listing("file of contact"),
    "GET /attachments filtered": listing("file of contact", query="contact[uuid]={contact}"),
    "GET /attachments/{uuid}": read(fields=OF_CONTACT),
    "PUT /attachments/{uuid}": change(READ, WRITE, first=(READ,), fields=OF_CONTACT, json={"description": "x"}),
    "DELETE /attachments/{uuid}": change(READ, WRITE, first=(READ,), fields=OF_CONTACT, ok=204),
    "GET /attachments/{uuid}/download": read(fields=OF_CONTACT, ranged=True),
    "GET /attachments/{uuid}/stream": read(fields=OF_CONTACT, ranged=True),
    "POST /contacts/{uuid}/attachments": change(fields={"uuid": "contact"}, file="upload", ok=201),
    "POST /properties/{uuid}/attachments": change(fields={"uuid": "property"}, file="upload", ok=201),
    "GET /contacts": listing("contact", RECORDS_READ),
    "POST /contacts": begin(json={"name": "x", "email": "x@example.com"}, ok=201, foreign=False),
    "GET /contacts/{uuid}": read(RECORDS_READ, fields={"uuid": "contact"}),
    "PUT /contacts/{uuid}": change(
        RECORDS_READ, RECORDS_WRITE, first=(RECORDS_READ,), fields={"uuid": "contact"}, json={"name": "y"}
    ),
    "DELETE /contacts/{uuid}": change(
        RECORDS_READ, RECORDS_WRITE, first=(RECORDS_READ,), fields={"uuid": "contact"}, ok=204
    ),
    "GET /properties": listing("property", RECORDS_READ),
    "POST /properties": begin(json={"address": "x"}, ok=201, foreign=False),
    "GET /properties/{uuid}": read(RECORDS_READ, fields={"uuid": "property"}),
    "PUT /properties/{uuid}": change(
        RECORDS_READ, RECORDS_WRITE, first=(RECORDS_READ,), fields={"uuid": "property"}, json={"address": "y"}
    ),
    "DELETE /properties/{uuid}": change(
        RECORDS_READ, RECORDS_WRITE, first=(RECORDS_READ,), fields={"uuid": "property"}, ok=204
    ),
}

API = "/api-public/1.0"
CASE_IQ: dict[str, Row] = {
    f"POST {API}/save_file": change(form={"caseId": "{case}"}, file="file"),
    f"GET {API}/attachments": listing("file of case"),
    f"GET {API}/attachment/{{id}}": read(fields={"id": "file of case"}),
    f"GET {API}/attachment/{{id}}/attachment": read(fields={"id": "file of case"}, ranged=True),
    f"POST {API}/case": begin(json={"x": "y"}, ok=201, outside=403, foreign=False),
    f"GET {API}/case/{{id}}": read(RECORDS_READ, fields={"id": "case"}),
    f"PUT {API}/case/{{id}}": change(RECORDS_WRITE, fields={"id": "case"}, json={"x": "y"}),
    f"PATCH {API}/case/{{id}}": change(RECORDS_WRITE, fields={"id": "case"}, json={"x": "y"}),
    f"POST {API}/case/{{id}}/transition": change(
        RECORDS_READ,
        RECORDS_WRITE,
        first=(RECORDS_READ,),
        fields={"id": "case"},
        json={"caseStatus": "Closed", "workflowId": "{workflow}"},
    ),
    f"GET {API}/cases": listing("case", RECORDS_READ),
}

WORKSPACE = {"workspace_id": "workspace"}
DOCUMENT = {**WORKSPACE, "document_id": "document"}
ATTACHMENT = {**DOCUMENT, "attachment_id": "file of document"}
DOCS = "/v2/workspaces/{workspace_id}/documents"
FILES = f"{DOCS}/{{document_id}}/attachments"
NEW_DOCUMENT = {"type": "inspection.report", "body": {"title": "x"}}
NAVARIK: dict[str, Row] = {
    f"GET {FILES}": read(READ, RECORDS_READ, fields=DOCUMENT),
    f"POST {FILES}": change(WRITE, RECORDS_READ, fields=DOCUMENT, file="file", ok=201),
    f"GET {FILES}/{{attachment_id}}": read(READ, RECORDS_READ, fields=ATTACHMENT),
    f"GET {FILES}/{{attachment_id}}/content": read(READ, RECORDS_READ, fields=ATTACHMENT, ranged=True),
    f"DELETE {FILES}/{{attachment_id}}": change(READ, WRITE, RECORDS_READ, fields=ATTACHMENT),
    "GET /v2/organizations": listing("client", RECORDS_READ),
    "POST /v2/organizations": begin(
        RECORDS_READ, RECORDS_WRITE, json={"name": "x", "category": "shipper"}, ok=201, foreign=False
    ),
    "GET /v2/organizations/{organization_id}": read(RECORDS_READ, fields={"organization_id": "client"}),
    "GET /v2/workspaces": listing("workspace", RECORDS_READ),
    "POST /v2/workspaces": change(
        RECORDS_READ,
        RECORDS_WRITE,
        json={"description": "x", "parties": {"client": {"id": "{client}"}, "vendor": {"id": "{vendor}"}}},
        ok=201,
    ),
    "GET /v2/workspaces/{workspace_id}": read(RECORDS_READ, fields=WORKSPACE),
    f"GET {DOCS}": read(RECORDS_READ, fields=WORKSPACE, query="type=inspection.report"),
    f"POST {DOCS}": change(RECORDS_READ, RECORDS_WRITE, fields=WORKSPACE, json=NEW_DOCUMENT, ok=201),
    f"POST {DOCS}/bulk": change(
        RECORDS_READ,
        RECORDS_WRITE,
        fields=WORKSPACE,
        json={"type": "inspection.report", "body": [{"title": "x"}]},
        ok=201,
    ),
    f"GET {DOCS}/{{document_id}}": read(RECORDS_READ, fields=DOCUMENT),
    f"PATCH {DOCS}/{{document_id}}": change(
        RECORDS_READ,
        RECORDS_WRITE,
        fields=DOCUMENT,
        json={"previous_version_id": "{document version}", "body": {"title": "y"}},
    ),
}

TREE = "/v2/attachment/{rest:path}"
LINK = "/v2/entity-attachment"
SEE = (READ, RECORDS_READ)


def _links() -> dict[str, Row]:
    """The calls on one link, its id in the path or in the query."""
    found = {}
    for tail in ("/{id}", ""):
        where: dict[str, Any] = {"fields": {"id": "4hse link"}} if tail else {"query": "id={4hse link}"}
        told = {"entity_id": "{4hse action}"}
        found[f"GET {LINK}/view{tail}"] = read(**where)
        found[f"PUT {LINK}/update{tail}"] = change(READ, WRITE, RECORDS_READ, first=(READ,), json=told, **where)
        found[f"DELETE {LINK}/delete{tail}"] = change(READ, WRITE, first=(READ,), ok=204, **where)
    return found


FOUR_HSE: dict[str, Row] = {
    "POST /v2/attachment/index": listing("4hse", *SEE, places=PATH, json={}),
    "POST /v2/attachment/create": change(
        READ, WRITE, RECORDS_READ, places=PATH, json={"path": "/projects/{4hse project}/new"}, ok=201
    ),
    f"POST {TREE}": change(
        READ, WRITE, RECORDS_READ, fields={"rest": "=/projects/{4hse project}"}, json={"path": "new"}, places=PATH,
        ok=201,
    ),
    f"GET {TREE}": read(*SEE, fields={"rest": "=view/{4hse id}"}, headers=JSON, places=PATH, outside=404),
    f"GET {TREE} content": read(*SEE, fields={"rest": "=view/{4hse id}"}, places=PATH, ranged=True, outside=404),
    f"GET {TREE} by path": read(*SEE, fields={"rest": "=view{4hse}"}, places=PATH, ranged=True),
    f"PUT {TREE}": change(
        READ, WRITE, RECORDS_READ, first=(READ,), fields={"rest": "=update/{4hse id}"}, places=PATH,
        json={"path": "/projects/{4hse project}/moved.png"}, outside=404,
    ),
    f"DELETE {TREE}": read(READ, fields={"rest": "=delete/{4hse id}"}, places=PATH, ok=400, outside=404),
    f"DELETE {TREE}?force=true": change(
        READ, WRITE, first=(READ,), fields={"rest": "=delete/{4hse id}"}, places=PATH, ok=204, outside=404
    ),
    f"POST {LINK}/index": read(*SEE, first=(RECORDS_READ,), json={"entity_id": "{4hse certificate}"}, outside=422),
    f"GET {LINK}/index": read(*SEE, first=(RECORDS_READ,), query="entity_id={4hse certificate}", outside=422),
    f"POST {LINK}/create": change(
        READ, WRITE, RECORDS_READ, first=(RECORDS_READ,), first_places=("record",), places=BOTH, ok=201,
        outside={"in": 403, "type": 403, "out": 422, "path": 422},
        json={"attachment_path": "{4hse}", "entity_id": "{4hse certificate}"},
    ),
    **_links(),
}  # fmt: skip

_OF_PROJECT = {"tenant_id": "{4hse project}", "action_type": "TRAINING"}
_PERSON = {"office_id": "{4hse office}", "person_id": "{contact}", "project_id": "{4hse project}"}
NEW: Mapping[str, tuple[str, Any, Any]] = {
    "project": ("4hse project", {"name": "x", "country": "IT"}, {"description": "y"}),
    "office": ("4hse office", {"name": "x", "project_id": "{4hse project}"}, {"description": "y"}),
    "certificate": (
        "4hse certificate",
        {"name": "x", "date_release": "2026-01-31", "resource_id": "{4hse office}", **_OF_PROJECT},
        {"note": "y"},
    ),
    "action": ("4hse action", {"name": "x", "subtenant_id": "{4hse office}", **_OF_PROJECT}, {"code": "y"}),
    "person-office": ("4hse person", _PERSON, {"person_code": "y"}),
}


def _records() -> dict[str, Row]:
    """The calls on each kind of record, its id in the path or in the query."""
    found, both = {}, (RECORDS_READ, RECORDS_WRITE)
    for kind, (key, new, told) in NEW.items():
        found[f"POST /v2/{kind}/index"] = listing(key, RECORDS_READ, json={})
        found[f"GET /v2/{kind}/index"] = listing(key, RECORDS_READ)
        top = begin(json=new, ok=201, foreign=False)
        found[f"POST /v2/{kind}/create"] = top if kind == "project" else change(*both, json=new, ok=201)
        for tail in ("/{id}", ""):
            where: dict[str, Any] = {"fields": {"id": key}} if tail else {"query": f"id={{{key}}}"}
            force = "&".join(filter(None, (where.get("query", ""), "force=true")))
            found[f"GET /v2/{kind}/view{tail}"] = read(RECORDS_READ, **where)
            found[f"PUT /v2/{kind}/update{tail}"] = change(*both, first=(RECORDS_READ,), json=told, **where)
            found[f"DELETE /v2/{kind}/delete{tail}"] = change(
                *both, first=(RECORDS_READ,), ok=204, **{**where, "query": force}
            )
    return found


ROWS: Mapping[str, Mapping[str, Row]] = {
    "native": NATIVE,
    "propops": PROPOPS,
    "property_deck": PROPERTY_DECK,
    "case_iq": CASE_IQ,
    "four_hse": {**FOUR_HSE, **_records()},
    "navarik": NAVARIK,
}
PUBLIC = frozenset(
    {
        "propops POST /api/auth/login",
        "propops POST /api/security/mobile-auth",
        "case_iq POST /auth/oauth2/token",
        "four_hse POST /realms/4hse/protocol/openid-connect/token",
        "navarik POST /auth/v1/service-account/token",
    }
)
"""Where callers sign in: these alone ask for no token."""
REFUSED: Mapping[str, tuple[int, int]] = {
    "native": (403, 404),
    "propops": (403, 403),
    "property_deck": (403, 404),
    "case_iq": (403, 404),
    "four_hse": (403, 403),
    "navarik": (403, 403),
}
"""The status of a call without the permission, and of one whose target is out of scope."""
