"""Thumbnails and facts of stored files, made by children in a cage: the server's side of it.

Nothing that a child says is believed: its answer is bounded in size and time, its numbers are parsed strictly, and each
picture is walked through segment by segment, so that not even a taken-over decoder can make a thumbnail carry metadata
or be of another size or type.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from holdfast.core.model import Derived, Facts, NoRendition
from holdfast.media.cage import LOCKED_IN, OUT_OF_MEMORY, REFUSED

SUPPORTED = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "image/avif",
        "image/heic",
        "image/heif",
        "image/tiff",
        "image/bmp",
        "application/pdf",
    }
)
"""Types that have renditions; the first page stands for a PDF."""

NATIVE_EDGES = (128, 256, 512, 1024)
"""Longest sides, in pixels, that the native API offers."""

EDGES = frozenset({*NATIVE_EDGES, 200})
"""All longest sides that may be asked for: a closed set, so that nobody can fill the cache. PropOps has 200."""

SOURCE_BYTES = 64 * 1024 * 1024
"""The default for the largest source. It is copied into memory for the child, once for each slot."""

WALL_SECONDS = 10.0
"""The default for how long a child may work. Its processor time is limited to half of that: see the cage."""

SPOOL_SECONDS = 60.0
"""How long a store may take to hand over the source; after that others get the slot."""

SLOTS = 1
"""The default for files decoded at once by one server process: on two cores the other stays with the requests."""

_MAX_ANSWER = 4 * 1024 * 1024
"""All thumbnails of one file together: the worst noise at 1024 pixels takes less than 1 MiB."""

_MAX_FACTS = 128
_MAX_SIDE = 1 << 31
_READ = 64 * 1024


class _Child:
    """A process in its cage, and the memory in which it will find its file."""

    def __init__(self, process: asyncio.subprocess.Process, source: int) -> None:
        self.process: Final = process
        self._source = source

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._source, view) :]

    def release(self) -> None:
        """Let go of the memory. The child keeps it for as long as it lives."""
        if self._source >= 0:
            os.close(self._source)
            self._source = -1

    async def end(self) -> None:
        """Kill it if it lives, and see it off; what it still had to say is thrown away."""
        self.release()
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        if self.process.stdin is not None:
            self.process.stdin.close()
        stdout = self.process.stdout
        while stdout is not None and await stdout.read(_READ):
            pass
        await self.process.wait()


class CagedRenditions:
    """Adapter of the core's `Renderer`. The first use starts a child. From then on one waits warm, for one file.

    Belongs to one event loop. `command` is what to start instead of the cage, for tests.
    """

    def __init__(
        self,
        *,
        source_bytes: int = SOURCE_BYTES,
        wall_seconds: float = WALL_SECONDS,
        slots: int = SLOTS,
        command: Sequence[str] | None = None,
    ) -> None:
        self._source_bytes = source_bytes
        self._wall_seconds = wall_seconds
        self._command = tuple(command or (sys.executable, "-P", "-s", "-m", "holdfast.media.cage"))
        self._turns = asyncio.Semaphore(slots)
        self._spare: asyncio.Task[_Child] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def types(self) -> frozenset[str]:
        """As the port says."""
        return SUPPORTED

    async def derive(
        self, source: AsyncIterator[bytes], media_type: str, edges: Sequence[int] = ()
    ) -> Derived | NoRendition:
        """As the port says."""
        if not EDGES.issuperset(edges):
            raise ValueError(f"edges are {sorted(EDGES)}")
        if media_type not in SUPPORTED:
            return NoRendition("unsupported")
        async with self._turns:
            try:
                child = await self._take()
            except OSError:
                return NoRendition("unavailable")
            try:
                return await self._serve(child, source, media_type, edges)
            finally:
                self._dismiss(child)

    async def close(self) -> None:
        """As the port says."""
        self._closed = True
        if self._spare is not None:
            spare, self._spare = self._spare, None
            with contextlib.suppress(OSError):
                self._dismiss(await spare)
        await asyncio.gather(*self._ending)

    async def _take(self) -> _Child:
        """The warm child, or a new one if there is none or it died waiting."""
        spare, self._spare = self._spare, None
        child = None
        if spare is not None:
            with contextlib.suppress(OSError):
                child = await spare
        if child is not None and not child.alive:
            self._dismiss(child)
            child = None
        if child is None:
            child = await self._start()
        return child

    async def _start(self) -> _Child:
        source = os.memfd_create("holdfast-source", os.MFD_CLOEXEC)
        try:
            # The child gets a descriptor of its own that can only read.
            reader = os.open(f"/proc/self/fd/{source}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    str(reader),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    pass_fds=(reader,),
                    cwd="/",
                    # Nothing of the server's environment, which may hold secrets, but where to find this package.
                    env={"PYTHONPATH": str(Path(__file__).parents[2]), "LC_ALL": "C.UTF-8"},
                    start_new_session=True,
                )
            finally:
                os.close(reader)
        except BaseException:
            os.close(source)
            raise
        return _Child(process, source)

    def _dismiss(self, child: _Child) -> None:
        """End the child without making the caller wait for it."""
        task = asyncio.create_task(child.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _serve(
        self, child: _Child, source: AsyncIterator[bytes], media_type: str, edges: Sequence[int]
    ) -> Derived | NoRendition:
        spooling = asyncio.timeout(SPOOL_SECONDS)
        try:
            async with spooling:
                held = 0
                async for chunk in source:
                    held += len(chunk)
                    if held > self._source_bytes:
                        return NoRendition("oversize")
                    child.write(chunk)
        except TimeoutError:
            if not spooling.expired():
                raise
            return NoRendition("unavailable")
        child.release()
        order = f"{' '.join([media_type, *map(str, edges)])}\n".encode("ascii")
        try:
            async with asyncio.timeout(self._wall_seconds):
                if not await _accepted(child.process, order):
                    return NoRendition("unavailable")
        except TimeoutError:
            return NoRendition("unavailable")
        # The next child is started while this one is at work, not before.
        if self._spare is None and not self._closed:
            self._spare = asyncio.create_task(self._start())
        try:
            async with asyncio.timeout(self._wall_seconds):
                answer = await _answer(child.process)
        except TimeoutError:
            return NoRendition("limit")
        return answer if isinstance(answer, NoRendition) else _parsed(answer, edges) or NoRendition("garbled")


async def _accepted(process: asyncio.subprocess.Process, order: bytes) -> bool:
    """Give the order; whether the child is locked in and about to read the file."""
    if process.stdin is None or process.stdout is None:
        raise AssertionError("pipes were asked for")
    try:
        process.stdin.write(order)
        await process.stdin.drain()
    except ConnectionError:
        return False
    return await process.stdout.read(len(LOCKED_IN)) == LOCKED_IN


async def _answer(process: asyncio.subprocess.Process) -> bytes | NoRendition:
    """The rest of what the child says, as soon as it has said it; how it ends after that does not matter."""
    if process.stdout is None:
        raise AssertionError("pipes were asked for")
    try:
        length = int.from_bytes(await process.stdout.readexactly(4), "big")
        return await process.stdout.readexactly(length) if length <= _MAX_ANSWER else NoRendition("garbled")
    except asyncio.IncompleteReadError:
        return _failure(await process.wait())


def _failure(status: int) -> NoRendition:
    """Why a child with this exit status gave no whole answer."""
    if status in (0, REFUSED):
        return NoRendition("refused" if status else "garbled")
    # A child that ignores the first signal for its processor time is killed by the second.
    return NoRendition("limit" if status in (OUT_OF_MEMORY, -signal.SIGXCPU, -signal.SIGKILL) else "crashed")


def _parsed(answer: bytes, edges: Sequence[int]) -> Derived | None:
    line, end, rest = answer.partition(b"\n")
    facts = _facts(line) if end else None
    if facts is None:
        return None
    thumbnails = []
    for edge in edges:
        length = int.from_bytes(rest[:4], "big")
        picture, rest = rest[4 : 4 + length], rest[4 + length :]
        if len(picture) != length or not is_bare_jpeg(picture, edge):
            return None
        thumbnails.append(picture)
    return None if rest else Derived(facts, tuple(thumbnails))


def _facts(line: bytes) -> Facts | None:
    words = line[:_MAX_FACTS].decode("ascii", "replace").split(" ")
    if len(words) != 4:
        return None
    numbers: list[int | None] = []
    for word in words[:3]:
        if word != "-" and not (word.isdigit() and len(word) <= 10 and 0 < int(word) < _MAX_SIDE):
            return None
        numbers.append(None if word == "-" else int(word))
    width, height, pages = numbers
    return Facts(width, height, pages, _moment(words[3]))


def _moment(word: str) -> str | None:
    """The time in its one spelling, None if it is none: cameras without a clock write zeros and blanks."""
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        return None
    return moment.replace(microsecond=0).isoformat() if "T" in word else None


def is_bare_jpeg(data: bytes, edge: int) -> bool:
    """Whether this is one JPEG within `edge` pixels that has no segment but those needed to draw it."""
    if not data.startswith(b"\xff\xd8") or not data.endswith(b"\xff\xd9"):
        return False
    at, sized = 2, False
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : at + 2 + length]
        if kind in (0xC0, 0xC2):  # the frame: precision, height, width, components
            height, width = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
            if not (1 <= height <= edge and 1 <= width <= edge):
                return False
            sized = True
        elif kind == 0xE0:
            if not segment.startswith(b"JFIF\0") or length != 16:
                return False
        elif kind == 0xDA:
            return sized
        elif kind not in (0xDB, 0xC4, 0xDD):
            return False
        at += 2 + length
    return False
