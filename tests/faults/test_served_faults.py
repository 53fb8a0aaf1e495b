"""A real server whose disk fails it: what each API answers, that reading goes on, and that it recovers by itself."""

import asyncio
import errno
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.app import build
from holdfast.compose import open_store
from holdfast.dialects import ALL
from holdfast.settings import Settings
from tests.faults.filesystems import MountImpossible, memory, remount
from tests.faults.gate import DURABLE, SYNCS, WRITES, Call
from tests.faults.gated import Rule, Verdict, Warden, gated, pass_all
from tests.faults.sockets import UNLIMITED, Remote
from tests.faults.state import problems_of
from tests.journeys.journey import Begin, File, every_journey
from tests.serving import Served, attempt, served

NATIVE = "/v1/attachments"
FULL = {
    "case_iq": (500, "httpstatus"),
    "four_hse": (507, "message"),
    "native": (507, "title"),
    "navarik": (507, "message"),
}
FULL |= {"property_deck": (507, "message"), "propops": (507, "error")}
LEASE = File("lease.pdf", "application/pdf", b"%PDF-1.4\n" + bytes(range(256)) * 2000)


@dataclass(frozen=True)
class Stage:
    server: Served
    warden: Warden
    http: httpx.Client

    def upload(self, name: str, size: int) -> httpx.Response:
        return self.http.post(NATIVE, params={"name": name, "path": "/"}, content=name.encode() * (size // len(name)))

    def read(self, made: httpx.Response) -> httpx.Response:
        return self.http.get(f"{NATIVE}/{made.json()['id']}/content")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    data = tmp_path_factory.mktemp("served") / "data"
    with gated(data, names=DURABLE | {"openat"}, settings=UNLIMITED) as (server, warden), server.client() as http:
        yield Stage(server, warden, http)
        warden.rule = pass_all
        assert server.stop() == 0
        assert asyncio.run(problems_of(data / "catalog.sqlite", data / "blobs")) == []


def failing(code: int, wanted: Callable[[Call], bool]) -> Rule:
    def rule(call: Call) -> Verdict:
        return code if wanted(call) else None

    return rule


def of_blobs(call: Call) -> bool:
    return call.name in WRITES and "/blobs/" in call.path


def of_log(call: Call) -> bool:
    return call.name in WRITES and call.kind() == "wal"


@dataclass(frozen=True)
class Recording(Remote):
    """Remembers the last answer, which a story that asserts success does not show."""

    seen: list[httpx.Response] = field(default_factory=list)

    def bare_client(self, token: str | None = None) -> httpx.AsyncClient:
        async def note(response: httpx.Response) -> None:
            await response.aread()
            self.seen.append(response)

        client = super().bare_client(token)
        client.event_hooks["response"].append(note)
        return client


@pytest.mark.parametrize("name", every_journey())
def test_every_api_says_that_the_disk_is_full_and_goes_on_when_it_is_not(stage: Stage, name: str) -> None:
    asyncio.run(_full_and_free(stage, every_journey()[name], *FULL[name]))


async def _full_and_free(stage: Stage, begin: Begin, status: int, member: str) -> None:
    store = open_store(Settings(data=stage.server.data))
    settings = Settings(data=stage.server.data)
    house = Recording(store, build(store, ALL), settings, "acme", stage.server.base)
    try:
        journey = await begin(house)
        await journey.make_parent()
        stage.warden.rule = failing(errno.ENOSPC, of_blobs)
        with pytest.raises(AssertionError):
            await journey.upload(LEASE)
        answer: Any = house.seen[-1].json()
        assert (house.seen[-1].status_code, member in answer) == (status, True), answer
        assert await journey.listed() == []
        stage.warden.rule = pass_all
        handle = await journey.upload(LEASE)
        assert await journey.download(handle) == LEASE.content
    finally:
        stage.warden.rule = pass_all
        await house.hang_up()
        await store.close()


@pytest.mark.parametrize("size", [2_000, 2_000_000], ids=["small", "large"])
@pytest.mark.parametrize(
    ("code", "status"),
    [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 503), (errno.EROFS, 503)],
    ids=["full", "over quota", "broken", "read-only"],
)
@pytest.mark.parametrize("half", [of_blobs, of_log], ids=["blobs", "log"])
def test_an_upload_is_refused_reads_go_on_and_the_next_one_succeeds(
    stage: Stage, half: Callable[[Call], bool], code: int, status: int, size: int
) -> None:
    name = f"{half.__name__}-{code}-{size}"
    kept = stage.upload(f"{name}-before", size)
    stage.warden.rule = failing(code, half)
    refused = [stage.upload(f"{name}-{turn}", size) for turn in range(2)]
    assert [answer.status_code for answer in refused] == [status, status], refused[0].text
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in refused)
    assert stage.read(kept).content == kept.request.content
    assert stage.http.get("/health/ready").status_code == 200
    stage.warden.rule = pass_all
    again = stage.upload(f"{name}-0", size)
    assert again.status_code == 201
    assert stage.read(again).content == again.request.content


@pytest.mark.parametrize("kind", ["wal", "segment", "blob", "folder"])
def test_one_failed_sync_fails_what_waited_for_it_and_nothing_else(stage: Stage, kind: str) -> None:
    size = 2_000_000 if kind in ("blob", "folder") else 2_000
    failed: list[str] = []
    name = f"sync-{kind}"
    stage.upload(f"{name}-before", size)

    def rule(call: Call) -> Verdict:
        if failed or call.name not in SYNCS:
            return None
        path = call.path
        ours = (kind == "folder") == Path(path).is_dir() and "/blobs/" in path if kind != "wal" else True
        if not ours or (kind in ("wal", "segment") and call.kind() != kind):
            return None
        failed.append(path)
        return errno.EIO

    stage.warden.rule = rule
    assert stage.upload(f"{name}-0", size).status_code == 503
    assert failed
    again = stage.upload(f"{name}-0", size)
    stage.warden.rule = pass_all
    assert again.status_code == 201
    assert stage.read(again).content == again.request.content


def test_no_descriptors_left_is_said_and_passes(stage: Stage) -> None:
    kept = stage.upload("descriptors-before", 2_000_000)
    stage.warden.rule = failing(errno.EMFILE, lambda call: call.name == "openat" and "/blobs" in call.path)
    refused = stage.upload("descriptors", 2_000_000)
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    unread = stage.read(kept)
    assert (unread.status_code, "retry-after" in unread.headers) == (503, True)
    stage.warden.rule = pass_all
    assert stage.upload("descriptors", 2_000_000).status_code == 201
    assert stage.read(kept).status_code == 200


def test_reads_do_not_wait_for_a_slow_disk(stage: Stage) -> None:
    """The sync is held until the read is done: if the read waited for it, this test would never end."""
    kept = stage.upload("slow-before", 2_000)
    waiting, read = threading.Event(), threading.Event()

    def rule(call: Call) -> Verdict:
        if call.name not in SYNCS:
            return None
        waiting.set()
        return read

    stage.warden.rule = rule
    answers: list[int] = []

    def send() -> None:
        with stage.server.client() as other:
            answers.append(other.post(NATIVE, params={"name": "slow", "path": "/"}, content=b"x" * 3_000).status_code)

    token = threading.Thread(target=send)
    token.start()
    assert waiting.wait(60)
    assert stage.read(kept).status_code == 200
    assert answers == []
    read.set()
    token.join(60)
    stage.warden.rule = pass_all
    assert answers == [201]


# ---------------------------------------------------------------- small filesystems


@pytest.mark.parametrize("options", ["size=24m", "nr_inodes=64"], ids=["bytes", "inodes"])
def test_a_small_disk_fills_up_and_is_freed(tmp_path: Path, options: str, capsys: pytest.CaptureFixture[str]) -> None:
    disk = tmp_path / "disk"
    try:
        with memory(disk, options):
            _fill_and_free(disk)
    except MountImpossible as refused:
        with capsys.disabled():
            print(f"\nnothing can be mounted here ({refused}); calls that fail stand for the full disk")


def _fill_and_free(disk: Path) -> None:
    ballast = disk / "ballast"
    ballast.mkdir()
    for number in range(20):
        (ballast / str(number)).write_bytes(b"x" * 200_000)
    data = disk / "data"
    with served(data, settings=UNLIMITED) as server, server.client() as http:
        kept: list[str] = []
        status = 201
        while status == 201:
            name = str(len(kept))
            answer = http.post(NATIVE, params={"name": name, "path": "/"}, content=f"{name} ".encode() * 100_000)
            status = answer.status_code
            kept += [answer.json()["id"]] if status == 201 else []
        assert status == 507
        for id in kept:
            assert http.get(f"{NATIVE}/{id}/content").status_code == 200
        assert http.get("/health/ready").status_code == 200
        for file in ballast.iterdir():
            file.unlink()
        again = [
            http.post(NATIVE, params={"name": f"again-{n}", "path": "/"}, content=b"x" * 300_000) for n in range(3)
        ]
        assert [answer.status_code for answer in again] == [201] * 3
        assert http.delete(f"{NATIVE}/{kept[0]}").status_code == 204
        assert server.stop() == 0
    assert asyncio.run(problems_of(data / "catalog.sqlite", data / "blobs")) == []


def test_a_disk_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        with memory(tmp_path / "disk", "size=8m") as disk:
            attempt("migrate", "--data", disk / "data")
            remount(disk, "ro")
            ended = attempt("serve", "--data", disk / "data", "--port", "0")
    except MountImpossible as refused:
        with capsys.disabled():
            print(f"\nnothing can be mounted here ({refused}); calls that fail stand for the read-only disk")
        return
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended.stderr
    assert ended.stderr.startswith("holdfast: catalog: ")
