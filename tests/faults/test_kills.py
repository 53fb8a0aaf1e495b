"""The kill points of `tests.faults.kills`, each call in four; `make faults` takes every call of many scripts."""

import asyncio
import math
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest

from tests.faults.children import Aim, Outcome, Tell, child
from tests.faults.gate import arm, done
from tests.faults.kills import Figures, Sweep, Waves, inspected, lives
from tests.faults.workload import Fate, House, Place, script

MEMORY = Path("/dev/shm")


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a place: these tests ask what a dead process leaves, not what a disk does."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@pytest.mark.parametrize("checkpoint", [None, 1], ids=["log kept", "log emptied at every commit"])
def test_every_operation_is_done_or_not_done_wherever_it_is_killed(folder: Path, checkpoint: int | None) -> None:
    figures = Figures()
    for part in Sweep(folder, 1, lives(1), checkpoint, stride=127 if checkpoint is None else 197).run(math.inf):
        figures.add(part)
    assert figures.losses == []
    assert set(figures.operations) == {name for name, _ in lives(1)}
    assert figures.points > 70


def test_what_was_told_of_is_there_when_many_at_once_are_killed(folder: Path) -> None:
    waves = Waves(folder, 2, None)
    waves.prepare()
    figures = waves.run(3, 23, math.inf)
    assert figures.losses == []
    assert figures.acknowledged > 40


@pytest.mark.parametrize(
    ("damage", "noticed"),
    [
        ("DELETE FROM events WHERE number = 2", "events are missing"),
        ("UPDATE blobs SET refs = refs + 1", "counts other references"),
        ("DELETE FROM blobs", "a version has no blob"),
        ("DELETE FROM versions", "versions do not run"),
        ("UPDATE ledgers SET bytes = bytes - 1", "the ledger's bytes"),
        ("UPDATE attachments SET trashed = 1, trashed_at = 1", "the ledger counts"),
        ("DELETE FROM attachment_names WHERE rowid = 1", "names searched"),
        ("PRAGMA foreign_keys = OFF; DELETE FROM records", "dangling row"),
    ],
)
def test_a_row_that_does_not_fit_would_be_noticed(folder: Path, damage: str, noticed: str) -> None:
    place = Place(folder / "catalog.db", folder / "blobs")
    asyncio.run(_perform(place, 17))
    assert inspected(place)[1] == []
    connection = apsw.Connection(str(place.database))
    connection.execute(damage)
    connection.close()
    assert any(noticed in problem for problem in inspected(place)[1])


async def _perform(place: Place, steps: int) -> None:
    fate = Fate(3)
    house = House(place, fate)
    for at, (_, operation) in enumerate(script(2000, 300_000)[: steps + 9]):
        fate.turn_to(at)
        await operation(house)
    await house.store.close()


def test_lost_bytes_would_be_noticed(folder: Path) -> None:
    place = Place(folder / "catalog.db", folder / "blobs")
    asyncio.run(_perform(place, 17))
    for segment in (place.blobs / "segments").iterdir():
        segment.chmod(0o600)
        segment.write_bytes(segment.read_bytes()[:-1])
    assert any("lost bytes" in problem for problem in inspected(place)[1])


def test_an_acknowledgement_before_the_commit_would_be_noticed(folder: Path) -> None:
    """A child that tells of its success before it has any."""

    class Hasty(Sweep):
        async def step(self, at: int, tell: Tell) -> None:
            tell(at)
            await super().step(at, tell)

    losses = [loss for part in Hasty(folder, 1, lives(1)[:3], None, stride=7).run(math.inf) for loss in part.losses]
    assert any("lost" in loss for loss in losses)


def test_a_child_dies_in_the_middle_of_a_write(folder: Path) -> None:
    async def work(tell: Tell) -> None:
        with (folder / "file").open("wb", buffering=0) as file:
            arm()
            os.pwritev(file.fileno(), [b"abcd", b"efgh"], 0)
            os.fsync(file.fileno())
            tell(1)
            done()

    assert child(work, Aim(1)).call == ("pwritev2", "blob")
    assert (folder / "file").read_bytes() == b""
    assert child(work, Aim(1, torn=True)).call == ("half pwritev2", "blob")
    assert (folder / "file").read_bytes() == b"abcd"
    assert child(work, Aim(2)).told == frozenset()
    assert child(work, Aim(3)) == Outcome(None, frozenset({1}))
