"""A real server process over sockets: what it holds in memory, what it leaves behind, and what survives."""

import contextlib
import hashlib
import io
import os
import random
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import urlsplit

import httpx
import pytest

from tests.serving import Served, served

if TYPE_CHECKING:
    from typing_extensions import Buffer

MIB = 2**20
LARGE = 300 * MIB
MEMORY = 128 * MIB
"""What all processes of a server may have had resident at their peak, added up; each counts what they share."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Served) -> Iterator[httpx.Client]:
    with server.client() as http:
        yield http


def pieces(size: int, seed: int = 1) -> Iterator[bytes]:
    """That many bytes that do not repeat, a MiB at a time."""
    source = random.Random(seed)
    for start in range(0, size, MIB):
        yield source.randbytes(min(MIB, size - start))


def digest_of(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def peak(server: Served) -> dict[str, int]:
    """The highest resident size of each process so far, in bytes."""
    found = {}
    for process in server.processes:
        status = Path(f"/proc/{process.pid}/status").read_text()
        highest = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert highest is not None
        found[f"{process.pid}"] = int(highest[1]) * 1024
    return found


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def held(client: httpx.Client) -> tuple[int, int]:
    stats = client.get("/v1/stats").json()
    return stats["attachments"], stats["bytes"]


def until(condition: Callable[[], bool]) -> None:
    """Wait for what is to happen by itself. Raises `AssertionError` when it does not."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


# ---------------------------------------------------------------- memory


def test_a_large_file_goes_up_and_down_in_little_memory(server: Served, client: httpx.Client) -> None:
    digest = digest_of(pieces(LARGE))
    made = client.post("/v1/attachments", params={"name": "large"}, content=pieces(LARGE))
    assert (made.status_code, made.json()["size"], made.json()["sha256"]) == (201, LARGE, digest)
    with client.stream("GET", f"/v1/attachments/{made.json()['id']}/content") as answer:
        assert digest_of(answer.iter_raw(MIB)) == digest
    form = client.post("/v1/attachments", files={"file": ("again", reading(LARGE))})
    assert (form.status_code, form.json()["sha256"]) == (201, digest)
    most = peak(server)
    assert sum(most.values()) < MEMORY, most


class FileOf(io.RawIOBase):
    """Those same bytes as a file that a form can be made of."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._rest = b""
        self._pieces = pieces(size)
        self._size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, into: "Buffer") -> int:
        view = memoryview(into).cast("B")
        if not self._rest:
            self._rest = next(self._pieces, b"")
        taken = min(len(view), len(self._rest))
        view[:taken], self._rest = self._rest[:taken], self._rest[taken:]
        return taken

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._size if whence == os.SEEK_END else offset

    def tell(self) -> int:
        return 0


def reading(size: int) -> IO[bytes]:
    return cast(IO[bytes], FileOf(size))


# ---------------------------------------------------------------- what is refused or cut


def connect(server: Served) -> socket.socket:
    parts = urlsplit(server.base)
    return socket.create_connection((parts.hostname or "", parts.port or 0), 60)


HEAD = "POST {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\n"
FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize("framing", ["Content-Length: 8000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("sent", [1000, 200_000, 3_000_000])
@pytest.mark.parametrize("kind", ["application/octet-stream", FORM])
def test_an_upload_that_is_cut_leaves_nothing(
    server: Served, client: httpx.Client, framing: str, sent: int, kind: str
) -> None:
    before, on_disk, answered = held(client), files_in(server.data / "blobs"), uploads_answered(client)
    path = "/v1/attachments" if kind == FORM else "/v1/attachments?name=cut"
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="cut"\r\n\r\n' if kind == FORM else b""
    body += random.Random(sent).randbytes(sent)
    if "chunked" in framing:
        body = b"%x\r\n%b\r\n" % (len(body), body)
    with connect(server) as connection:
        head = HEAD.format(path=path, token=client.headers["Authorization"][7:], kind=kind)
        connection.sendall(head.encode() + framing.encode() + b"\r\n\r\n" + body)
    until(lambda: uploads_answered(client) > answered)
    assert held(client) == before
    assert files_in(server.data / "blobs") == on_disk


def uploads_answered(client: httpx.Client) -> float:
    """Uploads that the server is done with, whatever became of them."""
    line = r'^holdfast_requests_total\{dialect="native",method="POST",route="/v1/attachments",.* (\S+)$'
    return sum(map(float, re.findall(line, client.get("/metrics").text, re.MULTILINE)))


def part(name: str, value: bytes, header: bytes = b"") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="%b"\r\n%b\r\n%b\r\n' % (name.encode(), header, value)


FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--\r\n'
LONG = b"X-Long: " + b"y" * (9 * 1024) + b"\r\n"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"".join(part("record", b"case:%d" % n) for n in range(64)) + FILE, id="65 parts"),
        pytest.param(part("name", b"x", LONG) + FILE, id="a part header of 9 KiB"),
        pytest.param(part("description", b"x" * 65_537) + FILE, id="a field over 64 KiB"),
        pytest.param(FILE.removesuffix(b"--b--\r\n"), id="no end"),
        pytest.param(b"no form at all", id="no form"),
    ],
)
def test_a_malformed_form_is_400_and_leaves_nothing(server: Served, client: httpx.Client, body: bytes) -> None:
    before, on_disk = held(client), files_in(server.data / "blobs")
    answer = client.post("/v1/attachments", content=body, headers={"Content-Type": FORM})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (held(client), files_in(server.data / "blobs")) == (before, on_disk)


def test_a_body_over_the_limit_is_413_while_it_streams(tmp_path: Path) -> None:
    with served(tmp_path / "data", settings={"HOLDFAST_UPLOAD_LIMIT": "1 MiB"}) as server, server.client() as client:
        for size, status in ((MIB, 201), (MIB + 1, 413)):
            sizes = client.post("/v1/attachments", params={"name": "a"}, content=pieces(size))
            assert sizes.status_code == status
            form = client.post("/v1/attachments", files={"file": ("b", reading(size))})
            assert form.status_code == status
        assert held(client) == (2, 2 * MIB)
        assert len(files_in(server.data / "blobs")) == 1, "the same bytes are kept once"


# ---------------------------------------------------------------- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB. It has to be a real one: what a full disk does to a database, no stand-in does."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "holdfast-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert mounted.returncode == 0, f"this test needs to mount a small disk, as root: {mounted.stderr}"
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_answers_507_keeps_what_was_there_and_recovers(small_disk: Path) -> None:
    with served(small_disk / "data") as server, server.client() as client:
        kept = client.post("/v1/attachments", params={"name": "kept"}, content=pieces(2 * MIB, 2)).json()
        before, on_disk = held(client), files_in(server.data / "blobs")
        for size in (64 * MIB, 30 * MIB):
            full = client.post("/v1/attachments", params={"name": "full"}, content=pieces(size))
            assert (full.status_code, full.json()["code"]) == (507, "storage_full")
            assert (held(client), files_in(server.data / "blobs")) == (before, on_disk)
        filler = small_disk / "filler"
        fill(filler)
        statuses = {
            client.post("/v1/attachments", params={"name": f"s{n}"}, content=os.urandom(200_000)).status_code
            for n in range(40)
        }
        assert 507 in statuses
        assert statuses <= {201, 507}
        assert client.get(f"/v1/attachments/{kept['id']}/content").content == b"".join(pieces(2 * MIB, 2))
        filler.unlink()
        assert client.post("/v1/attachments", params={"name": "room"}, content=pieces(4 * MIB, 3)).status_code == 201
        assert client.get("/health/ready").status_code == 200


def fill(path: Path) -> None:
    """Take all room but a little."""
    with path.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
            file.flush()


# ---------------------------------------------------------------- kill -9


def test_every_acknowledged_upload_survives_a_kill(tmp_path: Path) -> None:
    acknowledged: dict[str, tuple[int, int]] = {}
    with served(tmp_path / "data", "--workers", "2") as server:
        token = server.token()
        threads = [threading.Thread(target=upload, args=(server, token, n, acknowledged)) for n in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: len(acknowledged) > 150)
        server.kill()
        for thread in threads:
            thread.join()
    with served(tmp_path / "data") as again, again.client(token) as client:
        for id, (seed, size) in acknowledged.items():
            content = client.get(f"/v1/attachments/{id}/content")
            assert (content.status_code, content.content) == (200, random.Random(seed).randbytes(size))
        assert client.get("/v1/stats").json()["attachments"] >= len(acknowledged)
        assert client.post("/v1/attachments", params={"name": "after"}, content=b"x").status_code == 201
        events = [event["subject"] for event in every_event(client) if event["kind"] == "attachment.created"]
        assert set(events) >= acknowledged.keys()


def upload(server: Served, token: str, worker: int, acknowledged: dict[str, tuple[int, int]]) -> None:
    """Upload small and large files until the server is gone."""
    sizes = (0, 900, 50_000, 262_144, 262_145, 1_500_000)
    with server.client(token) as client:
        for number in range(10_000):
            seed, size = worker * 100_000 + number, sizes[number % len(sizes)]
            try:
                body = random.Random(seed).randbytes(size)
                made = client.post("/v1/attachments", params={"name": f"{seed}"}, content=body)
            except httpx.TransportError:
                return
            if made.status_code == 201:
                acknowledged[made.json()["id"]] = (seed, size)


def every_event(client: httpx.Client) -> Iterator[dict[str, str]]:
    after = 0
    while items := client.get("/v1/events", params={"after": after, "limit": 1000}).json()["items"]:
        yield from items
        after = items[-1]["number"]
