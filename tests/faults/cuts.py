"""Power cuts: `python -m tests.faults.cuts` lets a store work on real filesystems and cuts their power at chosen calls.

The filesystems (ext4 and XFS, database and blobs on one or on two) lie on loop devices and are shut down by the
kernel's own call for it: what was not flushed is gone. Then they are mounted again and looked at as in `kills`: rows
as before or after the operation that was cut, as after it if it was acknowledged, every byte readable. The next trial
goes on with what is left. With `--careless` the disk only pretends to sync, to see that the harness notices.
"""

import argparse
import asyncio
import functools
import gc
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.children import Aim, Blow, Outcome, Tell, child
from tests.faults.filesystems import Disk, MountImpossible, disks, keep_mounts_to_ourselves
from tests.faults.gate import SYNCS, Call, Gate, arm, done
from tests.faults.kills import Figures, Sweep, inspected, lives, missing_of
from tests.faults.state import Rows, difference
from tests.faults.workload import Fate, House, Place, wave

_WAVE = 30
_SETTINGS = tuple(
    (sort, count, checkpoint) for checkpoint in (None, 1, 7) for count in (1, 2) for sort in ("ext4", "xfs")
)


@dataclass(frozen=True, slots=True)
class Rig:
    """Mounted filesystems, the one with the database first, and how often the log is written into it."""

    disks: list[Disk]
    checkpoint: int | None
    careless: bool = False

    def place(self, name: str) -> Place:
        """Where an installation of this name lies, database and blobs on the first and the last filesystem."""
        database, blobs = self.disks[0].path / name, self.disks[-1].path / name
        database.mkdir(exist_ok=True)
        blobs.mkdir(exist_ok=True)
        return Place(database / "catalog.db", blobs / "blobs", self.checkpoint)

    def forget(self, name: str) -> None:
        """Remove the installation."""
        for disk in self.disks:
            shutil.rmtree(disk.path / name, ignore_errors=True)

    def cut(self, _: Call) -> None:
        """Cut the power of all filesystems."""
        for disk in self.disks:
            disk.cut()

    def settle(self) -> None:
        """Whatever was prepared is on the disk."""
        os.sync()

    def revive(self) -> None:
        """Power is back."""
        for disk in self.disks:
            disk.revive()

    def pretend(self, gate: Gate, call: Call, _: int) -> bool:
        """On a careless disk a sync succeeds and does nothing."""
        if self.careless and call.name in SYNCS:
            gate.give(call, 0)
            return True
        return False


class Life:
    """One script on one rig, cut again and again until it has come to its end."""

    def __init__(self, rig: Rig, folder: Path, seed: int) -> None:
        self._rig = rig
        self._seed = seed
        self._name = f"life-{seed}"
        self._steps = lives(seed)
        self._states = Sweep(folder / self._name, seed, self._steps, rig.checkpoint).states()
        self._chance = random.Random(seed)
        self.at = 0

    @property
    def over(self) -> bool:
        """Whether every step has been done."""
        return self.at == len(self._steps)

    def trial(self) -> Figures:
        """Go on from where the last cut has left things, up to the next."""
        figures, place = Figures(), self._rig.place(self._name)
        aim, early = Aim(int(self._chance.triangular(1, 400, 20))), self._chance.random() < 0.2
        work = functools.partial(self._work, place, early)
        outcome = child(work, aim, Blow(self._rig.cut, self._rig.pretend))
        if outcome.call is None:
            self._rig.forget(self._name)
            self.at = len(self._steps)
            return figures
        self._rig.revive()
        found, problems = inspected(place)
        reached = max(outcome.told, default=self.at - 1) + 1
        figures.point(self._steps[min(reached, len(self._steps) - 1)][0], outcome)
        figures.losses = [f"{self._where()}, {outcome.call}: {problem}" for problem in problems]
        figures.losses += self._judge(found, reached)
        if figures.losses:
            self._rig.forget(self._name)
            self.at = len(self._steps)
        return figures

    def _judge(self, found: Rows, reached: int) -> list[str]:
        for number in (reached, reached + 1):
            if number < len(self._states) and found == self._states[number]:
                self.at = number
                return []
        if self._steps[reached][0].startswith("upkeep"):
            self.at = reached
            return []
        return [f"{self._where()}: neither before nor after: {difference(self._states[reached], found)[:6]}"]

    async def _work(self, place: Place, early: bool, tell: Tell) -> None:
        fate = Fate(self._seed)
        if early:
            arm()
        house = House(place, fate)
        arm()
        for number in range(self.at, len(self._steps)):
            name, operation = self._steps[number]
            fate.turn_to(number)
            await operation(house)
            if name == "close":
                house = House(place, fate)
            tell(number)
        await house.store.close()
        done()

    def _where(self) -> str:
        return (
            f"{self._rig.disks[0].sort} x{len(self._rig.disks)}, checkpoint {self._rig.checkpoint}, seed {self._seed}"
        )


def wave_trial(rig: Rig, seed: int) -> Figures:
    """Many uploads at once on a new installation; those that were told of are there after the cut."""
    # A new name each time: a cut may bring back a folder that was removed just before it.
    name = f"wave-{seed}"
    figures, place, chance = Figures(), rig.place(name), random.Random(seed)
    asyncio.run(_prepare(place, seed))
    rig.settle()

    async def work(tell: Tell) -> None:
        fate = Fate(seed)
        house = House(place, fate)
        fate.turn_to(1000)
        arm()
        await wave(house, _WAVE, tell)
        done()

    outcome = child(work, Aim(chance.randrange(1, 300)), Blow(rig.cut, rig.pretend))
    if outcome.call is None:
        rig.cut(Call(0, 0, "", ()))
        outcome = Outcome(("idle", ""), outcome.told)
    rig.revive()
    figures.point("many at once", outcome)
    _, problems = inspected(place)
    problems += missing_of(place, seed, outcome.told)
    figures.losses = [f"wave, seed {seed}, {rig.disks[0].sort} x{len(rig.disks)}: {problem}" for problem in problems]
    rig.forget(name)
    return figures


async def _prepare(place: Place, seed: int) -> None:
    fate = Fate(seed)
    house = House(place, fate)
    for at, (_, operation) in enumerate(lives(seed)[:20]):
        fate.turn_to(at)
        await operation(house)
    await house.store.close()


# ---------------------------------------------------------------- the whole run


@contextmanager
def rigs(folder: Path, sort: str, count: int, checkpoint: int | None, *, careless: bool) -> Iterator[Rig]:
    """A rig of new filesystems."""
    folder.mkdir()
    with disks(folder, sort, count) as mounted:
        yield Rig(mounted, checkpoint, careless)


def lane(folder: Path, first: int, trials: int, seconds: float, careless: bool) -> Figures:
    """Trials on one rig after the other, a life on each, until so many were made or that time is over."""
    gc.freeze()
    figures, until, seed = Figures(), time.monotonic() + seconds, first
    while figures.points < trials and time.monotonic() < until:
        sort, count, checkpoint = _SETTINGS[seed % len(_SETTINGS)]
        with rigs(folder / f"rig-{seed}", sort, count, checkpoint, careless=careless) as rig:
            life = Life(rig, folder, seed)
            most = figures.points + max(3, min(60, trials // 4))
            while figures.points < min(most, trials) and time.monotonic() < until:
                if life.over:
                    life = Life(rig, folder, seed + 1000 * figures.points)
                figures.add(life.trial())
                if figures.points % 4 == 3:
                    figures.add(wave_trial(rig, 1_000_000 * seed + figures.points))
        seed += 1
    return figures


def main() -> int:
    given = _arguments()
    try:
        keep_mounts_to_ourselves()
        with (
            tempfile.TemporaryDirectory(dir=given.folder) as probe,
            disks(Path(probe), "ext4", 1),
            disks(Path(probe), "xfs", 1),
        ):
            pass
    except MountImpossible as refused:
        print(f"no power can be cut here: {refused}", file=sys.stderr)
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        parts = []
        for number in range(given.lanes):
            path = Path(folder) / f"lane-{number}"
            path.mkdir()
            parts.append((path, 500 * number + given.seed, given.trials // given.lanes, given.seconds, given.careless))
        with multiprocessing.get_context("fork").Pool(given.lanes) as lanes:
            figures = Figures()
            for part in lanes.starmap(lane, parts):
                figures.add(part)
    took = time.monotonic() - began
    print(f"{figures.points} power cuts in {took:.0f} s, {figures.points / took:.1f} a second, {given.lanes} lanes")
    figures.print_rest()
    return 1 if figures.losses else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.cuts", description=__doc__)
    parser.add_argument("--seconds", type=float, default=480, help="how long to go on (default: 480)")
    parser.add_argument("--trials", type=int, default=1_000_000, help="how many cuts at most")
    parser.add_argument("--lanes", type=int, default=2, help="how many processes to work with (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="where the choices begin")
    parser.add_argument("--careless", action="store_true", help="a disk that only pretends to sync; must lose")
    memory = Path("/dev/shm")
    parser.add_argument("--folder", type=Path, default=memory if memory.is_dir() else None, help="where images lie")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
