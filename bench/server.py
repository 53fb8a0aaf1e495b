"""One server under measurement: started in its own session, watched through /proc, stopped by its process group."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.client import PeerError, call
from bench.peers import Peer

TICK = os.sysconf("SC_CLK_TCK")
START_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0


@dataclass
class Usage:
    """Who used the processors during one timed part; filled when the part ends."""

    seconds: float = 0.0
    client_cores: float = 0.0
    server_cores: float = 0.0
    other_cores: float = 0.0
    server_cpu_s: float = 0.0
    database_cpu_s: float | None = None

    def figures(self) -> dict[str, float]:
        return {
            "seconds": round(self.seconds, 3),
            "client_cores": round(self.client_cores, 2),
            "server_cores": round(self.server_cores, 2),
            "other_cores": round(self.other_cores, 2),
        }

    def cpu_us(self, requests: int) -> dict[str, float]:
        """Processor time of the server for each request and, if it has a database beside it, of that."""
        spent = {"cpu_us": self.server_cpu_s}
        if self.database_cpu_s is not None:
            spent["database_us"] = self.database_cpu_s
        return {key: round(seconds / requests * 1e6, 1) for key, seconds in spent.items()}


class Server:
    """`database` is the first process of the database server that the peer asks, if there is one to be watched."""

    def __init__(self, peer: Peer, log: Path, database: int | None = None) -> None:
        self.peer = peer
        self.log = log
        self.database = database
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, workers: int | None = None) -> float:
        """Start and wait for the first good answer; returns the seconds that took."""
        environment = {**os.environ, **self.peer.environment()}
        command = self.peer.command(workers or self.peer.workers)
        began = time.perf_counter()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.peer.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        while time.perf_counter() - began < START_LIMIT_S:
            if self.process.poll() is not None:
                raise PeerError(f"{self.peer.name} ended with {self.process.returncode}: {self.last_words()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if call(self.peer.port, "GET", self.peer.ready, headers=self.peer.headers).status == 200:
                    return time.perf_counter() - began
            time.sleep(0.005)
        self.stop()
        raise PeerError(f"{self.peer.name} gave no good answer in {START_LIMIT_S:.0f} s: {self.last_words()}")

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "its log is empty"

    def kill(self) -> None:
        """kill -9 to the whole process group, as a crash would do it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        process, self.process = self.process, None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_LIMIT_S)
        # Workers can outlive their parent: what is left of our own group is ended before the next peer starts.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def pids(self) -> list[int]:
        """The started process, all below it, and whatever else is in its session."""
        return [] if self.process is None else sorted(_family(self.process.pid))

    def cpu_seconds(self) -> float:
        """User and system time of all processes, with that of children which ended and were waited for."""
        return 0.0 if self.process is None else _cpu_seconds(self.process.pid)

    def database_cpu_seconds(self) -> float | None:
        """As `cpu_seconds`, of the database beside it; None if there is none to be watched."""
        return None if self.database is None else _cpu_seconds(self.database)

    def memory_mib(self) -> dict[str, float]:
        totals = {"rss_mib": 0.0, "pss_mib": 0.0}
        for pid in self.pids():
            with contextlib.suppress(OSError):
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                for key, name in (("rss_mib", "Rss"), ("pss_mib", "Pss")):
                    totals[key] += _kib(rollup, name) / 1024
        return {key: round(value, 1) for key, value in totals.items()}

    def forget_peak(self) -> None:
        for pid in self.pids():
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_rss_mib(self) -> float:
        """Sum of the peaks of the processes that live: at least the peak of the whole."""
        return round(sum(self._peaks_kib()) / 1024, 1)

    def largest_rss_mib(self) -> float:
        """The largest of these peaks. Processes share pages, which the sum counts once for each."""
        return round(max(self._peaks_kib(), default=0) / 1024, 1)

    def _peaks_kib(self) -> list[int]:
        peaks = []
        for pid in self.pids():
            with contextlib.suppress(OSError):
                peaks.append(_kib(Path(f"/proc/{pid}/status").read_text(), "VmHWM"))
        return peaks


def _kib(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _all_stats() -> Iterator[tuple[int, list[str]]]:
    """(pid, the fields of /proc/PID/stat from the state on); the name before them may itself hold blanks."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                yield int(entry.name), Path(entry.path, "stat").read_text().rpartition(")")[2].split()


def _family(first: int) -> set[int]:
    parents: dict[int, int] = {}
    family = {first}
    for pid, fields in _all_stats():
        parents[pid] = int(fields[1])
        if int(fields[3]) == first:
            family.add(pid)
    grown = True
    while grown:
        below = {pid for pid, parent in parents.items() if parent in family}
        grown = not below <= family
        family |= below
    return family


def _cpu_seconds(first: int) -> float:
    family = _family(first)
    return sum(sum(map(int, fields[11:15])) for pid, fields in _all_stats() if pid in family) / TICK


def machine_busy_seconds() -> float:
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK


@contextlib.contextmanager
def measured(server: Server) -> Iterator[Usage]:
    """Cores used by this client (and wrk), by the server, by the database beside it, and by the rest of the machine."""

    def own() -> float:
        spent = os.times()
        return spent.user + spent.system + spent.children_user + spent.children_system

    usage, asked = Usage(), server.database_cpu_seconds()
    busy, client, served, began = machine_busy_seconds(), own(), server.cpu_seconds(), time.perf_counter()
    yield usage
    usage.seconds = time.perf_counter() - began
    busy, client, served = machine_busy_seconds() - busy, own() - client, server.cpu_seconds() - served
    stored = 0.0
    if asked is not None:
        usage.database_cpu_s = stored = (server.database_cpu_seconds() or 0.0) - asked
    usage.client_cores = client / usage.seconds
    usage.server_cores = served / usage.seconds
    usage.other_cores = max(0.0, busy - client - served - stored) / usage.seconds
    usage.server_cpu_s = served


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
