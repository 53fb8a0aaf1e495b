"""Every query against a plain model of it, over two accounts whose rows share all their ids."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from holdfast.core.errors import Invalid
from holdfast.core.model import PathScope, RecordRef, RecordScope, Scope, Standing, TypeScope
from holdfast.core.ports import (
    AttachmentQuery,
    Catalog,
    EntryQuery,
    LinkQuery,
    Order,
    Query,
    RecordFilter,
    RecordQuery,
    StandingQuery,
    TallyQuery,
    Where,
    Window,
    WithinQuery,
)
from tests.catalog import model, rows
from tests.catalog.worlds import FOLDERS, NAMES, ROLES, TYPES, everything, fill, world

WORLDS = {1: world(1, 1), 2: world(2, 2)}
ALL = Window(1000, total=True)


@pytest.fixture
async def filled(catalog: Catalog) -> Catalog:
    for account, made in WORLDS.items():
        await fill(catalog, account, made)
    return catalog


examples = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

accounts = st.sampled_from(sorted(WORLDS))
refs = st.sampled_from([each.ref for made in WORLDS.values() for each in made.records] + [RecordRef("case", "none")])
paths = st.sampled_from(["/", "/none", "/a/b/seed-77.pdf", *FOLDERS])
scopes: st.SearchStrategy[Scope] = st.one_of(
    refs.map(RecordScope), st.sampled_from(TYPES).map(TypeScope), paths.map(PathScope)
)
some_scopes = st.lists(scopes, max_size=3).map(tuple)
roles = st.lists(st.sampled_from((*ROLES, "none")), max_size=2).map(tuple)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from((0, 1, 2, 5, 2.5, 2**40, 2**70, -(2**70), rows.AGE + 7)),
    st.sampled_from(("", "plan", "1", "p", "x" * 150, "x" * 250, "Old", "PDF", "é", "/a", "a", "image/png", *NAMES)),
    st.sampled_from((b"\x01" * 32, b"\x01", b"")),
)


def parts_of(name: str) -> st.SearchStrategy[str]:
    """Pieces of a name, in either case, and other things a person might type."""
    piece = st.tuples(st.integers(0, len(name)), st.integers(0, 6)).map(lambda at: name[at[0] : at[0] + at[1]])
    return st.one_of(
        piece, piece.map(str.upper), piece.map(str.lower), st.sampled_from(("%", "_", '"', "*", "NOT", "-x"))
    )


words = st.lists(st.sampled_from(NAMES).flatmap(parts_of), max_size=3).map(" ".join)
ATTACHMENT_FIELDS = [
    *[
        "id",
        "number",
        "name",
        "description",
        "media_type",
        "size",
        "sha256",
        "version",
        "revision",
        "folder",
        "path",
        "created_at",
        "created_by",
    ],
    *["updated_at", "updated_by", "trashed_at", "property.kind", "property.case_iq.template", "property.case_iq.n"],
    *("property.case_iq", "property.none", "property.long", 'property.od"d\\key\t'),
]
RECORD_FIELDS = [
    *["type", "id", "number", "state", "revision", "created_at", "updated_at"],
    *("attribute.name", "attribute.level", "attribute.nested.deep"),
]


def wheres(fields: list[str]) -> st.SearchStrategy[tuple[Where, ...]]:
    ops = st.sampled_from(("eq", "ne", "contains", "prefix", "lt", "le", "gt", "ge"))
    plain = st.builds(Where, st.sampled_from(fields), ops, values)
    among = st.builds(Where, st.sampled_from(fields), st.just("in"), st.lists(values, max_size=3).map(tuple))
    return st.lists(st.one_of(plain, among), max_size=2).map(tuple)


def orders(fields: list[str]) -> st.SearchStrategy[tuple[Order, ...]]:
    return st.lists(st.builds(Order, st.sampled_from(fields), st.booleans()), min_size=1, max_size=2).map(tuple)


record_filters = st.builds(RecordFilter, st.lists(st.sampled_from(TYPES), max_size=2).map(tuple), wheres(RECORD_FIELDS))
named = refs.map(lambda ref: RecordFilter((ref.type,), (Where("id", "eq", ref.id),)))
maybe = st.none()
attachment_queries = st.builds(
    AttachmentQuery,
    accounts,
    st.just(ALL),
    record=maybe | refs,
    roles=st.just(()) | roles,
    linked=st.lists(record_filters | named, max_size=2).map(tuple),
    words=maybe | words,
    folder=maybe | paths,
    under=st.just(()) | st.lists(paths, max_size=2).map(tuple),
    where=wheres(ATTACHMENT_FIELDS),
    trashed=st.booleans(),
    scopes=st.just(()) | some_scopes,
    order=st.just((Order("created_at", descending=True),)) | orders(ATTACHMENT_FIELDS),
)
record_queries = st.builds(
    RecordQuery,
    accounts,
    st.just(ALL),
    filter=record_filters,
    parent=maybe | refs,
    scopes=st.just(()) | some_scopes,
    order=st.just((Order("created_at", descending=True),)) | orders(RECORD_FIELDS),
)
entry_queries = st.builds(
    EntryQuery,
    accounts,
    st.just(ALL),
    under=st.lists(paths, max_size=2).map(tuple),
    kinds=st.sampled_from((frozenset({"file", "folder"}), frozenset({"file"}), frozenset({"folder"}))),
    words=maybe | words,
    where=st.just(()) | wheres(ATTACHMENT_FIELDS),
    scopes=st.just(()) | some_scopes,
    descending=st.booleans(),
) | st.builds(EntryQuery, accounts, st.just(ALL), parent=paths, words=maybe | words, descending=st.booleans())
attachment_ids = st.sampled_from([each.id for each in WORLDS[1].attachments] + ["none"])
link_queries = st.one_of(
    st.builds(LinkQuery, accounts, st.just(ALL), attachment=attachment_ids, roles=roles),
    st.builds(LinkQuery, accounts, st.just(ALL), attachments=st.lists(attachment_ids, min_size=1).map(tuple)),
    st.builds(LinkQuery, accounts, st.just(ALL), record=refs, roles=roles),
    st.builds(LinkQuery, accounts, st.just(ALL), under=paths, roles=roles),
)
PAGED: list[tuple[str, st.SearchStrategy[Any], Callable[[model.World, Any], list[Any]]]] = [
    ("attachments", attachment_queries, model.attachments),
    ("records", record_queries, model.records),
    ("entries", entry_queries, model.entries),
    ("links", link_queries, model.links),
]


async def check(catalog: Catalog, query: Any, expected: list[Any], limit: int, offset: int) -> None:
    """The whole list, page after page, the part at an offset, and the total twice: all as expected."""

    def window(part: Window) -> Query[Any]:
        changed: Query[Any] = structs.replace(query, window=part)
        return changed

    page = await catalog.find(query)
    assert list(page.items) == expected
    assert (page.next, page.total) == (None, len(expected))
    assert await everything(catalog, window, limit) == expected
    part = await catalog.find(window(Window(limit, offset=offset, total=True)))
    assert list(part.items) == expected[offset : offset + limit]
    assert part.total == len(expected)
    assert (part.next is None) == (offset + limit >= len(expected))


@examples
@given(query=attachment_queries, limit=st.integers(1, 9), offset=st.integers(0, 12))
async def test_attachments(filled: Catalog, query: AttachmentQuery, limit: int, offset: int) -> None:
    await check(filled, query, model.attachments(WORLDS[query.account], query), limit, offset)


@examples
@given(
    query=st.builds(
        AttachmentQuery,
        accounts,
        st.just(ALL),
        words=words,
        trashed=st.booleans(),
        order=st.sampled_from(((Order("created_at", descending=True),), (Order("number"),), (Order("name"),))),
    )
)
async def test_words(filled: Catalog, query: AttachmentQuery) -> None:
    await check(filled, query, model.attachments(WORLDS[query.account], query), 4, 2)


@examples
@given(query=st.builds(AttachmentQuery, accounts, st.just(ALL), where=wheres(ATTACHMENT_FIELDS)))
async def test_conditions(filled: Catalog, query: AttachmentQuery) -> None:
    await check(filled, query, model.attachments(WORLDS[query.account], query), 4, 2)


@examples
@given(query=st.builds(AttachmentQuery, accounts, st.just(ALL), scopes=some_scopes, trashed=st.booleans()))
async def test_scopes(filled: Catalog, query: AttachmentQuery) -> None:
    await check(filled, query, model.attachments(WORLDS[query.account], query), 4, 2)


@examples
@given(query=record_queries, limit=st.integers(1, 9), offset=st.integers(0, 12))
async def test_records(filled: Catalog, query: RecordQuery, limit: int, offset: int) -> None:
    await check(filled, query, model.records(WORLDS[query.account], query), limit, offset)


@examples
@given(query=entry_queries, limit=st.integers(1, 9), offset=st.integers(0, 12))
async def test_entries(filled: Catalog, query: EntryQuery, limit: int, offset: int) -> None:
    await check(filled, query, model.entries(WORLDS[query.account], query), limit, offset)


@examples
@given(query=link_queries, limit=st.integers(1, 9), offset=st.integers(0, 12))
async def test_links(filled: Catalog, query: LinkQuery, limit: int, offset: int) -> None:
    await check(filled, query, model.links(WORLDS[query.account], query), limit, offset)


@examples
@given(query=st.builds(TallyQuery, accounts, st.lists(refs, max_size=5).map(tuple), roles))
async def test_tallies(filled: Catalog, query: TallyQuery) -> None:
    assert list((await filled.find(query)).items) == model.tallies(WORLDS[query.account], query)


@examples
@given(
    query=st.builds(
        WithinQuery, accounts, st.lists(refs, max_size=5).map(tuple), st.lists(scopes, min_size=1).map(tuple)
    )
)
async def test_records_within(filled: Catalog, query: WithinQuery) -> None:
    assert list((await filled.find(query)).items) == model.within_scopes(WORLDS[query.account], query)


@examples
@given(query=st.builds(StandingQuery, accounts, attachment_ids, st.lists(scopes, min_size=1).map(tuple)))
async def test_standings(filled: Catalog, query: StandingQuery) -> None:
    made = WORLDS[query.account]
    expected = []
    for row in [each for each in made.attachments if each.id == query.attachment]:
        links = made.links_of(row)
        held = sum(model.record_within(made, link.record, query.scopes) for link in links)
        held += model.path_within(row.path, query.scopes)
        expected = [Standing(len(links) + (row.path is not None), held)]
    assert list((await filled.find(query)).items) == expected


@pytest.mark.parametrize(
    "field", ["nothing", "account", "key", "property", "attribute.x", "a.name", "name; DROP TABLE"]
)
async def test_an_unknown_field_is_refused(filled: Catalog, field: str) -> None:
    for query in (
        AttachmentQuery(1, ALL, where=(Where(field, "eq", 1),)),
        AttachmentQuery(1, ALL, order=(Order(field),)),
        EntryQuery(1, ALL, where=(Where(field, "eq", 1),)),
    ):
        with pytest.raises(Invalid):
            await filled.find(query)


async def test_path_md5_is_a_field(filled: Catalog) -> None:
    row = next(each for each in WORLDS[1].attachments if each.path and each.trashed_at is None)
    assert row.path is not None
    digest = hashlib.md5(row.path.encode()).hexdigest()
    page = await filled.find(AttachmentQuery(1, ALL, where=(Where("path_md5", "eq", digest),)))
    assert page.items == (row,)


async def test_no_rows_and_a_total_alone(filled: Catalog) -> None:
    page = await filled.find(AttachmentQuery(1, Window(0, total=True)))
    live = [each for each in WORLDS[1].attachments if each.trashed_at is None]
    assert (page.items, page.next, page.total) == ((), None, len(live))


@pytest.mark.parametrize(
    "field", ["created_at", "number", "name", "size", "updated_at", "description", "property.kind"]
)
@pytest.mark.parametrize("descending", [True, False])
async def test_paging_has_no_gap_and_no_repeat_while_rows_come_and_go(
    catalog: Catalog, field: str, descending: bool
) -> None:
    made = world(3, 1)
    await fill(catalog, 1, made)
    query = AttachmentQuery(1, Window(3), order=(Order(field, descending=descending),))
    expected = {each.id for each in model.attachments(made, query)}
    seen: list[str] = []
    after, step = None, 0
    while True:
        page = await catalog.find(structs.replace(query, window=Window(3, after=after)))
        seen += [each.id for each in page.items]
        if (after := page.next) is None:
            break
        step += 1
        last = page.items[-1]
        new = rows.attachment(1000 + step, name=f"new {step}", size=step)

        async def body(tx: Any, new: Any = new, last: Any = last) -> None:
            await tx.add(new)
            await tx.remove(last)

        await catalog.transact(body)
    assert len(seen) == len(set(seen))
    assert expected <= set(seen)
