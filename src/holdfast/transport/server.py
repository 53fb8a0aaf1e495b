"""One process that serves: an application, a listening socket, and an orderly end."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from math import ceil
from typing import Final

from holdfast.transport.connection import STRETCH, App, Connection, Event, Patience, Scope

TICK: Final = 0.5
BACKLOG: Final = 16384
MERCY: Final = 5.0

_log = logging.getLogger("holdfast.transport")


class StartFailed(Exception):
    """The application could not start; it has said why."""


class Lifespan:
    """The application's start and end, as the ASGI lifespan protocol has them."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._asked: asyncio.Queue[Event] = asyncio.Queue()
        self._told: asyncio.Queue[Event] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Let the application start. Raises `StartFailed`."""
        self._task = asyncio.ensure_future(self._run())
        await self._ask("startup")

    async def stop(self) -> None:
        """Let the application end. What goes wrong there is its own affair, which it has told."""
        with suppress(StartFailed):
            await self._ask("shutdown")

    async def _run(self) -> None:
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        try:
            await self._app(scope, self._asked.get, self._told.put)
        except Exception as error:  # noqa: BLE001 whatever it is, the server has to know that it ended
            _log.exception("the application failed")
            await self._told.put({"type": "lifespan.failed", "message": str(error)})

    async def _ask(self, what: str) -> None:
        await self._asked.put({"type": f"lifespan.{what}"})
        answer = await self._told.get()
        if answer["type"] != f"lifespan.{what}.complete":
            raise StartFailed(str(answer.get("message", "")))


class Notice:
    """Whether a server has been told to stop: what its readiness depends on, and for how many `seconds` it goes on to
    take requests from then, so that proxies that ask can take it out."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.is_given = False


class Server:
    """Serves one application on one socket until it is told to stop."""

    def __init__(self, app: App, patience: Patience, drain: float, notice: Notice | None = None) -> None:
        """`drain`: how many seconds requests under way may take once the server takes no more of them."""
        self.app = app
        self.patience = patience
        self.loop = asyncio.get_running_loop()
        self._date = b""
        self._second = 0
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.leaving = False
        # Filled and sent without an await between, so one serves all connections and stays in the processor's cache.
        self.scratch = memoryview(bytearray(STRETCH))
        self._drain = drain
        self._notice = Notice() if notice is None else notice
        self._told = asyncio.Event()

    @property
    def date(self) -> bytes:
        """The line that dates an answer. Of this very second: nothing may be newer (RFC 9110 section 8.8.2.1)."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._date = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
        return self._date

    @property
    def longest_end(self) -> float:
        """How many seconds may lie between `stop` and the end."""
        return self._notice.seconds + self._drain

    def stop(self) -> None:
        """Take nothing new, finish what is under way."""
        self._told.set()

    async def serve(self, listening: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
        """Until `stop`. Raises `StartFailed`."""
        lifespan = Lifespan(self.app)
        await lifespan.start()
        tick = asyncio.ensure_future(self._tick())
        with listening.dup() as door:
            server = await self.loop.create_server(lambda: Connection(self), sock=listening, backlog=BACKLOG)
            ready()
            await self._told.wait()
            # From here on every answer says that its connection is the last to be used.
            self.leaving = self._notice.is_given = True
            await asyncio.sleep(self._notice.seconds)
            server.close()
            await self._shut(door)
        await self._leave()
        tick.cancel()
        await lifespan.stop()

    async def _tick(self) -> None:
        """End the connections whose time is over, now and then."""
        while True:
            now = self.loop.time()
            for connection in [each for each in self.connections if each.deadline < now]:
                connection.overdue()
            await asyncio.sleep(TICK)

    async def _shut(self, door: socket.socket) -> None:
        """Take in those who have knocked, and let nobody knock any more.

        Closing is not enough: other processes hold the same socket, at which clients would wait for nobody.
        """
        door.settimeout(0)
        knocked = []
        with suppress(OSError):
            while True:
                knocked.append(door.accept()[0])
        with suppress(OSError):
            door.shutdown(socket.SHUT_RDWR)
        for each in knocked:
            each.settimeout(0)
            await self.loop.connect_accepted_socket(lambda: Connection(self), each)

    async def _leave(self) -> None:
        for connection in list(self.connections):
            connection.leave()
        ends = self.loop.time() + self._drain
        while (self.connections or self.tasks) and self.loop.time() < ends:  # noqa: ASYNC110 once in a server's life
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
        for task in list(self.tasks):
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=1)


def run(
    load: Callable[[], App],
    listening: socket.socket,
    patience: Patience,
    drain: float,
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    notice: Notice | None = None,
) -> bool:
    """Serve in this process until SIGTERM or SIGINT; whether the application could start.

    An end that takes five seconds longer than it may ends the process by SIGALRM.
    """

    async def main() -> bool:
        server = Server(load(), patience, drain, notice)

        def stop() -> None:
            # Should something below Python hang, the system ends the process.
            signal.alarm(ceil(server.longest_end + MERCY))
            server.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            server.loop.add_signal_handler(number, stop)
        try:
            await server.serve(listening)
        except StartFailed:
            return False
        return True

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main())
