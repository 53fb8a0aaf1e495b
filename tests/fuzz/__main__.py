"""`python -m tests.fuzz [SECONDS] [TARGET ...]`: all targets, one after the other, in so many seconds together.

Guided by coverage where atheris is there, else at random. Prints runs and processor time of each; 1 if an input broke a
target or, with atheris, took more than five seconds or 512 MiB.
"""

import importlib.util
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.targets import Target, survives, targets

SMALL, GROWTH = 8 << 10, 16


def main() -> int:
    """Run each target in a process of its own."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600
    names = sys.argv[2:] or list(targets())
    guided = importlib.util.find_spec("atheris") is not None
    print("guided by coverage (atheris)" if guided else "at random (Hypothesis): atheris is not there for this Python")
    broken, runs, spent = [], 0, 0.0
    for name in names:
        done, cpu = fuzzed(name, max(1, round(seconds / len(names))), guided=guided)
        counts = [int(line.split()[-1]) for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        runs, spent = runs + sum(counts), spent + cpu
        verdict = "BROKEN" if done.returncode else "held"
        print(f"{name:<16} {verdict:<6} {sum(counts):>9} runs {cpu:8.1f} s of processor  {grown(name)}", flush=True)
        if done.returncode:
            broken.append(name)
            print(done.stderr[-3000:])
    print(f"{runs} runs in {spent:.0f} s of processor, {len(broken)} of {len(names)} targets broken")
    return bool(broken)


def fuzzed(name: str, seconds: int, *, guided: bool) -> tuple[subprocess.CompletedProcess[str], float]:
    """One target for that time: how it ended, and the processor time in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(targets()[name].seeds):
            (Path(folder) / str(number)).write_bytes(seed)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        module = "tests.fuzz.guided" if guided else "tests.fuzz.unguided"
        command = [sys.executable, "-m", module, name, str(seconds), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def grown(name: str) -> str:
    """How much more time sixteen times the input takes, for the worst of the hostile shapes."""
    target = targets()[name]
    if not target.families:
        return ""
    worst, shape = max((ratio(target, shape), shape) for shape in target.families)
    return f"{GROWTH} times the input, {worst:.1f} times the time ({shape})"


def ratio(target: Target, shape: str) -> float:
    """Processor time of a large input by that of a small one."""
    small, large = (target.families[shape](size) for size in (SMALL, GROWTH * SMALL))
    return fastest(target, large) / fastest(target, small)


def fastest(target: Target, data: bytes) -> float:
    """The best processor time of a few."""
    times = []
    for _ in range(3):
        began = time.process_time()
        survives(target, data)
        times.append(time.process_time() - began)
    return max(min(times), 1e-5)


if __name__ == "__main__":
    sys.exit(main())
