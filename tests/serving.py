"""Holdfast as people start it: its commands, and real server processes on free ports, for tests that need them."""

import atexit
import functools
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.ports import free_port
from tests.prefork import Prefork

_SECONDS = 60
SOURCES = Path(__file__).parents[1] / "src"
PROGRAM = (sys.executable, "-c", "from holdfast.cli import main; main()")


@dataclass(frozen=True, slots=True)
class Served:
    """A server that is ready, with all its processes in one group. `process` is the one to signal."""

    base: str
    data: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def processes(self) -> list[psutil.Process]:
        """The one that was started and those that it has started."""
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    def token(self, *permissions: str, account: str = "acme", scopes: Sequence[str] = ()) -> str:
        allowed = [part for permission in permissions or ("*",) for part in ("--allow", permission)]
        narrowed = [part for scope in scopes for part in ("--scope", scope)]
        options = ("--data", self.data, "--account", account, "--name", "test")
        return run("token", "create", *options, *allowed, *narrowed).strip()

    def client(self, token: str | None = None) -> httpx.Client:
        """A client with this token, or one that may do everything in `acme`."""
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=_SECONDS, verify=untrusting())

    def stop(self) -> int:
        """Ask it to end, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_SECONDS)

    def kill(self) -> None:
        """End all its processes at once, with no chance to finish anything."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(_SECONDS)


def run(*arguments: str | Path) -> str:
    """What a holdfast command prints; it must succeed."""
    done = attempt(*arguments)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def attempt(
    *arguments: str | Path, stdin: str = "", within: Sequence[str] = (), settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A holdfast command, run to its end, whatever that is. `within` is a program that starts it."""
    if not within:
        return _loaded().run([*map(str, arguments)], stdin, _environment(settings or {}), _SECONDS)
    return subprocess.run(
        [*within, *PROGRAM, *map(str, arguments)],
        input=stdin,
        env=_environment(settings or {}),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


@functools.cache
def _loaded() -> Prefork:
    """Where the commands of this run come from, started at its first use and ended with the process."""
    made = Prefork(_environment({}))
    atexit.register(made.close)
    return made


@contextmanager
def started(
    command: Sequence[str],
    log: Path,
    settings: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A holdfast command that goes on by itself, in a process group of its own; ended with the block.

    `before` runs in the new process before it becomes the program.
    """
    with log.open("ab") as file:
        process = subprocess.Popen(
            [*PROGRAM, *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=_environment(settings or {}),
            start_new_session=True,
            preexec_fn=before,  # noqa: PLW1509  what it does is one system call or two
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def served(
    data: Path,
    *arguments: str,
    settings: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Iterator[Served]:
    """Serve the folder until the block ends; what the server says stands in `data/../server.log`."""
    port = free_port()
    log = data.parent / "server.log"
    command = ("serve", "--data", str(data), "--port", str(port), *arguments)
    with started(command, log, settings, before) as process:
        found = Served(f"http://127.0.0.1:{port}", data, process, log)
        _wait_until_ready(found)
        yield found


def untrusting() -> ssl.SSLContext:
    """What clients of plain HTTP are given, or each would load all certificates of the machine, which takes longer than
    what it asks for."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def is_ready(base: str) -> bool:
    """Whether a server answers there that it serves."""
    try:
        return httpx.get(f"{base}/health/ready", verify=untrusting()).status_code == 200
    except httpx.TransportError:
        return False


def _wait_until_ready(server: Served) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        if is_ready(server.base):
            return
        time.sleep(0.02)
    raise AssertionError(f"the server did not get ready: {server.log.read_text()}")


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    # The sources beside these tests, whichever Holdfast may be installed.
    return {**kept, "PYTHONPATH": str(SOURCES), "COLUMNS": "120", **settings}
