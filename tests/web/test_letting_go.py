"""However an exchange ends, the server gets its ends back at once, not when the garbage collector comes by.

A server closes the connection of an upload that was refused half-way when nothing refers to its body any more.
"""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.app import Application, Options, build
from holdfast.web.wire import Event, Pace
from tests.web.toy import TOY, Store

HURRIED = Options(pace=Pace(window=0.05, floor=1024, drain_seconds=0.05, send_deadline=0.05))


class Ends:
    """The server's side of an exchange: the first pieces of a body, then silence or a hang-up."""

    def __init__(self, *, hangs_up: bool, takes: bool = True) -> None:
        self.pieces: list[Event] = [{"type": "http.request", "body": b"--B\r\n", "more_body": True}]
        self.hangs_up = hangs_up
        self.takes = takes
        self.status = 0

    async def receive(self) -> Event:
        if self.pieces:
            return self.pieces.pop()
        if not self.hangs_up:
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:
        self.status = event.get("status", self.status)
        if event.get("more_body") and not self.takes:
            await asyncio.sleep(60)


@pytest.fixture
def _uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_uncollected")
@pytest.mark.parametrize(
    ("method", "target", "hangs_up", "status"),
    [
        ("PUT", "/toy/files/slow", False, 408),
        ("PUT", "/toy/files/cut", True, 400),
        ("POST", "/toy/files", False, 415),
        ("POST", "/toy/json", True, 415),
        ("POST", "/nothing", False, 404),
        ("PUT", "/toy/files/x?%ff", False, 400),
        ("PUT", "/toy/explode", False, 405),
        ("GET", "/toy/explode", False, 500),
        ("GET", "/toy/files/large", False, 200),
        ("GET", "/toy/files/large", True, 200),
        ("GET", "/toy/open", True, 200),
    ],
)
async def test_nothing_keeps_the_servers_ends(
    store: Store, method: str, target: str, hangs_up: bool, status: int
) -> None:
    store.keep("large", bytes(5000))
    app = build(store, [TOY], HURRIED)  # type: ignore[arg-type]
    ends = Ends(hangs_up=hangs_up, takes=hangs_up)
    watched = weakref.ref(ends)
    task = asyncio.ensure_future(app(scope_of(app, method, target), ends.receive, ends.send))
    await asyncio.wait([task])
    assert ends.status == status
    del ends, task
    for _ in range(5):
        await asyncio.sleep(0)
    assert watched() is None


def scope_of(app: Application, method: str, target: str) -> dict[str, Any]:
    path, _, query = target.partition("?")
    headers = [(b"authorization", b"Bearer token-ada")]
    if method != "GET":
        headers.append((b"content-length", b"100000"))
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "client": ("192.0.2.1", 5000),
        "app": app,
    }
