"""Two blob stores as one, while bytes move from the one to the other."""

from collections.abc import AsyncGenerator, AsyncIterator

from holdfast.core.errors import ContentLost
from holdfast.core.model import ByteRange
from holdfast.core.ports import Blobs, BlobWriter


class FallbackBlobs:
    """`Blobs` that writes to the new store alone, and reads from the old one what the new one has not.

    What is deleted stays in the old store, which is removed as a whole in the end. `fallbacks` counts reads from it.
    """

    def __init__(self, new: Blobs, old: Blobs) -> None:
        self.new = new
        self.old = old
        self.fallbacks = 0

    def create(self, account: int) -> BlobWriter:
        """As `Blobs.create`."""
        return self.new.create(account)

    def read(self, locator: str, part: ByteRange) -> AsyncIterator[bytes]:
        """As `Blobs.read`."""
        return self._read(locator, part)

    async def delete(self, locator: str) -> None:
        """As `Blobs.delete`, in the new store."""
        await self.new.delete(locator)

    async def close(self) -> None:
        """As `Blobs.close`."""
        await self.new.close()
        await self.old.close()

    async def _read(self, locator: str, part: ByteRange) -> AsyncGenerator[bytes]:
        has_begun = False
        try:
            async for chunk in self.new.read(locator, part):
                has_begun = True
                yield chunk
            return
        except ContentLost:
            if has_begun:
                raise
        self.fallbacks += 1
        async for chunk in self.old.read(locator, part):
            yield chunk
