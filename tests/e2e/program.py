"""Holdfast as the program that people start: the command line, and servers on free ports."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

PROJECT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "holdfast")
PATIENCE = 60


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process' environment without settings of Holdfast's, and with the sources under test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return {**kept, "PYTHONPATH": f"{PROJECT / 'src'}", "COLUMNS": "120", **(more or {})}


def run(
    *arguments: str | Path, stdin: str = "", folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        command,
        input=stdin,
        cwd=folder,
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def output(*arguments: str | Path, stdin: str = "") -> str:
    """What a command prints when it succeeds."""
    ended = run(*arguments, stdin=stdin)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout


def refusal(*arguments: str | Path, stdin: str = "", environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and the one line with which a command refuses; nothing on standard output, no traceback."""
    ended = run(*arguments, stdin=stdin, environ=environ)
    lines = ended.stderr.strip().splitlines()
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert lines, "it did not say why"
    assert len(lines) == 1 or lines[0].startswith("Usage: "), ended.stderr
    return ended.returncode, lines[-1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Served:
    """A server of its own, with all its processes in one group."""

    process: subprocess.Popen[bytes]
    port: int
    data: Path
    log: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def processes(self) -> list[psutil.Process]:
        """The one that was started and those that it has started."""
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    def token(self, *permissions: str, account: str = "acme", scopes: Sequence[str] = ()) -> str:
        allowed = [word for name in permissions or ("*",) for word in ("--allow", name)]
        narrowed = [word for scope in scopes for word in ("--scope", scope)]
        options = ("--data", self.data, "--account", account, "--name", "test")
        return output("token", "create", *options, *allowed, *narrowed).strip()

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=PATIENCE)

    def stop(self) -> int:
        """Ask it to end and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End all its processes as a power cut would: at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def wait_until_ready(self) -> None:
        for _ in range(600):
            if self.process.poll() is not None:
                break
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.base}/health/ready").status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text(errors="replace"))


@contextlib.contextmanager
def serving(
    data: Path, *arguments: str, environ: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
) -> Iterator[Served]:
    """A server over the data folder, ready; killed at the end if it still runs."""
    port = free_port()
    log = data.with_name(f"{data.name}.{port}.log")
    command = [*prefix, *COMMAND, "serve", "--data", str(data), "--port", str(port), *arguments]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=data.parent,
            env=environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    served = Served(process, port, data, log)
    try:
        served.wait_until_ready()
        yield served
    finally:
        served.kill()
