"""A way to a database on which the connection breaks at a chosen word, before or after it has passed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal


class Cutter:
    """Passes bytes both ways; a client that sends `word` while `cuts` is above zero loses its connection there."""

    def __init__(self, target: tuple[str, int], word: bytes) -> None:
        self.cuts = 0
        self.when: Literal["before", "after"] = "after"
        self.refuses = False
        self.made = 0
        self.has_cut = asyncio.Event()
        self._target = target
        self._word = word
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens on the loopback interface."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        """Let go of everything."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        mine = asyncio.current_task()
        assert mine is not None
        self._serving.add(mine)
        mine.add_done_callback(self._serving.discard)
        upstream, downstream = await asyncio.open_connection(*self._target)
        tasks = [
            asyncio.ensure_future(self._up(reader, downstream, writer)),
            asyncio.ensure_future(self._down(upstream, writer)),
        ]
        self._tasks.update(tasks)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            writer.transport.abort()
            downstream.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.difference_update(tasks)

    async def _up(
        self, reader: asyncio.StreamReader, downstream: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            cut = self.cuts > 0 and self._word in data
            if cut:
                self.cuts -= 1
                self.made += 1
                self.has_cut.set()
                # The client hears nothing more: the answer to what has passed stays here.
                client.transport.abort()
            if not cut or self.when == "after":
                downstream.write(data)
                await downstream.drain()
            if cut:
                # Time for the server to carry out what has passed.
                await asyncio.sleep(0.1)
                return

    async def _down(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await upstream.read(65536):
            if not writer.transport.is_closing():
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def cutter(host: str, port: int, word: bytes) -> AsyncIterator[Cutter]:
    """A cutter in front of a server."""
    made = Cutter((host, port), word)
    await made.open()
    try:
        yield made
    finally:
        await made.close()
