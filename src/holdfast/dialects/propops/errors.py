"""Every failure in PropOps' words: plain text on the attachment URLs, `{"success":false}` under `/api/`.

Statuses and texts: the vendor's attachment page for downloads; contract sections 3 and 4.3 for the rest.
"""

from collections.abc import Callable
from typing import Any, Final

from holdfast.core import errors
from holdfast.core.errors import Forbidden, HoldfastError, Invalid
from holdfast.dialects.propops.shapes import Refusal
from holdfast.web import problems
from holdfast.web.dialect import Answer, Call, ErrorTable
from holdfast.web.reply import Reply, json, text

LOG_IN: Final = "Authentication required. Please log in."

# What the core names for itself; a client of this API knows none of these words.
_OWN_WORDS: Final = frozenset({"attributes", "body", "description", "parents", "path", "properties", "record"})
_RENAMED: Final = {"name": "file"}


class MissingUuid(Invalid):
    """An attachment URL without a UUID (contract 4.3)."""

    code = "missing_uuid"
    title = "Attachment UUID is required"


class InvalidSecurityKey(Forbidden):
    """A `key` or `security_key` was sent; none is ever issued here (contract 4.3, reading 5)."""

    code = "invalid_security_key"
    title = "Invalid security key"


class InvalidCsrfToken(Forbidden):
    """A write without the session's CSRF token (contract 2.2)."""

    code = "invalid_csrf_token"
    title = "Invalid CSRF token"


class WrongPassword(errors.Unauthenticated):
    """A log-in that failed."""

    code = "wrong_password"
    title = "Invalid email or password"


def bad_parameter(name: str) -> Invalid:
    """A parameter that is missing or cannot be what it says (contract 3)."""
    return Invalid("", fields={name: "missing or invalid"})


def is_download(call: Call) -> bool:
    """Whether the request is to one of the attachment URLs, which speak plain text."""
    path = str(call.req.path)
    return path == "/attachment" or path.startswith("/attachment/")


def refusal(call: Call, status: int, words: str) -> Reply:
    """A failure in the form that the path has."""
    return text(words, status) if is_download(call) else json(Refusal(success=False, error=words), status)


def _says(status: int, words: str = "", *, download: str = "") -> Answer:
    def answer(error: HoldfastError, call: Call) -> Reply:
        said = download if download and is_download(call) else words or error.detail
        return refusal(call, status, said)

    return answer


def _title(status: int) -> Callable[[HoldfastError, Call], Reply]:
    return lambda error, call: refusal(call, status, error.title)


def _invalid(error: Any, call: Call) -> Reply:  # noqa: ANN401 the type of every answer in a table
    field = next(iter(error.fields), "body").partition(".")[0].partition("[")[0]
    if field in _OWN_WORDS or not field:
        return refusal(call, 400, error.detail)
    return refusal(call, 400, f"Invalid or missing required parameter: {_RENAMED.get(field, field)}")


ERRORS: Final[ErrorTable] = {
    HoldfastError: _says(500, "Internal server error"),
    errors.Unauthenticated: _says(401, LOG_IN),
    WrongPassword: _title(401),
    errors.Forbidden: _says(
        403,
        "You do not have permission to perform this action",
        download="You do not have permission to download this attachment",
    ),
    InvalidSecurityKey: _title(403),
    InvalidCsrfToken: _title(403),
    errors.NotFound: _says(404, "Resource not found", download="Attachment not found"),
    errors.ContentLost: _says(404, "File not found on server"),
    errors.Invalid: _invalid,
    MissingUuid: _title(400),
    errors.Malformed: _says(400),
    errors.Incomplete: _says(400),
    errors.QuotaExceeded: _says(400),
    errors.Conflict: _says(409),
    errors.Stale: _says(409),
    errors.TooLarge: _says(413),
    errors.UnsupportedType: _says(415),
    errors.RateLimited: _says(429, "Too many requests"),
    errors.Unavailable: _says(503),
    errors.StorageFull: _says(507),
    problems.MethodNotAllowed: _says(405, "Method not allowed"),
    problems.NotAcceptable: _says(406),
    problems.LengthRequired: _says(411),
    problems.TooSlow: _says(408),
    problems.InternalError: _says(500, "Internal server error"),
}
