"""Order and failure of the calls that make a blob durable, seen and caused through `Syscalls`."""

import asyncio
import errno
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.blobs.disk import DiskBlobs, open_disk
from holdfast.blobs.syscalls import Buffers, Syscalls
from holdfast.core.errors import StorageFull, Unavailable
from holdfast.core.model import ByteRange

KIB = 1024
SMALL = os.urandom(50 * KIB)
LARGE = os.urandom(2500 * KIB)
BODIES = {"file": (0, LARGE), "small file": (0, SMALL), "frame": (2**20, SMALL)}


class Faulty(Syscalls):
    """Notes every call with the path it works on; `fault` may raise, or cap how many bytes a write takes."""

    def __init__(self, root: Path, fault: Callable[[str], int | None] = lambda _: None) -> None:
        super().__init__()
        self._root = root
        self.fault = fault
        self.log: list[tuple[str, str]] = []

    def _note(self, call: str, path: Path) -> int | None:
        self.log.append((call, str(path.relative_to(self._root)) if path.is_relative_to(self._root) else "outside"))
        return self.fault(call)

    def _path(self, fd: int) -> Path:
        return Path(f"/proc/self/fd/{fd}").readlink()

    def write(self, fd: int, buffers: Buffers) -> int:
        most = self._note("write", self._path(fd))
        return super().write(fd, buffers if most is None else [buffers[0][:most]])

    def write_at(self, fd: int, buffers: Buffers, offset: int) -> int:
        most = self._note("write", self._path(fd))
        return super().write_at(fd, buffers if most is None else [buffers[0][:most]], offset)

    def fsync(self, fd: int) -> None:
        self._note("fsync", self._path(fd))
        super().fsync(fd)

    def fdatasync(self, fd: int) -> None:
        self._note("fdatasync", self._path(fd))
        super().fdatasync(fd)

    def fsync_folder(self, fd: int) -> None:
        self._note("fsync folder", self._path(fd))
        super().fsync_folder(fd)

    def rename(self, source: str, target: str, source_folder: int, target_folder: int) -> None:
        self._note("rename", self._path(target_folder) / target)
        super().rename(source, target, source_folder, target_folder)


async def put(store: DiskBlobs, data: bytes, chunk: int = 100 * KIB) -> str:
    writer = store.create(7)
    try:
        for start in range(0, len(data), chunk):
            await writer.write(data[start : start + chunk])
        await writer.finish()
        return await writer.commit()
    except BaseException:
        await writer.cancel()
        raise


async def got(store: DiskBlobs, locator: str, size: int) -> bytes:
    return b"".join([chunk async for chunk in store.read(locator, ByteRange(0, size))])


def files_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  worker threads cannot set an event of the loop
        await asyncio.sleep(0.001)


def size_of(path: Path) -> int:
    return path.stat().st_size


async def test_a_file_is_synced_then_named_then_its_folders_are_synced(tmp_path: Path) -> None:
    calls = Faulty(tmp_path)
    store = open_disk(tmp_path, calls=calls)
    calls.log.clear()
    locator = await put(store, LARGE)
    account, shelf, name = locator.removeprefix("f:").split("/")
    order = [entry for entry in calls.log if entry[0] != "write"]
    temporary = calls.log[0][1]
    assert temporary.startswith("tmp/")
    assert order == [
        ("fsync", temporary),
        ("rename", f"{account}/{shelf}/{name}"),
        ("fsync folder", "."),
        ("fsync folder", account),
        ("fsync folder", f"{account}/{shelf}"),
    ]
    assert calls.log.index(order[0]) == len(calls.log) - len(order)
    calls.log.clear()
    await put(store, LARGE)
    assert [call for call, _ in calls.log if call != "write"] == ["fsync", "rename", "fsync folder"]
    await store.close()


async def test_a_new_segment_is_synced_with_its_folders_and_then_by_data_alone(tmp_path: Path) -> None:
    calls = Faulty(tmp_path)
    store = open_disk(tmp_path, calls=calls)
    calls.log.clear()
    locator = await put(store, SMALL)
    path = f"segments/{locator.split(':')[1]}.seg"
    assert calls.log == [
        ("rename", path),
        ("write", path),
        ("fsync", path),
        ("fsync folder", "segments"),
        ("fsync folder", "."),
    ]
    calls.log.clear()
    await put(store, SMALL)
    assert calls.log == [("write", path), ("fdatasync", path)]
    await store.close()


async def test_all_that_wait_share_one_sync(tmp_path: Path) -> None:
    calls = Faulty(tmp_path)
    store = open_disk(tmp_path, calls=calls)
    await put(store, b"first")
    calls.log.clear()
    await asyncio.gather(*(put(store, SMALL + b"%d" % number) for number in range(100)))
    assert Counter(call for call, _ in calls.log)["fdatasync"] <= 3
    await store.close()


async def test_commits_into_one_folder_share_its_sync(tmp_path: Path) -> None:
    calls = Faulty(tmp_path)
    store = open_disk(tmp_path, calls=calls, segment_size=0)
    await put(store, SMALL)
    calls.log.clear()
    await asyncio.gather(*(put(store, SMALL) for _ in range(40)))
    count = Counter(call for call, _ in calls.log)
    assert count["fsync"] == count["rename"] == 40
    assert count["fsync folder"] < 40
    await store.close()


# ---------------------------------------------------------------- every call that fails


@pytest.mark.parametrize(
    ("body", "call"),
    [(body, call) for body in ("file", "small file") for call in ("write", "sync", "rename", "fsync folder")]
    + [("frame", "write"), ("frame", "sync")],
)
@pytest.mark.parametrize("code", ["ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE", "EACCES"])
async def test_a_failed_call_fails_the_request_and_leaves_nothing(
    tmp_path: Path, body: str, call: str, code: str
) -> None:
    calls = Faulty(tmp_path)
    size, data = BODIES[body]
    store = open_disk(tmp_path, calls=calls, segment_size=size)
    kept = await put(store, SMALL)
    before = [name for name in files_below(tmp_path) if not name.startswith("segments/")]
    number = getattr(errno, code)

    def fault(name: str) -> None:
        if name == call or (call == "sync" and name in ("fsync", "fdatasync")):
            raise OSError(number, os.strerror(number))

    calls.fault = fault
    calls.log.clear()
    for _ in range(2):
        with pytest.raises(Unavailable) as raised:
            await put(store, data)
        assert isinstance(raised.value, StorageFull) == (code in ("ENOSPC", "EDQUOT"))
        assert isinstance(raised.value.__cause__, OSError)
    assert [name for name in files_below(tmp_path) if not name.startswith("segments/")] == before
    synced = Counter(path for name, path in calls.log if name in ("fsync", "fdatasync"))
    assert all(times == 1 for times in synced.values()), "no descriptor is synced again"
    calls.fault = lambda _: None
    assert await got(store, await put(store, data), len(data)) == data
    assert await got(store, kept, len(SMALL)) == SMALL
    await store.close()
    assert all(size_of(tmp_path / name) > 16 for name in files_below(tmp_path))


@pytest.mark.parametrize("call", ["rename", "write", "fsync", "fsync folder"])
async def test_the_beginning_of_a_segment_may_fail(tmp_path: Path, call: str) -> None:
    calls = Faulty(tmp_path)
    store = open_disk(tmp_path, calls=calls)

    def fault(name: str) -> None:
        if name == call:
            raise OSError(errno.EIO, "fault")

    calls.fault = fault
    for _ in range(3):
        with pytest.raises(Unavailable):
            await put(store, SMALL)
        assert files_below(tmp_path) == []
    calls.fault = lambda _: None
    assert await got(store, await put(store, SMALL), len(SMALL)) == SMALL
    await store.close()


async def test_a_segment_whose_sync_failed_is_never_written_again(tmp_path: Path) -> None:
    calls = Faulty(tmp_path)
    store = open_disk(tmp_path, calls=calls)
    first = await put(store, SMALL)
    once = iter([True])

    def fault(name: str) -> None:
        if name == "fdatasync" and next(once, False):
            raise OSError(errno.EIO, "fault")

    calls.fault = fault
    with pytest.raises(Unavailable):
        await put(store, SMALL)
    calls.log.clear()
    second = await put(store, SMALL)
    assert second.split(":")[1] != first.split(":")[1]
    assert not any(first.split(":")[1] in path for _, path in calls.log)
    assert await got(store, first, len(SMALL)) == await got(store, second, len(SMALL)) == SMALL
    await store.close()


async def test_one_failed_group_fails_all_that_waited_for_it_and_no_other(tmp_path: Path) -> None:
    calls = Faulty(tmp_path)
    store = open_disk(tmp_path, calls=calls)
    kept = await put(store, SMALL)
    syncs = iter(range(100))

    def fault(name: str) -> None:
        if name == "fdatasync" and next(syncs) == 1:
            raise OSError(errno.EIO, "fault")

    calls.fault = fault
    outcomes = await asyncio.gather(*(put(store, SMALL) for _ in range(300)), return_exceptions=True)
    acknowledged = [outcome for outcome in outcomes if isinstance(outcome, str)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
    assert len(acknowledged) + len(refused) == 300
    assert acknowledged
    assert refused
    for locator in (kept, *acknowledged):
        assert await got(store, locator, len(SMALL)) == SMALL
    await store.close()


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("most", [1000, 4096, 65_537])
async def test_short_writes_are_carried_on(tmp_path: Path, body: str, most: int) -> None:
    calls = Faulty(tmp_path, lambda call: most if call == "write" else None)
    size, data = BODIES[body]
    store = open_disk(tmp_path, calls=calls, segment_size=size)
    assert await got(store, await put(store, data), len(data)) == data
    await store.close()


@pytest.mark.parametrize("body", BODIES)
async def test_an_interrupted_write_is_carried_on(tmp_path: Path, body: str) -> None:
    turns = iter(range(10_000))

    def fault(call: str) -> int | None:
        if call == "write" and next(turns) % 2 == 0:
            raise InterruptedError
        return 9999 if call == "write" else None

    size, data = BODIES[body]
    store = open_disk(tmp_path, calls=Faulty(tmp_path, fault), segment_size=size)
    assert await got(store, await put(store, data), len(data)) == data
    await store.close()


@pytest.mark.parametrize("body", BODIES)
async def test_a_write_that_takes_nothing_fails(tmp_path: Path, body: str) -> None:
    size, data = BODIES[body]
    store = open_disk(tmp_path, calls=Faulty(tmp_path, lambda call: 0 if call == "write" else None), segment_size=size)
    with pytest.raises(Unavailable):
        await put(store, data)
    assert files_below(tmp_path) == []
    await store.close()


async def test_reads_do_not_wait_for_a_slow_sync(tmp_path: Path) -> None:
    """The sync waits for the read: if the read waited for the sync, this test would never end."""
    loop = asyncio.get_running_loop()
    calls = Faulty(tmp_path)
    store = open_disk(tmp_path, calls=calls, segment_size=0)
    locator = await put(store, LARGE)
    reads_done: asyncio.Future[None] = loop.create_future()

    async def wait() -> None:
        await reads_done

    def fault(call: str) -> None:
        if call == "fsync":
            asyncio.run_coroutine_threadsafe(wait(), loop).result()

    calls.fault = fault
    calls.log.clear()
    uploads = [asyncio.create_task(put(store, LARGE)) for _ in range(20)]
    await until(lambda: sum(call == "fsync" for call, _ in calls.log) >= 8)
    assert await got(store, locator, len(LARGE)) == LARGE
    reads_done.set_result(None)
    await asyncio.gather(*uploads)
    await store.close()
