"""What was read once is not read again, and yet nobody sees anything but what was committed last."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from holdfast.catalog.remembered import BYTES, Changes, Remembered, busy
from holdfast.catalog.sqlite import SqliteCatalog, open_sqlite
from holdfast.core.errors import Conflict, Unavailable
from holdfast.core.ports import AttachmentQuery, TokenKey, Tx, Where, Window
from tests.catalog import rows
from tests.catalog.worlds import adding

TOKEN = rows.token()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@pytest.fixture
async def catalog(path: Path) -> AsyncIterator[SqliteCatalog]:
    opened = open_sqlite(path)
    await opened.transact(adding([rows.account(), rows.ledger(), TOKEN]))
    yield opened
    await opened.close()


def reads_of(catalog: SqliteCatalog) -> list[str]:
    """The statements that the catalog runs on the loop from now on."""
    seen: list[str] = []

    def note(_cursor: object, statement: str, _values: object) -> bool:
        seen.append(statement)
        return True

    catalog._connection.exec_trace = note
    return seen


def behind_its_back(path: Path, statement: str) -> None:
    """Change the file as none of our processes would: without a word."""
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()


async def removing(row: Any, tx: Tx) -> None:
    await tx.remove(row)


async def test_what_was_read_is_not_read_again(catalog: SqliteCatalog) -> None:
    query = AttachmentQuery(1, Window(5))
    first = await catalog.get(TokenKey(TOKEN.sha256)), await catalog.find(query)
    seen = reads_of(catalog)
    assert (await catalog.get(TokenKey(TOKEN.sha256)), await catalog.find(query)) == first
    assert not seen


async def test_what_is_not_there_is_looked_for_each_time(catalog: SqliteCatalog) -> None:
    seen = reads_of(catalog)
    for _ in range(2):
        assert await catalog.get(TokenKey(b"x" * 32)) is None
    assert len(seen) == 2


async def test_a_change_by_another_catalog_on_the_file_holds_at_once(catalog: SqliteCatalog, path: Path) -> None:
    other = open_sqlite(path)
    try:
        for _ in range(20):
            assert await catalog.get(TokenKey(TOKEN.sha256)) == TOKEN
            await other.transact(lambda tx: removing(TOKEN, tx))
            assert await catalog.get(TokenKey(TOKEN.sha256)) is None
            await other.transact(adding([TOKEN]))
            assert await other.get(TokenKey(TOKEN.sha256)) == TOKEN
    finally:
        await other.close()


async def test_a_change_by_another_process_holds_at_once(catalog: SqliteCatalog, path: Path) -> None:
    assert await catalog.get(TokenKey(TOKEN.sha256)) == TOKEN
    code = f"""
import asyncio
from pathlib import Path
from holdfast.catalog.sqlite import open_sqlite
from holdfast.core.ports import TokenKey

async def main():
    catalog = open_sqlite(Path({str(path)!r}))
    async def body(tx):
        await tx.remove(await tx.get(TokenKey({TOKEN.sha256!r})))
    await catalog.transact(body)
    await catalog.close()

asyncio.run(main())
"""
    done = await asyncio.create_subprocess_exec(sys.executable, "-W", "error", "-c", code)
    assert await done.wait() == 0
    assert await catalog.get(TokenKey(TOKEN.sha256)) is None


async def test_nothing_is_remembered_while_somebody_commits_or_has_died_committing(
    catalog: SqliteCatalog, path: Path
) -> None:
    somebody = Changes(path)
    try:
        somebody.begin()
        assert busy(somebody.stamp())
        assert await catalog.get(TokenKey(TOKEN.sha256)) == TOKEN
        behind_its_back(path, "DELETE FROM tokens")
        assert await catalog.get(TokenKey(TOKEN.sha256)) is None
        # The next commit of whoever lives makes all well again.
        await catalog.transact(adding([TOKEN]))
        assert not busy(somebody.stamp())
        assert await catalog.get(TokenKey(TOKEN.sha256)) == TOKEN
        seen = reads_of(catalog)
        assert await catalog.get(TokenKey(TOKEN.sha256)) == TOKEN
        assert not seen
    finally:
        somebody.close()


async def test_after_a_commit_that_failed_the_file_is_asked(catalog: SqliteCatalog) -> None:
    assert await catalog.get(TokenKey(TOKEN.sha256)) == TOKEN
    catalog._writer._connection.set_commit_hook(lambda: True)
    with pytest.raises(Conflict):
        await catalog.transact(adding([rows.token(2)]))
    assert not busy(catalog._changes.stamp())
    seen = reads_of(catalog)
    assert await catalog.get(TokenKey(TOKEN.sha256)) == TOKEN
    assert await catalog.get(TokenKey(rows.token(2).sha256)) is None
    assert len(seen) == 2


async def test_questions_that_python_takes_for_equal_are_told_apart(catalog: SqliteCatalog) -> None:
    one, true = (rows.attachment(n, properties={"k": value}) for n, value in ((1, 1), (2, True)))
    await catalog.transact(adding([one, true]))
    for wanted, found in ((1, one), (True, true), (1, one)):
        query = AttachmentQuery(1, Window(5), where=(Where("property.k", "eq", wanted),))
        assert (await catalog.find(query)).items == (found,)


async def test_the_total_belongs_to_the_page(catalog: SqliteCatalog) -> None:
    await catalog.transact(adding([rows.attachment(1), rows.attachment(2)]))
    for total in (None, 2, None, 2):
        page = await catalog.find(AttachmentQuery(1, Window(1, total=total is not None)))
        assert (len(page.items), page.total) == (1, total)


def test_no_more_is_remembered_than_there_is_room_for(path: Path) -> None:
    changes = Changes(path)
    remembered = Remembered(changes)
    large = msgspec.json.encode("x" * (BYTES // 10)).decode()
    kept = []
    for number in range(50):
        assert remembered.recall(number) is None
        remembered.keep(number, large)
        kept.append(sum(remembered.recall(each) is not None for each in range(number + 1)))
    changes.close()
    assert max(kept) <= 10
    assert kept[-1] >= 1


def test_the_number_starts_again_after_the_largest(path: Path) -> None:
    changes = Changes(path)
    changes._write((1 << 64) - 2)
    stamps = [changes.stamp()]
    for _ in range(3):
        changes.begin()
        stamps.append(changes.stamp())
        changes.end()
        stamps.append(changes.stamp())
    changes.close()
    assert [busy(stamp) for stamp in stamps] == [False, True, False, True, False, True, False]
    assert len(set(stamps)) == len(stamps)


async def test_a_file_that_cannot_be_shared_is_told(tmp_path: Path) -> None:
    (tmp_path / "catalog.db-changes").mkdir()
    with pytest.raises(Unavailable, match=r"catalog\.db-changes cannot be used"):
        open_sqlite(tmp_path / "catalog.db")
