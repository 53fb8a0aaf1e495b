"""What the cage answers, as the core hears it."""

from collections.abc import AsyncIterator, Sequence

import pytest

from holdfast.core.errors import Unavailable
from holdfast.media.renditions import Derived, Facts, NoRendition
from holdfast.media.thumbnails import CagedThumbnails


class Answers:
    """Renditions that always answer the same."""

    def __init__(self, answer: Derived | NoRendition) -> None:
        self.answer = answer
        self.closed = False

    async def derive(
        self, source: AsyncIterator[bytes], media_type: str, edges: Sequence[int] = ()
    ) -> Derived | NoRendition:
        return self.answer

    async def close(self) -> None:
        self.closed = True


async def no_bytes() -> AsyncIterator[bytes]:
    for chunk in (b"",):
        yield chunk


async def test_a_picture_is_handed_on() -> None:
    thumbnails = CagedThumbnails(Answers(Derived(Facts(), (b"jpeg",))))
    assert await thumbnails.thumbnail(no_bytes(), "image/png", 200) == b"jpeg"


@pytest.mark.parametrize("reason", ["unsupported", "oversize", "refused", "limit", "crashed", "garbled"])
async def test_a_file_without_a_picture_has_none(reason: str) -> None:
    answers = Answers(NoRendition(reason))  # type: ignore[arg-type]
    assert await CagedThumbnails(answers).thumbnail(no_bytes(), "image/png", 200) is None


async def test_what_may_work_later_is_said_to_be_unavailable() -> None:
    answers = Answers(NoRendition("unavailable"))
    with pytest.raises(Unavailable):
        await CagedThumbnails(answers).thumbnail(no_bytes(), "image/png", 200)


async def test_closing_ends_the_children() -> None:
    answers = Answers(NoRendition("refused"))
    await CagedThumbnails(answers).close()
    assert answers.closed
