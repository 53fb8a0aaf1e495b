"""One event loop and one warm cage for all tests of a module that ask for them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import pytest

from holdfast.core.model import Derived, NoRendition
from holdfast.media.renditions import CagedRenditions

Derive = Callable[[bytes, str, Sequence[int]], Derived | NoRendition]


async def chunks(data: bytes, size: int = 256 * 1024) -> AsyncIterator[bytes]:
    """The data as a store hands it over."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.fixture(scope="module")
def derive() -> Iterator[Derive]:
    """(data, type, edges) -> what the real cage makes of it."""
    with asyncio.Runner() as runner:
        caged = CagedRenditions()

        def ask(data: bytes, media_type: str, edges: Sequence[int] = ()) -> Derived | NoRendition:
            return runner.run(caged.derive(chunks(data), media_type, edges))

        yield ask
        runner.run(caged.close())
