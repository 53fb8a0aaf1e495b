"""Puts attachment rows straight into the catalog of a Holdfast: `python -m bench.seed --data DIR --rows N`.

Run with the interpreter that has the package. The catalog is the one that the folder's holdfast.toml names; rows go
into PostgreSQL by COPY, as a superuser. They are named seed-0.pdf to seed-(N-1).pdf, of 51,200 bytes each, and hang on
the record job:bench; they share one stored blob, because the lists that use them never read contents.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from bench.copying import copy_in
from holdfast.catalog.sqlite import open_sqlite
from holdfast.compose import now, on_postgres, open_store
from holdfast.core.attachments import NewAttachment
from holdfast.core.errors import Conflict
from holdfast.core.identity import uuid7
from holdfast.core.links import Hook
from holdfast.core.model import Attachment, Blob, Link, RecordRef, Version
from holdfast.core.ports import BlobKey, Catalog, LedgerKey, Tx
from holdfast.core.records import NewRecord
from holdfast.settings import Settings, load_settings, local_path

RECORD = RecordRef("job", "bench")
HOOKS = (Hook(RECORD),)
SIZE = 51_200
BATCH = 2_000
APART = 2_000
"""Microseconds between two rows, as if they had come one after the other."""


def seed(data: Path, account: str, rows: int) -> None:
    """Insert `rows` attachments into the catalog under `data`, in batches, printing progress to stderr."""
    settings = load_settings(overrides={"data": str(data)})
    model = asyncio.run(furnish(settings, account, (RECORD,), {}, HOOKS, None))
    if on_postgres(settings):
        copy_in(settings.catalog, model, rows, HOOKS, APART)
    else:
        asyncio.run(put_in(settings, model, rows, HOOKS))


async def furnish(
    settings: Settings,
    account: str,
    records: tuple[RecordRef, ...],
    parents: Mapping[RecordRef, tuple[RecordRef, ...]],
    hooks: tuple[Hook, ...],
    folder: str | None,
) -> Attachment:
    """Register the records, and store one real attachment on them, which all rows are made like."""
    store = open_store(settings)
    try:
        operator = store.operator()
        desk = operator.desk(await operator.accounts.ensure(account))
        for record in records:
            try:
                await desk.records.create(NewRecord(record, parents=parents.get(record, ())))
            except Conflict:
                continue
        async with await desk.attachments.receive() as intake:
            await intake.take(_bytes(), name="model.pdf")
            new = NewAttachment("model.pdf", hooks=hooks, folder=folder)
            return await desk.attachments.create(intake, new)
    finally:
        await store.close()


async def _bytes() -> AsyncIterator[bytes]:
    yield b"%PDF-1.7" + os.urandom(SIZE - 8)


async def put_in(settings: Settings, model: Attachment, rows: int, hooks: tuple[Hook, ...]) -> None:
    """Insert rows like the model, hanging on the same records."""
    catalog: Catalog = open_sqlite(local_path(settings.catalog))
    try:
        for first in range(0, rows, BATCH):
            last = min(first + BATCH, rows)
            await catalog.transact(_batch(model, range(first, last), hooks))
            print(f"\rseeded {last} of {rows}", end="", file=sys.stderr)
        print(file=sys.stderr)
    finally:
        await catalog.close()


def _batch(model: Attachment, numbers: range, hooks: tuple[Hook, ...]) -> Callable[[Tx], Awaitable[None]]:
    async def body(tx: Tx) -> None:
        ledger = await tx.get(LedgerKey(model.account))
        blob: Blob | None = await tx.get(BlobKey(model.account, model.sha256))
        assert ledger is not None
        assert blob is not None
        at, number = max(now(), ledger.clock + 1), ledger.numbers["attachment"]
        for place, n in enumerate(numbers):
            row = msgspec.structs.replace(
                model,
                id=uuid7(at + place * APART, os.urandom),
                number=number + place + 1,
                name=f"seed-{n}.pdf",
                created_at=at + place * APART,
                updated_at=at + place * APART,
            )
            await _add(tx, row, hooks)
        count = len(numbers)
        await tx.save(msgspec.structs.replace(blob, refs=blob.refs + count))
        await tx.save(
            msgspec.structs.replace(
                ledger,
                clock=at + count * APART,
                bytes=ledger.bytes + SIZE * count,
                attachments=ledger.attachments + count,
                numbers={**ledger.numbers, "attachment": number + count},
            )
        )

    return body


async def _add(tx: Tx, row: Attachment, hooks: tuple[Hook, ...]) -> None:
    account, id, at, by = row.account, row.id, row.created_at, row.created_by
    await tx.add(row)
    await tx.add(Version(account, id, 1, row.name, row.media_type, SIZE, row.sha256, at, by))
    for hook in hooks:
        await tx.add(Link(account, uuid7(at, os.urandom), id, hook.record, hook.role, 0, None, at, by))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.seed", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the server's data folder; no server may run on it")
    parser.add_argument("--account", default="bench", help="the account that owns the rows (default: bench)")
    parser.add_argument("--rows", type=int, required=True, help="how many attachments to add")
    given = parser.parse_args()
    seed(given.data, given.account, given.rows)


if __name__ == "__main__":
    main()
