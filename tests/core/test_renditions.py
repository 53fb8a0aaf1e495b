import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from holdfast.core.errors import ContentLost
from holdfast.core.model import ByteRange, Content
from holdfast.core.renditions import Thumbnails


class Renderer:
    """Makes a picture of nothing but the size of the source; none of an empty one."""

    def __init__(self) -> None:
        self.rendered = 0
        self.go = asyncio.Event()
        self.go.set()

    async def thumbnail(self, source: AsyncIterator[bytes], media_type: str, edge: int) -> bytes | None:
        self.rendered += 1
        await self.go.wait()
        size = sum([len(chunk) async for chunk in source])
        return b"\xff\xd8" + b"x" * edge if size else None

    async def close(self) -> None:
        self.go.set()


def stored(data: bytes, *, lost: bool = False) -> Content:
    async def read(part: ByteRange) -> AsyncIterator[bytes]:
        if lost:
            raise ContentLost
        yield data[part.start : part.start + part.length]

    return Content("a.png", "image/png", len(data), hashlib.sha256(data).digest(), 7, read)


async def picture_of(content: Content | None) -> bytes:
    assert content is not None
    return b"".join([chunk async for chunk in content.read(ByteRange(0, content.size))])


async def test_equal_files_of_an_account_share_a_picture_and_accounts_do_not() -> None:
    renderer = Renderer()
    thumbnails = Thumbnails(renderer)
    first = await thumbnails.of(1, stored(b"a"), 200)
    again = await thumbnails.of(1, stored(b"a"), 200)
    assert await picture_of(first) == await picture_of(again)
    assert renderer.rendered == 1
    await thumbnails.of(2, stored(b"a"), 200)
    await thumbnails.of(1, stored(b"a"), 128)
    assert renderer.rendered == 3
    assert first is not None
    assert (first.media_type, first.sha256) == (
        "image/jpeg",
        hashlib.sha256(await picture_of(first)).digest(),
    )


async def test_those_who_ask_together_wait_for_one_rendering_even_when_the_first_leaves() -> None:
    renderer = Renderer()
    renderer.go.clear()
    thumbnails = Thumbnails(renderer)
    asking = [asyncio.create_task(thumbnails.of(1, stored(b"a"), 200)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking[0].cancel()
    renderer.go.set()
    assert [(await picture_of(await task))[:2] for task in asking[1:]] == [b"\xff\xd8"] * 2
    assert renderer.rendered == 1


async def test_that_there_is_no_picture_is_remembered() -> None:
    renderer = Renderer()
    thumbnails = Thumbnails(renderer)
    assert await thumbnails.of(1, stored(b""), 200) is None
    assert await thumbnails.of(1, stored(b""), 200) is None
    assert renderer.rendered == 1


async def test_the_pictures_kept_are_bounded() -> None:
    renderer = Renderer()
    thumbnails = Thumbnails(renderer, budget=2000)
    for name in (b"a", b"b", b"c", b"c"):
        await thumbnails.of(1, stored(name), 200)
    assert renderer.rendered == 3
    await thumbnails.of(1, stored(b"a"), 200)
    assert renderer.rendered == 4


async def test_a_lost_source_is_told_to_the_caller_and_tried_again() -> None:
    thumbnails = Thumbnails(Renderer())
    with pytest.raises(ContentLost):
        await thumbnails.of(1, stored(b"a", lost=True), 200)
    assert await thumbnails.of(1, stored(b"a"), 200) is not None


async def test_closing_gives_up_what_is_being_made() -> None:
    renderer = Renderer()
    renderer.go.clear()
    thumbnails = Thumbnails(renderer)
    asking = asyncio.create_task(thumbnails.of(1, stored(b"a"), 200))
    await asyncio.sleep(0)
    await thumbnails.close()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_without_a_renderer_there_are_no_pictures() -> None:
    assert await Thumbnails(None).of(1, stored(b"a"), 200) is None
