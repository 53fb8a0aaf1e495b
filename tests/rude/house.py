"""A server under rude clients: what it holds before and after, and a good client that works meanwhile."""

import math
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import psutil

from tests.serving import Served

PATIENCE = 60.0
OWN = 4
"""The server may meanwhile have begun a segment for the good client's uploads, or one more reader of its catalog."""

_SPAWNED = multiprocessing.get_context("spawn")
_BODY = b"A page of an ordinary document.\n" * 1600


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a server holds on to: open descriptors of all its processes, files on their way in, resident bytes."""

    descriptors: int
    files: frozenset[str]
    resident: int


def holdings(server: Served) -> Holdings:
    """What it holds now."""
    held = [_held(process) for process in server.processes]
    return Holdings(
        sum(descriptors for descriptors, _ in held),
        frozenset(path.name for path in (server.data / "blobs" / "tmp").iterdir()),
        sum(resident for _, resident in held),
    )


def _held(process: psutil.Process) -> tuple[int, int]:
    """Descriptors, and bytes of which those that forked processes share count once."""
    try:
        return process.num_fds(), process.memory_full_info().pss
    except psutil.NoSuchProcess:  # a child that decoded and has ended
        return 0, 0


def settled(server: Served, like: Holdings) -> Holdings:
    """What it holds once it has let go of all that it will, or when patience ends."""
    deadline = time.monotonic() + PATIENCE
    now = holdings(server)
    while time.monotonic() < deadline and (now.descriptors > like.descriptors + OWN or now.files - like.files):
        time.sleep(0.2)
        now = holdings(server)
    return now


@dataclass
class GoodClient:
    """One who uploads, lists and downloads, over and over. `asked` is when each request began and how long it took, in
    seconds of a clock that all processes share."""

    client: httpx.Client
    succeeded: int = 0
    failures: list[str] = field(default_factory=list)
    asked: list[tuple[float, float]] = field(default_factory=list)

    def round(self) -> None:
        """Upload a document, read it back, list, and throw it away."""
        try:
            stored = self.ask("POST", "/v1/attachments?name=page.txt&path=/good/page.txt&on_conflict=rename", _BODY)
            path = f"/v1/attachments/{stored.json()['id']}"
            if self.ask("GET", f"{path}/content").content != _BODY:
                self.failures.append("other bytes came back")
            self.ask("GET", "/v1/attachments?limit=10")
            self.ask("DELETE", f"{path}?purge=true")
        except httpx.HTTPError as error:
            self.failures.append(repr(error))

    def ask(self, method: str, path: str, content: bytes | None = None) -> httpx.Response:
        """One request, noted."""
        began = time.monotonic()
        answer = self.client.request(method, path, content=content)
        self.asked.append((began, time.monotonic() - began))
        if answer.is_success:
            self.succeeded += 1
        else:
            self.failures.append(f"{method} {path} answered {answer.status_code}")
        return answer

    @contextmanager
    def working(self, turn: Callable[["GoodClient"], None] | None = None) -> Iterator[None]:
        """Go on for the length of the block, in a process of its own: what the crowd costs us is not what it costs.

        `turn` is what it does over and over, `round` unless another one is given.
        """
        ours, theirs = _SPAWNED.Pipe()
        headers = {"Authorization": str(self.client.headers["Authorization"])}
        process = _SPAWNED.Process(
            target=_work, args=(theirs, str(self.client.base_url), headers, turn or GoodClient.round)
        )
        process.start()
        assert ours.recv() == "ready"
        try:
            yield
        finally:
            ours.send("end")
            succeeded, failures, asked = ours.recv()
            process.join()
        self.succeeded += succeeded
        self.failures += failures
        self.asked += asked

    def seconds(self, since: float = 0, until: float = math.inf) -> list[float]:
        """How long those took that began in that time, the shortest first."""
        return sorted(took for began, took in self.asked if since <= began < until)


def percentile(ranked: Sequence[float], share: float) -> float:
    """What this share of them did not exceed."""
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def _work(told: Connection, base: str, headers: dict[str, str], turn: Callable[[GoodClient], None]) -> None:
    with httpx.Client(base_url=base, headers=headers, timeout=PATIENCE) as client:
        good = GoodClient(client)
        told.send("ready")
        while not told.poll():
            turn(good)
    told.send((good.succeeded, good.failures, good.asked))


def large_file(client: httpx.Client, size: int) -> str:
    """Store a file of that many bytes; the path of its content."""

    def chunks() -> Iterator[bytes]:
        for _ in range(size >> 16):
            yield bytes(1 << 16)

    answer = client.post("/v1/attachments?name=large.bin&path=/large.bin&on_conflict=replace", content=chunks())
    answer.raise_for_status()
    return f"/v1/attachments/{answer.json()['id']}/content"


def folder_of(tmp_path: Path) -> Path:
    """Where the server of a test keeps its data."""
    return tmp_path / "data"
