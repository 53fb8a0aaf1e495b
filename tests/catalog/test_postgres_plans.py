"""The hot queries of PostgreSQL are answered from an index, in order, behind row-level security as they are served.

The tables hold enough rows for the engine to prefer an index where it can use one, and its figures are fresh.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import RawCursor

from holdfast.catalog.postgres.reading import Asking, account_asked
from holdfast.catalog.postgres.sessions import adapt
from holdfast.catalog.postgres.wording import Statement, worded_statements
from holdfast.core.model import PathScope, RecordScope
from holdfast.core.ports import AttachmentQuery, EntryQuery, LinkQuery, Query, RecordFilter, Where, Window
from tests.catalog.test_plans import CASE, DEEP, FOUND, PAGE, STREAMED, named
from tests.engines.postgres import fresh_database, server

MANY = 20_000
FILL = f"""
INSERT INTO records (account, type, id, number, attributes, parents, revision, created_at, created_by, updated_at,
    updated_by)
SELECT 1 + n % 2, CASE n % 3 WHEN 0 THEN 'case' ELSE 'contact' END, n::text, n, '{{}}', '[]', 1, n, '', n, ''
FROM generate_series(1, {MANY // 2}) n;
INSERT INTO record_ancestors (record, ancestor, account, type) SELECT key, key, account, type FROM records;
INSERT INTO attachments (account, id, number, name, media_type, size, sha256, version, revision, properties, folder,
    created_at, created_by, updated_at, updated_by, trashed, path, path_md5, folded, openings)
SELECT 1 + n % 2, 'a' || n, n, 'invoice ' || n || '.pdf', 'application/pdf', n, sha256(n::text::bytea), 1, 1, '{{}}',
    '/f' || n % 500, n, '', n, '', n % 50 / 49, '/f' || n % 500 || '/invoice ' || n, md5('/f' || n % 500 || '/invoice '
    || n), 'invoice ' || n, '' FROM generate_series(1, {MANY}) n;
INSERT INTO attachment_names (account, piece, attachment)
SELECT account, account || 'x' || encode(substr(folded, at, 3)::bytea, 'hex'), key
FROM attachments, generate_series(1, 10) at ON CONFLICT DO NOTHING;
INSERT INTO attachment_names (account, piece, attachment)
SELECT account, account || 'w' || encode(left(number::text, 2)::bytea, 'hex'), key FROM attachments;
INSERT INTO attachment_properties (account, word, attachment) SELECT account, sha256((key % 100)::text::bytea), key
FROM attachments;
INSERT INTO versions (account, attachment, number, name, media_type, size, sha256, created_at, created_by)
SELECT account, key, 1, name, media_type, size, sha256, created_at, '' FROM attachments;
INSERT INTO links (account, id, attachment, record, type, role, position, created_at, created_by, trashed)
SELECT a.account, 'l' || a.number, a.key, r.key, r.type, 'document', 0, a.number, '', a.trashed
FROM attachments a JOIN records r ON r.account = a.account AND r.number = 2 + a.number % {MANY // 2 - 2};
INSERT INTO blobs (account, sha256, size, locator, refs, created_at, idle_since)
SELECT account, sha256, size, 's:a:' || number, 1, 1, CASE WHEN number % 100 = 0 THEN number END FROM attachments;
INSERT INTO folders (account, path, created_at, created_by, parent, folded, openings, path_md5)
SELECT a, '/f' || n, 1, '', '/', 'f' || n, '', md5('/f' || n)
FROM generate_series(0, {MANY // 2}) n, generate_series(1, 2) a;
INSERT INTO events (account, number, at, actor, kind, subject, data)
SELECT 1 + n % 2, n, n, '', '', '', '{{}}' FROM generate_series(1, {MANY}) n;
INSERT INTO tokens (account, id, sha256, kind, name, owner, permissions, scopes, created_at)
SELECT 1 + n % 2, n::text, sha256(n::text::bytea), 'session', '', 'u' || n % 500, '[]', '[]', n
FROM generate_series(1, {MANY // 4}) n;
INSERT INTO answers (account, actor, key, fingerprint, status, headers, body, created_at)
SELECT 1 + n % 2, '', n::text, '', 201, '[]', '', n FROM generate_series(1, {MANY // 4}) n;
ANALYZE;
"""
SMALL = {
    "accounts",
    "ledgers",
    "users",
    "clients",
    "leases",
    "counts",
    "renditions",
    "media_facts",
    "record_parents",
    "sessions",
}
"""Tables without rows here, or with few: reading them whole costs nothing."""


@pytest.fixture(scope="module")
def connection() -> Iterator[psycopg.Connection[Any]]:
    with fresh_database() as dsn:
        server().execute(FILL, str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]))
        with psycopg.connect(server().as_server(dsn), autocommit=True, cursor_factory=RawCursor) as opened:
            adapt(opened)
            yield opened


def nodes(connection: psycopg.Connection[Any], context: str | None, statement: Statement) -> list[dict[str, Any]]:
    """The steps of the plan of a statement, outermost first."""
    connection.execute("SELECT set_config('holdfast.account', $1, false)", (context or "",))
    explained = connection.execute(f"EXPLAIN (FORMAT JSON) {statement.text}".encode(), statement.args or None)
    plan = explained.fetchall()[0][0]
    left, found = [(json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]], []
    while left:
        node = left.pop()
        found.append(node)
        left.extend(node.get("Plans", ()))
    return found


def whole(steps: list[dict[str, Any]]) -> list[str]:
    """The tables that are read from their first row to their last."""
    return [
        step["Relation Name"]
        for step in steps
        if step["Node Type"] == "Seq Scan" and step["Relation Name"] not in SMALL
    ]


def asked(query: Query[Any]) -> tuple[str | None, Statement]:
    asking = Asking(worded_statements())
    # What is learnt from these tables: every name begins alike, and few have that number.
    asking.learn([("1w3737", 0), *((f"1x{part.encode().hex()}", 9999) for part in ("inv", "nvo", "voi", "oic", "ice"))])
    return account_asked(query), asking.window(query, asking.plan(query))[0]


@pytest.mark.parametrize("query", STREAMED, ids=named)
def test_a_page_streams_from_an_index(connection: psycopg.Connection[Any], query: Query[Any]) -> None:
    steps = nodes(connection, *asked(query))
    assert whole(steps) == []
    sorts = [step for step in steps if step["Node Type"] in {"Sort", "Hash Join", "HashAggregate"}]
    # What is sorted is a handful: it was found by an index that gives no more.
    assert [step for step in sorts if step["Plan Rows"] > 2 * query.window.limit] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("query", FOUND, ids=named)
def test_only_matching_rows_are_read(connection: psycopg.Connection[Any], query: Query[Any]) -> None:
    assert whole(nodes(connection, *asked(query))) == []


SCOPED: list[Query[Any]] = [
    AttachmentQuery(1, PAGE, scopes=(RecordScope(CASE),)),
    AttachmentQuery(1, PAGE, scopes=(PathScope("/f7"),)),
    AttachmentQuery(1, DEEP, under=("/f7",)),
    AttachmentQuery(1, PAGE, linked=(RecordFilter(("case",), (Where("number", "eq", 3),)),)),
    EntryQuery(1, PAGE, parent="/f7"),
    EntryQuery(1, Window(50, after=("/f7/x",)), under=("/f7",)),
    LinkQuery(1, PAGE, record=CASE),
]


@pytest.mark.parametrize("query", SCOPED, ids=named)
def test_a_narrow_actor_does_not_read_the_whole_account(connection: psycopg.Connection[Any], query: Query[Any]) -> None:
    steps = nodes(connection, *asked(query))
    assert whole(steps) == []


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in worded_statements()
        if name.endswith(("_save", "_remove", "_move", "_trashed", "_state", "_key")) or "_by_" in name
    ],
)
def test_named_statements_find_their_rows_by_an_index(connection: psycopg.Connection[Any], name: str) -> None:
    text = worded_statements()[name]
    places = max(int(number) for number in re.findall(r"\$(\d+)", text))
    connection.execute(f"PREPARE named AS {text}".encode())
    try:
        # As it is planned when it has been prepared, whatever is bound in it.
        connection.execute("SET plan_cache_mode = force_generic_plan")
        execute = Statement(f"EXECUTE named({', '.join(['NULL'] * places)})")
        assert whole(nodes(connection, "1", execute)) == []
    finally:
        connection.execute("RESET plan_cache_mode")
        connection.execute("DEALLOCATE named")


def test_the_few_rarest_pieces_of_a_search_are_put_to_the_engine() -> None:
    asking = Asking(worded_statements())
    asking.learn([("common", 9), ("rare", 1), ("rarer", 0), ("middling", 5), ("so-so", 7)])
    assert asking.rarest(("common", "so-so", "rare", "middling", "rarer")) == ["rarer", "rare", "middling", "so-so"]
    assert asking.rarest(("common",)) == ["common"]
    match = asking.grammar.names(["rarer", "rare", "middling", "so-so"]).match
    assert match.args == ("rarer", "rare", "middling", "so-so")
