"""What the Navarik Bridge API says and hears: its JSON shapes (contract sections 3 to 5).

The order of a body's members is the order in which the vendor's tables list them: version ids depend on it.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

ATTACHMENT = "navarik.bridge.attachment"
ORGANIZATION = "navarik.bridge.organization"
WORKSPACE = "navarik.bridge.workspace"
DOCUMENT = "navarik.bridge.document"
"""Said of a document that another API has registered without a type."""

KINDS = frozenset({ORGANIZATION, WORKSPACE, DOCUMENT})

Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Moment = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        description="ISO 8601 in UTC, with milliseconds.",
        extra_json_schema={"format": "date-time"},
    ),
]
Action = Literal["create", "update", "delete"]
Category = Literal["shipper", "inspector"]

B = TypeVar("B")


class Failure(msgspec.Struct, frozen=True):
    """What is said of every request that is refused."""

    message: str


class AttachmentBody(msgspec.Struct, frozen=True):
    """An attachment; the order of the seed's table "Data Model"."""

    workspace: Uuid
    document: Uuid
    caption: Annotated[str, Meta(description="The file's name.")]
    size: Annotated[int, Meta(ge=0, description="In bytes.")]
    location: Annotated[str, Meta(description="An opaque id of the stored file; the same for the same bytes.")]
    format: Annotated[str, Meta(description="The media type.")]
    clientReferenceNumber: str | None  # noqa: N815 the vendor's name
    vendorReferenceNumber: str | None  # noqa: N815 the vendor's name
    description: str | None


class OrganizationBody(msgspec.Struct, frozen=True):
    """An organization."""

    name: str
    audience: Uuid | None
    category: Category | None


class Party(msgspec.Struct, frozen=True):
    """One side of a workspace, and what that side calls it."""

    id: Uuid | None
    xref: str | None


class Parties(msgspec.Struct, frozen=True):
    """The two sides of a workspace."""

    client: Party
    vendor: Party


class WorkspaceBody(msgspec.Struct, frozen=True):
    """A workspace."""

    description: str | None
    parties: Parties


class Envelope(msgspec.Struct, Generic[B], frozen=True):
    """An entity: who made it, its version, and the object itself."""

    id: Uuid
    version_id: Uuid
    previous_version_id: Uuid | None
    last_action: Action
    created_by: Uuid
    created_at: Moment
    modified_by: Uuid
    modified_at: Moment
    type: str
    schema: Uuid
    body: B
    meta: dict[str, Any]


class NewOrganization(msgspec.Struct, frozen=True):
    """An organization to be made: the model itself."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    audience: Uuid | None = None
    category: Category | None = None


class NewParty(msgspec.Struct, frozen=True):
    """One side of a workspace to be made."""

    id: Uuid
    xref: Annotated[str, Meta(max_length=200)] | None = None


class NewParties(msgspec.Struct, frozen=True):
    """The two sides of a workspace to be made."""

    client: NewParty
    vendor: NewParty


class NewWorkspace(msgspec.Struct, frozen=True):
    """A workspace to be made: the model itself."""

    parties: NewParties
    description: Annotated[str, Meta(max_length=10_000)] | None = None


DocumentType = Annotated[str, Meta(min_length=1, max_length=200, description="The document type's name.")]


class NewDocument(msgspec.Struct, frozen=True):
    """A document to be made."""

    type: DocumentType
    body: dict[str, Any]


class NewDocuments(msgspec.Struct, frozen=True):
    """Documents of one type to be made, all of them or none."""

    type: DocumentType
    body: Annotated[list[dict[str, Any]], Meta(max_length=1000)]


class DocumentChange(msgspec.Struct, frozen=True):
    """Members to lay over those of the version that is named."""

    previous_version_id: Uuid
    body: dict[str, Any]


class TokenRequest(msgspec.Struct, frozen=True):
    """A service account that asks for a token (RFC 6749 section 4.4.2)."""

    grant_type: Literal["client_credentials"]
    client_id: Annotated[str, Meta(min_length=1, max_length=200)]
    client_secret: Annotated[str, Meta(min_length=1, max_length=1000)]


class TokenReply(msgspec.Struct, frozen=True):
    """The bearer token, and how long it holds."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: Annotated[str, Meta(pattern=r"^\d+d$", description="A duration in days.", examples=["12d"])]
