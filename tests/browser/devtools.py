"""A headless Chromium, driven through its own protocol over a pipe: nothing between the test and the browser."""

import asyncio
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

Params = dict[str, Any]
Listener = Callable[[str, Params, str], None]

_PATIENCE = 60.0
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-features=Translate,MediaRouter,OptimizationHints",
    "--mute-audio",
    "about:blank",
)


class Broken(Exception):
    """The browser refused a command."""


class Chromium:
    """One browser. `listener` gets every event: method, parameters, session."""

    def __init__(self, process: asyncio.subprocess.Process, commands: int, events: asyncio.StreamReader) -> None:
        self._process = process
        self._commands = commands
        self._events = events
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Params]] = {}
        self._background: set[asyncio.Task[Params]] = set()
        self.listener: Listener = lambda _method, _params, _session: None

    async def call(self, method: str, session: str = "", **params: Any) -> Params:
        """Give a command and wait for its result. Raises `Broken`."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        return await asyncio.wait_for(answer, _PATIENCE)

    def tell(self, method: str, session: str = "", **params: Any) -> None:
        """Give a command whose result nobody needs; the target may be gone already."""
        task = asyncio.ensure_future(self.call(method, session, **params))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def read(self) -> None:
        """Hand out what the browser says, until it ends."""
        while True:
            try:
                text = await self._events.readuntil(b"\0")
            except asyncio.IncompleteReadError:
                break
            message = json.loads(text[:-1])
            if "id" not in message:
                self.listener(message["method"], message.get("params", {}), message.get("sessionId", ""))
                continue
            answer = self._answers.pop(message["id"])
            if not answer.done():
                if "error" in message:
                    answer.set_exception(Broken(message["error"]["message"]))
                else:
                    answer.set_result(message["result"])
        for answer in self._answers.values():
            answer.cancel()

    async def end(self) -> None:
        """Close it."""
        self.tell("Browser.close")
        try:
            await asyncio.wait_for(self._process.wait(), _PATIENCE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Chromium]:
    """A browser with a new profile in the folder, for the length of the block."""
    program = shutil.which("chromium")
    assert program is not None, "tests/parts/chromium.sh brings Chromium"
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    events = asyncio.StreamReader(limit=1 << 26)
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(ours_in, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(events), pipe)
    with (folder / "chromium.log").open("ab") as log:
        # The protocol is spoken on descriptors 3 and 4.
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "chromium",
            program, f"--user-data-dir={folder / 'profile'}", *_SWITCHES,
            pass_fds=(theirs_in, theirs_out), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
    os.close(theirs_in)
    os.close(theirs_out)
    browser = Chromium(process, ours_out, events)
    reading = asyncio.ensure_future(browser.read())
    try:
        yield browser
    finally:
        await browser.end()
        await reading
        transport.close()
        os.close(ours_out)
