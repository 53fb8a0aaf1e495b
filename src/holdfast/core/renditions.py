"""Small pictures of stored files: made when first asked for, kept in memory up to a bound."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator

import msgspec

from holdfast.core.attachments import Attachments
from holdfast.core.model import ByteRange, Content
from holdfast.core.ports import Renderer

JPEG = "image/jpeg"

_BUDGET = 16 << 20
_ENTRY = 512

_Key = tuple[int, bytes, int]


class Thumbnails:
    """One picture for each (account, digest, edge): equal files of an account share it, accounts never do.

    Those asked for at the same time wait for one rendering. That a file has no picture is remembered too. The
    pictures used last are kept, `budget` bytes of them.
    """

    __slots__ = ("_budget", "_held", "_kept", "_making", "_renderer")

    def __init__(self, renderer: Renderer | None, budget: int = _BUDGET) -> None:
        self._renderer = renderer
        self._budget = budget
        self._held = 0
        self._kept: OrderedDict[_Key, bytes | None] = OrderedDict()
        self._making: dict[_Key, asyncio.Task[bytes | None]] = {}

    async def of(self, account: int, content: Content, edge: int) -> Content | None:
        """A JPEG within `edge` by `edge` pixels, None when the file has none.

        Raises `Unavailable` when none can be made now, `ContentLost`.
        """
        picture = await self._picture((account, content.sha256, edge), content)
        return None if picture is None else _content(picture, content)

    async def close(self) -> None:
        """Give up what is being made."""
        making = tuple(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)

    async def _picture(self, key: _Key, content: Content) -> bytes | None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(self._make(key, content))
        # Whoever asked first may leave; the others still wait for the same rendering.
        return await asyncio.shield(task)

    async def _make(self, key: _Key, content: Content) -> bytes | None:
        try:
            if self._renderer is None:
                return None
            whole = content.read(ByteRange(0, content.size))
            picture = await self._renderer.thumbnail(whole, content.media_type, key[2])
            self._keep(key, picture)
            return picture
        finally:
            del self._making[key]

    def _keep(self, key: _Key, picture: bytes | None) -> None:
        self._kept[key] = picture
        self._held += _weight(picture)
        while self._held > self._budget:
            _, dropped = self._kept.popitem(last=False)
            self._held -= _weight(dropped)


class Renditions:
    """Derived copies of the account's files as one actor may see them."""

    __slots__ = ("_attachments", "_thumbnails")

    def __init__(self, attachments: Attachments, thumbnails: Thumbnails) -> None:
        self._attachments = attachments
        self._thumbnails = thumbnails

    async def thumbnail(self, id: str, edge: int) -> Content | None:
        """A JPEG of the current version within `edge` by `edge` pixels, None when there is none.

        Edges are those of `Renderer`. Raises `NotFound`, `OutOfScope`, `ContentLost`, `Unavailable`.
        """
        attachment, content = await self._attachments.content(id)
        return await self._thumbnails.of(attachment.account, content, edge)


def _weight(picture: bytes | None) -> int:
    return _ENTRY + (0 if picture is None else len(picture))


def _content(picture: bytes, original: Content) -> Content:
    async def read(part: ByteRange) -> AsyncIterator[bytes]:
        yield picture[part.start : part.start + part.length]

    return msgspec.structs.replace(
        original, media_type=JPEG, size=len(picture), sha256=hashlib.sha256(picture).digest(), read=read
    )
