"""Failures in Case IQ's words: one object, one closed list of codes, and OAuth's own shape at the token endpoint.

Contract section 3 (errors) and section 2 (token endpoint). The vendor's list knows neither 408, 411, 412, 413, 415
and 422 nor 503: what would be one of them comes out as the nearest status of the list.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from holdfast.core import errors
from holdfast.core.errors import HoldfastError
from holdfast.web.dialect import Answer, Call, ErrorTable
from holdfast.web.problems import MethodNotAllowed, NotAcceptable
from holdfast.web.reply import Reply, json

TOKEN_PATH: Final = "/auth/oauth2/token"  # noqa: S105 a path

Code = Literal[
    "BAD_REQUEST",
    "UNAUTHORIZED",
    "FORBIDDEN",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "CONFLICT",
    "TOO_MANY_REQUESTS",
    "INTERNAL_SERVER_ERROR",
]

CODES: Final[Mapping[int, Code]] = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
}

OAuthCode = Literal[
    "invalid_request",
    "invalid_client",
    "invalid_scope",
    "unsupported_grant_type",
    "temporarily_unavailable",
    "server_error",
]

_OAUTH_CODES: Final[Mapping[int, OAuthCode]] = {
    400: "invalid_request",
    401: "invalid_client",
    429: "temporarily_unavailable",
    500: "server_error",
}


class Meta(msgspec.Struct, frozen=True):
    """What is said in words."""

    message: str


class ServiceAccountError(msgspec.Struct, frozen=True):
    """A failure of an API call: the status again, a sentence, and the code that belongs to the status."""

    httpstatus: Literal[400, 401, 403, 404, 405, 409, 429, 500]
    meta: Meta
    message: Code
    name: Literal["SERVICE_ACCOUNT_ERROR"] = "SERVICE_ACCOUNT_ERROR"


class OAuthError(msgspec.Struct, frozen=True):
    """A failure of the token endpoint (RFC 6749 section 5.2)."""

    error: OAuthCode
    error_description: str | msgspec.UnsetType = msgspec.UNSET


def refused(status: int, error: OAuthCode, description: str | None = None) -> Reply:
    """The token endpoint's answer to what it does not grant."""
    return json(OAuthError(error, msgspec.UNSET if description is None else description), status)


def _answer(status: Literal[400, 401, 403, 404, 405, 409, 429, 500]) -> Answer:
    def answer(error: HoldfastError, call: Call) -> Reply:
        if call.req.method == "POST" and call.req.path == TOKEN_PATH and status in _OAUTH_CODES:
            return refused(status, _OAUTH_CODES[status], error.detail)
        return json(ServiceAccountError(status, Meta(error.detail), CODES[status]), status)

    return answer


ERRORS: Final[ErrorTable] = {
    HoldfastError: _answer(500),
    errors.Unauthenticated: _answer(401),
    errors.Forbidden: _answer(403),
    errors.OutOfScope: _answer(404),
    errors.NotFound: _answer(404),
    errors.Invalid: _answer(400),
    errors.Conflict: _answer(409),
    errors.TooLarge: _answer(400),
    errors.UnsupportedType: _answer(400),
    errors.QuotaExceeded: _answer(400),
    errors.RateLimited: _answer(429),
    MethodNotAllowed: _answer(405),
    NotAcceptable: _answer(400),
}
"""Every failure of core and web by ancestry; what is not named (content lost, storage full, a fault of ours) is 500."""
