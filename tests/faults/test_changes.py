"""The number by which processes tell each other of commits (`catalog.sqlite-changes`) when one dies, or a disk does.

What a living process gives is at every moment what the file holds, wherever another one was killed; and whatever is
found in the number's place after a power cut, the next start goes on with it.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import apsw
import pytest

from holdfast.catalog.remembered import Changes, busy
from holdfast.catalog.sqlite import open_sqlite
from holdfast.core.errors import Unavailable
from holdfast.core.ports import TokenKey, Tx
from tests.catalog import rows
from tests.catalog.worlds import adding
from tests.faults.children import Aim, Outcome, Tell, child
from tests.faults.gate import arm, done

TOKEN = rows.token()
THROUGH = Aim(1_000_000)
READER = f"""
import asyncio, sys
from pathlib import Path
from holdfast.catalog.sqlite import open_sqlite
from holdfast.core.ports import TokenKey

async def main():
    catalog = open_sqlite(Path(sys.argv[1]))
    print("open", flush=True)
    for _ in sys.stdin:
        print(await catalog.get(TokenKey({TOKEN.sha256!r})) is not None, flush=True)
    await catalog.close()

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.db"

    async def fill() -> None:
        catalog = open_sqlite(path)
        await catalog.transact(adding([rows.account(), rows.ledger(), TOKEN]))
        await catalog.close()

    asyncio.run(fill())
    return path


class Asked:
    """A process that has the catalog open, and remembers what it reads."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def line(self) -> str:
        """The next thing that it says."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def sees_it(self) -> bool:
        """Whether the token is there, as it says."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.line() == "True"


@contextmanager
def reader(path: Path) -> Iterator[Asked]:
    """Such a process."""
    command = [sys.executable, "-c", READER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asked = Asked(process)
        assert asked.line() == "open"
        yield asked
        process.communicate()
    assert process.returncode == 0


def is_there(path: Path) -> bool:
    """Whether the token is in the file, as the engine says."""
    connection = apsw.Connection(str(path))
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    try:
        return bool(connection.execute("SELECT count(*) FROM tokens").fetchall()[0][0])
    finally:
        connection.close()


def changed(path: Path, aim: Aim, *, there: bool) -> Outcome:
    """A process that adds or removes the token, killed at that call; the last is between commit and end."""

    async def body(tx: Tx) -> None:
        found = await tx.get(TokenKey(TOKEN.sha256))
        if there and found is None:
            await tx.add(TOKEN)
        elif found is not None and not there:
            await tx.remove(found)

    async def work(tell: Tell) -> None:
        ending = Changes.end

        def end(self: Changes) -> None:
            folder = os.open(path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
            ending(self)

        with patch.object(Changes, "end", end):
            catalog = open_sqlite(path)
            arm()
            await catalog.transact(body)
            tell(1)
            done()

    return child(work, aim)


def test_a_living_process_gives_what_the_file_holds_wherever_another_dies_in_a_commit(path: Path) -> None:
    dead_inside, seen = 0, set[bool]()
    with reader(path) as living:
        number, outcome = 1, Outcome(("", ""), frozenset())
        while outcome.call is not None:
            assert living.sees_it()
            outcome = changed(path, Aim(number), there=False)
            changes = Changes(path)
            dead_inside += busy(changes.stamp())
            changes.close()
            for _ in range(2):
                assert living.sees_it() == is_there(path), outcome
            seen.add(is_there(path))
            assert not (outcome.told and is_there(path))
            assert changed(path, THROUGH, there=True).told
            number += 1
        assert living.sees_it()
    assert dead_inside >= 3
    assert seen == {True, False}


@pytest.mark.parametrize(
    "left",
    [b"", b"\1", bytes(7), bytes(8), b"\1" + bytes(7), b"\xff" * 8, b"\xfe" + b"\xff" * 7, bytes(4096)],
    ids=["empty", "a byte", "cut short", "zeros", "odd", "the largest", "the largest even", "a block"],
)
def test_whatever_a_power_cut_leaves_of_it_the_next_start_goes_on(path: Path, left: bytes) -> None:
    Path(f"{path}-changes").write_bytes(left)
    with reader(path) as living:
        for there in (False, True, False):
            assert living.sees_it() != there
            assert changed(path, THROUGH, there=there).told
            assert living.sees_it() == there


def test_a_disk_that_is_full_when_it_is_made_is_told_and_holds_up_nothing_later(path: Path) -> None:
    file = Path(f"{path}-changes")
    file.unlink()
    file.symlink_to("/dev/full")
    for _ in range(2):
        with pytest.raises(Unavailable, match="-changes cannot be used: No space left on device"):
            open_sqlite(path)
    file.unlink()
    assert changed(path, THROUGH, there=False).told
    assert not is_there(path)


def test_a_folder_in_which_it_cannot_be_made_or_written_is_told(path: Path) -> None:
    file = Path(f"{path}-changes")
    file.unlink()
    file.symlink_to("/proc/sys/kernel/version")
    with pytest.raises(Unavailable, match="-changes cannot be used"):
        open_sqlite(path)
