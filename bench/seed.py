"""Puts attachment rows straight into the catalog of a Holdfast: `python -m bench.seed --data DIR --rows N`.

Run with the interpreter that has the package. Rows are named seed-0.pdf to seed-(N-1).pdf, of 51,200 bytes each, and
hang on the record job:bench; they share one stored blob, because the lists that use them never read contents.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from holdfast.catalog.sqlite import open_sqlite
from holdfast.compose import now, open_store
from holdfast.core.attachments import Hook, NewAttachment
from holdfast.core.errors import Conflict
from holdfast.core.identity import uuid7
from holdfast.core.model import Attachment, Blob, Link, RecordRef, Version
from holdfast.core.ports import BlobKey, Catalog, LedgerKey, Tx
from holdfast.core.records import NewRecord
from holdfast.settings import Settings, local_path

RECORD = RecordRef("job", "bench")
SIZE = 51_200
BATCH = 2_000


def seed(data: Path, account: str, rows: int) -> None:
    """Insert `rows` attachments into the catalog under `data`, in batches, printing progress to stderr."""
    settings = Settings(data=data)
    model = asyncio.run(_model(settings, account))
    asyncio.run(_copy(settings, model, rows))


async def _model(settings: Settings, account: str) -> Attachment:
    """One real attachment on the record, which all rows are made like."""
    store = open_store(settings)
    try:
        operator = store.operator()
        desk = operator.desk(await operator.accounts.ensure(account))
        try:
            await desk.records.create(NewRecord(RECORD))
        except Conflict:
            pass
        async with await desk.attachments.receive() as intake:
            await intake.take(_bytes(), name="model.pdf")
            return await desk.attachments.create(intake, NewAttachment("model.pdf", hooks=(Hook(RECORD),)))
    finally:
        await store.close()


async def _bytes() -> AsyncIterator[bytes]:
    yield b"%PDF-1.7" + os.urandom(SIZE - 8)


async def _copy(settings: Settings, model: Attachment, rows: int) -> None:
    catalog: Catalog = open_sqlite(local_path(settings.catalog))
    try:
        for first in range(0, rows, BATCH):
            last = min(first + BATCH, rows)
            await catalog.transact(_batch(model, range(first, last)))
            print(f"\rseeded {last} of {rows}", end="", file=sys.stderr)
        print(file=sys.stderr)
    finally:
        await catalog.close()


def _batch(model: Attachment, numbers: range) -> Callable[[Tx], Awaitable[None]]:
    async def body(tx: Tx) -> None:
        ledger = await tx.get(LedgerKey(model.account))
        blob: Blob | None = await tx.get(BlobKey(model.account, model.sha256))
        assert ledger is not None
        assert blob is not None
        at, number = max(now(), ledger.clock + 1), ledger.numbers["attachment"]
        for place, n in enumerate(numbers):
            await _add(tx, model, f"seed-{n}.pdf", number + place + 1, at + place)
        count = len(numbers)
        await tx.save(msgspec.structs.replace(blob, refs=blob.refs + count))
        await tx.save(
            msgspec.structs.replace(
                ledger,
                clock=at + count,
                bytes=ledger.bytes + SIZE * count,
                attachments=ledger.attachments + count,
                numbers={**ledger.numbers, "attachment": number + count},
            )
        )

    return body


async def _add(tx: Tx, model: Attachment, name: str, number: int, at: int) -> None:
    id, by = uuid7(at, os.urandom), model.created_by
    row = msgspec.structs.replace(model, id=id, number=number, name=name, created_at=at, updated_at=at)
    await tx.add(row)
    await tx.add(Version(model.account, id, 1, name, model.media_type, SIZE, model.sha256, at, by))
    await tx.add(Link(model.account, uuid7(at, os.urandom), id, RECORD, "attachment", 0, None, at, by))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.seed", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the server's data folder; no server may run on it")
    parser.add_argument("--account", default="bench", help="the account that owns the rows (default: bench)")
    parser.add_argument("--rows", type=int, required=True, help="how many attachments to add")
    given = parser.parse_args()
    seed(given.data, given.account, given.rows)


if __name__ == "__main__":
    main()
