"""Navarik Bridge: files on documents, documents in two-party workspaces, all of it in entity envelopes.

The five attachment calls follow the vendor's page "Attachments" (seed 004); what lies around them, so that a client
can work from end to end, follows the contract's sections 2, 3 and 5.
"""

from typing import Final

from holdfast.core.model import READ, RECORDS_READ, RECORDS_WRITE, WRITE
from holdfast.dialects.navarik import attachments, documents, operations, organizations, sign_in, workspaces
from holdfast.dialects.navarik.errors import ERRORS
from holdfast.dialects.navarik.requests import refuse_xml
from holdfast.dialects.navarik.shapes import Failure
from holdfast.web.dialect import Absent, Call, Dialect, Handler, Method, Operation, Route
from holdfast.web.reply import Reply

_ORGANIZATIONS: Final = "/v2/organizations"
_WORKSPACES: Final = "/v2/workspaces"
_WORKSPACE: Final = _WORKSPACES + "/{workspace_id}"
_DOCUMENTS: Final = _WORKSPACE + "/documents"
_DOCUMENT: Final = _DOCUMENTS + "/{document_id}"
_ATTACHMENTS: Final = _DOCUMENT + "/attachments"
_ATTACHMENT: Final = _ATTACHMENTS + "/{attachment_id}"

Rights = tuple[tuple[str, ...], tuple[str, ...]]

# The vendor names no permission keys. An attachment is only reached through its workspace and document, so what lets
# a caller see or hang files lets it look those two up in the same call, and no more.
_SEE: Final[Rights] = ((READ,), (RECORDS_READ,))
_HANG: Final[Rights] = ((WRITE,), (RECORDS_READ,))
_DELETE: Final[Rights] = ((WRITE,), (READ, RECORDS_READ))
_RECORD: Final[Rights] = ((RECORDS_WRITE,), (RECORDS_READ,))
_LOOK: Final[Rights] = ((), ())


def _entity(
    method: Method, path: str, handler: Handler, summary: str, operation: Operation, rights: Rights = _LOOK
) -> Route:
    """A route whose answers are entities, which are not sent as XML."""

    async def negotiated(call: Call) -> Reply:
        refuse_xml(call.req)
        return await handler(call)

    keys, grants = rights
    return Route(method, path, negotiated, keys=keys, grants=grants, summary=summary, operation=operation)


ROUTES: Final = (
    _entity("GET", _ATTACHMENTS, attachments.listed, "List attachments", operations.LIST_ATTACHMENTS, _SEE),
    _entity("POST", _ATTACHMENTS, attachments.create, "Create an attachment", operations.CREATE_ATTACHMENT, _HANG),
    _entity("GET", _ATTACHMENT, attachments.descriptor, "Get its descriptor", operations.GET_DESCRIPTOR, _SEE),
    Route(
        "GET",
        _ATTACHMENT + "/content",
        attachments.content,
        keys=_SEE[0],
        grants=_SEE[1],
        summary="Download its content",
        operation=operations.GET_CONTENT,
    ),
    _entity("DELETE", _ATTACHMENT, attachments.delete, "Delete an attachment", operations.DELETE_ATTACHMENT, _DELETE),
    _entity("GET", _ORGANIZATIONS, organizations.listed, "List organizations", operations.LIST_ORGANIZATIONS),
    _entity(
        "POST", _ORGANIZATIONS, organizations.create, "Create an organization", operations.CREATE_ORGANIZATION, _RECORD
    ),
    _entity("GET", _ORGANIZATIONS + "/{organization_id}", organizations.get, "Get one", operations.GET_ORGANIZATION),
    _entity("GET", _WORKSPACES, workspaces.listed, "List workspaces", operations.LIST_WORKSPACES),
    _entity("POST", _WORKSPACES, workspaces.create, "Open a workspace", operations.CREATE_WORKSPACE, _RECORD),
    _entity("GET", _WORKSPACE, workspaces.get, "Get a workspace", operations.GET_WORKSPACE),
    _entity("GET", _DOCUMENTS, documents.listed, "List documents of a type", operations.LIST_DOCUMENTS),
    _entity("POST", _DOCUMENTS, documents.create, "Create a document", operations.CREATE_DOCUMENT, _RECORD),
    _entity(
        "POST", _DOCUMENTS + "/bulk", documents.create_bulk, "Create documents", operations.CREATE_DOCUMENTS, _RECORD
    ),
    _entity("GET", _DOCUMENT, documents.get, "Get a document", operations.GET_DOCUMENT),
    _entity("PATCH", _DOCUMENT, documents.patch, "Change a document", operations.PATCH_DOCUMENT, _RECORD),
    Route(
        "POST",
        "/auth/v1/service-account/token",
        sign_in.token,
        public=True,
        summary="Sign in as a service account",
        operation=operations.GET_TOKEN,
    ),
)

ABSENT: Final = (
    Absent("PUT", _ATTACHMENT, "The vendor's page has no update: an attachment has one version and its deletion."),
    Absent("PATCH", _ATTACHMENT, "The vendor's page has no update: an attachment has one version and its deletion."),
    Absent("PATCH", _ORGANIZATIONS + "/{organization_id}", "Not documented as far as the page can be read."),
    Absent("DELETE", _ORGANIZATIONS + "/{organization_id}", "Not documented as far as the page can be read."),
    Absent("PATCH", _WORKSPACE, "Not documented as far as the page can be read."),
    Absent("DELETE", _WORKSPACE, "Not documented as far as the page can be read."),
    Absent("DELETE", _DOCUMENT, "Not documented as far as the page can be read; `/v1/records` deletes one."),
)

NAVARIK: Final = Dialect(
    name="navarik",
    title="Navarik Bridge",
    prefixes=(_ORGANIZATIONS, _WORKSPACES, "/auth/v1"),
    mounts=("", "/bridge"),
    routes=ROUTES,
    absent=ABSENT,
    errors=ERRORS,
    version="2",
    description="Files on the documents of two-party workspaces, in versioned entity envelopes.",
    failure=Failure,
    choices={"token_days": 12},
)
