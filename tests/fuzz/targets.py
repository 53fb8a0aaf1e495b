"""Everything that reads what a stranger writes, each as a function of bytes that holds its own promises.

A target may raise `HoldfastError`, which is a refusal; whatever else it raises is a fault. `families` are the inputs
that parsers of this kind have choked on elsewhere, in any size: work on them must grow with the size and no faster.
"""

import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TypeVar, cast
from unittest.mock import AsyncMock
from urllib.parse import unquote

from falcon.asgi import Request

from holdfast.core.errors import HoldfastError
from holdfast.core.model import RecordRef
from holdfast.core.paths import checked_folder, checked_name, split_path
from holdfast.dialects import ALL
from holdfast.dialects.four_hse.attachments import prefers_json
from holdfast.dialects.four_hse.paths import absolute
from holdfast.transport import connection
from holdfast.web import body, content, digests, dispatch, parameters
from holdfast.web.auth import Site
from holdfast.web.dialect import Call
from tests.fuzz.strangers import conversation

BOUNDARY = "BOUND"
FORM = f"multipart/form-data; boundary={BOUNDARY}"

_DISPOSITION = re.compile(
    r"""attachment;\ filename="([\ -!\#-\[\]-~]+)"(?:;\ filename\*=UTF-8''([A-Za-z0-9!\#$&+.^_`|~%-]+))?""", re.VERBOSE
)

T = TypeVar("T")

Family = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """`check` takes one input; `families` make inputs of about so many bytes; `seeds` are good ones to begin with."""

    check: Callable[[bytes], None]
    families: Mapping[str, Family] = field(default_factory=dict)
    seeds: tuple[bytes, ...] = ()


def survives(target: Target, data: bytes) -> None:
    """Feed it; a refusal is fine."""
    try:
        target.check(data)
    except HoldfastError:
        pass


# ---------------------------------------------------------------- bodies


def multipart(data: bytes) -> None:
    """A form, in chunks whose size the first byte decides. Same parts whatever the chunks."""
    size, data = (data[0] + 1, data[1:]) if data else (1, b"")
    whole = form_parts(data, 1 << 20)
    # Chunk ends decide nothing but where a refusal is noticed; a form that is read is read alike.
    assert form_parts(data, size * size) == whole


def form_parts(data: bytes, size: int) -> list[tuple[str, bytes]] | None:
    """Names and contents of a form that comes in chunks of that size, None when it is refused."""

    async def chunks(_limit: int) -> AsyncIterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    async def parts() -> list[tuple[str, bytes]]:
        wire = SimpleNamespace(chunks=chunks)
        fake = SimpleNamespace(req=request(FORM.encode()), wire=wire, max_body=1, content_type=None)
        call = cast(Call, fake)
        found = []
        async for part in body.form(call):
            if isinstance(part, body.Field):
                found.append((part.name, part.value.encode("utf-8", "surrogatepass")))
            else:
                found.append((part.name, b"".join([chunk async for chunk in part.chunks])))
        return found

    try:
        return at_once(parts())
    except HoldfastError:
        return None


def at_once(reading: Coroutine[None, None, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        reading.send(None)
    except StopIteration as ended:
        return cast(T, ended.value)
    raise AssertionError("it waits")


def request(content_type: bytes = b"", *headers: tuple[bytes, bytes], query: bytes = b"") -> Request:
    """A request with these headers."""
    pairs = [(b"content-type", content_type), *headers]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": query, "headers": pairs}, AsyncMock())


def json_document(data: bytes) -> None:
    """JSON with our own rules on top."""
    body.decoded(data)


def query(data: bytes) -> None:
    """A query string, as the router reads it."""
    if dispatch._is_clean(data, strict_escapes=False):
        assert isinstance(request(query=data.replace(b"#", b"")).params, Mapping)


# ---------------------------------------------------------------- headers


def byte_range(data: bytes) -> None:
    """Range: few, in order, apart, inside."""
    size = int.from_bytes(data[:2]) if data else 0
    ranges = content.ranges_of(data[2:].decode("latin-1"), size)
    if ranges is None:
        return
    assert len(ranges) <= content.MAX_RANGES
    ends = 0
    for part in ranges:
        assert part.length > 0
        assert part.start >= ends
        ends = part.start + part.length + 1
        assert part.start + part.length <= size


def disposition_out(data: bytes) -> None:
    """A stored name on its way out: one line, and the name comes back."""
    name = data.decode("utf-8", "replace")
    line = content.disposition("attachment", name)
    read = _DISPOSITION.fullmatch(line)
    assert read is not None
    if not re.search("[\x00-\x1f\x7f-\x9f]", name):
        assert (read[1] if read[2] is None else unquote(read[2])) == (name or "file")


def disposition_in(data: bytes) -> None:
    """The name of a part."""
    name, filename = parameters.disposition_of_part(data.decode("utf-8", "replace"))
    assert isinstance(name, str)
    assert filename is None or isinstance(filename, str)


def content_type(data: bytes) -> None:
    """A media type with parameters."""
    value, options = parameters.parsed(data.decode("latin-1"))
    assert value == value.lower()
    assert all(key == key.lower() for key in options)


def conditions(data: bytes) -> None:
    """If-Match and its kin, and If-Range, with any value."""
    value = data.replace(b"\0", b"")
    for name in (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"):
        assert content.evaluate(request(b"", (name, value)), '"tag"', 1_700_000_000) in {None, 304, 412}
    content._range_still_holds(value.decode("latin-1"), '"tag"', 1)
    content.wants_sha256(value.decode("latin-1"))


def announced_digest(data: bytes) -> None:
    """The three fields that announce one."""
    for name in (b"content-digest", b"repr-digest", b"content-md5"):
        try:
            digests.announced([(name, data)])
        except HoldfastError:
            continue


def accept(data: bytes) -> None:
    """What 4HSE's clients would rather have."""
    assert prefers_json(data.decode("latin-1")) in {True, False}


def token(data: bytes) -> None:
    """The credential of every API, wherever it looks for it."""
    for name in (b"authorization", b"cookie", b"x-api-key"):
        asked = request(b"", (name, data))
        for dialect in ALL:
            secret = dialect.credential(asked)
            assert secret is None or secret


def addresses(data: bytes) -> None:
    """What a proxy forwards."""
    site = Site(None, ("192.0.2.0/24",))
    asked = request(b"", (b"x-forwarded-for", data), (b"x-forwarded-host", data), (b"x-forwarded-proto", data))
    asked.scope["client"] = ("192.0.2.1", 1)
    site.counted(site.client(asked))
    assert re.fullmatch(r"https?://[\w.\-\[\]:]+", site.base_url(asked), re.ASCII)


# ---------------------------------------------------------------- paths


def path(data: bytes) -> None:
    """A raw path, and what of it becomes a folder, a name or a record; what is accepted is accepted as it is."""
    if not dispatch._is_clean(data, strict_escapes=True):
        return
    text = unquote(data.decode(), "utf-8", "strict")
    for accepted in (checked_folder, split_path, absolute, RecordRef.parse):
        try:
            accepted(text)
        except HoldfastError:
            continue
    assert checked_name(text) == text
    assert "/" not in text
    assert text not in {".", ".."}


def url(data: bytes) -> None:
    """A request target, split into path and query as they were sent."""
    path, query = connection._target(data)
    assert path in data or path == b"/"
    assert query in data
    assert b"#" not in path + query
    assert b"?" not in path
    if data.startswith(b"/"):
        assert data.startswith(path)


# ---------------------------------------------------------------- all


def repeated(piece: bytes, before: bytes = b"", after: bytes = b"") -> Family:
    """That piece over and over."""
    return lambda size: before + piece * ((size - len(before) - len(after)) // len(piece)) + after


_CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
_PART = b'--BOUND\r\nContent-Disposition: form-data; name="a"'


def targets() -> dict[str, Target]:
    """All of them, by name."""
    return _of_bodies() | _of_headers() | _of_connections()


def _of_bodies() -> dict[str, Target]:
    start, end = b"\xff" + _PART, b"\r\n--BOUND--\r\n"
    file = start + b'; filename="f"\r\n\r\n'
    return {
        "multipart": Target(
            multipart,
            {
                "plain": repeated(b"x", file, end),
                "line breaks": repeated(b"\r\n", file, end),
                "nearly a boundary": repeated(b"\r\n--BOUN", file, end),
                "dashes": repeated(b"\r\n-", file, end),
                "preamble": repeated(b"\r\n", b"\xff"),
                "epilogue": repeated(b"\r\n--BOUND", file + end),
                "many parts": repeated(_PART + b"\r\n\r\nx\r\n", b"\xff", b"--BOUND--\r\n"),
                "many headers": repeated(b"A: b\r\n", start + b"\r\n"),
                "one long header": repeated(b"a", start + b"\r\nX: "),
                "backslashes": repeated(b"\\", start + b'; filename="'),
            },
            (file + b"hello" + end, start + b"\r\n\r\nvalue" + end),
        ),
        "json": Target(
            json_document,
            {
                "arrays": repeated(b"["),
                "objects": repeated(b'{"a":'),
                "escapes": repeated(b"\\u0000", b'"', b'"'),
                "numbers": repeated(b"9"),
                "list": repeated(b"[],", b"[", b"1]"),
            },
            (b'{"a": [1, "b", null]}',),
        ),
        "query": Target(query, {"pairs": repeated(b"a=b&"), "escapes": repeated(b"%41"), "plus": repeated(b"+")}),
    }


def _of_headers() -> dict[str, Target]:
    return {
        "range": Target(
            byte_range,
            {
                "specs": repeated(b"0-0,", b"\xff\xffbytes="),
                "nested": repeated(b"0-,", b"\xff\xffbytes="),
                "commas": repeated(b",", b"\xff\xffbytes="),
                "digits": repeated(b"1", b"\xff\xffbytes="),
                "blanks": repeated(b" ", b"\xff\xffbytes="),
            },
            (b"\xff\xffbytes=0-9,20-,-5",),
        ),
        "disposition-out": Target(
            disposition_out,
            {
                "quotes": repeated(b'"'),
                "umlauts": repeated("ä".encode()),
                "dots": repeated(b"."),
                "marks": repeated("\u0301".encode()),
            },
            ("Zürich „é“ 50%.txt".encode(),),
        ),
        "disposition-in": Target(
            disposition_in, _parameters(b'form-data; name="a"'), (b'form-data; name="a"; filename="b"',)
        ),
        "content-type": Target(content_type, _parameters(b"multipart/form-data"), (FORM.encode(),)),
        "conditions": Target(
            conditions,
            {
                "tags": repeated(b'"a",'),
                "open": repeated(b'W/"'),
                "quotes": repeated(b'"'),
                "dates": repeated(b"Sun, 06 Nov 1994 "),
            },
            (b'"tag", W/"other"', b"Sun, 06 Nov 1994 08:49:37 GMT"),
        ),
        "digest": Target(
            announced_digest,
            {"members": repeated(b"a=::,"), "colons": repeated(b":"), "base64": repeated(b"A", b"sha-256=:")},
            (b"sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",),
        ),
        "accept": Target(
            accept, {"types": repeated(b"a/b,"), "weights": repeated(b"*/*;q=0.1,")}, (b"application/json;q=0.5, */*",)
        ),
        "token": Target(
            token, {"blanks": repeated(b" ", b"Bearer "), "cookies": repeated(b"a=b; ")}, (b"Bearer " + b"a" * 64,)
        ),
        "addresses": Target(addresses, {"hops": repeated(b"192.0.2.1,"), "colons": repeated(b":")}, (b"198.51.100.7",)),
        "path": Target(
            path, {"slashes": repeated(b"/"), "dots": repeated(b"../"), "escapes": repeated(b"%2F")}, (b"b%20c.txt",)
        ),
        "url": Target(
            url,
            {"slashes": repeated(b"/"), "marks": repeated(b"?"), "schemes": repeated(b"a://")},
            (b"/v1/attachments?limit=1", b"http://files.example/a?b=c", b"*"),
        ),
    }


def _of_connections() -> dict[str, Target]:
    return {
        "connection": Target(
            conversation,
            {
                "line breaks": repeated(b"\r\n", b"\xff"),
                "letters": repeated(b"G", b"\xff"),
                "long target": repeated(b"/", b"\xffGET "),
                "one long header": repeated(b"a", b"\xffGET / HTTP/1.1\r\nA: "),
                "many headers": repeated(b"a: b\r\n", b"\xffGET / HTTP/1.1\r\n"),
                "body": repeated(b"x", b"\xffPUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n"),
                "chunks": repeated(b"1\r\nx\r\n", b"\xff" + _CHUNKED),
                "chunk extension": repeated(b";a", b"\xff" + _CHUNKED + b"1"),
                "trailers": repeated(b"a: b\r\n", b"\xff" + _CHUNKED + b"0\r\n"),
            },
            (
                b"\x07GET /a?b HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.0\r\n\r\n",
                b"\x05PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET /",
                b"\x03" + _CHUNKED + b"5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
                b"\x09GET http://a/b HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nrest",
            ),
        ),
    }


def _parameters(start: bytes) -> dict[str, Family]:
    return {
        "semicolons": repeated(b";", start),
        "blanks": repeated(b" ", start + b";"),
        "pairs": repeated(b";a=b", start),
        "backslashes": repeated(b"\\", start + b';x="'),
        "escapes": repeated(b'\\"', start + b';x="'),
        "open quotes": repeated(b';a="', start),
        "percent": repeated(b"%22", start + b';x="', b'"'),
    }
