"""Nothing acknowledged is lost when the process is killed, or the power cut, at any call that matters.

Run as a program (`ROOT SEED`), this file is the parent of the processes that die.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from holdfast.blobs.disk import DiskBlobs, open_disk
from holdfast.blobs.syscalls import Buffers, Syscalls
from holdfast.core.model import ByteRange

KIB = 1024
SIZES = (0, 900, 50 * KIB, 256 * KIB, 257 * KIB, 1500 * KIB)
SEGMENT = 300 * KIB


def body(number: int) -> bytes:
    return random.Random(number).randbytes(SIZES[number % len(SIZES)])


async def upload(store: DiskBlobs, number: int, acknowledge: Callable[[str, int], None]) -> None:
    data = body(number)
    writer = store.create(number % 3)
    for start in range(0, len(data), 200_000):
        await writer.write(data[start : start + 200_000])
    await writer.finish()
    locator = await writer.commit()
    if number % 7 == 6:
        await writer.cancel()
    else:
        acknowledge(locator, number)


async def workload(store: DiskBlobs, acknowledge: Callable[[str, int], None]) -> None:
    for start, end in ((0, 1), (1, 2), (2, 14), (14, 16), (16, 30)):
        await asyncio.gather(*(upload(store, number, acknowledge) for number in range(start, end)))
    await store.close()


async def check(root: Path, acknowledged: dict[str, int]) -> None:
    """Every acknowledged blob is whole, torn ends are ignored, temporaries go, and the store works on."""
    store = open_disk(root, segment_size=SEGMENT)
    for locator, number in acknowledged.items():
        data = body(number)
        found = b"".join([chunk async for chunk in store.read(locator, ByteRange(0, len(data)))])
        assert found == data, locator
    frames = {}
    for info in await store.segments.segments():
        assert not info.growing
        async for frame in store.segments.reindex(info.name):
            frames[frame.locator] = frame
    for locator, number in acknowledged.items():
        if locator.startswith("s:"):
            frame = frames[locator]
            assert (frame.account, frame.sha256, frame.intact) == (number % 3, sha256(body(number)).digest(), True)
    await store.leftovers(-3600)
    at_rest = [stored async for stored in store.scan()]
    assert {stored.kind for stored in at_rest} <= {"whole", "shared"}
    assert acknowledged.keys() <= {stored.locator for stored in at_rest}
    await asyncio.gather(*(upload(store, number, lambda *_: None) for number in range(len(SIZES))))
    await store.close()


# ---------------------------------------------------------------- kill -9


class Deadly(Syscalls):
    """Kills its own process at the n-th call: before it, in the middle of a write, or after it."""

    def __init__(self, number: int, moment: str) -> None:
        super().__init__()
        self._left = number
        self._moment = moment

    def _reached(self) -> bool:
        self._left -= 1
        return self._left == 0

    def _around(self, call: Callable[[], object]) -> None:
        reached = self._reached()
        if reached and self._moment != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        call()
        if reached:
            os.kill(os.getpid(), signal.SIGKILL)

    def _writing(self, write: Callable[[Buffers], int], buffers: Buffers) -> int:
        reached = self._reached()
        if reached and self._moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        taken = write([memoryview(buffers[0])[: len(buffers[0]) // 2]] if reached and self._moment == "in" else buffers)
        if reached:
            os.kill(os.getpid(), signal.SIGKILL)
        return taken

    def write(self, fd: int, buffers: Buffers) -> int:
        return self._writing(lambda part: super(Deadly, self).write(fd, part), buffers)

    def write_at(self, fd: int, buffers: Buffers, offset: int) -> int:
        return self._writing(lambda part: super(Deadly, self).write_at(fd, part, offset), buffers)

    def fsync(self, fd: int) -> None:
        self._around(lambda: super(Deadly, self).fsync(fd))

    def fdatasync(self, fd: int) -> None:
        self._around(lambda: super(Deadly, self).fdatasync(fd))

    def fsync_folder(self, fd: int) -> None:
        self._around(lambda: super(Deadly, self).fsync_folder(fd))

    def rename(self, source: str, target: str, source_folder: int, target_folder: int) -> None:
        self._around(lambda: super(Deadly, self).rename(source, target, source_folder, target_folder))

    def unlink(self, name: str, folder: int) -> None:
        self._around(lambda: super(Deadly, self).unlink(name, folder))


def run_child(root: Path, acknowledgements: Path, calls: Syscalls) -> None:
    fd = os.open(acknowledgements, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def acknowledge(locator: str, number: int) -> None:
        os.write(fd, f"{locator} {number}\n".encode())

    async def run() -> None:
        await workload(open_disk(root, segment_size=SEGMENT, calls=calls), acknowledge)

    asyncio.run(run())


def trial(folder: Path, calls: Syscalls, delay: float | None = None) -> bool:
    """Let a child work until it dies, then check what it left; whether it died."""
    root, acknowledgements = folder / "blobs", folder / "acknowledged"
    folder.mkdir()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run_child(root, acknowledgements, calls)
            status = 0
        finally:
            # Without this, a child that fails would go on as a second parent.
            os._exit(status)
    if delay is not None:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("the child failed instead of dying")
    lines = acknowledgements.read_text().splitlines() if acknowledgements.exists() else []
    asyncio.run(check(root, {locator: int(number) for locator, number in map(str.split, lines)}))
    return os.WIFSIGNALED(status)


def kill_at_every_call(folder: Path) -> int:
    points = 0
    for moment in ("before", "in", "after"):
        number = 1
        while trial(folder / f"{moment}-{number}", Deadly(number, moment)):
            points += 1
            # The order of concurrent calls differs from run to run anyway, so later waves are sampled.
            number += 1 if number < 12 else 5
    return points


def kill_at_random_times(folder: Path, seed: int) -> int:
    chance = random.Random(seed)
    for number in range(25):
        trial(folder / f"random-{number}", Syscalls(), chance.uniform(0, 0.08))
    return 25


def test_kill_nine_loses_nothing_acknowledged(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path), "1"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 80


# ---------------------------------------------------------------- power cut


class Platter(Syscalls):
    """What a disk would hold if the power went now: of files and folders only what was synced, as it was then."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        root.mkdir()
        self._root = root.stat().st_ino
        self._bytes: dict[int, bytes] = {}
        self._entries: dict[int, dict[str, int]] = {}

    def fsync(self, fd: int) -> None:
        super().fsync(fd)
        size = os.fstat(fd).st_size
        self._bytes[os.fstat(fd).st_ino] = os.pread(fd, size, 0)

    def fdatasync(self, fd: int) -> None:
        super().fdatasync(fd)
        self.fsync(fd)

    def fsync_folder(self, fd: int) -> None:
        super().fsync_folder(fd)
        with os.scandir(fd) as entries:
            self._entries[os.fstat(fd).st_ino] = {entry.name: entry.inode() for entry in entries}

    def after_power_cut(self, target: Path, inode: int | None = None) -> None:
        """Lay out in `target` what is left."""
        target.mkdir(mode=0o700)
        for name, below in self._entries.get(inode or self._root, {}).items():
            if name in ("tmp", "segments") or (len(name) <= 2 and name.isalnum()):
                self.after_power_cut(target / name, below)
            else:
                (target / name).write_bytes(self._bytes.get(below, b""))


@pytest.mark.parametrize("size", [0, SEGMENT], ids=["files", "segments"])
async def test_a_power_cut_after_any_acknowledgement_loses_nothing(tmp_path: Path, size: int) -> None:
    platter = Platter(tmp_path / "blobs")
    store = open_disk(tmp_path / "blobs", segment_size=size, calls=platter)
    acknowledged: dict[str, int] = {}
    for number in range(18):

        def acknowledge(locator: str, which: int) -> None:
            acknowledged[locator] = which
            platter.after_power_cut(tmp_path / f"left-{which}")

        await upload(store, number, acknowledge)
        if number % 7 != 6:
            await check(tmp_path / f"left-{number}", acknowledged)
    await store.close()


async def test_the_platter_would_notice_a_missing_sync(tmp_path: Path) -> None:
    """The oracle itself: a store that syncs no folders loses what it acknowledged."""

    class Careless(Platter):
        def fsync_folder(self, fd: int) -> None:
            pass

    platter = Careless(tmp_path / "blobs")
    store = open_disk(tmp_path / "blobs", calls=platter)
    writer = store.create(1)
    await writer.write(body(1))
    locator = await writer.commit()
    platter.after_power_cut(tmp_path / "left")
    with pytest.raises(Exception, match="unavailable"):
        await check(tmp_path / "left", {locator: 1})
    await store.close()


if __name__ == "__main__":
    where, seed = Path(sys.argv[1]), int(sys.argv[2])
    sys.stdout.write(str(kill_at_every_call(where) + kill_at_random_times(where, seed)))
