"""Query parameters read strictly: each once, in its own form, none left over."""

import datetime as dt
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from holdfast.core.errors import Invalid

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
# Until 2106 the nearest float of a number of seconds is less than half a microsecond away.
_EXACT_AS_FLOAT = 2**32 * 1_000_000

C = TypeVar("C", bound=str)

Values = Mapping[str, str | list[str]]


def moment(text: str, field: str) -> int:
    """An RFC 3339 date or date-time as microseconds since the epoch; without an offset it is UTC. Raises `Invalid`."""
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{field} is not a date-time", fields={field: "expected RFC 3339"}) from None
    aware = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)
    try:
        return (aware - _EPOCH) // _MICROSECOND
    except OverflowError:
        raise Invalid(f"{field} is out of range", fields={field: "out of range"}) from None


def moment_text(microseconds: int) -> dt.datetime:
    """The date-time of that many microseconds since the epoch, for JSON."""
    if 0 <= microseconds < _EXACT_AS_FLOAT:
        return dt.datetime.fromtimestamp(microseconds / 1e6, dt.UTC)
    return _EPOCH + dt.timedelta(microseconds=microseconds)


def scalars_like(text: str) -> tuple[str | int | float | bool, ...]:
    """The JSON scalars that a query value may stand for: the text itself, and the number or boolean that it spells."""
    try:
        spelled = msgspec.json.decode(text, type=int | float | bool)
    except (msgspec.DecodeError, ValueError):
        return (text,)
    return (text, spelled)


class Parameters:
    """The query of one request. Reading a parameter marks it as known; an empty value counts as absent."""

    __slots__ = ("_left", "_values")

    def __init__(self, values: Values) -> None:
        self._values = values
        self._left = set(values)

    def text(self, name: str) -> str | None:
        """A value given at most once. Raises `Invalid`."""
        self._left.discard(name)
        value = self._values.get(name)
        if isinstance(value, list):
            raise Invalid(f"{name} is given more than once", fields={name: "repeated"})
        return value or None

    def texts(self, name: str) -> tuple[str, ...]:
        """All values of a parameter that may be repeated."""
        self._left.discard(name)
        value = self._values.get(name, [])
        return tuple(part for part in ([value] if isinstance(value, str) else value) if part)

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds, both included. Raises `Invalid`."""
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 18) or not low <= int(text) <= high:
            raise Invalid(f"{name} is a whole number from {low} to {high}", fields={name: "out of range"})
        return int(text)

    def flag(self, name: str) -> bool:
        """`true`, `false`, `1` or `0`; absent is false. Raises `Invalid`."""
        text = self.text(name)
        if text not in {None, "true", "false", "1", "0"}:
            raise Invalid(f"{name} is true or false", fields={name: "expected true or false"})
        return text in {"true", "1"}

    def choice(self, name: str, choices: tuple[C, ...]) -> C | None:
        """One of the choices. Raises `Invalid`."""
        text = self.text(name)
        if text is None:
            return None
        for choice in choices:
            if choice == text:
                return choice
        raise Invalid(f"{name} is one of {', '.join(choices)}", fields={name: "unknown value"})

    def moment(self, name: str) -> int | None:
        """An RFC 3339 date-time, in microseconds since the epoch. Raises `Invalid`."""
        text = self.text(name)
        return None if text is None else moment(text, name)

    def prefixed(self, prefix: str) -> dict[str, str]:
        """Every parameter whose name begins with the prefix, by the rest of its name."""
        names = [name for name in self._values if name.startswith(prefix)]
        found = {name: self.text(name) for name in names}
        return {name.removeprefix(prefix): value or "" for name, value in found.items()}

    def finish(self) -> None:
        """No parameter is left that nobody has read. Raises `Invalid`."""
        for name in sorted(self._left):
            raise Invalid(f"There is no parameter {name!r} here", fields={name: "unknown parameter"})
