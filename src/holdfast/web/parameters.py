"""Header values with parameters: media types (RFC 9110 section 8.3) and the disposition of a form's part.

One forward scan, no regular expression over the whole value, so that no input costs more than its length.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from holdfast.core.errors import Malformed

MAX_HEADER: Final = 8192

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NAME: Final = re.compile(rf"({_TOKEN.pattern})[ \t]*=[ \t]*")
_END: Final = re.compile(r"[ \t]*(?:;[ \t;]*|\Z)")
_QUOTED: Final = re.compile(r'[^"\\]*')
_BLANK: Final = " \t"
_BETWEEN: Final = " \t;"


def parsed(header: str) -> tuple[str, dict[str, str]]:
    """The value in lower case and its parameters. Raises `Malformed`, also for a parameter given twice."""
    if len(header) > MAX_HEADER:
        raise Malformed("A header is too long")
    value, semicolon, rest = header.partition(";")
    return value.strip(_BLANK).lower(), _parameters(rest, browser_quoting=False) if semicolon else {}


def disposition_of_part(header: str) -> tuple[str, str | None]:
    """Name and filename of a form's part (RFC 7578 section 4.2), the filename exactly as it was meant.

    Browsers write `%22`, `%0D` and `%0A` for the three characters that would break the line and leave everything
    else alone, backslashes included; others follow the quoted-string of RFC 9110. `filename*` (RFC 8187), which
    RFC 7578 forbids and some clients send, wins over `filename`. No path is ever cut off: that would change the name.
    """
    kind, semicolon, rest = header.partition(";")
    if kind.strip(_BLANK).lower() != "form-data" or not semicolon:
        raise Malformed("A part is not form-data")
    options = _parameters(rest, browser_quoting=True)
    if "name" not in options:
        raise Malformed("A part has no name")
    extended = options.get("filename*")
    filename = options.get("filename") if extended is None else extended_value(extended)
    return options["name"], filename


def extended_value(text: str) -> str:
    """`UTF-8'language'percent-encoded` (RFC 8187 section 3.2). Raises `Malformed`."""
    charset, quote, rest = text.partition("'")
    _, second, encoded = rest.partition("'")
    if not quote or not second or charset.lower() != "utf-8":
        raise Malformed("An extended parameter is not UTF-8''…")
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        raise Malformed("An extended parameter is not UTF-8") from None


def _parameters(text: str, *, browser_quoting: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    at = len(text) - len(text.lstrip(_BETWEEN))
    while at < len(text):
        name = _NAME.match(text, at)
        if name is None:
            raise Malformed("A header parameter is malformed")
        value, at = _value(text, name.end(), browser_quoting=browser_quoting)
        end = _END.match(text, at)
        if end is None:
            raise Malformed("A header parameter is malformed")
        at = end.end()
        key = name[1].lower()
        if key in found:
            raise Malformed(f"The parameter {key} is given twice")
        found[key] = value
    return found


def _value(text: str, at: int, *, browser_quoting: bool) -> tuple[str, int]:
    if at < len(text) and text[at] == '"':
        value, end = _quoted(text, at + 1)
        if browser_quoting and "%" in value:
            value = value.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
        return value, end
    token = _TOKEN.match(text, at)
    if token is None:
        raise Malformed("A header parameter has no value")
    return token.group(), token.end()


def _quoted(text: str, at: int) -> tuple[str, int]:
    r"""A quoted-string from after its opening quote. A backslash before anything but `"` and `\` stands for itself."""
    pieces: list[str] = []
    while True:
        plain = _QUOTED.match(text, at)
        if plain is None or plain.end() == len(text):
            raise Malformed("A quoted header value does not end")
        pieces.append(plain.group())
        at = plain.end()
        if text[at] == '"':
            return "".join(pieces), at + 1
        following = text[at + 1 : at + 2]
        if following in {'"', "\\"}:
            pieces.append(following)
            at += 2
        else:
            pieces.append("\\")
            at += 1
