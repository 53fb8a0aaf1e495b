"""What a caller says, however it is sent: JSON, a form, or for lists the query (contract sections 3.1 and 3.2)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from msgspec import UNSET

from holdfast.core.errors import Invalid
from holdfast.core.ports import Order, Page, Window
from holdfast.dialects.four_hse.errors import Unprocessable
from holdfast.web import body
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters
from holdfast.web.reply import Headers

TOKEN_PARAMETER: Final = "access-token"  # noqa: S105 the name of a parameter
DEFAULT_PAGE_SIZE: Final = 100

_FARTHEST: Final = 1 << 40

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


async def told(call: Call) -> dict[str, Any]:
    """The members of the body: a JSON object, a form, or nothing."""
    if body.media_type(call) in {body.URLENCODED, body.MULTIPART}:
        return _nested([(field.name, field.value) for field in await body.fields(call)])
    return await body.json(call, dict[str, Any], optional=True)


async def asked(call: Call) -> dict[str, Any]:
    """What a list is asked for: the body, and what the query adds to it."""
    pairs: list[tuple[str, str]] = []
    for name, value in call.req.params.items():
        if isinstance(value, list):
            _repeated(name)
        if name != TOKEN_PARAMETER:
            pairs.append((name, value))
    return {**_nested(pairs), **({} if call.req.method in {"GET", "HEAD"} else await told(call))}


def _nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Fields named `filter[name]` as members of `filter`, an empty value as none at all."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        outer, bracket, inner = name.partition("[")
        into: Any = found
        key = name
        if bracket and inner.endswith("]"):
            into, key = found.setdefault(outer, {}), inner.removesuffix("]")
        if not isinstance(into, dict) or key in into:
            _repeated(name)
        into[key] = value or None
    return found


def _repeated(name: str) -> NoReturn:
    raise Invalid(f"{name} is given more than once", fields={name: "repeated"})


def converted(members: Mapping[str, Any], kind: type[S]) -> S:
    """The members that are given as that value; null is as if it were not there. Raises `Invalid`."""
    given = {name: value for name, value in members.items() if value is not None}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `")
        field = where.rstrip("`").removeprefix("$").lstrip(".") or "body"
        raise Invalid(f"{field}: {message}", fields={field: message}) from None


def checked(kind: type[msgspec.Struct], members: Mapping[str, Any], *, partial: bool) -> dict[str, Any]:
    """The members that the kind knows, each checked by itself, as plain JSON values. Raises `Unprocessable`."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        given = members.get(name, UNSET)
        if given is UNSET or (given is None and not field.required):
            if field.required and not partial:
                wrong[name] = f"{name} cannot be blank."
            elif given is None:
                values[name] = None
            continue
        try:
            values[name] = msgspec.to_builtins(msgspec.convert(given, field.type, strict=False))
        except msgspec.ValidationError as error:
            wrong[name] = f"{name} cannot be blank." if given in (None, "") else f"{name} is invalid: {error}."
    if wrong:
        raise Unprocessable(wrong)
    return values


def flag(call: Call, name: str) -> bool:
    """A boolean of the query. Raises `Invalid`."""
    return Parameters(call.req.params).flag(name)


def ordered(sort: str | None, fields: Mapping[str, str], default: Order) -> Order:
    """The order that `sort` names. Raises `Invalid` for a field that is not offered."""
    if not sort:
        return default
    field = fields.get(sort.removeprefix("-"))
    if field is None:
        raise Invalid(f"sort is one of {', '.join(fields)}", fields={"sort": "unknown field"})
    return Order(field, descending=sort.startswith("-"))


async def paged(
    call: Call, number: int, size: int, fetch: Callable[[Window], Awaitable[Page[T]]]
) -> tuple[tuple[T, ...], Headers]:
    """One page with the four headers of seed 003; a page beyond the last one is the last one."""
    size = min(size, int(call.choice("max_page_size")))
    page = await fetch(Window(limit=size, offset=min((number - 1) * size, _FARTHEST), total=True))
    total = page.total or 0
    count = -(-total // size)
    current = max(1, min(number, count))
    if current != number and total:
        page = await fetch(Window(limit=size, offset=(current - 1) * size, total=True))
    headers = (
        ("X-Pagination-Current-Page", str(current)),
        ("X-Pagination-Page-Count", str(count)),
        ("X-Pagination-Per-Page", str(size)),
        ("X-Pagination-Total-Count", str(total)),
    )
    return page.items, headers
