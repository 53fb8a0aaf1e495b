"""What clients may say of an object, as JSON or as a form (contract sections 4.4 and 5)."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from holdfast.dialects.property_deck.errors import Refused
from holdfast.web import body
from holdfast.web.dialect import Call

Value = str | int | bool | None

_LARGEST: Final = 2**31 - 1
_BOOLEANS: Final = {"1": True, "true": True, "0": False, "false": False}


class Input(NamedTuple):
    """One writable field. `read` gives the value or raises `ValueError` with the end of a sentence."""

    read: Callable[[object], Value]
    required: bool = False
    default: Value = None


def _text(value: object) -> Value:
    if value is not None and not isinstance(value, str):
        raise ValueError("must be a string")
    return value or None


def _needed(value: object) -> Value:
    text = _text(value)
    if text is None:
        raise ValueError("field is required")
    return text


def _whole(value: object) -> Value:
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) < 12:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be an integer")  # noqa: TRY004 one failure for all that is refused
    if not 0 <= value <= _LARGEST:
        raise ValueError(f"must be between 0 and {_LARGEST}")
    return value


def _flag(value: object) -> Value:
    if value is None:
        return False
    found = value if isinstance(value, bool) else _BOOLEANS.get(str(value).lower())
    if found is None:
        raise ValueError("field must be true or false")
    return found


TEXT: Final = Input(_text)
NEEDED: Final = Input(_needed, required=True)
WHOLE: Final = Input(_whole, default=0)
FLAG: Final = Input(_flag, default=False)


async def read_input(call: Call, inputs: Mapping[str, Input], *, whole: bool = False) -> dict[str, Value]:
    """The fields that were sent; others are passed over. An empty text is a null, as a form cannot say null.

    `whole`: required fields must be there, and defaults stand for those that are not. Raises `Refused`, and as
    `body` does.
    """
    told = await _told(call)
    found: dict[str, Value] = {}
    problems: dict[str, str] = {}
    for name, input in inputs.items():
        if name not in told and not (whole and input.required):
            if whole and input.default is not None:
                found[name] = input.default
            continue
        try:
            found[name] = input.read(told.get(name) if told.get(name) != "" else None)
        except ValueError as error:
            problems[name] = f"The {name.replace('_', ' ')} {error}."
    if problems:
        raise Refused(problems)
    return found


async def _told(call: Call) -> Mapping[str, Any]:
    if body.media_type(call) not in {body.URLENCODED, body.MULTIPART}:
        document = await body.json(call, optional=True)
        if not isinstance(document, dict):
            raise Refused({"body": "The body must be a JSON object."})
        return document
    told: dict[str, str] = {}
    for field in await body.fields(call):
        if field.name in told:
            raise Refused({field.name: f"The {field.name} field is given more than once."})
        told[field.name] = field.value
    return told
