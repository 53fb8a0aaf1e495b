"""A sync that fails and takes what it should have written with it: the trap of every database on every kernel.

What is decided: the group whose sync failed is refused as unsure, its bytes are kept, and the process goes on. That is
right because the engine writes the refused part of the log anew before it commits anything behind it, and copies a
page to the database again when the sync after the first copy failed. These tests show both.
"""

import asyncio
from pathlib import Path

import apsw
import pytest

from holdfast.core.errors import Unavailable
from tests.faults.forgetful import Disk, Forgetful
from tests.faults.state import Look, Rows, difference
from tests.faults.workload import Fate, House, Place, script

STEPS = script(2_000, 300_000)[:30]


async def run(folder: Path, disk: Disk, fail_at: int, ending: str, checkpoint: int | None) -> bool:
    """All steps, then a power cut. One step meets the failure and is tried again; whether it was refused."""
    fate, refused = Fate(1), False
    house = House(Place(folder / "catalog.db", folder / "blobs", checkpoint), fate)
    for at, (_, operation) in enumerate(STEPS):
        fate.turn_to(at)
        disk.fail_next = ending if at == fail_at else disk.fail_next
        try:
            await operation(house)
        except Unavailable as failure:
            refused = failure.unsure
            if ending == "-wal":
                fate.turn_to(at)
                await operation(house)
    disk.after_power_cut(folder / "left")
    try:
        await house.store.close()
    except apsw.IOError:
        pass  # The engine hides that a reader cannot lock for good; the layer for file systems does not.
    return refused


def rows_of(database: Path) -> Rows:
    with Look(database) as look:
        assert list(look.problems()) == []
        return look.rows()


@pytest.mark.parametrize("fail_at", range(1, 30, 4))
@pytest.mark.parametrize(("ending", "checkpoint"), [("-wal", None), ("-wal", 1), (".db", 1)])
def test_nothing_is_lost_by_a_sync_that_failed_once(
    tmp_path: Path, fail_at: int, ending: str, checkpoint: int | None
) -> None:
    disk = Disk()
    with Forgetful(disk):
        refused = asyncio.run(run(tmp_path, disk, fail_at, ending, checkpoint))
    assert disk.fail_next is None, "the failure never happened"
    # A database that cannot be synced costs no commit; that the layer for file systems tells of it is its own doing.
    assert refused
    assert difference(rows_of(tmp_path / "catalog.db"), rows_of(tmp_path / "left" / "catalog.db")) == []


def test_a_disk_that_forgets_everything_would_be_noticed(tmp_path: Path) -> None:
    class Careless(Disk):
        def sync(self, path: str) -> None:
            if self.syncs:
                self.dirty.pop(path, None)
            super().sync(path)

    disk = Careless()
    with Forgetful(disk):
        asyncio.run(run(tmp_path, disk, -1, "", None))
    assert _is_noticed(tmp_path)


def _is_noticed(folder: Path) -> bool:
    try:
        with Look(folder / "left" / "catalog.db") as look:
            return difference(rows_of(folder / "catalog.db"), look.rows()) != []
    except apsw.Error:
        return True
