"""What the native API says and hears: the JSON shapes of `/v1`."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from holdfast.core.model import Attachment, Event, Facts, Folder, Link, Record, Version
from holdfast.web.query import moment_text

Path = Annotated[str, Meta(description="Absolute path in the account's tree.", examples=["/contracts/lease.pdf"])]
RecordName = Annotated[str, Meta(description="A record, written type:id.", examples=["contact:42"])]


class MediaView(msgspec.Struct, frozen=True):
    """What was read out of a picture or document; null is unknown. Where it was taken is never among it."""

    width: Annotated[int | None, Meta(description="Pixels across, as the picture is meant to be seen.")]
    height: Annotated[int | None, Meta(description="Pixels down.")]
    pages: Annotated[int | None, Meta(description="Pages of a PDF or TIFF.")]
    captured_at: Annotated[
        str | None,
        Meta(
            description="When it was taken by the camera's clock, with an offset from UTC if the camera knew one.",
            examples=["2024-05-01T12:30:00", "2024-05-01T12:30:00+02:00"],
        ),
    ]


class AttachmentView(msgspec.Struct, frozen=True):
    """An attachment: media type, size and digest are those of its current version.

    `media` is read in the background after an upload. It is left out until then, for good where there is nothing to
    say, and in answers to changes.
    """

    id: str
    number: int
    name: str
    description: str | None
    media_type: str
    size: int
    sha256: str
    version: int
    revision: int
    properties: dict[str, Any]
    path: str | None
    created_at: dt.datetime
    created_by: str
    updated_at: dt.datetime
    updated_by: str
    trashed_at: dt.datetime | None
    media: MediaView | msgspec.UnsetType = msgspec.UNSET


class AttachmentList(msgspec.Struct, frozen=True):
    """One page; `next` is the cursor of the following one, null at the end."""

    items: list[AttachmentView]
    next: str | None


class AttachmentChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Members left out stay as they are. A null path takes the attachment out of the tree; a path that ends with
    `/` moves it into that folder under its name. Properties are merged, a null removes a key."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    path: str | msgspec.UnsetType | None = msgspec.UNSET
    properties: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class VersionView(msgspec.Struct, frozen=True):
    """One immutable content of an attachment."""

    number: int
    name: str
    media_type: str
    size: int
    sha256: str
    created_at: dt.datetime
    created_by: str


class VersionList(msgspec.Struct, frozen=True):
    """One page, newest first."""

    items: list[VersionView]
    next: str | None


class LinkView(msgspec.Struct, frozen=True):
    """An attachment hanging on a record."""

    id: str
    attachment: str
    record: RecordName
    role: str
    position: int
    caption: str | None
    created_at: dt.datetime
    created_by: str


class LinkList(msgspec.Struct, frozen=True):
    """One page, by position."""

    items: list[LinkView]
    next: str | None


class NewLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The record to hang the attachment on."""

    record: RecordName
    role: Annotated[str, Meta(min_length=1, max_length=64)] = "attachment"
    position: Annotated[int, Meta(ge=-(2**31), lt=2**31)] = 0
    caption: str | None = None


class RecordView(msgspec.Struct, frozen=True):
    """A record of the host application."""

    type: str
    id: str
    number: int
    attributes: dict[str, Any]
    parents: list[RecordName]
    state: str | None
    revision: int
    created_at: dt.datetime
    created_by: str
    updated_at: dt.datetime
    updated_by: str


class RecordList(msgspec.Struct, frozen=True):
    """One page; `next` is the cursor of the following one, null at the end."""

    items: list[RecordView]
    next: str | None


class RecordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is known of a record; parents must be registered before."""

    attributes: dict[str, Any] = {}
    parents: list[RecordName] = []
    state: Annotated[str, Meta(max_length=100)] | None = None


class RecordPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Members left out stay as they are; attributes are merged, a null removes a key."""

    attributes: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    parents: list[RecordName] | msgspec.UnsetType = msgspec.UNSET
    state: Annotated[str, Meta(max_length=100)] | msgspec.UnsetType | None = msgspec.UNSET


class FolderEntry(msgspec.Struct, frozen=True):
    """A folder or a file directly inside a folder; a file brings its attachment."""

    kind: Literal["folder", "file"]
    name: str
    path: Path
    created_at: dt.datetime
    attachment: AttachmentView | None


class FolderView(msgspec.Struct, frozen=True):
    """A folder and one page of what is directly inside it, by path."""

    path: Path
    items: list[FolderEntry]
    next: str | None


class FolderMove(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the folder goes, with everything in it."""

    path: Path


class FolderDeletion(msgspec.Struct, frozen=True):
    """What goes along with a folder. `links` lists up to 500 of the links that would no longer show a file."""

    deleted: bool
    folders: int
    attachments: int
    links: list[LinkView]


class EventView(msgspec.Struct, frozen=True):
    """One entry of the log of changes. `subject` is an attachment's id, a record's type:id or a path."""

    number: int
    at: dt.datetime
    actor: str
    kind: str
    subject: str
    data: dict[str, Any]


class EventList(msgspec.Struct, frozen=True):
    """Events, oldest first; `next` is the number to ask `after` for."""

    items: list[EventView]
    next: int


class Me(msgspec.Struct, frozen=True):
    """Who is asking."""

    account: str
    id: str
    kind: str
    name: str
    permissions: list[str]
    scopes: list[str]


class Stats(msgspec.Struct, frozen=True):
    """What the account holds and may hold; null is no limit."""

    attachments: int
    bytes: int
    quota_attachments: int | None
    quota_bytes: int | None
    last_event: int


def attachment_view(attachment: Attachment, facts: Mapping[bytes, Facts] | None = None) -> AttachmentView:
    """The attachment as JSON says it; `facts` holds what is known of contents, by digest, if that is to be shown."""
    trashed_at = attachment.trashed_at
    return AttachmentView(
        attachment.id,
        attachment.number,
        attachment.name,
        attachment.description,
        attachment.media_type,
        attachment.size,
        attachment.sha256.hex(),
        attachment.version,
        attachment.revision,
        dict(attachment.properties),
        attachment.path,
        moment_text(attachment.created_at),
        attachment.created_by,
        moment_text(attachment.updated_at),
        attachment.updated_by,
        None if trashed_at is None else moment_text(trashed_at),
        msgspec.UNSET if facts is None or attachment.sha256 not in facts else _media_view(facts[attachment.sha256]),
    )


def _media_view(facts: Facts) -> MediaView:
    return MediaView(facts.width, facts.height, facts.pages, facts.captured)


def version_view(version: Version) -> VersionView:
    """The version as JSON says it."""
    return VersionView(
        version.number,
        version.name,
        version.media_type,
        version.size,
        version.sha256.hex(),
        moment_text(version.created_at),
        version.created_by,
    )


def link_view(link: Link) -> LinkView:
    """The link as JSON says it."""
    return LinkView(
        link.id,
        link.attachment,
        str(link.record),
        link.role,
        link.position,
        link.caption,
        moment_text(link.created_at),
        link.created_by,
    )


def record_view(record: Record) -> RecordView:
    """The record as JSON says it."""
    return RecordView(
        record.type,
        record.id,
        record.number,
        dict(record.attributes),
        [str(parent) for parent in record.parents],
        record.state,
        record.revision,
        moment_text(record.created_at),
        record.created_by,
        moment_text(record.updated_at),
        record.updated_by,
    )


def folder_entry(entry: Attachment | Folder, facts: Mapping[bytes, Facts]) -> FolderEntry:
    """A folder or file as JSON says it; `facts` as for `attachment_view`."""
    if isinstance(entry, Folder):
        return FolderEntry("folder", entry.name, entry.path, moment_text(entry.created_at), None)
    view = attachment_view(entry, facts)
    return FolderEntry("file", entry.name, entry.path or "", moment_text(entry.created_at), view)


def event_view(event: Event) -> EventView:
    """The event as JSON says it."""
    return EventView(event.number, moment_text(event.at), event.actor, event.kind, event.subject, dict(event.data))
