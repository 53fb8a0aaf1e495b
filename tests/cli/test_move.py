"""`move`: an installation brought elsewhere while it is used, killed in between, and checked on both sides."""

import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict

from holdfast.blobs.buckets import BucketOptions
from tests.cli.holdings import held_by
from tests.engines.objects import ObjectStore
from tests.engines.postgres import fresh_database
from tests.serving import Served, attempt, run, served, started

LARGE = 300 * 1024
CLOSED = 503
PATIENCE = 60


@dataclass(frozen=True)
class Stores:
    """A data folder whose holdfast.toml says where catalog and blobs are."""

    data: Path
    catalog: str
    blobs: str
    others: tuple[tuple[str, str], ...] = ()

    def write(self, **changes: str) -> None:
        self.data.mkdir(exist_ok=True)
        told = {"catalog": self.catalog, "blobs": self.blobs, **dict(self.others), **changes}
        # What JSON writes of a text TOML reads as well.
        (self.data / "holdfast.toml").write_text("".join(f"{name} = {json.dumps(told[name])}\n" for name in told))


@pytest.fixture
def simple(tmp_path: Path, bucket: BucketOptions) -> Stores:
    """SQLite and a folder, which knows how buckets are reached."""
    data = tmp_path / "simple"
    others = (("s3_endpoint", bucket.endpoint), ("s3_region", bucket.region))
    made = Stores(data, f"sqlite://{data}/catalog.sqlite", f"file://{data}/blobs", others)
    made.write()
    return made


@pytest.fixture
def grown(tmp_path: Path, bucket: BucketOptions) -> Iterator[Stores]:
    """PostgreSQL and a bucket."""
    with fresh_database() as dsn:
        parts = conninfo_to_dict(dsn)
        options = "&".join(f"{name}={quote(str(parts[name]))}" for name in parts if name != "dbname")
        others = (("s3_endpoint", bucket.endpoint), ("s3_region", bucket.region))
        made = Stores(tmp_path / "grown", f"postgresql:///{parts['dbname']}?{options}", bucket.url, others)
        made.write()
        yield made


@dataclass
class Load:
    """Clients that upload, link, rename and purge until they are stopped, and what was acknowledged to them.

    `refused` counts the changes that were refused while the gate was closed; any other failure is a fault.
    """

    server: Served
    token: str
    held: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    reads: int = 0
    done: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._work, args=(seed,)) for seed in range(3)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.done.set()
        for thread in self._threads:
            thread.join()

    def _work(self, seed: int) -> None:
        with self.server.client(self.token) as client:
            number = 0
            while not self.done.is_set():
                number += 1
                try:
                    self._one(client, seed, number)
                except httpx.HTTPError as error:
                    self.faults.append(repr(error))
                # As many as the checks afterwards can look at in time.
                self.done.wait(0.1)

    def _one(self, client: httpx.Client, seed: int, number: int) -> None:
        data = f"{seed} {number} {len(self.held)} ".encode() * (30_000 if number % 7 == 0 else 30)
        answer = client.post("/v1/attachments", params={"name": f"f{number}", "record": "job:1"}, content=data)
        if not self._acknowledged(answer):
            return
        id = str(answer.json()["id"])
        self.held[id] = hashlib.sha256(data).hexdigest()
        self._read(client, id)
        if number % 3 == 0:
            self._acknowledged(client.patch(f"/v1/attachments/{id}", json={"name": f"renamed {number}"}))
            self._acknowledged(client.post(f"/v1/attachments/{id}/links", json={"record": "job:2", "role": "photo"}))
        if number % 4 == 0:
            # Nobody knows of a purge whose answer did not come: it is neither held nor gone.
            told = self.held.pop(id)
            if self._acknowledged(client.delete(f"/v1/attachments/{id}", params={"purge": "true"})):
                self.gone.add(id)
            else:
                self.held[id] = told

    def _acknowledged(self, answer: httpx.Response) -> bool:
        if answer.status_code == CLOSED and "Retry-After" in answer.headers:
            self.refused += 1
        elif answer.status_code >= 300:
            self.faults.append(answer.text)
        return answer.status_code < 300

    def _read(self, client: httpx.Client, id: str) -> None:
        answer = client.get(f"/v1/attachments/{id}/content")
        self.reads += 1
        if answer.status_code != 200 or hashlib.sha256(answer.content).hexdigest() != self.held[id]:
            self.faults.append(f"{id}: {answer.status_code}")


@contextmanager
def loaded(server: Served, token: str) -> Iterator[Load]:
    """The load, until the block ends; there was none that failed."""
    load = Load(server, token)
    load.start()
    try:
        yield load
    finally:
        load.stop()
    assert load.faults == []


def furnish(stores: Stores, tmp_path: Path, large: int = 6, small: int = 60) -> None:
    """An installation with contents of both sizes, some of them twice."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for n in range(large):
        (tree / f"large {n}").write_bytes(os.urandom(LARGE + n))
    for n in range(small):
        (tree / f"small {n}").write_bytes(b"same" if n % 10 == 0 else os.urandom(2000 + n))
    run("import", "--data", stores.data, "--account", "acme", "--to", "/tree", tree)


def with_records(client: httpx.Client) -> None:
    for id in ("1", "2"):
        assert client.put(f"/v1/records/job/{id}", json={}).status_code < 300


@pytest.mark.parametrize("way", ["out", "back"])
def test_a_used_installation_moves_though_the_move_is_killed(
    simple: Stores, grown: Stores, tmp_path: Path, way: str
) -> None:
    """Every acknowledged upload, link, name and purge is there, under the same ids, for the same token."""
    old, new = (simple, grown) if way == "out" else (grown, simple)
    where = ("--to-catalog", new.catalog, "--to-blobs", new.blobs)
    furnish(old, tmp_path)
    with served(old.data) as server:
        token = server.token()
        with server.client(token) as client:
            with_records(client)
            with loaded(server, token) as load:
                for seconds in (1.0, 2.0):
                    with started(
                        ("move", "--data", str(old.data), *where, "--rate", "2MiB"), tmp_path / "log"
                    ) as moving:
                        time.sleep(seconds)
                        moving.send_signal(signal.SIGKILL)
                        moving.wait()
                told = run("move", "--data", old.data, *where)
                assert "compared on both sides" in told
            answer = client.post("/v1/attachments", params={"name": "late"}, content=b"late")
            assert (answer.status_code, answer.headers["Retry-After"]) == (CLOSED, "5")
            before = held_by(client)
            events = client.get("/v1/events", params={"after": 0}).json()["items"]
            assert load.held.items() <= before.items()
            assert not load.gone & before.keys()
    with served(new.data) as server, server.client(token) as client:
        assert held_by(client) == before
        assert client.get("/v1/events", params={"after": 0}).json()["items"] == events
        assert client.post("/v1/attachments", params={"name": "new"}, content=b"new").status_code == 201
    for stores in (old, new):
        assert "all is well" in run("verify", "--data", stores.data, "--grace-hours", "24")


def test_rows_alone_move_and_a_dry_run_says_so_beforehand(simple: Stores, grown: Stores, tmp_path: Path) -> None:
    furnish(simple, tmp_path, large=2, small=10)
    told = run("move", "--data", simple.data, "--to-catalog", grown.catalog, "--dry-run")
    assert "nothing was changed" in told
    assert "they stay" in told
    assert "user=" not in told
    run("move", "--data", simple.data, "--to-catalog", grown.catalog)
    simple.write(catalog=grown.catalog)
    assert "12 contents" in run("verify", "--data", simple.data)
    simple.write()
    refused = attempt("token", "create", "--data", simple.data, "--account", "acme", "--name", "n", "--allow", "*")
    assert (refused.returncode, "was moved" in refused.stderr) == (1, True)
    assert "was moved to" in run("doctor", "--data", simple.data)


def test_a_catalog_that_is_only_half_filled_is_not_served(simple: Stores, grown: Stores, tmp_path: Path) -> None:
    furnish(simple, tmp_path)
    where = ("--to-catalog", grown.catalog, "--to-blobs", grown.blobs)
    with started(("move", "--data", str(simple.data), *where, "--rate", "100KiB"), tmp_path / "log") as moving:
        _until_filling(grown)
        moving.send_signal(signal.SIGKILL)
        moving.wait()
    refused = attempt("verify", "--data", grown.data)
    assert (refused.returncode, "still being moved here" in refused.stderr) == (2, True)
    assert "noted for a move" in attempt("doctor", "--data", simple.data).stdout
    assert "changes are let in" in run("move", "--data", simple.data, "--reopen")
    assert "noted for a move" not in attempt("doctor", "--data", simple.data).stdout
    run("move", "--data", simple.data, *where, "--rate", "1GiB")
    assert "all is well" in run("verify", "--data", grown.data)


def _until_filling(stores: Stores) -> None:
    _until(lambda: "is being filled" in attempt("doctor", "--data", stores.data).stdout)


def _until(begun: Callable[[], bool]) -> None:
    for _ in range(600):
        if begun():
            return
        time.sleep(0.05)
    raise AssertionError("the move did not begin")


def test_a_move_that_was_stopped_and_passed_by_another_writes_nothing_afterwards(
    simple: Stores, grown: Stores, bucket: BucketOptions, object_store: ObjectStore, tmp_path: Path
) -> None:
    furnish(simple, tmp_path)
    where = ("--to-catalog", grown.catalog, "--to-blobs", grown.blobs)
    log = tmp_path / "log"
    with started(("move", "--data", str(simple.data), *where, "--rate", "300KiB"), log) as first:
        # Contents are brought slowly then, and it is in no transaction.
        _until(lambda: len(object_store.files(bucket)) > 0)
        first.send_signal(signal.SIGSTOP)
        run("move", "--data", simple.data, *where)
        with served(grown.data) as server, server.client() as client:
            before = held_by(client)
            purged = next(iter(before))
            assert client.delete(f"/v1/attachments/{purged}", params={"purge": "true"}).status_code == 204
            assert client.post("/v1/attachments", params={"name": "new"}, content=b"new").status_code == 201
            after = held_by(client)
            first.send_signal(signal.SIGCONT)
            assert first.wait(PATIENCE) == 1
            assert held_by(client) == after
    assert "another move" in log.read_text()
    assert "was moved to" in run("doctor", "--data", simple.data)
    assert "all is well" in run("verify", "--data", grown.data, "--grace-hours", "24")


def test_a_moved_catalog_is_reopened_only_by_who_says_yes(simple: Stores, tmp_path: Path) -> None:
    furnish(simple, tmp_path, large=1, small=1)
    run("move", "--data", simple.data, "--to-catalog", f"sqlite://{tmp_path}/other.sqlite")
    refused = attempt("move", "--data", simple.data, "--reopen")
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    run("move", "--data", simple.data, "--reopen", "--yes")
    assert run("token", "create", "--data", simple.data, "--account", "acme", "--name", "n", "--allow", "*")


def test_contents_alone_move_behind_a_server_that_reads_both_places(
    simple: Stores, bucket: BucketOptions, tmp_path: Path
) -> None:
    furnish(simple, tmp_path, large=3, small=30)
    early = attempt("move", "--data", simple.data, "--to-blobs", bucket.url)
    assert (early.returncode, "HOLDFAST_BLOBS_FALLBACK=file://" in early.stderr) == (2, True)
    simple.write(blobs=bucket.url, blobs_fallback=simple.blobs)
    with served(simple.data) as server, server.client() as client:
        with_records(client)
        before = held_by(client)
        assert fallback_reads(client) >= len(before)
        with loaded(server, server.token()) as load:
            told = run("move", "--data", simple.data, "--to-blobs", bucket.url)
        assert "read back and digested" in told
        assert load.refused == 0
        after = held_by(client)
        reads = fallback_reads(client)
        assert held_by(client) == after
        assert fallback_reads(client) == reads
    assert (before | load.held).items() <= after.items()
    simple.write(blobs=bucket.url)
    with served(simple.data) as server, server.client() as client:
        assert held_by(client) == after
    assert "all is well" in run("verify", "--data", simple.data)


def fallback_reads(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("holdfast_fallback_reads_total "))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((), "say where to"),
        (("--to-catalog", "mysql://x/y"), "--to-catalog"),
        (("--to-blobs", "ftp://x/y"), "--to-blobs"),
        (("--to-catalog", "sqlite:///nowhere/c", "--rate", "fast"), "--rate"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    simple: Stores, tmp_path: Path, given: tuple[str, ...], told: str
) -> None:
    run("token", "create", "--data", simple.data, "--account", "acme", "--name", "n", "--allow", "*")
    refused = attempt("move", "--data", simple.data, *given)
    assert (refused.returncode, told in refused.stderr, refused.stderr.count("\n")) == (2, True, 1)


def test_a_target_that_holds_something_is_left_alone(simple: Stores, tmp_path: Path) -> None:
    furnish(simple, tmp_path, large=1, small=1)
    other = tmp_path / "other"
    run("token", "create", "--data", other, "--account", "other", "--name", "n", "--allow", "*")
    where = ("--to-catalog", f"sqlite://{other}/catalog.sqlite")
    for options in ((), ("--dry-run",)):
        refused = attempt("move", "--data", simple.data, *where, *options)
        assert refused.returncode > 0
        assert "already" in refused.stdout + refused.stderr
    assert run("token", "create", "--data", simple.data, "--account", "acme", "--name", "n", "--allow", "*")
