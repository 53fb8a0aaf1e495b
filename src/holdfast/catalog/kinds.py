"""Every kind of row as one plain list, each streamed from an index: how a whole catalog is read."""

# ruff: noqa: S608 (the text is put together from constants only, every value is bound)

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from holdfast.catalog import rowcodec as codec
from holdfast.catalog.attachment_plans import ATTACHMENT_COLUMNS
from holdfast.catalog.compile import Select, SortKey, Sql, beyond, limited, order_by, places
from holdfast.core.model import (
    Account,
    Attachment,
    Blob,
    Client,
    Event,
    Folder,
    Ledger,
    Link,
    MediaFacts,
    Record,
    Rendition,
    StoredAnswer,
    Token,
    User,
    Version,
)
from holdfast.core.ports import AtQuery, KindQuery, Page


class Kind(NamedTuple):
    """Where the rows of a kind are: columns, source, the column of the account, the order by columns and by their
    places among those above, and what a row means."""

    columns: str
    source: str
    account: str
    order: tuple[str, ...]
    at: tuple[int, ...]
    value: codec.Decode


_VERSION = "a.account, a.id, v.number, v.name, v.media_type, v.size, v.sha256, v.created_at, v.created_by"
_LINK = "l.account, l.id, a.id, r.type, r.id, l.role, l.position, l.caption, l.created_at, l.created_by"
_RECORD = (
    "account, type, id, number, attributes, parents, state, revision, created_at, created_by, updated_at, updated_by"
)
_USER = "account, id, email, name, password_hash, permissions, scopes, created_at, disabled"
_CLIENT = "account, id, name, secret_sha256, permissions, scopes, created_at"
_TOKEN = "account, id, sha256, kind, name, owner, permissions, scopes, created_at, expires_at"  # noqa: S105 -- columns
_BLOB = "account, sha256, size, locator, refs, created_at, idle_since, damaged_at"
_ANSWER = "account, actor, key, fingerprint, status, headers, body, created_at"
_HANGING = "links l CROSS JOIN attachments a ON a.key = l.attachment CROSS JOIN records r ON r.key = l.record"
_OF_ATTACHMENTS = "attachments a INDEXED BY attachments_id CROSS JOIN versions v ON v.attachment = a.key"

KINDS: Mapping[type[Any], Kind] = {
    Account: Kind("number, slug, created_at, settings", "accounts", "number", ("number",), (0,), codec.account_of),
    Ledger: Kind(
        "account, clock, event, bytes, attachments, numbers", "ledgers", "account", ("account",), (0,), codec.ledger_of
    ),
    User: Kind(_USER, "users", "account", ("email", "id"), (2, 1), codec.user_of),
    Client: Kind(_CLIENT, "clients", "account", ("name", "id"), (2, 1), codec.client_of),
    Token: Kind(_TOKEN, "tokens", "account", ("created_at", "id"), (8, 1), codec.token_of),
    Record: Kind(_RECORD, "records", "account", ("created_at", "type", "id"), (8, 1, 2), codec.record_of),
    Folder: Kind("account, path, created_at, created_by", "folders", "account", ("path",), (1,), codec.folder_of),
    Attachment: Kind(
        ATTACHMENT_COLUMNS,
        "attachments a INDEXED BY attachments_number",
        "a.account",
        ("a.number",),
        (2,),
        codec.attachment_of,
    ),
    Version: Kind(_VERSION, _OF_ATTACHMENTS, "a.account", ("a.id", "v.number"), (1, 2), codec.version_of),
    Blob: Kind(_BLOB, "blobs", "account", ("sha256",), (1,), codec.blob_of),
    Rendition: Kind(
        "account, source, edge, blob, reason, made_at",
        "renditions",
        "account",
        ("source", "edge"),
        (1, 2),
        codec.rendition_of,
    ),
    MediaFacts: Kind(
        "account, sha256, width, height, pages, captured, made_at",
        "media_facts",
        "account",
        ("sha256",),
        (1,),
        codec.facts_of,
    ),
    Link: Kind(_LINK, _HANGING, "l.account", ("l.id",), (1,), codec.link_of),
    Event: Kind(
        "account, number, at, actor, kind, subject, data", "events", "account", ("number",), (1,), codec.event_of
    ),
    StoredAnswer: Kind(_ANSWER, "answers", "account", ("created_at", "actor", "key"), (7, 1, 2), codec.answer_of),
}


def plan_kind(query: KindQuery[Any]) -> Select:
    """All rows of a kind in an account."""
    kind = KINDS[query.kind]
    own = Sql(f"{kind.source} WHERE {kind.account} = ?", (query.account,))
    total = Sql("SELECT count(*) FROM ") + own
    keys = [SortKey(Sql(column), descending=False) for column in kind.order]
    if query.window.after is not None:
        own += Sql(" AND ") + beyond(keys, places(query.window.after))
    rows = Sql(f"SELECT {kind.columns} FROM ") + own + order_by(keys) + limited(query.window)
    return Select(rows, total, kind.value, lambda row: tuple(row[at] for at in kind.at), scans=True)


def at_places(query: AtQuery[Any]) -> list[Sql]:
    """The rows at each place."""
    kind = KINDS[query.kind]
    there = " AND ".join(f"{column} = ?" for column in (kind.account, *kind.order))
    text = f"SELECT {kind.columns} FROM {kind.source} WHERE {there}"
    return [Sql(text, (query.account, *place[: len(kind.order)])) for place in query.places]


def page_at(query: AtQuery[Any], found: Sequence[Sequence[codec.DbRow]]) -> Page[Any]:
    """What the statements gave, as one page."""
    value = KINDS[query.kind].value
    return Page(tuple(value(row) for rows in found for row in rows))
