"""Mutants: `python -m tests.mutants` breaks the safety code in one place after the other and sees who notices.

Each `NAME.patch` in this folder changes one thing that keeps a promise, and says on its first lines what it breaks and
which tests must fail for it. Each is applied to a copy of the project, and those tests run there: killed is a mutant
for which one fails, survived one for which all pass. A survivor is a hole in the tests.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
_COPIED = ("src", "tests", "docs", "pyproject.toml", "README.md", "Makefile")
_SECONDS = 180
_TESTS_FAILED = 1


@dataclass(frozen=True, slots=True)
class Mutant:
    """A patch: what it breaks, and the tests that must notice."""

    name: str
    path: Path
    breaks: str
    tests: tuple[str, ...]


def mutants(names: Sequence[str] = ()) -> list[Mutant]:
    """Those of these names, all of them if none is given, by name."""
    found = [_read(path) for path in sorted(HERE.glob("*.patch"))]
    return [mutant for mutant in found if not names or mutant.name in names]


def _read(path: Path) -> Mutant:
    head = path.read_text(encoding="utf-8").partition("\n--- ")[0].splitlines()
    said = dict(line.split(": ", 1) for line in head if ": " in line)
    return Mutant(path.stem, path, said["Breaks"], tuple(said["Killed by"].split("; ")))


def copy_project(target: Path) -> None:
    """A copy to break, without what tests leave behind."""
    ignored = shutil.ignore_patterns("__pycache__", "*.patch")
    for name in _COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, target / name)


def apply(mutant: Mutant, copy: Path, *, undo: bool = False) -> str:
    """Change the copy, or change it back; what is wrong with the patch, nothing if it fits."""
    command = ["git", "apply", *(["--reverse"] if undo else []), str(mutant.path)]
    # Outside any repository, or git would take the copy's files for ones it does not know.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def outcome(mutant: Mutant, copy: Path) -> tuple[str, str]:
    """`killed`, `survived` or `broken`, and what the tests said last."""
    wrong = apply(mutant, copy)
    if wrong:
        return "broken", wrong
    try:
        return _run(mutant.tests, copy)
    finally:
        apply(mutant, copy, undo=True)


def _run(tests: tuple[str, ...], copy: Path) -> tuple[str, str]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", *tests]
    environment = {**os.environ, "PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy}", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "killed", "it hung"
    last = (done.stdout.strip().splitlines() or [""])[-1]
    if done.returncode == _TESTS_FAILED:
        return "killed", next((line for line in done.stdout.splitlines() if line.startswith("FAILED")), last)
    return ("survived", last) if done.returncode == 0 else ("broken", done.stdout[-500:] + done.stderr[-500:])


def hunt(wanted: Sequence[Mutant], folder: Path, lanes: int) -> dict[str, list[str]]:
    """All of them, some at a time, each lane on a copy of its own; names by outcome."""
    copies: SimpleQueue[Path] = SimpleQueue()
    for number in range(lanes):
        copy_project(folder / str(number))
        copies.put(folder / str(number))
    names: dict[str, list[str]] = {"killed": [], "survived": [], "broken": []}

    def one(mutant: Mutant) -> None:
        copy = copies.get()
        try:
            kind, said = outcome(mutant, copy)
        finally:
            copies.put(copy)
        names[kind].append(mutant.name)
        print(
            f"{kind:<8} {mutant.name}: {mutant.breaks}" + ("" if kind == "killed" else f"\n         {said}"), flush=True
        )

    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(one, wanted))
    return names


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="mutants to run (default: all)")
    parser.add_argument("--lanes", type=int, default=2, help="how many at a time (default: 2)")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        names = hunt(mutants(given.names), Path(folder), given.lanes)
    total = sum(map(len, names.values()))
    share = 100 * len(names["killed"]) / max(1, total)
    print(f"{len(names['killed'])} of {total} mutants killed ({share:.0f} %) in {time.monotonic() - began:.0f} s")
    for kind in ("survived", "broken"):
        if names[kind]:
            print(f"{kind}: {', '.join(sorted(names[kind]))}")
    return 0 if len(names["killed"]) == total else 1


if __name__ == "__main__":
    sys.exit(main())
