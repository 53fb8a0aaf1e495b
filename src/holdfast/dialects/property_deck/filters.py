"""Query parameters as conditions: nested brackets, arrayables, and the attributes each list can be asked for.

Spelling (contract section 3, "Filters"): `uuid=A`, `uuid[]=A&uuid[]=B` (any of them; PHP clients number the
brackets), `contact[name]=ada`, `contact=A` for `contact[uuid]=A`. Several filters must all hold.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from holdfast.core.ports import RecordFilter, Where
from holdfast.dialects.property_deck.errors import Refused
from holdfast.dialects.property_deck.intervals import interval
from holdfast.web.query import Values

Path = tuple[str, ...]

_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_MOST_VALUES: Final = 100
_LARGEST: Final = 2**31 - 1
_YES: Final = {"true": True, "1": True, "false": False, "0": False}


class Asked(NamedTuple):
    """The values of one parameter; `many` when it was written with brackets that collect."""

    values: tuple[str, ...]
    many: bool


class Filter(NamedTuple):
    """One attribute that a list can be asked for: where it lies, and how values of its kind are read."""

    field: str
    read: Callable[["Filter", Asked, int], tuple[Where, ...]]


def asked(parameters: Values) -> dict[Path, Asked]:
    """The parameters by their path, empty values left out. Raises `Refused` for one that is given twice."""
    found: dict[Path, Asked] = {}
    for name, value in parameters.items():
        path, many = _path(name)
        given = tuple(part for part in ([value] if isinstance(value, str) else value) if part)
        if not given:
            continue
        present = found.get(path)
        if (present is not None and not (many and present.many)) or (len(given) > 1 and not many):
            raise Refused({".".join(path): f"The {named(path)} field is given more than once."})
        found[path] = Asked((present.values if present else ()) + given, many)
    return found


def _path(name: str) -> tuple[Path, bool]:
    found = _NAME.fullmatch(name)
    if found is None:
        raise Refused({name: f"The {name} filter is not known."})
    inner = found[2][1:-1].split("][") if found[2] else []
    if inner and (not inner[-1] or (inner[-1].isascii() and inner[-1].isdigit())):
        return (found[1], *inner[:-1]), True
    return (found[1], *inner), False


def named(path: Path) -> str:
    """The parameter as a sentence names it."""
    return ".".join(path).replace("_", " ")


def conditions(
    filters: Mapping[str, Filter], wanted: Mapping[Path, Asked], now: int, under: Path = ()
) -> tuple[Where, ...]:
    """What rows must meet. `under` are the names before the attribute's own in a relational filter.

    Raises `Refused` for a filter that the list does not have, or whose value cannot be read.
    """
    found: list[Where] = []
    problems: dict[str, str] = {}
    for path, given in wanted.items():
        filter = filters.get(path[-1]) if path[:-1] == under else None
        try:
            if filter is None:
                raise ValueError("filter is not known")
            found.extend(filter.read(filter, given, now))
        except ValueError as error:
            problems[".".join(path)] = f"The {named(path)} {error}."
    if problems:
        raise Refused(problems)
    return tuple(found)


def related(type: str, filters: Mapping[str, Filter], wanted: Mapping[Path, Asked], now: int) -> RecordFilter | None:
    """The records of a type that a relational filter means, or None when there is no such filter."""
    if (type,) in wanted and (type, "uuid") in wanted:
        raise Refused({type: f"The {type} field is given more than once."})
    inner = {path if len(path) > 1 else (type, "uuid"): given for path, given in wanted.items() if path[0] == type}
    return RecordFilter((type,), conditions(filters, inner, now, (type,))) if inner else None


# ---------------------------------------------------------------- kinds of values


def _one(given: Asked) -> str:
    if given.many:
        raise ValueError("filter takes one value")
    return given.values[0]


def _several(given: Asked) -> tuple[str, ...]:
    if len(given.values) > _MOST_VALUES:
        raise ValueError(f"filter takes at most {_MOST_VALUES} values")
    return given.values


def _exact(filter: Filter, given: Asked, _now: int) -> tuple[Where, ...]:
    """UUIDs, whose letters may come in either case."""
    values = {spelling: None for value in _several(given) for spelling in spellings(value)}
    return (Where(filter.field, "in", tuple(values)),)


def _fuzzy(filter: Filter, given: Asked, _now: int) -> tuple[Where, ...]:
    return (Where(filter.field, "contains", _one(given)),)


def _integer(filter: Filter, given: Asked, _now: int) -> tuple[Where, ...]:
    values: list[int | None] = []
    for value in _several(given):
        if not (value.isascii() and value.isdigit() and len(value) < 12 and int(value) <= _LARGEST):
            raise ValueError("must be an integer")
        # What was never said prints as 0, so it is found as 0.
        values += [0, None] if int(value) == 0 else [int(value)]
    return (Where(filter.field, "in", tuple(values)),)


def _boolean(filter: Filter, given: Asked, _now: int) -> tuple[Where, ...]:
    value = _YES.get(_one(given).lower())
    if value is None:
        raise ValueError("field must be true or false")
    return (Where(filter.field, "in", (True,) if value else (False, None)),)


def _moment(filter: Filter, given: Asked, now: int) -> tuple[Where, ...]:
    try:
        found = interval(_one(given), now)
    except ValueError:
        raise ValueError("is not a valid date or interval") from None
    return (Where(filter.field, "ge", found.start), Where(filter.field, "lt", found.end))


def spellings(uuid: str) -> tuple[str, ...]:
    """As given, and in lower case: hosts may register other ids than ours, which are kept exactly."""
    return (uuid,) if uuid == uuid.lower() else (uuid, uuid.lower())


def _attributes(read: Callable[[Filter, Asked, int], tuple[Where, ...]], *names: str) -> Iterable[tuple[str, Filter]]:
    return ((name, Filter(f"attribute.{name}", read)) for name in names)


_ALL_RECORDS: Final = {
    "uuid": Filter("id", _exact),
    "created_at": Filter("created_at", _moment),
    "updated_at": Filter("updated_at", _moment),
}
ATTACHMENT_FILTERS: Final[Mapping[str, Filter]] = {"uuid": Filter("id", _exact)}
CONTACT_FILTERS: Final[Mapping[str, Filter]] = {
    **_ALL_RECORDS,
    **dict(
        _attributes(
            _fuzzy, "name", "email", "contact_number", "company", "address", "address2", "city", "county", "postcode"
        )
    ),
}
PROPERTY_FILTERS: Final[Mapping[str, Filter]] = {
    **_ALL_RECORDS,
    **dict(_attributes(_fuzzy, "address", "address2", "city", "county", "postcode", "type")),
    **dict(_attributes(_integer, "bedrooms", "bathrooms")),
    **dict(_attributes(_boolean, "has_garage", "has_garden", "has_parking")),
}
