"""Failing calls: a sample of `tests.faults.refusals`, and what it has found."""

import errno
import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from holdfast.core.attachments import NewAttachment
from holdfast.core.errors import StorageFull
from tests.faults.children import Aim, Blow, Tell, child
from tests.faults.gate import Call, Gate, arm, done, refused
from tests.faults.kills import Figures, inspected, lives
from tests.faults.refusals import Refusals
from tests.faults.workload import Fate, House, Place, script

MEMORY = Path("/dev/shm")


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


def test_whatever_call_fails_the_next_try_succeeds_and_a_crash_leaves_nothing_half_done(folder: Path) -> None:
    figures = Figures()
    for part in Refusals(folder, 1, lives(1), None, stride=97).run(math.inf):
        figures.add(part)
    assert figures.losses == []
    assert figures.operations["refused"] > 40


def test_a_commit_that_ran_out_of_room_may_come_back_with_a_crash_and_finds_its_bytes(folder: Path) -> None:
    """The log can be whole when its index finds no room: the upload is refused, and a crash brings it back."""
    place = Place(folder / "catalog.db", folder / "blobs", checkpoint=0)

    async def work(tell: Tell) -> None:
        fate = Fate(1)
        house = House(place, fate)
        await script(1, 1)[0][1](house)
        arm()
        for at in range(10, 400):
            fate.turn_to(at)
            try:
                await house.upload(NewAttachment(f"{at}.png", folder="/x", properties={"a": "x" * 60_000}), 300_000)
                tell(at)
            except StorageFull:
                refused()
                break
        done()

    def answer(gate: Gate, call: Call, _: int) -> bool:
        if call.name != "pwrite64" or call.kind() != "shm":
            return False
        gate.fail(call, errno.ENOSPC)
        return True

    outcome = child(work, Aim(0), Blow(answer=answer, refused=lambda: True))
    assert outcome.call is not None, "the index never had to grow"
    found, problems = inspected(place)
    assert problems == []
    assert len(found["attachments"]) >= len(outcome.told)
