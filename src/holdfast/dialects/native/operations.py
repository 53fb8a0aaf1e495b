"""What OpenAPI says of each operation of `/v1`, by its handler."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from holdfast.dialects.native import account, attachments, folders, records
from holdfast.dialects.native.idempotency import HEADER
from holdfast.dialects.native.shapes import (
    AttachmentChange,
    AttachmentList,
    AttachmentView,
    EventList,
    FolderDeletion,
    FolderEntry,
    FolderMove,
    FolderView,
    LinkList,
    LinkView,
    Me,
    NewLink,
    RecordBody,
    RecordList,
    RecordPatch,
    RecordView,
    Stats,
    VersionList,
)
from holdfast.web.body import JSON, MULTIPART, OCTETS
from holdfast.web.dialect import Handler, Operation, Parameter, Response, Schema

BINARY: Final = {"type": "string", "format": "binary"}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_PATHLESS: Final = "Name, which also becomes the end of the path when `path` ends with `/`."


def _ok(type: Schema, description: str = "As it is now", status: int = 200) -> dict[int, Response]:
    return {status: Response(description, {JSON: type})}


def _query(name: str, schema: Schema, description: str) -> Parameter:
    return Parameter(name, schema, description)


def _header(name: str, description: str) -> Parameter:
    return Parameter(name, str, description, where="header")


_PAGE: Final = (
    _query("limit", Annotated[int, Meta(ge=1, le=1000)], "Items a page; 50 unless told."),
    _query("cursor", str, "`next` of the page before, with the same order and filters."),
)
_IF_MATCH: Final = _header("If-Match", 'Change only this revision, such as `"r5"`.')
_ONCE: Final = _header(
    HEADER,
    "1 to 255 visible ASCII characters, made up for this request. Sent again within a day, the same request gets the "
    "answer of the first, with `Idempotency-Replayed: true`, and changes nothing; another request gets 422.",
)
_ID: Final = Parameter("id", str, "The attachment's id.", where="path", required=True)
_NUMBER: Final = Parameter("number", Annotated[int, Meta(ge=1)], "The version's number.", where="path", required=True)
_DISPOSITION: Final = _query(
    "disposition", Literal["attachment", "inline"], "inline shows types that are safe to show; the rest are saved."
)
_SIZE: Final = _query("size", Literal["128", "256", "512", "1024"], "Longest side in pixels; 256 unless told.")
_UPLOAD_FIELDS: Final[Mapping[str, tuple[Schema, str]]] = {
    "name": (str, _PATHLESS),
    "description": (str, "Free text."),
    "record": (str, "A record to hang it on, type:id; repeatable."),
    "role": (str, "How it hangs there: document, photo, attachment, …"),
    "path": (str, "Place in the tree; ending with `/` it is the folder."),
    "properties": (str, "A JSON object of further data."),
    "on_conflict": (Literal["fail", "rename", "replace"], "When something is at the path already."),
}
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        **{name: {"type": "string", "description": text} for name, (_, text) in _UPLOAD_FIELDS.items()},
        "file": {**BINARY, "description": "The bytes; the last part."},
    },
}
_FILTERS: Final = (
    _query("q", str, "Words and parts of the name, all of them."),
    _query("role", str, "Only those that hang in this role; with `record` or on a record's list."),
    _query("path", str, "Exactly at this path."),
    _query("under", str, "Anywhere below this folder."),
    _query("media_type", str, "Exactly this type."),
    _query("sha256", str, "Exactly these bytes."),
    _query("created_after", _MOMENT, "Later than this moment."),
    _query("created_before", _MOMENT, "Earlier than this moment."),
    _query("trashed", bool, "Those in the trash instead."),
    _query(
        "sort",
        Literal[
            "created_at",
            "-created_at",
            "updated_at",
            "-updated_at",
            "name",
            "-name",
            "size",
            "-size",
            "number",
            "-number",
            "path",
            "-path",
        ],
        "Order; `-` is descending; newest first unless told.",
    ),
    _query("fields", str, "Members wanted, with commas between; id always comes."),
)
_BYTES: Final = {
    200: Response("The bytes", {"*/*": BINARY}),
    206: Response("Part of the bytes", {"*/*": BINARY}),
    304: Response("The copy named by the condition is still good"),
}
_TYPE: Final = Parameter("type", str, "The record's type.", where="path", required=True)
_RECORD_ID: Final = Parameter("id", str, "The record's id.", where="path", required=True)
_FOLDER: Final = Parameter("path", str, "The folder's path without its first slash.", where="path", required=True)
_FRESH: Final = {304: Response("The copy named by If-None-Match is still good")}
_JPEG: Final = {**_BYTES, 200: Response("The picture", {"image/jpeg": BINARY})}

OPERATIONS: Final[Mapping[Handler, Operation]] = {
    attachments.create: Operation(
        "createAttachment",
        "A form with the file as its last part, or the bytes alone with everything else in the query.",
        tags=("attachments",),
        parameters=(*(_query(name, schema, text) for name, (schema, text) in _UPLOAD_FIELDS.items()), _ONCE),
        body={MULTIPART: _FORM, OCTETS: BINARY},
        responses={**_ok(AttachmentView, "Stored", 201), **_ok(AttachmentView, "A new version of what was there")},
    ),
    attachments.listed: Operation(
        "listAttachments",
        "`property.KEY=VALUE` filters by a property.",
        tags=("attachments",),
        parameters=(
            _query("record", str, "Hang on this record, type:id."),
            _query("type", str, "Hang on any record of this type."),
            *_FILTERS,
            *_PAGE,
        ),
        responses=_ok(AttachmentList, "One page"),
    ),
    attachments.get: Operation(
        "getAttachment",
        tags=("attachments",),
        parameters=(
            _ID,
            _query("trashed", bool, "One that is in the trash."),
            _header("If-None-Match", "304 if it is still so."),
        ),
        responses={**_ok(AttachmentView), **_FRESH},
    ),
    attachments.patch: Operation(
        "changeAttachment",
        tags=("attachments",),
        parameters=(_ID, _IF_MATCH),
        body={JSON: AttachmentChange},
        responses=_ok(AttachmentView),
    ),
    attachments.delete: Operation(
        "deleteAttachment",
        tags=("attachments",),
        parameters=(_ID, _query("purge", bool, "For good; needs attachments.purge."), _IF_MATCH),
        responses={204: Response("Gone")},
    ),
    attachments.restore: Operation(
        "restoreAttachment", tags=("attachments",), parameters=(_ID, _ONCE), responses=_ok(AttachmentView)
    ),
    attachments.get_content: Operation(
        "getContent", tags=("content",), parameters=(_ID, _DISPOSITION), responses=_BYTES
    ),
    attachments.get_thumbnail: Operation(
        "getThumbnail",
        "A JPEG, upright, on white, without any metadata and never larger than the original. Of JPEG, PNG, GIF, WebP, "
        "AVIF, HEIC, TIFF, BMP and the first page of a PDF; of anything else, and of a file that cannot be read, "
        "404 with the code `no_rendition`.",
        tags=("content",),
        parameters=(_ID, _SIZE),
        responses=_JPEG,
    ),
    attachments.put_content: Operation(
        "putContent",
        tags=("content",),
        parameters=(_ID, _IF_MATCH, _ONCE),
        body={OCTETS: BINARY, MULTIPART: {**_FORM, "properties": {"file": BINARY}}},
        responses=_ok(AttachmentView, "The new version"),
    ),
    attachments.versions: Operation(
        "listVersions", tags=("versions",), parameters=(_ID, *_PAGE), responses=_ok(VersionList, "One page")
    ),
    attachments.version_content: Operation(
        "getVersionContent", tags=("versions",), parameters=(_ID, _NUMBER, _DISPOSITION), responses=_BYTES
    ),
    attachments.version_thumbnail: Operation(
        "getVersionThumbnail", tags=("versions",), parameters=(_ID, _NUMBER, _SIZE), responses=_JPEG
    ),
    attachments.restore_version: Operation(
        "restoreVersion",
        tags=("versions",),
        parameters=(_ID, _NUMBER, _IF_MATCH, _ONCE),
        responses=_ok(AttachmentView, "The new version, with the old bytes"),
    ),
    attachments.links: Operation(
        "listLinks", tags=("links",), parameters=(_ID, *_PAGE), responses=_ok(LinkList, "One page")
    ),
    attachments.create_link: Operation(
        "createLink",
        tags=("links",),
        parameters=(_ID, _ONCE),
        body={JSON: NewLink},
        responses=_ok(LinkView, "Linked", 201),
    ),
    attachments.delete_link: Operation(
        "deleteLink",
        "An attachment left with neither link nor path goes to the trash.",
        tags=("links",),
        parameters=(_ID, Parameter("link", str, "The link's id.", where="path", required=True)),
        responses={204: Response("Taken off")},
    ),
    records.listed: Operation(
        "listRecords",
        "`attribute.KEY=VALUE` filters by an attribute.",
        tags=("records",),
        parameters=(
            _TYPE,
            _query("parent", str, "Directly below this record, type:id."),
            _query(
                "sort",
                Literal["created_at", "-created_at", "updated_at", "-updated_at", "number", "-number", "id", "-id"],
                "Order; newest first unless told.",
            ),
            *_PAGE,
        ),
        responses=_ok(RecordList, "One page"),
    ),
    records.get: Operation(
        "getRecord",
        tags=("records",),
        parameters=(_TYPE, _RECORD_ID, _header("If-None-Match", "304 if it is still so.")),
        responses={**_ok(RecordView), **_FRESH},
    ),
    records.put: Operation(
        "putRecord",
        tags=("records",),
        parameters=(_TYPE, _RECORD_ID, _IF_MATCH, _header("If-None-Match", "`*`: only if it is new.")),
        body={JSON: RecordBody},
        body_required=False,
        responses={**_ok(RecordView, "Registered", 201), **_ok(RecordView, "Replaced")},
    ),
    records.patch: Operation(
        "changeRecord",
        tags=("records",),
        parameters=(_TYPE, _RECORD_ID, _IF_MATCH),
        body={JSON: RecordPatch},
        responses=_ok(RecordView),
    ),
    records.delete: Operation(
        "deleteRecord",
        "Attachments left with neither link nor path go to the trash.",
        tags=("records",),
        parameters=(
            _TYPE,
            _RECORD_ID,
            _query("cascade", bool, "Also records that are below this one alone."),
            _IF_MATCH,
        ),
        responses={204: Response("Deleted")},
    ),
    records.attachments: Operation(
        "listRecordAttachments",
        tags=("records",),
        parameters=(_TYPE, _RECORD_ID, *_FILTERS, *_PAGE),
        responses=_ok(AttachmentList, "One page"),
    ),
    folders.get_root: Operation(
        "getRoot", tags=("folders",), parameters=_PAGE, responses=_ok(FolderView, "One page of it")
    ),
    folders.get: Operation(
        "getFolder", tags=("folders",), parameters=(_FOLDER, *_PAGE), responses=_ok(FolderView, "One page of it")
    ),
    folders.create: Operation(
        "createFolder", tags=("folders",), parameters=(_FOLDER, _ONCE), responses=_ok(FolderEntry, "Created", 201)
    ),
    folders.move: Operation(
        "moveFolder",
        tags=("folders",),
        parameters=(_FOLDER,),
        body={JSON: FolderMove},
        responses=_ok(FolderEntry, "Where it is now"),
    ),
    folders.delete: Operation(
        "deleteFolder",
        tags=("folders",),
        parameters=(_FOLDER, _query("force", bool, "Do it, rather than show what would go.")),
        responses=_ok(FolderDeletion, "What goes along"),
    ),
    account.events: Operation(
        "listEvents",
        tags=("account",),
        parameters=(
            _query("after", Annotated[int, Meta(ge=0, le=2**53)], "Events with a greater number."),
            _query("limit", Annotated[int, Meta(ge=1, le=1000)], "Events a page; 100 unless told."),
        ),
        responses=_ok(EventList, "Events, oldest first"),
    ),
    account.me: Operation("getMe", tags=("account",), responses=_ok(Me, "The caller")),
    account.stats: Operation("getStats", tags=("account",), responses=_ok(Stats, "The account")),
}
