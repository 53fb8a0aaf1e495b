"""What OpenAPI says of each operation, by its handler."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta

from holdfast.dialects.case_iq import attachments, cases, oauth
from holdfast.dialects.case_iq.errors import OAuthError, ServiceAccountError
from holdfast.dialects.case_iq.shapes import CasePage, CaseRecord, FilePage, FileRecord
from holdfast.web.body import JSON, MULTIPART, URLENCODED
from holdfast.web.dialect import Handler, Operation, Parameter, Response, Schema

_BINARY: Final = {"type": "string", "format": "binary"}
_UUID: Final = {"type": "string", "format": "uuid"}

_REASONS: Final[Mapping[int, str]] = {
    400: "The request contradicts a rule; also what other APIs answer with 413, 415 and 422",
    401: "No valid access token",
    403: "The service account lacks the right",
    404: "No such thing in this account, or the caller may not see it",
    409: "It collides with how things stand",
    429: "Too many requests",
    500: "A fault of the server",
}


def _failures(*statuses: int) -> dict[int, Response]:
    return {status: Response(_REASONS[status], {JSON: ServiceAccountError}) for status in (400, 401, 403, 429, 500)} | {
        status: Response(_REASONS[status], {JSON: ServiceAccountError}) for status in statuses
    }


def _query(name: str, schema: Schema, description: str) -> Parameter:
    return Parameter(name, schema, description)


def _list_parameters(sortable: Mapping[str, Any]) -> tuple[Parameter, ...]:
    return (
        _query("limit", Annotated[int, Meta(ge=1, le=1000)], "Records a page; 100 unless told."),
        _query("before", str, "Records whose `sort` field is smaller than this, in either order."),
        _query("after", str, "Records whose `sort` field is greater than this, in either order."),
        _query("sort", {"type": "string", "enum": list(sortable)}, "The field to order by; createdDate unless told."),
        _query(
            "order",
            {"type": "string", "pattern": "^([Aa][Ss][Cc]|[Dd][Ee][Ss][Cc])$"},
            "asc or desc; desc unless told.",
        ),
        _query("fields", str, "Fields wanted, with commas between, repeatable; id always comes."),
    )


_ID: Final = Parameter("id", _UUID, "The id that the creation gave.", where="path", required=True)
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["caseId", "file"],
    "additionalProperties": False,
    "properties": {
        "caseId": {**_UUID, "description": "The case to attach the file to."},
        "description": {"type": "string", "maxLength": 10_000, "description": "Text about the file."},
        "templateLocale": {
            "type": "string",
            "pattern": "^[a-z]{2,3}(_[A-Z][a-z]{3})?_([A-Z]{2}|[0-9]{3})$",
            "default": "en_US",
        },
        "bulkTags[]": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Ids of registered tags, the part repeated for each.",
        },
        "file": {**_BINARY, "description": "The bytes; the last part, what follows is not seen."},
    },
}
_TOKEN_REQUEST: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["grant_type", "client_id", "client_secret"],
    "properties": {
        "grant_type": {"type": "string", "const": "client_credentials"},
        "client_id": {"type": "string", "minLength": 1, "description": "The service account's name or id."},
        "client_secret": {"type": "string", "minLength": 1},
        "ttl": {"type": "integer", "minimum": 1, "maximum": oauth.MAX_TTL, "default": oauth.DEFAULT_TTL},
    },
    "not": {"required": ["scope"]},
}
_CASE_FIELDS: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": True,
    "description": "The case's own fields, of any name; what the server assigns is passed over.",
}


def _oauth(description: str) -> Response:
    return Response(description, {JSON: OAuthError})


def _case_operation(id: str, status: int, description: str, *failures: int, body: Schema = None) -> Operation:
    return Operation(
        id,
        tags=("cases",),
        parameters=() if id == "createCase" else (_ID,),
        body={} if body is None else {JSON: body},
        responses={status: Response(description, {JSON: CaseRecord}), **_failures(*failures)},
    )


OPERATIONS: Final[Mapping[Handler, Operation]] = {
    oauth.token: Operation(
        "createToken",
        "The client-credentials grant of OAuth 2. Failures have OAuth's shape.",
        tags=("auth",),
        body={JSON: _TOKEN_REQUEST, URLENCODED: _TOKEN_REQUEST},
        responses={
            200: Response("The access token", {JSON: oauth.AccessToken}),
            400: _oauth("The request is wrong, ttl is out of range, or a scope was asked for"),
            401: _oauth("Wrong client id or secret"),
            404: Response("This server gives no tokens here"),
            429: _oauth("Too many failed sign-ins from this address"),
            500: _oauth("A fault of the server"),
            501: _oauth("Another grant type"),
        },
    ),
    attachments.save_file: Operation(
        "saveFile",
        "Upload a file onto a case.",
        tags=("attachments",),
        body={MULTIPART: _FORM},
        responses={200: Response("Stored", {JSON: FileRecord}), **_failures(404)},
    ),
    attachments.listed: Operation(
        "listAttachments",
        "The files on all cases that the caller may see. `count` is the number of records in this answer.",
        tags=("attachments",),
        parameters=(
            *_list_parameters(attachments.SORTABLE),
            *(_query(name, str, f"Only files with exactly this {name}.") for name in attachments.FILTERS),
        ),
        responses={200: Response("One page", {JSON: FilePage}), **_failures()},
    ),
    attachments.get: Operation(
        "getAttachment",
        tags=("attachments",),
        parameters=(_ID,),
        responses={200: Response("As it is now", {JSON: FileRecord}), **_failures(404)},
    ),
    attachments.download: Operation(
        "downloadAttachment",
        "The bytes, with ranges (RFC 9110 section 14) and conditions.",
        tags=("attachments",),
        parameters=(_ID,),
        responses={
            200: Response("The bytes", {"*/*": _BINARY}),
            206: Response("Part of the bytes", {"*/*": _BINARY}),
            304: Response("The copy named by the condition is still good"),
            412: Response("The condition does not hold"),
            416: Response("Nothing of the range asked for is there"),
            **_failures(404),
        },
    ),
    cases.create: _case_operation("createCase", 201, "Created", body=_CASE_FIELDS),
    cases.get: _case_operation("getCase", 200, "As it is now", 404),
    cases.replace: _case_operation("replaceCase", 200, "Replaced", 404, body=_CASE_FIELDS),
    cases.change: _case_operation("changeCase", 200, "Changed", 404, body=_CASE_FIELDS),
    cases.transition: _case_operation("transitionCase", 200, "In its new status", 404, 409, body=cases.Transition),
    cases.listed: Operation(
        "listCases",
        "The cases that the caller may see. Every parameter that is not named here is a field of the case that must "
        "have exactly this value.",
        tags=("cases",),
        parameters=_list_parameters(cases.SORTABLE),
        responses={200: Response("One page", {JSON: CasePage}), **_failures()},
    ),
}
