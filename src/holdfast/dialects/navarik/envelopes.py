"""From records and attachments to entity envelopes (contract section 3).

What the core does not keep for us lies under `navarik` in a record's attributes or an attachment's properties: the
entity's type, its last version and the one before, the last action, and the reference numbers of an attachment.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from holdfast.core.model import Attachment, JsonObject, Record
from holdfast.dialects.navarik.shapes import (
    ATTACHMENT,
    DOCUMENT,
    ORGANIZATION,
    WORKSPACE,
    Action,
    AttachmentBody,
    Category,
    Envelope,
    OrganizationBody,
    Parties,
    Party,
    WorkspaceBody,
)
from holdfast.dialects.navarik.versions import canonical, fixed_id, version_id

OURS: Final = "navarik"
"""The key that holds what is the dialect's own."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LOCATION_DIGITS: Final = 25
_CATEGORIES: Final[Mapping[object, Category]] = {"shipper": "shipper", "inspector": "inspector"}


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in canonical form and lower case."""
    return _UUID.fullmatch(text) is not None


def uuid_text(id: str) -> str:
    """The id itself, or for one that is no UUID (another API may have made it) a UUID that stands for it."""
    return id if is_uuid(id) else fixed_id(id)


def moment_text(microseconds: int) -> str:
    """`YYYY-MM-DDTHH:mm:ss.SSSZ`."""
    moment = _EPOCH + dt.timedelta(microseconds=microseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


# ---------------------------------------------------------------- attachments


def attachment_envelope(
    attachment: Attachment, workspace: str, document: str, *, deleted: bool = False
) -> Envelope[AttachmentBody]:
    """The attachment as it hangs on that document. A deletion keeps the version that was deleted."""
    told = _object(attachment.properties.get(OURS))
    body = AttachmentBody(
        workspace,
        document,
        attachment.name,
        attachment.size,
        attachment.sha256.hex()[:_LOCATION_DIGITS],
        attachment.media_type,
        _text(told.get("clientReferenceNumber")),
        _text(told.get("vendorReferenceNumber")),
        attachment.description,
    )
    action: Action = "delete" if deleted else "create" if attachment.revision == 1 else "update"
    return Envelope(
        attachment.id,
        version_id(attachment.id, msgspec.to_builtins(body)),
        None,
        action,
        uuid_text(attachment.created_by),
        moment_text(attachment.created_at),
        uuid_text(attachment.updated_by),
        moment_text(attachment.updated_at),
        ATTACHMENT,
        fixed_id(ATTACHMENT),
        body,
        {},
    )


# ---------------------------------------------------------------- records


def marks(type: str, version: str, previous: str | None = None) -> JsonObject:
    """What is kept under `navarik` of a record in this version."""
    action: Action = "create" if previous is None else "update"
    return {"type": type, "version": version, "previous": previous, "action": action}


def organization_body(attributes: JsonObject) -> OrganizationBody:
    """The model, whoever has written the attributes."""
    audience = attributes.get("audience")
    return OrganizationBody(
        _text(attributes.get("name")) or "",
        audience if isinstance(audience, str) and is_uuid(audience) else None,
        _CATEGORIES.get(attributes.get("category")) if isinstance(attributes.get("category"), str) else None,
    )


def organization_envelope(record: Record) -> Envelope[OrganizationBody]:
    """An organization."""
    return _envelope(record, ORGANIZATION, organization_body(record.attributes))


def workspace_body(attributes: JsonObject) -> WorkspaceBody:
    """The model, whoever has written the attributes."""
    parties = _object(attributes.get("parties"))
    return WorkspaceBody(
        _text(attributes.get("description")),
        Parties(_party(_object(parties.get("client"))), _party(_object(parties.get("vendor")))),
    )


def _party(told: Mapping[str, Any]) -> Party:
    id = told.get("id")
    return Party(id if isinstance(id, str) and is_uuid(id) else None, _text(told.get("xref")))


def workspace_envelope(record: Record) -> Envelope[WorkspaceBody]:
    """A workspace."""
    return _envelope(record, WORKSPACE, workspace_body(record.attributes))


def document_body(record: Record) -> dict[str, Any]:
    """The object itself, its members in the one order that version ids are made from."""
    body: dict[str, Any] = canonical(_object(record.attributes.get("body")))
    return body


def document_type(record: Record) -> str:
    """The document type."""
    return _text(_object(record.attributes.get(OURS)).get("type")) or DOCUMENT


def document_envelope(record: Record) -> Envelope[dict[str, Any]]:
    """A document."""
    return _envelope(record, document_type(record), document_body(record))


def _envelope(record: Record, type: str, body: Any) -> Envelope[Any]:  # noqa: ANN401 the body of any entity
    id = uuid_text(record.id)
    version = version_id(id, msgspec.to_builtins(body))
    kept = _object(record.attributes.get(OURS))
    # Another API may have changed the record since: then the version that we knew is the one before.
    previous = kept.get("previous") if kept.get("version") == version else kept.get("version")
    return Envelope(
        id,
        version,
        previous if isinstance(previous, str) and is_uuid(previous) else None,
        "create" if record.revision == 1 else "update",
        uuid_text(record.created_by),
        moment_text(record.created_at),
        uuid_text(record.updated_by),
        moment_text(record.updated_at),
        type,
        fixed_id(type),
        body,
        {},
    )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
