"""What OpenAPI says of each call."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from holdfast.dialects.four_hse.attachments import MODES, NewPath
from holdfast.dialects.four_hse.errors import NAMES, Failure, FieldError, TokenError
from holdfast.dialects.four_hse.links import LinkSearch, NewLink
from holdfast.dialects.four_hse.parents import Listing, Resource
from holdfast.dialects.four_hse.search import Search
from holdfast.dialects.four_hse.shapes import AttachmentView, EntityAttachment
from holdfast.dialects.four_hse.sign_in import TokenReply, TokenRequest
from holdfast.dialects.four_hse.uploads import NewFolder
from holdfast.web.body import JSON, MULTIPART, URLENCODED
from holdfast.web.dialect import Operation, Parameter, Response, Schema

BINARY: Final = {"type": "string", "format": "binary"}
COUNT: Final = {"type": "integer", "minimum": 0}
PAGINATION: Final[Mapping[str, Schema]] = {
    "X-Pagination-Current-Page": COUNT,
    "X-Pagination-Page-Count": COUNT,
    "X-Pagination-Per-Page": COUNT,
    "X-Pagination-Total-Count": COUNT,
}
ANY_FAILURE: Final = {
    "oneOf": [
        {
            "type": "object",
            "required": ["name", "message", "status", "code"],
            "properties": {
                "name": {"type": "string"},
                "message": {"type": "string"},
                "status": {"type": "integer"},
                "code": {"type": "integer"},
            },
        },
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        {
            "type": "object",
            "required": ["error", "error_description"],
            "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        },
    ]
}
"""The body of a failure that an operation does not list."""

_FAILED: Final = (400, 401, 403, 404, 413, 415, 500)
_LINKS_OR_FAILURE: Final[dict[str, Any]] = {
    "description": "The links that would go, or what is wrong with the request.",
    "oneOf": [
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["entity_attachment_id", "entity_id", "attachment_id", "attachment_path"],
                "properties": {
                    "entity_attachment_id": {"type": "string"},
                    "entity_id": {"type": "string"},
                    "attachment_id": {"type": "string", "maxLength": 50},
                    "attachment_path": {"type": "string", "maxLength": 1024},
                },
            },
        },
        ANY_FAILURE["oneOf"][0],
    ],
}


def _failures(*more: int) -> dict[int, Response]:
    return {status: Response(NAMES[status], {JSON: Failure}) for status in (*_FAILED, *more)}


def _ok(type: Schema, description: str, status: int = 200) -> dict[int, Response]:
    return {status: Response(description, {JSON: type})}


def _list(type: Schema, description: str) -> dict[int, Response]:
    return {200: Response(description, {JSON: type}, PAGINATION)}


_INVALID: Final = {422: Response("What is wrong with each field", {JSON: list[FieldError]})}


def _rest(word: str) -> Parameter:
    described = f"`{word}/` and the path of a file or folder, or its attachment_id; `{word}` alone with `?id=`."
    schema = {"anyOf": [{"const": word}, {"type": "string", "pattern": f"^{word}/.+"}]}
    return Parameter("rest", schema, described, where="path", required=True)


_ID_ALIAS: Final = Parameter("id", str, "The id, where the path does not hold it.")
_FORCE: Final = Parameter("force", bool, "Delete; otherwise only show what is linked.")
_UPLOAD_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["path"],
    "properties": {
        "path": {"type": "string", "description": "The name of the new file or folder."},
        "replace": {"type": "integer", "enum": [0, 1], "description": "1 overwrites a file of that name."},
        "file": {**BINARY, "description": "The bytes; without them a folder is made."},
    },
}
_UPLOAD_BODY: Final[Mapping[str, Schema]] = {MULTIPART: _UPLOAD_FORM, JSON: NewFolder, URLENCODED: NewFolder}

INDEX: Final = Operation(
    "searchAttachments",
    "Files and folders in one list by path.",
    tags=("attachment",),
    body={JSON: Search},
    body_required=False,
    responses={**_list(list[AttachmentView], "One page of what was found"), **_failures()},
)
VIEW: Final = Operation(
    "viewAttachment",
    "The bytes; with `Accept: application/json` before all else the metadata.",
    tags=("attachment",),
    parameters=(_rest("view"), _ID_ALIAS, Parameter("mode", Literal[MODES], "How a browser takes the bytes.")),
    responses={
        200: Response("The bytes or the metadata", {JSON: AttachmentView, "*/*": BINARY}),
        206: Response("Part of the bytes", {"*/*": BINARY}),
        304: Response("The copy named by the condition is still good"),
        412: Response("The condition does not hold"),
        416: Response("Nothing of the range is there"),
        **_failures(),
    },
)
UPLOAD: Final = Operation(
    "createAttachment",
    "A new file in the folder of the path, or without a file a new folder.",
    tags=("attachment",),
    parameters=(
        Parameter("rest", {"type": "string", "minLength": 1}, "The destination folder.", where="path", required=True),
    ),
    body=_UPLOAD_BODY,
    responses={**_ok(AttachmentView, "It is there", 201), **_failures(409)},
)
CREATE: Final = Operation(
    "createAttachmentAt",
    "As `createAttachment`, with the whole path in `path`. Not documented by the vendor, but used by its own client.",
    tags=("attachment",),
    body=_UPLOAD_BODY,
    responses={**_ok(AttachmentView, "It is there", 201), **_failures(409)},
)
UPDATE: Final = Operation(
    "updateAttachment",
    "Rename or move a file, or a folder with everything in it. Links follow.",
    tags=("attachment",),
    parameters=(_rest("update"), _ID_ALIAS),
    body={JSON: NewPath},
    responses={**_ok(AttachmentView, "It is at its new path"), **_failures(409)},
)
DELETE: Final = Operation(
    "deleteAttachment",
    "With `force=true` the deletion of a file or folder; without it nothing but a list of what is linked.",
    tags=("attachment",),
    parameters=(_rest("delete"), _ID_ALIAS, _FORCE),
    responses={
        **_failures(),
        204: Response("It is gone, and so are its links"),
        400: Response("Links", {JSON: _LINKS_OR_FAILURE}, {"X-Pagination-Total-Count": COUNT}),
    },
)
TOKEN: Final = Operation(
    "token",
    "A session for a user's name and password, or for a refresh token.",
    tags=("sign-in",),
    body={URLENCODED: TokenRequest},
    responses={
        200: Response("A session", {JSON: TokenReply}),
        400: Response("Not a grant", {JSON: TokenError}),
        401: Response("Not that user's password", {JSON: TokenError}),
        415: Response("Not a form", {JSON: TokenError}),
        429: Response("Too many failed sign-ins", {JSON: TokenError}),
    },
)

_BARE_ID: Final = Parameter("id", Annotated[str, Meta(min_length=1)], "The id.", required=True)


def _five(
    name: str, one: Schema, listed: Schema, told: tuple[Schema, Schema], noun: str, *, force: str
) -> dict[str, Operation]:
    """The operations of a resource; `told` are the bodies of its list and of what is created."""
    listing, new = told
    tag = (name,)
    title = "".join(part.capitalize() for part in name.split("-"))
    found = {**_list(listed, "One page"), **_failures(), **_INVALID}
    changed = {**_failures(), **_INVALID, **_ok(one, f"The {noun} as it is now")}
    gone = {**_failures(409), 204: Response("It is gone")}
    partial = {"type": "object", "description": "The fields to change."}
    forced = Parameter("force", bool, force)
    operations = {
        "index": Operation(f"index{title}", tags=tag, body={JSON: listing}, body_required=False, responses=found),
        "list": Operation(f"list{title}", "The same with the query for a body.", tags=tag, responses=found),
        "create": Operation(
            f"create{title}", tags=tag, body={JSON: new}, responses={**_failures(), **_INVALID, **_ok(one, noun, 201)}
        ),
    }
    for suffix, parameters in (("", ()), ("ById", (_BARE_ID,))):
        operations |= {
            f"view{suffix}": Operation(
                f"view{title}{suffix}", tags=tag, parameters=parameters, responses={**_failures(), **_ok(one, noun)}
            ),
            f"update{suffix}": Operation(
                f"update{title}{suffix}", tags=tag, parameters=parameters, body={JSON: partial}, responses=changed
            ),
            f"delete{suffix}": Operation(
                f"delete{title}{suffix}", tags=tag, parameters=(*parameters, forced), responses=gone
            ),
        }
    return operations


LINKS: Final = _five(
    "entity-attachment",
    EntityAttachment,
    list[EntityAttachment],
    (LinkSearch, NewLink),
    "link",
    force="Nothing hangs on a link, so this changes nothing.",
)


def of_records(name: str, resource: Resource) -> dict[str, Operation]:
    """The operations of a kind of record."""
    one = resource.view
    many = list[one]  # type: ignore[valid-type]
    force = "Also when other records lie below it."
    return _five(name, one, many, (Listing, resource.new), name.replace("-", " "), force=force)
