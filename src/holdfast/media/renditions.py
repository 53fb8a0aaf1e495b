"""Thumbnails and facts of stored files, made by children in a cage: the server's side of it.

Nothing that a child says is believed: its answer is bounded in size and time, its numbers are parsed strictly, and each
picture is walked through segment by segment, so that not even a taken-over decoder can make a thumbnail carry metadata
or be of another size or type.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from holdfast.core.model import Derived, Facts, NoRendition
from holdfast.media.cage import LOCKED_IN, OUT_OF_MEMORY, REFUSED
from holdfast.media.zygote import MAX_STATUS_BYTES

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

FILES = 500
"""How many files one zygote's children serve. All of them have one layout in memory, which should not be the same for
ever; what a zygote takes to start is then a thousandth of the work."""

BEGIN_SECONDS = 10.0
"""How long it may take until a child is locked in; its zygote may have to start first."""

GRACE_SECONDS = 1.0
"""How long a child that has answered may take to end."""

SLOTS = 1
"""The default for files decoded at once by one server process: on two cores the other stays with the requests."""

_MAX_ANSWER = 4 * 1024 * 1024
"""All thumbnails of one file together: the worst noise at 1024 pixels takes less than 1 MiB."""

_MAX_FACTS = 128
_MAX_SIDE = 1 << 31


class _Zygote:
    """The process that forks a child for each file, and the socket between it and the server."""

    def __init__(self, process: asyncio.subprocess.Process, orders: socket.socket) -> None:
        self._process: Final = process
        self._orders: Final = orders
        self._served = 0
        self.child: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    @property
    def is_fit(self) -> bool:
        """Whether it lives, has no child, and may have another."""
        try:
            self._orders.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return self._served < FILES
        return False

    def order(self, media_type: str, edges: Sequence[int], source: int, answer: int) -> None:
        """Have a child forked for this file; `child` tells how it ends, None if the zygote ends before it has told.

        Raises `OSError` when there is nobody to do so.
        """
        self._served += 1
        line = " ".join([media_type, *map(str, edges)])
        socket.send_fds(self._orders, [line.encode("ascii")], [source, answer])
        self.child = asyncio.ensure_future(self._status())

    async def _status(self) -> int | None:
        try:
            said = await asyncio.get_running_loop().sock_recv(self._orders, MAX_STATUS_BYTES)
        except OSError:
            return None
        return int(said) if said else None

    async def end(self) -> None:
        """Kill it, and the child that it may have, and see it off."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self.child.cancel()
        await asyncio.wait({self.child})
        self._orders.close()


class CagedRenditions:
    """Adapter of the core's `Renderer`. The first use starts a zygote for each slot that is needed; it stays.

    A zygote whose child did anything but end by itself goes with it: whoever breaks a child finds the next one with
    another layout in memory. Belongs to one event loop. `command` is what to start instead of the zygote, for tests.
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
        self._command = tuple(command or (sys.executable, "-P", "-s", "-m", "holdfast.media.zygote"))
        self._turns = asyncio.Semaphore(slots)
        self._idle: list[_Zygote] = []
        self._settling: set[asyncio.Task[None]] = set()
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
        await self._turns.acquire()
        zygote, derived = None, None
        try:
            held = await self._spool(source)
            if isinstance(held, NoRendition):
                return held
            try:
                zygote = await self._take()
                try:
                    derived = await self._serve(zygote, held, media_type, edges)
                except ConnectionError:
                    # It has just died, and not of this file.
                    await zygote.end()
                    zygote = await self._start()
                    derived = await self._serve(zygote, held, media_type, edges)
            except OSError:
                derived = NoRendition("unavailable")
            finally:
                os.close(held)
            return derived
        finally:
            self._settle(zygote, answered=isinstance(derived, Derived))

    async def close(self) -> None:
        """As the port says."""
        self._closed = True
        await asyncio.gather(*self._settling, *(zygote.end() for zygote in self._idle))

    async def _spool(self, source: AsyncIterator[bytes]) -> int | NoRendition:
        """Copy the source into memory: its descriptor, which the caller closes."""
        spooling = asyncio.timeout(SPOOL_SECONDS)
        held, size, whole = os.memfd_create("holdfast-source", os.MFD_CLOEXEC), 0, False
        try:
            async with spooling:
                async for chunk in source:
                    size += len(chunk)
                    if size > self._source_bytes:
                        return NoRendition("oversize")
                    _write(held, chunk)
                whole = True
                return held
        except TimeoutError:
            if not spooling.expired():
                raise
            return NoRendition("unavailable")
        finally:
            if not whole:
                os.close(held)

    async def _take(self) -> _Zygote:
        """A zygote that waits, or a new one if there is none or it is not fit."""
        while self._idle:
            zygote = self._idle.pop()
            if zygote.is_fit:
                return zygote
            await zygote.end()
        return await self._start()

    async def _start(self) -> _Zygote:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(0)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                cwd="/",
                # Nothing of the server's environment, which may hold secrets, but where to find this package.
                env={"PYTHONPATH": str(Path(__file__).parents[2]), "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return _Zygote(process, ours)

    def _settle(self, zygote: _Zygote | None, *, answered: bool) -> None:
        """Keep the zygote for the next file, or end it, without making the caller wait for either."""
        grace = GRACE_SECONDS if answered else 0

        async def settle() -> None:
            try:
                if zygote is not None and not await self._keeps(zygote, grace):
                    await zygote.end()
            finally:
                self._turns.release()

        task = asyncio.create_task(settle())
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _keeps(self, zygote: _Zygote, grace: float) -> bool:
        """Whether the child ended by itself, within the grace, and the zygote waits for its next file."""
        done, _ = await asyncio.wait({zygote.child}, timeout=grace)
        status = zygote.child.result() if done else None
        if status is None or status < 0 or self._closed:
            return False
        self._idle.append(zygote)
        return True

    async def _serve(self, zygote: _Zygote, held: int, media_type: str, edges: Sequence[int]) -> Derived | NoRendition:
        async with _answers() as (said, into):
            try:
                # The child gets a descriptor of its own that can only read.
                reader = os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_CLOEXEC)
                try:
                    zygote.order(media_type, edges, reader, into)
                finally:
                    os.close(reader)
            finally:
                os.close(into)
            try:
                async with asyncio.timeout(BEGIN_SECONDS):
                    if await said.read(len(LOCKED_IN)) != LOCKED_IN:
                        if await asyncio.shield(zygote.child) is None:
                            raise ConnectionResetError
                        return NoRendition("unavailable")
            except TimeoutError:
                return NoRendition("unavailable")
            try:
                async with asyncio.timeout(self._wall_seconds):
                    answer = await _answer(said, zygote)
            except TimeoutError:
                return NoRendition("limit")
        return answer if isinstance(answer, NoRendition) else _parsed(answer, edges) or NoRendition("garbled")


def _write(held: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(held, view) :]


@contextlib.asynccontextmanager
async def _answers() -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """A pipe: what is said into it, and the descriptor to say it into, which the block closes once it has begun."""
    out, into = os.pipe2(os.O_CLOEXEC)
    said = asyncio.StreamReader()
    try:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(said), os.fdopen(out, "rb", 0)
        )
    except BaseException:
        os.close(into)
        raise
    try:
        yield said, into
    finally:
        transport.close()


async def _answer(said: asyncio.StreamReader, zygote: _Zygote) -> bytes | NoRendition:
    """The rest of what the child says, as soon as it has said it; how it ends after that does not matter."""
    try:
        length = int.from_bytes(await said.readexactly(4), "big")
        return await said.readexactly(length) if length <= _MAX_ANSWER else NoRendition("garbled")
    except asyncio.IncompleteReadError:
        status = await asyncio.shield(zygote.child)
        return NoRendition("unavailable") if status is None else _failure(status)


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
