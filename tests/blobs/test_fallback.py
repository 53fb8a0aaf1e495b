"""Two stores as one while bytes move: written to the new, read from either."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.blobs.disk import DiskBlobs, open_disk
from holdfast.blobs.fallback import FallbackBlobs
from holdfast.core.errors import ContentLost
from holdfast.core.model import ByteRange
from holdfast.core.ports import Blobs

LARGE = b"large" * 100_000


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[tuple[FallbackBlobs, DiskBlobs, DiskBlobs]]:
    new, old = open_disk(tmp_path / "new"), open_disk(tmp_path / "old")
    both = FallbackBlobs(new, old)
    yield both, new, old
    await both.close()


async def put(blobs: Blobs, data: bytes) -> str:
    writer = blobs.create(1)
    await writer.write(data)
    await writer.finish()
    return await writer.commit()


async def got(blobs: Blobs, locator: str, size: int) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(locator, ByteRange(0, size))])


@pytest.mark.parametrize("data", [b"small", LARGE])
async def test_what_is_written_lies_in_the_new_store(
    stores: tuple[FallbackBlobs, DiskBlobs, DiskBlobs], data: bytes
) -> None:
    both, new, old = stores
    locator = await put(both, data)
    assert await got(new, locator, len(data)) == data
    with pytest.raises(ContentLost):
        await got(old, locator, len(data))
    assert await got(both, locator, len(data)) == data
    assert both.fallbacks == 0


@pytest.mark.parametrize("data", [b"small", LARGE])
async def test_what_is_not_there_yet_is_read_from_the_old_one_and_counted(
    stores: tuple[FallbackBlobs, DiskBlobs, DiskBlobs], data: bytes
) -> None:
    both, _, old = stores
    locator = await put(old, data)
    assert await got(both, locator, len(data)) == data
    assert both.fallbacks == 1
    await both.delete(locator)
    assert await got(old, locator, len(data)) == data


async def test_what_neither_has_is_lost(stores: tuple[FallbackBlobs, DiskBlobs, DiskBlobs]) -> None:
    both, new, _ = stores
    locator = await put(new, LARGE)
    await new.delete(locator)
    with pytest.raises(ContentLost):
        await got(both, locator, len(LARGE))
