"""The hot queries are answered from an index, in order, without sorting and without reading the whole account."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.catalog.kinds import at_places
from holdfast.catalog.notes import NOTED
from holdfast.catalog.reading import Reading
from holdfast.catalog.sqlite import SqliteCatalog, open_sqlite
from holdfast.catalog.statements import load_statements
from holdfast.core.model import RecordRef
from holdfast.core.ports import (
    AtQuery,
    AttachmentQuery,
    BlobQuery,
    EntryQuery,
    EventQuery,
    HistoryQuery,
    LinkQuery,
    Order,
    PlacedQuery,
    Query,
    RecordFilter,
    RecordQuery,
    TokenQuery,
    VersionQuery,
    Where,
    Window,
)

PAGE = Window(50)
DEEP = Window(50, after=(500,))
CASE = RecordRef("case", "1")


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[SqliteCatalog]:
    opened = open_sqlite(tmp_path / "catalog.db")
    yield opened
    await opened.close()


def steps(catalog: SqliteCatalog, text: str, args: tuple[Any, ...]) -> list[str]:
    return [str(row[3]) for row in catalog._connection.execute(f"EXPLAIN QUERY PLAN {text}", args).fetchall()]


def named(query: Query[Any]) -> str:
    """What the query says beyond what it would by itself, in the same words in every process."""
    values = ((field, getattr(query, field.name)) for field in msgspec.structs.fields(query))
    said = [f"{field.name}={value}" for field, value in values if value != field.default]
    return f"{type(query).__name__}({', '.join(said)})"


STREAMED: list[Query[Any]] = [
    AttachmentQuery(1, PAGE),
    AttachmentQuery(1, DEEP),
    AttachmentQuery(1, DEEP, order=(Order("created_at"),)),
    AttachmentQuery(1, DEEP, order=(Order("number", descending=True),)),
    AttachmentQuery(1, PAGE, trashed=True),
    AttachmentQuery(1, PAGE, where=(Where("created_at", "lt", 5), Where("created_at", "ge", 2))),
    AttachmentQuery(1, PAGE, order=(Order("name"),)),
    AttachmentQuery(1, Window(50, after=("x", 5)), order=(Order("name"),)),
    AttachmentQuery(1, Window(50, after=(7, 5)), order=(Order("updated_at", descending=True),)),
    AttachmentQuery(1, PAGE, record=CASE, roles=("document",)),
    AttachmentQuery(1, DEEP, record=CASE),
    AttachmentQuery(1, PAGE, words="invoice 77"),
    AttachmentQuery(1, DEEP, words="invoice 77"),
    AttachmentQuery(1, PAGE, where=(Where("property.a.b", "eq", "x"),)),
    AttachmentQuery(1, PAGE, linked=(RecordFilter(("contact",), (Where("id", "eq", "1"),)),)),
    TokenQuery(1, PAGE),
    TokenQuery(1, PAGE, owner="u"),
    RecordQuery(1, PAGE),
    RecordQuery(1, PAGE, filter=RecordFilter(("case",))),
    VersionQuery(1, "a", PAGE),
    EventQuery(1, 5, PAGE),
    BlobQuery(1, PAGE),
    BlobQuery(1, Window(50, after=(5, b"x")), idle_before=9),
    PlacedQuery("s:a:", PAGE),
    HistoryQuery(1, Window(50, after=(5, 1))),
]


@pytest.mark.parametrize("query", STREAMED, ids=named)
async def test_a_page_streams_from_an_index(catalog: SqliteCatalog, query: Query[Any]) -> None:
    select = Reading(catalog._connection, load_statements()).plan(query)
    found = steps(catalog, select.rows.text, select.rows.args)
    # `p` is the page itself, chosen from an index before the rows are read; a constant row is no row of a table.
    scans = [step for step in found if step.startswith("SCAN") and step not in {"SCAN p", "SCAN CONSTANT ROW"}]
    assert [step for step in scans if "VIRTUAL TABLE INDEX" not in step] == []
    # The last term alone sorts what shares all others: the few versions of one attachment.
    assert [step for step in found if "TEMP B-TREE" in step and "LAST TERM" not in step] == []
    assert not select.scans


FOUND: list[Query[Any]] = [
    AttachmentQuery(1, PAGE, linked=(RecordFilter(("contact", "property")),)),
    AttachmentQuery(1, DEEP, linked=(RecordFilter(("contact",)),)),
    AttachmentQuery(1, PAGE, linked=(RecordFilter(("contact",), (Where("id", "in", ("1", "2")),)),)),
    AttachmentQuery(1, PAGE, where=(Where("sha256", "eq", b"x"),)),
    AttachmentQuery(1, PAGE, where=(Where("path_md5", "eq", "x"),)),
    AttachmentQuery(1, PAGE, where=(Where("id", "in", ("x", "y")),)),
    AttachmentQuery(1, PAGE, where=(Where("path", "eq", "/x"),)),
    AttachmentQuery(1, PAGE, folder="/a"),
    LinkQuery(1, PAGE, attachment="a"),
    EntryQuery(1, PAGE, parent="/a"),
]


@pytest.mark.parametrize("query", FOUND, ids=named)
async def test_only_matching_rows_are_read(catalog: SqliteCatalog, query: Query[Any]) -> None:
    """Sorting what was found is allowed, reading what was not asked for is not."""
    select = Reading(catalog._connection, load_statements()).plan(query)
    found = steps(catalog, select.rows.text, select.rows.args)
    tables = ("SCAN a", "SCAN l", "SCAN r", "SCAN f", "SCAN c", "SCAN attachments", "SCAN links", "SCAN records")
    assert [step for step in found if step.split(" USING ")[0] in tables] == []


PLACED: list[AtQuery[Any]] = [AtQuery(1, kind, (tuple("xyz"[: len(noted.columns)]),)) for kind, noted in NOTED.items()]


@pytest.mark.parametrize("query", PLACED, ids=named)
async def test_rows_of_every_kind_are_looked_up_by_their_place(catalog: SqliteCatalog, query: AtQuery[Any]) -> None:
    (looked_up,) = at_places(query)
    found = steps(catalog, looked_up.text, looked_up.args)
    assert [step for step in found if not step.startswith("SEARCH")] == []
    # Each by all of its place, and not only by its account.
    assert not found[0].endswith("(account=?)")


@pytest.mark.parametrize(
    "name", [name for name in load_statements() if name.endswith(("_save", "_remove")) or "_by_" in name]
)
async def test_named_statements_search(catalog: SqliteCatalog, name: str) -> None:
    text = load_statements()[name]
    found = steps(catalog, text, tuple(range(30))[: len({*_names(text)})])
    assert [step for step in found if step.startswith("SCAN") and "VIRTUAL TABLE INDEX" not in step] == []


async def test_who_holds_a_digest_is_told_by_its_versions_and_not_by_all_attachments(catalog: SqliteCatalog) -> None:
    found = steps(catalog, load_statements()["hold_by_sha256"], (b"x", b"x", 1, 1))
    assert found[0] == "SEARCH v USING COVERING INDEX versions_held (sha256=?)"


def _names(text: str) -> list[str]:
    return [word.strip("(),;") for word in text.split() if word.strip("(),;").startswith(":")]
