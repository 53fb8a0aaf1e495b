"""Clients that nobody wants: they stall in the middle of an upload, read a kilobyte a second, or hang up anywhere.

Each comes from an address of its own among those of the loopback, as a crowd on the net would, so that what one address
may do at once does not decide.
"""

import asyncio
import math
import random
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

PER_ADDRESS = 40
_RESET = struct.pack("ii", 1, 0)


@contextmanager
def many_descriptors(wanted: int) -> Iterator[None]:
    """Room for that many sockets in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= wanted, f"this test opens {wanted} sockets; raise `ulimit -n`"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def address_of(number: int) -> str:
    """The address that the client of that number comes from."""
    block = number // PER_ADDRESS
    return f"127.1.{block // 250}.{block % 250 + 1}"


def head(method: str, path: str, token: str, *fields: str) -> bytes:
    """A request up to its body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: files.example", f"Authorization: Bearer {token}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


class Crowd:
    """Connections that are held open; `closed` counts those that the server has given up, the first of them at
    `first_closed` in seconds of the monotonic clock."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._server = (str(parts.hostname), int(parts.port or 80))
        self._tasks: list[asyncio.Task[None]] = []
        self.closed = 0
        self.first_closed = math.inf
        self.answers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    async def stall(self, count: int, request: bytes) -> None:
        """Open that many that send this much and then nothing more."""
        await self._open(count, lambda connection: self._stalled(connection, request))

    async def trickle(self, count: int, request: bytes, bytes_a_second: int = 1024) -> None:
        """Open that many that ask and then read slowly, or not at all."""
        await self._open(count, lambda connection: self._reading(connection, request, bytes_a_second))

    async def _open(self, count: int, behave: Callable[[socket.socket], "asyncio.Future[None]"]) -> None:
        for _ in range(count):
            connection = socket.socket()
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.bind((address_of(len(self._tasks)), 0))
            await asyncio.get_running_loop().sock_connect(connection, self._server)
            self._tasks.append(asyncio.ensure_future(self._held(connection, behave)))

    async def _held(self, connection: socket.socket, behave: Callable[[socket.socket], "asyncio.Future[None]"]) -> None:
        with connection:
            try:
                await behave(connection)
            except OSError:
                pass
            self.closed += 1
            self.first_closed = min(self.first_closed, time.monotonic())

    def _stalled(self, connection: socket.socket, request: bytes) -> "asyncio.Future[None]":
        async def behave() -> None:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(connection, request)
            answer = b""
            while piece := await loop.sock_recv(connection, 4096):
                answer += piece
            status = answer[9:12].decode() or "none"
            self.answers[status] = self.answers.get(status, 0) + 1

        return asyncio.ensure_future(behave())

    def _reading(self, connection: socket.socket, request: bytes, pace: int) -> "asyncio.Future[None]":
        phase = len(self._tasks) % 100 / 100

        async def behave() -> None:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(connection, request)
            # Strangers do not read in step.
            await asyncio.sleep(phase)
            while not pace or await loop.sock_recv(connection, pace):  # noqa: ASYNC110 -- a slow reader is slow on purpose
                await asyncio.sleep(1)

        return asyncio.ensure_future(behave())

    async def given_up(self, seconds: float) -> int:
        """Wait until the server has closed all of them, at most so long; how many it has closed."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        return self.closed

    async def leave(self) -> None:
        """Hang up, all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def abort(base: str, requests: Sequence[bytes], count: int, seed: int, at_once: int = 16) -> int:
    """Send that many requests, each cut at a random byte, half of them by a reset; how many were cut in the body."""
    chance = random.Random(seed)
    parts = urlsplit(base)
    server = (str(parts.hostname), int(parts.port or 80))
    gate = asyncio.Semaphore(at_once)
    in_body = 0

    async def one(request: bytes, length: int, *, reset: bool, pause: float) -> None:
        loop = asyncio.get_running_loop()
        async with gate:
            with socket.socket() as connection:
                connection.setblocking(False)
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                await loop.sock_connect(connection, server)
                try:
                    await loop.sock_sendall(connection, request[:length])
                except OSError:
                    return
                await asyncio.sleep(pause)

    tasks = []
    for _ in range(count):
        request = chance.choice(requests)
        length = chance.randrange(1, len(request))
        in_body += length > request.index(b"\r\n\r\n") + 4
        pause = chance.choice((0.0, 0.0, 0.005))
        tasks.append(asyncio.ensure_future(one(request, length, reset=chance.random() < 0.5, pause=pause)))
    await asyncio.gather(*tasks)
    return in_body
