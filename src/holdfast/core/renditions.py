"""Small pictures and facts of stored contents: made once, kept as blobs, shared by all that hold the same bytes."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import NamedTuple

import msgspec

from holdfast.core.access import Guard, Work
from holdfast.core.attachments import Attachments
from holdfast.core.errors import Conflict, ContentLost, HoldfastError, NotFound, Unavailable, Unrenderable
from holdfast.core.holding import is_version, keep, let_go
from holdfast.core.intake import Intake
from holdfast.core.model import (
    EVERYTHING,
    READ,
    WRITE,
    Actor,
    Attachment,
    Blob,
    ByteRange,
    Content,
    Facts,
    MediaFacts,
    NoRendition,
    Rendition,
)
from holdfast.core.ports import BlobKey, Blobs, Catalog, Clock, FactsQuery, Renderer, RenditionKey

_log = logging.getLogger(__name__)

JPEG = "image/jpeg"

AHEAD_EDGE = 256
"""The size made in the background: what lists and galleries show. Others are made when first asked for."""

MOST_QUEUED = 1000
"""Contents that wait for the background; what finds no room is made when somebody looks."""

MOST_ASKED_FOR = 256
"""Pictures that callers wait for at one time."""

_REST = 60_000_000
_NOTHING = Facts()

_Key = tuple[int, bytes, int]


class Source(msgspec.Struct, frozen=True):
    """A content of an account, and the type that was told from its bytes."""

    account: int
    sha256: bytes
    media_type: str


class Picture(msgspec.Struct, frozen=True):
    """A JPEG, ready to be read."""

    sha256: bytes
    size: int
    made_at: int
    read: Callable[[ByteRange], AsyncIterator[bytes]]


class _Making(NamedTuple):
    """A picture that is being made or, once it is there, being kept."""

    picture: asyncio.Future[Picture]
    task: asyncio.Task[None]


class Studio:
    """Makes pictures and facts for all desks of this process, each key once: those who ask together wait together.

    Between processes the first row counts, and the picture of the other is dropped. That a file has no picture for
    good is kept like a picture; what may work later is tried again when it is next asked for.
    """

    __slots__ = ("_blobs", "_catalog", "_clock", "_making", "_queue", "_renderer", "_rest_until", "_started", "_worker")

    def __init__(self, catalog: Catalog, blobs: Blobs, renderer: Renderer | None, clock: Clock) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._renderer = renderer
        self._clock = clock
        self._making: dict[_Key, _Making] = {}
        self._queue: dict[Source, None] = {}
        self._worker: asyncio.Task[None] | None = None
        self._started = False
        self._rest_until = 0

    def start(self) -> None:
        """From now on contents are worked on in the background."""
        self._started = True

    def ahead(self, source: Source) -> None:
        """Have the picture and the facts made in the background, if there is room. Returns at once."""
        idle = not self._started or self._clock() < self._rest_until
        if idle or not self._may_render(source) or source in self._queue or len(self._queue) >= MOST_QUEUED:
            return
        self._queue[source] = None
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())

    async def picture(self, source: Source, edge: int) -> Picture:
        """The JPEG within `edge` by `edge` pixels. Raises `Unrenderable`, `Unavailable`, `ContentLost`."""
        if not self._may_render(source):
            raise Unrenderable
        kept = await self._kept(source, edge)
        if kept is not None:
            return kept
        key = (source.account, source.sha256, edge)
        making = self._making.get(key)
        if making is None:
            if len(self._making) >= MOST_ASKED_FOR:
                raise Unavailable("Too many pictures are being made", retry_after=5)
            making = self._making[key] = self._begin(key, source, edge)
        # Whoever asked first may leave; the others still wait for the same rendering.
        return await asyncio.shield(making.picture)

    async def facts(self, account: int, sources: Iterable[Source]) -> dict[bytes, Facts]:
        """What is known of these contents, by digest. Those never looked at are, in the background."""
        wanted = {source.sha256: source for source in sources if self._may_render(source)}
        if not wanted:
            return {}
        known = {row.sha256: row.facts for row in (await self._catalog.find(FactsQuery(account, tuple(wanted)))).items}
        for sha256, source in wanted.items():
            if sha256 not in known:
                self.ahead(source)
        return {sha256: facts for sha256, facts in known.items() if facts != _NOTHING}

    async def close(self) -> None:
        """Give up what is being made and what waits. What is made is kept first."""
        self._started = False
        self._queue.clear()
        if self._worker is not None:
            self._worker.cancel()
        for making in self._making.values():
            if not making.picture.done():
                making.task.cancel()
        under_way = [making.task for making in self._making.values()]
        await asyncio.gather(*under_way, *([self._worker] if self._worker else []), return_exceptions=True)

    def _may_render(self, source: Source) -> bool:
        return self._renderer is not None and source.media_type in self._renderer.types

    # ------------------------------------------------------------ in the background

    async def _work(self) -> None:
        try:
            while self._queue:
                source = next(iter(self._queue))
                del self._queue[source]
                await self._prepare(source)
        finally:
            self._worker = None

    async def _prepare(self, source: Source) -> None:
        try:
            await self.picture(source, AHEAD_EDGE)
        except Unrenderable:
            pass
        except Unavailable as error:
            # Where no child can be started, trying again for every look at a list would only burn the processor.
            self._rest_until = self._clock() + _REST
            self._queue.clear()
            _log.warning("no pictures are made ahead for a minute: %s", error.detail)
        except HoldfastError as error:
            _log.warning("no picture was made ahead: %s", error.detail)

    # ------------------------------------------------------------ one picture

    async def _kept(self, source: Source, edge: int) -> Picture | None:
        row = await self._catalog.get(RenditionKey(source.account, source.sha256, edge))
        if row is None:
            return None
        if row.blob is None:
            raise Unrenderable(row.reason or "refused")
        blob = await self._catalog.get(BlobKey(source.account, row.blob))
        if blob is None or not _is_sound(blob):
            return None
        locator, blobs = blob.locator, self._blobs

        def read(part: ByteRange) -> AsyncIterator[bytes]:
            return blobs.read(locator, part)

        return Picture(blob.sha256, blob.size, row.made_at, read)

    def _begin(self, key: _Key, source: Source, edge: int) -> _Making:
        picture: asyncio.Future[Picture] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            try:
                await self._make(source, edge, picture)
            except Exception as error:  # noqa: BLE001 -- told to those who wait, or to the log
                if picture.done():
                    _log.exception("a picture could not be kept")
                else:
                    picture.set_exception(error)
                    # Looked at here, because all who waited may have left.
                    picture.exception()
            finally:
                picture.cancel()
                del self._making[key]

        return _Making(picture, asyncio.create_task(run()))

    async def _make(self, source: Source, edge: int, picture: "asyncio.Future[Picture]") -> None:
        """Give the picture to those who wait as soon as it is there; keeping it is the server's affair."""
        kept = await self._kept(source, edge)
        if kept is not None or self._renderer is None:
            picture.set_result(_required(kept))
            return
        blob = await self._catalog.get(BlobKey(source.account, source.sha256))
        if blob is None or not _is_sound(blob):
            raise ContentLost
        whole = self._blobs.read(blob.locator, ByteRange(0, blob.size))
        derived = await self._renderer.derive(whole, source.media_type, (edge,))
        if isinstance(derived, NoRendition):
            if derived.lasting:
                await self._keep_failure(source, edge, derived.reason)
                raise Unrenderable(derived.reason)
            raise Unavailable("No picture can be made now", retry_after=5)
        made_at = self._clock()
        data = derived.thumbnails[0]
        sha256 = hashlib.sha256(data).digest()

        async def read(part: ByteRange) -> AsyncIterator[bytes]:
            yield data[part.start : part.start + part.length]

        picture.set_result(Picture(sha256, len(data), made_at, read))
        await self._keep(
            source, data, Rendition(source.account, source.sha256, edge, sha256, None, made_at), derived.facts
        )

    async def _keep(self, source: Source, data: bytes, row: Rendition, facts: Facts) -> None:
        try:
            async with Intake(self._blobs.create(source.account), _as_jpeg, len(data), None) as intake:
                await intake.take(_chunk(data), name="")
                await keep(self._guard(source), intake, lambda work: _record(work, row, facts))
        except (Conflict, NotFound):
            _log.debug("a picture was made at the same time, or its source has gone")
        except Unavailable as error:
            _log.warning("a picture could not be kept: %s", error.detail)

    async def _keep_failure(self, source: Source, edge: int, reason: str) -> None:
        row = Rendition(source.account, source.sha256, edge, None, reason, self._clock())
        try:
            await self._guard(source).change(WRITE, lambda work: _record(work, row, _NOTHING))
        except (Conflict, NotFound, Unavailable) as error:
            _log.debug("that there is no picture was not kept: %s", error.detail)

    def _guard(self, source: Source) -> Guard:
        system = Actor(source.account, "system", "system", "system", frozenset({EVERYTHING}))
        return Guard(system, self._catalog, self._clock)


class Renditions:
    """Derived copies of the account's files as one actor may see them: exactly those of files that it may read."""

    __slots__ = ("_attachments", "_guard", "_studio")

    def __init__(self, guard: Guard, attachments: Attachments, studio: Studio) -> None:
        self._guard = guard
        self._attachments = attachments
        self._studio = studio

    async def thumbnail(self, id: str, edge: int, version: int | None = None) -> Content:
        """A JPEG of the current or an earlier version within `edge` by `edge` pixels.

        Edges are those of `Renderer`. Raises `NotFound`, `OutOfScope`, `Unrenderable`, `Unavailable`, `ContentLost`.
        """
        attachment = await self._attachments.get(id)
        shown = attachment if version is None else await self._attachments.version(id, version)
        picture = await self._studio.picture(Source(shown.account, shown.sha256, shown.media_type), edge)
        # The later of the two, so that going back to an older content does not look like no change.
        changed_at = max(picture.made_at, attachment.updated_at)
        return Content(_name(shown.name), JPEG, picture.size, picture.sha256, changed_at, picture.read)

    async def facts(self, attachments: Iterable[Attachment]) -> dict[bytes, Facts]:
        """What is known of the current contents of attachments that the actor was given, by digest.

        Raises `Forbidden`.
        """
        sight = self._guard.see(READ, WRITE)
        return await self._studio.facts(sight.account, map(source_of, attachments))


def source_of(attachment: Attachment) -> Source:
    """The current content."""
    return Source(attachment.account, attachment.sha256, attachment.media_type)


async def _record(work: Work, row: Rendition, facts: Facts) -> None:
    """Add the row, and the facts if they are not there. Raises `NotFound` once no version holds the source, `Conflict`
    when there is a row already; one whose picture is lost is written over."""
    if not await is_version(work, row.source):
        raise NotFound("attachment")
    present = await work.get(RenditionKey(row.account, row.source, row.edge))
    if present is None:
        await work.add(row)
    else:
        if present.blob is None or _is_sound(await work.get(BlobKey(row.account, present.blob))):
            raise Conflict("There is a rendition already")
        await let_go(work, present.blob)
        await work.save(row)
    if not (await work.find(FactsQuery(row.account, (row.source,)))).items:
        await work.add(MediaFacts(row.account, row.source, facts, row.made_at))


def _is_sound(blob: Blob | None) -> bool:
    return blob is not None and blob.damaged_at is None


def _required(kept: Picture | None) -> Picture:
    if kept is None:
        raise Unrenderable
    return kept


def _name(name: str) -> str:
    return f"{name.rpartition('.')[0] or name}.jpg"


def _as_jpeg(_head: bytes, _name: str, _declared: str | None) -> str:
    return JPEG


async def _chunk(data: bytes) -> AsyncIterator[bytes]:
    yield data
