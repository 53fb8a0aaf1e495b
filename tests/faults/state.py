"""What a data folder holds, seen from outside: all rows as one value, and everything that is wrong with it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import apsw

from holdfast.blobs.disk import DiskBlobs, open_disk
from holdfast.catalog.folding import name_pieces
from holdfast.core.errors import HoldfastError
from holdfast.core.model import ByteRange

Rows = dict[str, list[tuple[Any, ...]]]

# Where bytes lie and how often a cache was made void differ from run to run and mean nothing to anyone.
_UNTOLD = frozenset({"locator", "changes"})
_ORDINARY = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
_HOLES = {
    "versions do not run from 1 to the current one": """
        SELECT a.id FROM attachments a LEFT JOIN versions v ON v.attachment = a.key GROUP BY a.key
        HAVING count(v.number) <> a.version OR min(v.number) <> 1 OR max(v.number) <> a.version""",
    "the current version is not the attachment's content": """
        SELECT a.id FROM attachments a LEFT JOIN versions v ON v.attachment = a.key AND v.number = a.version
        WHERE (v.sha256, v.size, v.media_type) IS NOT (a.sha256, a.size, a.media_type)""",
    "a version has no blob": """
        SELECT a.id, v.number FROM versions v JOIN attachments a ON a.key = v.attachment
        LEFT JOIN blobs b ON b.account = a.account AND b.sha256 = v.sha256 WHERE b.size IS NOT v.size""",
    "a blob counts other references than there are": """
        SELECT hex(b.sha256), b.refs FROM blobs b WHERE b.refs <> (
            SELECT count(*) FROM attachments a JOIN versions v ON v.attachment = a.key
            WHERE a.account = b.account AND v.sha256 = b.sha256)""",
    "a blob is idle and referred to, or neither": """
        SELECT hex(sha256) FROM blobs WHERE (refs = 0) = (idle_since IS NULL)""",
    "the ledger's bytes are not those of the versions": """
        SELECT l.account, l.bytes FROM ledgers l WHERE l.bytes <> (
            SELECT coalesce(sum(v.size), 0) FROM attachments a JOIN versions v ON v.attachment = a.key
            WHERE a.account = l.account)""",
    "the ledger counts other attachments than there are": """
        SELECT l.account, l.attachments FROM ledgers l WHERE l.attachments <> (
            SELECT count(*) FROM attachments a WHERE a.account = l.account AND a.trashed = 0)""",
    "events are missing or out of number": """
        SELECT l.account, l.event FROM ledgers l LEFT JOIN events e ON e.account = l.account GROUP BY l.account
        HAVING count(e.number) <> l.event OR coalesce(max(e.number), 0) <> l.event""",
    "an event is not later than the one before it": """
        SELECT e.account, e.number FROM events e JOIN events f ON f.account = e.account AND f.number = e.number - 1
        WHERE e.at <= f.at""",
    "the account's clock is behind": """
        SELECT l.account FROM ledgers l WHERE l.clock < (
            SELECT coalesce(max(updated_at), 0) FROM attachments a WHERE a.account = l.account)""",
    "two attachments have one time or number": """
        SELECT account, min(id) FROM attachments GROUP BY account, created_at HAVING count(*) > 1
        UNION ALL SELECT account, min(id) FROM attachments GROUP BY account, number HAVING count(*) > 1""",
    "a number was not counted": """
        SELECT l.account FROM ledgers l WHERE coalesce(json_extract(l.numbers, '$.attachment'), 0) < (
            SELECT coalesce(max(number), 0) FROM attachments a WHERE a.account = l.account)""",
    "a folder above is missing": """
        SELECT f.path FROM folders f WHERE f.parent <> '/' AND NOT EXISTS (
            SELECT 1 FROM folders p WHERE p.account = f.account AND p.path = f.parent)
        UNION ALL SELECT a.id FROM attachments a WHERE a.trashed = 0 AND a.folder <> '/' AND NOT EXISTS (
            SELECT 1 FROM folders p WHERE p.account = a.account AND p.path = a.folder)""",
    "a file and a folder share a path": """
        SELECT a.path FROM attachments a JOIN folders f ON f.account = a.account AND f.path = a.path
        WHERE a.trashed = 0""",
    "a link repeats its record's type or its attachment's state wrongly": """
        SELECT l.id FROM links l LEFT JOIN records r ON r.key = l.record LEFT JOIN attachments a ON a.key = l.attachment
        WHERE (l.type, l.account, l.account, l.trashed) IS NOT (r.type, r.account, a.account, a.trashed)""",
    "a record is not above itself": """
        SELECT r.id FROM records r WHERE NOT EXISTS (
            SELECT 1 FROM record_ancestors x WHERE x.record = r.key AND x.ancestor = r.key)""",
    "a record's parents are not above it": """
        SELECT p.record FROM record_parents p WHERE NOT EXISTS (
            SELECT 1 FROM record_ancestors x WHERE x.record = p.record AND x.ancestor = p.parent)""",
    "a property belongs to nothing": """
        SELECT p.attachment FROM attachment_properties p LEFT JOIN attachments a ON a.key = p.attachment
        WHERE a.key IS NULL""",
}


class Look:
    """One look at a database file; a log beside it is read and left as it is, as the next start will find it."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path))
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.set_busy_timeout(10_000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def rows(self) -> Rows:
        """Every row of every table that is not the engine's own."""
        found: Rows = {}
        for (table,) in self._all(_ORDINARY):
            if table.startswith(("sqlite_", "attachment_names_", "leases")):
                continue
            columns = [row[1] for row in self._all(f"PRAGMA table_info({table})") if row[1] not in _UNTOLD]
            found[table] = sorted(self._all(f"SELECT {', '.join(columns)} FROM {table}"), key=repr)
        return found

    def schema(self) -> list[tuple[Any, ...]]:
        """Every table and index, and how it was made."""
        return self._all("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")

    def problems(self) -> Iterator[str]:
        """Everything wrong with the rows, in words."""
        for (message,) in self._all("PRAGMA integrity_check"):
            if message != "ok":
                yield f"integrity: {message}"
        for violation in self._all("PRAGMA foreign_key_check"):
            yield f"dangling row: {violation}"
        if not self._all("SELECT 1 FROM sqlite_schema WHERE name = 'attachments'"):
            return
        for meaning, query in _HOLES.items():
            for row in self._all(query):
                yield f"{meaning}: {row}"
        yield from self._unindexed()

    def blobs(self) -> list[tuple[str, bytes, int]]:
        """Locator, digest and size of everything that a version refers to."""
        if not self._all("SELECT 1 FROM sqlite_schema WHERE name = 'blobs'"):
            return []
        return [
            (str(a), bytes(b), int(c)) for a, b, c in self._all("SELECT locator, sha256, size FROM blobs WHERE refs")
        ]

    def _unindexed(self) -> Iterator[str]:
        rows = self._all("SELECT key, account, folded FROM attachments")
        wanted = {key for key, account, folded in rows if name_pieces(account, folded)}
        indexed = {key for (key,) in self._all("SELECT id FROM attachment_names_docsize")}
        if wanted != indexed:
            yield f"names searched and names stored differ: {wanted ^ indexed}"

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()


async def lost_bytes(root: Path, wanted: list[tuple[str, bytes, int]]) -> list[str]:
    """Locators whose bytes the store does not give back as they were."""
    blobs = open_disk(root)
    try:
        return [locator for locator, sha256, size in wanted if await _digest(blobs, locator, size) != sha256]
    finally:
        await blobs.close()


async def _digest(blobs: DiskBlobs, locator: str, size: int) -> bytes:
    digest = hashlib.sha256()
    try:
        async for chunk in blobs.read(locator, ByteRange(0, size)):
            digest.update(chunk)
    except HoldfastError:
        return b""
    return digest.digest()


async def problems_of(database: Path, blobs: Path) -> list[str]:
    """All that is wrong with an installation at rest; nothing when it is whole."""
    with Look(database) as look:
        found, wanted = list(look.problems()), look.blobs()
    return found + [f"lost bytes: {locator}" for locator in await lost_bytes(blobs, wanted)]


def difference(before: Rows, after: Rows) -> list[str]:
    """The rows that only one of the two has, for a person to read."""
    told = []
    for table in sorted(before.keys() | after.keys()):
        old, new = set(map(repr, before.get(table, []))), set(map(repr, after.get(table, [])))
        told += [f"- {table} {row}" for row in sorted(old - new)] + [f"+ {table} {row}" for row in sorted(new - old)]
    return told
