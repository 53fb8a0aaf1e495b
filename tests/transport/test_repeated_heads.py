"""Header lines that a client repeats are not parsed again, which nobody may notice."""

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.transport.connection import MAX_HEAD
from tests.transport.test_connection import Address, Receive, Send, answer, serving

CLOSED = (b"", b"")
PLAIN = b"Host: a\r\nAuthorization: Bearer x\r\nX-Two: 1\r\nX-Two:  2 \r\n"
LINES = [
    PLAIN,
    PLAIN + b"Connection: keep-alive\r\n",
    PLAIN + b"Connection: close\r\n",
    PLAIN + b"Content-Length: 0\r\n",
    PLAIN + b"Expect: 100-continue\r\n",
    PLAIN + b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
    b"Host: a\r\nHost: b\r\n",
    b"X-No: host\r\n",
    b"",
]
REQUEST_LINES = [
    b"GET / HTTP/1.1",
    b"GET /a/b%20c?d=%2F&e HTTP/1.1",
    b"HEAD /a HTTP/1.1",
    b"GET //a HTTP/1.1",
    b"GET /a#fragment HTTP/1.1",
    b"GET http://a.example/absolute HTTP/1.1",
    b"GET /\xc3\xa9 HTTP/1.1",
    b"GET /a b HTTP/1.1",
    b"GET /\x7f HTTP/1.1",
    b'GET /"<>\\^`{|} HTTP/1.1',
    b"GET  /a HTTP/1.1",
    b"GET /a HTTP/1.0",
    b"GET /a  HTTP/1.1",
    b"get /a HTTP/1.1",
    b"GET * HTTP/1.1",
    b"OPTIONS /a HTTP/1.1",
    b"DELETE /a HTTP/1.1",
    b"GET /a HTTP/1.1\r\nX: y",
    b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1",
    b"\r\nGET /a HTTP/1.1",
    b"",
]


async def told(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Says all that was understood of a request."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})
        return
    seen = {name: scope[name] for name in ("method", "path", "raw_path", "query_string", "http_version", "headers")}
    event = await receive()
    await answer(send, 200, msgspec.json.encode([seen, event["type"], event.get("more_body")]))


async def asked(address: Address, *requests: bytes) -> list[tuple[bytes, bytes]]:
    """The undated heads and the bodies of the answers; each request is sent when the one before is answered."""
    found = []
    reader, writer = await asyncio.open_connection(*address)
    try:
        async with asyncio.timeout(30):
            for request in requests:
                writer.write(request)
                found.append(await one(reader, bodiless=request.startswith(b"HEAD")))
    finally:
        writer.close()
    return found


async def one(reader: asyncio.StreamReader, *, bodiless: bool) -> tuple[bytes, bytes]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return CLOSED
    length = 0 if bodiless else int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    undated = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"date: "))
    return undated, await reader.readexactly(length)


@pytest.mark.parametrize("line", REQUEST_LINES, ids=lambda line: line[:24])
async def test_a_request_is_understood_alike_behind_others_with_the_same_lines(line: bytes) -> None:
    usual = b"GET /usual?x HTTP/1.1\r\n" + PLAIN + b"\r\n"
    request = line + b"\r\n" + PLAIN + b"\r\n"
    async with serving(told) as (_, address):
        (alone,) = await asked(address, request)
        behind = await asked(address, usual, usual, request, usual)
    assert behind[2] == alone
    assert behind[0] == behind[1]
    assert behind[3] in {behind[0], CLOSED}


@pytest.mark.parametrize("lines", LINES, ids=range(len(LINES)))
async def test_lines_that_mean_more_mean_it_each_time(lines: bytes) -> None:
    request = b"GET /a HTTP/1.1\r\n" + lines + b"\r\n"
    async with serving(told) as (_, address):
        (alone,) = await asked(address, request)
        usual = b"GET /usual HTTP/1.1\r\n" + PLAIN + b"\r\n"
        behind = await asked(address, usual, request, request)
    assert behind[1] == alone
    assert behind[2] in {alone, CLOSED}


async def test_what_follows_repeated_lines_is_the_next_request() -> None:
    request = b"GET /a HTTP/1.1\r\n" + PLAIN + b"\r\n"
    async with serving(told) as (_, address):
        found = await asked(address, request, request, request + request[:9], request[9:], request + b"\0\0", b"")
    assert [head[:12] for head, _ in found[:5]] == [b"HTTP/1.1 200"] * 5
    assert len({body for _, body in found[:5]}) == 1
    assert found[5] == CLOSED or found[5][0].startswith(b"HTTP/1.1 400")
