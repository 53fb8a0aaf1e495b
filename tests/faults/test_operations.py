"""Running it: ends in order, starts twice at once, steps from schema to schema, wrong clocks, logs that go nowhere."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import apsw
import httpx
import pytest

from holdfast import compose
from holdfast.catalog.connection import connect
from holdfast.catalog.migrations import known_migrations, migrate, schema_version
from holdfast.core.attachments import NewAttachment
from holdfast.core.credentials import Grant
from holdfast.core.errors import Unauthenticated, Unavailable
from holdfast.core.model import EVERYTHING, Account
from holdfast.core.upkeep.collecting import Rules
from tests.faults.sockets import UNLIMITED
from tests.faults.state import Look, problems_of
from tests.installation import Installation, installed
from tests.journeys.journey import Begin, File, every_journey
from tests.ports import free_port
from tests.serving import PROGRAM, attempt, is_ready, run, served, started

NATIVE = "/v1/attachments"
DAY = 86_400 * 1_000_000


# ---------------------------------------------------------------- the end


def test_sigterm_lets_uploads_finish_and_ends_with_0(tmp_path: Path) -> None:
    """Uploads that were under way are answered, the server ends by itself, and what was answered is there."""
    with served(tmp_path / "data", settings=UNLIMITED) as server:
        token = server.token()
        halfway, go_on = threading.Barrier(6), threading.Event()
        answers: list[httpx.Response] = []

        def body(number: int) -> Iterator[bytes]:
            yield b"%d" % number * 300_000
            halfway.wait(60)
            go_on.wait(60)
            yield b"the end"

        def send(number: int) -> None:
            with server.client(token) as client:
                answers.append(client.post(NATIVE, params={"name": f"{number}", "path": "/"}, content=body(number)))

        senders = [threading.Thread(target=send, args=(number,)) for number in range(5)]
        for sender in senders:
            sender.start()
        halfway.wait(60)
        server.process.send_signal(signal.SIGTERM)
        go_on.set()
        for sender in senders:
            sender.join(60)
        assert server.process.wait(30) == 0
        assert [answer.status_code for answer in answers] == [201] * 5
    assert asyncio.run(problems_of(tmp_path / "data" / "catalog.sqlite", tmp_path / "data" / "blobs")) == []
    with served(tmp_path / "data") as server, server.client(token) as client:
        for answer in answers:
            assert client.get(f"{NATIVE}/{answer.json()['id']}/content").content.endswith(b"the end")


def test_sigterm_does_not_wait_for_ever_for_a_client_that_has_stopped_sending(tmp_path: Path) -> None:
    """With one second in place of the thirty that a server gives."""
    data, port = tmp_path / "data", free_port()
    hurried = "import holdfast.cli.serving as s; s.DRAIN_SECONDS = 1; from holdfast.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", hurried, "serve", "--data", str(data), "--port", str(port)])
    try:
        assert _becomes_ready(port)
        with socket.create_connection(("127.0.0.1", port)) as stalled:
            head = f"POST {NATIVE}?name=a&path=/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {_token(data)}\r\n"
            stalled.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + b"x" * 400_000)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert asyncio.run(problems_of(data / "catalog.sqlite", data / "blobs")) == []


# ---------------------------------------------------------------- the beginning


def test_two_servers_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ports = [free_port(), free_port()]
    command = ("serve", "--data", str(data), "--port")
    with (
        started((*command, str(ports[0])), tmp_path / "one.log"),
        started((*command, str(ports[1])), tmp_path / "other.log"),
    ):
        for port in ports:
            assert _becomes_ready(port), (tmp_path / "one.log").read_text() + (tmp_path / "other.log").read_text()
        with Look(data / "catalog.sqlite") as look:
            versions = look.rows()["schema_versions"]
    assert [version for version, *_ in versions] == [migration.version for migration in known_migrations()]


def _becomes_ready(port: int) -> bool:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if is_ready(f"http://127.0.0.1:{port}"):
            return True
        time.sleep(0.05)
    return False


def test_a_newer_schema_is_refused_in_one_line(tmp_path: Path) -> None:
    run("migrate", "--data", tmp_path)
    with apsw.Connection(str(tmp_path / "catalog.sqlite")) as connection:
        connection.execute("INSERT INTO schema_versions VALUES (999, 'later')")
    connection.close()
    ended = attempt("serve", "--data", tmp_path, "--port", "0")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "has schema 999" in ended.stderr
    assert "use the newer version" in ended.stderr


def migrated(path: Path, version: int) -> apsw.Connection:
    connection = connect(path, "write")
    if version:
        migrate(connection, path, known_migrations()[:version])
    return connection


def statements_of(version: int, path: Path) -> int:
    """How many statements the migration to this version takes, counted on a copy."""
    count = 0

    def counting(*_: object) -> bool:
        nonlocal count
        count += 1
        return True

    connection = migrated(path, version - 1)
    connection.exec_trace = counting
    migrate(connection, path, known_migrations()[:version])
    connection.close()
    return count


@pytest.mark.parametrize("version", [migration.version for migration in known_migrations()])
def test_a_migration_that_ends_at_any_statement_has_not_begun_and_is_resumed(tmp_path: Path, version: int) -> None:
    whole = tmp_path / "whole.db"
    steps = statements_of(version, whole)
    with Look(whole) as look:
        wanted = look.rows()["schema_versions"], look.schema()
    for number in range(steps):
        path = tmp_path / f"{number}.db"
        left = iter(range(number))
        connection = migrated(path, version - 1)
        before = connection.execute("SELECT * FROM sqlite_schema").fetchall()
        connection.exec_trace = lambda *_, left=left: next(left, None) is not None
        with pytest.raises(Unavailable):
            migrate(connection, path, known_migrations()[:version])
        # The rest of the process is gone too, and with it the chance to roll anything back.
        connection.exec_trace = None
        connection.close()
        again = connect(path, "write")
        if schema_version(again) < version:
            kept = again.execute("SELECT * FROM sqlite_schema").fetchall()
            assert kept == before or version == 1
        migrate(again, path, known_migrations()[:version])
        again.close()
        with Look(path) as look:
            assert (look.rows()["schema_versions"], look.schema()) == wanted
        path.unlink()


# ---------------------------------------------------------------- wrong clocks


class Leaping:
    """A wall clock that leaps five days ahead or back at every second look."""

    def __init__(self) -> None:
        self.looks = 0
        self.offset = 0

    def __call__(self) -> int:
        self.looks += 1
        self.offset = (0, 5 * DAY, -5 * DAY)[self.looks // 2 % 3]
        return time.time_ns() // 1000 + self.offset


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Installation, Leaping]]:
    clock = Leaping()
    monkeypatch.setattr(compose, "now", clock)
    async with installed(tmp_path) as house:
        yield house, clock


@pytest.mark.parametrize("begin", every_journey().values(), ids=every_journey())
async def test_a_story_is_told_while_the_clock_leaps(
    house: tuple[Installation, Leaping], begin: Begin, tmp_path: Path
) -> None:
    file = File("lease.pdf", "application/pdf", b"%PDF-1.4\n" + bytes(range(256)) * 400)
    journey = await begin(house[0])
    await journey.make_parent()
    handle = await journey.upload(file)
    await journey.describe(handle)
    assert await journey.download(handle) == file.content
    handle, _ = await journey.carry(handle)
    await journey.delete(handle)
    assert await journey.is_gone(handle)
    desk = await house[0].desk()
    events = (await desk.events.after(0, 1000)).items
    assert all(one.at < other.at for one, other in pairwise(events))
    assert len({event.number for event in events}) == len(events)
    assert await problems_of(tmp_path / "catalog.sqlite", tmp_path / "blobs") == []


async def _file(house: Installation, account: Account, name: str, data: bytes) -> str:
    desk = house.operator.desk(account)

    async def body() -> AsyncIterator[bytes]:
        yield data

    async with await desk.attachments.receive() as intake:
        await intake.take(body(), name=name)
        return (await desk.attachments.create(intake, NewAttachment(name, folder="/"))).id


class Still:
    """A clock that stands where a test puts it."""

    def __init__(self) -> None:
        self.at = time.time_ns() // 1000

    def __call__(self) -> int:
        return self.at


async def test_leaps_make_no_token_live_longer_and_no_id_or_file_vanish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Still()
    monkeypatch.setattr(compose, "now", clock)
    began = clock.at
    async with installed(tmp_path) as house:
        account = await house.account()
        grant = Grant(frozenset({EVERYTHING}))
        secret = await house.operator.credentials.issue_token(account.number, "t", grant, began + DAY)
        ids = [await _file(house, account, "now", b"now")]
        clock.at = began + 5 * DAY
        with pytest.raises(Unauthenticated):
            await house.store.identify(secret)
        ids.append(await _file(house, account, "ahead", b"ahead"))
        clock.at = began - 5 * DAY
        assert (await house.store.identify(secret)).account == account.number
        ids.append(await _file(house, account, "back", b"back"))
        clock.at = began + DAY
        with pytest.raises(Unauthenticated):
            await house.store.identify(secret)
        assert len(set(ids)) == 3
        desk = house.operator.desk(account)
        times = [(await desk.attachments.get(id)).created_at for id in ids]
        assert times == sorted(set(times)), "each is later than the one before, wherever the clock stood"


async def test_a_leap_ahead_takes_nothing_from_the_trash_and_no_bytes_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Still()
    monkeypatch.setattr(compose, "now", clock)
    async with installed(tmp_path) as house:
        account = await house.account()
        kept, gone = await _file(house, account, "kept", b"kept"), await _file(house, account, "gone", b"gone")
        desk = house.operator.desk(account)
        await desk.attachments.trash(gone)
        clock.at += 5 * DAY
        collected = await house.operator.upkeep.collect(Rules())
        assert (collected.expired, collected.blobs) == (0, 0)
        clock.at -= 10 * DAY
        await house.operator.upkeep.collect(Rules())
        await desk.attachments.restore(gone)
        assert (await desk.attachments.get(kept)).name == "kept"
    assert await problems_of(tmp_path / "catalog.sqlite", tmp_path / "blobs") == []


# ---------------------------------------------------------------- logs that go nowhere


def _serves(data: Path) -> None:
    with served(data, settings=UNLIMITED) as server, server.client(_token(data)) as client:
        for number in range(50):
            made = client.post(NATIVE, params={"name": f"{number}", "path": "/"}, content=b"words")
            assert made.status_code == 201
            assert client.get(f"{NATIVE}/{made.json()['id']}/content").content == b"words"
        assert client.get("/nowhere").status_code == 404
        assert server.stop() == 0


def _token(data: Path) -> str:
    return run("token", "create", "--data", data, "--account", "acme", "--name", "log", "--allow", "*").strip()


def test_a_full_log_disk_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "server.log").symlink_to("/dev/full")
    _serves(tmp_path / "data")


def test_a_log_that_nobody_reads_any_more_stops_nothing(tmp_path: Path) -> None:
    """What reads the log, a pipe's other end, has gone away."""
    port = free_port()
    reading, writing = os.pipe()
    environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **UNLIMITED}
    command = [*PROGRAM, "serve", "--data", str(tmp_path / "data"), "--port", str(port)]
    process = subprocess.Popen(command, stdout=writing, stderr=writing, env=environment)
    os.close(writing)
    os.close(reading)
    try:
        assert _becomes_ready(port)
        headers = {"Authorization": f"Bearer {_token(tmp_path / 'data')}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            for number in range(50):
                answer = client.post(NATIVE, params={"name": f"{number}", "path": "/"}, content=b"words")
                assert answer.status_code == 201
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()
