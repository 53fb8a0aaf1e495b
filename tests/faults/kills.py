"""Kill points: `python -m tests.faults.kills` kills the store before, or inside, each durable call of each operation.

A child works on a data folder behind a gate (see `gate`), and is killed at the N-th call of an operation, for N = 1, 2,
3 … until the operation gets through. After each kill the folder is opened as it was left and compared with what the
same script leaves when nobody dies: every row as before the operation or as after it, as after it if it was
acknowledged, all bytes readable. Then the next child goes on with what the dead one left.
"""

import argparse
import asyncio
import gc
import hashlib
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.children import Aim, Outcome, Tell, child
from tests.faults.gate import WRITES, arm, done
from tests.faults.state import Look, Rows, difference, lost_bytes
from tests.faults.workload import Fate, House, Place, Script, script, wave

_MOST_CALLS = 2000
_WAVE = 40
_CHECKPOINTS = (None, 1, 7, None, 40)


@dataclass
class Figures:
    """What was tried and what was found. `calls` and `operations` count the points of each kind."""

    points: int = 0
    acknowledged: int = 0
    losses: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)

    def point(self, operation: str, outcome: Outcome) -> None:
        self.points += 1
        self.acknowledged += len(outcome.told)
        self.operations[operation] += 1
        self.calls[" ".join(outcome.call or ("idle", ""))] += 1

    def print_rest(self) -> None:
        """All but the number of points, for a person."""
        print(f"{self.acknowledged} acknowledgements, {len(self.losses)} losses")
        for title, counts in (("operation", self.operations), ("call", self.calls)):
            print(f"by {title}: " + ", ".join(f"{name.strip()} {count}" for name, count in counts.most_common()))
        for loss in self.losses[:20]:
            print(loss[:600])

    def add(self, other: "Figures") -> None:
        self.points += other.points
        self.acknowledged += other.acknowledged
        self.losses += other.losses
        self.calls += other.calls
        self.operations += other.operations


def lives(seed: int) -> Script:
    """The script with openings in between: on nothing, on a log full of changes, and on a closed installation."""
    steps = list(script(1000 + 977 * (seed % 40), 270_000 + 30_011 * (seed % 7)))
    steps.insert(len(steps) // 2, ("open", _nothing))
    return [("open", _nothing), *steps, ("open", _nothing)]


async def _nothing(house: House) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Sweep:
    """One run through the script, killed at every `stride`-th call. `folder` is used up."""

    folder: Path
    seed: int
    steps: Script
    checkpoint: int | None
    stride: int = 1

    @property
    def place(self) -> Place:
        return Place(self.folder / "data" / "catalog.db", self.folder / "data" / "blobs", self.checkpoint)

    def run(self, until: float) -> Iterator[Figures]:
        """The figures of each operation in turn, until that time of the monotonic clock."""
        states = self.states()
        for at in range(len(self.steps)):
            if time.monotonic() > until:
                return
            yield self._operation(at, states)

    def states(self) -> list[Rows]:
        """What there is before each step, and at the end, when nobody dies."""
        place = Place(self.folder / "calm" / "catalog.db", self.folder / "calm" / "blobs", self.checkpoint)
        place.database.parent.mkdir(parents=True)
        fate = Fate(self.seed)

        async def run() -> list[Rows]:
            house, states = House(place, fate), [rows_in(place)]
            for at, (name, operation) in enumerate(self.steps):
                fate.turn_to(at)
                await operation(house)
                states.append(rows_in(place))
                if name == "close":
                    house = House(place, fate)
            await house.store.close()
            return states

        return asyncio.run(run())

    def _operation(self, at: int, states: list[Rows]) -> Figures:
        figures, aim, name = Figures(), Aim(1), self.steps[at][0]
        data, kept = self.folder / "data", self.folder / "kept"
        data.mkdir(exist_ok=True)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(data, kept)
        while aim.number < _MOST_CALLS:
            outcome = child(lambda tell: self.step(at, tell), aim)
            figures.point(name, outcome)
            found, problems = self.judge(at, states, through=outcome.call is None or bool(outcome.told))
            figures.losses += [f"seed {self.seed}, {name}, {aim}, {outcome.call}: {problem}" for problem in problems]
            if outcome.call is None:
                break
            if problems or found != states[at]:
                shutil.rmtree(data)
                shutil.copytree(kept, data)
            aim = self._next(aim, outcome.call[0])
        return figures

    def _next(self, aim: Aim, call: str) -> Aim:
        if call in WRITES and aim.number % 2:
            return Aim(aim.number, torn=True)
        return Aim(aim.number + self.stride)

    async def step(self, at: int, tell: Tell) -> None:
        """In the child: open what is there and do that step alone."""
        name, operation = self.steps[at]
        fate = Fate(self.seed)
        if name == "open":
            arm()
        house = House(self.place, fate)
        fate.turn_to(at)
        arm()
        await operation(house)
        tell(at)
        done()

    def judge(self, at: int, states: list[Rows], *, through: bool) -> tuple[Rows, list[str]]:
        """What is there after a step that got through or did not, and what is wrong with it."""
        found, problems = inspected(self.place)
        before, after = states[at : at + 2]
        gradual = self.steps[at][0].startswith("upkeep")
        if found != after and (through or (found != before and not gradual)):
            told = difference(after, found) if through else difference(before, found)
            problems.append(f"{'lost' if through else 'half done'}: {told[:6]}")
        return found, problems


def rows_in(place: Place) -> Rows:
    """All rows of an installation that may not have been begun."""
    if not place.database.exists():
        return {}
    with Look(place.database) as look:
        return _substance(look.rows())


def inspected(place: Place) -> tuple[Rows, list[str]]:
    """All rows, and everything that is wrong with them or with the bytes."""
    if not place.database.exists():
        return {}, []
    with Look(place.database) as look:
        found, problems, wanted = look.rows(), list(look.problems()), look.blobs()
    problems += [f"lost bytes: {locator}" for locator in asyncio.run(lost_bytes(place.blobs, wanted))] if wanted else []
    return _substance(found), problems


def _substance(rows: Rows) -> Rows:
    return {table: found for table, found in rows.items() if found and table != "schema_versions"}


# ---------------------------------------------------------------- many at once


class Waves:
    """Many uploads at once, cut at one call of the whole; each upload that was told of is there, the rest is whole."""

    def __init__(self, folder: Path, seed: int, checkpoint: int | None) -> None:
        self._folder = folder
        self._seed = seed
        self._checkpoint = checkpoint
        self._place = Place(folder / "data" / "catalog.db", folder / "data" / "blobs", checkpoint)

    def prepare(self) -> None:
        """Make the folder that every trial begins with."""
        place = Place(self._folder / "kept" / "catalog.db", self._folder / "kept" / "blobs", self._checkpoint)
        place.database.parent.mkdir(parents=True)

        async def run() -> None:
            fate = Fate(self._seed)
            house = House(place, fate)
            for at, (_, operation) in enumerate(script(3000, 300_000)[:14]):
                fate.turn_to(at)
                await operation(house)
            await house.store.close()

        asyncio.run(run())

    def run(self, first: int, stride: int, until: float) -> Figures:
        """Kill at every so many calls, until one gets through or that time of the monotonic clock has come."""
        figures, number = Figures(), first
        while not figures.calls["idle "] and time.monotonic() < until:
            figures.add(self._trial(number))
            number += stride
        return figures

    def _trial(self, number: int) -> Figures:
        data, figures = self._folder / "data", Figures()
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self._folder / "kept", data)
        outcome = child(self._wave, Aim(number, torn=number % 3 == 0))
        figures.point("many at once", outcome)
        _, problems = inspected(self._place)
        problems += missing_of(self._place, self._seed, outcome.told)
        figures.losses = [f"wave, call {number}, {outcome.call}: {problem}" for problem in problems]
        return figures

    async def _wave(self, tell: Tell) -> None:
        fate = Fate(self._seed)
        house = House(self._place, fate)
        fate.turn_to(1000)
        arm()
        await wave(house, _WAVE, tell)
        done()


def missing_of(place: Place, seed: int, told: frozenset[int]) -> list[str]:
    """The uploads of a wave that were told of and are not there as they were sent."""
    if not told:
        return []
    fate = Fate(seed)
    fate.turn_to(1000)
    with Look(place.database) as look:
        there = {row[4]: row for row in look.rows()["attachments"]}
    return [f"lost: wave-{number}.png" for number in told if not _is_there(there, fate, number)]


def _is_there(there: dict[str, tuple[object, ...]], fate: Fate, number: int) -> bool:
    name = f"wave-{number}.png"
    row = there.get(name)
    if row is None or (number % 3 == 1 and row[5] != "seen"):
        return False
    return hashlib.sha256(fate.body(name, 3000 + number)).digest() in row


# ---------------------------------------------------------------- the whole run


def lane(folder: Path, first: int, step: int, seconds: float) -> Figures:
    """Sweeps and waves one after the other for that time; every `step`-th seed from `first`."""
    gc.freeze()
    figures, until, seed = Figures(), time.monotonic() + seconds, first
    while time.monotonic() < until:
        checkpoint = _CHECKPOINTS[(seed // step) % len(_CHECKPOINTS)]
        for part in Sweep(folder / f"sweep-{seed}", seed, lives(seed), checkpoint).run(until):
            figures.add(part)
        shutil.rmtree(folder / f"sweep-{seed}", ignore_errors=True)
        waves = Waves(folder / f"wave-{seed}", seed, checkpoint)
        waves.prepare()
        figures.add(waves.run(1 + seed % 5, 5, until))
        shutil.rmtree(folder / f"wave-{seed}", ignore_errors=True)
        seed += step
    return figures


def main() -> int:
    given = _arguments()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        lanes = multiprocessing.get_context("fork").Pool(given.lanes)
        parts = [
            (Path(folder), seed, given.lanes, given.seconds) for seed in range(given.seed, given.seed + given.lanes)
        ]
        figures = Figures()
        for part in lanes.starmap(lane, parts):
            figures.add(part)
    took = time.monotonic() - began
    print(f"{figures.points} kill points in {took:.0f} s, {figures.points / took:.1f} a second, {given.lanes} lanes")
    figures.print_rest()
    return 1 if figures.losses else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    parser.add_argument("--seconds", type=float, default=720, help="how long to go on (default: 720)")
    parser.add_argument("--lanes", type=int, default=2, help="how many processes to work with (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="where the choices begin")
    memory = Path("/dev/shm")
    parser.add_argument("--folder", type=Path, default=memory if memory.is_dir() else None, help="where to work")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
