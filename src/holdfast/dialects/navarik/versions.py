"""Version ids of entities: a UUIDv5 of the body's JSON text under the entity's own id (contract section 3).

The text is what ECMAScript's `JSON.stringify` gives, so bodies are first brought into the form in which a client in
any language prints the same: whole numbers without a fraction, keys in the order that ECMAScript enumerates.
"""

import json
import uuid
from decimal import Decimal
from typing import Any, Final

_NIL: Final = uuid.UUID(int=0)
_LARGEST_INDEX: Final = 2**32 - 2
# `json.dumps` with an option makes an encoder for each value.
_quoted: Final = json.JSONEncoder(ensure_ascii=False).encode


def version_id(id: str, body: dict[str, Any]) -> str:
    """The id of the version that has this body; keys are taken in the order in which they come."""
    return str(uuid.uuid5(uuid.UUID(id), stringified(body)))


def fixed_id(name: str) -> str:
    """The same UUID for the same name, wherever and whenever."""
    return str(uuid.uuid5(_NIL, name))


def canonical(value: Any) -> Any:  # noqa: ANN401 any JSON value
    """The JSON value with its keys in ECMAScript's order and its whole numbers as integers."""
    if isinstance(value, dict):
        return {key: canonical(value[key]) for key in sorted(value, key=_place)}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(Decimal(repr(value)))
    return value


def _place(key: str) -> tuple[int, int, str]:
    """Keys that are array indexes come first, by number."""
    if key.isascii() and key.isdigit() and str(int(key[:10])) == key and int(key) <= _LARGEST_INDEX:
        return 0, int(key), ""
    return 1, 0, key


def stringified(value: Any) -> str:  # noqa: ANN401 any JSON value
    """The JSON value as `JSON.stringify` prints it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(key)}:{stringified(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(stringified(item) for item in value) + "]"
    return _number(value) if isinstance(value, float) else _quoted(value)


def _number(value: float) -> str:
    """ECMA-262 section 6.1.6.1.20, `Number::toString`: the shortest digits, an exponent only far from the point."""
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text, lead = "".join(map(str, digits)), "-" if sign else ""
    point = len(text) + int(exponent)
    if len(text) <= point <= 21:
        return lead + text + "0" * (point - len(text))
    if 0 < point <= 21:
        return f"{lead}{text[:point]}.{text[point:]}"
    if -6 < point <= 0:
        return f"{lead}0.{'0' * -point}{text}"
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{lead}{text[0]}{fraction}e{point - 1:+d}"
