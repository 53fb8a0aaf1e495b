"""What can go wrong in HTTP itself, and RFC 9457 problem details for the native API and unclaimed paths."""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from holdfast.core import errors
from holdfast.core.errors import HoldfastError, Incomplete, Invalid, NotFound, OutOfScope, PartlyOutOfScope, TooLarge
from holdfast.web.reply import Reply, json

T = TypeVar("T")

PROBLEM_JSON: Final = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Problem details as JSON. `code` is ours and stable; `errors` says per field what is wrong."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    limit: int | msgspec.UnsetType = msgspec.UNSET


class RouteNotFound(NotFound):
    """No operation has this path."""

    code = "route_not_found"

    def __init__(self, path: str = "") -> None:
        super().__init__("route", "No such path")
        self.path = path


class MethodNotAllowed(HoldfastError):
    """The path exists and does not offer this method. `allowed` is the value of `Allow` (RFC 9110 section 15.5.6)."""

    code = "method_not_allowed"
    title = "Method not allowed"

    def __init__(self, allowed: str = "") -> None:
        super().__init__(f"This path offers {allowed}" if allowed else "")
        self.allowed = allowed


class NotAcceptable(HoldfastError):
    """None of the media types that the client accepts can be produced (RFC 9110 section 15.5.7)."""

    code = "not_acceptable"
    title = "Not acceptable"


class LengthRequired(Invalid):
    """The operation needs an announced body length (RFC 9110 section 15.5.12)."""

    code = "length_required"
    title = "Length required"


class TooSlow(Incomplete):
    """The body arrived more slowly than the server waits for (RFC 9110 section 15.5.9)."""

    code = "too_slow"
    title = "Request timeout"


class InternalError(HoldfastError):
    """A fault of ours; the log has it under the request's id."""

    code = "internal"
    title = "Internal server error"


STATUS: Final[Mapping[type[HoldfastError], int]] = {
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.OutOfScope: 404,
    errors.PartlyOutOfScope: 403,
    errors.NotFound: 404,
    errors.Invalid: 400,
    errors.Malformed: 400,
    errors.Incomplete: 400,
    errors.DigestMismatch: 400,
    errors.KeyReused: 422,
    errors.Conflict: 409,
    errors.Stale: 412,
    errors.TooLarge: 413,
    errors.UnsupportedType: 415,
    errors.QuotaExceeded: 413,
    errors.RateLimited: 429,
    errors.ContentLost: 500,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
    RouteNotFound: 404,
    MethodNotAllowed: 405,
    NotAcceptable: 406,
    LengthRequired: 411,
    TooSlow: 408,
    InternalError: 500,
}
"""Every failure that can be answered, with the status that HTTP gives it. Each dialect's table must reach them all."""

FAILURES: Final = tuple(STATUS)


def lookup(table: Mapping[type[HoldfastError], T], kind: type[HoldfastError]) -> T | None:
    """The entry of the nearest ancestor of `kind`."""
    for ancestor in kind.__mro__:
        entry = table.get(ancestor)
        if entry is not None:
            return entry
    return None


def status_of(error: HoldfastError) -> int:
    """The status that HTTP itself gives the failure."""
    return lookup(STATUS, type(error)) or 500


def problem(error: HoldfastError, _call: object = None) -> Reply:
    """Problem details (RFC 9457). `type` is `about:blank` with the status' meaning; `code` is ours and stable.

    What lies outside the caller's scopes is told as what is not there: the answer does not say which. What the caller
    can read and not change is told as that.
    """
    if isinstance(error, OutOfScope) and not isinstance(error, PartlyOutOfScope):
        error = NotFound(error.kind)
    status = status_of(error)
    details = Problem(
        "about:blank",
        error.title,
        status,
        error.detail,
        error.code,
        error.fields or msgspec.UNSET,
        error.limit if isinstance(error, TooLarge) else msgspec.UNSET,
    )
    return json(details, status=status, media_type=PROBLEM_JSON)
