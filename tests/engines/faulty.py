"""A proxy before an object store that fails as networks and stores fail, request by request, as a test decides."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from holdfast.blobs.buckets import BucketOptions

_PIECE = 64 * 1024
_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as it came in."""

    method: str
    target: str
    body: bytes = field(repr=False)
    head: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Status:
    """The store answers with an error of its own, and does nothing."""

    status: int
    code: str = ""

    @property
    def answer(self) -> bytes:
        body = f"<Error><Code>{self.code}</Code></Error>".encode() if self.code else b"<html>not here</html>"
        head = f"HTTP/1.1 {self.status} Reason\r\nContent-Length: {len(body)}\r\nContent-Type: application/xml\r\n\r\n"
        return head.encode() + body


Fault = (
    Status
    | Literal[
        "reset",  # before the request has any effect
        "lost",  # the request has its effect, the answer is lost
        "cut",  # the connection breaks in the middle of the body
        "short",  # the answer announces half of its body, and that half is all
        "long",  # it announces more than comes
        "hole",  # nothing comes, ever
        "embedded",  # 200, and an error in the body
    ]
)
Decide = Callable[[Request], Fault | None]


def never(_request: Request) -> None:
    return None


@dataclass
class FaultyProxy:
    """`decide` may be changed at any time. `requests` are those that came, `open` the connections that are open, and
    `sent` the bytes that were handed to them."""

    upstream: int
    decide: Decide = never
    requests: list[Request] = field(default_factory=list)
    open: int = 0
    sent: int = 0
    port: int = 0
    _served: set[asyncio.Task[None]] = field(default_factory=set)

    def of(self, options: BucketOptions) -> BucketOptions:
        """The same bucket, through the proxy."""
        return msgspec.structs.replace(options, endpoint=f"http://127.0.0.1:{self.port}")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        self.open += 1
        line = _Line(self.upstream)
        try:
            while await self._one(reader, writer, line):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            self._served.discard(task)
            line.close()
            writer.transport.abort()

    async def stop(self) -> None:
        for task in tuple(self._served):
            task.cancel()
        if self._served:
            await asyncio.wait(self._served)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: "_Line") -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = _header(head, b"content-length")
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        request = Request(method, target, await reader.readexactly(int(length or 0)), head)
        self.requests.append(request)
        fault = self.decide(request)
        if fault == "hole":
            await reader.read()
        if fault in ("reset", "hole"):
            return False
        if isinstance(fault, Status):
            await self._send(writer, fault.answer)
            return True
        return await self._forward(request, writer, line, fault)

    async def _forward(
        self, request: Request, writer: asyncio.StreamWriter, line: "_Line", fault: Fault | None
    ) -> bool:
        answer = await line.ask(request)
        head = await answer.readuntil(b"\r\n\r\n")
        length = 0 if request.method == "HEAD" else int(_header(head, b"content-length") or 0)
        if fault == "lost":
            await answer.readexactly(length)
            return False
        if fault == "embedded":
            await self._send(writer, Status(200, "InternalError").answer)
            return False
        announced = {"short": length // 2, "long": length * 2 + 1}.get(str(fault), length)
        await self._send(writer, _with_length(head, announced) if length else head)
        left = length // 2 if fault in ("cut", "short") else length
        while left:
            piece = await answer.readexactly(min(left, _PIECE))
            await self._send(writer, piece)
            left -= len(piece)
        return fault is None

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.sent += len(data)


class _Line:
    """One connection to the store for each one to the proxy."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request) -> asyncio.StreamReader:
        if self._ends is None:
            self._ends = await asyncio.open_connection("127.0.0.1", self._port, limit=_HEAD)
        reader, writer = self._ends
        writer.write(request.head + request.body)
        return reader

    def close(self) -> None:
        if self._ends is not None:
            self._ends[1].transport.abort()


def _header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None


def _with_length(head: bytes, length: int) -> bytes:
    kept = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"content-length:")]
    return b"\r\n".join([*kept, b"Content-Length: %d" % length, b"", b""])


@asynccontextmanager
async def faulty(options: BucketOptions) -> AsyncIterator[FaultyProxy]:
    """A proxy before the store of that bucket, on a free port."""
    upstream = urlsplit(options.endpoint).port
    assert upstream is not None
    proxy = FaultyProxy(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=_HEAD)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await server.wait_closed()
