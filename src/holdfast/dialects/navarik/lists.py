"""Orders of lists: what the catalog can sort by, what is sorted here, and ties (contract section 3, "Lists")."""

import re
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from holdfast.core.errors import Invalid
from holdfast.core.model import Record
from holdfast.core.ports import Order, Page, RecordQuery, Where, Window
from holdfast.dialects.navarik.shapes import KINDS, Envelope
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters

DEFAULT_SORT: Final = "created_at:desc, id:asc"
MAX_CRITERIA: Final = 10
MAX_TIES: Final = 1000
"""The catalog's times are different microseconds, so no more entities than this share a printed millisecond."""

_TIMES: Final = frozenset({"created_at", "modified_at"})
_TELLING: Final = frozenset({"id", "created_at", "updated_at"})
_SEGMENT: Final = re.compile(r'[^\x00-\x1f\x7f"\\.\[\]]{1,100}')

B = TypeVar("B")
E = TypeVar("E", bound=Envelope[Any])

RECORD_COLUMNS: Final[Mapping[str, str]] = {
    "id": "id",
    "created_at": "created_at",
    "created_by": "created_by",
    "modified_at": "updated_at",
    "modified_by": "updated_by",
    "version_id": "attribute.navarik.version",
    "previous_version_id": "attribute.navarik.previous",
    "last_action": "attribute.navarik.action",
    "type": "attribute.navarik.type",
}
"""The envelope's keys that tell entities of one list apart, as fields of records."""


class Criterion(NamedTuple):
    """One field to sort by."""

    field: str
    descending: bool


_NEWEST_FIRST: Final = (Criterion("created_at", descending=True), Criterion("id", descending=False))


def read_sort(parameters: Parameters) -> tuple[Criterion, ...]:
    """`sort`: fields with `:asc` or `:desc` in any case, ascending where nothing is said. Raises `Invalid`."""
    items = (parameters.text("sort") or DEFAULT_SORT).split(",")
    if len(items) > MAX_CRITERIA:
        raise Invalid(f"sort has at most {MAX_CRITERIA} criteria", fields={"sort": "too many"})
    found: dict[str, Criterion] = {}
    for item in items:
        field, colon, direction = (part.strip() for part in item.partition(":"))
        if not field or (direction.lower() not in {"asc", "desc"} if colon else False):
            raise Invalid("sort is a list of field:asc or field:desc", fields={"sort": "malformed"})
        found.setdefault(field, Criterion(field, direction.lower() == "desc"))
    return tuple(found.values())


def known(criteria: tuple[Criterion, ...], fields: Container[str]) -> tuple[Criterion, ...]:
    """Those criteria whose fields there are; an unknown field is no failure and orders nothing."""
    return tuple(criterion for criterion in criteria if criterion.field in fields) or _NEWEST_FIRST


def orders(criteria: tuple[Criterion, ...], fields: Mapping[str, str]) -> tuple[Order, ...]:
    """The criteria for the catalog. What follows a field that tells all rows apart decides nothing more there."""
    found: list[Order] = []
    for criterion in criteria:
        field = fields[criterion.field]
        found.append(Order(field, criterion.descending))
        if field in _TELLING:
            break
    return tuple(found)


def body_field(path: str, body: str) -> str | None:
    """The field of records that holds `body.<path>`; None for what cannot be a path."""
    head, dot, rest = path.partition(".")
    if head != "body" or not dot or len(rest) > 200 or not all(_SEGMENT.fullmatch(part) for part in rest.split(".")):
        return None
    return f"attribute.{body}{rest}"


def of_type(type: str) -> Where:
    """Entities of that type; a record that another API has made without one has the type of its kind."""
    field = RECORD_COLUMNS["type"]
    return Where(field, "in", (type, None)) if type in KINDS else Where(field, "eq", type)


async def record_page(
    call: Call, query: RecordQuery, criteria: tuple[Criterion, ...], body: str, view: Callable[[Record], Envelope[B]]
) -> Sequence[Envelope[B]]:
    """One page of the records of the query. Their bodies lie in their attributes under `body`."""
    within = {item.field: found for item in criteria if (found := body_field(item.field, body)) is not None}
    fields = {**RECORD_COLUMNS, **within}
    criteria = known(criteria, fields)
    sorted_query = msgspec.structs.replace(query, order=orders(criteria, fields))

    async def fetch(window: Window) -> list[Envelope[B]]:
        page: Page[Record] = await call.desk.records.find(msgspec.structs.replace(sorted_query, window=window))
        return [view(record) for record in page.items]

    return await page_of(fetch, query.window, criteria)


async def page_of(
    fetch: Callable[[Window], Awaitable[Sequence[E]]], window: Window, criteria: tuple[Criterion, ...]
) -> Sequence[E]:
    """One page, as `fetch` has it in the order of the catalog.

    The catalog keeps microseconds and prints milliseconds. Entities of the same printed time follow the next
    criteria, so where such a group crosses an end of the page, the whole group is read.
    """
    field, rest = criteria[0].field, criteria[1:]
    if field not in _TIMES or not rest:
        return await fetch(window)
    start = max(window.offset - 1, 0)
    rows = await fetch(Window(window.offset - start + window.limit + 1, offset=start))
    if window.offset > start and len(rows) > 1 and _tied(rows[0], rows[1], field):
        start = max(window.offset - MAX_TIES, 0)
        rows = await fetch(Window(window.offset - start + window.limit + 1, offset=start))
    skipped = window.offset - start
    end = skipped + window.limit
    if len(rows) > end and _tied(rows[end - 1], rows[end], field):
        rows = await fetch(Window(end + MAX_TIES, offset=start))
    settled = [row for _, group in groupby(rows, partial(value_at, field)) for row in ordered(group, rest)]
    return settled[skipped:end]


def _tied(one: Envelope[Any], other: Envelope[Any], field: str) -> bool:
    return value_at(field, one) == value_at(field, other)


def ordered(rows: Iterable[E], criteria: tuple[Criterion, ...]) -> list[E]:
    """The rows in that order."""
    found = list(rows)
    for criterion in reversed(criteria):
        found.sort(key=partial(value_at, criterion.field), reverse=criterion.descending)
    return found


def value_at(path: str, envelope: Envelope[Any]) -> tuple[bool, Any]:
    """What is at the path, for comparing: numbers before texts, anything else as empty text."""
    found: Any = envelope
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else getattr(found, name, None)
    return not isinstance(found, int | float), found if isinstance(found, int | float | str) else ""
