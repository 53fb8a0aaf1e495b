"""Which bytes are held, and by what: versions of attachments, and small pictures of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from holdfast.core.access import Guard, Work
from holdfast.core.errors import StorageFull, Unavailable
from holdfast.core.intake import Intake
from holdfast.core.model import WRITE, Blob
from holdfast.core.ports import BlobKey, FactsQuery, HoldQuery, RenditionQuery, Window

T = TypeVar("T")

_MOST_EDGES = 100
"""More than there are edges."""


async def keep(guard: Guard, intake: Intake, body: Callable[[Work], Awaitable[T]]) -> T:
    """Make the received bytes durable and run a change that holds them once more.

    Under an idempotency key the answer is told of what the body gives. Raises what the body raises, `StorageFull`,
    `Unavailable`; then the change has not been made, but after `Unavailable` it may have been.
    """
    sight = guard.see(WRITE)
    await intake.store(await sight.get(BlobKey(sight.account, intake.sha256)))

    async def run(work: Work) -> tuple[T, bool]:
        result = await body(work)
        return result, await hold(work, intake)

    try:
        result, relied_on = await guard.change(WRITE, run, told=lambda result: result[0])
    except (Unavailable, asyncio.CancelledError) as failure:
        # Room that ran out before the commit leaves nothing behind that could want the bytes.
        if not isinstance(failure, StorageFull) or failure.unsure:
            intake.unsure()
        raise
    if relied_on:
        intake.taken()
    return result


async def hold(work: Work, intake: Intake) -> bool:
    """Count one more holder of the bytes; whether the row relies on those that this intake wrote."""
    blob = await work.get(BlobKey(work.account, intake.sha256))
    if blob is not None and blob.damaged_at is None:
        await work.save(msgspec.structs.replace(blob, refs=blob.refs + 1, idle_since=None))
        return False
    if blob is not None and intake.locator is not None:
        # The same bytes, sent again, mend what was damaged.
        await work.save(
            msgspec.structs.replace(blob, locator=intake.locator, refs=blob.refs + 1, idle_since=None, damaged_at=None)
        )
        await work.log("content.restored", blob.sha256.hex(), {"size": blob.size}, work.tick())
        return True
    if intake.locator is None:
        raise Unavailable("The stored copy of these bytes has just been removed; send them again")
    await work.add(Blob(work.account, intake.sha256, intake.size, intake.locator, 1, work.tick()))
    return True


async def release(work: Work, sha256: bytes) -> None:
    """Count one holder less, a version that has been removed. After the last one, what was derived goes too."""
    await let_go(work, sha256)
    if not await is_version(work, sha256):
        await _drop_derived(work, sha256)


async def is_version(work: Work, sha256: bytes) -> bool:
    """Whether any version holds the content. A picture may have the same bytes as a file, and holds them too."""
    return (await work.find(HoldQuery(work.account, (sha256,)))).items[0].versions > 0


async def let_go(work: Work, sha256: bytes) -> None:
    """Count one holder less, and nothing else."""
    blob = await work.get(BlobKey(work.account, sha256))
    if blob is not None:
        left = blob.refs - 1
        await work.save(msgspec.structs.replace(blob, refs=left, idle_since=None if left else work.tick()))


async def _drop_derived(work: Work, source: bytes) -> None:
    for rendition in (await work.find(RenditionQuery(work.account, source, Window(_MOST_EDGES)))).items:
        await work.remove(rendition)
        if rendition.blob is not None:
            await let_go(work, rendition.blob)
    for facts in (await work.find(FactsQuery(work.account, (source,)))).items:
        await work.remove(facts)
