"""Reading requests: ids, pages, filters and what the client accepts (contract section 3)."""

import re
from collections.abc import Iterable
from typing import Final

from falcon.asgi import Request

from holdfast.core.errors import Invalid
from holdfast.core.ports import Where, Window
from holdfast.dialects.navarik.envelopes import is_uuid
from holdfast.dialects.navarik.lists import RECORD_COLUMNS, body_field
from holdfast.web.dialect import Call
from holdfast.web.problems import NotAcceptable
from holdfast.web.query import Parameters, moment, scalars_like

DEFAULT_LIMIT: Final = 25
MAX_LIMIT: Final = 1000
MAX_FILTERS: Final = 10

_MAX_OFFSET: Final = 2**62
_MILLISECOND: Final = 1000
_XML: Final = re.compile(r"(?:application|text)/(?:[a-z0-9.-]+\+)?xml")
_FILTER: Final = re.compile(r"filter\[(.*)\]", re.DOTALL)

_IDS: Final = frozenset({"id", "created_by", "modified_by", "version_id", "previous_version_id"})


def path_id(call: Call, name: str) -> str:
    """The UUID at that place of the path. Raises `Invalid`."""
    return checked_id(call.params[name], name)


def checked_id(text: str, name: str) -> str:
    """The UUID in lower case. Raises `Invalid`."""
    id = text.lower()
    if not is_uuid(id):
        raise Invalid(f"{name} is not a UUID", fields={name: "not a UUID"})
    return id


def refuse_xml(req: Request) -> None:
    """The vendor names XML beside JSON and shows none of it. Raises `NotAcceptable` for XML alone."""
    accepted = req.get_header("Accept") or ""
    kinds = [part.partition(";")[0].strip().lower() for part in accepted[:8192].split(",")]
    named = [kind for kind in kinds if kind]
    if named and all(_XML.fullmatch(kind) for kind in named):
        raise NotAcceptable("Entities are sent as application/json only")


def read_window(parameters: Parameters) -> Window:
    """`limit`, cut to the largest page, and `offset`. Raises `Invalid`."""
    limit = _whole(parameters, "limit", DEFAULT_LIMIT)
    if limit == 0:
        raise Invalid("limit is a whole number from 1 on", fields={"limit": "zero"})
    return Window(min(limit, MAX_LIMIT), offset=min(_whole(parameters, "offset", 0), _MAX_OFFSET))


def _whole(parameters: Parameters, name: str, default: int) -> int:
    text = parameters.text(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise Invalid(f"{name} is a whole number", fields={name: "not a whole number"})
    return int(text[-30:]) if len(text.lstrip("0")) <= 18 else _MAX_OFFSET


def read_filters(parameters: Parameters, names: Iterable[str], body: str) -> tuple[Where, ...]:
    """Every `filter[path]=value`: an envelope key, or a path that begins with `body.`. Raises `Invalid`."""
    matches = [match for name in names if (match := _FILTER.fullmatch(name))]
    if len(matches) > MAX_FILTERS:
        raise Invalid(f"There are at most {MAX_FILTERS} filters", fields={"filter": "too many"})
    found: list[Where] = []
    for match in matches:
        value = parameters.text(match[0])
        if value is not None:
            found.extend(_conditions(match[1], value, body))
    return tuple(found)


def _conditions(path: str, value: str, body: str) -> tuple[Where, ...]:
    if path in {"created_at", "modified_at"}:
        start = moment(value, path) // _MILLISECOND * _MILLISECOND
        column = RECORD_COLUMNS[path]
        return Where(column, "ge", start), Where(column, "lt", start + _MILLISECOND)
    if path in RECORD_COLUMNS:
        wanted = checked_id(value, f"filter[{path}]") if path in _IDS else value
        return (Where(RECORD_COLUMNS[path], "eq", wanted),)
    field = body_field(path if path.startswith("body.") else f"body.{path}", body)
    if field is None:
        raise Invalid("filter names an envelope key or a path in the body", fields={f"filter[{path}]": "unreadable"})
    return (Where(field, "in", scalars_like(value)),)
