"""What one node serves on PostgreSQL and a local disk, with 1, 2 and 4 processes: `python -m bench.postgres`.

A PostgreSQL is started from the machine's own programs, with fsync on, and removed afterwards; `--postgres` takes a
superuser's URL of another one, whose processor time is not seen. One database is filled by COPY, and W1, W4, W5 and W6
of `bench.run` go over it round by round, each time with a new start of the server. Beside them stand published figures
of Supabase Storage, and the ratios. Prints Markdown; the figures of each round are in .cache/bench/postgres.json.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.client import PeerError
from bench.peers import Holdfast, Place, fresh_folder
from bench.prepare import CACHE, ROOT, missing_tool_line
from bench.report import Results, render
from bench.run import FAILURES, headline, today
from bench.scale import database, say
from bench.server import Server, free_port
from bench.workloads import WORKLOADS, Figures, Scale, Stock, Task, Workload
from tests.engines.postgres import own_cluster

LAST = CACHE / "postgres.json"
KEYS = ("W1", "W4", "W5", "W6")
PROCESSES = (1, 2, 4)
ROWS = 100_000
SETTINGS = ("shared_buffers=1GB", "max_wal_size=2GB")

SUPABASE = "supabase"
PUBLISHED: dict[str, Figures] = {
    "W1": {"uploads_s": 320.0, "p99_ms": 78.2},
    "W4": {"rps": 414.0, "p99_ms": 169.0},
    "W5": {"rps": 1189.0, "p99_ms": 38.8},
    "W6": {
        "first.rps": 716.0,
        "first.p99_ms": 96.4,
        "deep.rps": 5.3,
        "deep.p99_ms": 5555.0,
        "search.rps": 652.0,
        "search.p99_ms": 128.0,
    },
}
SOURCE = (
    "Supabase Storage: another run, same machine class. Version 1.11.2, Node 24.21, one process, its file backend, "
    "PostgreSQL 15.20 with fsync on, a service token checked on each request; 2026-11-22, two cores shared with the "
    "client, the best of two or three runs; W6 over 100,000 objects in one folder, by name. Of its deep pages some "
    "timed out; its search finds beginnings of names, Holdfast's parts anywhere in them."
)


@dataclass(frozen=True)
class Asked:
    """What is measured: numbers of processes, rounds, how much work a round is, and which workloads."""

    program: Path
    processes: Sequence[int]
    rounds: int
    scale: Scale
    quick: bool = False
    keys: Sequence[str] = KEYS


class OnPostgres(Holdfast):
    """Holdfast with its rows in that database."""

    def __init__(self, place: Place, program: Path, url: str) -> None:
        super().__init__(place, program, 1)
        self.url = url

    def prepare(self) -> None:
        data = self.folder / "data"
        data.mkdir()
        (data / "holdfast.toml").write_text(f"catalog = {json.dumps(self.url)}\n")
        super().prepare()


def column(processes: int) -> str:
    return f"{processes} process" if processes == 1 else f"{processes} processes"


@contextlib.contextmanager
def started(url: str | None) -> Iterator[tuple[str, int | None]]:
    """A superuser's URL, and the first process of the server if it is our own."""
    if url is not None:
        yield url, None
        return
    with own_cluster(*SETTINGS, durable=True) as cluster:
        yield cluster.url("postgres"), cluster.pid


def measure(asked: Asked, url: str, postmaster: int | None) -> Results:
    """All rounds on one database, which is asked under `url`."""
    CACHE.mkdir(parents=True, exist_ok=True)
    place = Place(fresh_folder(CACHE / "postgres"), free_port(), free_port(), asked.scale.rows)
    peer, stock, measures, failures = OnPostgres(place, asked.program, url), Stock(), list[object](), list[str]()
    server = Server(peer, CACHE / "postgres.log", postmaster)
    works = [work for work in WORKLOADS if work.key in asked.keys]
    try:
        _fill(server)
        for number in range(1, asked.rounds + 1):
            for work in works:
                for processes in asked.processes:
                    say(f"{work.key} {work.title}, round {number} of {asked.rounds}, {column(processes)} ...")
                    try:
                        figures = _round(server, work, Task(server, asked.scale, stock, CACHE), processes)
                    except FAILURES as error:
                        failures.append(f"{work.key} {column(processes)} round {number} failed: {error}")
                        say(failures[-1])
                        continue
                    say(f"    {headline(figures)}")
                    measures.append(_measured(work.key, column(processes), number, processes, figures))
    finally:
        server.stop()
        shutil.rmtree(place.folder, ignore_errors=True)
    return results(asked, peer.version(), measures, failures)


def _fill(server: Server) -> None:
    server.log.write_bytes(b"")
    server.peer.prepare()
    server.start()
    server.peer.setup()
    server.stop()
    say(f"putting in {server.peer.place.rows:,} rows ...")
    server.peer.seed()


def _round(server: Server, work: Workload, task: Task, processes: int) -> Figures:
    server.start(processes)
    try:
        return work.run(task)
    finally:
        server.stop()


def _measured(work: str, peer: str, number: int, workers: int, figures: Figures) -> dict[str, object]:
    return {"workload": work, "peer": peer, "round": number, "workers": workers, "figures": dict(figures)}


def results(asked: Asked, version: str, measures: Sequence[object], failures: Sequence[str]) -> Results:
    """What was measured, with the published figures as one more column."""
    columns = [column(processes) for processes in asked.processes]
    published = [_measured(key, SUPABASE, 1, 1, figures) for key, figures in PUBLISHED.items()]
    return Results(
        {
            **today(),
            "options": {"rounds": asked.rounds, "quick": asked.quick, "rows": asked.scale.rows, "big_mib": 1},
            "peers": [*columns, SUPABASE],
            "compared": [(each, SUPABASE) for each in columns],
            "versions": {"Holdfast": version},
            "failures": list(failures),
            "measures": [*measures, *published],
        }
    )


def told(results: Results) -> str:
    """The table, what the brackets hold, and where the last column is from."""
    load = f"Load average of the machine at the end: {os.getloadavg()[1]:.1f} (5 minutes)."
    brackets = "In brackets: processor time of the server's processes, and beside it of PostgreSQL's."
    return "\n\n".join([render(results, markdown=True), f"{brackets} {load}", SOURCE])


def arguments(given: list[str] | None = None) -> tuple[Asked, str | None]:
    parser = argparse.ArgumentParser(prog="python -m bench.postgres", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short look: figures mean little")
    parser.add_argument("--rounds", type=int, help="rounds of each workload (default: 3; 1 with --quick)")
    parser.add_argument("--rows", type=int, help=f"rows in the catalog (default: {ROWS}; 2000 with --quick)")
    parser.add_argument("--uploads", type=int, help="uploads in W1 (default: 2000; 200 with --quick)")
    parser.add_argument("--seconds", type=int, help="length of each timed part (default: 5; 1 with --quick)")
    parser.add_argument("--processes", default=",".join(map(str, PROCESSES)), help="default: %(default)s")
    parser.add_argument("--postgres", metavar="URL", help="a superuser's URL (default: a server of its own)")
    program = ROOT / ".venv" / "bin" / "holdfast"
    parser.add_argument("--holdfast", type=Path, default=program, help="the program (default: .venv/bin/holdfast)")
    chosen = parser.parse_args(given)
    usual = {"rounds": (3, 1), "rows": (ROWS, 2000), "uploads": (2000, 200), "seconds": (5, 1)}
    work = {key: getattr(chosen, key) or usual[key][chosen.quick] for key in usual}
    try:
        processes = tuple(int(each) for each in chosen.processes.split(","))
    except ValueError:
        parser.error("--processes takes whole numbers with commas between them")
    if min(*work.values(), *processes) < 1:
        parser.error("every number has to be at least 1")
    scale = Scale(work["uploads"], work["seconds"], 1, work["rows"])
    return Asked(chosen.holdfast.absolute(), processes, work["rounds"], scale, chosen.quick), chosen.postgres


def main() -> int:
    asked, given = arguments()
    if not asked.program.exists():
        say("holdfast is not installed. To install it:  make serve")
        return 2
    if line := missing_tool_line("wrk"):
        say(f"wrk is not installed. To install it:  {line}")
        return 2
    # A terminated run must stop its servers too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with started(given) as (admin, postmaster), database(admin) as url:
            assert url is not None
            found = measure(asked, url, postmaster)
    except (PeerError, RuntimeError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130
    found.write(LAST)
    print(told(found))
    return 1 if found.document["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
