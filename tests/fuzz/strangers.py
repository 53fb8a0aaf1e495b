"""A whole HTTP connection fed with the bytes of a stranger, in any pieces, and a plain application above it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

from holdfast.transport.connection import App, Connection, Event, Patience, Scope
from tests.web.asgi import whole

TURNS = 40
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[^\x00\r\n]*")
_ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Za-z ]*\r\n((?:[!-9;-~]+: [^\r\n]*\r\n)*)\r\n")
_LENGTH = re.compile(rb"content-length: (\d+)\r\n")


class Wire:
    """In place of a TCP connection: keeps what is sent, and whether it has ended."""

    def __init__(self) -> None:
        self.sent = b""
        self.ended = False
        self.paused = False
        self.aborted = False

    def get_extra_info(self, _name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        assert not self.ended, "bytes after the end"
        self.sent += data

    def writelines(self, pieces: Sequence[bytes]) -> None:
        self.write(b"".join(pieces))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.ended = self.aborted = True

    def pause_reading(self) -> None:
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        assert self.paused
        self.paused = False


@dataclass
class House:
    """What a connection shares with others. `taken`: each request that came whole, with its body."""

    loop: asyncio.AbstractEventLoop
    app: App = field(init=False)
    patience: Patience = field(default_factory=Patience)
    date: bytes = b""
    connections: set[Connection] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    leaving: bool = False
    asked: list[Scope] = field(default_factory=list)
    taken: list[tuple[str, bytes, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app = self._answer

    def turn(self) -> None:
        """Let all that can go on go on."""
        for _ in range(TURNS):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
            if not self.tasks:
                break

    async def _answer(
        self, scope: Scope, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
    ) -> None:
        self.asked.append(scope)
        body = await whole(receive)
        if body is None:
            return
        self.taken.append((scope["method"], scope["raw_path"] + b"?" + scope["query_string"], body))
        head: list[tuple[bytes, bytes]] = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else b"ok"})


def conversation(data: bytes) -> None:
    """Bytes after the first, all at once and in pieces whose size the first decides: the same requests are taken."""
    size, data = (data[0] % 64 + 1, data[1:]) if data else (1, b"")
    whole, pieces = talked([data], hangs_up=True), talked(cut(data, size), hangs_up=True)
    assert whole == pieces, (whole, pieces)
    assert talked([data], hangs_up=False) == whole


def cut(data: bytes, size: int) -> list[bytes]:
    """In pieces of that size."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def talked(pieces: Sequence[bytes], *, hangs_up: bool) -> list[tuple[str, bytes, bytes]]:
    """What a connection that gets these pieces takes for whole requests, and then hangs up or falls silent."""
    with closing(asyncio.new_event_loop()) as loop:
        house, wire = House(loop), Wire()
        connection = Connection(cast(Any, house))
        connection.connection_made(cast(Any, wire))
        for piece in pieces:
            if wire.ended and wire.aborted:
                break
            connection.data_received(piece)
            if len(pieces) > 1:
                house.turn()
        if hangs_up:
            _hang_up(connection, house, wire)
        else:
            _fall_silent(connection, house, wire)
        assert wire.ended, "it goes on for ever"
        connection.connection_lost(None)
        house.turn()
        assert not house.tasks
        assert not house.connections
        _judge(house, wire, b"".join(pieces))
        return house.taken


def _hang_up(connection: Connection, house: House, wire: Wire) -> None:
    if wire.ended:
        return
    if not connection.eof_received():
        wire.close()
    house.turn()


def _fall_silent(connection: Connection, house: House, wire: Wire) -> None:
    """Time passes. A body that does not come is not the connection's affair but the application's."""
    house.turn()
    for _ in range(3):
        if connection.deadline < float("inf"):
            connection.overdue()
        house.turn()
    if house.tasks:
        wire.close()


def _judge(house: House, wire: Wire, data: bytes) -> None:
    """Only what reads as a request has reached the application, and only well-formed answers have left."""
    for scope in house.asked:
        method, target = scope["method"].encode(), scope["raw_path"]
        assert _TOKEN.fullmatch(method)
        assert method + b" " in data
        assert target in data or target == b"/"
        assert not re.search(rb"[\x00-\x20\x7f]", target + scope["query_string"])
        assert re.search(rb" HTTP/1\.[01][ \t]*\r?\n", data)
        names = [name.lower() for name, _ in scope["headers"]]
        assert all(_TOKEN.fullmatch(name) and _VALUE.fullmatch(value) for name, value in scope["headers"])
        assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
        assert names.count(b"host") == 1 or (scope["http_version"] == "1.0" and not names.count(b"host"))
    for method_name, _, body in house.taken:
        assert body in data or b"hunked" in data or b"HUNKED" in data, method_name
    _judge_answers(house, wire.sent)


def _judge_answers(house: House, sent: bytes) -> None:
    statuses: list[int] = []
    bodiless = [taken[0] == "HEAD" for taken in house.taken]
    while sent:
        answer = _ANSWER.match(sent)
        assert answer, sent[:200]
        status, length = int(answer[1]), _LENGTH.search(answer[2])
        without = status == 100 or (status == 200 and bodiless[statuses.count(200)])
        sent = sent[answer.end() + (0 if without or length is None else int(length[1])) :]
        statuses.append(status)
    assert statuses.count(200) == len(house.taken)
    assert set(statuses) <= {100, 200, 400, 408, 431, 501, 505}
    assert all(status < 300 for status in statuses[:-1])
