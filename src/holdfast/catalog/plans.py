"""How queries other than those for attachments are answered."""

# ruff: noqa: S608 (the text is put together from constants only, every value is bound)

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from holdfast.catalog.attachment_plans import (
    ATTACHMENT_COLUMNS,
    COLUMN_COUNT,
    ancestor_in,
    attachment_within,
    path_within,
    record_key,
)
from holdfast.catalog.compile import (
    ATTACHMENT_FIELDS,
    FOLDER_FIELDS,
    RECORD_FIELDS,
    Grammar,
    Select,
    SortKey,
    Sql,
    all_of,
    any_of,
    below,
    beyond,
    condition,
    joined,
    limited,
    one_of,
    order_by,
    places,
    sort_keys,
)
from holdfast.catalog.folding import part_pieces, prefix_end, search_parts
from holdfast.catalog.rowcodec import (
    account_of,
    answer_of,
    attachment_of,
    blob_of,
    client_of,
    count_of,
    event_of,
    folder_of,
    link_of,
    record_of,
    rendition_of,
    token_of,
    user_of,
    version_of,
)
from holdfast.core.model import Attachment, Folder, PathScope
from holdfast.core.ports import (
    AccountQuery,
    AnswerQuery,
    BlobQuery,
    ClientQuery,
    CountQuery,
    EntryQuery,
    EventQuery,
    HistoryQuery,
    LinkQuery,
    PlacedQuery,
    RecordQuery,
    RenditionQuery,
    Scalar,
    TokenQuery,
    UserQuery,
    VersionQuery,
    Window,
)

DbRow = tuple[Any, ...]

RECORD_COLUMNS = (
    "r.account, r.type, r.id, r.number, r.attributes, r.parents, r.state, r.revision, r.created_at, r.created_by, "
    "r.updated_at, r.updated_by"
)
_FOLDER_COLUMNS = "f.account, f.path, f.created_at, f.created_by"


class _List(NamedTuple):
    """A plain list: its columns, where they come from, the conditions, the order, and what a row means."""

    columns: str | Sql
    source: str | Sql
    conditions: Sequence[Sql]
    keys: Sequence[SortKey]
    value: Callable[[DbRow], Any]
    position: Callable[[DbRow], tuple[Scalar, ...]]

    def select(self, window: Window, *, scans: bool = False) -> Select:
        """The statements for one window of it."""
        conditions = self.conditions
        total = Sql("SELECT count(*) FROM ") + self.source + " WHERE " + all_of(conditions)
        if window.after is not None:
            conditions = [*conditions, beyond(self.keys, places(window.after))]
        rows = Sql("SELECT ") + self.columns + " FROM " + self.source + " WHERE " + all_of(conditions)
        return Select(rows + order_by(self.keys) + limited(window), total, self.value, self.position, scans)


def _keys(*columns: str, descending: bool = False) -> list[SortKey]:
    return [SortKey(Sql(column), descending) for column in columns]


def plan_accounts(query: AccountQuery) -> Select:
    """All accounts by slug."""
    columns = "number, slug, created_at, settings"
    return _List(columns, "accounts", [], _keys("slug"), account_of, lambda row: (row[1],)).select(query.window)


def plan_tokens(query: TokenQuery) -> Select:
    """An account's tokens, newest first."""
    columns = "account, id, sha256, kind, name, owner, permissions, scopes, created_at, expires_at"
    conditions = [Sql("account = ?", (query.account,))]
    if query.owner is not None:
        conditions.append(Sql("owner = ?", (query.owner,)))
    keys = _keys("created_at", "id", descending=True)
    return _List(columns, "tokens", conditions, keys, token_of, lambda row: (row[8], row[1])).select(query.window)


def plan_users(query: UserQuery) -> Select:
    """An account's users by e-mail."""
    columns = "account, id, email, name, password_hash, permissions, scopes, created_at, disabled"
    own = [Sql("account = ?", (query.account,))]
    return _List(columns, "users", own, _keys("email"), user_of, lambda row: (row[2],)).select(query.window)


def plan_clients(query: ClientQuery) -> Select:
    """An account's clients by name."""
    columns = "account, id, name, secret_sha256, permissions, scopes, created_at"
    own = [Sql("account = ?", (query.account,))]
    return _List(columns, "clients", own, _keys("name"), client_of, lambda row: (row[2],)).select(query.window)


def plan_versions(query: VersionQuery) -> Select:
    """The versions of an attachment, newest first."""
    columns = "a.account, a.id, v.number, v.name, v.media_type, v.size, v.sha256, v.created_at, v.created_by"
    own = [Sql("a.account = ? AND a.id = ?", (query.account, query.attachment))]
    source = "attachments a CROSS JOIN versions v ON v.attachment = a.key"
    keys = _keys("v.number", descending=True)
    return _List(columns, source, own, keys, version_of, lambda row: (row[2],)).select(query.window)


def plan_renditions(query: RenditionQuery) -> Select:
    """Renditions of a content."""
    columns = "account, source, edge, blob, reason, made_at"
    own = [Sql("account = ? AND source = ?", (query.account, query.source))]
    return _List(columns, "renditions", own, _keys("edge"), rendition_of, lambda row: (row[2],)).select(query.window)


def plan_history(query: HistoryQuery) -> Select:
    """All versions in the account, by attachment."""
    columns = "a.account, a.id, v.number, v.name, v.media_type, v.size, v.sha256, v.created_at, v.created_by, a.number"
    own = [Sql("a.account = ?", (query.account,))]
    source = "attachments a INDEXED BY attachments_number CROSS JOIN versions v ON v.attachment = a.key"
    keys = _keys("a.number", "v.number")
    return _List(columns, source, own, keys, version_of, lambda row: (row[9], row[2])).select(query.window)


def plan_blobs(query: BlobQuery) -> Select:
    """Blobs by digest, or idle ones by the time that they became so."""
    columns = "account, sha256, size, locator, refs, created_at, idle_since, damaged_at"
    own = [Sql("account = ?", (query.account,))]
    if query.idle_before is None:
        return _List(columns, "blobs", own, _keys("sha256"), blob_of, lambda row: (row[1],)).select(query.window)
    own.append(Sql("idle_since < ?", (query.idle_before,)))
    keys = _keys("idle_since", "sha256")
    return _List(columns, "blobs", own, keys, blob_of, lambda row: (row[6], row[1])).select(query.window)


def plan_placed(query: PlacedQuery) -> Select:
    """Blobs of all accounts by the beginning of their locators."""
    columns = "account, sha256, size, locator, refs, created_at, idle_since, damaged_at"
    own = [Sql("locator >= ?", (query.prefix,))]
    if (end := prefix_end(query.prefix)) is not None:
        own.append(Sql("locator < ?", (end,)))
    keys = _keys("locator", "account")
    return _List(columns, "blobs", own, keys, blob_of, lambda row: (row[3], row[0])).select(query.window)


def plan_events(query: EventQuery) -> Select:
    """Events after a number, oldest first."""
    columns = "account, number, at, actor, kind, subject, data"
    own = [Sql("account = ? AND number > ?", (query.account, query.after))]
    return _List(columns, "events", own, _keys("number"), event_of, lambda row: (row[1],)).select(query.window)


def plan_counts(query: CountQuery) -> Select:
    """Counts by the time when they are over."""
    keys = _keys("until", "key")
    return _List("key, until, used", "counts", [], keys, count_of, lambda row: (row[1], row[0])).select(query.window)


def plan_answers(query: AnswerQuery) -> Select:
    """An account's stored answers, oldest first."""
    columns = "account, actor, key, fingerprint, status, headers, body, created_at"
    own = [Sql("account = ?", (query.account,))]
    keys = _keys("created_at", "actor", "key")
    return _List(columns, "answers", own, keys, answer_of, lambda row: (row[7], row[1], row[2])).select(query.window)


# ---------------------------------------------------------------- records


def plan_records(query: RecordQuery, grammar: Grammar) -> Select:
    """Records by filter, parent and scopes. Ties are broken by type and id in the direction of the last order."""
    types = tuple(dict.fromkeys(query.filter.types))
    conditions = [Sql("r.account = ?", (query.account,))]
    if types:
        conditions.append(one_of("r.type", types))
    conditions += [condition(RECORD_FIELDS, each, grammar) for each in query.filter.where]
    source = Sql("records r")
    if query.parent is not None:
        source = Sql("record_parents p CROSS JOIN records r ON r.key = p.record")
        conditions.append(Sql("p.parent = ") + record_key(query.account, query.parent))
    if query.scopes:
        within = ancestor_in(query.account, query.scopes)
        conditions.append(Sql("EXISTS (SELECT 1 FROM record_ancestors s WHERE s.record = r.key AND ") + within + ")")
    keys = sort_keys(RECORD_FIELDS, query.order, grammar)
    descending = keys[-1].descending if keys else True
    keys += _keys("r.type", "r.id", descending=descending)
    columns = joined(", ", [Sql(RECORD_COLUMNS), *(key.sql for key in keys[:-2])])
    narrowed = bool(query.filter.where or query.scopes or query.parent)
    streams = not narrowed and len(types) < 2 and len(keys) == 3 and query.order[0].field == "created_at"
    position = _record_position
    return _List(columns, source, conditions, keys, record_of, position).select(query.window, scans=not streams)


def _record_position(row: DbRow) -> tuple[Scalar, ...]:
    return (*row[12:], row[1], row[2])


# ---------------------------------------------------------------- links


def plan_links(query: LinkQuery) -> Select:
    """Links by position, then age."""
    columns = "l.account, l.id, a.id, r.type, r.id, l.role, l.position, l.caption, l.created_at, l.created_by"
    conditions = [Sql("l.account = ?", (query.account,))]
    source = Sql("links l JOIN attachments a ON a.key = l.attachment JOIN records r ON r.key = l.record")
    if query.attachment is not None:
        mine = "l.attachment = (SELECT key FROM attachments WHERE account = ? AND id = ?)"
        conditions.append(Sql(mine, (query.account, query.attachment)))
    if query.attachments:
        # Left to itself the engine walks all links of the account instead of looking up those of each attachment.
        conditions = []
        source = Sql(
            "attachments a CROSS JOIN links l ON l.attachment = a.key CROSS JOIN records r ON r.key = l.record"
        )
        conditions.append(Sql("a.account = ? AND ", (query.account,)) + one_of("a.id", query.attachments))
    if query.record is not None:
        conditions.append(Sql("l.record = ") + record_key(query.account, query.record))
    if query.under is not None:
        conditions.append(Sql("a.trashed = 0 AND ") + path_within("a.path", query.under))
        conditions.append(_in_subtree(query.account, query.under))
    if query.roles:
        conditions.append(one_of("l.role", query.roles))
    keys = _keys("l.position", "l.created_at", "l.id")
    scans = query.attachment is None and not query.attachments
    return _List(columns, source, conditions, keys, link_of, _link_position).select(query.window, scans=scans)


def _link_position(row: DbRow) -> tuple[Scalar, ...]:
    return (row[6], row[8], row[1])


def _in_subtree(account: int, path: str) -> Sql:
    start = "l.attachment IN (SELECT key FROM attachments WHERE account = ? AND trashed = 0 AND path = ? UNION ALL "
    rest = "SELECT key FROM attachments INDEXED BY attachments_path WHERE account = ? AND trashed = 0 AND "
    return Sql(start, (account, path)) + Sql(rest, (account,)) + below("path", path) + ")"


# ---------------------------------------------------------------- the path tree


def plan_entries(query: EntryQuery, grammar: Grammar) -> Select:
    """Folders and live attachments of the tree by path, merged from one index each."""
    arms = []
    if "file" in query.kinds:
        arms.extend(_entry_arms(query, _files(query, grammar), "a", 1))
    if "folder" in query.kinds and all(each.field in FOLDER_FIELDS.columns for each in query.where):
        arms.extend(_entry_arms(query, _folders(query, grammar), "f", 0))
    if not arms:
        arms = [Sql("SELECT path, 0 AS kind, key FROM folders WHERE FALSE")]
    key = SortKey(Sql("path"), query.descending)
    every = joined(" UNION ALL ", arms)
    total = Sql("SELECT count(*) FROM (") + every + ") t"
    after = query.window.after
    reached = beyond([key], places(after)) if after is not None else Sql("TRUE")
    page = (
        Sql("SELECT path, kind, key FROM (") + every + ") t WHERE " + reached + order_by([key]) + limited(query.window)
    )
    rows = Sql(f"SELECT {ATTACHMENT_COLUMNS}, {_FOLDER_COLUMNS}, e.path, e.kind FROM (") + page + ") e "
    rows += (
        "LEFT JOIN attachments a ON e.kind = 1 AND a.key = e.key LEFT JOIN folders f ON e.kind = 0 AND f.key = e.key"
    )
    narrowed = query.words is not None or bool(query.where) or bool(query.scopes) or query.within is not None
    scans = (query.parent is None or narrowed) and not _by_md5(query)
    return Select(rows + order_by([SortKey(Sql("e.path"), query.descending)]), total, _entry, _entry_path, scans)


def _entry(row: DbRow) -> Attachment | Folder:
    return attachment_of(row) if row[-1] else folder_of(row[COLUMN_COUNT:])


def _entry_path(row: DbRow) -> tuple[Scalar, ...]:
    return (row[-2],)


def _entry_arms(query: EntryQuery, start: tuple[Sql, list[Sql]], alias: str, kind: int) -> list[Sql]:
    """One arm for each subtree. Subtrees inside others are left out, so that nothing comes twice."""
    source, conditions = start
    path = f"{alias}.path"
    select = Sql(f"SELECT {path} AS path, {kind} AS kind, {alias}.key AS key FROM ") + source + " WHERE "
    within = () if query.within is None else _outermost(query.within)
    if query.within is not None and (query.parent is not None or query.under):
        conditions = [*conditions, any_of([path_within(path, each) for each in within])]
    if query.parent is None and query.under:
        return [select + all_of([*conditions, below(path, each)]) for each in _outermost(query.under)]
    if query.parent is None and query.within is not None:
        places = [place for each in within for place in (Sql(f"{path} = ?", (each,)), below(path, each))]
        return [select + all_of([*conditions, place]) for place in places]
    return [select + all_of(conditions)]


def _by_md5(query: EntryQuery) -> bool:
    return any(each.field == "path_md5" and each.op == "eq" for each in query.where)


def _outermost(paths: Sequence[str]) -> list[str]:
    unique = set(paths)
    if "/" in unique:
        return ["/"]
    return sorted(path for path in unique if not any(path.startswith(f"{other}/") for other in unique))


def _files(query: EntryQuery, grammar: Grammar) -> tuple[Sql, list[Sql]]:
    conditions = [Sql("a.account = ? AND a.trashed = 0", (query.account,))]
    source = Sql("attachments a INDEXED BY attachments_path")
    if _by_md5(query):
        source = Sql("attachments a INDEXED BY attachments_path_md5")
    elif query.parent is not None:
        source = Sql("attachments a INDEXED BY attachments_folder")
    if query.parent is not None:
        conditions.append(Sql("a.folder = ?", (query.parent,)))
    else:
        conditions.append(Sql("a.path IS NOT NULL"))
    conditions += [condition(ATTACHMENT_FIELDS, each, grammar) for each in query.where]
    if query.words is not None:
        conditions += _entry_words(query.words, "a", grammar)
        pieces = dict.fromkeys(p for part in search_parts(query.words) for p in part_pieces(query.account, part))
        if pieces and query.parent is None and not _by_md5(query):
            source = Sql("attachments a")
            names = grammar.names(tuple(pieces))
            found = Sql(f"a.key IN (SELECT {names.key} FROM {names.source} WHERE ") + names.match + ")"
            conditions.append(found)
    if query.scopes:
        conditions.append(attachment_within(query.account, query.scopes))
    return source, conditions


def _folders(query: EntryQuery, grammar: Grammar) -> tuple[Sql, list[Sql]]:
    conditions = [Sql("f.account = ?", (query.account,))]
    if query.parent is not None:
        conditions.append(Sql("f.parent = ?", (query.parent,)))
    conditions += [condition(FOLDER_FIELDS, each, grammar) for each in query.where]
    if query.words is not None:
        conditions += _entry_words(query.words, "f", grammar)
    if query.scopes:
        inside = [path_within("f.path", scope.path) for scope in query.scopes if isinstance(scope, PathScope)]
        conditions.append(any_of(inside))
    return Sql("folders f"), conditions


def _entry_words(words: str, alias: str, grammar: Grammar) -> list[Sql]:
    return [grammar.has_part(alias, part) for part in search_parts(words)]
