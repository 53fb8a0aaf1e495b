"""Failures in the shapes of the Yii framework, which the vendor's header and parameter names point to.

Contract section 3.5: `{name, message, code, status}`; a list of fields for what a link or a parent record says; and
under `/realms` what Keycloak answers. The texts of the attachment calls are those of seed 003.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from holdfast.core import errors
from holdfast.core.errors import HoldfastError, Invalid
from holdfast.web import problems
from holdfast.web.dialect import Call, ErrorTable
from holdfast.web.problems import status_of
from holdfast.web.reply import Reply, json

ATTACHMENT: Final = "/v2/attachment"
REALM: Final = "/realms/4hse"


class Failure(msgspec.Struct, frozen=True):
    """What went wrong (contract section 3.5)."""

    name: str
    message: str
    status: int
    code: int = 0


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of the input."""

    field: str
    message: str


class TokenError(msgspec.Struct, frozen=True):
    """Why no token was given (RFC 6749 section 5.2, in Keycloak's words)."""

    error: str
    error_description: str


class Unprocessable(Invalid):
    """A link or a parent record that the rules refuse; `fields` holds whole sentences."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("Data Validation Failed.", fields=fields)


NAMES: Final[Mapping[int, str]] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}

_BROKEN: Final[Mapping[str, str]] = {
    "POST": "Failed to create for unknown reason",
    "PUT": "Unable to rename file or folder",
}
_UNKNOWN: Final = "An internal server error occurred."


def failed(status: int, message: str) -> Reply:
    """The error object."""
    return json(Failure(NAMES[status], message, status), status)


def _answer(failure: HoldfastError, call: Call) -> Reply:
    # A scope is not a secret here: elsewhere than in their projects callers are told so (contract section 2).
    status = 403 if isinstance(failure, errors.OutOfScope) else status_of(failure)
    path = call.req.path
    if path.startswith(REALM):
        return json(TokenError(failure.code, failure.detail), status)
    message = failure.detail
    if path.startswith(f"{ATTACHMENT}/"):
        message = _said_of_attachments(failure, call.req.method, status)
    elif status == 500:
        message = _UNKNOWN
    return failed(status, message)


def _said_of_attachments(failure: HoldfastError, method: str, status: int) -> str:
    if isinstance(failure, errors.TooLarge):
        return "File size is too large"
    if isinstance(failure, errors.Conflict) and not isinstance(failure, errors.Stale):
        return "Destination path already exists"
    if isinstance(failure, errors.NotFound) and not isinstance(failure, problems.RouteNotFound):
        return "Attachment not found"
    if status == 400:
        return f"Bad request: {failure.detail}"
    return _BROKEN.get(method, _UNKNOWN) if status == 500 else failure.detail


def _unprocessable(failure: Unprocessable, _call: Call) -> Reply:
    return json([FieldError(field, message) for field, message in failure.fields.items()], 422)


ERRORS: Final[ErrorTable] = {Unprocessable: _unprocessable, HoldfastError: _answer}
