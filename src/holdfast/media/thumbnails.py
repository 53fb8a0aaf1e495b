"""One picture at a time, as the core asks for it."""

from collections.abc import AsyncIterator

from holdfast.core.errors import Unavailable
from holdfast.media.renditions import CagedRenditions, NoRendition, Renditions


class CagedThumbnails:
    """Adapter of the core's `Renderer` over the cage."""

    __slots__ = ("_renditions",)

    def __init__(self, renditions: Renditions | None = None) -> None:
        self._renditions = renditions or CagedRenditions()

    async def thumbnail(self, source: AsyncIterator[bytes], media_type: str, edge: int) -> bytes | None:
        """As the port says."""
        derived = await self._renditions.derive(source, media_type, (edge,))
        if isinstance(derived, NoRendition):
            if derived.lasting:
                return None
            raise Unavailable("No picture can be made now")
        return derived.thumbnails[0] if derived.thumbnails else None

    async def close(self) -> None:
        """As the port says."""
        await self._renditions.close()
