"""Keys, rows, uniqueness, cascades, moves and transactions: what every adapter of the `Catalog` port must do."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec import structs

from holdfast.core.errors import Conflict
from holdfast.core.model import AccountSettings, Facts, PathScope, RecordRef, RecordScope, TypeScope
from holdfast.core.ports import (
    AccountKey,
    AccountQuery,
    AnswerKey,
    AnswerQuery,
    AttachmentKey,
    AttachmentQuery,
    BlobKey,
    Catalog,
    ClientKey,
    ClientNameKey,
    ClientQuery,
    CountKey,
    CountQuery,
    EventQuery,
    FactsQuery,
    FolderKey,
    Key,
    LeaseKey,
    LedgerKey,
    LinkKey,
    LinkQuery,
    MoveTree,
    PathKey,
    RecordFilter,
    RecordKey,
    RecordQuery,
    RenditionKey,
    RenditionQuery,
    Row,
    SlugKey,
    StandingQuery,
    TallyQuery,
    TokenKey,
    TokenQuery,
    Tx,
    UsageQuery,
    UserIdKey,
    UserKey,
    UserQuery,
    VersionKey,
    VersionQuery,
    Where,
    Window,
    WithinQuery,
)
from tests.catalog import rows
from tests.catalog.worlds import adding, everything, removing, saving

C1, C2, P1 = RecordRef("contact", "1"), RecordRef("contact", "2"), RecordRef("property", "1")
ALL = Window(1000, total=True)
SCOPES = (RecordScope(RecordRef("case", "a:b:c")), TypeScope("job"), PathScope("/a:b/c"))
ONE = rows.attachment(1, name="one.pdf", folder="/a", properties={"deep": {"n": [1, None, "é"]}, "": 2.5})

PAIRS: list[tuple[Row, Row, list[Key[Any]]]] = [
    (
        rows.account(7),
        rows.account(7, slug="other", settings=AccountSettings(5, None, 7, ("image/png",), 3)),
        [AccountKey(7), SlugKey("other")],
    ),
    (rows.ledger(), rows.ledger(clock=2**60, event=5, bytes=6, attachments=7, numbers={"a": 1}), [LedgerKey(1)]),
    (
        rows.user(),
        rows.user(email="new@x.example", disabled=True, scopes=SCOPES),
        [UserIdKey("user-1-1"), UserKey("new@x.example")],
    ),
    (rows.client(), rows.client(name="new", scopes=SCOPES), [ClientKey("client-1-1"), ClientNameKey("new")]),
    (rows.token(), rows.token(kind="session", owner="u", expires_at=9, scopes=SCOPES), [TokenKey(bytes([1, 1]) * 16)]),
    (
        rows.record("case", "c:1"),
        rows.record("case", "c:1", state="x", parents=(C1, C2)),
        [RecordKey(1, RecordRef("case", "c:1"))],
    ),
    (
        ONE,
        structs.replace(ONE, name="two.pdf", trashed_at=None, properties={}),
        [AttachmentKey(1, "a-0001"), PathKey(1, "/a/two.pdf")],
    ),
    (rows.blob(), rows.blob(refs=0, idle_since=8, damaged_at=9), [BlobKey(1, (1).to_bytes(32, "big"))]),
    (
        rows.rendition(),
        rows.rendition(blob=None, reason="refused", made_at=5),
        [RenditionKey(1, (1).to_bytes(32, "big"), 256)],
    ),
    (rows.lease(), rows.lease(holder="two", until=2**60, fence=2, done_at=7, place="1:é"), [LeaseKey("collect")]),
    (rows.count(), rows.count(until=2**60, used=7), [CountKey("k")]),
    (rows.folder("/f"), rows.folder("/f", created_by="other"), [FolderKey(1, "/f")]),
    (
        rows.answer(),
        rows.answer(fingerprint=b"", status=200, headers=(), body=b"", created_at=2**60),
        [AnswerKey(1, "user-1", "key-1")],
    ),
]


@pytest.mark.parametrize(("row", "changed", "keys"), PAIRS, ids=lambda value: type(value).__name__)
async def test_a_row_is_added_saved_and_removed(catalog: Catalog, row: Row, changed: Row, keys: list[Key[Any]]) -> None:
    await catalog.transact(adding([rows.record("contact", "1"), rows.record("contact", "2")]))
    await catalog.transact(adding([row]))
    assert await catalog.get(keys[0]) == row
    await catalog.transact(saving(changed))
    for key in keys:
        assert await catalog.get(key) == changed
    await catalog.transact(removing(changed))
    for key in keys:
        assert await catalog.get(key) is None


async def test_equal_stamps_enclose_no_commit(catalog: Catalog) -> None:
    contact = rows.record("contact", "1")
    key = RecordKey(1, contact.ref)
    before = None
    while before is None or catalog.stamp() != before:
        # An engine may not know at its first read, and what keeps house in it commits too.
        before = catalog.stamp()
        assert await catalog.get(key) is None
    await catalog.transact(adding([contact]))
    assert await catalog.get(key) == contact
    assert catalog.stamp() != before


async def test_versions_links_and_events_are_rows_too(catalog: Catalog) -> None:
    version, event = rows.version(ONE), rows.event()
    link = rows.link(ONE, C1, caption="é")
    await catalog.transact(adding([rows.record("contact", "1"), ONE, version, link, event]))
    assert await catalog.get(VersionKey(1, ONE.id, 1)) == version
    assert await catalog.get(LinkKey(1, link.id)) == link
    changed = structs.replace(link, role="photo", position=4, caption=None)
    await catalog.transact(saving(changed, structs.replace(version, name="new"), structs.replace(event, data={})))
    assert await catalog.get(LinkKey(1, link.id)) == changed
    assert (await catalog.find(VersionQuery(1, ONE.id, ALL))).items == (structs.replace(version, name="new"),)
    assert (await catalog.find(EventQuery(1, 0, ALL))).items == (structs.replace(event, data={}),)
    await catalog.transact(removing(changed, version, event))
    assert await catalog.get(LinkKey(1, link.id)) is None
    assert await catalog.get(VersionKey(1, ONE.id, 1)) is None
    assert (await catalog.find(EventQuery(1, 0, ALL))).items == ()


@pytest.mark.parametrize(
    "name",
    ["a" * 255, "%", "_", '"', "'; --", "\\", "é", "e\u0301", "合同", "ملف", "😀" * 60, " . ", "a\u200bb", "\u2028"],
)
async def test_names_come_back_exactly(catalog: Catalog, name: str) -> None:
    row = rows.attachment(name=name, folder="/", properties={name: {name: name}})
    await catalog.transact(adding([row, rows.folder(f"/x/{name}"), rows.record("case", name, attributes={name: name})]))
    assert await catalog.get(PathKey(1, f"/{name}")) == row
    assert (await catalog.find(AttachmentQuery(1, ALL, where=(Where("name", "eq", name),)))).items == (row,)
    assert await catalog.get(FolderKey(1, f"/x/{name}")) is not None
    assert await catalog.get(RecordKey(1, RecordRef("case", name))) is not None


async def test_every_listing_of_an_account_is_in_its_order_and_its_own(catalog: Catalog) -> None:
    made: dict[str, list[Any]] = {"users": [], "clients": [], "tokens": [], "events": []}
    for account in (1, 2):
        await catalog.transact(adding([rows.account(account), rows.ledger(account)]))
        for n in (3, 1, 2, 5, 4):
            owner = "u" if n % 2 else None
            four: list[Any] = [rows.user(n, account), rows.client(n, account), rows.token(n, account, owner=owner)]
            four.append(rows.event(n, account))
            await catalog.transact(adding(four))
            for name, row in zip(made, four, strict=True):
                made[name].append(row)

    def own(name: str, key: Callable[[Any], Any], *, reverse: bool = False) -> list[Any]:
        return sorted((each for each in made[name] if each.account == 1), key=key, reverse=reverse)

    users = own("users", lambda each: each.email)
    assert await everything(catalog, lambda window: UserQuery(1, window), 2) == users
    assert await everything(catalog, lambda window: ClientQuery(1, window), 2) == own("clients", lambda each: each.name)
    tokens = own("tokens", lambda each: each.created_at, reverse=True)
    assert await everything(catalog, lambda window: TokenQuery(1, window), 2) == tokens
    mine = [each for each in tokens if each.owner == "u"]
    assert await everything(catalog, lambda window: TokenQuery(1, window, owner="u"), 2) == mine
    events = own("events", lambda each: each.number)
    assert await everything(catalog, lambda window: EventQuery(1, 2, window), 2) == events[2:]
    assert [each.number for each in await everything(catalog, AccountQuery, 1)] == [1, 2]
    assert (await catalog.find(UsageQuery(2))).items == (rows.ledger(2),)
    assert (await catalog.find(UserQuery(1, Window(1, total=True)))).total == 5


async def test_renditions_are_found_by_their_source(catalog: Catalog) -> None:
    kept = [rows.rendition(n, edge) for n in (2, 1) for edge in (512, 128, 256)]
    kept.append(rows.rendition(2, 1024, blob=None, reason="refused"))
    await catalog.transact(adding([*kept, rows.rendition(2, 256, account=2)]))
    two = kept[0].source
    of_two = sorted((each for each in kept if each.source == two), key=lambda each: each.edge)
    assert await everything(catalog, lambda window: RenditionQuery(1, two, window), 2) == of_two
    assert (await catalog.find(RenditionQuery(1, two, Window(0, total=True)))).total == 4
    assert (await catalog.find(RenditionQuery(3, two, ALL))).items == ()


async def test_facts_are_found_for_many_contents_at_once(catalog: Catalog) -> None:
    known = [rows.facts(1), rows.facts(2, width=None, height=None, pages=7, captured=None), rows.facts(1, account=2)]
    await catalog.transact(adding(known))

    async def found(*numbers: int) -> set[Row]:
        digests = tuple(n.to_bytes(32, "big") for n in numbers)
        return set((await catalog.find(FactsQuery(1, digests))).items)

    assert await found(1, 2, 3, 1) == set(known[:2])
    assert await found(3) == await found() == set()
    assert len(await found(*range(1000))) == 2
    changed = structs.replace(known[0], facts=Facts(pages=3), made_at=9)
    await catalog.transact(saving(changed))
    assert await found(1) == {changed}
    await catalog.transact(removing(changed))
    assert await found(1) == set()


async def test_stored_answers_are_an_accounts_own_and_listed_oldest_first(catalog: Catalog) -> None:
    ages = (5, 3, 9, 3)
    found = [rows.answer(n, actor=f"user-{n % 2}", created_at=age) for n, age in enumerate(ages)]
    await catalog.transact(adding([*found, rows.answer(1, 2), rows.answer(1, actor="user-0")]))
    listed = await everything(catalog, lambda window: AnswerQuery(1, window), 2)
    assert [(each.created_at, each.actor, each.key) for each in listed] == [
        (3, "user-1", "key-1"),
        (3, "user-1", "key-3"),
        (5, "user-0", "key-0"),
        (9, "user-0", "key-2"),
        (rows.AGE + 1, "user-0", "key-1"),
    ]
    assert await catalog.get(AnswerKey(2, "user-1", "key-1")) == rows.answer(1, 2)


async def test_counts_are_the_installations_and_listed_by_their_ends(catalog: Catalog) -> None:
    await catalog.transact(adding([rows.count(f"k{n}", until=until) for n, until in enumerate((5, 3, 9, 3))]))
    listed = await everything(catalog, CountQuery, 3)
    assert [(each.until, each.key) for each in listed] == [(3, "k1"), (3, "k3"), (5, "k0"), (9, "k2")]


# ---------------------------------------------------------------- uniqueness


def _clashes() -> list[tuple[str, list[Row], Row]]:
    live = rows.attachment(1, name="x", folder="/a")
    trashed = rows.attachment(1, name="x", folder="/a", trashed_at=5)
    return [
        ("slug", [rows.account(1)], rows.account(2, slug="account-1")),
        ("account", [rows.account(1)], rows.account(1, slug="b")),
        ("ledger", [rows.ledger()], rows.ledger()),
        ("email", [rows.user(1)], rows.user(2, 2, email="user-1@account-1.example")),
        ("client name", [rows.client(1)], rows.client(2, 2, name="client 1 of 1")),
        ("token", [rows.token(1)], rows.token(2, 2, sha256=bytes([1, 1]) * 16)),
        ("rendition", [rows.rendition()], rows.rendition(blob=None, reason="limit")),
        ("facts", [rows.facts()], rows.facts(width=9)),
        ("record", [rows.record("contact", "1")], rows.record("contact", "1", number=2)),
        ("attachment", [live], rows.attachment(2, id=live.id)),
        ("path", [live], rows.attachment(2, name="x", folder="/a")),
        ("folder", [rows.folder("/a")], rows.folder("/a")),
        ("version", [live, rows.version(live)], rows.version(live)),
        ("link", [live, rows.record("contact", "1"), rows.link(live, C1)], rows.link(live, C1, 2)),
        ("blob", [rows.blob()], rows.blob(locator="else")),
        ("event", [rows.event()], rows.event()),
        ("count", [rows.count()], rows.count(used=2)),
        ("answer", [rows.answer()], rows.answer(fingerprint=b"other")),
        ("parent", [], rows.record("case", "1", parents=(C1,))),
        ("version of nothing", [], rows.version(live)),
        ("link of nothing", [rows.record("contact", "1")], rows.link(live, C1)),
        ("link to nothing", [trashed], rows.link(trashed, C1)),
    ]


@pytest.mark.parametrize(("there", "new"), [each[1:] for each in _clashes()], ids=[each[0] for each in _clashes()])
async def test_what_is_taken_is_refused(catalog: Catalog, there: list[Row], new: Row) -> None:
    await catalog.transact(adding(there))
    with pytest.raises(Conflict):
        await catalog.transact(adding([new]))


async def test_what_is_free_is_not_refused(catalog: Catalog) -> None:
    gone = rows.attachment(1, name="x", folder="/a", trashed_at=5)
    live = rows.attachment(2, name="x", folder="/a")
    case = rows.attachment(3, name="X", folder="/a")
    nowhere = [rows.attachment(n, name="x") for n in (4, 5)]
    await catalog.transact(adding([gone, live, case, *nowhere, rows.attachment(1, 2, name="x", folder="/a")]))
    await catalog.transact(
        adding([rows.record("contact", "1"), rows.record("property", "1"), rows.record("contact", "1", 2)])
    )
    await catalog.transact(adding([rows.link(live, C1), rows.link(live, C1, 1, role="photo"), rows.link(live, P1, 2)]))
    with pytest.raises(Conflict):
        await catalog.transact(saving(structs.replace(gone, trashed_at=None)))
    with pytest.raises(Conflict):
        await catalog.transact(saving(structs.replace(case, name="x")))
    assert await catalog.get(PathKey(1, "/a/x")) == live


# ---------------------------------------------------------------- trash, removal, parents


async def test_trash_takes_an_attachment_out_of_lists_and_restore_puts_it_back(catalog: Catalog) -> None:
    link = rows.link(ONE, C1)
    await catalog.transact(adding([rows.ledger(), rows.record("contact", "1"), ONE, link]))
    query = AttachmentQuery(1, ALL, record=C1)
    typed = AttachmentQuery(1, ALL, linked=(RecordFilter(("contact", "case")),))
    trash = structs.replace(ONE, trashed_at=9)

    async def seen() -> list[int | None]:
        tally = (await catalog.find(TallyQuery(1, (C1,)))).items[0].count
        path = await catalog.get(PathKey(1, "/a/one.pdf"))
        totals = [(await catalog.find(each)).total for each in (query, typed, AttachmentQuery(1, ALL, words="one"))]
        deleted = [(await catalog.find(structs.replace(each, trashed=True))).total for each in (query, typed)]
        return [tally, int(path is not None), *totals, *deleted]

    assert await seen() == [1, 1, 1, 1, 1, 0, 0]
    await catalog.transact(saving(trash))
    assert await seen() == [0, 0, 0, 0, 0, 1, 1]
    assert await catalog.get(AttachmentKey(1, ONE.id)) == trash
    assert (await catalog.find(LinkQuery(1, ALL, attachment=ONE.id))).items == (link,)
    await catalog.transact(saving(ONE))
    assert await seen() == [1, 1, 1, 1, 1, 0, 0]


async def test_removal_takes_along_what_hangs_on_a_row(catalog: Catalog) -> None:
    two = rows.attachment(2)
    links = [rows.link(ONE, C1), rows.link(ONE, P1, 1), rows.link(two, C1)]
    known: list[Row] = [
        rows.record("contact", "1"),
        rows.record("property", "1"),
        ONE,
        two,
        rows.version(ONE),
        rows.version(two),
    ]
    await catalog.transact(adding([*known, *links, rows.blob(1)]))
    await catalog.transact(removing(ONE))
    assert await catalog.get(VersionKey(1, ONE.id, 1)) is None
    assert [await catalog.get(LinkKey(1, each.id)) for each in links] == [None, None, links[2]]
    assert (await catalog.find(AttachmentQuery(1, ALL, words="one"))).items == ()
    assert (await catalog.find(AttachmentQuery(1, ALL, where=(Where("property.", "eq", 2.5),)))).items == ()
    await catalog.transact(removing(known[0]))
    assert await catalog.get(LinkKey(1, links[2].id)) is None
    assert await catalog.get(AttachmentKey(1, two.id)) == two
    assert await catalog.get(BlobKey(1, (1).to_bytes(32, "big"))) is not None


async def test_a_parent_stays_while_it_has_children(catalog: Catalog) -> None:
    child = rows.record("property", "1", parents=(C1,))
    await catalog.transact(adding([rows.record("contact", "1"), child]))
    with pytest.raises(Conflict):
        await catalog.transact(removing(rows.record("contact", "1")))
    await catalog.transact(removing(child))
    await catalog.transact(removing(rows.record("contact", "1")))


async def test_a_record_with_other_parents_moves_its_whole_subtree(catalog: Catalog) -> None:
    top = [rows.record("office", str(n)) for n in (1, 2, 3)]
    middle = rows.record("project", "1", parents=(top[0].ref,))
    low = rows.record("certificate", "1", parents=(middle.ref, top[2].ref))
    one = rows.attachment(1)
    await catalog.transact(adding([*top, middle, low, one, rows.link(one, low.ref)]))

    async def inside() -> list[tuple[bool, int]]:
        found = []
        for each in top:
            scope = (RecordScope(each.ref),)
            held = (await catalog.find(WithinQuery(1, (low.ref,), scope))).items
            standing = (await catalog.find(StandingQuery(1, one.id, scope))).items[0]
            listed = (await catalog.find(AttachmentQuery(1, ALL, scopes=scope))).total
            assert bool(held) == bool(listed) == bool(standing.within)
            found.append((bool(held), standing.places))
        return found

    assert await inside() == [(True, 1), (False, 1), (True, 1)]
    await catalog.transact(saving(structs.replace(middle, parents=(top[1].ref,))))
    assert await inside() == [(False, 1), (True, 1), (True, 1)]
    await catalog.transact(saving(structs.replace(middle, parents=())))
    assert await inside() == [(False, 1), (False, 1), (True, 1)]
    assert (await catalog.find(RecordQuery(1, ALL, parent=middle.ref))).items == (low,)


async def test_a_circle_of_parents_ends(catalog: Catalog) -> None:
    one, two = rows.record("a", "1"), rows.record("b", "1", parents=(RecordRef("a", "1"),))
    await catalog.transact(adding([one, two]))
    await catalog.transact(saving(structs.replace(one, parents=(two.ref,))))
    assert len((await catalog.find(RecordQuery(1, ALL, scopes=(TypeScope("b"),)))).items) == 2


# ---------------------------------------------------------------- moving a tree


async def test_a_move_rewrites_what_is_below_and_nothing_beside(catalog: Catalog) -> None:
    folders = ["/a", "/a/b", "/a/b/c", "/ab", "/a-b", "/a b", "/A"]
    places = [("/a", None), ("/a/b", None), ("/a/b/c", 5), ("/ab", None), ("/a-b", 5), ("/A", None), ("/", None)]
    files = [rows.attachment(n, name="a", folder=place, trashed_at=at) for n, (place, at) in enumerate(places, 1)]
    twin: list[Row] = [rows.folder("/a/b", 2), rows.attachment(1, 2, name="a", folder="/a/b")]
    await catalog.transact(adding([*map(rows.folder, folders), *files, *twin, rows.ledger()]))
    moved = await catalog.transact(lambda tx: tx.move(MoveTree(1, "/a", "/x/合", at=77, actor="user:9")))
    assert moved == 6
    for path in ("/x/合", "/x/合/b", "/x/合/b/c", "/ab", "/a-b", "/a b", "/A"):
        assert await catalog.get(FolderKey(1, path)) == rows.folder(path)
    assert await catalog.get(FolderKey(1, "/a")) is None
    for row in files[:3]:
        assert row.folder is not None
        place = f"/x/合{row.folder[2:]}"
        expected = structs.replace(row, folder=place, revision=2, updated_at=77, updated_by="user:9")
        assert await catalog.get(AttachmentKey(1, row.id)) == expected
    for row in files[3:]:
        assert await catalog.get(AttachmentKey(1, row.id)) == row
    assert await catalog.get(AttachmentKey(2, "a-0001")) == twin[1]
    assert await catalog.get(PathKey(1, "/x/合/b/a")) is not None
    page = await catalog.find(AttachmentQuery(1, ALL, folder="/x/合/b"))
    assert [each.id for each in page.items] == [files[1].id]


# ---------------------------------------------------------------- transactions


async def test_a_failing_body_leaves_nothing_and_sees_its_own_writes(catalog: Catalog) -> None:
    async def body(tx: Tx) -> None:
        await tx.add(ONE)
        await tx.add(rows.record("contact", "1"))
        await tx.add(rows.link(ONE, C1))
        assert await tx.get(AttachmentKey(1, ONE.id)) == ONE
        assert (await tx.find(AttachmentQuery(1, ALL, words="one.p", record=C1))).items == (ONE,)
        raise ValueError("no")

    await catalog.transact(adding([rows.ledger()]))
    with pytest.raises(ValueError, match="no"):
        await catalog.transact(body)
    assert await catalog.get(AttachmentKey(1, ONE.id)) is None
    assert await catalog.get(RecordKey(1, C1)) is None
    for query in (AttachmentQuery(1, ALL), AttachmentQuery(1, ALL, words="one")):
        assert (await catalog.find(query)).total == 0
    await catalog.transact(adding([ONE]))
    assert (await catalog.find(AttachmentQuery(1, ALL, words="one"))).items == (ONE,)


async def test_a_body_may_go_on_after_a_conflict(catalog: Catalog) -> None:
    async def body(tx: Tx) -> str:
        await tx.add(rows.attachment(1, name="x", folder="/"))
        try:
            await tx.add(rows.attachment(2, name="x", folder="/", properties={"p": 1}))
        except Conflict:
            await tx.add(rows.attachment(2, name="x (2)", folder="/"))
        return "done"

    assert await catalog.transact(body) == "done"
    assert [each.name for each in (await catalog.find(AttachmentQuery(1, ALL))).items] == ["x (2)", "x"]
    assert (await catalog.find(AttachmentQuery(1, ALL, where=(Where("property.p", "eq", 1),)))).items == ()


async def test_a_body_that_hides_a_move_that_broke_off_fails_all_the_same(catalog: Catalog) -> None:
    """The folder has moved already when a file of it meets one that was there."""
    await catalog.transact(adding([rows.ledger(), rows.folder("/a")]))
    files = [rows.attachment(number, name="x", folder=folder) for number, folder in ((1, "/a"), (2, "/b"))]
    await catalog.transact(adding(files))

    async def body(tx: Tx) -> None:
        try:
            await tx.move(MoveTree(1, "/a", "/b", 10**16, "ada"))
        except Conflict:
            return

    with pytest.raises(Conflict):
        await catalog.transact(body)
    assert await catalog.get(FolderKey(1, "/a")) is not None
    assert await catalog.get(FolderKey(1, "/b")) is None


async def test_many_bodies_at_once_each_get_their_own_outcome(catalog: Catalog) -> None:
    await catalog.transact(adding([rows.ledger()]))

    def body(n: int) -> Callable[[Tx], Coroutine[Any, Any, int]]:
        async def run(tx: Tx) -> int:
            ledger = await tx.get(LedgerKey(1))
            assert ledger is not None
            number = ledger.event + 1
            await tx.save(structs.replace(ledger, event=number))
            await tx.add(rows.attachment(number, id=f"n{n}"))
            if n % 5 == 3:
                raise KeyError(n)
            if n % 5 == 4:
                await tx.add(rows.attachment(number, id=f"n{n}"))
            return number

        return run

    results = await asyncio.gather(*(catalog.transact(body(n)) for n in range(200)), return_exceptions=True)
    numbers = [each for n, each in enumerate(results) if n % 5 < 3]
    assert sorted(numbers) == list(range(1, 121))  # type: ignore[type-var]
    assert all(isinstance(each, KeyError) and each.args == (n,) for n, each in enumerate(results) if n % 5 == 3)
    assert all(isinstance(each, Conflict) for n, each in enumerate(results) if n % 5 == 4)
    page = await catalog.find(AttachmentQuery(1, Window(1, total=True)))
    assert page.total == 120
    assert (await catalog.find(AttachmentQuery(1, ALL, words="file pdf"))).total == 120


async def test_a_caller_who_leaves_does_not_disturb_the_others(catalog: Catalog) -> None:
    await catalog.transact(adding([rows.ledger()]))
    draw = random.Random(1)
    tasks = [asyncio.ensure_future(catalog.transact(adding([rows.attachment(n)]))) for n in range(1, 101)]
    await asyncio.sleep(0)
    left = draw.sample(tasks, 30)
    for task in left:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    kept = [n for n, (task, result) in enumerate(zip(tasks, results, strict=True), 1) if result is None]
    assert len(kept) >= 70
    found = {each.number for each in (await catalog.find(AttachmentQuery(1, ALL))).items}
    assert found >= set(kept)


async def test_a_total_is_exact_after_every_change(catalog: Catalog) -> None:
    await catalog.transact(adding([rows.ledger(), rows.record("contact", "1")]))
    queries = [AttachmentQuery(1, ALL), AttachmentQuery(1, ALL, linked=(RecordFilter(("contact",)),))]
    made = []
    for n in range(1, 6):
        row = rows.attachment(n)
        made.append(row)
        await catalog.transact(adding([row, rows.link(row, C1)]))
        for query in queries:
            assert [(await catalog.find(query)).total for _ in range(2)] == [n, n]
    await catalog.transact(saving(structs.replace(made[0], trashed_at=1)))
    assert [(await catalog.find(query)).total for query in queries] == [4, 4]
    await catalog.transact(removing(rows.link(made[1], C1)))
    assert [(await catalog.find(query)).total for query in queries] == [4, 3]
    await catalog.transact(removing(made[2]))
    assert [(await catalog.find(query)).total for query in queries] == [3, 2]


async def test_a_renamed_attachment_is_found_by_its_new_name_only(catalog: Catalog) -> None:
    await catalog.transact(adding([rows.attachment(1, name="Straße 1")]))
    await catalog.transact(saving(rows.attachment(1, name="Weg 2")))

    async def found(words: str) -> int | None:
        return (await catalog.find(AttachmentQuery(1, ALL, words=words))).total

    assert [await found(words) for words in ("strasse", "STRASSE", "1", "weg", "2", "eg", "")] == [0, 0, 0, 1, 1, 0, 1]


async def test_totals_of_queries_that_python_takes_for_equal_are_kept_apart(catalog: Catalog) -> None:
    row = rows.attachment(1, properties={"p": True})
    await catalog.transact(adding([rows.ledger(), row]))
    for value, total in ((1, 0), (True, 1), (1.0, 0), (True, 1)):
        query = AttachmentQuery(1, ALL, where=(Where("property.p", "in", (value,)),))
        assert [(await catalog.find(query)).total for _ in range(2)] == [total, total]
