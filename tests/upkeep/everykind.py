"""Rows of every kind, each field saying something, and two catalogs to bring them from and to."""

import typing
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.catalog.gates import SqliteGate
from holdfast.catalog.postgres.catalog import open_postgres
from holdfast.catalog.postgres.gates import PostgresGate
from holdfast.catalog.sqlite import open_sqlite
from holdfast.core.inventory import Gate
from holdfast.core.model import AccountSettings, PathScope, RecordRef, RecordScope, TypeScope
from holdfast.core.ports import Catalog, KindQuery, Row, Window
from holdfast.core.upkeep.matching import PLACES
from tests.catalog import rows
from tests.catalog.worlds import adding, everything, world
from tests.engines.postgres import fresh_database

KINDS = frozenset(kind for part in typing.get_args(Row) for kind in (typing.get_args(part) or (part,)))
"""Every kind of row that a catalog may be given."""

SCOPES = (RecordScope(RecordRef("case", "a:b")), TypeScope("job"), PathScope("/a/b"))


@dataclass(frozen=True)
class Place:
    """A catalog as servers have it, the same as the one who fills it has it, and its gate."""

    catalog: Catalog
    past: Catalog
    gate: Gate


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Place]:
    path = folder.with_name(f"{folder.name}.sqlite")
    catalog, past = open_sqlite(path), open_sqlite(path, past_gate=True)
    try:
        yield Place(catalog, past, SqliteGate(path))
    finally:
        await past.close()
        await catalog.close()


@asynccontextmanager
async def _postgres(_folder: Path) -> AsyncIterator[Place]:
    with fresh_database() as dsn:
        catalog, past = open_postgres(dsn), open_postgres(dsn, past_gate=True)
        try:
            yield Place(catalog, past, PostgresGate(dsn))
        finally:
            await past.close()
            await catalog.close()


PLACES_TO_BE: dict[str, Callable[[Path], AbstractAsyncContextManager[Place]]] = {
    "sqlite": _sqlite,
    "postgres": _postgres,
}


def every_kind(number: int) -> list[Row]:
    """An account with rows of every kind that belongs to one, and every optional field used somewhere."""
    made = world(number, number, size=60)
    last = made.attachments[-1]
    rich = rows.attachment(
        len(made.attachments) + 1,
        number,
        id=f"rich-{number}",
        description="Ärger",
        properties={"n": 1, "f": 1.0, "deep": {"t": True, "x": None, "l": [1, "2"]}, "big": 2**60},
        trashed_at=rows.AGE + 10**9,
    )
    attachments = [*made.attachments, rich]
    limits = AccountSettings(quota_bytes=5, allowed_types=("a/b",), allowed_types_on={"job": ("c/d",)})
    found: list[Row] = [
        rows.account(number, settings=limits),
        rows.ledger(number, clock=rows.AGE + 10**12, event=3, bytes=9, attachments=2, numbers={"record:case": 4}),
        *(rows.user(n, number, scopes=SCOPES, disabled=n == 2) for n in (1, 2, 3)),
        *(rows.client(n, number, scopes=SCOPES) for n in (1, 2)),
        *(rows.token(n, number, owner="user-1", kind="session", expires_at=rows.AGE) for n in (1, 2, 3)),
        rows.token(9, number, scopes=SCOPES),
        *made.records,
        *made.folders,
        *attachments,
        *(rows.version(each, n) for each in attachments for n in range(1, 1 + each.number % 4)),
        *(rows.blob(n, number, idle_since=5 if n == 2 else None, damaged_at=6 if n == 3 else None) for n in range(40)),
        *(rows.rendition(n, edge, number) for n in range(3) for edge in (128, 256)),
        rows.rendition(9, 128, number, blob=None, reason="refused"),
        *(rows.facts(n, number, pages=n or None) for n in range(4)),
        *made.links,
        rows.link(last, made.records[0].ref, 99, role="z", caption="a caption"),
        *(rows.event(n, number, data={"n": n, "deep": {"x": [1, None]}}) for n in range(1, 70)),
        *(rows.answer(n, number) for n in range(4)),
    ]
    return found


async def fill(catalog: Catalog, *numbers: int) -> None:
    for number in numbers:
        await catalog.transact(adding(every_kind(number)))


async def contents(catalog: Catalog, number: int) -> dict[type[Any], list[Any]]:
    """All rows of the account by kind."""

    def query(kind: type[Any]) -> Callable[[Window], KindQuery[Any]]:
        return lambda window: KindQuery(number, kind, window)

    return {kind: await everything(catalog, query(kind), limit=500) for kind in PLACES}
