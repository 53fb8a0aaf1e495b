"""Structs to rows and back. Columns come in the order of the struct's fields."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from holdfast.core.model import (
    Account,
    AccountSettings,
    Attachment,
    Blob,
    Client,
    Count,
    Event,
    Facts,
    Folder,
    Lease,
    Ledger,
    Link,
    MediaFacts,
    PathScope,
    Record,
    RecordRef,
    RecordScope,
    Rendition,
    Scope,
    StoredAnswer,
    Token,
    TypeScope,
    User,
    Version,
)
from holdfast.core.ports import Scalar

DbRow = tuple[Any, ...]

LONGEST_INDEXED_VALUE = 200
"""Longer property values are not in the property index; conditions on them read the rows."""

TRUE, FALSE = b"\x01", b"\x00"

_settings = msgspec.json.Decoder(AccountSettings)
_object = msgspec.json.Decoder(dict[str, Any])
_texts = msgspec.json.Decoder(list[str])
_pairs = msgspec.json.Decoder(list[tuple[str, str]])


def encode(value: object) -> str:
    """JSON text, the same for equal mappings."""
    return msgspec.json.encode(value, order="deterministic").decode()


def account_of(row: DbRow) -> Account:
    """An account from its columns."""
    return Account(row[0], row[1], row[2], _settings.decode(row[3]))


def ledger_of(row: DbRow) -> Ledger:
    """A ledger from its columns."""
    return Ledger(row[0], row[1], row[2], row[3], row[4], _object.decode(row[5]))


def user_of(row: DbRow) -> User:
    """A user from its columns."""
    account, id, email, name, password_hash, permissions, scopes, created_at, disabled = row
    granted = frozenset(_texts.decode(permissions))
    return User(account, id, email, name, password_hash, granted, _scopes(scopes), created_at, bool(disabled))


def client_of(row: DbRow) -> Client:
    """A client from its columns."""
    account, id, name, secret, permissions, scopes, created_at = row
    return Client(account, id, name, secret, frozenset(_texts.decode(permissions)), _scopes(scopes), created_at)


def token_of(row: DbRow) -> Token:
    """A token from its columns."""
    account, id, sha256, kind, name, owner, permissions, scopes, created_at, expires_at = row
    granted = frozenset(_texts.decode(permissions))
    return Token(account, id, sha256, kind, name, owner, granted, _scopes(scopes), created_at, expires_at)


def record_of(row: DbRow) -> Record:
    """A record from its columns."""
    parents = tuple(RecordRef(type, id) for type, id in _pairs.decode(row[5])) if row[5] != "[]" else ()
    return Record(row[0], row[1], row[2], row[3], _object.decode(row[4]), parents, *row[6:12])


def attachment_of(row: DbRow) -> Attachment:
    """An attachment from its columns."""
    account, id, number, name, description, media_type, size, sha256, version, revision = row[:10]
    return Attachment(
        account,
        id,
        number,
        name,
        description,
        media_type,
        size,
        sha256,
        version,
        revision,
        _object.decode(row[10]),
        *row[11:17],
    )


def version_of(row: DbRow) -> Version:
    """A version from its columns."""
    return Version(*row[:9])


def blob_of(row: DbRow) -> Blob:
    """A blob from its columns."""
    return Blob(*row[:8])


def rendition_of(row: DbRow) -> Rendition:
    """A rendition from its columns."""
    return Rendition(*row[:6])


def facts_of(row: DbRow) -> MediaFacts:
    """The facts of a content from their columns."""
    return MediaFacts(row[0], row[1], Facts(*row[2:6]), row[6])


def link_of(row: DbRow) -> Link:
    """A link from its columns; the record takes two."""
    return Link(row[0], row[1], row[2], RecordRef(row[3], row[4]), *row[5:10])


def folder_of(row: DbRow) -> Folder:
    """A folder from its columns."""
    return Folder(*row[:4])


def event_of(row: DbRow) -> Event:
    """An event from its columns."""
    account, number, at, actor, kind, subject, data = row
    return Event(account, number, at, actor, kind, subject, _object.decode(data))


def lease_of(row: DbRow) -> Lease:
    """A lease from its columns."""
    return Lease(*row[:6])


def count_of(row: DbRow) -> Count:
    """A count from its columns."""
    return Count(*row[:3])


def answer_of(row: DbRow) -> StoredAnswer:
    """A stored answer from its columns."""
    account, actor, key, fingerprint, status, headers, body, created_at = row
    return StoredAnswer(account, actor, key, fingerprint, status, tuple(_pairs.decode(headers)), body, created_at)


def object_of(text: str) -> dict[str, Any]:
    """A JSON object from its column."""
    return _object.decode(text)


def granted_columns(permissions: frozenset[str], scopes: tuple[Scope, ...]) -> tuple[str, str]:
    """Permissions and scopes as the two JSON columns that hold them."""
    return encode(sorted(permissions)), encode([str(scope) for scope in scopes])


def parents_column(parents: tuple[RecordRef, ...]) -> str:
    """A record's parents as JSON: pairs of type and id."""
    return encode([(parent.type, parent.id) for parent in parents])


def path_md5(path: str) -> str:
    """The MD5 of the path's UTF-8 bytes as 32 hex digits; a name, not a protection."""
    return hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()


def indexed_properties(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Scalar]]:
    """The scalars of a property object under their dotted names, as the property index keeps them."""
    for key, value in properties.items():
        if "." in key:
            continue
        if isinstance(value, Mapping):
            yield from indexed_properties(value, f"{prefix}{key}.")
        elif (column := indexed_value(value)) is not None:
            yield prefix + key, column


def indexed_value(value: object) -> Scalar:
    """The value as the property index keeps it; None if it is not kept there."""
    if isinstance(value, bool):
        return TRUE if value else FALSE
    if isinstance(value, str):
        return value if len(value) <= LONGEST_INDEXED_VALUE else None
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else float(value)
    return value if isinstance(value, float) else None


def _scopes(text: str) -> tuple[Scope, ...]:
    return () if text == "[]" else tuple(_scope(each) for each in _texts.decode(text))


def _scope(text: str) -> Scope:
    kind, _, rest = text.partition(":")
    if kind == "record":
        return RecordScope(RecordRef(*rest.split(":", 1)))
    return TypeScope(rest) if kind == "type" else PathScope(rest)


Decode = Callable[[DbRow], Any]
