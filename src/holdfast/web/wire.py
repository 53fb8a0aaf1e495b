"""The two ends of an ASGI exchange, watched.

A body that a disconnect cut short looks like a finished one to most frameworks, a server's `send` never fails by
itself, and a client that sends or reads one byte a minute holds everything that a request holds. So every exchange
goes through a `Wire`: it knows whether the body came whole, cuts clients that are slower than the floor, and notices
that a reader has gone.
"""

import asyncio
from asyncio import CancelledError, Task, TimerHandle
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final, Self, cast

import msgspec

from holdfast.core.errors import Incomplete, TooLarge, UnsupportedType
from holdfast.core.slices import Piece, Slice, Sliceable
from holdfast.web.problems import TooSlow

Event = MutableMapping[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]

_END: Final = b""
_WHOLE: Final = "http.response.whole"
_ZERO_COPY: Final = "http.response.zerocopysend"
_STEP: Final = 256 << 10


class Pace(msgspec.Struct, frozen=True):
    """How slow a client may be, and how much of a refused body is read so that it sees the answer."""

    window: float = 15.0
    floor: int = 1024
    send_deadline: float = 60.0
    drain_bytes: int = 64 << 20
    drain_seconds: float = 5.0


class Aborted(Exception):
    """The answer cannot be finished: the client went away or stalled, or the bytes ran out. Closes the connection."""


class Wire:
    """One request's receive and send."""

    __slots__ = (
        "_receive",
        "_send",
        "_since",
        "_stuck",
        "_takes_files",
        "_takes_whole",
        "_task",
        "_timer",
        "_window_bytes",
        "_window_time",
        "close",
        "complete",
        "cut",
        "encoded",
        "expects_continue",
        "gone",
        "length",
        "pace",
        "received",
        "sent",
        "started",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, pace: Pace) -> None:
        self._receive = receive
        self._send = send
        self._since: float | None = None
        self._stuck = False
        extensions = scope.get("extensions", ())
        self._takes_whole = _WHOLE in extensions
        self._takes_files = _ZERO_COPY in extensions
        self._task: Task[Any] | None = None
        self._timer: TimerHandle | None = None
        self._window_bytes = 0
        self._window_time = 0.0
        self.pace = pace
        self.received = 0
        self.sent = 0
        self.cut = False
        self.gone = False
        self.started = False
        self.close = False
        self.length: int | None = None
        self.encoded = False
        self.expects_continue = False
        chunked = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                self.length = int(value) if value.isdigit() and len(value) < 20 else None
            elif name == b"transfer-encoding":
                chunked = True
            elif name == b"content-encoding":
                self.encoded = value.strip().lower() not in {b"", b"identity"}
            elif name == b"expect":
                self.expects_continue = value.strip().lower() == b"100-continue"
        if chunked:
            # Whatever else is announced: the framing decides (RFC 9112 section 6.3).
            self.length = None
        announced = chunked or self.length is not None or str(scope.get("http_version", "1.1")).startswith(("2", "3"))
        self.complete = self.length == 0 or not announced

    async def receive(self) -> Event:
        """The server's next event, passed on as it is; on the way the end of the body, or its cut, is noted."""
        if self.complete or self.cut:
            return await self._receive()
        event = await self._timed_receive()
        if event["type"] != "http.request":
            self.cut = True
            self._disarm()
            return event
        self.expects_continue = False
        count = len(event.get("body", b""))
        self.received += count
        self._window_bytes += count
        if not event.get("more_body", False):
            self.complete = self.length is None or self.received == self.length
            self.cut = not self.complete
            self._disarm()
        return event

    def chunks(self, limit: int) -> AsyncIterator[bytes]:
        """The body, piece by piece; ends normally only when all of it has come.

        Raises `Incomplete`, `TooLarge` (before reading when the length is announced), `TooSlow`, and
        `UnsupportedType` for a content coding (RFC 9110 section 8.4).
        """
        return _Chunks(self, limit)

    def abandon(self) -> None:
        """Read nothing more of the body: the answer goes out at once and the connection closes behind it."""
        if self._is_open():
            self.close = self._stuck = True

    def release(self) -> None:
        """The exchange is over: let go of the server's ends.

        The server closes the connection of an unread body when nothing refers to them any more; a failure that is
        part of a cycle with its own traceback would keep them until the garbage collector comes by.
        """
        self._disarm()
        self._receive = _nothing_more
        self._send = _nowhere

    async def drain(self) -> None:
        """Read and drop what is left of a refused body, within limits, so that an ordinary client sees the answer."""
        if not self._is_open() or self._stuck:
            return
        if self.expects_continue or (self.length or 0) - self.received > self.pace.drain_bytes:
            self.close = True
            return
        stop = self.received + self.pace.drain_bytes
        try:
            async with asyncio.timeout(self.pace.drain_seconds):
                while self._is_open() and self.received <= stop:
                    await self.receive()
        except (TimeoutError, TooSlow):
            self._stuck = True
        finally:
            self._disarm()
        self.close = not self.complete

    def _is_open(self) -> bool:
        return not (self.complete or self.cut)

    async def answer(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """A whole answer at once."""
        self.started = True
        self.sent = len(body)
        if self._takes_whole:
            await self._send({"type": "http.response.start", "status": status, "headers": headers, "body": body})
            return
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def stream(self, status: int, headers: RawHeaders, chunks: AsyncIterator[bytes], size: int | None) -> None:
        """An answer piece by piece. Raises `Aborted` when it cannot be finished.

        Nothing is sent before the first piece is there, so that a failure to read can still be answered.
        """
        pieces = self._best(chunks)
        first = await anext(pieces, _END)
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        if not first or len(first) == size:
            await self._piece(first, size, last=True)
            return
        departure = asyncio.ensure_future(self._departure())
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(self.pace.send_deadline, self._check_send)
        try:
            await self._piece(first, size, last=False)
            async for piece in pieces:
                await self._piece(piece, size, last=self.sent + len(piece) == size)
                # A send to a closed connection does not suspend, and the watch could never run.
                await asyncio.sleep(0)
                if self.gone:
                    raise Aborted("the client has gone")
            if self.sent != size:
                await self._piece(_END, size, last=True)
        except CancelledError:
            if self._has_stopped_itself():
                raise Aborted("the client reads too slowly") from None
            raise
        finally:
            departure.cancel()
            self._disarm()

    def _best(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Piece]:
        """The body as slices of a file, if it can be had so and the server sends such."""
        return cast(Sliceable, chunks).slices() if self._takes_files and hasattr(chunks, "slices") else chunks

    async def _piece(self, piece: Piece, size: int | None, *, last: bool) -> None:
        self.sent += len(piece)
        if size is not None and (self.sent > size or (last and self.sent < size)):
            raise Aborted(f"{self.sent} bytes where {size} were announced")
        if isinstance(piece, bytes):
            self._since = asyncio.get_running_loop().time()
            await self._send({"type": "http.response.body", "body": piece, "more_body": not last})
        else:
            await self._slice(piece, last=last)
        self._since = None

    async def _slice(self, piece: Slice, *, last: bool) -> None:
        """In steps, so that a client that takes some of it now and then is no stalled one."""
        loop, end = asyncio.get_running_loop(), piece.offset + piece.length
        for offset in range(piece.offset, end, _STEP):
            self._since = loop.time()
            count = min(_STEP, end - offset)
            more = not last or offset + count < end
            await self._send(
                {"type": _ZERO_COPY, "file": piece.file, "offset": offset, "count": count, "more_body": more}
            )

    async def _departure(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True

    async def _timed_receive(self) -> Event:
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._task = asyncio.current_task()
            self._timer = loop.call_later(self.pace.window, self._check_receive)
        self._since = loop.time()
        try:
            return await self._receive()
        except CancelledError:
            if self._has_stopped_itself():
                raise TooSlow("The body arrives too slowly") from None
            raise
        finally:
            self._window_time += loop.time() - self._since
            self._since = None

    def _check_receive(self) -> None:
        """Cut the client if in a whole window of waiting for it fewer bytes came than the floor asks."""
        loop = asyncio.get_running_loop()
        waited = self._window_time + (loop.time() - self._since if self._since is not None else 0.0)
        if waited >= self.pace.window:
            if self._since is not None and self._window_bytes < self.pace.floor * waited:
                self._stop_task()
                return
            self._window_bytes = 0
            self._window_time = -waited if self._since is not None else 0.0
            waited = 0.0
        self._timer = loop.call_later(max(self.pace.window - waited, 0.01), self._check_receive)

    def _check_send(self) -> None:
        loop = asyncio.get_running_loop()
        waited = loop.time() - self._since if self._since is not None else 0.0
        if waited >= self.pace.send_deadline:
            self._stop_task()
            return
        self._timer = loop.call_later(self.pace.send_deadline - waited, self._check_send)

    def _stop_task(self) -> None:
        self._stuck = True
        if self._task is not None:
            self._task.cancel()

    def _has_stopped_itself(self) -> bool:
        """Whether the cancellation is the one that we asked for; then it is taken back."""
        return self._stuck and self._task is not None and self._task.uncancel() == 0

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._task = None


class _Chunks:
    """As `Wire.chunks`."""

    __slots__ = ("_limit", "_wire")

    def __init__(self, wire: Wire, limit: int) -> None:
        self._wire = wire
        self._limit = limit

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        wire, limit = self._wire, self._limit
        if wire.encoded:
            raise UnsupportedType("A content coding is not supported for request bodies")
        if wire.length is not None and wire.length > limit:
            raise TooLarge(limit)
        while not wire.complete:
            event = await wire.receive()
            if wire.cut:
                raise Incomplete("The body ended before all of it had arrived")
            if wire.received > limit:
                raise TooLarge(limit)
            if chunk := event.get("body", b""):
                received: bytes = chunk
                return received
        raise StopAsyncIteration


async def _nothing_more() -> Event:
    raise Aborted("the exchange is over")


async def _nowhere(_event: Event) -> None:
    raise Aborted("the exchange is over")


async def closed_after(chunks: AsyncIterator[bytes]) -> None:
    """Let go of a body that is not sent."""
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()
