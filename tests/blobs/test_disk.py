"""What only the disk store promises: where bytes lie, who may read them, and that nothing planted is followed."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from holdfast.blobs.disk import DiskBlobs, open_disk
from holdfast.blobs.files import FileBytes
from holdfast.blobs.syscalls import Buffers, Syscalls
from holdfast.core.errors import Conflict, ContentLost, Unavailable
from holdfast.core.model import ByteRange
from holdfast.core.slices import Slice

KIB = 1024
SMALL = os.urandom(50 * KIB)
LARGE = os.urandom(900 * KIB)


class SetClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "blobs"


@pytest.fixture
async def store(root: Path) -> AsyncIterator[DiskBlobs]:
    opened = open_disk(root)
    yield opened
    await opened.close()


@pytest.fixture
async def files(root: Path) -> AsyncIterator[DiskBlobs]:
    opened = open_disk(root, segment_size=0)
    yield opened
    await opened.close()


async def put(store: DiskBlobs, data: bytes, account: int = 7) -> str:
    writer = store.create(account)
    await writer.write(data)
    return await writer.commit()


async def got(store: DiskBlobs, locator: str, size: int) -> bytes:
    return b"".join([chunk async for chunk in store.read(locator, ByteRange(0, size))])


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def only_file(root: Path) -> Path:
    (name,) = tree(root)
    return root / name


def modes(root: Path) -> set[tuple[str, int]]:
    every = (root, *root.rglob("*"))
    return {("folder" if path.is_dir() else "file", path.stat().st_mode & 0o7777) for path in every}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  worker threads cannot set an event of the loop
        await asyncio.sleep(0)


async def test_files_and_folders_belong_to_the_server_alone(store: DiskBlobs, root: Path) -> None:
    await put(store, SMALL)
    await put(store, LARGE)
    assert modes(root) == {("file", 0o440), ("folder", 0o700)}


def make_private(folder: Path) -> None:
    for path in (folder.parent, folder):
        path.mkdir()
        path.chmod(0o700)


async def test_the_umask_takes_nothing_away(root: Path) -> None:
    before = os.umask(0o777)
    try:
        make_private(root)
        store = open_disk(root)
        assert await got(store, await put(store, SMALL), len(SMALL)) == SMALL
        assert await got(store, await put(store, LARGE), len(LARGE)) == LARGE
        await store.close()
    finally:
        os.umask(before)


async def sliced(store: DiskBlobs, locator: str, part: ByteRange) -> tuple[bytes, set[type]]:
    """The bytes as they come in slices, each taken from its file while it is good, and what kinds of pieces came."""
    taken: list[bytes] = []
    kinds: set[type] = set()
    chunks = store.read(locator, part)
    assert isinstance(chunks, FileBytes)
    async for piece in chunks.slices():
        kinds.add(type(piece))
        taken.append(piece if isinstance(piece, bytes) else os.pread(piece.file.fileno(), piece.length, piece.offset))
        assert len(taken[-1]) == len(piece)
    return b"".join(taken), kinds


async def test_a_file_comes_in_slices_where_it_can_be_read_at_once(store: DiskBlobs) -> None:
    locator = await put(store, LARGE)
    for part in (ByteRange(0, len(LARGE)), ByteRange(3, 1), ByteRange(70_001, len(LARGE) - 70_001)):
        expected = LARGE[part.start : part.start + part.length]
        # A filesystem in memory does not know the flag that asks for what can be read at once.
        store.files._root.reader._nowait = 0
        assert await sliced(store, locator, part) == (expected, {Slice})
        store.files._root.reader._nowait = None
        assert await sliced(store, locator, part) == (expected, {bytes})


async def test_slices_that_nobody_takes_to_the_end_leave_no_file_open(store: DiskBlobs) -> None:
    locator, before = await put(store, LARGE), len(names(Path("/proc/self/fd")))
    chunks = store.read(locator, ByteRange(0, len(LARGE)))
    assert isinstance(chunks, FileBytes)
    assert len(await anext(chunks.slices())) > 0
    await chunks.aclose()
    assert len(names(Path("/proc/self/fd"))) == before


async def test_nothing_is_visible_before_commit(store: DiskBlobs, root: Path) -> None:
    small, large = store.create(7), store.create(7)
    await small.write(SMALL)
    await small.finish()
    assert tree(root) == []
    await large.write(LARGE)
    await large.finish()
    assert [name.split("/")[0] for name in tree(root)] == ["tmp"]
    await large.commit()
    await small.commit()
    assert [name.split("/")[0] for name in tree(root)] == ["7", "segments"]


async def test_cancel_after_commit_takes_the_file_away(files: DiskBlobs, root: Path) -> None:
    for data in (SMALL, LARGE):
        writer = files.create(7)
        await writer.write(data)
        await writer.commit()
        await writer.cancel()
    assert tree(root) == []


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_a_commit_under_way_is_undone_by_cancel(files: DiskBlobs, root: Path, data: bytes) -> None:
    writer = files.create(7)
    await writer.write(data)
    task = asyncio.create_task(writer.commit())
    await until(lambda: writer._commit is not None)
    await writer.cancel()
    await task
    assert tree(root) == []


async def test_aborted_uploads_leave_no_descriptor_and_no_file(store: DiskBlobs, root: Path) -> None:
    await put(store, LARGE)
    await put(store, SMALL)
    before, kept = len(names(Path("/proc/self/fd"))), tree(root)
    for number in range(200):
        writer = store.create(7)
        await writer.write(LARGE[: number * 4000])
        if number % 2:
            await writer.write(LARGE)
        await writer.cancel()
    assert len(names(Path("/proc/self/fd"))) == before
    assert tree(root) == kept


async def test_at_most_one_buffer_is_on_its_way(root: Path) -> None:
    class Stuck(Syscalls):
        def __init__(self) -> None:
            super().__init__()
            self.gate = threading.Event()
            self.writes = 0

        def write(self, fd: int, buffers: Buffers) -> int:
            self.writes += 1
            self.gate.wait()
            return super().write(fd, buffers)

    calls = Stuck()
    store = open_disk(root, calls=calls)
    writer = store.create(7)
    piece = bytes(64 * KIB)
    taken = 0

    async def feed() -> None:
        nonlocal taken
        for _ in range(1000):
            await writer.write(piece)
            taken += len(piece)

    task = asyncio.create_task(feed())
    await until(lambda: calls.writes > 0)
    for _ in range(5000):
        await asyncio.sleep(0)
    assert taken <= 2 * (1024 + 64) * KIB
    calls.gate.set()
    await task
    assert (await writer.finish()).size == 1000 * len(piece)
    await writer.cancel()
    await store.close()


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("keep", [0, 1, 300 * KIB])
async def test_a_truncated_file_is_lost_before_the_first_byte(store: DiskBlobs, root: Path, keep: int) -> None:
    locator = await put(store, LARGE)
    os.truncate(only_file(root), keep)
    with pytest.raises(ContentLost):
        await anext(store.read(locator, ByteRange(0, len(LARGE))))


@pytest.mark.parametrize("where", [16, 20, 24, 32, 64, 68, 71, 72, 5000, 72 + len(SMALL) - 1])
async def test_a_flipped_byte_in_a_frame_never_leaves(store: DiskBlobs, root: Path, where: int) -> None:
    locator = await put(store, SMALL)
    path = only_file(root)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(where)
        (old,) = file.read(1)
        file.seek(where)
        file.write(bytes([old ^ 0x10]))
    fresh = open_disk(root)
    with pytest.raises(ContentLost):
        await got(fresh, locator, 10)
    await fresh.close()


async def test_damage_to_a_segments_first_bytes_costs_nothing(root: Path) -> None:
    store = open_disk(root)
    locator = await put(store, SMALL)
    await store.close()
    path = only_file(root)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(bytes(16))
    store = open_disk(root)
    assert await got(store, locator, len(SMALL)) == SMALL
    assert [frame.locator async for frame in store.segments.reindex(path.stem)] == [locator]
    await store.close()


@pytest.mark.parametrize("kind", ["link to file", "fifo", "folder", "missing"])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_what_is_planted_in_place_of_a_blob_is_refused(
    root: Path, tmp_path: Path, kind: str, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_disk(root)
    locator = await put(store, data)
    await store.close()
    path = only_file(root)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    if kind == "link to file":
        path.symlink_to(elsewhere)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    store = open_disk(root)
    with pytest.raises(ContentLost):
        await anext(store.read(locator, ByteRange(0, len(data))))
    assert "missing or not a regular file" in caplog.text
    assert [stored.locator async for stored in store.scan()] == ([] if kind == "missing" else [within(root, path)])
    await store.close()


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_a_folder_replaced_by_a_link_is_not_followed(root: Path, tmp_path: Path, data: bytes) -> None:
    store = open_disk(root)
    locator = await put(store, data)
    await store.close()
    for folder in (path for path in only_file(root).parents if path != root and root in path.parents):
        elsewhere = tmp_path / f"elsewhere-{folder.name}"
        folder.rename(elsewhere)
        folder.symlink_to(elsewhere, target_is_directory=True)
        store = open_disk(root)
        with pytest.raises(ContentLost):
            await anext(store.read(locator, ByteRange(0, len(data))))
        await store.delete(locator)
        assert [(stored.kind, stored.locator) async for stored in store.scan()] == [("foreign", within(root, folder))]
        await store.close()
        folder.unlink()
        elsewhere.rename(folder)
    store = open_disk(root)
    assert await got(store, locator, len(data)) == data
    await store.close()


async def test_what_is_none_of_the_store_s_is_told_apart(root: Path) -> None:
    store = open_disk(root)
    kept = [await put(store, SMALL), await put(store, LARGE)]
    shelf = root / "7" / kept[1].split("/")[1]
    planted = [shelf / "notes.txt", shelf / f"{'0' * 64}-{'0' * 16}", root / "7" / "zz", root / "old"]
    planted += [root / "tmp" / "x", root / "segments" / "a.seg", root / "segments" / "README"]
    for path in planted:
        path.symlink_to("/etc/passwd")
    found = [stored async for stored in store.scan()]
    assert {stored.locator for stored in found if stored.kind == "foreign"} == {within(root, path) for path in planted}
    assert {stored.locator for stored in found if stored.kind != "foreign"} == set(kept)
    await store.close()


def within(root: Path, path: Path) -> str:
    return str(path.relative_to(root))


OPENS = """
import asyncio, json, os, sys
from pathlib import Path
from holdfast.blobs.disk import open_disk
from holdfast.core.errors import ContentLost
from holdfast.core.model import ByteRange
seen = []
sys.addaudithook(lambda event, args: seen.append(os.fsdecode(args[0])) if event in WATCHED else None)
WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.truncate"}
os.fsdecode, fsdecode = (lambda value: value if isinstance(value, int) else fsdecode(value)), os.fsdecode

async def main(root):
    store = open_disk(root)
    locators = ["f:../../x", "../x", "s:../x:0:1", "/etc/passwd", "f:7/aa/../../x"]
    for size in (10, 900_000):
        writer = store.create(7)
        await writer.write(bytes(size))
        locators.append(await writer.commit())
    for locator in locators:
        try:
            async for _ in store.read(locator, ByteRange(0, 10)):
                pass
        except ContentLost:
            pass
        await store.delete(locator)
    [stored async for stored in store.scan()]
    await store.leftovers(0)
    await store.close()

asyncio.run(main(Path(sys.argv[1])))
print(json.dumps(seen))
"""


def test_only_the_root_and_single_names_below_it_are_touched(root: Path) -> None:
    root.mkdir(parents=True)
    done = subprocess.run([sys.executable, "-c", OPENS, str(root)], capture_output=True, env=child_env(), check=True)
    touched = {name for name in json.loads(done.stdout) if isinstance(name, str)}
    outside = {name for name in touched if "/" in name and name != str(root)}
    # ctypes and lazily imported modules are read from the interpreter's own folders.
    assert {name for name in outside if not name.endswith((".py", ".pyc", ".so"))} == set()
    assert not {name for name in touched if ".." in name.split("/")}
    assert str(root) in touched


def child_env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}


# ---------------------------------------------------------------- upkeep


async def test_scan_names_everything_at_rest_and_on_its_way(store: DiskBlobs) -> None:
    kept = {await put(store, SMALL): len(SMALL), await put(store, LARGE): len(LARGE), await put(store, b""): 0}
    gone = [await put(store, SMALL), await put(store, LARGE)]
    for locator in gone:
        await store.delete(locator)
    writer = store.create(7)
    await writer.write(LARGE)
    await writer.finish()
    found = [stored async for stored in store.scan()]
    assert {stored.locator: stored.size for stored in found if stored.kind != "temporary"} == kept
    assert [stored.size for stored in found if stored.kind == "temporary"] == [len(LARGE)]
    assert all(stored.modified_at > 0 for stored in found)
    await writer.cancel()


async def test_only_old_temporaries_of_dead_writers_are_swept(root: Path) -> None:
    clock = SetClock()
    store = open_disk(root, clock=clock)
    living = store.create(7)
    await living.write(LARGE)
    await living.finish()
    for name, age in (("old", 5), ("young", 1)):
        path = root / "tmp" / name
        path.write_bytes(b"half")
        os.utime(path, (1_000_000 - age * 3600,) * 2)
    (own,) = {*names(root / "tmp")} - {"old", "young"}
    os.utime(root / "tmp" / own, (0, 0))
    clock.now = 1_000_000 * 1_000_000
    assert await store.leftovers(2 * 3600) == 1
    assert names(root / "tmp") == sorted([own, "young"])
    assert await got(store, await living.commit(), len(LARGE)) == LARGE
    assert names(root / "tmp") == ["young"]
    await store.close()


async def test_a_dropped_writer_leaves_a_temporary_that_upkeep_removes(store: DiskBlobs, root: Path) -> None:
    writer = store.create(7)
    await writer.write(LARGE)
    await writer.finish()
    assert await store.leftovers(-60) == 0
    del writer
    # The worker thread lets go of its last task a moment after the task is done.
    while await store.leftovers(-60) == 0:  # noqa: ASYNC110 -- a thread cannot set an event of the loop
        await asyncio.sleep(0)
    assert tree(root) == []


async def test_a_root_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        open_disk(tmp_path / "file" / "blobs")


# ---------------------------------------------------------------- segments


async def test_small_bodies_share_a_segment_and_large_ones_do_not(store: DiskBlobs, root: Path) -> None:
    locators = [await put(store, SMALL[:size]) for size in (0, 1, 4096, 50 * KIB)]
    assert {locator[0] for locator in locators} == {"s"}
    assert len(tree(root)) == 1
    assert (await put(store, bytes(256 * KIB)))[0] == "s"
    assert (await put(store, bytes(256 * KIB + 1)))[0] == "f"


async def test_room_taken_in_advance_is_given_back(store: DiskBlobs, root: Path) -> None:
    locator = await put(store, SMALL)
    path = only_file(root)
    assert path.stat().st_size > len(SMALL) + 4096
    await store.segments.close()
    assert path.stat().st_size == 16 + 56 + len(SMALL)
    assert await got(store, locator, len(SMALL)) == SMALL


async def test_a_full_segment_is_followed_by_another(root: Path) -> None:
    store = open_disk(root, segment_size=200 * KIB)
    locators = [await put(store, SMALL) for _ in range(10)]
    assert len(tree(root)) == 4
    assert [info.growing for info in await store.segments.segments()].count(True) == 1
    for locator in locators:
        assert await got(store, locator, len(SMALL)) == SMALL
    await store.close()


async def test_a_segment_alone_tells_what_is_in_it(store: DiskBlobs) -> None:
    bodies = {await put(store, SMALL[:size], account=size): size for size in (0, 1, 100, 9000, 50 * KIB)}
    (info,) = await store.segments.segments()
    frames = [frame async for frame in store.segments.reindex(info.name)]
    assert {frame.locator: frame.length for frame in frames} == bodies
    assert all(frame.intact and frame.account == frame.length for frame in frames)


async def test_more_frames_than_one_batch(store: DiskBlobs) -> None:
    locators = await asyncio.gather(*(put(store, b"%d" % number) for number in range(300)))
    (info,) = await store.segments.segments()
    found = [frame.locator async for frame in store.segments.reindex(info.name)]
    assert sorted(found) == sorted(locators)


@pytest.mark.parametrize("cut", [1, 20, 55, 56, 60, 50 * KIB + 55])
async def test_a_torn_tail_ends_the_reindex(root: Path, cut: int) -> None:
    store = open_disk(root)
    first = [await put(store, SMALL), await put(store, b"two")]
    await store.close()
    path = only_file(root)
    whole = path.stat().st_size
    store = open_disk(root)
    await store.close()
    other = open_disk(root.with_name("other"))
    await put(other, SMALL)
    await other.close()
    frame = only_file(root.with_name("other")).read_bytes()[16:]
    path.chmod(0o600)
    with path.open("ab") as file:
        file.write(frame[:cut])
    store = open_disk(root)
    found = [frame async for frame in store.segments.reindex(path.stem)]
    assert [frame.locator for frame in found] == first
    assert path.stat().st_size == whole + cut
    await store.close()


async def test_a_frame_from_another_segment_is_no_frame(root: Path) -> None:
    """A client that sends the bytes of a frame cannot make them count as one."""
    store = open_disk(root)
    await put(store, SMALL)
    await store.close()
    stolen = only_file(root).read_bytes()[16:]
    store = open_disk(root.with_name("other"))
    locator = await put(store, stolen[: 40 * KIB])
    segment, offset = locator.split(":")[1], int(locator.split(":")[2])
    with pytest.raises(ContentLost):
        await got(store, f"s:{segment}:{offset + 56}:{len(SMALL)}", 1)
    await store.close()


async def test_compaction_moves_the_living_and_keeps_the_old_until_told(root: Path) -> None:
    store = open_disk(root)
    bodies = {await put(store, SMALL[:size], account=3): SMALL[:size] for size in (0, 1, 5000, 50 * KIB)}
    dead = [await put(store, SMALL) for _ in range(5)]
    await store.close()
    store = open_disk(root)
    (info,) = await store.segments.segments()
    done = await store.segments.compact(info.name, [*bodies, "f:other", "s:0000000000000000:32:1"])
    assert set(done.moved) == set(bodies)
    assert done.damaged == ()
    for old, new in done.moved.items():
        assert await got(store, old, len(bodies[old])) == await got(store, new, len(bodies[old])) == bodies[old]
    fresh = [frame async for frame in store.segments.reindex(next(iter(done.moved.values())).split(":")[1])]
    assert {frame.account for frame in fresh} == {3}
    await store.segments.drop(info.name)
    await store.segments.drop(info.name)
    assert len(tree(root)) == 1
    for old, new in done.moved.items():
        assert await got(store, new, len(bodies[old])) == bodies[old]
    for locator in (*bodies, *dead):
        with pytest.raises(ContentLost):
            await got(store, locator, 1)
    await store.close()


async def test_a_segment_in_use_is_left_alone(store: DiskBlobs) -> None:
    locator = await put(store, SMALL)
    (info,) = await store.segments.segments()
    for work in (store.segments.compact(info.name, [locator]), store.segments.drop(info.name)):
        with pytest.raises(Conflict):
            await work
    assert await got(store, locator, len(SMALL)) == SMALL


async def test_a_damaged_frame_is_reported_and_not_copied(root: Path) -> None:
    store = open_disk(root)
    good, bad = await put(store, SMALL), await put(store, SMALL)
    await store.close()
    path = only_file(root)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([SMALL[-1] ^ 1]))
    store = open_disk(root)
    done = await store.segments.compact(path.stem, [good, bad])
    assert (list(done.moved), done.damaged) == ([good], (bad,))
    assert [frame.intact async for frame in store.segments.reindex(path.stem)] == [True, False]
    await store.close()


async def test_two_processes_append_to_segments_of_their_own(root: Path) -> None:
    one, two = open_disk(root), open_disk(root)
    first, second = await put(one, SMALL), await put(two, LARGE[: 90 * KIB])
    assert first.split(":")[1] != second.split(":")[1]
    assert await got(two, first, len(SMALL)) == SMALL
    assert await got(one, second, 90 * KIB) == LARGE[: 90 * KIB]
    await one.close()
    await two.close()


@pytest.mark.parametrize("size", [len(SMALL), len(LARGE)])
@pytest.mark.parametrize("shared", [True, False])
async def test_an_upload_that_ends_after_the_store_has_is_refused_and_holds_nobody_up(
    root: Path, size: int, shared: bool
) -> None:
    store = open_disk(root) if shared else open_disk(root, segment_size=0)
    writer = store.create(7)
    await writer.write(LARGE[:size])
    await store.close()
    # Not for its time: it once waited for ever, and the server's end with it.
    async with asyncio.timeout(60):
        with pytest.raises(Unavailable):
            await writer.commit()
        await writer.cancel()
