"""What Property Deck writes: objects, envelopes and times (seed 001; contract sections 3 to 5)."""

import datetime as dt
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from holdfast.core.model import Attachment, JsonObject, Record
from holdfast.web.query import moment_text

Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$", description="ISO 8601, in UTC.")]
FileType = Literal["Document", "Image", "Video", "Audio"]

_FILE_TYPES: Final[dict[str, FileType]] = {"image": "Image", "video": "Video", "audio": "Audio"}
_SECOND: Final = 1_000_000


class AttachmentObject(msgspec.Struct, frozen=True):
    """A file that belongs to a contact or a property."""

    uuid: str
    created_at: Moment
    updated_at: Moment
    name: str
    description: str | None
    size: int
    download_url: str
    stream_url: str
    mime_type: str
    type: FileType


class ContactObject(msgspec.Struct, frozen=True):
    """A person or company."""

    uuid: str
    created_at: Moment
    updated_at: Moment
    name: str
    email: str
    contact_number: str | None
    company: str | None
    address: str | None
    address2: str | None
    city: str | None
    county: str | None
    postcode: str | None
    num_attachments: int
    num_notes: int


class PropertyObject(msgspec.Struct, frozen=True):
    """A building or a part of one."""

    uuid: str
    created_at: Moment
    updated_at: Moment
    address: str
    address2: str | None
    city: str | None
    county: str | None
    postcode: str | None
    type: str | None
    bedrooms: int
    bathrooms: int
    has_garage: bool
    has_garden: bool
    has_parking: bool
    num_attachments: int
    num_notes: int


class Links(msgspec.Struct, frozen=True, omit_defaults=True):
    """The neighbours of a page; the one that is not there has no member."""

    previous: str | msgspec.UnsetType = msgspec.UNSET
    next: str | msgspec.UnsetType = msgspec.UNSET


class Pagination(msgspec.Struct, frozen=True):
    """Where a page lies among all pages."""

    total: int
    count: int
    per_page: int
    current_page: int
    total_pages: int
    links: Links


class PageMeta(msgspec.Struct, frozen=True):
    """What is said of a list beside its rows."""

    pagination: Pagination


class AttachmentPage(msgspec.Struct, frozen=True):
    """One page of attachments."""

    data: list[AttachmentObject]
    meta: PageMeta


class ContactPage(msgspec.Struct, frozen=True):
    """One page of contacts."""

    data: list[ContactObject]
    meta: PageMeta


class PropertyPage(msgspec.Struct, frozen=True):
    """One page of properties."""

    data: list[PropertyObject]
    meta: PageMeta


class OneAttachment(msgspec.Struct, frozen=True):
    """An attachment in its envelope."""

    data: AttachmentObject


class OneContact(msgspec.Struct, frozen=True):
    """A contact in its envelope."""

    data: ContactObject


class OneProperty(msgspec.Struct, frozen=True):
    """A property in its envelope."""

    data: PropertyObject


def moment(microseconds: int) -> str:
    """Second precision, `+00:00`, never `Z` (contract section 3, "Dates")."""
    return moment_text(microseconds - microseconds % _SECOND).astimezone(dt.UTC).isoformat(timespec="seconds")


def attachment_object(attachment: Attachment, base_url: str) -> AttachmentObject:
    """The attachment as the seed prints it; its URLs lie on this server."""
    url = f"{base_url}/attachments/{attachment.id}"
    return AttachmentObject(
        attachment.id,
        moment(attachment.created_at),
        moment(attachment.updated_at),
        attachment.name,
        attachment.description,
        attachment.size,
        f"{url}/download",
        f"{url}/stream",
        attachment.media_type,
        _FILE_TYPES.get(attachment.media_type.partition("/")[0], "Document"),
    )


def contact_object(record: Record, attachments: int) -> ContactObject:
    """The contact; what another API has not registered is empty."""
    told = record.attributes
    return ContactObject(
        record.id,
        moment(record.created_at),
        moment(record.updated_at),
        _text(told, "name") or "",
        _text(told, "email") or "",
        _text(told, "contact_number"),
        _text(told, "company"),
        _text(told, "address"),
        _text(told, "address2"),
        _text(told, "city"),
        _text(told, "county"),
        _text(told, "postcode"),
        attachments,
        0,
    )


def property_object(record: Record, attachments: int) -> PropertyObject:
    """The property; what another API has not registered is empty, 0 or false."""
    told = record.attributes
    return PropertyObject(
        record.id,
        moment(record.created_at),
        moment(record.updated_at),
        _text(told, "address") or "",
        _text(told, "address2"),
        _text(told, "city"),
        _text(told, "county"),
        _text(told, "postcode"),
        _text(told, "type"),
        _whole(told, "bedrooms"),
        _whole(told, "bathrooms"),
        told.get("has_garage") is True,
        told.get("has_garden") is True,
        told.get("has_parking") is True,
        attachments,
        0,
    )


def _text(told: JsonObject, key: str) -> str | None:
    value = told.get(key)
    return value if isinstance(value, str) else None


def _whole(told: JsonObject, key: str) -> int:
    value = told.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
