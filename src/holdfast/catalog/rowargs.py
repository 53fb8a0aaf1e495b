"""Rows that are one statement each, in the same words for every engine: its name, and what is bound in it.

Records and attachments are not here: each engine keeps tables beside them in its own way.
"""

from collections.abc import Callable, Mapping
from typing import Any

from holdfast.catalog import rowcodec as codec
from holdfast.catalog.folding import fold
from holdfast.catalog.statements import Named
from holdfast.core.model import (
    ROOT,
    Account,
    Attachment,
    Blob,
    Client,
    Count,
    Event,
    Folder,
    Lease,
    Ledger,
    Link,
    MediaFacts,
    Rendition,
    StoredAnswer,
    Token,
    User,
    Version,
)
from holdfast.core.ports import Scalar

_Args = tuple[Scalar, ...]
_Of = Callable[[Any], Named]


def _named(name: str, args: Callable[[Any], _Args]) -> _Of:
    return lambda row: Named(name, args(row))


def _user(row: User) -> _Args:
    granted = codec.granted_columns(row.permissions, row.scopes)
    return (row.email, row.name, row.password_hash, *granted, row.created_at, int(row.disabled))


def _client(row: Client) -> _Args:
    return (row.name, row.secret_sha256, *codec.granted_columns(row.permissions, row.scopes), row.created_at)


def _token(row: Token) -> _Args:
    granted = codec.granted_columns(row.permissions, row.scopes)
    return (row.kind, row.name, row.owner, *granted, row.created_at, row.expires_at)


def _ledger(row: Ledger) -> _Args:
    return (row.clock, row.event, row.bytes, row.attachments, codec.encode(row.numbers))


def _version(row: Version) -> _Args:
    return (row.name, row.media_type, row.size, row.sha256, row.created_at, row.created_by)


def _blob(row: Blob) -> _Args:
    return (row.size, row.locator, row.refs, row.created_at, row.idle_since, row.damaged_at)


def _facts(row: MediaFacts) -> _Args:
    facts = row.facts
    return (facts.width, facts.height, facts.pages, facts.captured, row.made_at)


def _link(row: Link) -> _Args:
    return (row.role, row.position, row.caption, row.created_at, row.created_by)


def _ends(row: Link) -> _Args:
    return (row.attachment, row.record.type, row.record.id)


def _event(row: Event) -> _Args:
    return (row.at, row.actor, row.kind, row.subject, codec.encode(row.data))


def _lease(row: Lease) -> _Args:
    return (row.holder, row.until, row.fence, row.done_at, row.place)


def _answer(row: StoredAnswer) -> _Args:
    return (row.fingerprint, row.status, codec.encode(row.headers), row.body, row.created_at)


ADD: Mapping[type[Any], _Of] = {
    Account: _named("account_add", lambda row: (row.number, row.slug, row.created_at, codec.encode(row.settings))),
    Ledger: _named("ledger_add", lambda row: (row.account, *_ledger(row))),
    User: _named("user_add", lambda row: (row.account, row.id, *_user(row))),
    Client: _named("client_add", lambda row: (row.account, row.id, *_client(row))),
    Token: _named("token_add", lambda row: (row.account, row.id, row.sha256, *_token(row))),
    Version: _named("version_add", lambda row: (row.account, row.attachment, row.number, *_version(row))),
    Blob: _named("blob_add", lambda row: (row.account, row.sha256, *_blob(row))),
    Rendition: _named(
        "rendition_add", lambda row: (row.account, row.source, row.edge, row.blob, row.reason, row.made_at)
    ),
    MediaFacts: _named("facts_add", lambda row: (row.account, row.sha256, *_facts(row))),
    Link: _named("link_add", lambda row: (row.account, row.id, *_link(row), *_ends(row))),
    Folder: _named(
        "folder_add",
        lambda row: (row.account, row.path, row.created_at, row.created_by, parent_of(row.path), fold(row.name)),
    ),
    Event: _named("event_add", lambda row: (row.account, row.number, *_event(row))),
    Lease: _named("lease_add", lambda row: (row.name, *_lease(row))),
    Count: _named("count_add", lambda row: (row.key, row.until, row.used)),
    StoredAnswer: _named("answer_add", lambda row: (row.account, row.actor, row.key, *_answer(row))),
}
"""The insert of a row."""

SAVE: Mapping[type[Any], _Of] = {
    Account: _named("account_save", lambda row: (row.slug, row.created_at, codec.encode(row.settings), row.number)),
    Ledger: _named("ledger_save", lambda row: (*_ledger(row), row.account)),
    User: _named("user_save", lambda row: (*_user(row), row.account, row.id)),
    Client: _named("client_save", lambda row: (*_client(row), row.account, row.id)),
    Token: _named("token_save", lambda row: (row.id, *_token(row), row.account, row.sha256)),
    Version: _named("version_save", lambda row: (*_version(row), row.number, row.account, row.attachment)),
    Blob: _named("blob_save", lambda row: (*_blob(row), row.account, row.sha256)),
    Rendition: _named(
        "rendition_save", lambda row: (row.blob, row.reason, row.made_at, row.account, row.source, row.edge)
    ),
    MediaFacts: _named("facts_save", lambda row: (*_facts(row), row.account, row.sha256)),
    Link: _named("link_save", lambda row: (*_link(row), row.account, row.id, row.account, *_ends(row))),
    Folder: _named("folder_save", lambda row: (row.created_at, row.created_by, row.account, row.path)),
    Event: _named("event_save", lambda row: (*_event(row), row.account, row.number)),
    Lease: _named("lease_save", lambda row: (*_lease(row), row.name)),
    Count: _named("count_save", lambda row: (row.until, row.used, row.key)),
    StoredAnswer: _named("answer_save", lambda row: (*_answer(row), row.account, row.actor, row.key)),
}
"""The update of the row of the same key, which must be there."""

REMOVE: Mapping[type[Any], _Of] = {
    Account: _named("account_remove", lambda row: (row.number,)),
    Ledger: _named("ledger_remove", lambda row: (row.account,)),
    User: _named("user_remove", lambda row: (row.account, row.id)),
    Client: _named("client_remove", lambda row: (row.account, row.id)),
    Token: _named("token_remove", lambda row: (row.account, row.sha256)),
    Version: _named("version_remove", lambda row: (row.number, row.account, row.attachment)),
    Blob: _named("blob_remove", lambda row: (row.account, row.sha256)),
    Rendition: _named("rendition_remove", lambda row: (row.account, row.source, row.edge)),
    MediaFacts: _named("facts_remove", lambda row: (row.account, row.sha256)),
    Link: _named("link_remove", lambda row: (row.account, row.id)),
    Folder: _named("folder_remove", lambda row: (row.account, row.path)),
    Event: _named("event_remove", lambda row: (row.account, row.number)),
    Lease: _named("lease_remove", lambda row: (row.name,)),
    Count: _named("count_remove", lambda row: (row.key,)),
    StoredAnswer: _named("answer_remove", lambda row: (row.account, row.actor, row.key)),
}
"""The delete of the row, there or not."""


def derived_columns(row: Attachment) -> tuple[int | None, int, str | None, str | None]:
    """What is stored beside an attachment's own fields: `trashed_at`, `trashed`, `path`, `path_md5`."""
    path = row.path
    return row.trashed_at, int(row.trashed_at is not None), path, None if path is None else codec.path_md5(path)


def parent_of(path: str) -> str:
    """The folder that holds the path."""
    return path.rpartition("/")[0] or ROOT
