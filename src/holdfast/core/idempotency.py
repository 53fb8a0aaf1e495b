"""Stored answers of creates: the same request under the same key changes the account once and hears one answer.

The answer is a row of the transaction that makes the change, so either both are there or neither is, whatever dies in
between. There is no mark for a request that is still under way: of several at once, the first to commit decides, and
the others find its answer where they would have written their own.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from holdfast.core.errors import KeyReused
from holdfast.core.model import Actor, StoredAnswer
from holdfast.core.ports import AnswerKey, AnswerQuery, Rows, Tx, Window

KEPT = 24 * 60 * 60 * 1_000_000
"""How long an answer is kept, in microseconds."""

_SWEPT = 16


class Answer(msgspec.Struct, frozen=True):
    """What is said to the caller, as its API words it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class AlreadyAnswered(Exception):
    """The request was carried out before, and is not again: `stored` is what was said then. Not a failure."""

    def __init__(self, stored: StoredAnswer) -> None:
        super().__init__(stored.key)
        self.stored = stored


class Once(msgspec.Struct, frozen=True):
    """A create under an idempotency key.

    `request` is a digest of all that the request says but a streamed body, whose SHA-256 is `body` once it is known.
    `answer` words the result of the change; it has no other effect.
    """

    key: str
    request: bytes
    answer: Callable[[Any], Answer]
    body: bytes = b""

    @property
    def fingerprint(self) -> bytes:
        """A digest of the whole request."""
        return hashlib.sha256(self.request + self.body).digest()

    async def recall(self, rows: Rows, actor: Actor, now: int) -> None:
        """Let a first request pass. Raises `AlreadyAnswered` for its repetition, `KeyReused` for another request."""
        found = await stored_answer(rows, actor, self.key, now)
        if found is not None:
            if found.fingerprint != self.fingerprint:
                raise KeyReused("This Idempotency-Key was used for another request")
            raise AlreadyAnswered(found)

    async def keep(self, tx: Tx, actor: Actor, now: int, result: object) -> None:
        """Keep the answer, and drop a few that are too old, so that a busy account holds those of a day."""
        await _sweep(tx, actor.account, now)
        said = self.answer(result)
        row = StoredAnswer(
            actor.account, actor.id, self.key, self.fingerprint, said.status, said.headers, said.body, now
        )
        outlived = await tx.get(AnswerKey(row.account, row.actor, row.key)) is not None
        await (tx.save(row) if outlived else tx.add(row))


async def stored_answer(rows: Rows, actor: Actor, key: str, now: int) -> StoredAnswer | None:
    """The answer kept under a key of the actor, whatever the request was; None when there is none or it is too old."""
    found = await rows.get(AnswerKey(actor.account, actor.id, key))
    return None if found is None or found.created_at <= now - KEPT else found


async def _sweep(tx: Tx, account: int, now: int) -> None:
    page = await tx.find(AnswerQuery(account, Window(limit=_SWEPT)))
    for found in page.items:
        if found.created_at <= now - KEPT:
            await tx.remove(found)
