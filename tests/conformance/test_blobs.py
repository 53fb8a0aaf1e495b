"""What every adapter of the `Blobs` port must do. A new adapter adds one line to `ADAPTERS`, or to `STORES`."""

import asyncio
import gc
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.blobs.disk import open_disk
from holdfast.blobs.objects import open_objects
from holdfast.blobs.sending import Sizes
from holdfast.core.errors import ContentLost
from holdfast.core.model import ByteRange
from holdfast.core.ports import Blobs, BlobWriter
from tests.engines.objects import ObjectStore

KIB = 1024
MIB = 1024 * KIB
MESSAGE = 256 * KIB
EDGES = sorted(
    {0, 1, 2, 4095, 4096, 4097}
    | {edge + step for edge in (64 * KIB, 256 * KIB, 512 * KIB, MIB) for step in (-1, 0, 1)}
    | {2 * MIB + 7}
)

# Small enough that the same bodies go either way.
SIZES = Sizes(held=MIB)

ADAPTERS: dict[str, Callable[[Path], Blobs]] = {
    "files": lambda root: open_disk(root, segment_size=0),
    "segments": open_disk,
    "short segments": lambda root: open_disk(root, segment_size=100_000),
}

STORES = {"objects": "object_store", "signed objects": "signing_store"}
"""Servers, by the fixture that runs them."""


@pytest.fixture(params=[*ADAPTERS, *STORES])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path, object_credentials: None) -> AsyncIterator[Blobs]:
    if request.param in STORES:
        server: ObjectStore = request.getfixturevalue(STORES[request.param])
        store: Blobs = open_objects(server.fresh(), sizes=SIZES)
    else:
        store = ADAPTERS[request.param](tmp_path / "blobs")
    yield store
    await store.close()


def body(size: int, seed: int = 1) -> bytes:
    return random.Random(seed * 1_000_003 + size).randbytes(size)


async def put(store: Blobs, data: bytes, *, account: int = 7, chunk: int = 64 * KIB) -> str:
    writer = store.create(account)
    await feed(writer, data, chunk)
    await writer.finish()
    return await writer.commit()


async def feed(writer: BlobWriter, data: bytes, chunk: int = 64 * KIB) -> None:
    for start in range(0, len(data), chunk):
        await writer.write(data[start : start + chunk])


async def got(store: Blobs, locator: str, start: int, length: int) -> bytes:
    return b"".join([chunk async for chunk in store.read(locator, ByteRange(start, length))])


async def lost(store: Blobs, locator: str, length: int = 1) -> None:
    """Reading raises before it gives a single byte."""
    chunks = store.read(locator, ByteRange(0, length))
    with pytest.raises(ContentLost):
        await anext(aiter(chunks))


# ---------------------------------------------------------------- bytes in, the same bytes out


@pytest.mark.parametrize("size", EDGES)
async def test_bytes_come_back_as_they_went_in(blobs: Blobs, size: int) -> None:
    data = body(size)
    locator = await put(blobs, data)
    assert await got(blobs, locator, 0, size) == data


@pytest.mark.parametrize("size", EDGES)
async def test_digest_and_size_are_computed_from_the_bytes(blobs: Blobs, size: int) -> None:
    data = body(size)
    writer = blobs.create(7)
    await feed(writer, data)
    received = await writer.finish()
    assert (received.sha256, received.size) == (hashlib.sha256(data).digest(), size)
    await writer.cancel()


async def test_twenty_mebibytes(blobs: Blobs) -> None:
    data = body(20 * MIB)
    locator = await put(blobs, data, chunk=300_001)
    assert hashlib.sha256(await got(blobs, locator, 0, len(data))).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("chunk", [1, 3, 4096, 1_000_000, 5 * MIB])
async def test_chunking_does_not_matter(blobs: Blobs, chunk: int) -> None:
    data = body(20_000 if chunk < 4096 else 3 * MIB + 1)
    locator = await put(blobs, data, chunk=chunk)
    assert await got(blobs, locator, 0, len(data)) == data


async def test_empty_chunks_are_nothing(blobs: Blobs) -> None:
    writer = blobs.create(7)
    for chunk in (b"", b"ab", b"", b"c", b""):
        await writer.write(chunk)
    assert (await writer.finish()).size == 3
    assert await got(blobs, await writer.commit(), 0, 3) == b"abc"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.one_of(st.integers(0, 300), st.integers(0, 200_000)), max_size=12),
    start=st.floats(0, 1),
    share=st.floats(0, 1),
)
async def test_any_chunking_and_any_range(blobs: Blobs, sizes: list[int], start: float, share: float) -> None:
    chunks = [body(size, seed) for seed, size in enumerate(sizes)]
    data = b"".join(chunks)
    writer = blobs.create(7)
    for chunk in chunks:
        await writer.write(chunk)
    received = await writer.finish()
    assert (received.sha256, received.size) == (hashlib.sha256(data).digest(), len(data))
    locator = await writer.commit()
    first = int(start * len(data))
    length = int(share * (len(data) - first))
    assert await got(blobs, locator, first, length) == data[first : first + length]


# ---------------------------------------------------------------- ranges


@pytest.mark.parametrize("size", [1, 4097, 256 * KIB, MIB + 1])
async def test_every_form_of_range(blobs: Blobs, size: int) -> None:
    data = body(size)
    locator = await put(blobs, data)
    middle = size // 2
    for start, length in [
        (0, 0), (0, 1), (0, size), (size - 1, 1), (size, 0), (middle, 0), (middle, size - middle), (0, middle),
        (1, size - 1), (middle, min(7, size - middle)),
    ]:  # fmt: skip
        assert await got(blobs, locator, start, length) == data[start : start + length], (start, length)


@pytest.mark.parametrize("size", [1, 256 * KIB, 256 * KIB + 1, MIB])
async def test_chunks_are_bounded_and_a_small_body_is_one(blobs: Blobs, size: int) -> None:
    locator = await put(blobs, body(size))
    chunks = [len(chunk) async for chunk in blobs.read(locator, ByteRange(0, size))]
    assert max(chunks) <= MESSAGE
    assert min(chunks) > 0
    if size <= MESSAGE:
        assert len(chunks) == 1


@pytest.mark.parametrize("size", [0, 10, 300 * KIB])
async def test_more_than_there_is_is_lost_before_the_first_byte(blobs: Blobs, size: int) -> None:
    locator = await put(blobs, body(size))
    for part in (ByteRange(0, size + 1), ByteRange(size, 1), ByteRange(size + 5, 1), ByteRange(2**50, 2**50)):
        with pytest.raises(ContentLost):
            await anext(aiter(blobs.read(locator, part)))


async def test_a_reader_may_stop_early(blobs: Blobs) -> None:
    data = body(2 * MIB)
    locator = await put(blobs, data)
    async for chunk in blobs.read(locator, ByteRange(0, len(data))):
        assert data.startswith(chunk)
        break
    assert await got(blobs, locator, 0, len(data)) == data


# ---------------------------------------------------------------- commit and cancel


@pytest.mark.parametrize("size", [0, 1000, 256 * KIB, 700 * KIB])
async def test_the_same_bytes_twice_are_two_locators(blobs: Blobs, size: int) -> None:
    data = body(size)
    one, two = await put(blobs, data), await put(blobs, data)
    assert one != two
    await blobs.delete(one)
    await lost(blobs, one, size)
    assert await got(blobs, two, 0, size) == data


@pytest.mark.parametrize("size", [0, 1000, 256 * KIB, 700 * KIB, 3 * MIB])
@pytest.mark.parametrize("moment", ["at once", "before finish", "after finish", "after commit"])
async def test_cancel_leaves_nothing(blobs: Blobs, size: int, moment: str) -> None:
    kept = await put(blobs, body(size))
    writer = blobs.create(7)
    locator = None
    if moment != "at once":
        await feed(writer, body(size))
    if moment in ("after finish", "after commit"):
        await writer.finish()
    if moment == "after commit":
        locator = await writer.commit()
    await writer.cancel()
    await writer.cancel()
    if locator is not None:
        await lost(blobs, locator, size)
    assert await got(blobs, kept, 0, size) == body(size)


@pytest.mark.parametrize("size", [1000, 700 * KIB])
async def test_an_ended_writer_takes_no_more(blobs: Blobs, size: int) -> None:
    writer = blobs.create(7)
    await feed(writer, body(size))
    await writer.finish()
    with pytest.raises(RuntimeError):
        await writer.write(b"late")
    await writer.cancel()
    with pytest.raises(RuntimeError):
        await writer.commit()


@pytest.mark.parametrize("size", [1000, 700 * KIB, 3 * MIB])
async def test_a_dropped_writer_harms_nobody(blobs: Blobs, size: int) -> None:
    writer = blobs.create(7)
    await feed(writer, body(size))
    del writer
    gc.collect()
    locator = await put(blobs, body(size))
    assert await got(blobs, locator, 0, size) == body(size)


@pytest.mark.parametrize("size", [1000, 700 * KIB, 3 * MIB])
async def test_a_task_cut_at_any_await_can_be_cancelled(blobs: Blobs, size: int) -> None:
    for steps in range(40):
        writer = blobs.create(7)

        async def upload(writer: BlobWriter = writer) -> None:
            await feed(writer, body(size), 100_000)
            await writer.finish()
            await writer.commit()

        task = asyncio.create_task(upload())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await writer.cancel()
    locator = await put(blobs, body(size))
    assert await got(blobs, locator, 0, size) == body(size)


# ---------------------------------------------------------------- delete


@pytest.mark.parametrize("size", [0, 1000, 256 * KIB, 700 * KIB])
async def test_delete_is_final_and_may_be_repeated(blobs: Blobs, size: int) -> None:
    locator = await put(blobs, body(size))
    await blobs.delete(locator)
    await blobs.delete(locator)
    await lost(blobs, locator, size)


@pytest.mark.parametrize("size", [1000, 3 * MIB])
async def test_a_reader_that_has_begun_may_finish(blobs: Blobs, size: int) -> None:
    data = body(size)
    locator = await put(blobs, data)
    chunks = aiter(blobs.read(locator, ByteRange(0, size)))
    first = await anext(chunks)
    await blobs.delete(locator)
    rest = b"".join([chunk async for chunk in chunks])
    assert first + rest == data


# ---------------------------------------------------------------- many at once


async def test_many_writers_and_readers_at_once(blobs: Blobs) -> None:
    sizes = [0, 1, 900, 50 * KIB, 256 * KIB, 257 * KIB, 2 * MIB]

    async def round_trip(number: int) -> str:
        data = body(sizes[number % len(sizes)], number)
        locator = await put(blobs, data, account=number % 3, chunk=30_011)
        for _ in range(3):
            assert await got(blobs, locator, 0, len(data)) == data
        return locator

    made = await asyncio.gather(*map(round_trip, range(70)))
    assert len(set(made)) == len(made)


async def test_cancelled_and_committed_writers_side_by_side(blobs: Blobs) -> None:
    async def one(number: int) -> tuple[str, bytes] | None:
        data = body(1000 if number % 2 else 600 * KIB, number // 4)
        writer = blobs.create(7)
        await feed(writer, data)
        await writer.finish()
        locator = await writer.commit()
        if number % 4 < 2:
            await writer.cancel()
            return None
        return locator, data

    for kept in await asyncio.gather(*map(one, range(60))):
        if kept is not None:
            locator, data = kept
            assert await got(blobs, locator, 0, len(data)) == data


# ---------------------------------------------------------------- locators that were never given


HOSTILE = [
    "", "f:", "s:", "x:1", "/etc/passwd", "../../etc/passwd", "f:../../../etc/passwd", "f:7/../8", "f:/etc/passwd",
    "f:7/aa/\0", "s:../../etc/passwd:0:10", "s:0000000000000000:0:1\n", "f:7/aa/" + "a" * 64 + "-" + "0" * 16 + "\n",
    "s:0000000000000000:-1:1", "s:0000000000000000:99999999999:1", "s:0000000000000000:0:1",
    "f:7/aa/" + "a" * 64 + "-" + "0" * 16, "f:07/aa/" + "a" * 64 + "-" + "0" * 16, "\u0661", "f:" + "9" * 5000,
    "o:", "o:/", "o:7", "o:7/", "o:7/..", "o:../7", "o:7/../../other/key", "o:7/a", "o:7/" + "a" * 32,
    "o:7/" + "A" * 32, "o:07/" + "a" * 32, "o:7/" + "a" * 32 + "\n", "o:7/" + "a" * 64 + "-" + "0" * 16, "o:7/%2e%2e",
]  # fmt: skip


@pytest.mark.parametrize("locator", HOSTILE)
async def test_a_locator_never_given_names_nothing(blobs: Blobs, locator: str) -> None:
    await lost(blobs, locator)
    await blobs.delete(locator)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.text(max_size=120), where=st.integers(0, 200))
async def test_a_changed_locator_names_nothing_else(blobs: Blobs, noise: str, where: int) -> None:
    locator = await put(blobs, b"only these")
    changed = locator[:where] + noise + locator[where + 1 :]
    if changed != locator:
        await lost(blobs, changed)
    assert await got(blobs, locator, 0, 10) == b"only these"
