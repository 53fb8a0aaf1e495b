"""The verbs of `Rows` on one connection, without waiting."""

# ruff: noqa: S608 (the text is put together from constants only, every value is bound)

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, cast

import apsw

from holdfast.catalog import plans
from holdfast.catalog import rowcodec as codec
from holdfast.catalog.attachment_plans import ancestor_in, path_within, plan_attachments, record_key
from holdfast.catalog.compile import Select, Sql, all_of, any_of, one_of
from holdfast.core import ports
from holdfast.core.model import Blob, Figures, Hold, Ledger, MediaFacts, RecordRef, Standing, Tally
from holdfast.core.ports import Key, Page, Query, R, Scalar

FEW = 4_000
"""A part of a query that gives at most this many rows is fetched whole and sorted, rather than tested row by row."""

REACH = 64
MOST_PIECES = 3
MOST_GUESSES = 4_096
GUESS_SECONDS = 60.0

_KEYS: Mapping[type[Any], tuple[str, Callable[[Any], tuple[Any, ...]], codec.Decode]] = {
    ports.AccountKey: ("account_by_number", lambda key: (key.number,), codec.account_of),
    ports.SlugKey: ("account_by_slug", lambda key: (key.slug,), codec.account_of),
    ports.LedgerKey: ("ledger_by_account", lambda key: (key.account,), codec.ledger_of),
    ports.UserKey: ("user_by_email", lambda key: (key.email,), codec.user_of),
    ports.UserIdKey: ("user_by_id", lambda key: (key.id,), codec.user_of),
    ports.ClientKey: ("client_by_id", lambda key: (key.id,), codec.client_of),
    ports.ClientNameKey: ("client_by_name", lambda key: (key.name,), codec.client_of),
    ports.TokenKey: ("token_by_sha256", lambda key: (key.sha256,), codec.token_of),
    ports.RecordKey: ("record_by_ref", lambda key: (key.account, key.ref.type, key.ref.id), codec.record_of),
    ports.AttachmentKey: ("attachment_by_id", lambda key: (key.account, key.id), codec.attachment_of),
    ports.PathKey: ("attachment_by_path", lambda key: (key.account, key.path), codec.attachment_of),
    ports.VersionKey: ("version_by_number", lambda key: (key.account, key.attachment, key.number), codec.version_of),
    ports.BlobKey: ("blob_by_sha256", lambda key: (key.account, key.sha256), codec.blob_of),
    ports.RenditionKey: (
        "rendition_by_key",
        lambda key: (key.account, key.source, key.edge),
        codec.rendition_of,
    ),
    ports.LinkKey: ("link_by_id", lambda key: (key.account, key.id), codec.link_of),
    ports.LeaseKey: ("lease_by_name", lambda key: (key.name,), codec.lease_of),
    ports.AnswerKey: ("answer_by_key", lambda key: (key.account, key.actor, key.key), codec.answer_of),
    ports.FolderKey: ("folder_by_path", lambda key: (key.account, key.path), codec.folder_of),
}

_PLANS: Mapping[type[Any], Callable[[Any], Select]] = {
    ports.AccountQuery: plans.plan_accounts,
    ports.TokenQuery: plans.plan_tokens,
    ports.UserQuery: plans.plan_users,
    ports.ClientQuery: plans.plan_clients,
    ports.RecordQuery: plans.plan_records,
    ports.EntryQuery: plans.plan_entries,
    ports.VersionQuery: plans.plan_versions,
    ports.RenditionQuery: plans.plan_renditions,
    ports.LinkQuery: plans.plan_links,
    ports.EventQuery: plans.plan_events,
    ports.BlobQuery: plans.plan_blobs,
    ports.PlacedQuery: plans.plan_placed,
    ports.HistoryQuery: plans.plan_history,
    ports.AnswerQuery: plans.plan_answers,
}


class Reading:
    """Keys and queries answered on one connection. Not for use from two threads at once."""

    def __init__(self, connection: apsw.Connection, statements: Mapping[str, str]) -> None:
        self._execute = connection.execute
        self._statements = statements
        self._guesses: dict[Hashable, int] = {}
        self._guessed_until = 0.0
        self._keys = {kind: (statements[name], args, value) for kind, (name, args, value) in _KEYS.items()}

    def get(self, key: Key[R]) -> R | None:
        """The row of that key, or None."""
        sql, args, value = self._keys[type(key)]
        # All rows are fetched, so that the statement ends and no snapshot stays open.
        rows = self._execute(sql, args(key)).fetchall()
        return cast(R, value(rows[0])) if rows else None

    def find(self, query: Query[R]) -> Page[R]:
        """The rows of that query. Raises `Invalid` for an unknown field."""
        if (answer := _UNWINDOWED.get(type(query))) is not None:
            return cast(Page[R], answer(self, query))
        return self.page(query, self.plan(query))

    def plan(self, query: Query[Any]) -> Select:
        """The SQL for a query that has a window."""
        if isinstance(query, ports.AttachmentQuery):
            return plan_attachments(query, self)
        return _PLANS[type(query)](query)

    def page(self, query: Query[R], select: Select, total: int | None = None) -> Page[R]:
        """The page of a planned query; `total` if it is known already."""
        window: ports.Window = query.window  # type: ignore[attr-defined]
        rows = self.rows(select.rows) if window.limit > 0 else []
        more = len(rows) > window.limit
        items = tuple(map(select.value, rows[: window.limit] if more else rows))
        after = select.position(rows[window.limit - 1]) if more else None
        if window.total and total is None:
            total = self.total(select)
        return Page(items, after, total if window.total else None)

    def rows(self, sql: Sql) -> list[codec.DbRow]:
        """All rows of a statement."""
        return self._execute(sql.text, sql.args).fetchall()

    def total(self, select: Select) -> int:
        """The number of all matches."""
        return int(self.rows(select.total)[0][0])

    def changes(self, account: int) -> int | None:
        """A number that grows with every change of the account's rows; None if nothing tells."""
        rows: list[codec.DbRow] = self._execute(self._statements["ledger_changes"], (account,)).fetchall()
        return int(rows[0][0]) if rows else None

    def small(self, source: Sql) -> bool:
        """Whether a source gives few rows."""

        def count() -> int:
            few = Sql("SELECT count(*) FROM (SELECT 1 FROM ") + source + f" LIMIT {FEW + 1})"
            return int(self.rows(few)[0][0])

        return self._guess(source, count) <= FEW

    def named(self, name: str, *args: Scalar) -> list[codec.DbRow]:
        """All rows of a named statement."""
        return self._execute(self._statements[name], args).fetchall()

    def rarest(self, pieces: Sequence[str]) -> Sequence[str]:
        """The piece that narrows most, and the few others that are almost as rare.

        Common pieces are left out: walking their long lists costs more than looking at the names themselves.
        """
        if len(pieces) == 1:
            return pieces
        reach = {piece: self._reach(piece) for piece in pieces}
        ranked = sorted(pieces, key=lambda piece: reach[piece])[:MOST_PIECES]
        newest = max(reach.values())
        least = newest - reach[ranked[0]]
        return [piece for piece in ranked if newest - reach[piece] >= least / 4]

    def _reach(self, piece: str) -> int:
        """How far back the newest names with a piece reach: the key of the last of them; 0 if there are fewer."""

        def last() -> int:
            rows = self.rows(Sql(self._statements["names_reach"], (piece, REACH)))
            return int(rows[0][0]) if rows else 0

        return self._guess(piece, last)

    def _guess(self, about: Hashable, look: Callable[[], int]) -> int:
        """What a look gave not long ago, or gives now."""
        now = time.monotonic()
        if now > self._guessed_until or len(self._guesses) >= MOST_GUESSES:
            self._guesses.clear()
            self._guessed_until = now + GUESS_SECONDS
        if about not in self._guesses:
            self._guesses[about] = look()
        return self._guesses[about]


# ---------------------------------------------------------------- queries without a window


def _tally(reading: Reading, query: ports.TallyQuery) -> Page[Tally]:
    roles = all_of([Sql("l.trashed = 0"), *([one_of("l.role", query.roles)] if query.roles else [])])
    items = []
    for ref in query.records:
        start = Sql("SELECT count(DISTINCT l.attachment) FROM links l INDEXED BY links_listed WHERE l.record = ")
        rows = reading.rows(start + record_key(query.account, ref) + " AND " + roles)
        items.append(Tally(ref, int(rows[0][0])))
    return Page(tuple(items))


def _standing(reading: Reading, query: ports.StandingQuery) -> Page[Standing]:
    within, on_path = Sql("1"), Sql("1")
    if query.scopes:
        held = Sql("EXISTS (SELECT 1 FROM record_ancestors s WHERE s.record = l.record AND ")
        within = held + ancestor_in(query.account, query.scopes) + ")"
        paths = [path_within("a.path", scope.path) for scope in query.scopes if hasattr(scope, "path")]
        on_path = any_of(paths)
    links = Sql(" FROM links l WHERE l.attachment = a.key")
    places = Sql("SELECT (SELECT count(*)") + links + ") + (a.path IS NOT NULL), "
    inside = Sql("(SELECT count(*)") + links + " AND " + within + ") + (a.path IS NOT NULL AND " + on_path + ")"
    own = Sql(" FROM attachments a WHERE a.account = ? AND a.id = ?", (query.account, query.attachment))
    return Page(tuple(Standing(*row) for row in reading.rows(places + inside + own)))


def _within(reading: Reading, query: ports.WithinQuery) -> Page[RecordRef]:
    held = Sql("SELECT 1 FROM records r WHERE r.key = ")
    within = Sql("1")
    if query.scopes:
        within = Sql("EXISTS (SELECT 1 FROM record_ancestors s WHERE s.record = r.key AND ")
        within = within + ancestor_in(query.account, query.scopes) + ")"
    found = (ref for ref in query.records if reading.rows(held + record_key(query.account, ref) + " AND " + within))
    return Page(tuple(found))


def _usage(reading: Reading, query: ports.UsageQuery) -> Page[Ledger]:
    ledger = reading.get(ports.LedgerKey(query.account))
    return Page(() if ledger is None else (ledger,))


def _facts(reading: Reading, query: ports.FactsQuery) -> Page[MediaFacts]:
    columns = Sql("SELECT account, sha256, width, height, pages, captured, made_at FROM media_facts WHERE account = ?")
    own = Sql(columns.text, (query.account,)) + " AND " + one_of("sha256", query.digests)
    return Page(tuple(map(codec.facts_of, reading.rows(own))))


def _located(reading: Reading, query: ports.LocatedQuery) -> Page[Blob]:
    found = (reading.named("blob_by_locator", locator) for locator in query.locators)
    return Page(tuple(codec.blob_of(row) for rows in found for row in rows))


def _holds(reading: Reading, query: ports.HoldQuery) -> Page[Hold]:
    held = ((query.account, sha256, sha256, query.account) for sha256 in query.digests)
    return Page(tuple(Hold(each[1], *reading.named("hold_by_sha256", *each)[0]) for each in held))


def _figures(reading: Reading, query: ports.FiguresQuery) -> Page[Figures]:
    return Page((Figures(*reading.named("figures", *(query.account,) * 4)[0]),))


_UNWINDOWED: Mapping[type[Any], Callable[[Reading, Any], Page[Any]]] = {
    ports.TallyQuery: _tally,
    ports.StandingQuery: _standing,
    ports.WithinQuery: _within,
    ports.UsageQuery: _usage,
    ports.FactsQuery: _facts,
    ports.LocatedQuery: _located,
    ports.HoldQuery: _holds,
    ports.FiguresQuery: _figures,
}
