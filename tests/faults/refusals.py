"""Errors of the system: `python -m tests.faults.refusals` lets each durable call of each operation fail, one by one.

As in `kills`, an operation runs in a child behind a gate. Its N-th call fails with an error, once, or with all that
follow until the operation gives up. Then, by turns, the fault passes and the same process tries again, which has to
succeed; or the process dies there, which has to leave the rows as before or as after, and every byte that they name.
Whatever fails, it is one of the core's failures that the caller sees, and reading goes on.
"""

import argparse
import errno
import functools
import gc
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from holdfast.core.errors import HoldfastError
from holdfast.core.ports import AttachmentQuery, Window
from tests.faults.children import Aim, Blow, Outcome, Tell, child
from tests.faults.gate import Call, Gate, arm, done, refused
from tests.faults.kills import Figures, Sweep, lives
from tests.faults.state import Rows
from tests.faults.workload import Fate, House

_NEVER = Aim(0)
_REFUSED, _DONE = 1, 2
_MOST_CALLS = 2000
_CODES = (errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EROFS)


@dataclass
class Fault:
    """Fail the `number`-th call, and with `lasting` those that follow, until the operation gives up.

    With `fatal` the process dies when it has; `met` is the call that failed first.
    """

    number: int
    code: int
    lasting: bool
    fatal: bool
    met: tuple[str, str] | None = None
    over: bool = False

    def answer(self, gate: Gate, call: Call, count: int) -> bool:
        """Let it fail if its time has come."""
        if self.over or not (count == self.number or (self.lasting and count > self.number)):
            return False
        self.met = self.met or (call.name, call.kind())
        gate.fail(call, self.code)
        return True

    def gave_up(self) -> bool:
        """The operation has failed: the fault is over. Whether the process dies."""
        self.over = True
        return self.fatal


class Refusals(Sweep):
    """One run through the script, each `stride`-th call of each operation failing in turn."""

    def run(self, until: float) -> Iterator[Figures]:
        """The figures of each operation in turn, until that time of the monotonic clock."""
        states = self.states()
        for at in range(len(self.steps)):
            if time.monotonic() > until:
                return
            yield self._each(at, states)

    def _each(self, at: int, states: list[Rows]) -> Figures:
        figures, name = Figures(), self.steps[at][0]
        data, kept = self.folder / "data", self.folder / "kept"
        data.mkdir(exist_ok=True)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(data, kept)
        number = 1
        while number < _MOST_CALLS:
            turn = number + self.seed
            fault = Fault(number, _CODES[turn % len(_CODES)], lasting=turn % 3 == 0, fatal=turn % 2 == 0)
            outcome, problems = self._trial(at, fault, states)
            figures.losses += [f"seed {self.seed}, {name}, {fault}: {problem}" for problem in problems]
            if fault.met is None and not problems:
                break
            figures.point(name, Outcome(fault.met, outcome.told))
            figures.operations["refused" if _REFUSED in outcome.told else "not needed"] += 1
            shutil.rmtree(data)
            shutil.copytree(kept, data)
            number += self.stride
        return figures

    def _trial(self, at: int, fault: Fault, states: list[Rows]) -> tuple[Outcome, list[str]]:
        blow = Blow(answer=fault.answer, refused=fault.gave_up)
        try:
            outcome = child(functools.partial(self.step, at), _NEVER, blow)
        except (RuntimeError, TimeoutError) as failure:
            return Outcome(None, frozenset()), [str(failure)]
        _, problems = self.judge(at, states, through=_DONE in outcome.told)
        return outcome, problems

    async def step(self, at: int, tell: Tell) -> None:
        """In the child: do that step, and once more if it has failed."""
        arm()
        house: House | None = None
        for _ in range(2):
            try:
                house = await self._do(at, house)
                tell(_DONE)
                break
            except HoldfastError:
                tell(_REFUSED)
                refused()
                if house is not None:
                    await _read(house)
        done()

    async def _do(self, at: int, house: House | None) -> House:
        name, operation = self.steps[at]
        fate = Fate(self.seed)
        house = house or House(self.place, fate)
        house.fate.turn_to(at)
        if name != "open":
            arm()
        await operation(house)
        return house


async def _read(house: House) -> None:
    """What anyone may go on doing while nothing can be written."""
    for account in await house.operator.accounts.all():
        desk = house.operator.desk(account)
        found = await desk.attachments.find(AttachmentQuery(account.number, Window(100)))
        for attachment in found.items:
            await desk.attachments.get(attachment.id)


# ---------------------------------------------------------------- the whole run


def lane(folder: Path, first: int, step: int, seconds: float) -> Figures:
    """Runs through the script one after the other for that time; every `step`-th seed from `first`."""
    gc.freeze()
    figures, until, seed = Figures(), time.monotonic() + seconds, first
    while time.monotonic() < until:
        run = Refusals(folder / f"run-{seed}", seed, lives(seed), (None, 1, 7)[(seed // step) % 3])
        for part in run.run(until):
            figures.add(part)
        shutil.rmtree(run.folder, ignore_errors=True)
        seed += step
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.refusals", description=__doc__)
    parser.add_argument("--seconds", type=float, default=240, help="how long to go on (default: 240)")
    parser.add_argument("--lanes", type=int, default=2, help="how many processes to work with (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="where the choices begin")
    given = parser.parse_args()
    began, memory = time.monotonic(), Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        multiprocessing.get_context("fork").Pool(given.lanes) as lanes,
    ):
        parts = [(Path(folder), given.seed + number, given.lanes, given.seconds) for number in range(given.lanes)]
        figures = Figures()
        for part in lanes.starmap(lane, parts):
            figures.add(part)
    took = time.monotonic() - began
    print(f"{figures.points} calls failed in {took:.0f} s, {figures.points / took:.1f} a second, {given.lanes} lanes")
    figures.print_rest()
    return 1 if figures.losses else 0


if __name__ == "__main__":
    sys.exit(main())
