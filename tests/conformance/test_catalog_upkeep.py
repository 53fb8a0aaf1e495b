"""What upkeep asks of a catalog: idle blobs, who lies where, who is held by whom, and what it all adds up to."""

import pytest

from holdfast.core.errors import Conflict
from holdfast.core.model import Blob, Figures, Hold, Version
from holdfast.core.ports import (
    BlobQuery,
    Catalog,
    FiguresQuery,
    HistoryQuery,
    HoldQuery,
    LocatedQuery,
    PlacedQuery,
    Window,
)
from tests.catalog import rows
from tests.catalog.worlds import adding, everything


def digest(n: int) -> bytes:
    return n.to_bytes(32, "big")


async def add(catalog: Catalog, *blobs: Blob) -> None:
    await catalog.transact(adding(blobs))


async def test_blobs_come_by_digest_each_account_s_apart(catalog: Catalog) -> None:
    mine = [rows.blob(n) for n in (3, 1, 300, 2, 256)]
    await add(catalog, *mine, rows.blob(4, account=2))
    found = await everything(catalog, lambda window: BlobQuery(1, window), limit=2)
    assert found == sorted(mine, key=lambda blob: blob.sha256)
    page = await catalog.find(BlobQuery(2, Window(10, total=True)))
    assert ([blob.size for blob in page.items], page.total) == ([4], 1)


async def test_idle_blobs_come_the_longest_idle_first(catalog: Catalog) -> None:
    idle = [rows.blob(n, refs=0, idle_since=since) for n, since in ((1, 50), (2, 10), (3, 10), (4, 99), (5, 100))]
    await add(catalog, *idle, rows.blob(6), rows.blob(7, account=2, refs=0, idle_since=1))
    found = await everything(catalog, lambda window: BlobQuery(1, window, idle_before=100), limit=1)
    assert [blob.size for blob in found] == [2, 3, 1, 4]


async def test_blobs_are_found_by_where_they_lie(catalog: Catalog) -> None:
    await add(catalog, rows.blob(1), rows.blob(2), rows.blob(3, account=2), rows.blob(4, account=2, locator="place/1"))
    found = await catalog.find(LocatedQuery(("place/3", "nowhere", "place/1", "")))
    assert {(blob.account, blob.size) for blob in found.items} == {(1, 1), (2, 3), (2, 4)}
    assert (await catalog.find(LocatedQuery(()))).items == ()


async def test_blobs_are_found_by_the_place_that_they_share(catalog: Catalog) -> None:
    places = {1: "s:a:1", 2: "s:a:20", 3: "s:a", 4: "s:ab:1", 5: "s:a;", 6: "s:a:"}
    await add(catalog, *(rows.blob(n, account=1 + n % 2, locator=place) for n, place in places.items()))
    found = await everything(catalog, lambda window: PlacedQuery("s:a:", window), limit=1)
    assert [blob.locator for blob in found] == ["s:a:", "s:a:1", "s:a:20"]
    every = await catalog.find(PlacedQuery("", Window(10)))
    assert len(every.items) == 6


async def test_holds_count_versions_of_trashed_attachments_and_not_of_other_accounts(catalog: Catalog) -> None:
    one, two = rows.attachment(1), rows.attachment(2, trashed_at=5)
    other = rows.attachment(1, account=2, id="other")
    held = [
        rows.version(one, 1, sha256=digest(7)),
        rows.version(one, 2, sha256=digest(8)),
        rows.version(one, 3, sha256=digest(7)),
        rows.version(two, 1, sha256=digest(7)),
        rows.version(other, 1, sha256=digest(7)),
    ]
    await catalog.transact(adding([one, two, other, *held]))
    found = await catalog.find(HoldQuery(1, (digest(8), digest(9), digest(7))))
    assert found.items == (Hold(digest(8), 1), Hold(digest(9), 0), Hold(digest(7), 3))


async def test_holds_count_the_renditions_that_are_these_bytes(catalog: Catalog) -> None:
    one = rows.attachment(1)
    pictures = [rows.rendition(n, edge, blob=digest(7)) for n, edge in ((1, 128), (1, 256), (7, 128))]
    elsewhere = [rows.rendition(2, blob=digest(8), account=2), rows.rendition(8, blob=None, reason="refused")]
    await catalog.transact(adding([one, rows.version(one, 1, sha256=digest(7)), *pictures, *elsewhere]))
    found = await catalog.find(HoldQuery(1, (digest(8), digest(7))))
    assert found.items == (Hold(digest(8), 0), Hold(digest(7), 1, 3))
    assert [hold.holders for hold in found.items] == [0, 4]


async def test_the_history_holds_every_version_by_attachment(catalog: Catalog) -> None:
    made = [rows.attachment(n, id=f"{9 - n}", trashed_at=5 if n == 2 else None) for n in (1, 2, 3)]
    versions: list[Version] = [rows.version(made[at], n) for at, n in ((0, 1), (0, 2), (1, 1), (2, 1), (2, 2), (2, 3))]
    other = rows.attachment(1, account=2, id="other")
    await catalog.transact(adding([*made, *reversed(versions), other, rows.version(other)]))
    assert await everything(catalog, lambda window: HistoryQuery(1, window), limit=2) == versions


async def test_figures_add_up_every_row_of_the_account(catalog: Catalog) -> None:
    one, two = rows.attachment(1), rows.attachment(2, trashed_at=5)
    await catalog.transact(
        adding(
            [
                *(one, two, rows.version(one, 1, size=10), rows.version(one, 2, size=2**40)),
                *(rows.version(two, 1, size=5), rows.blob(1, size=10), rows.blob(2, size=2**40)),
                rows.blob(3, account=2, size=1000),
            ]
        )
    )
    assert (await catalog.find(FiguresQuery(1))).items == (Figures(2**40 + 15, 1, 2, 2**40 + 10),)
    assert (await catalog.find(FiguresQuery(3))).items == (Figures(0, 0, 0, 0),)


async def test_a_lease_has_its_name_alone(catalog: Catalog) -> None:
    await catalog.transact(adding([rows.lease(), rows.lease("verify")]))
    with pytest.raises(Conflict):
        await catalog.transact(adding([rows.lease(holder="two")]))
