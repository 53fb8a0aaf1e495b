"""What is asked in the same words of every engine: keys, lists, and queries that have no window."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from holdfast.catalog import plans
from holdfast.catalog import rowcodec as codec
from holdfast.catalog.attachment_plans import Engine, ancestor_in, path_within, plan_attachments, record_key
from holdfast.catalog.compile import Select, Sql, all_of, any_of, one_of
from holdfast.catalog.kinds import at_places, page_at, plan_kind
from holdfast.catalog.statements import Named
from holdfast.core import ports
from holdfast.core.model import Figures, Hold, PathScope, Standing, Tally
from holdfast.core.ports import Page, Query

Rows = Sequence[codec.DbRow]

KEYS: Mapping[type[Any], tuple[str, Callable[[Any], tuple[Any, ...]], codec.Decode]] = {
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
    ports.CountKey: ("count_by_key", lambda key: (key.key,), codec.count_of),
    ports.AnswerKey: ("answer_by_key", lambda key: (key.account, key.actor, key.key), codec.answer_of),
    ports.FolderKey: ("folder_by_path", lambda key: (key.account, key.path), codec.folder_of),
}

_LISTS: Mapping[type[Any], Callable[[Any], Select]] = {
    ports.AccountQuery: plans.plan_accounts,
    ports.TokenQuery: plans.plan_tokens,
    ports.UserQuery: plans.plan_users,
    ports.ClientQuery: plans.plan_clients,
    ports.VersionQuery: plans.plan_versions,
    ports.RenditionQuery: plans.plan_renditions,
    ports.LinkQuery: plans.plan_links,
    ports.EventQuery: plans.plan_events,
    ports.BlobQuery: plans.plan_blobs,
    ports.PlacedQuery: plans.plan_placed,
    ports.HistoryQuery: plans.plan_history,
    ports.CountQuery: plans.plan_counts,
    ports.AnswerQuery: plans.plan_answers,
    ports.KindQuery: plan_kind,
}


def plan(query: Query[Any], engine: Engine) -> Select:
    """The SQL for a query that has a window. Raises `Invalid` for an unknown field or a bad cursor."""
    if isinstance(query, ports.AttachmentQuery):
        return plan_attachments(query, engine)
    if isinstance(query, ports.RecordQuery):
        return plans.plan_records(query, engine.grammar)
    if isinstance(query, ports.EntryQuery):
        return plans.plan_entries(query, engine.grammar)
    return _LISTS[type(query)](query)


# ---------------------------------------------------------------- queries without a window


class Fixed(NamedTuple):
    """How a query without a window is answered: what to run, and the page made of each statement's rows."""

    statements: Callable[[Any], Sequence[Sql | Named]]
    page: Callable[[Any, Sequence[Rows]], Page[Any]]


def _tallies(query: ports.TallyQuery) -> list[Sql]:
    roles = all_of([Sql("l.trashed = 0"), *([one_of("l.role", query.roles)] if query.roles else [])])
    start = Sql("SELECT count(DISTINCT l.attachment) FROM links l INDEXED BY links_listed WHERE l.record = ")
    return [start + record_key(query.account, ref) + " AND " + roles for ref in query.records]


def _tally_page(query: ports.TallyQuery, found: Sequence[Rows]) -> Page[Any]:
    return Page(tuple(Tally(ref, int(rows[0][0])) for ref, rows in zip(query.records, found, strict=True)))


def _standing(query: ports.StandingQuery) -> list[Sql]:
    within, on_path = Sql("TRUE"), Sql("TRUE")
    if query.scopes:
        held = Sql("EXISTS (SELECT 1 FROM record_ancestors s WHERE s.record = l.record AND ")
        within = held + ancestor_in(query.account, query.scopes) + ")"
        on_path = any_of([path_within("a.path", scope.path) for scope in query.scopes if isinstance(scope, PathScope)])
    links = Sql("(SELECT count(*) FROM links l WHERE l.attachment = a.key")
    placed = Sql("CASE WHEN a.path IS NOT NULL")
    places = Sql("SELECT ") + links + ") + " + placed + " THEN 1 ELSE 0 END, "
    inside = links + " AND " + within + ") + " + placed + " AND " + on_path + " THEN 1 ELSE 0 END"
    return [
        places + inside + Sql(" FROM attachments a WHERE a.account = ? AND a.id = ?", (query.account, query.attachment))
    ]


def _within(query: ports.WithinQuery) -> list[Sql]:
    within = Sql("TRUE")
    if query.scopes:
        held = Sql("EXISTS (SELECT 1 FROM record_ancestors s WHERE s.record = r.key AND ")
        within = held + ancestor_in(query.account, query.scopes) + ")"
    start = Sql("SELECT 1 FROM records r WHERE r.key = ")
    return [start + record_key(query.account, ref) + " AND " + within for ref in query.records]


def _within_page(query: ports.WithinQuery, found: Sequence[Rows]) -> Page[Any]:
    return Page(tuple(ref for ref, rows in zip(query.records, found, strict=True) if rows))


def _facts(query: ports.FactsQuery) -> list[Sql]:
    columns = Sql("SELECT account, sha256, width, height, pages, captured, made_at FROM media_facts WHERE account = ?")
    return [Sql(columns.text, (query.account,)) + " AND " + one_of("sha256", query.digests)]


def _holds(query: ports.HoldQuery) -> list[Named]:
    return [Named("hold_by_sha256", (query.account, sha256, sha256, query.account)) for sha256 in query.digests]


def _hold_page(query: ports.HoldQuery, found: Sequence[Rows]) -> Page[Any]:
    return Page(tuple(Hold(sha256, *rows[0]) for sha256, rows in zip(query.digests, found, strict=True)))


def _every(decode: Callable[[codec.DbRow], Any]) -> Callable[[Any, Sequence[Rows]], Page[Any]]:
    return lambda _, found: Page(tuple(decode(row) for rows in found for row in rows))


FIXED: Mapping[type[Any], Fixed] = {
    ports.TallyQuery: Fixed(_tallies, _tally_page),
    ports.StandingQuery: Fixed(_standing, _every(lambda row: Standing(*row))),
    ports.WithinQuery: Fixed(_within, _within_page),
    ports.UsageQuery: Fixed(lambda query: [Named("ledger_by_account", (query.account,))], _every(codec.ledger_of)),
    ports.FactsQuery: Fixed(_facts, _every(codec.facts_of)),
    ports.LocatedQuery: Fixed(
        lambda query: [Named("blob_by_locator", (locator,)) for locator in query.locators], _every(codec.blob_of)
    ),
    ports.HoldQuery: Fixed(_holds, _hold_page),
    ports.AtQuery: Fixed(at_places, page_at),
    ports.FiguresQuery: Fixed(
        lambda query: [Named("figures", (query.account,) * 4)], _every(lambda row: Figures(*row))
    ),
}
