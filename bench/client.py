"""The measuring client: bare HTTP/1.1, so that its own work per request is small and the same for every peer."""

import asyncio
import hashlib
import http.client
import importlib
import json
import random
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
SMALL = 50 * 1024
FILL = random.Random(7).randbytes(SMALL)
BOUNDARY = "bench-boundary-7d93b1"
MOST_ERRORS = 50
NO_HEADERS: Mapping[str, str] = {}


class PeerError(RuntimeError):
    """A server under measurement did not do what was asked: no figure of that round may be used."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Upload:
    """How a peer takes one file: the request line and headers, and the bytes around the file's own."""

    method: str
    path: str
    headers: Mapping[str, str]
    before: bytes = b""
    after: bytes = b""


def multipart(path: str, name: str, media_type: str, fields: Sequence[tuple[str, str]] = ()) -> Upload:
    text = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields
    )
    text += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    text += f"Content-Type: {media_type}\r\n\r\n"
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return Upload("POST", path, headers, text.encode(), f"\r\n--{BOUNDARY}--\r\n".encode())


def head(method: str, path: str, headers: Mapping[str, str], length: int | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", *(f"{key}: {value}" for key, value in headers.items())]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def payload(number: int, salt: str) -> bytes:
    """50 KiB that differ for each number and salt, so that no peer can store one for another."""
    return f"{salt}-{number:08}".encode().ljust(32, b".") + FILL[32:]


def percentile(seconds: Sequence[float], percent: int) -> float:
    """In milliseconds."""
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1e3, 2) if ordered else 0.0


def call(
    port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = NO_HEADERS
) -> Reply:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def call_json(port: int, method: str, path: str, value: object, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    return call(port, method, path, json.dumps(value).encode(), {**headers, "Content-Type": "application/json"})


class Connection:
    """A kept-alive connection; a request that found it closed by the server is sent once more on a new one."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def request(self, head_bytes: bytes, *chunks: bytes, again: bool = True) -> Reply:
        fresh = self.writer is None
        try:
            return await self._exchange(head_bytes, chunks)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.close()
            if fresh or not again or _began_to_answer(error):
                raise ConnectionError(repr(error)) from error
        return await self._exchange(head_bytes, chunks)

    async def _exchange(self, head_bytes: bytes, chunks: Sequence[bytes]) -> Reply:
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(HOST, self.port, limit=1 << 20)
        self.writer.write(head_bytes)
        for chunk in chunks:
            self.writer.write(chunk)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {}
        for line in lines[1:]:
            key, colon, value = line.partition(":")
            if colon:
                headers[key.lower()] = value.strip()
        body = await self._body(self.reader, status, headers)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Reply(status, headers, body)

    async def _body(self, reader: asyncio.StreamReader, status: int, headers: dict[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if "content-length" in headers:
            return await reader.readexactly(int(headers["content-length"]))
        if "chunked" not in headers.get("transfer-encoding", ""):
            headers["connection"] = "close"
            return await reader.read()
        parts: list[bytes] = []
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            part = await reader.readexactly(size + 2)
            if size == 0:
                return b"".join(parts)
            parts.append(part[:-2])

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


def _began_to_answer(error: Exception) -> bool:
    return isinstance(error, asyncio.IncompleteReadError) and bool(error.partial)


@dataclass
class UploadRun:
    """What came of many uploads: ids by number, latencies in seconds, and what went wrong."""

    ids: dict[int, str] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class UploadPlan:
    port: int
    headers: Mapping[str, str]
    describe: Callable[[str, int], Upload]
    accepted: Callable[[str, Reply], str | None]
    count: int
    at_once: int
    salt: str
    # Called after each acknowledged upload with their number so far; True ends the run (the server was killed).
    acknowledged: Callable[[int], bool] | None = None


def upload_many(plan: UploadPlan) -> UploadRun:
    """`count` uploads of 50 KiB, `at_once` at a time, each connection kept alive."""
    run, numbers = UploadRun(), iter(range(plan.count))

    async def all_workers() -> None:
        await asyncio.gather(*(_upload_worker(plan, run, numbers) for _ in range(plan.at_once)))

    run_loop(all_workers)
    return run


async def _upload_worker(plan: UploadPlan, run: UploadRun, numbers: Iterator[int]) -> None:
    connection = Connection(plan.port)
    for number in numbers:
        name, body = f"{plan.salt}-{number:06}.bin", payload(number, plan.salt)
        form = plan.describe(name, len(body))
        length = len(form.before) + len(body) + len(form.after)
        start = head(form.method, form.path, {**plan.headers, **form.headers}, length) + form.before
        began = time.perf_counter()
        try:
            # No second try when a crash is under way: the first may have been stored.
            reply = await connection.request(start, body, form.after, again=plan.acknowledged is None)
        except (OSError, asyncio.IncompleteReadError) as error:
            run.errors.append(repr(error))
            break
        took = time.perf_counter() - began
        stored = plan.accepted(name, reply)
        if stored is None:
            run.errors.append(f"{reply.status} {reply.body[:160]!r}")
            if len(run.errors) > MOST_ERRORS:
                break
            continue
        run.ids[number] = stored
        run.latencies.append(took)
        if plan.acknowledged and plan.acknowledged(len(run.ids)):
            break
    connection.close()


def run_loop(main: Callable[[], Any]) -> None:
    # By name, because uvloop lives only in the bench's own environment, not where the project is type-checked.
    with asyncio.Runner(loop_factory=importlib.import_module("uvloop").new_event_loop) as runner:
        runner.run(main())


def send_file(port: int, headers: Mapping[str, str], form: Upload, path: Path) -> Reply:
    size = path.stat().st_size
    with socket.create_connection((HOST, port), timeout=300) as link, path.open("rb") as source:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        length = len(form.before) + size + len(form.after)
        link.sendall(head(form.method, form.path, {**headers, **form.headers}, length) + form.before)
        link.sendfile(source)
        if form.after:
            link.sendall(form.after)
        answer = http.client.HTTPResponse(link, method=form.method)
        answer.begin()
        return Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())


def receive_file(port: int, headers: Mapping[str, str], path: str, digest: bool = False) -> tuple[int, str]:
    """(bytes received, their SHA-256 if asked for); the bytes are not kept."""
    with socket.create_connection((HOST, port), timeout=300) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        link.sendall(head("GET", path, headers))
        answer = http.client.HTTPResponse(link, method="GET")
        answer.begin()
        if answer.status != 200:
            raise PeerError(f"{path}: {answer.status} {answer.read(200)!r}")
        buffer, total, sha = memoryview(bytearray(1 << 20)), 0, hashlib.sha256()
        while count := answer.readinto(buffer):
            total += count
            if digest:
                sha.update(buffer[:count])
    return total, sha.hexdigest() if digest else ""


@dataclass(frozen=True)
class Rate:
    """What wrk saw: requests, their rate, latencies in milliseconds, and failures."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    mb_per_second: float
    errors: int


WRK_SCRIPT = """
local paths, headers, ready = {}, {%(headers)s}, {}
for line in io.lines("%(paths)s") do paths[#paths + 1] = line end
function init()
  math.randomseed(%(seed)d)
  for i = 1, #paths do ready[i] = wrk.format("GET", paths[i], headers) end
end
function request() return ready[math.random(#ready)] end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("@@ %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, summary.bytes,
    e.status + e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


class Wrk:
    """wrk over a list of paths, picked at random; one thread, because client and server share two cores."""

    def __init__(self, program: str, port: int, headers: Mapping[str, str], connections: int = 32) -> None:
        self.command = [program, "-t1", f"-c{connections}", "--timeout", "30s"]
        self.url = f"http://{HOST}:{port}"
        self.headers = ",".join(f"[{json.dumps(key)}]={json.dumps(value)}" for key, value in headers.items())

    def run(self, paths: Sequence[str], seconds: int) -> Rate:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "paths").write_text("\n".join(paths) + "\n")
            script = Path(folder, "script.lua")
            script.write_text(WRK_SCRIPT % {"headers": self.headers, "paths": f"{folder}/paths", "seed": len(paths)})
            command = [*self.command, f"-d{seconds}s", "-s", str(script), self.url]
            printed = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False).stdout
        found = re.search(r"@@ (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", printed)
        if found is None:
            raise PeerError(f"wrk gave no figures: {printed[-200:]!r}")
        requests, micros, size, errors, p50, p99 = map(int, found.groups())
        return Rate(requests, round(requests / micros * 1e6, 1), p50 / 1e3, p99 / 1e3, round(size / micros, 1), errors)
