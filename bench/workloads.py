"""The work that every peer is asked to do. A workload takes a started server and returns the figures of one round."""

import contextlib
import hashlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.client import (
    PeerError,
    Rate,
    Upload,
    UploadPlan,
    UploadRun,
    Wrk,
    call,
    payload,
    percentile,
    receive_file,
    send_file,
    upload_many,
)
from bench.crowd import Load, fetch_all, send_all
from bench.peers import EVERYTHING, Peer
from bench.photo import bare_pillow_ms, distinct_copy, make_photo
from bench.prepare import find_tool
from bench.server import Server, Usage, measured

Value = float | str
Figures = Mapping[str, Value]
UPLOADS_AT_ONCE = 16
TRANSFERS_AT_ONCE = 200
PHOTOS = 6
SYNC_CALLS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "msync", "rename", "renameat", "renameat2", "linkat")
GIB = 1 << 30
MB = 1_000_000


@dataclass(frozen=True)
class Scale:
    """How much work a round is."""

    uploads: int
    seconds: int
    big_mib: int
    rows: int


@dataclass
class Stock:
    """What one peer holds during a run, so that later workloads need not store it again."""

    files: list[str] = field(default_factory=list)
    big: str | None = None
    big_digest: str = ""
    seeded: bool = False


@dataclass(frozen=True)
class Task:
    """One round of one workload with one peer."""

    server: Server
    scale: Scale
    stock: Stock
    scratch: Path

    @property
    def peer(self) -> Peer:
        return self.server.peer


def _upload(
    task: Task, count: int, salt: str, at_once: int, acknowledged: Callable[[int], bool] | None = None
) -> UploadRun:
    peer = task.peer

    def describe(name: str, size: int) -> Upload:
        return peer.upload(name, size, "application/octet-stream")

    plan = UploadPlan(peer.port, peer.headers, describe, peer.accepted, count, at_once, salt, acknowledged)
    return upload_many(plan)


def _salt(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:8]}"


def _files(task: Task) -> list[str]:
    """Ids of 50 KiB files that the peer holds; stored now, untimed, if no upload workload ran before."""
    if not task.stock.files:
        run = _upload(task, task.scale.uploads, _salt("fill"), UPLOADS_AT_ONCE)
        if run.errors or not run.ids:
            raise PeerError(f"could not store files: {run.errors[:1]}")
        task.stock.files = list(run.ids.values())
    return task.stock.files


def w1_uploads(task: Task) -> Figures:
    _upload(task, 64, _salt("warm"), UPLOADS_AT_ONCE)
    os.sync()
    task.server.forget_peak()
    with measured(task.server) as usage:
        run = _upload(task, task.scale.uploads, _salt("w1"), UPLOADS_AT_ONCE)
    if not run.ids:
        raise PeerError(f"no upload was accepted: {run.errors[:1]}")
    task.stock.files = list(run.ids.values())
    return {
        "uploads_s": round(len(run.ids) / usage.seconds, 1),
        "p50_ms": percentile(run.latencies, 50),
        "p99_ms": percentile(run.latencies, 99),
        **usage.cpu_us(len(run.ids)),
        "peak_rss_mib": task.server.peak_rss_mib(),
        "errors": len(run.errors),
        **usage.figures(),
    }


def _big_file(task: Task) -> Path:
    """New first bytes each time, so that a peer which keeps equal content once cannot skip the work."""
    path, size = task.scratch / "big.bin", task.scale.big_mib << 20
    if not path.exists() or path.stat().st_size != size:
        with path.open("wb") as target:
            for _ in range(task.scale.big_mib):
                target.write(os.urandom(1 << 20))
    with path.open("r+b") as target:
        target.write(os.urandom(4096))
    _have_memory(task)
    os.sync()
    return path


def _have_memory(task: Task) -> None:
    """Touch as much memory as the page cache will take: a virtual machine lends what is idle to its host, and to get it
    back costs more than to write it, whoever happens to be the one who does."""
    path = task.scratch / "touched.bin"
    with path.open("wb") as target:
        for _ in range(task.scale.big_mib + task.scale.big_mib // 4):
            target.write(bytes(1 << 20))
    path.unlink()


def w2_big_upload(task: Task) -> Figures:
    path, peer = _big_file(task), task.peer
    task.server.forget_peak()
    name = f"{_salt('big')}.bin"
    form = peer.upload(name, path.stat().st_size, "application/octet-stream")
    with measured(task.server) as usage:
        reply = send_file(peer.port, peer.headers, form, path)
    task.stock.big = peer.accepted(name, reply)
    if task.stock.big is None:
        raise PeerError(f"refused the big file: {reply.status} {reply.body[:160]!r}")
    with path.open("rb") as source:
        task.stock.big_digest = hashlib.file_digest(source, "sha256").hexdigest()
    return _big_figures(task, path.stat().st_size, usage)


def _big_figures(task: Task, size: int, usage: Usage) -> dict[str, Value]:
    return {
        "mb_s": round(size / MB / usage.seconds, 1),
        "cpu_s_gib": round(usage.server_cpu_s * GIB / size, 3),
        "peak_rss_mib": task.server.peak_rss_mib(),
        "largest_rss_mib": task.server.largest_rss_mib(),
        **usage.figures(),
    }


def w3_big_download(task: Task) -> Figures:
    if task.stock.big is None:
        w2_big_upload(task)
    assert task.stock.big is not None
    peer, path = task.peer, task.peer.content(task.stock.big)
    task.server.forget_peak()
    with measured(task.server) as usage:
        size, _ = receive_file(peer.port, peer.headers, path)
    figures = _big_figures(task, size, usage)
    _, digest = receive_file(peer.port, peer.headers, path, digest=True)
    if digest != task.stock.big_digest:
        raise PeerError("the bytes that came back are not those that were sent")
    return figures


def _hammer(task: Task, paths: list[str]) -> dict[str, Value]:
    """wrk over paths, after one second of warming up."""
    wrk = Wrk(find_tool("wrk") or "wrk", task.peer.port, task.peer.headers)
    wrk.run(paths, 1)
    with measured(task.server) as usage:
        rate = wrk.run(paths, task.scale.seconds)
    if rate.requests == 0:
        raise PeerError(f"no answer within {task.scale.seconds} s")
    return _rate_figures(rate, usage)


def _rate_figures(rate: Rate, usage: Usage) -> dict[str, Value]:
    return {
        "rps": rate.per_second,
        "p50_ms": rate.p50_ms,
        "p99_ms": rate.p99_ms,
        **usage.cpu_us(rate.requests),
        "mb_s": rate.mb_per_second,
        "errors": rate.errors,
        **usage.figures(),
    }


def _check(task: Task, path: str) -> None:
    reply = call(task.peer.port, "GET", path, headers=task.peer.headers)
    if reply.status != 200:
        raise PeerError(f"{path}: {reply.status} {reply.body[:160]!r}")


def w4_downloads(task: Task) -> Figures:
    paths = [task.peer.content(stored) for stored in _files(task)]
    _check(task, paths[0])
    return _hammer(task, paths)


def w5_metadata(task: Task) -> Figures:
    paths = [task.peer.metadata(stored) for stored in _files(task)]
    _check(task, paths[0])
    return _hammer(task, paths)


def w6_lists(task: Task) -> Figures:
    figures: dict[str, Value] = {}
    for label, path in task.peer.lists().items():
        _check(task, path)
        figures |= {f"{label}.{key}": value for key, value in _hammer(task, [path]).items()}
    figures["errors"] = sum(float(value) for key, value in figures.items() if key.endswith(".errors"))
    figures["deep_over_first"] = round(float(figures["first.rps"]) / float(figures["deep.rps"]), 2)
    figures["other_cores"] = max(float(value) for key, value in figures.items() if key.endswith(".other_cores"))
    return figures


def w7_thumbnails(task: Task) -> Figures:
    """First: asked for directly after the upload's answer, so work that a peer does in advance is still in it."""
    peer, paths, first, photos = task.peer, [], [], _photos(task)
    task.server.forget_peak()
    for photo in photos:
        name = f"{_salt('photo')}.jpg"
        reply = send_file(peer.port, peer.headers, peer.upload(name, photo.stat().st_size, "image/jpeg"), photo)
        stored = peer.accepted(name, reply)
        if stored is None:
            raise PeerError(f"refused a photograph: {reply.status} {reply.body[:160]!r}")
        paths.append(peer.thumbnail(stored))
        began = time.perf_counter()
        _check(task, paths[-1])
        first.append((time.perf_counter() - began) * 1e3)
    # The first of all may load libraries; it is reported by itself.
    figures: dict[str, Value] = {
        "first_ms": round(statistics.median(first[1:]), 1),
        "very_first_ms": round(first[0], 1),
    }
    figures["peak_rss_mib"] = task.server.peak_rss_mib()
    figures["pillow_ms"] = bare_pillow_ms(photos)
    figures["over_pillow"] = round(float(figures["first_ms"]) / float(figures["pillow_ms"]), 2)
    return figures | _hammer(task, paths)


def _photos(task: Task) -> list[Path]:
    masters = [task.scratch / f"photo-{number}.jpg" for number in range(PHOTOS)]
    for number, master in enumerate(masters):
        if not master.exists():
            make_photo(master, number)
    return [distinct_copy(master, task.scratch / f"copy-{number}.jpg") for number, master in enumerate(masters)]


def w8_cold_start(task: Task) -> Figures:
    """Handed over stopped; files are in the page cache, because an earlier start read them."""
    task.server.start(task.peer.fewest)
    task.server.stop()
    took = task.server.start(task.peer.fewest)
    time.sleep(2)
    figures = {"cold_start_s": round(took, 3), "processes": len(task.server.pids()), **task.server.memory_mib()}
    task.server.stop()
    return figures


def w9_kill(task: Task) -> Figures:
    """kill -9 to the whole process group after a third of W1, start again, compare every acknowledged upload."""
    salt, goal = _salt("w9"), max(1, task.scale.uploads // 3)
    process = task.server.process
    assert process is not None

    def acknowledged(count: int) -> bool:
        if count == goal:
            # Ours alone: the server was started in a process group of its own.
            os.killpg(process.pid, signal.SIGKILL)
        return count >= goal

    run = _upload(task, task.scale.uploads, salt, UPLOADS_AT_ONCE, acknowledged)
    task.server.kill()
    restart = task.server.start()
    missing = corrupt = 0
    for number, stored in run.ids.items():
        reply = call(task.peer.port, "GET", task.peer.content(stored), headers=task.peer.headers)
        missing += reply.status != 200
        corrupt += reply.status == 200 and reply.body != payload(number, salt)
    return {"acknowledged": len(run.ids), "missing": missing, "corrupt": corrupt, "restart_s": round(restart, 2)}


def w10_crowd(task: Task) -> Figures:
    """Each direction by itself. An eighth of the large file, 200 times at once."""
    peer, size = task.peer, max(1, task.scale.big_mib // 8) << 20
    load = Load(
        peer.port,
        peer.headers,
        lambda name, size: peer.upload(name, size, "application/octet-stream"),
        peer.accepted,
        TRANSFERS_AT_ONCE,
        size,
        _salt("w10"),
    )
    figures: dict[str, Value] = {}
    ids: list[str] = []
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("up", lambda: ids.extend(send_all(load))),
        ("down", lambda: fetch_all(load, [peer.content(stored) for stored in ids])),
    )
    for name, step in steps:
        task.server.forget_peak()
        with measured(task.server) as usage:
            step()
        every = _big_figures(task, size * load.count, usage)
        figures |= {f"{name}.{key}": value for key, value in every.items()}
    return figures


def fs_calls(task: Task) -> Figures:
    """Which calls make an upload durable: strace over 100 uploads, one at a time."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "strace")
        attach = [argument for pid in task.server.pids() for argument in ("-p", str(pid))]
        traced = ["-e", "trace=" + ",".join(SYNC_CALLS)]
        tracer = subprocess.Popen(
            [find_tool("strace") or "strace", "-f", "-y", "-o", str(log), *traced, *attach], stderr=subprocess.DEVNULL
        )
        time.sleep(1)
        run = _upload(task, 100, _salt("fs"), 1)
        time.sleep(0.5)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        text = log.read_text(errors="replace")
    if not run.ids:
        raise PeerError(f"no upload was accepted: {run.errors[:1]}")
    counts = {name: len(re.findall(rf"\b{name}\(", text)) / len(run.ids) for name in SYNC_CALLS}
    calls = ", ".join(f"{count:.2f} {name}" for name, count in counts.items() if count)
    synced = {re.sub(r"[0-9a-f-]{12,}|\d{3,}", "*", Path(path).name) for path in _synced_paths(text)}
    return {"calls": calls or "none", "synced": ", ".join(sorted(synced)[:6])}


def _synced_paths(text: str) -> list[str]:
    return re.findall(r"(?:fsync|fdatasync)\(\d+<([^>]*)>", text)


@dataclass(frozen=True)
class Workload:
    key: str
    title: str
    run: Callable[[Task], Figures]
    needs: str | None = None
    started: bool = True
    most_rounds: int | None = None
    for_one: bool = False
    """One client at a time, so that one process of those who can have fewer does all of it."""


# In this order: cold starts on an empty store, rows last but for the crash.
WORKLOADS = (
    Workload("W8", "cold start and idle memory", w8_cold_start, started=False, for_one=True),
    Workload("W1", "50 KiB uploads, 16 at a time", w1_uploads),
    Workload("W2", "one large upload", w2_big_upload, for_one=True),
    Workload("W3", "the same file down", w3_big_download, for_one=True),
    Workload("W4", "50 KiB downloads, 32 at a time", w4_downloads, needs="wrk"),
    Workload("W5", "metadata by id, 32 at a time", w5_metadata, needs="wrk"),
    Workload("W7", "thumbnails of 12-megapixel photographs", w7_thumbnails, needs="wrk"),
    Workload("W6", "lists of 50 from many rows", w6_lists, needs="wrk"),
    Workload("W10", "200 large files at once, up and down", w10_crowd, most_rounds=1),
    Workload("W9", "kill -9 in the middle of uploads", w9_kill),
    Workload("FS", "calls that make an upload durable", fs_calls, needs="strace"),
)
KEYS = tuple(workload.key for workload in WORKLOADS)
assert frozenset(KEYS) == EVERYTHING


def seed_once(task: Task) -> None:
    """Fill a stopped peer's database for W6, once in a run."""
    if task.stock.seeded:
        return
    began = time.perf_counter()
    print(f"    {task.peer.name}: putting in {task.scale.rows:,} rows ...", end=" ", file=sys.stderr, flush=True)
    with contextlib.ExitStack() as after:
        after.callback(lambda: print(f"{time.perf_counter() - began:.1f} s", file=sys.stderr))
        task.peer.seed()
    task.stock.seeded = True
