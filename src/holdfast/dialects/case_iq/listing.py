"""The query convention of every list: limit, before, after, sort, order, fields (contract section 3, list queries)."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from holdfast.core.errors import Invalid
from holdfast.core.ports import Order, Scalar, Where
from holdfast.web.query import Parameters, moment
from holdfast.web.reply import Reply, json

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000

_WHOLE: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)

Parse = Callable[[str, str], Scalar]
"""(value, parameter) -> the value to compare with. Raises `Invalid`."""


class Sortable(NamedTuple):
    """A field that lists can be sorted by: what the core calls it, and how a value of it is read."""

    column: str
    parse: Parse


class Listing(NamedTuple):
    """One request for a list. `fields` None means all of them."""

    limit: int
    order: tuple[Order, ...]
    bounds: tuple[Where, ...]
    fields: frozenset[str] | None

    def wants(self, field: str) -> bool:
        """Whether the answer shows this field."""
        return self.fields is None or field in self.fields

    def reply(self, records: list[Any]) -> Reply:
        """`records` and how many of them are in this answer."""
        fields = self.fields
        if fields is not None:
            whole = msgspec.to_builtins(records)
            records = [{name: value for name, value in record.items() if name in fields} for record in whole]
        return json({"records": records, "count": len(records)})


def read_listing(parameters: Parameters, sortable: Mapping[str, Sortable], members: Collection[str] | None) -> Listing:
    """Read what all lists have in common. `members` are the fields that may be named, None for any. Raises `Invalid`.

    `before` is smaller and `after` is greater than the value, in either order.
    """
    limit = parameters.whole("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    sort = parameters.text("sort") or "createdDate"
    if sort not in sortable:
        raise Invalid(f"sort is one of {', '.join(sortable)}", fields={"sort": "unknown field"})
    column, parse = sortable[sort]
    order = (parameters.text("order") or "desc").lower()
    if order not in {"asc", "desc"}:
        raise Invalid("order is asc or desc", fields={"order": "unknown value"})
    bounds = []
    if (before := parameters.text("before")) is not None:
        bounds.append(Where(column, "lt", parse(before, "before")))
    if (after := parameters.text("after")) is not None:
        bounds.append(Where(column, "gt", parse(after, "after")))
    return Listing(limit, (Order(column, order == "desc"),), tuple(bounds), _fields(parameters, members))


def _fields(parameters: Parameters, members: Collection[str] | None) -> frozenset[str] | None:
    named = [name.strip() for text in parameters.texts("fields") for name in text.split(",")]
    chosen = frozenset(name for name in named if name)
    if not chosen:
        return None
    if members is not None:
        for name in sorted(chosen.difference(members)):
            raise Invalid(f"There is no field {name!r}", fields={"fields": "unknown field"})
    return chosen | {"id"}


def as_text(value: str, _parameter: str) -> str:
    """Text compares as it is."""
    return value


def as_whole(value: str, parameter: str) -> int:
    """A whole number."""
    if not _WHOLE.fullmatch(value):
        raise Invalid(f"{parameter} is a whole number with this sort", fields={parameter: "not a whole number"})
    return int(value)


def as_digest(value: str, parameter: str) -> bytes:
    """The bytes of hex digits."""
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise Invalid(f"{parameter} is hex digits with this sort", fields={parameter: "not hex"}) from None


as_moment: Final[Parse] = moment
