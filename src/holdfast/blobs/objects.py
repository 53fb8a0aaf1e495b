"""The `Blobs` port on an object store: each blob is an object of its own."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

from holdfast.blobs import keys
from holdfast.blobs.answers import FAILURES, Answer, unavailable
from holdfast.blobs.buckets import BucketOptions, Doors, Retries, open_doors
from holdfast.blobs.calling import Caller, Failed, Patience, Refused
from holdfast.blobs.keys import ObjectAt
from holdfast.blobs.sending import ObjectWriter, Sender, Sizes, request_seconds
from holdfast.core.errors import ContentLost
from holdfast.core.inventory import Stored
from holdfast.core.model import ByteRange
from holdfast.core.ports import Entropy

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult

_log = logging.getLogger(__name__)

CHUNK = 256 * 1024
_LISTED = 1000
_MICROSECONDS = 1_000_000
_ENDED_EARLY = Answer("failed", None, "the body ended early", again=True)


def open_objects(
    options: BucketOptions,
    *,
    sizes: Sizes | None = None,
    patience: Patience | None = None,
    entropy: Entropy = os.urandom,
) -> "ObjectBlobs":
    """The store below the URL's prefix, without asking anything of it. Raises `BucketError`."""
    sizes, patience = sizes or Sizes(), patience or Patience()
    request = request_seconds(sizes.part, patience.answer)
    retries = Retries(patience.attempts - 1, patience.within, request, patience.first_pause, patience.longest_pause)
    doors = open_doors(options, retries)
    return ObjectBlobs(doors, Caller(patience), sizes, entropy)


class ObjectBlobs:
    """Blobs in a bucket; see `holdfast.core.ports.Blobs` and `holdfast.core.inventory.Inventory`.

    Any number of processes may share it. Nothing is kept between calls but connections.
    """

    def __init__(self, doors: Doors, caller: Caller, sizes: Sizes, entropy: Entropy) -> None:
        self.caller = caller
        self.sender = Sender(doors, caller, sizes, entropy)
        self._doors = doors
        self._gives_parts = True

    def create(self, account: int) -> ObjectWriter:
        """As `Blobs.create`."""
        return ObjectWriter(self.sender, account)

    async def read(self, locator: str, part: ByteRange) -> AsyncGenerator[bytes]:
        """As `Blobs.read`. A body that breaks off is taken up again where it broke. Raises `Unavailable`."""
        at = keys.parse(locator)
        if at is None:
            raise _missing(locator)
        async with self.caller.stream():
            position, end = part.start, part.start + part.length
            body, failures = await self._open(at, position, end), 0
            while position < end:
                try:
                    block = await body.block(end - position)
                except Failed as failure:
                    failures += 1
                    if failures == self.caller.patience.attempts:
                        raise unavailable(failure.answer) from failure
                    del body
                    await asyncio.sleep(self.caller.pause(failures))
                    body = await self._open(at, position, end)
                    continue
                failures = 0
                for start in range(0, len(block), CHUNK):
                    chunk = block[start : start + CHUNK]
                    position += len(chunk)
                    yield chunk

    async def delete(self, locator: str) -> None:
        """As `Blobs.delete`; a locator that this store never gave names nothing. Raises `Unavailable`."""
        at = keys.parse(locator)
        if at is not None:
            await self.sender.delete(at)

    async def scan(self) -> AsyncIterator[Stored]:
        """As `Inventory.scan`, page by page. Raises `Unavailable`."""
        listing = self._doors.again.list(chunk_size=_LISTED)
        seconds = self.caller.patience.within + self.caller.patience.answer
        while True:
            self.caller.breaker.enter()
            try:
                async with asyncio.timeout(seconds):
                    page = await anext(listing)
            except StopAsyncIteration:
                return
            except FAILURES as error:
                raise unavailable(self.caller.understood(error).answer) from error
            self.caller.breaker.succeeded()
            for found in page:
                modified_at = int(found["last_modified"].timestamp() * _MICROSECONDS)
                yield _stored(found["path"], found["size"], modified_at)

    async def leftovers(self, age: float) -> int:
        """As `Inventory.leftovers`: none. Parts of uploads that died are not seen here; the bucket's own rule for
        incomplete uploads removes them."""
        return 0

    async def close(self) -> None:
        """As `Blobs.close`."""
        await self.sender.close()

    async def _open(self, at: ObjectAt, start: int, end: int) -> "_Body":
        """The object from `start` on. Raises `ContentLost` if it is not there or has no byte before `end`."""
        ranged = self._gives_parts and start < end
        options: GetOptions = {"range": (start, end)} if ranged else {}
        try:
            result = await self.caller.call(lambda: self._doors.once.get_async(at.key, options=options))
        except Refused as refusal:
            if refusal.answer.meaning == "whole":
                _log.warning("the object store does not answer 206 to ranges: whole objects are read for parts")
                self._gives_parts = False
                return await self._open(at, start, end)
            if refusal.answer.meaning in ("missing", "beyond"):
                raise _missing(str(at)) from None
            raise unavailable(refusal.answer) from refusal
        if result.meta["size"] < end or result.meta["size"] < start:
            _log.error("blob %s has %d bytes, %d are asked for", at, result.meta["size"], end)
            raise ContentLost
        return _Body(self.caller, result, skip=0 if ranged else start)


class _Body:
    """What is left of an answer. Letting go of it closes the connection unless all of it was read."""

    def __init__(self, caller: Caller, result: "GetResult", skip: int) -> None:
        self._caller = caller
        self._stream = result.stream(min_chunk_size=CHUNK)
        self._skip = skip

    async def block(self, most: int) -> bytes:
        """The next bytes, at most that many. Raises `Failed` when no more come."""
        while True:
            try:
                async with asyncio.timeout(self._caller.patience.piece):
                    block = await anext(self._stream)
            except StopAsyncIteration:
                self._caller.breaker.failed()
                raise Failed(_ENDED_EARLY) from None
            except FAILURES as error:
                raise Failed(self._caller.understood(error).answer) from error
            if self._skip >= len(block):
                self._skip -= len(block)
                continue
            if self._skip or len(block) > most:
                block, self._skip = block[self._skip : self._skip + most], 0
            return block


def _stored(key: str, size: int, modified_at: int) -> Stored:
    at = keys.object_at(key)
    if at is None:
        return Stored("foreign", key, size, modified_at)
    sha256 = None if at.digest is None else bytes.fromhex(at.digest)
    return Stored("whole", str(at), size, modified_at, at.account, sha256)


def _missing(locator: str) -> ContentLost:
    _log.error("no blob has the locator %r", locator)
    return ContentLost()
