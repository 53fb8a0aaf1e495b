"""How a query for attachments is answered.

Every narrowing part of the query can be asked of a row (a test), and most can also drive: give the keys that pass,
some of them already in key order, which is order of creation. The plan picks one part to drive and tests the rest.
Parts that drive in key order stream a page without sorting. Parts of unknown size (scopes, a subtree) drive only when
they are estimated to be small; otherwise the account's list is walked in order and the part is tested.
"""

# ruff: noqa: S608 (the text is put together from constants only, every value is bound)

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from holdfast.catalog.compile import (
    ATTACHMENT_FIELDS,
    LAST_KEY,
    RECORD_FIELDS,
    Grammar,
    Select,
    SortKey,
    Sql,
    all_of,
    any_of,
    below,
    beyond,
    bound,
    condition,
    joined,
    limited,
    one_of,
    order_by,
    places,
    sort_keys,
)
from holdfast.catalog.folding import part_pieces, search_parts
from holdfast.catalog.rowcodec import attachment_of
from holdfast.core.errors import Invalid
from holdfast.core.model import PathScope, RecordRef, RecordScope, Scope
from holdfast.core.ports import AttachmentQuery, Order, RecordFilter, Scalar, Where

ATTACHMENT_COLUMNS = (
    "a.account, a.id, a.number, a.name, a.description, a.media_type, a.size, a.sha256, a.version, a.revision, "
    "a.properties, a.folder, a.created_at, a.created_by, a.updated_at, a.updated_by, a.trashed_at"
)
COLUMN_COUNT = 17


class Engine(Protocol):
    """What a plan may ask of an engine: how it writes things, and estimates, cheap and inexact, that decide the way and
    never the result."""

    @property
    def grammar(self) -> Grammar:
        """How it writes things."""
        ...

    def small(self, source: Sql) -> bool:
        """Whether a source gives few rows."""
        ...

    def rarest(self, pieces: Sequence[str]) -> Sequence[str]:
        """Those of the pieces of names that narrow most."""
        ...


_CREATION = ("created_at", "number")
_INDEXED_COLUMNS = ("id", "number", "name", "sha256", "path", "path_md5")
_INDEX_OF_ORDER = {"name": "attachments_name", "updated_at": "attachments_updated"}


class Part(NamedTuple):
    """One narrowing part. `source` with `conditions` gives keys in `key`.

    `streams` are sources of links `l` that together give the same, each from an index in the order of
    `l.attachment`. `ordered`: each once, in key order. `few`: at most a handful. `unknown_size`: perhaps most of the
    account.
    """

    test: Sql
    source: Sql | None = None
    key: str = "a.key"
    conditions: tuple[Sql, ...] = ()
    ordered: bool = False
    few: bool = False
    unknown_size: bool = False
    streams: tuple[Sql, ...] = ()


def record_key(account: int, ref: RecordRef) -> Sql:
    """A scalar subquery for a record's key."""
    return Sql("(SELECT key FROM records WHERE account = ? AND type = ? AND id = ?)", (account, ref.type, ref.id))


def plan_attachments(query: AttachmentQuery, engine: Engine) -> Select:
    """The page and the total of a query for attachments. Raises `Invalid` for an unknown field or a bad cursor."""
    trashed = int(query.trashed)
    creation, where = _creation_bounds(query)
    parts = [*_parts(query, engine), *(_where_part(query, each, engine.grammar) for each in where)]
    if (only := _only_stream(query, parts)) is not None:
        return _plan_streams(
            query, only.streams, creation, [part.test for part in parts if part is not only], engine.grammar
        )
    driver = _driver(parts, engine)
    tests = [part.test for part in parts if part is not driver]
    own = [Sql("a.account = ?", (query.account,)), Sql(f"a.trashed = {trashed}")]
    if driver is None or driver.source is None:
        source, key, conditions = Sql(f"attachments a INDEXED BY {_list_index(query)}"), "a.key", own
    else:
        source, key, conditions = driver.source, driver.key, [*driver.conditions, *own]
    keys = _sort(query, key, engine.grammar)
    conditions = [*conditions, *(_bound_key(key, each) for each in creation), *tests]
    total = Sql("SELECT count(*) FROM ") + source + " WHERE " + all_of(conditions)
    if query.window.after is not None:
        conditions.append(_after(query, keys, query.window.after))
    extra = "".join(", " + each.sql.text for each in keys[:-1])
    rows = Sql(f"SELECT {ATTACHMENT_COLUMNS}{extra} FROM ", tuple(arg for each in keys[:-1] for arg in each.sql.args))
    rows = rows + source + " WHERE " + all_of(conditions) + order_by(keys) + limited(query.window)
    streams = driver is None and not tests and (len(keys) == 1 or _list_index(query) != "attachments_listed")
    if driver is not None:
        streams = (driver.ordered and len(keys) == 1) or driver.few
    return Select(rows, total, attachment_of, _position, not streams)


def _position(row: tuple[Any, ...]) -> tuple[Scalar, ...]:
    return (*row[COLUMN_COUNT:], row[2])


def _sort(query: AttachmentQuery, key: str, grammar: Grammar) -> list[SortKey]:
    """The sort keys; an order by creation ends in the key, which stands for it, and others in the key for ties."""
    leading: list[Order] = []
    for order in query.order:
        if order.field in _CREATION:
            return [*sort_keys(ATTACHMENT_FIELDS, leading, grammar), SortKey(Sql(key), order.descending)]
        leading.append(order)
    descending = leading[-1].descending if leading else True
    return [*sort_keys(ATTACHMENT_FIELDS, leading, grammar), SortKey(Sql(key), descending)]


def _list_index(query: AttachmentQuery) -> str:
    first = query.order[0].field if query.order else "created_at"
    return _INDEX_OF_ORDER.get(first, "attachments_listed") if _sort_is_simple(query) else "attachments_listed"


def _sort_is_simple(query: AttachmentQuery) -> bool:
    return len(query.order) == 1 or (len(query.order) == 2 and query.order[1].field in _CREATION)


def _after(query: AttachmentQuery, keys: Sequence[SortKey], after: tuple[Scalar, ...]) -> Sql:
    if len(after) != len(keys) or not isinstance(after[-1], int):
        raise Invalid("The cursor does not belong to this list", fields={"cursor": "bad cursor"})
    op = "lt" if keys[-1].descending else "gt"
    last = _key_at(query.account, "number", op, after[-1])
    return beyond(keys, [*places(after[:-1]), last])


def _key_at(account: int, column: str, op: str, value: Scalar) -> Sql:
    """The key that bounds the attachments on one side of a value of `created_at` or `number`."""
    sign, direction, nothing = {
        "lt": (">=", "", LAST_KEY),
        "le": (">", "", LAST_KEY),
        "gt": ("<=", " DESC", 0),
        "ge": ("<", " DESC", 0),
    }[op]
    return Sql(
        f"(SELECT coalesce((SELECT key FROM attachments WHERE account = ? AND {column} {sign} ? "
        f"ORDER BY {column}{direction}, key{direction} LIMIT 1), {nothing}))",
        (account, bound(value)),
    )


class _KeyBound(NamedTuple):
    sign: str
    place: Sql


def _bound_key(key: str, limit: _KeyBound) -> Sql:
    return Sql(f"{key} {limit.sign} ") + limit.place


def _creation_bounds(query: AttachmentQuery) -> tuple[list[_KeyBound], list[Where]]:
    """Conditions on the time of creation or the number as bounds of the key, and the conditions that remain."""
    bounds, rest = [], []
    for where in query.where:
        value = where.value
        ordered = where.field in _CREATION and where.op in ("lt", "le", "gt", "ge")
        if ordered and isinstance(value, int | float) and not isinstance(value, bool):
            sign = "<" if where.op in ("lt", "le") else ">"
            bounds.append(_KeyBound(sign, _key_at(query.account, where.field, where.op, value)))
        else:
            rest.append(where)
    return bounds, rest


# ---------------------------------------------------------------- the parts


def _parts(query: AttachmentQuery, engine: Engine) -> list[Part]:
    parts = []
    if query.record is not None:
        parts.append(_record_part(query, query.record, query.roles))
    elif query.roles:
        parts.append(Part(_linked_test(one_of("l.role", query.roles))))
    if query.words is not None:
        parts.extend(_words_parts(query.account, query.words, engine))
    parts.extend(_linked_part(query, each, engine.grammar) for each in query.linked)
    if query.folder is not None:
        parts.append(_folder_part(query.folder))
    if query.under:
        parts.append(_under_part(query))
    if query.scopes:
        parts.append(_scopes_part(query))
    return parts


def _driver(parts: Sequence[Part], engine: Engine) -> Part | None:
    """The part to drive with: parts come in the order of preference, those of unknown size only if small."""
    for part in parts:
        if part.source is not None and not part.unknown_size and not part.ordered:
            return part
    for part in parts:
        if part.source is not None and part.ordered:
            return part
    for part in parts:
        if part.source is not None and part.unknown_size and engine.small(_counted(part.source)):
            return part
    return None


def _counted(source: Sql) -> Sql:
    # UNION has to see everything before its first row; duplicates do not matter for an estimate.
    return Sql(source.text.replace(" UNION ", " UNION ALL "), source.args)


def _set_of(test: Sql, select: Sql, *, few: bool = False, unknown_size: bool = False) -> Part:
    source = Sql("(") + select + ") d CROSS JOIN attachments a ON a.key = d.key"
    return Part(test, source, "a.key", few=few, unknown_size=unknown_size)


def _record_part(query: AttachmentQuery, ref: RecordRef, roles: Sequence[str] = ()) -> Part:
    key = record_key(query.account, ref)
    in_role = [one_of("l.role", roles)] if roles else []
    test = _linked_test(all_of([Sql("l.record = ") + key, *in_role]))
    conditions = [Sql("l.record = ") + key, Sql(f"l.trashed = {int(query.trashed)}"), *in_role]
    if len(roles) != 1:
        earlier = [Sql("e.record = l.record AND e.attachment = l.attachment AND e.role < l.role")]
        earlier += [one_of("e.role", roles)] if roles else []
        conditions.append(Sql("NOT EXISTS (SELECT 1 FROM links e WHERE ") + all_of(earlier) + ")")
    source = Sql("links l INDEXED BY links_listed CROSS JOIN attachments a ON a.key = l.attachment")
    stream = Sql("links l INDEXED BY links_listed WHERE l.record = ") + key + f" AND l.trashed = {int(query.trashed)}"
    stream = joined(" AND ", [stream, *in_role])
    return Part(test, source, "l.attachment", tuple(conditions), ordered=True, streams=(stream,))


def _linked_test(conditions: Sql) -> Sql:
    return Sql("EXISTS (SELECT 1 FROM links l WHERE l.attachment = a.key AND ") + conditions + ")"


def _words_parts(account: int, words: str, engine: Engine) -> list[Part]:
    found = search_parts(words)
    tests = [engine.grammar.has_part("a", part) for part in found]
    pieces = dict.fromkeys(piece for part in found for piece in part_pieces(account, part))
    if not pieces:
        return [Part(all_of(tests))] if tests else []
    names = engine.grammar.names(engine.rarest(tuple(pieces)))
    source = Sql(f"{names.source} CROSS JOIN attachments a ON a.key = {names.key}")
    return [Part(all_of(tests), source, names.key, (names.match, *tests), ordered=True)]


def _types_part(query: AttachmentQuery, types: Sequence[str]) -> Part:
    test = _linked_test(one_of("l.type", types) if types else Sql("TRUE"))
    own = f"links l INDEXED BY links_typed WHERE l.account = ? AND l.type = ? AND l.trashed = {int(query.trashed)}"
    return Part(test, streams=tuple(Sql(own, (query.account, type)) for type in types))


def _linked_part(query: AttachmentQuery, filter: RecordFilter, grammar: Grammar) -> Part:
    if not filter.where:
        return _types_part(query, tuple(dict.fromkeys(filter.types)))
    if (ref := _named_record(filter)) is not None:
        return _record_part(query, ref)
    passing = [Sql("r.account = ?", (query.account,)), *([one_of("r.type", filter.types)] if filter.types else [])]
    passing += [condition(RECORD_FIELDS, each, grammar) for each in filter.where]
    if query.scopes:
        within = ancestor_in(query.account, query.scopes)
        passing.append(Sql("EXISTS (SELECT 1 FROM record_ancestors s WHERE s.record = r.key AND ") + within + ")")
    select = Sql("SELECT DISTINCT l.attachment AS key FROM records r CROSS JOIN links l ON l.record = r.key WHERE ")
    test = Sql("EXISTS (SELECT 1 FROM links l CROSS JOIN records r ON r.key = l.record WHERE l.attachment = a.key AND ")
    by_id = bool(filter.types) and any(each.field == "id" and each.op in ("eq", "in") for each in filter.where)
    return _set_of(test + all_of(passing) + ")", select + all_of(passing), few=by_id)


def _named_record(filter: RecordFilter) -> RecordRef | None:
    """The one record that can pass, if the filter says no more than its type and id."""
    if len(filter.types) != 1 or len(filter.where) != 1:
        return None
    only = filter.where[0]
    named = only.field == "id" and only.op == "eq" and isinstance(only.value, str)
    return RecordRef(filter.types[0], str(only.value)) if named else None


def _folder_part(folder: str) -> Part:
    test = Sql("a.folder = ?", (folder,))
    return Part(test, Sql("attachments a INDEXED BY attachments_folder"), conditions=(test,))


def _under_part(query: AttachmentQuery) -> Part:
    test = any_of([below("a.path", path) for path in query.under])
    arms = [arm for path in query.under for arm in _subtree(query.account, path)]
    return _set_of(test, joined(" UNION ", arms), unknown_size=True)


def _subtree(account: int, path: str) -> list[Sql]:
    """Keys of the attachments, trashed or not, in a folder and at any depth below it."""
    start = Sql("SELECT c.key FROM attachments c INDEXED BY attachments_folder WHERE c.account = ? AND ", (account,))
    return [start + Sql("c.folder = ?", (path,)), start + below("c.folder", path)]


def _scopes_part(query: AttachmentQuery) -> Part:
    arms = []
    for scope in query.scopes:
        if isinstance(scope, PathScope):
            arms.extend(_subtree(query.account, scope.path))
            arms.append(_at_path(query.account, scope.path))
        else:
            arms.append(Sql("SELECT DISTINCT l.attachment AS key FROM ") + _scope_links(query.account, scope))
    return _set_of(attachment_within(query.account, query.scopes), joined(" UNION ", arms), unknown_size=True)


def attachment_within(account: int, scopes: Sequence[Scope]) -> Sql:
    """The test on an attachment `a` that it lies within one of the scopes, by a link or by its path."""
    tests = [path_within("a.path", scope.path) for scope in scopes if isinstance(scope, PathScope)]
    records = [scope for scope in scopes if not isinstance(scope, PathScope)]
    if records:
        standing = Sql("EXISTS (SELECT 1 FROM links l CROSS JOIN record_ancestors s ON s.record = l.record ")
        tests.append(standing + "WHERE l.attachment = a.key AND " + ancestor_in(account, records) + ")")
    return any_of(tests)


def _at_path(account: int, path: str) -> Sql:
    start = "SELECT c.key FROM attachments c INDEXED BY attachments_folder WHERE c.account = ? AND c.folder = ? "
    return Sql(start + "AND c.trashed IN (0, 1) AND c.path = ?", (account, path.rpartition("/")[0] or "/", path))


def _scope_links(account: int, scope: Scope) -> Sql:
    return Sql("record_ancestors s CROSS JOIN links l ON l.record = s.record WHERE ") + ancestor_in(account, [scope])


def ancestor_in(account: int, scopes: Sequence[Scope]) -> Sql:
    """The test on a row `s` of `record_ancestors` that one of the scopes on records holds it."""
    tests = []
    for scope in scopes:
        if isinstance(scope, RecordScope):
            tests.append(Sql("s.ancestor = ") + record_key(account, scope.record))
        elif not isinstance(scope, PathScope):
            tests.append(Sql("(s.account = ? AND s.type = ?)", (account, scope.type)))
    return any_of(tests)


def path_within(column: str, path: str) -> Sql:
    """The test that a path is that folder or lies below it; false for a missing one."""
    return Sql("coalesce(") + any_of([Sql(f"{column} = ?", (path,)), below(column, path)]) + ", FALSE)"


def _where_part(query: AttachmentQuery, where: Where, grammar: Grammar) -> Part:
    test = condition(ATTACHMENT_FIELDS, where, grammar)
    if where.op == "eq" and where.field.startswith("property.") and not isinstance(where.value, tuple):
        match = grammar.property_is(query.account, where.field.partition(".")[2], where.value)
        return Part(test) if match is None else _property_part(test, match)
    values = where.value if isinstance(where.value, tuple) else (where.value,)
    live = where.field != "path" or not query.trashed
    if where.op not in ("eq", "in") or where.field not in _INDEXED_COLUMNS or None in values or not live:
        return Part(test)
    # The partial index wants to be told what its rows have in common.
    conditions = (test, Sql(f"a.{where.field} IS NOT NULL"))
    return Part(test, Sql(f"attachments a INDEXED BY attachments_{where.field}"), conditions=conditions, few=True)


def _property_part(test: Sql, match: Sql) -> Part:
    source = Sql("attachment_properties p CROSS JOIN attachments a ON a.key = p.attachment")
    return Part(test, source, "p.attachment", (match,), ordered=True)


# ---------------------------------------------------------------- lists of record types


def _only_stream(query: AttachmentQuery, parts: Sequence[Part]) -> Part | None:
    """The part of links that drives alone, if there is one and the order is that of creation."""
    driving = [part for part in parts if part.streams or part.source is not None]
    by_creation = not query.order or query.order[0].field in _CREATION
    return driving[0] if by_creation and len(driving) == 1 and driving[0].streams else None


def _plan_streams(
    query: AttachmentQuery,
    streams: Sequence[Sql],
    creation: Sequence[_KeyBound],
    tests: Sequence[Sql],
    grammar: Grammar,
) -> Select:
    """Merge index streams of links; rows are read for the page only, unless there is more to test."""
    key = _sort(query, "l.attachment", grammar)[0]
    bounds = [_bound_key("l.attachment", each) for each in creation]
    if tests:
        bounds.append(Sql("EXISTS (SELECT 1 FROM attachments a WHERE a.key = l.attachment AND ") + all_of(tests) + ")")
    total = Sql("SELECT count(*) FROM (") + joined(" UNION ", _arms(streams, bounds)) + ") t"
    if query.window.after is not None:
        bounds.append(_after(query, [key], query.window.after))
    direction = " DESC" if key.descending else ""
    reach = query.window.offset + query.window.limit + 1
    arms = [grammar.arm(arm, f"1{direction}", reach) for arm in _arms(streams, bounds)]
    stream = joined(" UNION ", arms) + f" ORDER BY 1{direction}" + limited(query.window)
    rows = Sql(f"SELECT {ATTACHMENT_COLUMNS} FROM (") + stream + ") p CROSS JOIN attachments a ON a.key = p.key "
    return Select(rows + f"ORDER BY p.key{direction}", total, attachment_of, _position, bool(tests))


def _arms(streams: Sequence[Sql], bounds: Sequence[Sql]) -> list[Sql]:
    """The keys of the attachments of each stream, each once in it."""
    return [Sql("SELECT DISTINCT l.attachment AS key FROM ") + joined(" AND ", [each, *bounds]) for each in streams]
