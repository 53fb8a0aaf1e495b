"""What Case IQ's API prints: file records and cases (seed 2, sections 1, 2 and 4; contract section 4, record shape)."""

import re
from collections.abc import Mapping
from types import GenericAlias
from typing import Annotated, Any, Final, get_type_hints
from uuid import UUID, uuid5

import msgspec

from holdfast.core.errors import Invalid
from holdfast.core.model import Attachment, Record
from holdfast.web.query import moment_text

CASE: Final = "case"
TAG: Final = "tag"

KIND: Final = "File Upload"
ENCODING: Final = "7bit"
LOCALE: Final = "en_US"

OWN: Final = "case_iq"
"""The property under which the dialect keeps its own fields of a file: kind, encoding, templateLocale, bulkTags."""

OPEN: Final = "Open"

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_WORKFLOWS: Final = UUID("5d0f8a52-6c1e-5b0a-9d3c-3f1f5f3f7a10")

Uuid = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
Moment = Annotated[
    str,
    msgspec.Meta(
        description="UTC, to the microsecond; no two creations of one account share it.",
        examples=["2025-01-31T14:05:09.123456Z"],
        extra_json_schema={"format": "date-time"},
    ),
]


class FileRecord(msgspec.Struct, frozen=True, rename="camel"):
    """A file on a case."""

    id: Uuid
    created_date: Moment
    name: str
    name_without_extension: str
    encoding: str
    mime_type: str
    object_id: Annotated[str, msgspec.Meta(description="The stored bytes, by their SHA-256.")]
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]
    kind: str
    file_format: Annotated[str, msgspec.Meta(description="The name's extension in lower case, or nothing.")]
    case_id: str
    description: str | None
    template_locale: str
    bulk_tags: list[str]
    created_by: str
    last_updated_date: Moment


class CaseRecord(msgspec.Struct, frozen=True, rename="camel"):
    """What the server itself says of a case; the case's own fields stand beside these."""

    id: str
    created_date: Moment
    case_number: Annotated[str, msgspec.Meta(examples=["2024-002"])]
    case_status: str
    last_workflow_id: Uuid
    created_by: str
    last_updated_date: Moment


def _page(name: str, whole: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """One page of records, of which only `id` must come: what `fields` leaves of them."""
    hints = get_type_hints(whole, include_extras=True)
    members = [(key, hint | msgspec.UnsetType, msgspec.UNSET) for key, hint in hints.items() if key != "id"]
    listed = msgspec.defstruct(f"Listed{name}", [("id", hints["id"]), *members], frozen=True, rename="camel")
    return msgspec.defstruct(f"{name}Page", [("records", GenericAlias(list, (listed,))), ("count", int)], frozen=True)


FILE_MEMBERS: Final = frozenset(FileRecord.__struct_encode_fields__)
CASE_MEMBERS: Final = frozenset(CaseRecord.__struct_encode_fields__)

FilePage: Final = _page("File", FileRecord)
CasePage: Final = _page("Case", CaseRecord)


def checked_uuid(text: str, what: str) -> str:
    """The id in lower case. Raises `Invalid` for what is not a UUID."""
    if not _UUID.fullmatch(text):
        raise Invalid(f"{what} must be a UUID", fields={what: "not a UUID"})
    return text.lower()


def stamp(microseconds: int) -> str:
    """A time with all six digits of the microseconds, so that it can be handed back as `before` or `after`."""
    return moment_text(microseconds).isoformat(timespec="microseconds").replace("+00:00", "Z")


def split_name(name: str) -> tuple[str, str]:
    """The name without its last extension, and the extension. `.profile` and `notes.` have none."""
    stem, _, extension = name.rpartition(".")
    return (stem, extension) if stem and extension else (name, "")


def file_record(attachment: Attachment, case: str) -> FileRecord:
    """The attachment as it hangs on that case."""
    stem, extension = split_name(attachment.name)
    kept = attachment.properties.get(OWN)
    own = kept if isinstance(kept, dict) else {}
    return FileRecord(
        id=attachment.id,
        created_date=stamp(attachment.created_at),
        name=attachment.name,
        name_without_extension=stem,
        encoding=_said(own, "encoding", ENCODING),
        mime_type=attachment.media_type,
        object_id=attachment.sha256.hex(),
        size_bytes=attachment.size,
        kind=_said(own, "kind", KIND),
        file_format=extension.lower(),
        case_id=case,
        description=attachment.description,
        template_locale=_said(own, "templateLocale", LOCALE),
        bulk_tags=_listed(own.get("bulkTags")),
        created_by=attachment.created_by,
        last_updated_date=stamp(attachment.updated_at),
    )


def _said(own: Mapping[str, Any], name: str, default: str) -> str:
    """A field that files which came by another API do not have."""
    value = own.get(name)
    return value if isinstance(value, str) else default


def _listed(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def case_number(record: Record) -> str:
    """Year of creation and number in the account: `2024-002`."""
    return f"{moment_text(record.created_at).year}-{record.number:03d}"


def workflow_id(account: int) -> str:
    """The one workflow that every case of an account follows."""
    return str(uuid5(_WORKFLOWS, str(account)))


def case_record(record: Record) -> dict[str, Any]:
    """The case with its own fields; what the server assigns cannot be overwritten by them."""
    assigned = CaseRecord(
        id=record.id,
        created_date=stamp(record.created_at),
        case_number=case_number(record),
        case_status=record.state or OPEN,
        last_workflow_id=workflow_id(record.account),
        created_by=record.created_by,
        last_updated_date=stamp(record.updated_at),
    )
    return {**record.attributes, **msgspec.to_builtins(assigned)}
