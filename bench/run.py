"""Run the same work on Holdfast and its peers, in turn, and print figures and ratios.

Each workload runs for round 1 on every server, then round 2, and so on; medians over the rounds are compared. Every
server is started anew for each round, alone on the machine, listens on loopback only, and is stopped afterwards. The
client and the Python peers are installed into .cache/bench/venv on first use. Results: .cache/bench/last.json.
"""

import argparse
import datetime as dt
import http.client
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.client import PeerError
from bench.peers import Copyparty, Holdfast, Nginx, Peer, Place, PocketBase, TutorialApp, fresh_folder
from bench.prepare import CACHE, ROOT, continue_inside_venv, ensure_venv, inside_own_venv, missing_tool_line
from bench.report import Results, render
from bench.server import Server, free_port
from bench.workloads import KEYS, TRANSFERS_AT_ONCE, WORKLOADS, Figures, Scale, Stock, Task, Workload, seed_once

PEERS = ("holdfast", "nginx", "pocketbase", "copyparty", "fastapi")
LAST = CACHE / "last.json"
# What a peer's failure can raise: it costs that round, not the run.
FAILURES = (
    PeerError,
    OSError,
    EOFError,
    http.client.HTTPException,
    subprocess.SubprocessError,
    LookupError,
    ValueError,
)


def arguments(given: list[str] | None = None) -> argparse.Namespace:

    works = "\n".join(f"  {work.key}  {work.title}" for work in sorted(WORKLOADS, key=lambda work: work.key))
    parser = argparse.ArgumentParser(
        prog="python -m bench.run",
        description=__doc__,
        epilog=f"workloads:\n{works}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="W1,W4", help="run these workloads alone")
    parser.add_argument("--peers", default=",".join(PEERS), help="servers to measure (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=None, help="rounds for each workload (default: 3; 1 with --quick)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a little of everything, to see that it works: figures mean little"
    )
    parser.add_argument("--wide", action="store_true", help="give the FastAPI app every workload, not only W6")
    parser.add_argument(
        "--workers", type=int, default=2, help="worker processes of Holdfast; W2, W3 and W8 have one (default: 2)"
    )
    parser.add_argument(
        "--holdfast",
        type=Path,
        default=ROOT / ".venv" / "bin" / "holdfast",
        help="the program (default: .venv/bin/holdfast)",
    )
    parser.add_argument("--uploads", type=int, help="uploads in W1 and W9 (default: 2000; 300 with --quick)")
    parser.add_argument(
        "--seconds", type=int, help="length of each timed part of W4 to W7 (default: 5; 2 with --quick)"
    )
    parser.add_argument(
        "--big-mib",
        type=int,
        help="size of the large file in W2 and W3, an eighth of it in W10 (default: 1024; 64 with --quick)",
    )
    parser.add_argument("--rows", type=int, help="rows to list in W6 (default: 100000; 10000 with --quick)")
    parser.add_argument("--keep", action="store_true", help="leave the servers' data under .cache/bench/data")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown, for docs/benchmarks.md")
    parser.add_argument("--last", action="store_true", help="run nothing: print the table of the last run again")
    chosen = parser.parse_args(given)
    for name, usual, quick in (
        ("rounds", 3, 1),
        ("uploads", 2000, 300),
        ("seconds", 5, 2),
        ("big_mib", 1024, 64),
        ("rows", 100_000, 10_000),
    ):
        if getattr(chosen, name) is None:
            setattr(chosen, name, quick if chosen.quick else usual)
        if getattr(chosen, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    chosen.peers = _choice(parser, chosen.peers, PEERS)
    chosen.only = _choice(parser, chosen.only.upper() if chosen.only else ",".join(KEYS), KEYS)
    return chosen


def _choice(parser: argparse.ArgumentParser, text: str, known: tuple[str, ...]) -> list[str]:
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    if unknown := [word for word in wanted if word not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(known)}")
    return [word for word in known if word in wanted]


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


class Run:
    """One run: the servers in turn, workload by workload, round by round."""

    def __init__(self, chosen: argparse.Namespace) -> None:

        self.chosen = chosen
        self.scale = Scale(chosen.uploads, chosen.seconds, chosen.big_mib, chosen.rows)
        self.scratch = CACHE / "scratch"
        self.peers = self._peers()
        self.works = [work for work in WORKLOADS if work.key in chosen.only]
        self.stocks: dict[str, Stock] = {peer.name: Stock() for peer in self.peers}
        self.measures: list[dict[str, object]] = []
        self.failures: list[str] = []

    def _peers(self) -> list[Peer]:

        chosen, made = self.chosen, list[Peer]()
        for name in chosen.peers:
            place = Place(CACHE / "data" / name, free_port(), free_port(), chosen.rows)
            if name == "holdfast":
                made.append(Holdfast(place, chosen.holdfast.absolute(), chosen.workers))
            elif name == "fastapi":
                made.append(TutorialApp(place, chosen.wide))
            else:
                made.append({"nginx": Nginx, "pocketbase": PocketBase, "copyparty": Copyparty}[name](place))
        return made

    def ready(self) -> bool:
        """Leave out what is not installed, naming the line that installs it; False when nothing is left to compare."""

        for peer in list(self.peers):
            if line := peer.missing():
                say(f"{peer.name} is not installed and is left out. To install it:  {line}")
                self.peers.remove(peer)
                if peer.name == "holdfast":
                    say("To measure the others without it, name them: --peers nginx,pocketbase,copyparty,fastapi")
                    return False
        for tool in ("wrk", "strace"):
            needing = [work.key for work in self.works if work.needs == tool]
            if needing and (line := missing_tool_line(tool)):
                say(f"{tool} is not installed: {', '.join(needing)} left out. To install it:  {line}")
                self.works = [work for work in self.works if work.needs != tool]
        return bool(self.peers and self.works)

    def enough_room(self) -> bool:
        """Each peer keeps every large file that it is sent, and some spool it first."""
        takers = sum("W2" in peer.workloads for peer in self.peers)
        big = self.scale.big_mib * (self.chosen.rounds + 2) * takers if {"W2", "W3"} & set(self.chosen.only) else 0
        if "W10" in self.chosen.only:
            big += TRANSFERS_AT_ONCE * self.scale.big_mib // 8
        wanted = big + 2 * self.chosen.rounds * self.scale.uploads * takers // 20 + 500
        free = shutil.disk_usage(CACHE).free >> 20
        if free < wanted:
            say(f"{wanted:,} MiB of free disk are needed and {free:,} are there: choose fewer --rounds or --big-mib")
        return bool(free >= wanted)

    def everything(self) -> None:

        fresh_folder(CACHE / "data")
        self.scratch.mkdir(exist_ok=True)
        try:
            for peer in list(self.peers):
                self._first_start(peer)
            for position, work in enumerate(self.works, 1):
                for number in range(1, min(self.chosen.rounds, work.most_rounds or self.chosen.rounds) + 1):
                    for peer in [peer for peer in self.peers if work.key in peer.workloads]:
                        self._round(f"[{position} of {len(self.works)}] {work.key} {work.title}", work, peer, number)
        finally:
            if not self.chosen.keep:
                shutil.rmtree(CACHE / "data", ignore_errors=True)
                shutil.rmtree(self.scratch, ignore_errors=True)

    def _first_start(self, peer: Peer) -> None:

        fresh_folder(peer.folder)
        server = Server(peer, CACHE / f"{peer.name}.log")
        server.log.write_bytes(b"")
        try:
            peer.prepare()
            # One worker: two that create their tables at the same moment can trip over each other.
            server.start(workers=1)
            peer.setup()
        except FAILURES as error:
            self.failures.append(f"{peer.name} could not be set up: {error}")
            self.peers.remove(peer)
            say(self.failures[-1])
        finally:
            server.stop()

    def _round(self, where: str, work: Workload, peer: Peer, number: int) -> None:

        workers = peer.fewest if work.for_one else peer.workers
        server, began = Server(peer, CACHE / f"{peer.name}.log"), time.perf_counter()
        task = Task(server, self.scale, self.stocks[peer.name], self.scratch)
        try:
            if work.key == "W6":
                seed_once(task)
            say(f"{where}, round {number} of {self.chosen.rounds}, {peer.name} ...", end=" ")
            if work.started:
                server.start(workers)
            figures = work.run(task)
        except FAILURES as error:
            self.failures.append(f"{work.key} {peer.name} round {number} failed: {error}")
            say(f"failed: {error}")
            return
        finally:
            server.stop()
        measure = {
            "workload": work.key,
            "peer": peer.name,
            "round": number,
            "workers": workers,
            "figures": dict(figures),
        }
        self.measures.append(measure)
        say(f"{headline(figures)}  ({time.perf_counter() - began:.0f} s)")

    def results(self) -> Results:

        options = {
            key: getattr(self.chosen, key)
            for key in ("rounds", "quick", "uploads", "seconds", "big_mib", "rows", "workers")
        }
        document = {
            **today(),
            "options": options,
            "peers": [peer.name for peer in self.peers],
            "versions": {peer.name: peer.version() for peer in self.peers},
            "failures": self.failures,
            "measures": self.measures,
        }
        return Results(document)


def today() -> dict[str, str]:
    """When and on what a run is made."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores shared by client and server, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}",
    }


def headline(figures: Figures) -> str:
    wanted = (
        "uploads_s",
        "first_ms",
        "mb_s",
        "up.mb_s",
        "up.peak_rss_mib",
        "down.mb_s",
        "down.peak_rss_mib",
        "rps",
        "first.rps",
        "deep.rps",
        "search.rps",
        "p99_ms",
        "cold_start_s",
        "pss_mib",
        "missing",
        "calls",
    )
    return ", ".join(f"{key} {figures[key]}" for key in wanted if key in figures)


def main() -> int:

    chosen = arguments()
    if chosen.last:
        if not LAST.exists():
            say("nothing was measured yet: run without --last first")
            return 2
        print(render(Results.read(LAST), chosen.markdown))
        return 0
    CACHE.mkdir(parents=True, exist_ok=True)
    if not inside_own_venv():
        ensure_venv()
        continue_inside_venv("bench.run", [*_absolute(sys.argv[1:], chosen)])
    run = Run(chosen)
    if not run.ready() or not run.enough_room():
        return 2
    # Servers live in sessions of their own: a terminated run must stop them too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run.everything()
    except KeyboardInterrupt:
        say("\nstopped; the last results are kept")
        return 130
    results = run.results()
    results.write(LAST)
    print(render(results, chosen.markdown))
    return 1 if run.failures else 0


def _absolute(words: list[str], chosen: argparse.Namespace) -> list[str]:
    """The later process works in the project's folder: a relative --holdfast must mean what it meant here."""
    return [*words, "--holdfast", str(chosen.holdfast.absolute())]


if __name__ == "__main__":
    sys.exit(main())
