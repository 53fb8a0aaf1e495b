"""What OpenAPI says of each operation: parameters, bodies and every status that it answers with."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta

from holdfast.dialects.property_deck.errors import Failure
from holdfast.dialects.property_deck.filters import CONTACT_FILTERS, PROPERTY_FILTERS
from holdfast.dialects.property_deck.inputs import Input
from holdfast.dialects.property_deck.paging import LAST_PAGE
from holdfast.dialects.property_deck.parents import CONTACTS, PROPERTIES, Parents
from holdfast.dialects.property_deck.shapes import (
    AttachmentPage,
    ContactPage,
    OneAttachment,
    OneContact,
    OneProperty,
    PropertyPage,
)
from holdfast.web.body import JSON, MULTIPART, URLENCODED
from holdfast.web.dialect import Operation, Parameter, Response, Schema

_BINARY: Final = {"type": "string", "format": "binary"}
_NULLABLE: Final = {"type": ["string", "null"]}
_HEADERS: Final[Mapping[str, Schema]] = {
    "X-RateLimit-Limit": {"type": "string", "pattern": r"^\d+$"},
    "X-RateLimit-Remaining": {"type": "string", "pattern": r"^\d+$"},
    "X-RateLimit-Reset": {"type": "string", "pattern": r"^\d+$"},
}
_MEANINGS: Final = {
    400: "The request cannot be read",
    401: "No token, or one that is not known",
    403: "The token lacks the scope",
    404: "Nothing there that the caller may see",
    408: "The body arrived too slowly",
    409: "Something else stands in the way",
    413: "Too many bytes",
    415: "A media type that is not taken",
    422: "Input that was refused, field by field",
    429: "More requests a minute than the quota",
    500: "A fault of the server",
    503: "Try again later",
    507: "The server has no room",
}
_ALWAYS: Final = (400, 401, 403, 429, 500, 503)
_BODY: Final = (408, 413, 415, 422, 507)


def _answers(*failures: int, **given: Schema) -> dict[int, Response]:
    """The good answers by status (`_200=…`) and the failures of an operation."""
    found = {
        int(name[1:]): Response("Done", {} if schema is None else {JSON: schema}, _HEADERS)
        for name, schema in given.items()
    }
    for status in sorted({*failures, *_ALWAYS}):
        headers = {} if status == 401 else _HEADERS
        found[status] = Response(_MEANINGS[status], {JSON: Failure}, headers)
    return found


_UUID: Final = (Parameter("uuid", str, "The id, in either case.", where="path", required=True),)
_PAGE: Final = (
    Parameter("page", Annotated[int, Meta(ge=1, le=LAST_PAGE)], "The page, from 1."),
    Parameter("per_page", Annotated[int, Meta(ge=1)], "Rows a page; an extension, 10 unless told, at most 100."),
)
_INTERVAL: Final = "A moment or an interval, such as `P2W`, `-P4H30M`, `2014-12-25/12-29`."


def _filters(names: Mapping[str, Any], inside: str = "") -> tuple[Parameter, ...]:
    shown = [f"{inside}[{name}]" if inside else name for name in names]
    return tuple(Parameter(name, str, _INTERVAL if name.strip("]").endswith("_at") else "") for name in shown)


def _schema(input: Input) -> dict[str, Any]:
    if input.required:
        return {"type": "string", "minLength": 1}
    if input.default is None:
        return _NULLABLE
    return {"type": "boolean"} if input.default is False else {"type": "integer", "minimum": 0}


def _input(inputs: Mapping[str, Input], *, creating: bool) -> dict[str, Any]:
    properties = {name: _schema(input) for name, input in inputs.items()}
    required = [name for name, input in inputs.items() if input.required and creating]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


_DESCRIPTION: Final[dict[str, Any]] = {"type": "object", "properties": {"description": _NULLABLE}}
_UPLOAD: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["upload"],
    "properties": {"upload": _BINARY, "description": _NULLABLE},
}
_BYTES: Final = {
    200: Response("The bytes", {"*/*": _BINARY}, _HEADERS),
    206: Response("Part of the bytes", {"*/*": _BINARY}, _HEADERS),
    304: Response("The copy named by the condition is still good", headers=_HEADERS),
    412: Response("The condition does not hold", headers=_HEADERS),
    416: Response("None of the range is there", headers=_HEADERS),
}

LIST: Final = Operation(
    "listAttachments",
    "Newest first. Relational filters nest in brackets and take each filter of the related list.",
    tags=("attachments",),
    parameters=(
        Parameter("uuid", str, "Exactly this id; `uuid[]` takes several."),
        Parameter("contact", str, "Belongs to the contact with this id."),
        Parameter("property", str, "Belongs to the property with this id."),
        *_filters(CONTACT_FILTERS, "contact"),
        *_filters(PROPERTY_FILTERS, "property"),
        *_PAGE,
    ),
    responses=_answers(422, _200=AttachmentPage),
)
GET: Final = Operation(
    "getAttachment", tags=("attachments",), parameters=_UUID, responses=_answers(404, _200=OneAttachment)
)
UPDATE: Final = Operation(
    "updateAttachment",
    "Only the description changes; absent leaves it, null clears it.",
    tags=("attachments",),
    parameters=_UUID,
    body={JSON: _DESCRIPTION, URLENCODED: _DESCRIPTION},
    body_required=False,
    responses=_answers(404, *_BODY, _200=OneAttachment),
)
DELETE: Final = Operation(
    "deleteAttachment", tags=("attachments",), parameters=_UUID, responses=_answers(404, _204=None)
)
DOWNLOAD: Final = Operation(
    "downloadAttachment",
    tags=("attachments",),
    parameters=_UUID,
    responses={**_BYTES, **_answers(404)},
)
STREAM: Final = Operation(
    "streamAttachment",
    "Types that a browser could run code from are offered to be saved instead.",
    tags=("attachments",),
    parameters=_UUID,
    responses={**_BYTES, **_answers(404)},
)


def upload(type: str) -> Operation:
    """What is said of an upload to that type of parent."""
    return Operation(
        f"create{type.capitalize()}Attachment",
        tags=("attachments",),
        parameters=_UUID,
        body={MULTIPART: _UPLOAD},
        responses=_answers(404, *_BODY, _201=OneAttachment),
    )


def of_parents(parents: Parents, one: Schema, page: Schema) -> Mapping[str, Operation]:
    """What is said of the five operations on a type of parent."""
    name, tags = parents.type.capitalize(), (parents.path.strip("/"),)
    created, changed = _input(parents.inputs, creating=True), _input(parents.inputs, creating=False)
    return {
        "list": Operation(
            f"list{parents.path[1:].capitalize()}",
            "Newest first; filters must all hold, texts are found anywhere in the value.",
            tags=tags,
            parameters=(*_filters(parents.filters), *_PAGE),
            responses=_answers(422, _200=page),
        ),
        "create": Operation(
            f"create{name}",
            tags=tags,
            body={JSON: created, URLENCODED: created},
            responses=_answers(404, *_BODY, _201=one),
        ),
        "get": Operation(f"get{name}", tags=tags, parameters=_UUID, responses=_answers(404, _200=one)),
        "update": Operation(
            f"update{name}",
            "Fields that are absent stay; null clears those that may be empty.",
            tags=tags,
            parameters=_UUID,
            body={JSON: changed, URLENCODED: changed},
            body_required=False,
            responses=_answers(404, *_BODY, _200=one),
        ),
        "delete": Operation(
            f"delete{name}",
            "Attachments that belong to nothing else are deleted too.",
            tags=tags,
            parameters=_UUID,
            responses=_answers(404, 409, _204=None),
        ),
    }


OF_CONTACTS: Final = of_parents(CONTACTS, OneContact, ContactPage)
OF_PROPERTIES: Final = of_parents(PROPERTIES, OneProperty, PropertyPage)
