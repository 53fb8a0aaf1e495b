"""Stored bytes on their way out: conditions, ranges, digests, names, and the headers that keep them from acting.

RFC 9110 sections 8.8, 13 and 14, RFC 9530, RFC 6266 and RFC 8187, for every content URL of every dialect.
"""

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from time import gmtime
from typing import Final, Literal
from unicodedata import category, normalize
from urllib.parse import quote

from falcon.asgi import Request

from holdfast.core.errors import Stale
from holdfast.core.model import ByteRange, Content
from holdfast.web.dialect import Call
from holdfast.web.reply import FixedHeaders, Headers, Reply

Kind = Literal["attachment", "inline"]

MAX_RANGES: Final = 16
MAX_RANGE_SPECS: Final = 1024
MAX_HEADER: Final = 16384
OCTETS: Final = "application/octet-stream"

SAFE_HEADERS: Final[FixedHeaders] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization"),
)
"""With every stored byte, whatever the route. `no-cache` lets a browser keep its copy but ask each time."""

_REFUSED: Final[FixedHeaders] = tuple(
    (name, b"no-store" if name == b"cache-control" else value) for name, value in SAFE_HEADERS
)
"""With an answer that tells of the request and not of the bytes: there is nothing in it to keep."""

INLINE_TYPES: Final = frozenset(
    {
        "application/pdf",
        "audio/aac",
        "audio/aiff",
        "audio/amr",
        "audio/flac",
        "audio/midi",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/heic",
        "image/heif",
        "image/jpeg",
        "image/png",
        "image/tiff",
        "image/webp",
        "text/plain",
        "video/3gpp",
        "video/mp2t",
        "video/mp4",
        "video/mpeg",
        "video/ogg",
        "video/quicktime",
        "video/webm",
        "video/x-flv",
        "video/x-matroska",
        "video/x-ms-asf",
        "video/x-msvideo",
    }
)
"""What may be shown in place: the types that `media.sniff` gives to fitting bytes alone. All else leaves as an
attachment, whatever is asked."""

_ASKING: Final = frozenset(
    {
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"range",
        b"want-repr-digest",
    }
)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MEDIA_TYPE: Final = re.compile(r"[!#$&^_.+\w-]{1,127}/[!#$&^_.+\w-]{1,127}", re.ASCII)
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9!#$&+,.^_`{}~()@=\[\] '-]+")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSAFE_FALLBACK: Final = re.compile(r'[^ -~]|["\\%/?]')
_ATTR_CHARS: Final = "!#$&+-.^_`|~"
_ETAGS: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def disposition(kind: Kind, name: str) -> str:
    """Content-Disposition for any Unicode name (RFC 6266), with an ASCII fallback that keeps the extension.

    Control characters and lone surrogates cannot be in a stored name; should one come, it becomes `_`.
    """
    if _PLAIN_NAME.fullmatch(name) and not name.startswith(" ") and not name.endswith(" "):
        return f'{kind}; filename="{name}"'
    name = _CONTROL.sub("_", name) or "file"
    return f"{kind}; filename=\"{_fallback(name)}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def _fallback(name: str) -> str:
    # A mark belongs to the letter before it: "ü" is kept as "u", however it was composed.
    letters = "".join(character for character in normalize("NFKD", name) if not category(character).startswith("M"))
    ascii_name = _UNSAFE_FALLBACK.sub("_", letters)
    stem, dot, extension = ascii_name.rpartition(".")
    if dot and not stem.strip("_ "):
        return f"file.{extension}"
    return ascii_name if ascii_name.strip("_ .") else "file"


def etag_of(content: Content) -> str:
    """The strong validator (RFC 9110 section 8.8.3): the digest of the bytes."""
    return f'"{content.sha256.hex()}"'


def http_date(seconds: int) -> str:
    """Seconds since the epoch as IMF-fixdate (RFC 9110 section 5.6.7)."""
    year, month, day, hour, minute, second, weekday, _, _ = gmtime(seconds)
    return f"{_DAYS[weekday]}, {day:02d} {_MONTHS[month]} {year:04d} {hour:02d}:{minute:02d}:{second:02d} GMT"


def may_be_inline(media_type: str) -> bool:
    """Whether the type is on the closed list."""
    return media_type in INLINE_TYPES


def serve(call: Call, content: Content, *, inline: bool = False, headers: Headers = ()) -> Reply:
    """The answer to GET or HEAD of stored bytes: 200, 206, 304, 412 or 416."""
    req = call.req
    etag = etag_of(content)
    modified = content.modified_at // 1_000_000
    plain = _ASKING.isdisjoint([name for name, _ in req.scope["headers"]])
    failed = None if plain else evaluate(req, etag, modified)
    validators: Headers = (("ETag", etag), ("Last-Modified", http_date(modified)))
    if failed is not None:
        return _refused(412, headers) if failed == 412 else _unchanged(validators, headers)
    media_type = content.media_type if _MEDIA_TYPE.fullmatch(content.media_type) else OCTETS
    kind: Kind = "inline" if inline and media_type in INLINE_TYPES else "attachment"
    named = ("Content-Disposition", disposition(kind, content.name))
    common = (*validators, ("Accept-Ranges", "bytes"), named, *headers)
    if plain or wants_sha256(req.get_header("Want-Repr-Digest")):
        common = (*common, ("Repr-Digest", f"sha-256=:{b64encode(content.sha256).decode()}:"))
    ranges = None if plain else _requested_ranges(req, content, etag, modified)
    if ranges is None:
        return _whole(req, content, media_type, common)
    if not ranges:
        return _refused(416, headers, ("Content-Range", f"bytes */{content.size}"))
    if len(ranges) == 1:
        return _partial(content, ranges[0], media_type, common)
    return _multipart(content, ranges, media_type, common)


def _unchanged(validators: Headers, headers: Headers) -> Reply:
    return Reply(304, b"", None, (*validators, *headers), None, SAFE_HEADERS)


def _refused(status: int, headers: Headers, *more: tuple[str, str]) -> Reply:
    """The route's own headers too, but not how long it lets the bytes be kept."""
    kept = tuple(pair for pair in headers if pair[0] != "Cache-Control")
    return Reply(status, b"", None, (*more, *kept), None, _REFUSED)


def _whole(req: Request, content: Content, media_type: str, headers: Headers) -> Reply:
    if req.method == "HEAD" or content.size == 0:
        return Reply(200, b"", media_type, headers, content.size, SAFE_HEADERS)
    body = partial(content.read, ByteRange(0, content.size))
    return Reply(200, body, media_type, headers, content.size, SAFE_HEADERS)


def _partial(content: Content, part: ByteRange, media_type: str, headers: Headers) -> Reply:
    described = ("Content-Range", _content_range(part, content.size))
    return Reply(206, partial(content.read, part), media_type, (*headers, described), part.length, SAFE_HEADERS)


def _multipart(content: Content, parts: list[ByteRange], media_type: str, headers: Headers) -> Reply:
    """`multipart/byteranges` (RFC 9110 section 14.6). No file can hold a boundary made from its own digest."""
    boundary = content.sha256.hex()
    lead = f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: "
    heads = [f"{lead}{_content_range(part, content.size)}\r\n\r\n".encode() for part in parts]
    tail = f"\r\n--{boundary}--\r\n".encode()
    size = sum(map(len, heads)) + sum(part.length for part in parts) + len(tail)

    async def body() -> AsyncIterator[bytes]:
        for head, part in zip(heads, parts, strict=True):
            yield head
            async for chunk in content.read(part):
                yield chunk
        yield tail

    return Reply(206, body, f"multipart/byteranges; boundary={boundary}", headers, size, SAFE_HEADERS)


def _content_range(part: ByteRange, size: int) -> str:
    return f"bytes {part.start}-{part.start + part.length - 1}/{size}"


def evaluate(req: Request, etag: str, modified: int) -> int | None:
    """The preconditions in the order of RFC 9110 section 13.2.2: 412, 304, or None to go on."""
    if_match = req.get_header("If-Match")
    if if_match is not None:
        if not _matches(if_match, etag, weak=False):
            return 412
    elif (since := _date(req.get_header("If-Unmodified-Since"))) is not None and modified > since:
        return 412
    safe = req.method in {"GET", "HEAD"}
    if_none_match = req.get_header("If-None-Match")
    if if_none_match is not None:
        return (304 if safe else 412) if _matches(if_none_match, etag, weak=True) else None
    if safe and (since := _date(req.get_header("If-Modified-Since"))) is not None and modified <= since:
        return 304
    return None


def require_match(call: Call, etag: str) -> None:
    """Honour If-Match and If-None-Match on a change (RFC 9110 sections 13.1.1 and 13.1.2). Raises `Stale`."""
    header = call.req.get_header("If-Match")
    if header is not None and not _matches(header, etag, weak=False):
        raise Stale("The resource has changed since")
    header = call.req.get_header("If-None-Match")
    if header is not None and _matches(header, etag, weak=True):
        raise Stale("The resource exists already")


def _matches(header: str, etag: str, *, weak: bool) -> bool:
    if len(header) > MAX_HEADER:
        return False
    if header.strip(" \t") == "*":
        return True
    for found in _ETAGS.finditer(header):
        tag = found.group()
        if tag == etag or (weak and tag.removeprefix("W/") == etag):
            return True
    return False


def _date(header: str | None) -> int | None:
    """An HTTP date in seconds (RFC 9110 section 5.6.7); anything else is as if the header were not there."""
    if header is None or len(header) > 64:
        return None
    try:
        moment = parsedate_to_datetime(header)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _requested_ranges(req: Request, content: Content, etag: str, modified: int) -> list[ByteRange] | None:
    """None for the whole, an empty list when nothing asked for is there."""
    header = req.get_header("Range")
    if header is None or req.method != "GET" or not _range_still_holds(req.get_header("If-Range"), etag, modified):
        return None
    return ranges_of(header, content.size)


def _range_still_holds(header: str | None, etag: str, modified: int) -> bool:
    """If-Range (RFC 9110 section 13.1.5): a strong tag, or exactly the date of Last-Modified."""
    if header is None:
        return True
    value = header.strip(" \t")
    return value == etag if value.endswith('"') else _date(value) == modified


def ranges_of(header: str, size: int) -> list[ByteRange] | None:
    """The byte ranges asked for, sorted and merged; None when the header is to be ignored (RFC 9110 section 14.2)."""
    unit, equals, listed = header.partition("=")
    if len(header) > MAX_HEADER or not equals or unit.strip(" \t").lower() != "bytes":
        return None
    specs = [spec.strip(" \t") for spec in listed.split(",")]
    if len(specs) > MAX_RANGE_SPECS:
        return None
    spans: list[tuple[int, int]] = []
    for spec in filter(None, specs):
        span = _span(spec, size)
        if span is None:
            return None
        if span[0] < span[1]:
            spans.append(span)
    if not any(specs):
        return None
    merged = _merged(spans)
    if len(merged) > MAX_RANGES or (size == 0 and listed.strip(" \t").startswith("-")):
        return None
    return [ByteRange(start, stop - start) for start, stop in merged]


def _span(spec: str, size: int) -> tuple[int, int] | None:
    """Half-open, empty when outside; None when the spec is no range at all."""
    first, dash, last = spec.partition("-")
    if not dash or not all(part == "" or (part.isascii() and part.isdigit()) for part in (first, last)):
        return None
    if not first:
        return (max(0, size - _bounded(last)), size) if last else None
    start = _bounded(first)
    if not last:
        return (start, size)
    stop = _bounded(last)
    return None if stop < start else (start, min(stop + 1, size))


def _bounded(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) < 19 else 1 << 62


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def wants_sha256(header: str | None) -> bool:
    """Whether Want-Repr-Digest (RFC 9530 section 4) leaves room for the digest that we have; without it, yes."""
    if header is None or len(header) > MAX_HEADER:
        return True
    preferences: dict[str, str] = {}
    for item in header.split(","):
        name, _, weight = item.strip(" \t").partition("=")
        preferences[name.lower()] = weight
    return preferences.get("sha-256", "1") != "0"
