"""Rules for what people write about files: free text and properties."""

import msgspec

from holdfast.core.errors import Invalid
from holdfast.core.model import JsonObject, has_control_characters
from holdfast.core.records import holds_nul

MAX_TEXT = 10_000
_LAYOUT = {ord(character): None for character in "\t\r\n"}


def check_texts(*texts: str | None) -> None:
    """Free text of a person: line breaks and tabs are fine, other control characters are not. Raises `Invalid`."""
    for text in texts:
        if text is None:
            continue
        if len(text) > MAX_TEXT:
            raise Invalid(f"Text has at most {MAX_TEXT} characters", fields={"description": "too long"})
        if has_control_characters(text.translate(_LAYOUT)):
            raise Invalid("Text holds no control characters", fields={"description": "control characters"})


def check_properties(properties: JsonObject) -> None:
    """Open key/value data: up to 200 keys of 1 to 100 characters, 64 KiB in all. Raises `Invalid`."""
    bad = any(not 1 <= len(key) <= 100 or has_control_characters(key) for key in properties)
    if bad or len(properties) > 200 or len(msgspec.json.encode(properties)) > 64 * 1024:
        raise Invalid("Properties are up to 200 keys, 64 KiB in all", fields={"properties": "too many or too large"})
    if holds_nul(dict(properties)):
        raise Invalid("Properties hold no NUL", fields={"properties": "control characters"})
