"""HTTP/1.1 as strangers speak it: in any pieces, in a row, cut off, too much, and not at all."""

import asyncio
import contextlib
import gc
import itertools
import os
import random
import socket
import tempfile
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, BinaryIO, cast

import pytest
import uvloop

from holdfast.transport.connection import MAX_HEAD, MAX_HEADERS, MAX_WAITING, Connection, Event, Patience, Scope
from holdfast.transport.server import Server
from tests.web.asgi import whole

Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Address = tuple[str, int]
Runner = Callable[[Coroutine[Any, Any, None]], None]

LARGE = 8 << 20
CONTENT = random.Random(4).randbytes(LARGE)
HOST = b"Host: a\r\n"
PATIENT = Patience()


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what was asked, and gives the body back."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})
        return
    await PAGES.get(scope["path"], said)(scope, receive, send)


async def said(scope: Scope, receive: Receive, send: Send) -> None:
    body = await whole(receive)
    if body is None:
        return
    line = b"%b %b?%b " % (scope["method"].encode(), scope["raw_path"], scope["query_string"])
    await answer(send, 200, line + body)


async def answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def unmeasured(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (b"one", b"", b"two"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def unread(_scope: Scope, _receive: Receive, send: Send) -> None:
    await answer(send, 403, b"no")


async def unfinished(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})


async def short(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
    with pytest.raises(RuntimeError, match="another length"):
        await send({"type": "http.response.body", "body": b"short"})


async def large(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % LARGE)]})
    for left in range(LARGE, 0, -65536):
        await send({"type": "http.response.body", "body": bytes(65536), "more_body": left > 65536})


async def files(_scope: Scope, _receive: Receive, send: Send) -> None:
    """A file in parts of any length, some of which the application has read itself."""
    chance = random.Random(3)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % LARGE)]})
    with written(CONTENT) as file:
        for start, end in itertools.pairwise([0, *sorted(chance.sample(range(1, LARGE), 40)), LARGE]):
            if chance.random() < 0.4:
                body = CONTENT[start:end]
                await send({"type": "http.response.body", "body": body, "more_body": end < LARGE})
            else:
                place = {"file": file, "offset": start, "count": end - start}
                await send({"type": "http.response.zerocopysend", **place, "more_body": end < LARGE})


async def lost_file(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1001")]})
    with written(bytes(1000)) as file, pytest.raises(RuntimeError, match="shorter"):
        await send({"type": "http.response.zerocopysend", "file": file, "offset": 0, "count": 1001})


@contextlib.contextmanager
def written(content: bytes) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        yield cast(BinaryIO, file)


PAGES: dict[str, Callable[[Scope, Receive, Send], Awaitable[None]]] = {
    "/unmeasured": unmeasured,
    "/unread": unread,
    "/unfinished": unfinished,
    "/short": short,
    "/large": large,
    "/files": files,
    "/lost": lost_file,
}


@contextlib.asynccontextmanager
async def serving(app: Any = echo, patience: Patience = PATIENT) -> AsyncIterator[tuple[Server, Address]]:
    server = Server(app, patience, 5.0)
    ready = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        address: Address = listening.getsockname()
        task = asyncio.ensure_future(server.serve(listening, ready.set))
        await ready.wait()
        try:
            yield server, address
        finally:
            server.stop()
            await task


async def talk(address: Address, *pieces: bytes, then_close: bool = False) -> bytes:
    """All that comes back until the server ends the connection."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if then_close:
            writer.write_eof()
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def emptied(server: Server) -> None:
    """Nothing is left of any connection."""
    async with asyncio.timeout(30):
        while server.connections or server.tasks:  # noqa: ASYNC110 seen from outside
            await asyncio.sleep(0.01)


def bodies(answers: bytes) -> list[bytes]:
    """The bodies of answers of announced length, one after the other."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found.append(rest[:length])
        answers = rest[length:]
    return found


# ---------------------------------------------------------------- requests in a row, in any pieces

CHUNKS = b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nT: r\r\n\r\n"
SCRIPT = (
    b"GET /a?b=c HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST /sized HTTP/1.1\r\n" + HOST + b"Content-Length: 11\r\n\r\nhello\r\nGET ",
    b"PUT /chunked HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    b"POST /empty HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
    b"DELETE http://a.example/absolute?q#f HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET //double//%2F HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
)
ANSWERS = [
    b"GET /a?b=c ",
    b"POST /sized? hello\r\nGET ",
    b"PUT /chunked? abcdefg",
    b"POST /empty? ",
    b"DELETE /absolute?q ",
    b"GET //double//%2F? ",
]


def test_the_answers_are_the_same_however_the_requests_come_in_pieces() -> None:
    """What follows a body while its request is being answered was once taken out of turn, on the loop of servers."""
    script, chance = b"".join(SCRIPT), random.Random(1)

    async def explore() -> None:
        for _ in range(300):
            cuts = sorted(chance.sample(range(1, len(script)), chance.randrange(14)))
            assert await asked([script[a:b] for a, b in itertools.pairwise([0, *cuts, len(script)])]) == ANSWERS, cuts
        assert await asked([script[at : at + 1] for at in range(len(script))]) == ANSWERS

    uvloop.run(explore())
    asyncio.run(explore())


async def asked(pieces: list[bytes]) -> list[bytes]:
    async with serving() as (_, address):
        reader, writer = await asyncio.open_connection(*address)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        found = bodies(await reader.read())
        writer.close()
        return found


@pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
async def test_a_body_of_any_size_arrives_and_the_next_request_behind_it(size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    request = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    async with serving() as (_, address):
        found = bodies(await talk(address, request, request + SCRIPT[-1]))
    assert found == [b"POST /? " + body] * 2 + ANSWERS[-1:]


async def test_a_body_in_the_smallest_chunks_costs_little_memory() -> None:
    """Each of them is an object of its own on its way, many times as large as its one byte."""
    most = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal most
        if scope["type"] == "lifespan":
            return await echo(scope, receive, send)
        await asyncio.sleep(0.2)
        most = max(len(each._receiving._chunks) for each in server.connections if each._receiving is not None)
        return await said(scope, receive, send)

    count = 100_000
    async with serving(app) as (server, address):
        head = b"POST / HTTP/1.1\r\n" + HOST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        found = await talk(address, head + b"2\r\nab\r\n" * count + b"0\r\n\r\n")
    assert bodies(found) == [b"POST /? " + b"ab" * count]
    assert 0 < most < count / 5


# ---------------------------------------------------------------- what is no request

HEAD = b"GET / HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (HEAD + HOST + b"\r\n", 400),
        (HEAD + b"A b: c\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (HEAD + b"X: " + b"y" * MAX_HEAD + b"\r\n\r\n", 431),
        (HEAD + b"X: " + b"y" * MAX_HEAD * 8, 431),
        (HEAD + b"X: y\r\n" * (MAX_HEADERS + 1) + b"\r\n", 431),
        (b"GET /" + b"y" * MAX_HEAD + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
    ],
)
async def test_what_is_no_request_is_refused_and_ends_the_connection(request_: bytes, status: int) -> None:
    async with serving() as (server, address):
        found = await talk(address, request_)
        assert found.startswith(b"HTTP/1.1 %d " % status)
        assert b"connection: close" in found
        assert await talk(address, SCRIPT[0] + request_) != b""
        await emptied(server)


async def test_a_broken_chunk_is_a_body_that_was_cut() -> None:
    ends: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await echo(scope, receive, send)
        while (event := await receive())["type"] == "http.request":
            pass
        ends.append(event["type"])
        return await answer(send, 400, b"cut")

    async with serving(app) as (_, address):
        begin = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        found = await talk(address, begin, b"nonsense\r\n")
    assert ends == ["http.disconnect"]
    assert bodies(found) == [b"cut"]


@pytest.mark.parametrize("to", [b"websocket", b"h2c"])
async def test_an_upgrade_is_answered_in_http_1_and_is_the_last(to: bytes) -> None:
    async with serving() as (_, address):
        found = await talk(address, HEAD + b"Connection: Upgrade\r\nUpgrade: " + to + b"\r\n\r\nwhatever")
    assert bodies(found) == [b"GET /? "]


# ---------------------------------------------------------------- answers


async def test_an_answer_of_unknown_length_comes_in_chunks() -> None:
    ask = b"GET /unmeasured HTTP/1.%d\r\n" + HOST + b"Connection: close\r\n\r\n"
    async with serving() as (_, address):
        head, _, body = (await talk(address, ask % 1)).partition(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        head, _, body = (await talk(address, ask % 0)).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head
        assert body == b"onetwo"


async def test_every_answer_has_a_date_and_http_1_0_is_closed() -> None:
    async with serving() as (_, address):
        found = await talk(address, b"GET / HTTP/1.0\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert b"connection: close" in found


@pytest.mark.parametrize("path", [b"/unfinished", b"/short"])
async def test_an_answer_that_is_not_finished_is_never_taken_for_whole(path: bytes) -> None:
    async with serving() as (_, address):
        found = await talk(address, b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert len(found.partition(b"\r\n\r\n")[2]) < 10


async def test_a_refused_body_is_dropped_and_the_answer_arrives() -> None:
    async with serving() as (_, address):
        request = b"POST /unread HTTP/1.1\r\n" + HOST + b"Content-Length: 2000000\r\n\r\n"
        found = await talk(address, request, bytes(500_000), then_close=True)
    assert bodies(found) == [b"no"]
    assert b"connection: close" in found


async def test_100_continue_is_said_when_the_body_is_wanted_and_only_then() -> None:
    expecting = b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    async with serving() as (_, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST /a HTTP/1.1\r\n" + HOST + expecting)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await reader.readuntil(b"abc")).startswith(b"HTTP/1.1 200 ")
        writer.close()
        assert (await talk(address, b"POST /unread HTTP/1.1\r\n" + HOST + expecting)).startswith(b"HTTP/1.1 403 ")


async def test_a_client_that_closes_its_half_still_gets_its_answer() -> None:
    async with serving() as (_, address):
        assert bodies(await talk(address, SCRIPT[0], then_close=True)) == ANSWERS[:1]


async def test_a_client_that_closes_its_half_gets_the_answers_to_all_that_it_asked_in_a_row() -> None:
    async with serving() as (_, address):
        assert bodies(await talk(address, b"".join(SCRIPT), then_close=True)) == ANSWERS
        cut = b"".join([*SCRIPT[:-1], b"PUT /half HTTP/1.1\r\n", HOST, b"Content-Length: 9\r\n\r\nhal"])
        assert bodies(await talk(address, cut, then_close=True)) == ANSWERS[:-1]


async def test_what_is_no_request_ends_the_connection_after_all_that_came_before_it() -> None:
    async with serving() as (_, address):
        assert bodies(await talk(address, b"".join(SCRIPT[:-1]) + b"\0\0")) == ANSWERS[:-1]


# ---------------------------------------------------------------- pressure and patience


async def test_no_more_of_a_body_is_held_than_was_agreed() -> None:
    held: list[int] = []
    go_on = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await echo(scope, receive, send)
        await go_on.wait()
        return await said(scope, receive, send)

    async with serving(app) as (server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % LARGE + bytes(LARGE))
        for _ in range(50):
            await asyncio.sleep(0.01)
            held += [each._receiving.waiting for each in server.connections if each._receiving is not None]
        go_on.set()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert len(await reader.readexactly(LARGE + 8)) == LARGE + 8
        writer.close()
    assert 0 < max(held) <= MAX_WAITING + (256 << 10)


async def test_a_slow_reader_holds_up_the_writer() -> None:
    async with serving() as (server, address):
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            slow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, address)
            await loop.sock_sendall(slow, b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n")
            for _ in range(500):
                await asyncio.sleep(0.01)
                if any(each.full is not None for each in server.connections):
                    break
            assert [each.full is not None for each in server.connections] == [True]
            received = 0
            while received < LARGE:
                received += len(await loop.sock_recv(slow, 1 << 20))
        assert received >= LARGE


HURRIED = Patience(head=0.05, idle=0.05, linger=0.05)


@pytest.mark.parametrize(
    ("sent", "status"), [(b"", b""), (b"GET / HT", b"HTTP/1.1 408 "), (SCRIPT[0], b"HTTP/1.1 200 ")]
)
async def test_a_silent_client_is_let_go(sent: bytes, status: bytes) -> None:
    async with serving(patience=HURRIED) as (_, address):
        assert (await talk(address, sent)).startswith(status)


async def test_a_client_that_goes_on_sending_what_was_refused_is_let_go() -> None:
    async with serving(patience=HURRIED) as (server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST /unread HTTP/1.1\r\n" + HOST + b"Content-Length: 90000000\r\n\r\n")
        assert (await reader.readuntil(b"no")).startswith(b"HTTP/1.1 403 ")
        for _ in range(2000):
            if writer.is_closing() or not server.connections:
                break
            writer.write(b"x")
            await asyncio.sleep(0.01)
        await emptied(server)
        writer.close()


# ---------------------------------------------------------------- the end


async def test_the_server_finishes_what_is_under_way_and_takes_nothing_new() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await echo(scope, receive, send)
        begun.set()
        await go_on.wait()
        return await said(scope, receive, send)

    async with serving(app) as (server, address):
        idle = await asyncio.open_connection(*address)
        busy = asyncio.ensure_future(talk(address, SCRIPT[0] + SCRIPT[0]))
        await begun.wait()
        server.stop()
        assert await idle[0].read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        go_on.set()
        found = await busy
        idle[1].close()
    assert bodies(found) == ANSWERS[:1]
    assert b"connection: close" in found


async def test_nothing_is_kept_of_a_connection_that_is_gone() -> None:
    async with serving() as (server, address):
        for _ in range(20):
            await talk(address, SCRIPT[-1])
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n")
            await reader.readexactly(1000)
            writer.transport.abort()
        await emptied(server)


async def test_a_connection_that_is_gone_waits_for_no_collector() -> None:
    """Thousands may come and go before it comes by."""
    seen: list[weakref.ref[Connection]] = []
    gc.collect()
    gc.disable()
    try:
        async with serving() as (server, address):
            for sent in (SCRIPT[-1], b"nonsense\r\n\r\n", b"", SCRIPT[0] * 3, SCRIPT[1][:-3]):
                _, writer = await asyncio.open_connection(*address)
                while not server.connections:  # noqa: ASYNC110 seen from outside
                    await asyncio.sleep(0.01)
                writer.write(sent)
                seen += [weakref.ref(each) for each in server.connections]
                await asyncio.sleep(0.05)
                writer.close()
                await emptied(server)
                await asyncio.sleep(0.01)
        assert [each() for each in seen] == [None] * len(seen)
    finally:
        gc.enable()


def test_the_largest_number_of_headers_is_taken() -> None:
    async def asked() -> bytes:
        async with serving() as (_, address):
            return await talk(address, HEAD + b"X: y\r\n" * (MAX_HEADERS - 2) + b"Connection: close\r\n\r\n")

    assert bodies(uvloop.run(asked())) == [b"GET /? "]


# ---------------------------------------------------------------- files that the system sends


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_parts_of_files_and_bytes_arrive_in_their_order_however_slowly_they_are_read(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = b"GET /files HTTP/1.1\r\n" + HOST + b"\r\n"
    script = request + request + SCRIPT[-1]
    write, ahead = os.write, []

    async def explore() -> None:
        async with serving() as (server, address):

            def watched(socket: int, data: memoryview) -> int:
                """What still waited in the transport would come behind what it knows nothing of."""
                ahead.append(max(each._transport.get_write_buffer_size() for each in server.connections))
                return write(socket, data)

            monkeypatch.setattr(os, "write", watched)
            assert bodies(await talk(address, script)) == [CONTENT, CONTENT, *ANSWERS[-1:]]
            assert bodies(await sipped(address, script)) == [CONTENT, CONTENT, *ANSWERS[-1:]]
            await emptied(server)

    run(explore())
    assert set(ahead) == {0}


async def sipped(address: Address, script: bytes) -> bytes:
    """As `talk`, read a little at a time into little room."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, address)
        await loop.sock_sendall(client, script)
        pieces = []
        async with asyncio.timeout(60):
            while piece := await loop.sock_recv(client, 30_000):
                pieces.append(piece)
        return b"".join(pieces)


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_a_client_that_leaves_a_file_in_the_middle_leaves_nothing_behind(run: Runner) -> None:
    async def explore() -> None:
        async with serving() as (server, address):
            for _ in range(5):
                reader, writer = await asyncio.open_connection(*address)
                writer.write(b"GET /files HTTP/1.1\r\n" + HOST + b"\r\n")
                await reader.readexactly(100_000)
                writer.transport.abort()
            await emptied(server)

    run(explore())


async def test_a_file_that_has_become_shorter_is_never_taken_for_whole() -> None:
    async with serving() as (server, address):
        head, _, body = (await talk(address, b"GET /lost HTTP/1.1\r\n" + HOST + b"\r\n")).partition(b"\r\n\r\n")
        assert b"content-length: 1001" in head or not head
        assert len(body) < 1001
        await emptied(server)
