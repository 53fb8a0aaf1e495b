"""Rows for tests of catalogs: each builder gives a valid row, and what matters to a test is said by name."""

from typing import Any

from holdfast.core.model import (
    Account,
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
    Record,
    RecordRef,
    Rendition,
    StoredAnswer,
    Token,
    User,
    Version,
)

AGE = 1_700_000_000_000_000


def account(number: int = 1, **changes: Any) -> Account:
    return Account(**{"number": number, "slug": f"account-{number}", "created_at": AGE, **changes})


def ledger(account: int = 1, **changes: Any) -> Ledger:
    return Ledger(**{"account": account, **changes})


def user(n: int = 1, account: int = 1, **changes: Any) -> User:
    fields = {
        "account": account,
        "id": f"user-{account}-{n}",
        "email": f"user-{n}@account-{account}.example",
        "name": f"User {n}",
        "password_hash": "hash",
        "permissions": frozenset({"attachments.read"}),
        "scopes": (),
        "created_at": AGE + n,
    }
    return User(**{**fields, **changes})


def client(n: int = 1, account: int = 1, **changes: Any) -> Client:
    fields = {
        "account": account,
        "id": f"client-{account}-{n}",
        "name": f"client {n} of {account}",
        "secret_sha256": bytes([n]) * 32,
        "permissions": frozenset({"attachments.read", "attachments.write"}),
        "scopes": (),
        "created_at": AGE + n,
    }
    return Client(**{**fields, **changes})


def token(n: int = 1, account: int = 1, **changes: Any) -> Token:
    fields = {
        "account": account,
        "id": f"token-{account}-{n}",
        "sha256": bytes([account, n]) * 16,
        "kind": "token",
        "name": f"Token {n}",
        "owner": None,
        "permissions": frozenset({"*"}),
        "scopes": (),
        "created_at": AGE + n,
    }
    return Token(**{**fields, **changes})


def record(type: str, id: str, account: int = 1, **changes: Any) -> Record:
    fields = {
        "account": account,
        "type": type,
        "id": id,
        "number": 1,
        "attributes": {},
        "parents": (),
        "state": None,
        "revision": 1,
        "created_at": AGE,
        "created_by": "user:1",
        "updated_at": AGE,
        "updated_by": "user:1",
    }
    return Record(**{**fields, **changes})


def attachment(n: int = 1, account: int = 1, **changes: Any) -> Attachment:
    fields = {
        "account": account,
        "id": f"a-{n:04}",
        "number": n,
        "name": f"file {n}.pdf",
        "description": None,
        "media_type": "application/pdf",
        "size": n,
        "sha256": n.to_bytes(32, "big"),
        "version": 1,
        "revision": 1,
        "properties": {},
        "folder": None,
        "created_at": AGE + n,
        "created_by": "user:1",
        "updated_at": AGE + n,
        "updated_by": "user:1",
    }
    return Attachment(**{**fields, **changes})


def version(attachment: Attachment, number: int = 1, **changes: Any) -> Version:
    fields = {
        "account": attachment.account,
        "attachment": attachment.id,
        "number": number,
        "name": attachment.name,
        "media_type": attachment.media_type,
        "size": attachment.size,
        "sha256": attachment.sha256,
        "created_at": AGE + number,
        "created_by": "user:1",
    }
    return Version(**{**fields, **changes})


def blob(n: int = 1, account: int = 1, **changes: Any) -> Blob:
    fields = {
        "account": account,
        "sha256": n.to_bytes(32, "big"),
        "size": n,
        "locator": f"place/{n}",
        "refs": 1,
        "created_at": AGE + n,
    }
    return Blob(**{**fields, **changes})


def rendition(n: int = 1, edge: int = 256, account: int = 1, **changes: Any) -> Rendition:
    fields = {
        "account": account,
        "source": n.to_bytes(32, "big"),
        "edge": edge,
        "blob": (1000 * n + edge).to_bytes(32, "big"),
        "reason": None,
        "made_at": AGE + n,
    }
    return Rendition(**{**fields, **changes})


def facts(n: int = 1, account: int = 1, **changes: Any) -> MediaFacts:
    known = Facts(**{"width": n, "height": 2 * n, "captured": "2024-05-01T12:30:00", **changes})
    return MediaFacts(account, n.to_bytes(32, "big"), known, AGE + n)


def link(attachment: Attachment, record: RecordRef, n: int = 0, **changes: Any) -> Link:
    fields = {
        "account": attachment.account,
        "id": f"l-{attachment.id}-{record}-{n}",
        "attachment": attachment.id,
        "record": record,
        "role": "document",
        "position": n,
        "caption": None,
        "created_at": AGE + n,
        "created_by": "user:1",
    }
    return Link(**{**fields, **changes})


def folder(path: str, account: int = 1, **changes: Any) -> Folder:
    return Folder(**{"account": account, "path": path, "created_at": AGE, "created_by": "user:1", **changes})


def event(number: int = 1, account: int = 1, **changes: Any) -> Event:
    fields = {
        "account": account,
        "number": number,
        "at": AGE + number,
        "actor": "user:1",
        "kind": "attachment.created",
        "subject": f"a-{number:04}",
        "data": {"n": number},
    }
    return Event(**{**fields, **changes})


def lease(name: str = "collect", **changes: Any) -> Lease:
    return Lease(**{"name": name, "holder": "one", "until": AGE, "fence": 1, **changes})


def count(key: str = "k", **changes: Any) -> Count:
    return Count(**{"key": key, "until": AGE, "used": 1, **changes})


def answer(n: int = 1, account: int = 1, **changes: Any) -> StoredAnswer:
    fields = {
        "account": account,
        "actor": "user-1",
        "key": f"key-{n}",
        "fingerprint": bytes([n]) * 32,
        "status": 201,
        "headers": (("Location", "/é"), ("ETag", '"r1"')),
        "body": b'{"id":"\xff"}',
        "created_at": AGE + n,
    }
    return StoredAnswer(**{**fields, **changes})
