"""An ASGI client that decides where chunks end and when the client leaves."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

App = Callable[[dict[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


@dataclass
class Answer:
    status: int = 0
    raw_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    pieces: int = 0
    complete: bool = False

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.raw_headers if key == name.lower().encode()]

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    def get(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def whole(receive: Callable[[], Awaitable[Any]]) -> bytes | None:
    """The body that a server brings to its application; none if the client left before its end."""
    body: bytes = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        body += event["body"]
        if not event["more_body"]:
            return body


@dataclass
class Client:
    """Sends each body piece as its own event. `cut` leaves the body unfinished; `leave_after` hangs up on an answer."""

    app: App
    headers: dict[str, str] = field(default_factory=dict)

    async def __call__(  # noqa: PLR0913 each is one thing a client can do
        self,
        method: str,
        target: str,
        body: bytes | Sequence[bytes] = b"",
        *,
        headers: dict[str, str] | Sequence[tuple[str, str]] = (),
        cut: bool = False,
        stall: bool = False,
        length: int | None = None,
        chunked: bool = False,
        client: str = "192.0.2.1",
        leave_after: int | None = None,
    ) -> Answer:
        pieces = [body] if isinstance(body, bytes) else list(body)
        extra = list(headers.items()) if isinstance(headers, dict) else list(headers)
        pairs = [("host", "files.example"), *self.headers.items(), *extra]
        if chunked:
            pairs.append(("transfer-encoding", "chunked"))
        elif length is not None or any(pieces):
            pairs.append(("content-length", str(sum(map(len, pieces)) if length is None else length)))
        path, _, query = target.partition("?")
        raw = path.encode("utf-8", "surrogateescape")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote_to_bytes(raw).decode("utf-8", "replace"),
            "raw_path": raw,
            "query_string": query.encode("utf-8", "surrogateescape"),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("utf-8")) for name, value in pairs],
            "client": (client, 5000),
            "server": ("127.0.0.1", 8080),
        }
        return await _exchange(self.app, scope, pieces, cut=cut, stall=stall, leave_after=leave_after)


async def _exchange(
    app: App, scope: dict[str, Any], pieces: list[bytes], *, cut: bool, stall: bool, leave_after: int | None
) -> Answer:
    answer = Answer()
    gone = asyncio.Event()
    pending = list(pieces)

    async def receive() -> dict[str, Any]:
        if pending:
            piece = pending.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pending) or cut or stall}
        if not cut or stall:
            await gone.wait()
        return {"type": "http.disconnect"}

    async def send(event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            answer.status = event["status"]
            answer.raw_headers = list(event["headers"])
            return
        answer.body += event.get("body", b"")
        answer.pieces += 1
        if leave_after is not None and answer.pieces >= leave_after:
            gone.set()
        if not event.get("more_body", False):
            answer.complete = True

    try:
        await app(scope, receive, send)
    finally:
        gone.set()
    return answer
