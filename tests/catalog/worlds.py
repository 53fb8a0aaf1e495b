"""Accounts full of rows, drawn from a seed, and the way into a catalog."""

import random
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from holdfast.core.model import Attachment, Folder, Link, Record, RecordRef
from holdfast.core.ports import Catalog, Page, Query, Row, Tx, Window
from tests.catalog import rows
from tests.catalog.model import World

TYPES = ("contact", "property", "case", "job")
ROLES = ("document", "photo")
FOLDERS = ("/a", "/ab", "/a/b", "/a/b c", "/a-b", "/Ärger", "/合同")
NAMES = (
    "invoice 77.pdf",
    "Invoice-778.PDF",
    "seed-77.pdf",
    "100% sure_thing.txt",
    'say "yes" AND (no) OR NEAR*.txt',
    "a_b%c\\d.txt",
    "Straße der Ärger.doc",
    "STRASSE.doc",
    "Cafe\u0301 list.odt",
    "Café list.odt",
    "合同文件2024.pdf",
    "ファイル 見積.xlsx",
    "договор №5.docx",
    "ΌΣΟΣ.txt",
    "عقد الإيجار.pdf",
    "हिन्दी फ़ाइल.pdf",
    "สัญญา.pdf",
    "😀 holiday.jpg",
    "x",
    "-",
    "don't--stop.txt",
)


def world(seed: int, account: int, size: int = 40) -> World:
    """An account with a few records of each type, a folder tree, and `size` attachments linked and placed at random."""
    draw = random.Random(seed)
    made = World([], [], [], [rows.folder(path, account, created_at=rows.AGE + n) for n, path in enumerate(FOLDERS)])
    for n in range(14):
        above = draw.sample(made.records, min(len(made.records), draw.choice((0, 0, 1, 1, 2))))
        made.records.append(_record(draw, account, n, tuple(each.ref for each in above)))
    taken: set[str] = set()
    for n in range(1, size + 1):
        row = _attachment(draw, account, n, taken)
        made.attachments.append(row)
        pairs = {(draw.choice(made.records).ref, draw.choice(ROLES)) for _ in range(draw.choice((0, 1, 1, 2, 4)))}
        for at, (ref, role) in enumerate(sorted(pairs)):
            made.links.append(rows.link(row, ref, at, role=role, position=draw.randrange(3)))
    return made


def _record(draw: random.Random, account: int, n: int, parents: tuple[RecordRef, ...]) -> Record:
    attributes: dict[str, Any] = draw.choice(
        (
            {"name": draw.choice(NAMES), "level": draw.choice((1, 2.5, "2", None, True))},
            {"name": "Ünal", "nested": {"deep": n % 3}},
            {},
        )
    )
    return rows.record(
        draw.choice(TYPES),
        f"{n}",
        account,
        number=n,
        attributes=attributes,
        parents=parents,
        state=draw.choice((None, "open", "closed")),
        created_at=rows.AGE + n // 2,
    )


def _attachment(draw: random.Random, account: int, n: int, taken: set[str]) -> Attachment:
    properties: dict[str, Any] = {
        "kind": draw.choice(("plan", "Plan", 1, 1.0, True, False, None, ["plan"], {"x": 1}, "1", 2**70)),
        "case_iq": {"template": draw.choice(("a", "b", "")), "n": draw.randrange(4)},
        'od"d\\key\t': draw.choice((1, "odd")),
        "long": draw.choice(("x" * 150, "x" * 250, "short")),
    }
    for key in draw.sample(sorted(properties), draw.randrange(3)):
        del properties[key]
    folder = draw.choice((None, "/", *FOLDERS))
    name = draw.choice(NAMES)
    row = rows.attachment(
        n,
        account,
        name=name,
        folder=folder,
        description=draw.choice((None, "Old", "new")),
        media_type=draw.choice(("application/pdf", "image/png")),
        size=draw.choice((0, 5, 5, 2**40)),
        sha256=bytes([draw.randrange(8)]) * 32,
        properties=properties,
        updated_at=rows.AGE + draw.randrange(20),
        trashed_at=draw.choice((None, None, None, rows.AGE + 5)),
    )
    if row.path is not None and row.path in taken and row.trashed_at is None:
        row = rows.attachment(n, account, name=f"{n} {name}", folder=folder)
    if row.path is not None and row.trashed_at is None:
        taken.add(row.path)
    return row


def adding(found: Iterable[Row]) -> Callable[[Tx], Coroutine[Any, Any, None]]:
    """A body that adds the rows."""

    async def body(tx: Tx) -> None:
        for row in found:
            await tx.add(row)

    return body


def saving(*found: Row) -> Callable[[Tx], Coroutine[Any, Any, None]]:
    """A body that saves the rows."""

    async def body(tx: Tx) -> None:
        for row in found:
            await tx.save(row)

    return body


def removing(*found: Row) -> Callable[[Tx], Coroutine[Any, Any, None]]:
    """A body that removes the rows."""

    async def body(tx: Tx) -> None:
        for row in found:
            await tx.remove(row)

    return body


async def fill(catalog: Catalog, account: int, made: World) -> None:
    """Put a world into a catalog, with its account and ledger."""
    own: list[Row] = [rows.account(account), rows.ledger(account)]
    parts: tuple[list[Record] | list[Attachment] | list[Link] | list[Folder], ...] = (
        made.records,
        made.attachments,
        made.links,
        made.folders,
    )
    await catalog.transact(adding([*own, *(row for part in parts for row in part)]))


async def everything(catalog: Catalog, query: Callable[[Window], Query[Any]], limit: int = 3) -> list[Any]:
    """All rows of a query, read page by page from each page's end."""
    found: list[Any] = []
    after = None
    while True:
        page: Page[Any] = await catalog.find(query(Window(limit, after=after)))
        found.extend(page.items)
        assert len(page.items) <= limit
        if page.next is None:
            return found
        after = page.next
