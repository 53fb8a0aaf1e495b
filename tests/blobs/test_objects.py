"""Blobs on an object store: what is in the bucket when, how much memory it takes, and what a listing says."""

import asyncio
import gc
import hashlib
import itertools
import random
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from holdfast.blobs.buckets import BucketError, BucketOptions, check
from holdfast.blobs.calling import Patience
from holdfast.blobs.objects import ObjectBlobs, open_objects
from holdfast.blobs.sending import MOST_PARTS, Sizes, sizes_for
from holdfast.core.errors import Unavailable
from holdfast.core.model import ByteRange
from holdfast.core.ports import BlobWriter
from tests.engines.faulty import faulty
from tests.engines.objects import ObjectStore

KIB, MIB = 1024, 1024 * 1024
LARGE = 12 * MIB


@pytest.fixture
async def blobs(bucket: BucketOptions) -> AsyncIterator[ObjectBlobs]:
    opened = open_objects(bucket)
    yield opened
    await opened.close()


def body(size: int, seed: int = 1) -> bytes:
    return random.Random(seed * 1_000_003 + size).randbytes(size)


async def feed(writer: BlobWriter, data: bytes) -> None:
    for start in range(0, len(data), 256 * KIB):
        await writer.write(data[start : start + 256 * KIB])


async def put(blobs: ObjectBlobs, data: bytes) -> str:
    writer = blobs.create(7)
    await feed(writer, data)
    await writer.finish()
    return await writer.commit()


async def got(blobs: ObjectBlobs, locator: str, size: int) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(locator, ByteRange(0, size))])


async def until(reached: Callable[[], bool]) -> None:
    """Let others work until it is so; a test that waits in vain is ended by the run's own limit."""
    while not reached():  # noqa: ASYNC110  what is waited for happens in another process
        await asyncio.sleep(0.01)


# ---------------------------------------------------------------- what is in the bucket


@pytest.mark.parametrize("size", [0, 1000, MIB, LARGE])
async def test_nothing_is_in_the_bucket_before_commit(
    blobs: ObjectBlobs, object_store: ObjectStore, bucket: BucketOptions, size: int
) -> None:
    writer = blobs.create(7)
    await feed(writer, body(size))
    await writer.finish()
    assert object_store.files(bucket) == []
    await writer.commit()
    assert [file.read_bytes() for file in object_store.files(bucket)] == [body(size)]


async def test_keys_tell_the_account_and_the_digest_of_what_was_held(
    blobs: ObjectBlobs, object_store: ObjectStore, bucket: BucketOptions
) -> None:
    data = body(1000)
    locator = await put(blobs, data)
    (file,) = object_store.files(bucket)
    assert file.parent.name == "7"
    assert file.name.startswith(hashlib.sha256(data).hexdigest() + "-")
    assert locator == f"o:7/{file.name}"


@pytest.mark.parametrize("end", ["cancel", "drop", "close"])
async def test_an_upload_in_parts_that_is_not_committed_is_aborted(
    blobs: ObjectBlobs, object_store: ObjectStore, bucket: BucketOptions, end: str
) -> None:
    before = object_store.incomplete
    writer = blobs.create(7)
    await feed(writer, body(LARGE))
    await until(lambda: len(object_store.incomplete) > len(before))
    if end == "cancel":
        await writer.cancel()
    elif end == "drop":
        del writer
        gc.collect()
    else:
        await blobs.close()
    await until(lambda: object_store.incomplete == before)
    assert object_store.files(bucket) == []
    await until(lambda: blobs.sender.budget.held == 0 or end == "close")


async def test_what_is_sent_in_parts_is_sent_in_no_more_than_a_store_takes() -> None:
    for largest in (1, 5 << 30, 49 << 30, 5 << 40):
        sizes = sizes_for(largest)
        assert -(-largest // sizes.part) <= MOST_PARTS
        assert sizes.part >= 5 * MIB
        assert sizes.total >= sizes.held + sizes.sending


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize("size", [3 * MIB, LARGE])
async def test_all_uploads_together_hold_no_more_than_the_budget(bucket: BucketOptions, size: int) -> None:
    sizes = Sizes(total=40 * MIB)
    blobs = open_objects(bucket, sizes=sizes)
    data = body(size)
    count = 60 if size == 3 * MIB else 8
    locators = await asyncio.gather(*(put(blobs, data) for _ in range(count)))
    assert len(set(locators)) == count
    assert 0 < blobs.sender.budget.most <= sizes.total
    assert blobs.sender.budget.held == 0
    await blobs.close()


async def test_an_upload_that_finds_no_room_in_memory_is_told_to_come_back(bucket: BucketOptions) -> None:
    blobs = open_objects(bucket, sizes=Sizes(total=Sizes().most), patience=Patience(queue=0.01))
    first, second = blobs.create(7), blobs.create(7)
    await feed(first, body(2 * MIB))
    with pytest.raises(Unavailable):
        await second.write(b"more")
    await second.cancel()
    await first.finish()
    locator = await first.commit()
    assert blobs.sender.budget.held == 0
    assert await got(blobs, locator, 2 * MIB) == body(2 * MIB)
    await blobs.close()


async def test_a_slow_reader_takes_no_more_than_a_little_ahead(bucket: BucketOptions) -> None:
    async with faulty(bucket) as proxy:
        blobs = open_objects(proxy.of(bucket))
        data = body(64 * MIB)
        locator = await put(blobs, data)
        before = proxy.sent
        chunks = blobs.read(locator, ByteRange(0, len(data)))
        first = await anext(chunks)
        ahead = -1
        while ahead < (ahead := proxy.sent - before):  # noqa: ASYNC110  quiet is no event
            await asyncio.sleep(0.1)
        # What the kernel's buffers between the three of us take, and a few of ours.
        assert ahead < 32 * MIB
        assert first + b"".join([chunk async for chunk in chunks]) == data
        await blobs.close()


async def test_readers_that_go_away_let_go_of_their_connections(bucket: BucketOptions) -> None:
    async with faulty(bucket) as proxy:
        blobs = open_objects(proxy.of(bucket), patience=Patience(streams=8))
        data = body(4 * MIB)
        locator = await put(blobs, data)
        for _ in range(200):
            chunks = blobs.read(locator, ByteRange(0, len(data)))
            await anext(chunks)
            await chunks.aclose()
        await until(lambda: proxy.open <= 2)
        assert await got(blobs, locator, len(data)) == data
        await blobs.close()


# ---------------------------------------------------------------- the inventory


async def test_a_listing_of_several_pages_names_everything(
    blobs: ObjectBlobs, object_store: ObjectStore, bucket: BucketOptions
) -> None:
    small, large = await put(blobs, body(1000)), await put(blobs, body(LARGE))
    folder = object_store.files(bucket)[0].parent
    for number in range(2100):
        (folder / f"{number:032x}").write_bytes(b"x")
    (folder.parent / "notes.txt").write_bytes(b"made by a person")
    found = {stored.locator: stored async for stored in blobs.scan()}
    assert len(found) == 2103
    assert (found[small].kind, found[small].size, found[small].account) == ("whole", 1000, 7)
    assert found[small].sha256 == hashlib.sha256(body(1000)).digest()
    assert (found[large].kind, found[large].size, found[large].sha256) == ("whole", LARGE, None)
    assert found["notes.txt"].kind == "foreign"
    assert await blobs.leftovers(0) == 0


async def test_another_prefix_of_the_same_bucket_is_another_store(
    blobs: ObjectBlobs, object_store: ObjectStore, bucket: BucketOptions
) -> None:
    locator = await put(blobs, b"ours")
    other = open_objects(object_store.fresh())
    assert [stored async for stored in other.scan()] == []
    await other.delete(locator)
    assert await got(blobs, locator, 4) == b"ours"
    await other.close()


# ---------------------------------------------------------------- opening


async def test_a_bucket_that_can_be_listed_is_well(bucket: BucketOptions, signing_store: ObjectStore) -> None:
    check(bucket)
    check(signing_store.fresh())


@pytest.mark.parametrize("what", ["bucket", "endpoint", "credentials"])
async def test_a_bucket_that_cannot_be_used_says_why(
    signing_store: ObjectStore, object_credentials: None, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    options = signing_store.fresh()
    if what == "bucket":
        options = signing_store.place("held", bucket="not-there")
    elif what == "endpoint":
        options = BucketOptions(url=options.url, endpoint="http://127.0.0.1:9", region="us-east-1")
    else:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(BucketError) as failure:
        check(options)
    assert failure.value.about == what
    assert "not-the-secret" not in str(failure.value)
    assert "\n" not in str(failure.value)


async def test_many_writers_of_the_same_bytes_leave_one_object_each(
    blobs: ObjectBlobs, object_store: ObjectStore, bucket: BucketOptions
) -> None:
    data = body(5000)
    locators = await asyncio.gather(*(put(blobs, data) for _ in range(20)))
    for one, other in itertools.pairwise(locators):
        await blobs.delete(one)
        assert await got(blobs, other, len(data)) == data
    assert len(object_store.files(bucket)) == 1


async def test_encryption_is_asked_for_with_each_upload(bucket: BucketOptions) -> None:
    async with faulty(bucket) as proxy:
        options = msgspec.structs.replace(
            proxy.of(bucket), encryption="aws:kms", encryption_key="a-key-of-ours", bucket_key=True
        )
        blobs = open_objects(options)
        await put(blobs, body(1000))
        await put(blobs, body(LARGE))
        await blobs.close()
    begun = [request.head.lower() for request in proxy.requests if b"partNumber" not in request.head]
    begun = [head for head in begun if head.startswith(b"put") or b"?uploads" in head]
    assert len(begun) == 2
    for head in begun:
        assert b"x-amz-server-side-encryption: aws:kms\r\n" in head
        assert b"x-amz-server-side-encryption-aws-kms-key-id: a-key-of-ours\r\n" in head
        assert b"x-amz-server-side-encryption-bucket-key-enabled: true\r\n" in head
