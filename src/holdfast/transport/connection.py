"""One HTTP/1.1 connection (RFC 9112): its bytes to ASGI exchanges, one after the other, and back.

The parser is llhttp's. Three things are done beside it for speed: a body of announced length is handed on as it comes
from the socket once its head is parsed, header lines that a client repeats from one request without a body to the next
are not parsed again, and an answer of one piece leaves in one write.
"""

import asyncio
import os
import re
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote

import httptools
import msgspec

Event = MutableMapping[str, Any]
Scope = dict[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Event]], Callable[[Event], Awaitable[None]]], Awaitable[None]]

MAX_HEAD: Final = 32 << 10
MAX_HEADERS: Final = 256
MAX_WAITING: Final = 128 << 10
FEW_WAITING: Final = 64 << 10
JOINED: Final = 16 << 10
OVERHEAD: Final = 64
"""What a piece of a body costs beside its bytes: a stranger may cut it as small as he likes."""

WHOLE: Final = "http.response.whole"
"""The extension of ASGI by which a start of an answer may bring all of its body."""

ZERO_COPY: Final = "http.response.zerocopysend"
"""The extension of ASGI by which the server is given a part of an open file to send."""

STRETCH: Final = 256 << 10
"""Bytes of a file that are read and sent at a time, without an object of their own."""

_ASGI: Final = {"version": "3.0", "spec_version": "2.4"}
_EXTENSIONS: Final[dict[str, dict[str, object]]] = {WHOLE: {}, ZERO_COPY: {}}
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_BODILESS: Final = frozenset({204, 304})
_NEVER: Final = float("inf")
_TARGET: Final = rb"(GET|HEAD) (/[!-\"$-~]*)"
_REQUEST: Final = re.compile(_TARGET + rb"( HTTP/1\.1\r\n(?:[^\r\n]+\r\n)+\r\n)")
_REQUEST_LINE: Final = re.compile(_TARGET)


class Patience(msgspec.Struct, frozen=True):
    """Seconds that a connection may take: for the head of a request, between two requests, and to take in an answer to
    a request whose body nobody read."""

    head: float = 10.0
    idle: float = 75.0
    linger: float = 2.0


class Home(Protocol):
    """What all connections of a process share."""

    app: App
    loop: asyncio.AbstractEventLoop
    patience: Patience
    connections: "set[Connection]"
    tasks: set[asyncio.Task[None]]
    leaving: bool
    scratch: memoryview

    @property
    def date(self) -> bytes:
        """The header line that dates an answer."""
        ...


class Exchange:
    """One request and its answer, as an ASGI application sees them."""

    __slots__ = (
        "_chunked",
        "_chunks",
        "_connection",
        "_ended",
        "_head",
        "_left",
        "_waiter",
        "complete",
        "continues",
        "cut",
        "done",
        "keeps",
        "scope",
        "sends_files",
        "started",
        "waiting",
    )

    def __init__(self, connection: "Connection", scope: Scope, *, keeps: bool) -> None:
        self._connection = connection
        self._chunks: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._head = b""
        self._left: int | None = None
        self._chunked = False
        self.scope = scope
        self.keeps = keeps
        self.continues = False
        self.complete = False
        self.cut = False
        self.started = False
        self.sends_files = False
        self.done = False
        self.waiting = 0

    # ------------------------------------------------------------ the request

    def feed(self, chunk: bytes) -> None:
        """More of the body has come."""
        self._chunks.append(chunk)
        self.waiting += len(chunk) + OVERHEAD
        self.wake()

    def finish(self) -> None:
        """All of the body has come."""
        self.complete = True
        self.wake()

    def wake(self) -> None:
        """Whoever waits for an event has one now."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _next(self) -> bytes:
        """The next piece of the body; small ones all at once."""
        chunk = self._chunks.popleft()
        if self._chunks and len(chunk) < JOINED:
            chunk = b"".join((chunk, *self._chunks))
            self._chunks.clear()
            self.waiting = 0
        else:
            self.waiting -= len(chunk) + OVERHEAD
        return chunk

    async def receive(self) -> Event:
        """`http.request` with what has come of the body, `http.disconnect` once the client or the answer is gone."""
        connection = self._connection
        if self.continues and not self._chunks:
            self.continues = False
            if not self.started and not self.complete:
                connection.write(_CONTINUE)
        while True:
            if self._chunks:
                chunk = self._next()
                self._ended = self.complete and not self._chunks
                connection.taken(self.waiting)
                return {"type": "http.request", "body": chunk, "more_body": not self._ended}
            if self.complete and not self._ended:
                self._ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            if self.cut or self.done or connection.gone:
                return {"type": "http.disconnect"}
            self._waiter = connection.home.loop.create_future()
            await self._waiter

    # ------------------------------------------------------------ the answer

    async def send(self, event: Event) -> None:
        """`http.response.start`, which may bring a whole body, `http.response.body` and `http.response.zerocopysend`;
        waits while the client is slower. Nothing happens once the client is gone. Raises `RuntimeError` for bytes other
        than those announced, OSError where a file cannot be read."""
        connection = self._connection
        if connection.gone or self.done:
            return
        if event["type"] == "http.response.start":
            self._begin(event["status"], event["headers"])
            if "body" not in event:
                return
        body: bytes = event.get("body", b"")
        last = not event.get("more_body", False)
        if self._left is not None:
            self._left -= event.get("count", len(body))
            if self._left < 0 or (last and self._left > 0):
                connection.abort()
                raise RuntimeError("the answer has another length than its head says")
        if event["type"] == ZERO_COPY:
            await self._send_file(event["file"].fileno(), event["offset"], event["count"])
        else:
            self._write(body, last=last)
        if last:
            self.done = True
            connection.answered(self)
        elif connection.full is not None:
            await connection.full

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        if self.started:
            raise RuntimeError("the answer has begun already")
        self.started = True
        lines = [_STATUS.get(status) or b"HTTP/1.1 %d \r\n" % status, self._connection.home.date]
        length = None
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"connection" and value == b"close":
                self.keeps = False
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        without_body = status in _BODILESS or self.scope["method"] == "HEAD"
        self._left = 0 if without_body else length
        if self._left is None:
            self._chunked = self.scope["http_version"] == "1.1"
            if self._chunked:
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                self.keeps = False
        if not self.complete or self._connection.home.leaving:
            self.keeps = False
        if not self.keeps:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        self._head = b"".join(lines)

    def _write(self, body: bytes, *, last: bool) -> None:
        head, self._head = self._head, b""
        connection = self._connection
        if self._chunked:
            framed = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            connection.write(head + framed + (b"0\r\n\r\n" if last else b""))
        elif len(body) <= JOINED:
            connection.write(head + body)
        elif head:
            connection.write_both(head, body)
        else:
            connection.write(body)

    async def _send_file(self, fd: int, offset: int, count: int) -> None:
        if self._left is None:
            raise RuntimeError("a part of a file needs an answer of known length")
        head, self._head = self._head, b""
        if not self.sends_files:
            self.sends_files = True
            self._connection.begin_files()
        if head:
            self._connection.write(head)
        await self._connection.send_file(fd, offset, count)

    async def run(self) -> None:
        """Let the application answer; whatever is left unfinished ends with the connection."""
        try:
            await self._connection.home.app(self.scope, self.receive, self.send)
        finally:
            if not self.done:
                self.done = True
                self._connection.abort()


class Connection(asyncio.Protocol):
    """The server's end of one TCP connection."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.gone = False
        self.full: asyncio.Future[None] | None = None
        self.deadline = _NEVER
        self._transport: asyncio.Transport = None  # type: ignore[assignment] # made with the connection
        self._socket = -1
        self._client: tuple[str, int] | None = None
        self._server: tuple[str, int] | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._reading_head = False
        self._head_size = 0
        self._fed = 0
        self._refusal = 400
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._hosts = 0
        self._length: int | None = None
        self._expects = False
        self._usual_lines = b""
        self._usual_headers: list[tuple[bytes, bytes]] = []
        self._receiving: Exchange | None = None
        self._missing = 0
        self._current: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._unparsed = b""
        self._paused = False
        self._last = False
        self._closing = False

    # ------------------------------------------------------------ the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)
        self._client = _address(transport.get_extra_info("peername"))
        self._server = _address(transport.get_extra_info("sockname"))
        self.home.connections.add(self)
        self.deadline = self.home.loop.time() + self.home.patience.head

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, or we are."""
        self.gone = True
        self.deadline = _NEVER
        self.home.connections.discard(self)
        self.resume_writing()
        for exchange in (self._current, self._receiving):
            if exchange is not None:
                exchange.wake()
        self._queue.clear()
        self._current = self._receiving = None
        # It and the parser hold each other, and the collector of such pairs comes by seldom.
        del self._parser

    def eof_received(self) -> bool:
        """The client sends nothing more. It still reads the answers to what it has asked."""
        self._last = True
        return (self._is_answering() or bool(self._queue or self._unparsed)) and not self._closing

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        if self.full is None:
            self.full = self.home.loop.create_future()

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._current is None and self.deadline != _NEVER:
            self.deadline = self.home.loop.time() + self.home.patience.idle
        if self.full is not None:
            full, self.full = self.full, None
            if not full.done():
                full.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if not (self._closing or self._last or self.gone):
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        if self._receiving is not None and self._missing:
            data = self._take(self._receiving, data)
            if not data:
                return
        if self._unparsed or self._is_answering():
            self._unparsed += data
            if len(self._unparsed) > MAX_HEAD:
                self._pause()
            return
        self._parse(data)

    def _take(self, exchange: Exchange, data: bytes) -> bytes:
        """Hand on what belongs to the body of announced length; the rest is given back."""
        rest = b""
        if len(data) > self._missing:
            data, rest = data[: self._missing], data[self._missing :]
        self._missing -= len(data)
        if not self._missing:
            # The parser never saw the end of this body: it begins anew.
            self._parser = httptools.HttpRequestParser(self)
            self._receiving = None
            exchange.complete = True
        exchange.feed(data)
        if exchange.waiting > MAX_WAITING:
            self._pause()
        return rest

    def _parse(self, data: bytes) -> None:
        begins = not self._reading_head and self._receiving is None
        if begins and self._usual_lines and data.endswith(self._usual_lines) and len(data) <= MAX_HEAD:
            line = _REQUEST_LINE.fullmatch(data, 0, len(data) - len(self._usual_lines))
            if line is not None:
                self.deadline = _NEVER
                self._begin(line[1], line[2], "1.1", self._usual_headers, keeps=True).complete = True
                self._advance()
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing else is spoken here: the request is answered as it stands, and is the last.
            self._last = True
        except httptools.HttpParserError:
            self._refuse(self._refusal)
            return
        if self._reading_head:
            self._fed += len(data)
            if self._fed > MAX_HEAD:
                self._refuse(431)
                return
        elif begins and self._receiving is None and (request := _REQUEST.fullmatch(data)) is not None:
            self._remember(request[3])
        self._advance()

    def _remember(self, lines: bytes) -> None:
        """What follows the target of a request without a body, if the next may look the same."""
        if self._length is None and not self._expects and self._queue and self._queue[-1].keeps:
            self._usual_lines, self._usual_headers = lines, self._headers

    def _begin(
        self, method: bytes, url: bytes, version: str, headers: list[tuple[bytes, bytes]], *, keeps: bool
    ) -> Exchange:
        path, query = _target(url)
        scope: Scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": method.decode(),
            "scheme": "http",
            "path": unquote(path.decode("utf-8", "replace")) if b"%" in path or not path.isascii() else path.decode(),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": self._client,
            "server": self._server,
            "extensions": _EXTENSIONS,
        }
        exchange = Exchange(self, scope, keeps=keeps)
        self._queue.append(exchange)
        return exchange

    # ------------------------------------------------------------ the parser's calls

    def on_message_begin(self) -> None:
        """A request begins."""
        self._reading_head = True
        self._head_size = 0
        self._fed = 0
        self._refusal = 400
        self._url = b""
        self._headers = []
        self._hosts = 0
        self._length = None
        self._expects = False
        if self.deadline > (limit := self.home.loop.time() + self.home.patience.head):
            self.deadline = limit

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._url += url
        self._weigh(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or a trailer field, which nobody asks for."""
        if not self._reading_head:
            return
        name = name.lower()
        if name == b"content-length":
            self._length = int(value)
        elif name == b"expect":
            self._expects = value.lower() == b"100-continue"
        elif name == b"host":
            self._hosts += 1
        elif name == b"transfer-encoding" and value.lower() != b"chunked":
            self._refusal = 501
            raise _Refused
        self._headers.append((name, value))
        self._weigh(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._reading_head = False
        self.deadline = _NEVER
        parser = self._parser
        version = parser.get_http_version()
        if version not in {"1.0", "1.1"} or self._hosts > 1 or (version == "1.1" and not self._hosts):
            self._refusal = 400 if version in {"1.0", "1.1"} else 505
            raise _Refused
        # HTTP/1.0 clients that want to keep a connection are too rare to be told that they may.
        keeps = parser.should_keep_alive() and version == "1.1"
        self._receiving = self._begin(parser.get_method(), self._url, version, self._headers, keeps=keeps)
        self._receiving.continues = self._expects
        self._missing = self._length or 0

    def on_body(self, chunk: bytes) -> None:
        """A piece of the body."""
        exchange = self._receiving
        if exchange is not None:
            if self._length is not None:
                self._missing -= len(chunk)
            exchange.feed(chunk)
            if exchange.waiting > MAX_WAITING:
                self._pause()

    def on_message_complete(self) -> None:
        """The body is whole."""
        if self._receiving is not None:
            self._missing = 0
            self._receiving.finish()
            self._receiving = None

    # ------------------------------------------------------------ the exchanges' calls

    def write(self, data: bytes) -> None:
        """Put bytes on their way."""
        if not self.gone:
            self._transport.write(data)

    def write_both(self, head: bytes, body: bytes) -> None:
        """Put two pieces on their way without copying them into one."""
        self._transport.writelines((head, body))

    def begin_files(self) -> None:
        """Until this is answered `full` is there as long as anything is left that a file could overtake."""
        self._transport.set_write_buffer_limits(0)
        self._socket = self._transport.get_extra_info("socket").fileno()

    async def send_file(self, fd: int, offset: int, count: int) -> None:
        """Put that many bytes of a file on their way, past the transport, once it has sent all that it was given.

        Raises OSError if the file cannot be read, `RuntimeError` if it ends before.
        """
        end = offset + count
        while offset < end:
            if self.full is not None:
                await self.full
            if self.gone:
                return
            offset += self._send_some(fd, offset, end - offset)

    def _send_some(self, fd: int, offset: int, count: int) -> int:
        """Put the next stretch of a file on its way; give its length."""
        stretch = self.home.scratch[:count]
        taken = os.preadv(fd, [stretch], offset)
        if not taken:
            raise RuntimeError("a file is shorter than what was to be sent of it")
        try:
            sent = os.write(self._socket, stretch[:taken])
        except BlockingIOError:
            sent = 0
        except ConnectionError:
            self.abort()
            return taken
        if sent < taken:
            # What the socket does not take goes through the transport, and `full` ends when there is room again.
            self._transport.write(bytes(stretch[sent:taken]))
        return taken

    def taken(self, waiting: int) -> None:
        """The application has taken a piece of a body; so many bytes still wait."""
        if self._paused and waiting < FEW_WAITING:
            self._resume()

    def answered(self, exchange: Exchange) -> None:
        """The answer is on its way: go on with the next request, or end."""
        self._current = None
        if exchange.sends_files:
            self._transport.set_write_buffer_limits()
        more = bool(self._queue or self._unparsed)
        if not exchange.keeps or self.home.leaving or (self._last and not more):
            self._end(politely=self._last or not exchange.complete or more)
            return
        self.deadline = self.home.loop.time() + self.home.patience.idle
        if more:
            # Not at once: the application has still to return from this one.
            self.home.loop.call_soon(self._go_on)
        self._resume()

    def abort(self) -> None:
        """End without a good-bye, so that nobody takes what was sent for the whole."""
        self._closing = True
        if not self.gone:
            self._transport.abort()

    def leave(self) -> None:
        """The server ends: finish what was asked, take nothing more."""
        if self._current is None and not self._queue and not self._reading_head:
            self._transport.close()

    def overdue(self) -> None:
        """The deadline has passed."""
        if self._reading_head and not self._closing:
            self._refuse(408)
        else:
            self.abort()

    # ------------------------------------------------------------ inside

    def _weigh(self, size: int) -> None:
        """Count bytes of the head. Raises `_Refused` when there are too many."""
        self._head_size += size
        if self._head_size > MAX_HEAD or len(self._headers) > MAX_HEADERS:
            self._refusal = 431
            raise _Refused

    def _is_answering(self) -> bool:
        """Whether a request has come whole and its answer has not left."""
        return self._current is not None and self._current.complete

    def _advance(self) -> None:
        """Begin with the next request, if there is one and the last is answered."""
        if self._current is not None or not self._queue or self.gone:
            return
        self._current = exchange = self._queue.popleft()
        task = self.home.loop.create_task(exchange.run())
        self.home.tasks.add(task)
        task.add_done_callback(self.home.tasks.discard)

    def _go_on(self) -> None:
        if self.gone or self._closing:
            return
        self._advance()
        if self._unparsed and not self._is_answering():
            data, self._unparsed = self._unparsed, b""
            self._receive(data)
        if self._last and not self._closing:
            self._run_out()

    def _run_out(self) -> None:
        """Nothing more will come: end what waits for it."""
        if self._receiving is not None:
            self._receiving.cut = True
            self._receiving.wake()
        elif self._current is None:
            self._end(politely=True)

    def _refuse(self, status: int) -> None:
        """Answer what is no request, once all that came before it is answered, and end."""
        if self._current is not None or self._queue:
            self._last = True
            self._pause()
            self._advance()
            self._run_out()
            return
        reason = HTTPStatus(status).phrase.encode()
        head = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(reason)
        self.write(_STATUS[status] + self.home.date + head + reason)
        self._end(politely=True)

    def _end(self, *, politely: bool) -> None:
        """Close once all is sent. `politely`: bytes may still be on their way to us, and closing at once would make the
        client's system throw away the answer; they are taken in and dropped for a while."""
        self._closing = True
        if self.gone:
            return
        self.deadline = self.home.loop.time() + self.home.patience.idle
        if politely and self._transport.can_write_eof():
            self._transport.write_eof()
            self._resume()
            self.deadline = self.home.loop.time() + self.home.patience.linger
        else:
            self._transport.close()

    def _pause(self) -> None:
        if not self._paused and not self.gone:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self.gone:
            self._paused = False
            self._transport.resume_reading()


class _Refused(Exception):
    """Ends the parser's work from inside one of its calls."""


def _target(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request target (RFC 9112 section 3.2), as they were sent."""
    if not url.startswith(b"/"):
        scheme, mark, rest = url.partition(b"://")
        if mark and scheme.isalpha():
            # The absolute form, which proxies are sent.
            slash = rest.find(b"/")
            url = rest[slash:] if slash >= 0 else b"/"
    path, _, query = url.partition(b"#")[0].partition(b"?")
    return path, query


def _address(name: object) -> tuple[str, int] | None:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) and len(name) >= 2 else None
