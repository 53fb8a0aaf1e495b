"""The frozen values that the product is made of.

Times are microseconds since the epoch, UTC. Ids are canonical text. An account is known to the core by its number;
its slug is for people.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal, Self

import msgspec

from holdfast.core.errors import Invalid

JsonObject = Mapping[str, Any]

READ = "attachments.read"
WRITE = "attachments.write"
PURGE = "attachments.purge"
RECORDS_READ = "records.read"
RECORDS_WRITE = "records.write"
ADMIN = "admin"
EVERYTHING = "*"
PERMISSIONS = frozenset({READ, WRITE, PURGE, RECORDS_READ, RECORDS_WRITE, ADMIN, EVERYTHING})

ROOT = "/"

_RECORD_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def has_control_characters(text: str) -> bool:
    """Whether the text holds NUL, another C0 or C1 control character, DEL, or half of a surrogate pair."""
    return _CONTROL.search(text) is not None


class RecordRef(msgspec.Struct, frozen=True, order=True):
    """Which record: its type and the id that the host application gave it. Written `type:id`."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}:{self.id}"

    @classmethod
    def checked(cls, type: str, id: str) -> Self:
        """The reference, if both halves follow the grammar.

        A type is 1 to 64 letters, digits, `_`, `.` or `-`; an id is 1 to 200 characters without `/` and control
        characters. Raises `Invalid` otherwise.
        """
        if not _RECORD_TYPE.fullmatch(type):
            raise Invalid("A record type is 1 to 64 letters, digits, '_', '.' or '-'", fields={"record": "bad type"})
        if not 1 <= len(id) <= 200 or "/" in id or has_control_characters(id):
            raise Invalid("A record id is 1 to 200 characters without '/'", fields={"record": "bad id"})
        return cls(type, id)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `type:id`, split at the first colon. Raises `Invalid`."""
        type, colon, id = text.partition(":")
        if not colon:
            raise Invalid("A record is written type:id", fields={"record": "expected type:id"})
        return cls.checked(type, id)


class RecordScope(msgspec.Struct, frozen=True):
    """One record and all below it, through any parent."""

    record: RecordRef

    def __str__(self) -> str:
        return f"record:{self.record}"


class TypeScope(msgspec.Struct, frozen=True):
    """Every record of a type and all below them."""

    type: str

    def __str__(self) -> str:
        return f"type:{self.type}"


class PathScope(msgspec.Struct, frozen=True):
    """A folder and all below it."""

    path: str

    def __str__(self) -> str:
        return f"path:{self.path}"


Scope = RecordScope | TypeScope | PathScope


class Actor(msgspec.Struct, frozen=True):
    """Who is asking. No scopes means the whole account. `credential` is the id of the token that was shown."""

    account: int
    id: str
    kind: Literal["user", "client", "token", "system"]
    name: str
    permissions: frozenset[str]
    scopes: tuple[Scope, ...] = ()
    credential: str = ""

    def may(self, *permissions: str) -> bool:
        """Whether any of these permissions was granted."""
        granted = self.permissions
        return EVERYTHING in granted or any(permission in granted for permission in permissions)


class AccountSettings(msgspec.Struct, frozen=True):
    """What an operator may set for one account; None means the installation's default, or no limit.

    `allowed_types` are exact media types. `allowed_types_on` narrows them further for what hangs on records of a
    type; a type that it does not name takes all that the account takes.
    """

    quota_bytes: int | None = None
    quota_attachments: int | None = None
    max_file_bytes: int | None = None
    allowed_types: tuple[str, ...] | None = None
    trash_days: int | None = None
    allowed_types_on: Mapping[str, tuple[str, ...]] = {}


class Account(msgspec.Struct, frozen=True):
    """A tenant. Everything belongs to exactly one."""

    number: int
    slug: str
    created_at: int
    settings: AccountSettings = AccountSettings()


class Ledger(msgspec.Struct, frozen=True):
    """The running figures of an account, taken by every writing transaction so that writes are numbered.

    `clock` is the last time handed out, `event` the last event number, `numbers` the last number of each series
    (`attachment`, `record:case`, …). `bytes` sums the sizes of all versions kept, trashed ones too; `attachments`
    counts attachments that are not in the trash.
    """

    account: int
    clock: int = 0
    event: int = 0
    bytes: int = 0
    attachments: int = 0
    numbers: Mapping[str, int] = {}


class User(msgspec.Struct, frozen=True):
    """A person who signs in with e-mail and password. E-mails are unique in an installation, in lower case."""

    account: int
    id: str
    email: str
    name: str
    password_hash: str
    permissions: frozenset[str]
    scopes: tuple[Scope, ...]
    created_at: int
    disabled: bool = False


class Client(msgspec.Struct, frozen=True):
    """A program that signs in with an id and a secret. Names are unique in an installation."""

    account: int
    id: str
    name: str
    secret_sha256: bytes
    permissions: frozenset[str]
    scopes: tuple[Scope, ...]
    created_at: int


class Token(msgspec.Struct, frozen=True):
    """A bearer credential, stored as the SHA-256 of its 64 hex digits.

    `kind`: `token` is made by an operator and carries its own permissions; `session` and `refresh` belong to
    `owner`, the user or client who signed in, whose permissions count at each use.
    """

    account: int
    id: str
    sha256: bytes
    kind: Literal["token", "session", "refresh"]
    name: str
    owner: str | None
    permissions: frozenset[str]
    scopes: tuple[Scope, ...]
    created_at: int
    expires_at: int | None = None


class Record(msgspec.Struct, frozen=True):
    """A business object of the host application. `number` counts the records of its type in the account."""

    account: int
    type: str
    id: str
    number: int
    attributes: JsonObject
    parents: tuple[RecordRef, ...]
    state: str | None
    revision: int
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str

    @property
    def ref(self) -> RecordRef:
        """Type and id."""
        return RecordRef(self.type, self.id)


class Attachment(msgspec.Struct, frozen=True):
    """The thing users handle. Media type, size and digest are those of the current version.

    `revision` grows with every change of the row, `version` with every new content. `folder` is the path of the
    folder that holds it, or None; the path of the attachment is then folder plus name.
    """

    account: int
    id: str
    number: int
    name: str
    description: str | None
    media_type: str
    size: int
    sha256: bytes
    version: int
    revision: int
    properties: JsonObject
    folder: str | None
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str
    trashed_at: int | None = None

    @property
    def path(self) -> str | None:
        """The full path in the account's tree, or None when the attachment has no place there."""
        return None if self.folder is None else joined(self.folder, self.name)


class Version(msgspec.Struct, frozen=True):
    """One immutable content of an attachment; numbers start at 1 and have no gaps."""

    account: int
    attachment: str
    number: int
    name: str
    media_type: str
    size: int
    sha256: bytes
    created_at: int
    created_by: str


class Blob(msgspec.Struct, frozen=True):
    """Bytes at rest: stored once in an account, wherever `locator` says.

    `refs` counts the versions and renditions that hold it; `idle_since` is when the count last fell to zero;
    `damaged_at` is when its bytes were found to be gone or changed: from then on they are not served, until they are
    whole again.
    """

    account: int
    sha256: bytes
    size: int
    locator: str
    refs: int
    created_at: int
    idle_since: int | None = None
    damaged_at: int | None = None


class Facts(msgspec.Struct, frozen=True):
    """What is known of a file besides its bytes; where it was taken is left out on purpose.

    `width` and `height` in pixels, as the picture is meant to be seen; `pages` of a PDF or TIFF; `captured` by the
    camera's clock: `2024-05-01T12:30:00`, with an offset from UTC if the camera knew one.
    """

    width: int | None = None
    height: int | None = None
    pages: int | None = None
    captured: str | None = None


class Rendition(msgspec.Struct, frozen=True):
    """A small picture of the content `source` within `edge` by `edge` pixels, shared by all attachments of it.

    `blob` is the digest of the JPEG. None says that there is none for good, and `reason` why.
    """

    account: int
    source: bytes
    edge: int
    blob: bytes | None
    reason: str | None
    made_at: int


class MediaFacts(msgspec.Struct, frozen=True):
    """What was read out of the content `sha256`; with no fact at all, it was tried and there is nothing to say."""

    account: int
    sha256: bytes
    facts: Facts
    made_at: int


class Link(msgspec.Struct, frozen=True):
    """An attachment hanging on a record. The same pair may hang together once for each role."""

    account: int
    id: str
    attachment: str
    record: RecordRef
    role: str
    position: int
    caption: str | None
    created_at: int
    created_by: str


class Folder(msgspec.Struct, frozen=True):
    """A node of the path tree, known by its path (`/a/b`, no trailing slash). The root is not stored."""

    account: int
    path: str
    created_at: int
    created_by: str

    @property
    def name(self) -> str:
        """The last segment."""
        return self.path.rpartition("/")[2]


class Event(msgspec.Struct, frozen=True):
    """One entry of the account's log of changes; numbers grow by one.

    `kind` is `attachment.created`, `record.updated`, …; `subject` the attachment's id, `type:id` or path.
    """

    account: int
    number: int
    at: int
    actor: str
    kind: str
    subject: str
    data: JsonObject


class Lease(msgspec.Struct, frozen=True):
    """Which process of several does a duty: `holder` has it to itself until `until`.

    `fence` grows with every change of hands, so that a holder that was passed over finds out. `done_at` is when the
    duty was last done whole, `place` where it goes on if it was not.
    """

    name: str
    holder: str
    until: int
    fence: int
    done_at: int | None = None
    place: str = ""


class Count(msgspec.Struct, frozen=True):
    """How often something was done until a time, by all processes together; `key` is a digest of what and by whom."""

    key: str
    until: int
    used: int


class Tally(msgspec.Struct, frozen=True):
    """How many live attachments hang on a record."""

    record: RecordRef
    count: int


class Standing(msgspec.Struct, frozen=True):
    """How an attachment stands to some scopes: its places (links, and one for a path) and those within scope."""

    places: int
    within: int


class Hold(msgspec.Struct, frozen=True):
    """How many versions hold the bytes of a digest, trashed ones too, and how many renditions are these bytes."""

    sha256: bytes
    versions: int
    renditions: int = 0

    @property
    def holders(self) -> int:
        """All who hold them: what the blob's `refs` should say."""
        return self.versions + self.renditions


class Figures(msgspec.Struct, frozen=True):
    """What an account's rows add up to: `bytes` and `attachments` as its ledger should say, and its blobs' number and
    bytes."""

    bytes: int
    attachments: int
    blobs: int
    blob_bytes: int


class StoredAnswer(msgspec.Struct, frozen=True):
    """What a create under an idempotency key was answered, kept for the actor to hear again.

    `fingerprint` is a digest of all that the request said. `status`, `headers` and `body` mean nothing to the core.
    """

    account: int
    actor: str
    key: str
    fingerprint: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    created_at: int


class ByteRange(msgspec.Struct, frozen=True):
    """`length` bytes from `start`."""

    start: int
    length: int


class Content(msgspec.Struct, frozen=True):
    """Stored bytes, ready to be read: what a download needs and no more. `modified_at` is in microseconds."""

    name: str
    media_type: str
    size: int
    sha256: bytes
    modified_at: int
    read: Callable[[ByteRange], AsyncIterator[bytes]]


class Derived(msgspec.Struct, frozen=True):
    """The facts, and one JPEG for each edge asked for, in that order."""

    facts: Facts
    thumbnails: tuple[bytes, ...] = ()


class NoRendition(msgspec.Struct, frozen=True):
    """There is none. Every reason but `unavailable` lies in the file and holds for good, so it is worth recording.

    `unsupported`: not a type that has renditions. `oversize`: more bytes than the limit. `refused`: broken, not what it
    says, or too many pixels. `limit`: too much memory, processor or time. `crashed`: the decoder died. `garbled`: the
    answer was not one. `unavailable`: no child could be started or locked in, or the store was too slow.
    """

    reason: Literal["unsupported", "oversize", "refused", "limit", "crashed", "garbled", "unavailable"]

    @property
    def lasting(self) -> bool:
        """Whether another try would come to the same."""
        return self.reason != "unavailable"


def joined(folder: str, name: str) -> str:
    """The path of `name` inside `folder`."""
    return f"/{name}" if folder == ROOT else f"{folder}/{name}"
