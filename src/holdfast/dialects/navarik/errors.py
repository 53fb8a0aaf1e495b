"""Every failure in the vendor's words: `{"message": …}` (contract section 3, "Error body")."""

from collections.abc import Callable, Mapping
from typing import Final

from holdfast.core import errors
from holdfast.core.errors import HoldfastError
from holdfast.dialects.navarik.shapes import Failure
from holdfast.web import problems
from holdfast.web.dialect import Call, ErrorTable
from holdfast.web.reply import Reply, json

NOT_A_PARTY: Final = "The caller is not one of the parties"


def _detail(error: HoldfastError) -> str:
    """The sentence, with the field in front where it does not say so itself."""
    named = next(iter(error.fields), "")
    return error.detail if not named or named in error.detail else f"{named}: {error.detail}"


def _as(status: int, message: Callable[[HoldfastError], str] = _detail) -> Callable[[HoldfastError, Call], Reply]:
    def answer(error: HoldfastError, _call: Call) -> Reply:
        return json(Failure(message(error)), status)

    return answer


STATUS: Final[Mapping[type[HoldfastError], int]] = {
    errors.Invalid: 400,
    errors.Malformed: 400,
    errors.Incomplete: 400,
    errors.DigestMismatch: 400,
    errors.KeyReused: 422,
    problems.LengthRequired: 411,
    problems.TooSlow: 408,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.OutOfScope: 403,
    errors.PartlyOutOfScope: 403,
    errors.NotFound: 404,
    problems.RouteNotFound: 404,
    problems.MethodNotAllowed: 405,
    problems.NotAcceptable: 406,
    errors.Conflict: 409,
    errors.Stale: 409,
    errors.TooLarge: 413,
    errors.QuotaExceeded: 413,
    errors.UnsupportedType: 415,
    errors.RateLimited: 429,
    errors.ContentLost: 500,
    problems.InternalError: 500,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
    HoldfastError: 500,
}
"""Documented are 400, 401 and 403 (the manual of v1); the rest is what HTTP gives the failure."""

ERRORS: Final[ErrorTable] = {
    **{kind: _as(status) for kind, status in STATUS.items()},
    errors.OutOfScope: _as(403, lambda _: NOT_A_PARTY),
    errors.PartlyOutOfScope: _as(403, lambda _: NOT_A_PARTY),
}
