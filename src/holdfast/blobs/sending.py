"""Bodies on their way to an object store: sent in one piece, or, when they are large, in parts as they come."""

import asyncio
import contextlib
import hashlib
import logging
import weakref
from collections.abc import Coroutine
from typing import Any, Self

import msgspec

from holdfast.blobs import keys
from holdfast.blobs.answers import FAILURES, unavailable
from holdfast.blobs.buckets import Doors
from holdfast.blobs.budget import Budget, Share
from holdfast.blobs.calling import Caller, Refused
from holdfast.blobs.keys import ObjectAt
from holdfast.core.errors import Unavailable
from holdfast.core.ports import Entropy, Received

_log = logging.getLogger(__name__)

MIB = 1024 * 1024
MOST_PARTS = 10_000
_BATCH = MIB
# Digests of more than this are made in a thread, so that nobody else has to wait for them.
_DIGEST_HERE = 256 * 1024
_SLOWEST = 128 * 1024
"""Bytes a second that one request brings at least; slower ones are given up."""


class Sizes(msgspec.Struct, frozen=True):
    """Bytes in memory. Bodies of up to `held` are sent in one piece, larger ones in parts of `part`, `parallel` of them
    at once. All uploads of the process hold at most `total`."""

    held: int = 8 * MIB
    part: int = 5 * MIB
    parallel: int = 2
    total: int = 512 * MIB

    @property
    def sending(self) -> int:
        """What an upload in parts holds: parts under way, the one that is being filled, and what is handed over."""
        return self.part * (self.parallel + 1) + 2 * _BATCH

    @property
    def most(self) -> int:
        """The most that one upload holds: when what it held is handed over to be sent in parts."""
        return self.held + self.sending + _BATCH


def sizes_for(largest: int) -> Sizes:
    """Sizes with which a body of that many bytes needs no more parts than a store takes."""
    usual = Sizes()
    if largest <= usual.part * MOST_PARTS:
        return usual
    sizes = msgspec.structs.replace(usual, part=(largest // MOST_PARTS // MIB + 1) * MIB)
    return msgspec.structs.replace(sizes, total=max(usual.total, 4 * sizes.most))


def request_seconds(size: int, answer: float) -> float:
    """How long a request that brings so many bytes may take, when its answer may take that long."""
    return answer + size / _SLOWEST


class Abandoned(Exception):
    """Nobody wants the body any more."""


class Pipe:
    """Pieces from a writer to the driver, one at a time. Used from one event loop, but for `drop`."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._loop = asyncio.get_running_loop()
        self._abandoned = False
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._pieces.get()
        if self._abandoned:
            raise Abandoned
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def put(self, piece: bytes | None) -> None:
        """Hand on the next piece, or the end, once the one before was taken; whether anyone takes it does not matter
        any more after `close`."""
        if not self._closed:
            await self._pieces.put(piece)

    def abandon(self) -> None:
        """Let whoever takes the pieces fail instead of coming to an end."""
        self._abandoned = True
        self._drain()
        self._pieces.put_nowait(None)

    def close(self) -> None:
        """Nobody takes pieces any more."""
        self._closed = True
        self._drain()

    def drop(self) -> None:
        """As `abandon`, from whichever thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.abandon)

    def _drain(self) -> None:
        with contextlib.suppress(asyncio.QueueEmpty):
            self._pieces.get_nowait()


class Sender:
    """Brings bodies to the bucket, and takes them away again."""

    def __init__(self, doors: Doors, caller: Caller, sizes: Sizes, entropy: Entropy) -> None:
        self.sizes = sizes
        self.budget = Budget(sizes.total, sizes.most, caller.patience.queue)
        self._doors = doors
        self._caller = caller
        self._entropy = entropy
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pipes: weakref.WeakSet[Pipe] = weakref.WeakSet()

    async def put(self, account: int, received: Received, body: bytearray) -> ObjectAt:
        """Send a body in one piece. Raises `StorageFull`, `Unavailable`."""
        at = keys.whole(account, received.sha256, self._entropy(keys.SUFFIX_BYTES))
        seconds = request_seconds(received.size, self._caller.patience.answer)
        try:
            await self._caller.call(
                lambda: self._doors.once.put_async(at.key, body, mode="create", use_multipart=False), seconds=seconds
            )
        except Refused as refusal:
            if refusal.answer.meaning != "exists":
                raise unavailable(refusal.answer) from refusal
            # The key is ours alone: an earlier attempt has made it, and only its answer was lost.
            await self._confirm(at, received.size)
        return at

    def begin(self, account: int) -> "Parts":
        """Start sending a body in parts."""
        at, pipe = keys.parted(account, self._entropy(keys.NAME_BYTES)), Pipe()
        self._pipes.add(pipe)
        return Parts(at, pipe, self.spawn(self._send(at, pipe)))

    async def complete(self, parts: "Parts", size: int) -> ObjectAt:
        """Make of the parts an object, when all of them were handed on. Raises `StorageFull`, `Unavailable`."""
        await parts.pipe.put(None)
        try:
            await parts.sent
        except Unavailable as failure:
            # The object may have been made all the same, and only the answer been lost.
            with contextlib.suppress(Unavailable):
                await self._confirm(parts.at, size)
                return parts.at
            raise failure from None
        try:
            await self._confirm(parts.at, size)
        except Unavailable:
            await self._forsake(parts.at)
            raise
        return parts.at

    async def delete(self, at: ObjectAt) -> None:
        """Remove the object if it is there. Raises `Unavailable`."""
        try:
            await self._caller.call(lambda: self._doors.once.delete_async(at.key))
        except Refused as refusal:
            if refusal.answer.meaning != "missing":
                raise unavailable(refusal.answer) from refusal

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run work to its end whatever becomes of who asked for it; `close` waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Finish what is under way, and abandon what nobody has committed."""
        for pipe in tuple(self._pipes):
            pipe.abandon()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def _send(self, at: ObjectAt, pipe: Pipe) -> None:
        self._caller.breaker.enter()
        try:
            await self._doors.again.put_async(
                at.key,
                pipe,
                use_multipart=True,
                chunk_size=self.sizes.part,
                max_concurrency=self.sizes.parallel,
            )
        except FAILURES as error:
            raise unavailable(self._caller.understood(error).answer) from error
        finally:
            pipe.close()
            self._pipes.discard(pipe)

    async def _confirm(self, at: ObjectAt, size: int) -> None:
        """See that the object is there with all its bytes. Raises `Unavailable`."""
        try:
            found = await self._caller.call(lambda: self._doors.once.head_async(at.key))
        except Refused as refusal:
            raise unavailable(refusal.answer) from refusal
        if found["size"] != size:
            _log.error("object %s has %d bytes instead of the %d that were sent", at.key, found["size"], size)
            raise Unavailable("The blob store has not taken all bytes")

    async def _forsake(self, at: ObjectAt) -> None:
        try:
            await self.delete(at)
        except Unavailable:
            _log.warning("object %s that nobody knows is left behind", at.key)


class Parts(msgspec.Struct, frozen=True):
    """An upload in parts: where to, by which pipe, and the task that ends when the driver has sent everything."""

    at: ObjectAt
    pipe: Pipe
    sent: asyncio.Task[None]


class ObjectWriter:
    """As `BlobWriter`."""

    def __init__(self, sender: Sender, account: int) -> None:
        self._sender = sender
        self._account = account
        self._share = Share(sender.budget)
        self._body = bytearray()
        self._size = 0
        self._digest = hashlib.sha256()
        self._parts: Parts | None = None
        self._received: Received | None = None
        self._commit: asyncio.Task[str] | None = None
        self._cancelled = False
        weakref.finalize(self, self._share.drop)

    async def write(self, chunk: bytes) -> None:
        """As `BlobWriter.write`. Raises `Unavailable` when the store fails, or too many bytes are on their way."""
        if self._received is not None or self._cancelled:
            raise RuntimeError("this writer takes no more bytes")
        if self._parts is None:
            await self._share.grow(min(len(self._body) + len(chunk), self._sender.sizes.most))
        self._body += chunk
        self._size += len(chunk)
        if self._parts is not None:
            if len(self._body) >= _BATCH:
                await self._hand_on(self._parts)
        elif self._size > self._sender.sizes.held:
            await self._begin()

    async def finish(self) -> Received:
        """As `BlobWriter.finish`; asked again, it gives the same answer."""
        if self._received is None:
            if self._parts is not None:
                await self._hand_on(self._parts)
            else:
                await self._update(self._body)
            self._received = Received(self._digest.digest(), self._size)
        return self._received

    async def commit(self) -> str:
        """As `BlobWriter.commit`; asked again, it gives the same locator. Raises `StorageFull`, `Unavailable`."""
        if self._cancelled:
            raise RuntimeError("this writer was cancelled")
        received = await self.finish()
        if self._commit is None:
            self._commit = self._sender.spawn(self._settle(received))
        return await asyncio.shield(self._commit)

    async def cancel(self) -> None:
        """As `BlobWriter.cancel`."""
        if self._cancelled:
            return
        self._cancelled = True
        if self._parts is not None or self._commit is not None:
            await asyncio.shield(self._sender.spawn(self._undo()))
        else:
            self._let_go()

    async def _begin(self) -> None:
        sizes = self._sender.sizes
        await self._share.grow(sizes.most)
        self._parts = self._sender.begin(self._account)
        weakref.finalize(self, self._parts.pipe.drop)
        await self._hand_on(self._parts)
        self._share.shrink(sizes.sending)

    async def _hand_on(self, parts: Parts) -> None:
        body, self._body = self._body, bytearray()
        for start in range(0, len(body), _BATCH):
            piece = bytes(memoryview(body)[start : start + _BATCH])
            await self._update(piece)
            await parts.pipe.put(piece)
            if parts.sent.done():
                await parts.sent

    async def _update(self, data: bytes | bytearray) -> None:
        if len(data) > _DIGEST_HERE:
            await asyncio.to_thread(self._digest.update, data)
        else:
            self._digest.update(data)

    async def _settle(self, received: Received) -> str:
        try:
            if self._parts is not None:
                return str(await self._sender.complete(self._parts, received.size))
            return str(await self._sender.put(self._account, received, self._body))
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._body = bytearray()
        self._share.shrink(0)

    async def _undo(self) -> None:
        try:
            if self._commit is not None:
                await asyncio.wait([self._commit])
                if self._commit.exception() is None and (at := keys.parse(self._commit.result())) is not None:
                    await self._sender.delete(at)
            elif self._parts is not None:
                self._parts.pipe.abandon()
                await asyncio.wait([self._parts.sent])
        except Unavailable:
            _log.warning("cancelled blob left behind")
        finally:
            self._let_go()
