"""Pages of the native API: limits, sort orders and cursors that the client hands back untouched."""

import base64
import binascii
import hashlib
from collections.abc import Mapping

import msgspec

from holdfast.core.errors import Invalid
from holdfast.core.ports import Order, Scalar, Window
from holdfast.web.query import Parameters

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000

_Position = tuple[str, list[bool | int | float | str | None]]
_decode = msgspec.json.Decoder(_Position).decode


class Paging(msgspec.Struct, frozen=True):
    """The window of one request. `fingerprint` ties cursors to the order and filters that they were made for."""

    window: Window
    fingerprint: str

    def cursor(self, following: tuple[Scalar, ...] | None) -> str | None:
        """The text of the position to go on from."""
        if following is None:
            return None
        raw = msgspec.json.encode((self.fingerprint, following))
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_paging(parameters: Parameters, values: Mapping[str, object]) -> Paging:
    """Read `limit` and `cursor`. Raises `Invalid`, also for a cursor of another list, order or filter."""
    limit = parameters.whole("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    text = parameters.text("cursor")
    print_ = fingerprint(values)
    return Paging(Window(limit, None if text is None else _position(text, print_)), print_)


def fingerprint(values: Mapping[str, object]) -> str:
    """What a list is of: its parameters without `limit` and `cursor`."""
    kept = sorted((name, value) for name, value in values.items() if name not in {"limit", "cursor", "fields"})
    return hashlib.sha256(msgspec.json.encode(kept)).hexdigest()[:12] if kept else ""


def _position(text: str, expected: str) -> tuple[Scalar, ...]:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        made_for, position = _decode(raw)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise Invalid("The cursor cannot be read", fields={"cursor": "unreadable"}) from None
    if made_for != expected:
        raise Invalid("The cursor is of another list", fields={"cursor": "other order or filters"})
    return tuple(position)


def read_order(parameters: Parameters, fields: tuple[str, ...]) -> tuple[Order, ...]:
    """Read `sort`: a field, with `-` in front descending; newest first without one. Raises `Invalid`."""
    text = parameters.text("sort")
    if text is None:
        return (Order("created_at", descending=True),)
    name = text.removeprefix("-")
    if name not in fields:
        raise Invalid(f"sort is one of {', '.join(fields)}", fields={"sort": "unknown field"})
    return (Order(name, descending=text.startswith("-")),)
