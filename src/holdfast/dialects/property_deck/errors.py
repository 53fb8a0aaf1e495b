"""Failures in the shapes of Laravel, which the vendor's envelope and headers point to (contract section 3, "Errors").

The vendor's pages show no error at all; texts and statuses are the contract's recommended readings.
"""

from collections.abc import Mapping

import msgspec

from holdfast.core import errors
from holdfast.core.errors import HoldfastError, Invalid, TooLarge
from holdfast.web import problems
from holdfast.web.dialect import Answer, Call, ErrorTable
from holdfast.web.reply import Reply, json


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong; `errors` lists what is wrong with each field of the input."""

    message: str
    errors: dict[str, list[str]] | msgspec.UnsetType = msgspec.UNSET


class Refused(Invalid):
    """Input that this API's own rules refuse; `fields` holds whole sentences."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("The given data was invalid.", fields=fields)


def _saying(status: int, message: str) -> Answer:
    def answer(_failure: HoldfastError, _call: Call) -> Reply:
        return json(Failure(message), status)

    return answer


def _detailed(status: int) -> Answer:
    def answer(failure: HoldfastError, _call: Call) -> Reply:
        return json(Failure(failure.detail), status)

    return answer


def _refused(failure: Refused, _call: Call) -> Reply:
    return json(Failure(failure.detail, {field: [text] for field, text in failure.fields.items()}), 422)


def _invalid(failure: Invalid, _call: Call) -> Reply:
    """A rule of the core was broken: its sentence stands for each field, whose notes are only a few words."""
    fields = {field: [failure.detail] for field in failure.fields} or {"request": [failure.detail]}
    return json(Failure("The given data was invalid.", fields), 422)


def _too_large(failure: TooLarge, _call: Call) -> Reply:
    return json(Failure(f"The request is larger than the limit of {failure.limit} bytes."), 413)


ERRORS: ErrorTable = {
    errors.Unauthenticated: _saying(401, "Unauthenticated."),
    errors.Forbidden: _saying(403, "Invalid scope(s) provided."),
    errors.OutOfScope: _saying(404, "Not Found"),
    errors.NotFound: _saying(404, "Not Found"),
    problems.MethodNotAllowed: _saying(405, "Method Not Allowed"),
    problems.NotAcceptable: _saying(406, "Not Acceptable"),
    problems.TooSlow: _saying(408, "Request Timeout"),
    errors.Conflict: _detailed(409),
    problems.LengthRequired: _saying(411, "Length Required"),
    errors.Stale: _saying(412, "Precondition Failed"),
    errors.TooLarge: _too_large,
    errors.QuotaExceeded: _detailed(413),
    errors.UnsupportedType: _detailed(415),
    Refused: _refused,
    errors.Invalid: _invalid,
    errors.Malformed: _detailed(400),
    errors.Incomplete: _detailed(400),
    errors.DigestMismatch: _detailed(400),
    errors.RateLimited: _saying(429, "Too Many Attempts."),
    errors.ContentLost: _saying(500, "Server Error"),
    errors.Unavailable: _saying(503, "Service Unavailable"),
    errors.StorageFull: _saying(507, "Insufficient Storage"),
    HoldfastError: _saying(500, "Server Error"),
}


def finish(call: Call, reply: Reply) -> Reply:
    """Tell each known caller where its quota stands (contract section 3, "Rate limit")."""
    quota = call.quota
    if quota is None:
        return reply
    return reply.adding(
        ("X-RateLimit-Limit", str(quota.limit)),
        ("X-RateLimit-Remaining", str(max(quota.remaining, 0))),
        ("X-RateLimit-Reset", str(quota.reset_at)),
    )
