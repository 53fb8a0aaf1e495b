"""A real server process on a free port, for tests that need sockets."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_START_SECONDS = 60
_STOP_SECONDS = 60
_COMMAND = (sys.executable, "-c", "from holdfast.cli import main; main()")


@dataclass(frozen=True, slots=True)
class Served:
    """A server that is ready. `process` is the one to signal."""

    base: str
    data: Path
    process: subprocess.Popen[bytes]

    def token(self, *permissions: str, account: str = "acme") -> str:
        allowed = [part for permission in permissions or ("*",) for part in ("--allow", permission)]
        return run(
            "token", "create", "--data", str(self.data), "--account", account, "--name", "test", *allowed
        ).strip()


def run(*arguments: str) -> str:
    """What a holdfast command prints; it must succeed."""
    done = subprocess.run([*_COMMAND, *arguments], capture_output=True, check=False, env=_environment({}))
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def served(data: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Serve the folder until the block ends; what the server logs stands in `data/../server.log`."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with (data.parent / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [*_COMMAND, "serve", "--data", str(data), "--port", str(port), *arguments],
            stdout=log,
            stderr=log,
            env=_environment(settings or {}),
        )
    try:
        _wait_until_ready(base, process, data.parent / "server.log")
        yield Served(base, data, process)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _wait_until_ready(base: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{base}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError(f"the server did not get ready: {log.read_text()}")


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return {**kept, **settings}
