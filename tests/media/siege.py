"""Hostile media: `python -m tests.media.siege` has a server decode every file that is made to hurt, one by one.

Meanwhile a good client reads, in turns with and without the attack, and both its 99th percentiles are printed. Then
each file is decoded once more under strace, which shows what a child has asked of the kernel since it was locked in.
Exits with 1 when an answer is wrong, a child passes its limits, or one opens anything.
"""

import asyncio
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil

from holdfast.core.model import Derived
from holdfast.media.cage import CPU_SECONDS, MEMORY_BYTES
from holdfast.media.renditions import CagedRenditions
from tests.media.conftest import chunks
from tests.media.pictures import encoded, quarters
from tests.media.test_hostile import FOREIGN, HOSTILE
from tests.media.test_while_serving import cages, upload
from tests.rude.house import GoodClient, percentile
from tests.serving import Served, served

SLICE = 2.0
PAUSE = 0.002
_WATCHED = "%file,%network,%process,%desc,memfd_create,ptrace,bpf"
_LOCKED_IN = re.compile(r'write\(1, "\+", 1\) += 1$')
_CALL = re.compile(r"(?:\[pid +\d+\] )?(\w+)\(.*?(?: = (-?\d+|\?).*)?$")
_TAKES = re.compile(
    r"open|creat|socket|connect|bind|accept|exec|fork|clone|link|rename|mkdir|mknod|chmod|chown|memfd|ptrace|bpf"
)
_READS = frozenset({"read", "pread64", "readv", "preadv", "preadv2"})
_WITHIN = frozenset({"clone", "clone3"})
"""Threads of a decoder; the filter lets no other process begin."""

Span = tuple[float, float]
"""From when until when, in seconds of the monotonic clock."""


@dataclass
class Watch:
    """What children have taken, by process id: processor seconds, bytes of address space."""

    seconds: dict[int, float] = field(default_factory=dict)
    space: dict[int, int] = field(default_factory=dict)

    @contextmanager
    def looking(self, server: Served) -> Iterator[None]:
        """Look every now and then for the length of the block."""
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(0.25):
                self.look(server)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def look(self, server: Served) -> None:
        """Note how they stand now."""
        for child in cages(server):
            try:
                times, memory = child.cpu_times(), child.memory_info()
            except psutil.Error:
                continue
            self.seconds[child.pid] = times.user + times.system
            self.space[child.pid] = max(memory.vms, self.space.get(child.pid, 0))

    @property
    def over(self) -> list[str]:
        """Those that have taken more than they may."""
        return [
            *(f"a child took {taken:.1f} s" for taken in self.seconds.values() if taken > CPU_SECONDS + 1.5),
            *(f"a child took {taken >> 20} MiB" for taken in self.space.values() if taken > MEMORY_BYTES),
        ]


class Attack:
    """Asks for the picture of one hostile file after the other, as long as it is let."""

    def __init__(self, client: httpx.Client, ids: list[str]) -> None:
        self._client = client
        self._left = list(ids)
        self.answers: Counter[int] = Counter()

    @property
    def over(self) -> bool:
        """Whether all were asked for."""
        return not self._left

    def go_on(self, seconds: float) -> None:
        """For about that time; a picture that was begun is waited for."""
        ends = time.monotonic() + seconds
        while self._left and time.monotonic() < ends:
            self.answers[self._client.get(f"/v1/attachments/{self._left.pop(0)}/thumbnail").status_code] += 1


def besieged(folder: Path) -> list[str]:
    """The server under attack; what was wrong."""
    settings = {"HOLDFAST_ACCESS_LOG": "false", "HOLDFAST_RENDER_ON_UPLOAD": "false"}
    with served(folder / "data", settings=settings) as server, server.client() as one, server.client() as other:
        honest = upload(one, encoded(quarters(800, 600), "image/jpeg"), "good.jpg")
        files = [made() for _, made, _ in HOSTILE.values()] + list(FOREIGN.values())
        attack = Attack(other, [upload(one, data, "hostile") for data in files])
        other.timeout = httpx.Timeout(120)
        good, watch = GoodClient(one), Watch()
        quiet, loud = list[Span](), list[Span]()
        with good.working(partial(read, honest=honest)):
            time.sleep(SLICE)
            while not attack.over:
                began = time.monotonic()
                time.sleep(SLICE)
                quiet.append((began, began + SLICE))
                with watch.looking(server):
                    attack.go_on(SLICE)
                loud.append((began + SLICE, time.monotonic()))
        ready = one.get("/health/ready").status_code
        left = len(cages(server))
        workers = len(server.processes) - left
    print(f"{len(files)} hostile files, answered {dict(attack.answers)}, ready after it: {ready}")
    told("alone", good, quiet)
    told("in the attack", good, loud)
    print(f"  p99 in the attack by p99 alone: {usual(good, loud, 0.99) / usual(good, quiet, 0.99):.3f}")
    print(f"  {len(watch.seconds)} children seen: at most {max(watch.seconds.values()):.2f} s of processor,"
          f" {max(watch.space.values()) >> 20} MiB of address space; {left} wait afterwards")  # fmt: skip
    wrong = good.failures + watch.over
    wrong += [f"answer {status}" for status in attack.answers if status not in (200, 404)]
    return wrong + ["not ready"] * (ready != 200) + ["children are left"] * (left > workers)


def usual(good: GoodClient, turns: list[Span], share: float) -> float:
    """The median over the turns of the seconds that this share of their requests did not exceed."""
    return statistics.median(percentile(good.seconds(*turn), share) for turn in turns)


def told(name: str, good: GoodClient, turns: list[Span]) -> None:
    """The times in these turns in one line, in milliseconds."""
    count = sum(len(good.seconds(*turn)) for turn in turns)
    median, most = (1000 * usual(good, turns, share) for share in (0.5, 0.99))
    print(f"  {name}: median {median:.2f} ms, p99 {most:.2f} ms, of {count} requests in {len(turns)} turns")


def read(good: GoodClient, honest: str) -> None:
    """A good client reads a file and its description, and rests a moment."""
    good.ask("GET", f"/v1/attachments/{honest}/content")
    good.ask("GET", f"/v1/attachments/{honest}")
    time.sleep(PAUSE)


# ---------------------------------------------------------------- what a child asks of the kernel


def traced(names: list[str], folder: Path) -> tuple[Counter[str], Counter[str], list[str]]:
    """Decode these files under strace: calls before a child is locked in, calls after it, and what was wrong."""
    command = ("strace", "-ff", "-qq", "-e", f"trace={_WATCHED}", "-o", str(folder / "trace"))
    zygote = (sys.executable, "-P", "-s", "-m", "holdfast.media.zygote")

    async def decode() -> Counter[str]:
        caged, answers = CagedRenditions(command=(*command, *zygote), wall_seconds=60), Counter[str]()
        for name in names:
            media_type, made, _ = HOSTILE[name]
            answer = await caged.derive(chunks(made()), media_type, (128, 1024))
            answers["derived" if isinstance(answer, Derived) else answer.reason] += 1
        await caged.close()
        return answers

    answers = asyncio.run(decode())
    before, after, wrong = Counter[str](), Counter[str](), list[str]()
    if answers["unavailable"]:
        wrong.append(f"{answers['unavailable']} files met no child")
    for trace in sorted(folder.glob("trace.*")):
        locked, read = False, set[str]()
        for call, result, line in calls_of(trace):
            if _LOCKED_IN.search(line):
                locked = True
            (after if locked else before)[call] += 1
            if locked and _TAKES.search(call) and call not in _WITHIN and not result.startswith(("-", "?")):
                wrong.append(line)
            if locked and call in _READS:
                read.add(line.partition("(")[2].partition(",")[0])
        if len(read) > 1:
            wrong.append(f"a child has read descriptors {sorted(read)}, where its file is one")
    return before, after, wrong


def calls_of(trace: Path) -> Iterator[tuple[str, str, str]]:
    """Name, result and line of each call."""
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        found = _CALL.match(line)
        if found:
            yield found[1], found[2] or "?", line


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        wrong = besieged(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        before, after, taken = traced(list(HOSTILE), Path(folder))
    print(f"{len(HOSTILE)} files under strace: {before['openat']} files opened by children before they are locked in")
    print("  watched calls after it: " + ", ".join(f"{name} {count}" for name, count in after.most_common()))
    print(f"  files, sockets or programs opened after it: {len(taken)}")
    print("\n".join((wrong + taken)[:20]) or "nothing was taken")
    return bool(wrong or taken)


if __name__ == "__main__":
    sys.exit(main())
