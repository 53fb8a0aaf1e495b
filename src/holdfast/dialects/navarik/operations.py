"""What OpenAPI says of each call, and every status that it can answer with."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from holdfast.dialects.navarik.lists import DEFAULT_SORT
from holdfast.dialects.navarik.requests import MAX_LIMIT
from holdfast.dialects.navarik.shapes import (
    AttachmentBody,
    DocumentChange,
    Envelope,
    Failure,
    NewDocument,
    NewDocuments,
    NewOrganization,
    NewWorkspace,
    OrganizationBody,
    TokenReply,
    TokenRequest,
    Uuid,
    WorkspaceBody,
)
from holdfast.web.body import JSON, MULTIPART, URLENCODED
from holdfast.web.dialect import Operation, Parameter, Response, Schema

_BINARY: Final = {"type": "string", "format": "binary"}
_REFUSALS: Final[Mapping[int, str]] = {
    400: "The request does not fit",
    401: "No bearer token, or one that is not known",
    403: "The caller is not one of the parties, or lacks the permission",
    404: "There is no such thing, or it lies somewhere else",
    406: "The client accepts nothing but XML",
    408: "The body came too slowly",
    409: "It collides with what is there",
    413: "Too large, or the account is full",
    415: "Another media type is needed",
    429: "Too many failed attempts",
    500: "A fault of the server",
    503: "Try again later",
    507: "The server has no room",
}
_ALWAYS: Final = (400, 401, 403, 404, 406, 429, 500, 503)
_WRITING: Final = (*_ALWAYS, 408, 409, 413, 415, 507)


def _responses(good: Mapping[int, Response], refused: tuple[int, ...]) -> dict[int, Response]:
    return {**good, **{status: Response(_REFUSALS[status], {JSON: Failure}) for status in refused}}


def _one(body: Any) -> dict[int, Response]:  # noqa: ANN401 a type
    return {200: Response("One entity envelope", {JSON: Envelope[body]})}


def _made(body: Any) -> dict[int, Response]:  # noqa: ANN401 a type
    return {201: Response("The new entity's envelope", {JSON: Envelope[body]}, {"Location": str})}


def _many(body: Any, status: int = 200) -> dict[int, Response]:  # noqa: ANN401 a type
    return {status: Response("Entity envelopes", {JSON: list[Envelope[body]]})}


def _id(name: str, what: str) -> Parameter:
    return Parameter(name, Uuid, f"The {what}'s id.", where="path", required=True)


def _query(name: str, schema: Schema, description: str, *, required: bool = False) -> Parameter:
    return Parameter(name, schema, description, required=required)


_ORGANIZATION: Final = (_id("organization_id", "organization"),)
_WORKSPACE: Final = (_id("workspace_id", "workspace"),)
_DOCUMENT: Final = (*_WORKSPACE, _id("document_id", "document"))
_ATTACHMENT: Final = (*_DOCUMENT, _id("attachment_id", "attachment"))
_PAGE: Final = (
    _query("limit", Annotated[int, Meta(ge=1)], f"Entities a page; 25 unless told, {MAX_LIMIT} at most."),
    _query("offset", Annotated[int, Meta(ge=0)], "Entities to skip."),
    _query("sort", str, f"Criteria field:asc or field:desc with commas between; {DEFAULT_SORT} unless told."),
)
_TEXTS: Final[Mapping[str, str]] = {
    "clientReferenceNumber": "The attachment's id in the client's system.",
    "vendorReferenceNumber": "The attachment's id in the vendor's system.",
    "description": "Free text.",
}
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {**_BINARY, "description": "The bytes, with the file's name."},
        **{name: {"type": "string", "description": f"{text} The query wins."} for name, text in _TEXTS.items()},
    },
}

LIST_ATTACHMENTS: Final = Operation(
    "listAttachments",
    "All files on a document.",
    tags=("attachments",),
    parameters=(*_DOCUMENT, *_PAGE),
    responses=_responses(_many(AttachmentBody), _ALWAYS),
)
CREATE_ATTACHMENT: Final = Operation(
    "createAttachment",
    "Attaches a file to a document.",
    tags=("attachments",),
    parameters=(*_DOCUMENT, *(_query(name, str, text) for name, text in _TEXTS.items())),
    body={MULTIPART: _FORM},
    responses=_responses(_made(AttachmentBody), _WRITING),
)
GET_DESCRIPTOR: Final = Operation(
    "getAttachmentDescriptor",
    tags=("attachments",),
    parameters=_ATTACHMENT,
    responses=_responses(_one(AttachmentBody), _ALWAYS),
)
GET_CONTENT: Final = Operation(
    "getAttachmentContent",
    "The bytes; ranges and conditions as HTTP has them.",
    tags=("attachments",),
    parameters=_ATTACHMENT,
    responses=_responses(
        {
            200: Response("The bytes", {"*/*": _BINARY}),
            206: Response("Part of the bytes", {"*/*": _BINARY}),
            304: Response("The copy named by the condition is still good"),
            412: Response("The condition does not hold"),
            416: Response("No byte of the range is there"),
        },
        (400, 401, 403, 404, 429, 500, 503),
    ),
)
DELETE_ATTACHMENT: Final = Operation(
    "deleteAttachment",
    "The answer is the last version, with the deletion as its last action.",
    tags=("attachments",),
    parameters=_ATTACHMENT,
    responses=_responses(_one(AttachmentBody), (*_ALWAYS, 409, 413, 507)),
)

LIST_ORGANIZATIONS: Final = Operation(
    "listOrganizations",
    tags=("organizations",),
    parameters=(
        _query("name", str, "Part of the name, in any case."),
        _query("category", Literal["shipper", "inspector", "none"], "none: those without a category."),
        *_PAGE,
    ),
    responses=_responses(_many(OrganizationBody), _ALWAYS),
)
CREATE_ORGANIZATION: Final = Operation(
    "createOrganization",
    tags=("organizations",),
    body={JSON: NewOrganization},
    responses=_responses(_made(OrganizationBody), _WRITING),
)
GET_ORGANIZATION: Final = Operation(
    "getOrganization",
    tags=("organizations",),
    parameters=_ORGANIZATION,
    responses=_responses(_one(OrganizationBody), _ALWAYS),
)

LIST_WORKSPACES: Final = Operation(
    "listWorkspaces",
    "`filter[PATH]=VALUE` narrows by an envelope key or a path in the body.",
    tags=("workspaces",),
    parameters=(
        _query("filter[body.parties.client.id]", Uuid, "The client's organization."),
        _query("filter[body.parties.vendor.id]", Uuid, "The vendor's organization."),
        _query("filter[body.description]", str, "Exactly this description."),
        *_PAGE,
    ),
    responses=_responses(_many(WorkspaceBody), _ALWAYS),
)
CREATE_WORKSPACE: Final = Operation(
    "createWorkspace",
    tags=("workspaces",),
    body={JSON: NewWorkspace},
    responses=_responses(_made(WorkspaceBody), _WRITING),
)
GET_WORKSPACE: Final = Operation(
    "getWorkspace",
    tags=("workspaces",),
    parameters=_WORKSPACE,
    responses=_responses(_one(WorkspaceBody), _ALWAYS),
)

_OBJECT: Final = dict[str, Any]
LIST_DOCUMENTS: Final = Operation(
    "listDocuments",
    "`filter[FIELD]=VALUE` narrows by a member of the body, `filter[body.PATH]` by a path in it.",
    tags=("documents",),
    parameters=(*_WORKSPACE, _query("type", str, "The document type.", required=True), *_PAGE),
    responses=_responses(_many(_OBJECT), _ALWAYS),
)
CREATE_DOCUMENT: Final = Operation(
    "createDocument",
    tags=("documents",),
    parameters=_WORKSPACE,
    body={JSON: NewDocument},
    responses=_responses(_made(_OBJECT), _WRITING),
)
CREATE_DOCUMENTS: Final = Operation(
    "createDocuments",
    "All of them or none.",
    tags=("documents",),
    parameters=_WORKSPACE,
    body={JSON: NewDocuments},
    responses=_responses(_many(_OBJECT, 201), _WRITING),
)
GET_DOCUMENT: Final = Operation(
    "getDocument",
    tags=("documents",),
    parameters=_DOCUMENT,
    responses=_responses(_one(_OBJECT), _ALWAYS),
)
PATCH_DOCUMENT: Final = Operation(
    "changeDocument",
    "Members of the body are laid over the old ones; 409 when another version is the last.",
    tags=("documents",),
    parameters=_DOCUMENT,
    body={JSON: DocumentChange},
    responses=_responses(_one(_OBJECT), _WRITING),
)

GET_TOKEN: Final = Operation(
    "getServiceAccountToken",
    "Client credentials for a bearer token.",
    tags=("sign-in",),
    body={JSON: TokenRequest, URLENCODED: TokenRequest},
    responses=_responses(
        {200: Response("A bearer token", {JSON: TokenReply})}, (400, 401, 408, 413, 415, 429, 500, 503, 507)
    ),
)
