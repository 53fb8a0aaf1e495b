"""The same application behind the real server: what only sockets can show."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
AUTH = b"Host: files.example\r\nAuthorization: Bearer token-ada\r\n"
SIZE = 64 << 20

Address = tuple[str, int]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    address = ("127.0.0.1", free_port())
    log = (tmp_path_factory.mktemp("server") / "log").open("wb")
    command = [sys.executable, "-m", "tests.web.served", str(address[1])]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_until_live(address)
        yield address
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def wait_until_live(address: Address) -> None:
    for _ in range(300):
        try:
            with socket.create_connection(address, 1):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the server does not listen")


def talk(address: Address, *pieces: bytes, half_close: bool = False) -> bytes:
    """Everything that comes back until the server closes, or nothing more comes."""
    with socket.create_connection(address, 10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    received = bytearray()
    connection.settimeout(3)
    try:
        while piece := connection.recv(1 << 20):
            received += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return bytes(received)


def get(address: Address, path: str, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in (*headers, b"Connection: close"))
    return talk(address, f"GET {path} HTTP/1.1\r\n".encode() + AUTH + lines + b"\r\n")


def test_escapes_reach_the_strict_check(server: Address) -> None:
    for path, status in [("/toy/tail/%2Fa%252F", b"200"), ("/toy/tail/%FF", b"400"), ("/toy/tail/%00", b"400")]:
        assert get(server, path).split(b" ", 2)[1] == status
    assert b'"rest":"/a%2F"' in get(server, "/toy/tail/%2Fa%252F")


def test_a_file_comes_whole_and_in_parts(server: Address) -> None:
    head, _, body = get(server, "/toy/files/large").partition(b"\r\n\r\n")
    assert b"content-length: %d" % SIZE in head
    assert len(body) == SIZE
    head, _, body = get(server, "/toy/files/large", b"Range: bytes=5-9").partition(b"\r\n\r\n")
    assert (head.split(b" ", 2)[1], body) == (b"206", b"xxxxx")


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1000\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"]
)
def test_a_cut_body_is_no_file(server: Address, framing: bytes) -> None:
    name = b"/toy/files/cut HTTP/1.1\r\n"
    talk(server, b"PUT " + name + AUTH + framing, half_close=True)
    with socket.create_connection(server) as connection:
        connection.sendall(b"PUT " + name + AUTH + framing)
    assert get(server, "/toy/files/cut").split(b" ", 2)[1] == b"404"


def test_an_answer_arrives_although_the_body_was_refused(server: Address) -> None:
    request = b"POST /toy/none HTTP/1.1\r\n" + AUTH + b"Content-Length: 30000000\r\n\r\n"
    follow_up = b"GET /toy/open HTTP/1.1\r\n" + AUTH + b"Connection: close\r\n\r\n"
    answer = talk(server, request, *[b"x" * 1_000_000] * 30, follow_up)
    assert answer.startswith(b"HTTP/1.1 404")
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 200" in answer


def test_a_refusal_comes_before_100_continue(server: Address) -> None:
    for length, first in [(3, b"HTTP/1.1 100"), (200_000, b"HTTP/1.1 413")]:
        head = b"PUT /toy/files/e HTTP/1.1\r\n" + AUTH + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % length
        with socket.create_connection(server, 10) as connection:
            connection.sendall(head)
            assert connection.recv(1000).startswith(first)


def test_a_slow_body_is_cut_with_408(server: Address) -> None:
    answer = talk(server, b"PUT /toy/files/slow HTTP/1.1\r\n" + AUTH + b"Content-Length: 1000\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_stalled_reader_is_dropped(server: Address) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.connect(server)
        connection.sendall(b"GET /toy/files/large HTTP/1.1\r\n" + AUTH + b"\r\n")
        before = get(server, "/probe").partition(b'"closed":')[2]
        for _ in range(100):
            if get(server, "/probe").partition(b'"closed":')[2] != before:
                break
            time.sleep(0.1)
        assert len(read_all(connection)) < SIZE


SMUGGLED = b"GET /toy/open HTTP/1.1\r\n" + AUTH + b"\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(SMUGGLED),
        b"Content-Length: +5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"X: y\r\n Transfer-Encoding: chunked\r\n",
    ],
)
def test_no_second_request_hides_in_a_body(server: Address, framing: bytes) -> None:
    answer = talk(server, b"POST /toy/json HTTP/1.1\r\n" + AUTH + framing + b"\r\n" + SMUGGLED)
    assert answer.count(b"HTTP/1.1 200") == 0


def test_a_real_client_uploads_and_reads_back(server: Address, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not here")
    name = 'Zürich "é" 50%.txt'
    source = tmp_path / name
    source.write_bytes(os.urandom(3_000_000))
    base = f"http://{server[0]}:{server[1]}"
    quoted = str(source).replace('"', '\\"')
    send = [curl, "-s", "-H", "Authorization: Bearer token-ada", "-F", f'file=@"{quoted}"', f"{base}/toy/files"]
    assert b"3000000" in subprocess.run(send, check=True, capture_output=True).stdout
    target = tmp_path / "back"
    path = "/toy/files/Z%C3%BCrich%20%22%C3%A9%22%2050%25.txt"
    read = [curl, "-s", "-f", "-H", "Authorization: Bearer token-ada", "-o", str(target), base + path]
    subprocess.run(read, check=True)
    assert target.read_bytes() == source.read_bytes()
