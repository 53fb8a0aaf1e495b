"""Request bodies: raw, forms, JSON. Nothing here holds a file in memory.

Every reader ends normally only when the whole body has come (see `wire`); limits hold while reading, whatever the
framing, and are the same for every kind of body.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final, Self, TypeAlias, TypeVar, overload
from urllib.parse import unquote_to_bytes

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser  # type: ignore[import-untyped]

from holdfast.core.errors import Invalid, Malformed, UnsupportedType
from holdfast.core.intake import Intake
from holdfast.web.dialect import Call
from holdfast.web.digests import SHA256, announced, checked
from holdfast.web.parameters import disposition_of_part, parsed

MULTIPART: Final = "multipart/form-data"
URLENCODED: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
OCTETS: Final = "application/octet-stream"

MAX_PARTS: Final = 64
MAX_PART_HEADERS: Final = 16
MAX_PART_HEADER_BYTES: Final = 8192
MAX_FIELD: Final = 64 << 10
MAX_DOCUMENT: Final = 1 << 20
MAX_PAIRS: Final = 1000
MAX_DEPTH: Final = 64
MAX_CONTAINERS: Final = 10_000

_TRANSFER_ENCODINGS: Final = frozenset({"binary", "8bit", "7bit"})
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BOUNDARY_BYTES: Final = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ")

T = TypeVar("T")


class Field(msgspec.Struct, frozen=True):
    """A text field of a form."""

    name: str
    value: str


class FilePart(msgspec.Struct, frozen=True):
    """A file of a form. `filename` is exactly what was sent; `media_type` is what the client says, or None.

    `chunks` is read before the next part is asked for; what is left of it then is skipped.
    """

    name: str
    filename: str
    media_type: str | None
    chunks: AsyncIterator[bytes]
    headers: tuple[tuple[str, str], ...] = ()


Part = Field | FilePart

_Event: TypeAlias = "MultipartSegment | bytes | None"
_NO_MORE: Final = object()


def media_type(call: Call) -> str:
    """The body's declared type in lower case without parameters; empty when there is none. Raises `Malformed`."""
    return _content_type(call)[0]


def _content_type(call: Call) -> tuple[str, dict[str, str]]:
    if call.content_type is None:
        call.content_type = parsed(call.req.get_header("Content-Type") or "")
    return call.content_type


def is_empty(call: Call) -> bool:
    """Whether the request announces no body at all."""
    return call.wire.complete and not call.wire.received


def raw(call: Call, *, limit: int | None = None) -> AsyncIterator[bytes]:
    """The body as it comes, of any type. Raises `DigestMismatch` at its end when it is not what was announced."""
    return _announced(call, call.max_body if limit is None else limit)


def _announced(call: Call, limit: int) -> AsyncIterator[bytes]:
    chunks = call.wire.chunks(limit)
    digests = announced(call.req.scope["headers"])
    return checked(chunks, digests) if digests else chunks


async def receive(call: Call, intake: Intake, name: str) -> None:
    """The whole body into the intake as one file. Raises as `raw` and `Intake.take` do, `Malformed` for a part.

    A fragment that took the place of the whole would be the worst answer to Content-Range (RFC 9110 section 14.5).
    """
    if call.req.get_header("Content-Range") is not None:
        raise Malformed("A part of a file cannot be uploaded: Content-Range is not supported")
    digests = announced(call.req.scope["headers"])
    ours = [digest.value for digest in digests if digest.algorithm == SHA256]
    others = [digest for digest in digests if digest.algorithm != SHA256]
    chunks = call.wire.chunks(call.max_body)
    declared = media_type(call) or None
    await intake.take(checked(chunks, others) if others else chunks, name=name, declared_type=declared)
    for sha256 in ours:
        intake.expect(sha256)


async def document(call: Call, *, limit: int = MAX_DOCUMENT) -> bytes:
    """A small body in one piece. Raises as `raw` does."""
    return b"".join([chunk async for chunk in raw(call, limit=limit)])


@overload
async def json(call: Call, *, optional: bool = False) -> Any: ...  # noqa: ANN401 any JSON value


@overload
async def json(call: Call, type: type[T], *, optional: bool = False) -> T: ...


async def json(call: Call, type: Any = Any, *, optional: bool = False) -> Any:
    """The JSON document of the body, as `type` where one is given.

    With `optional`, no body at all is an empty object. Raises `UnsupportedType` for another media type, `Malformed`
    for what is not JSON in UTF-8 without NUL, and `Invalid` with the field for what does not fit the type. Unknown
    keys are dropped and the last of equal keys counts.
    """
    kind = media_type(call)
    if not kind and optional and is_empty(call):
        return msgspec.convert({}, type)
    if kind != JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedType(f"Send {JSON}")
    data = await document(call)
    return decoded(b"{}" if optional and not data else data, type)


def decoded(data: bytes, type: Any = Any) -> Any:  # noqa: ANN401 any JSON value
    """JSON text as a value. Raises as `json`."""
    try:
        if b"\\u0000" in data and _holds_nul(msgspec.json.decode(data)):
            raise Malformed("NUL is not allowed in text")
        opened = data.count(b"[") + data.count(b"{")
        if opened > MAX_CONTAINERS:
            raise Malformed(f"The body has more than {MAX_CONTAINERS} arrays and objects")
        if opened > MAX_DEPTH and _is_deep(msgspec.json.decode(data)):
            raise Malformed(f"The body is nested more than {MAX_DEPTH} deep")
        return msgspec.json.decode(data, type=type)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `")
        raise Invalid(message, fields={where.rstrip("`").removeprefix("$").lstrip(".") or "body": message}) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        raise Malformed("The body is not a JSON document") from None


def form(call: Call, *, limit: int | None = None, urlencoded: bool = True) -> AsyncIterator[Part]:
    """The parts of a form in their order: `multipart/form-data` (RFC 7578), or url-encoded fields where allowed.

    Ends normally only when the form and the body are complete, so decide nothing before it has ended. Raises
    `UnsupportedType`, `Malformed`, `Incomplete`, `TooLarge`, `DigestMismatch` (of the whole form).
    """
    kind, options = _content_type(call)
    if kind == MULTIPART:
        return _Form(raw(call, limit=limit), _boundary(options))
    if kind == URLENCODED and urlencoded:
        return _urlencoded(call)
    raise UnsupportedType(f"Send {MULTIPART}")


async def _urlencoded(call: Call) -> AsyncIterator[Part]:
    for field in _fields(await document(call)):
        yield field


async def fields(call: Call) -> list[Field]:
    """A form that holds no files. Raises `Invalid` for one that does."""
    found: list[Field] = []
    async for part in form(call, limit=MAX_PARTS * (MAX_FIELD + MAX_PART_HEADER_BYTES)):
        if isinstance(part, FilePart):
            raise Invalid("No file is expected here", fields={part.name: "unexpected file"})
        found.append(part)
    return found


class _Parser(PushMultipartParser):  # type: ignore[misc]
    """Says when the closing delimiter has been seen, so that an epilogue can be skipped wherever chunks end."""

    ended = False

    def _on_segment_complete(self) -> None:
        super()._on_segment_complete()
        self.ended = True

    def _on_segment_start(self) -> None:
        super()._on_segment_start()
        self.ended = False


class _Form:
    """A multipart body, part by part. What is left of a file when the next part is asked for is skipped.

    One object and not a chain of generators, since every chunk of every upload passes through.
    """

    __slots__ = ("_chunks", "_delimiter", "_events", "_file", "_head", "_parser")

    def __init__(self, chunks: AsyncIterator[bytes], boundary: str) -> None:
        self._chunks = chunks
        self._delimiter = b"--" + boundary.encode()
        self._head: bytes | None = b""
        self._events: Iterator[_Event] = iter(())
        self._file: _Payload | None = None
        self._parser = _Parser(
            boundary,
            max_header_size=MAX_PART_HEADER_BYTES,
            max_header_count=MAX_PART_HEADERS,
            max_segment_count=MAX_PARTS,
            strict=True,
        )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Part:
        if self._file is not None:
            async for _ in self._file:
                pass
        segment = await self.event()
        if not isinstance(segment, MultipartSegment):
            raise Malformed("Malformed form")
        name, filename = _part_names(segment.headerlist)
        content = self._file = _Payload(self)
        if filename is None:
            return Field(name, _text(await _field_value(content)))
        headers = tuple(segment.headerlist)
        declared = next((value for key, value in headers if key == "Content-Type"), None)
        return FilePart(name, filename, parsed(declared)[0] if declared else None, content, headers)

    async def event(self) -> _Event:
        """What the parser finds next: a part, bytes of it, or None for its end. Ends with the body."""
        try:
            while (event := next(self._events, _NO_MORE)) is _NO_MORE:
                self._events = self._parser.parse(await self._piece())
            return event
        except MultipartError as error:
            raise Malformed(f"Malformed form: {error}") from None

    async def _piece(self) -> bytes:
        """The next chunk that the parser has to see. After its end the body is read on, and dropped."""
        async for chunk in self._chunks:
            if self._head is not None:
                if self._begins(chunk):
                    head, self._head = self._head, None
                    return head
            elif not self._parser.ended:
                return chunk
        if self._head is not None:
            raise Malformed("Malformed form: too short")
        self._parser.close()
        raise StopAsyncIteration

    def _begins(self, chunk: bytes) -> bool:
        """Whether the body is known to begin with its delimiter (one line break before it is tolerated)."""
        self._head = head = (self._head or b"") + chunk
        if len(head) < len(self._delimiter) + 4:
            return False
        if not head.removeprefix(b"\r\n").startswith(self._delimiter + b"\r\n"):
            raise Malformed("Malformed form: it does not begin with its boundary")
        return True


class _Payload:
    """The bytes of one part."""

    __slots__ = ("_form", "_whole")

    def __init__(self, form: _Form) -> None:
        self._form = form
        self._whole = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._whole:
            event = await self._form.event()
            if isinstance(event, bytes):
                return event
            self._whole = True
        raise StopAsyncIteration


async def _field_value(content: AsyncIterator[bytes]) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in content:
        size += len(piece)
        if size > MAX_FIELD:
            raise Malformed(f"A form field is larger than {MAX_FIELD} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _part_names(headers: list[tuple[str, str]]) -> tuple[str, str | None]:
    if sum([len(name) + len(value) for name, value in headers]) > MAX_PART_HEADER_BYTES:
        raise Malformed("The headers of a part are too large")
    seen: dict[str, str] = {}
    for name, value in headers:
        if name in seen:
            raise Malformed(f"A part repeats {name}")
        if _CONTROL.search(value):
            raise Malformed("A part header holds a control character")
        seen[name] = value
    encoding = seen.get("Content-Transfer-Encoding", "binary").strip().lower()
    if encoding not in _TRANSFER_ENCODINGS:
        raise Malformed("A part has a Content-Transfer-Encoding")
    return disposition_of_part(seen.get("Content-Disposition", ""))


def _boundary(options: dict[str, str]) -> str:
    boundary = options.get("boundary", "")
    if not 1 <= len(boundary) <= 70 or not _BOUNDARY_BYTES.issuperset(boundary) or boundary.endswith(" "):
        raise Malformed("The form's boundary is missing or malformed")
    return boundary


def _fields(data: bytes) -> list[Field]:
    """`application/x-www-form-urlencoded` (WHATWG URL section 5.1), strictly UTF-8."""
    if data.count(b"&") >= MAX_PAIRS:
        raise Malformed("The form has too many fields")
    found: list[Field] = []
    for pair in data.split(b"&"):
        if pair:
            name, _, value = pair.replace(b"+", b" ").partition(b"=")
            if len(value) > 3 * MAX_FIELD:
                raise Malformed(f"A form field is larger than {MAX_FIELD} bytes")
            found.append(Field(_text(unquote_to_bytes(name)), _text(unquote_to_bytes(value))))
    return found


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise Malformed("A form field is not UTF-8 text") from None
    if "\0" in text:
        raise Malformed("NUL is not allowed in text")
    return text


def _is_deep(value: object) -> bool:
    """Whether arrays and objects lie in each other deeper than the rules and the catalog walk into them."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [part for item in level for part in _parts_of(item)]
        if not level:
            return False
    return True


def _parts_of(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _holds_nul(value: object) -> bool:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if "\0" in item:
                return True
        elif isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False
