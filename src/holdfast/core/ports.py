"""What the core asks of the outside, each contract in prose. All verbs are async, of one colour.

Catalog: rows. `get` takes a key and gives the row or None; `find` takes a query and gives a page. Both are values,
so that what varies is data and not a method. `transact` runs a body against a `Tx` that can also write.

Blobs: bytes. `create` gives a writer with commit and cancel; nothing is visible before commit.

An adapter raises `Unavailable` when its engine cannot answer, `StorageFull` when there is no room, and `Conflict` when
`add` or `save` breaks a uniqueness rule; it validates nothing that the core has validated.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Generic, Literal, Protocol, TypeVar

import msgspec

from holdfast.core.model import (
    Account,
    Attachment,
    Blob,
    ByteRange,
    Client,
    Count,
    Derived,
    Event,
    Figures,
    Folder,
    Hold,
    Lease,
    Ledger,
    Link,
    MediaFacts,
    NoRendition,
    Record,
    RecordRef,
    Rendition,
    Scope,
    Standing,
    StoredAnswer,
    Tally,
    Token,
    User,
    Version,
)

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")
T = TypeVar("T")

Scalar = None | bool | int | float | str | bytes
Held = Attachment | Version | Blob | Rendition | MediaFacts | Link | Folder
Row = Account | Ledger | User | Client | Token | Record | Held | Event | StoredAnswer | Lease | Count


# ---------------------------------------------------------------- keys: how one row is named


class Key(msgspec.Struct, Generic[R_co], frozen=True):
    """Names at most one row of its kind."""


class AccountKey(Key[Account], frozen=True):
    """An account by its number."""

    number: int


class SlugKey(Key[Account], frozen=True):
    """An account by its slug."""

    slug: str


class LedgerKey(Key[Ledger], frozen=True):
    """An account's ledger. Got inside a transaction, it is held against other writers until the end."""

    account: int


class UserKey(Key[User], frozen=True):
    """A user by e-mail, already in lower case."""

    email: str


class UserIdKey(Key[User], frozen=True):
    """A user by id."""

    id: str


class ClientKey(Key[Client], frozen=True):
    """A client by id."""

    id: str


class ClientNameKey(Key[Client], frozen=True):
    """A client by name."""

    name: str


class TokenKey(Key[Token], frozen=True):
    """A token by the digest of its secret."""

    sha256: bytes


class RecordKey(Key[Record], frozen=True):
    """A record by type and id."""

    account: int
    ref: RecordRef


class AttachmentKey(Key[Attachment], frozen=True):
    """An attachment by id, in the trash or not."""

    account: int
    id: str


class PathKey(Key[Attachment], frozen=True):
    """The live attachment at a path."""

    account: int
    path: str


class VersionKey(Key[Version], frozen=True):
    """A version by attachment and number."""

    account: int
    attachment: str
    number: int


class BlobKey(Key[Blob], frozen=True):
    """A blob by its digest."""

    account: int
    sha256: bytes


class RenditionKey(Key[Rendition], frozen=True):
    """A rendition by the digest of its source and its edge."""

    account: int
    source: bytes
    edge: int


class LinkKey(Key[Link], frozen=True):
    """A link by id."""

    account: int
    id: str


class FolderKey(Key[Folder], frozen=True):
    """A folder by path."""

    account: int
    path: str


class LeaseKey(Key[Lease], frozen=True):
    """A lease by the name of its duty."""

    name: str


class CountKey(Key[Count], frozen=True):
    """A count by its key. A transaction that reads it holds it against others from then on."""

    key: str


class AnswerKey(Key[StoredAnswer], frozen=True):
    """A stored answer by actor and idempotency key."""

    account: int
    actor: str
    key: str


# ---------------------------------------------------------------- queries: which rows, in which order, which part


class Window(msgspec.Struct, frozen=True):
    """Which part of the result: `limit` rows after a position (keyset) or after `offset` rows.

    `after` is the `next` of an earlier page of the same query. `total` asks for the number of all matches.
    """

    limit: int
    after: tuple[Scalar, ...] | None = None
    offset: int = 0
    total: bool = False


class Page(msgspec.Struct, Generic[R], frozen=True):
    """Rows, the position to go on from (None at the end), and the total when it was asked for."""

    items: tuple[R, ...]
    next: tuple[Scalar, ...] | None = None
    total: int | None = None


class Order(msgspec.Struct, frozen=True):
    """A field to sort by. Missing values come first ascending, last descending."""

    field: str
    descending: bool = False


class Where(msgspec.Struct, frozen=True):
    """One condition. Fields are columns of the row (`name`, `created_at`, `path`) or `property.<key>` of an
    attachment or `attribute.<key>` of a record (dots walk into nested objects).

    `eq` and `ne` compare exactly, JSON null equals None; `in` takes a tuple; `contains` and `prefix` are on text,
    `contains` ignores case; `lt`, `le`, `gt`, `ge` compare numbers with numbers and text with text.
    """

    field: str
    op: Literal["eq", "ne", "in", "contains", "prefix", "lt", "le", "gt", "ge"]
    value: Scalar | tuple[Scalar, ...]


class RecordFilter(msgspec.Struct, frozen=True):
    """Records of any of these types (none: any type) that meet all conditions."""

    types: tuple[str, ...] = ()
    where: tuple[Where, ...] = ()


class Query(msgspec.Struct, Generic[R_co], frozen=True):
    """Names many rows of one kind."""


class AccountQuery(Query[Account], frozen=True):
    """All accounts by slug."""

    window: Window


class TokenQuery(Query[Token], frozen=True):
    """An account's tokens, newest first; `owner` narrows to the sessions of one user or client."""

    account: int
    window: Window
    owner: str | None = None


class UserQuery(Query[User], frozen=True):
    """An account's users by e-mail."""

    account: int
    window: Window


class ClientQuery(Query[Client], frozen=True):
    """An account's clients by name."""

    account: int
    window: Window


class RecordQuery(Query[Record], frozen=True):
    """Records that pass the filter, lie directly below `parent` if given, and within the scopes if there are any."""

    account: int
    window: Window
    filter: RecordFilter = RecordFilter()
    parent: RecordRef | None = None
    scopes: tuple[Scope, ...] = ()
    order: tuple[Order, ...] = (Order("created_at", descending=True),)


class AttachmentQuery(Query[Attachment], frozen=True):
    """Attachments that meet every part that is given, ties in the order broken by number in the same direction.

    `record`/`roles`: hang on that record, in one of the roles. `linked`: hang on at least one record that passes
    each filter; a filter with conditions passes only records within the scopes, if there are any. `words`: every
    blank-separated part occurs in the name, ignoring case (parts of one or two characters begin a word). `folder`:
    lies directly in it; `under`: anywhere below one of these. `scopes`: within at least one of them, if there are any.
    """

    account: int
    window: Window
    record: RecordRef | None = None
    roles: tuple[str, ...] = ()
    linked: tuple[RecordFilter, ...] = ()
    words: str | None = None
    folder: str | None = None
    under: tuple[str, ...] = ()
    where: tuple[Where, ...] = ()
    trashed: bool = False
    scopes: tuple[Scope, ...] = ()
    order: tuple[Order, ...] = (Order("created_at", descending=True),)


class EntryQuery(Query[Attachment | Folder], frozen=True):
    """The path tree as one list by path: folders and the live attachments that have a place.

    `parent` (direct children) or `under` (all below one of these; none given: the whole tree). `within` narrows
    further, to what is one of these paths or below it. `kinds` narrows to one sort of entry. `words` looks at the last
    segment. `where` on `name`, `path` and `path_md5` holds on both; on any other field it drops folders.
    """

    account: int
    window: Window
    parent: str | None = None
    under: tuple[str, ...] = ()
    within: tuple[str, ...] | None = None
    kinds: frozenset[Literal["file", "folder"]] = frozenset({"file", "folder"})
    words: str | None = None
    where: tuple[Where, ...] = ()
    scopes: tuple[Scope, ...] = ()
    descending: bool = False


class VersionQuery(Query[Version], frozen=True):
    """The versions of an attachment, newest first."""

    account: int
    attachment: str
    window: Window


class RenditionQuery(Query[Rendition], frozen=True):
    """The renditions of a content, by edge."""

    account: int
    source: bytes
    window: Window


class FactsQuery(Query[MediaFacts], frozen=True):
    """The facts of those of these contents that have been read, in any order."""

    account: int
    digests: tuple[bytes, ...]


class LinkQuery(Query[Link], frozen=True):
    """Links of one attachment, or on one record, by position, then oldest first; of trashed attachments too.

    With `attachments`: links of any of these. With `under`: links of all live attachments at or below that path.
    """

    account: int
    window: Window
    attachment: str | None = None
    attachments: tuple[str, ...] = ()
    record: RecordRef | None = None
    under: str | None = None
    roles: tuple[str, ...] = ()


class EventQuery(Query[Event], frozen=True):
    """Events with a number greater than `after`, oldest first."""

    account: int
    after: int
    window: Window


class AnswerQuery(Query[StoredAnswer], frozen=True):
    """An account's stored answers, oldest first."""

    account: int
    window: Window


class CountQuery(Query[Count], frozen=True):
    """Counts of the installation, the one that was over first before the others."""

    window: Window


class TallyQuery(Query[Tally], frozen=True):
    """A tally for each of these records, in their order; `roles` narrows the links that count."""

    account: int
    records: tuple[RecordRef, ...]
    roles: tuple[str, ...] = ()


class StandingQuery(Query[Standing], frozen=True):
    """One standing for the attachment, trashed or not."""

    account: int
    attachment: str
    scopes: tuple[Scope, ...]


class WithinQuery(Query[RecordRef], frozen=True):
    """Those of the records that exist and lie within the scopes."""

    account: int
    records: tuple[RecordRef, ...]
    scopes: tuple[Scope, ...]


class UsageQuery(Query[Ledger], frozen=True):
    """The ledger as last committed, without holding it."""

    account: int


# ---------------------------------------------------------------- what upkeep asks


class BlobQuery(Query[Blob], frozen=True):
    """An account's blobs by digest; with `idle_before`, those idle since before that time, the longest first."""

    account: int
    window: Window
    idle_before: int | None = None


class LocatedQuery(Query[Blob], frozen=True):
    """The blobs of any account that lie at one of these locators; a locator that no row names gives nothing."""

    locators: tuple[str, ...]


class PlacedQuery(Query[Blob], frozen=True):
    """The blobs of all accounts whose locators begin with `prefix`, by locator."""

    prefix: str
    window: Window


class HoldQuery(Query[Hold], frozen=True):
    """A hold for each of these digests, in their order."""

    account: int
    digests: tuple[bytes, ...]


class HistoryQuery(Query[Version], frozen=True):
    """All versions in the account, by the number of their attachment, then their own."""

    account: int
    window: Window


class KindQuery(Query[R_co], frozen=True):
    """All rows of one kind in the account, trashed ones too, in the order of what never changes in them.

    That is, by kind: accounts and ledgers (the one row), users by e-mail and id, clients by name and id, tokens by
    `created_at` and id, records by `created_at`, type and id, folders by path, attachments by number, versions by
    attachment and number, blobs and facts by digest, renditions by source and edge, links by id, events by number,
    stored answers by `created_at`, actor and key. Leases belong to no account.
    """

    account: int
    kind: type[R_co]
    window: Window


class AtQuery(Query[R_co], frozen=True):
    """The rows of one kind in the account that stand at these places, in any order; a place may be empty.

    A place is what `KindQuery` orders by. Of attachments the number counts, and what follows it does not.
    """

    account: int
    kind: type[R_co]
    places: tuple[tuple[Scalar, ...], ...]


class FiguresQuery(Query[Figures], frozen=True):
    """One set of figures, counted from all rows of the account; may take minutes."""

    account: int


# ---------------------------------------------------------------- changes of many rows at once


class MoveTree(msgspec.Struct, frozen=True):
    """Everything at or below folder `source` lies at or below `target` afterwards; nothing was there before.

    Each attachment is one revision further, changed `at` that time by that actor.
    """

    account: int
    source: str
    target: str
    at: int
    actor: str


# ---------------------------------------------------------------- the ports


class Rows(Protocol):
    """Reading. Sees all that was committed before the call, and inside a transaction its own writes."""

    async def get(self, key: Key[R]) -> R | None:
        """The row of that key, or None."""
        ...

    async def find(self, query: Query[R]) -> Page[R]:
        """The rows of that query. Raises `Invalid` for a field that its kind of row does not have."""
        ...


class Tx(Rows, Protocol):
    """Reading and writing inside one transaction: all of it is durable after the commit, or none of it is."""

    async def add(self, row: Row) -> None:
        """Insert. Raises `Conflict` if its key, or another unique value, is taken.

        Unique: lease name; account slug; user e-mail; client name; token digest; record (account, type, id);
        attachment id, and path among the live ones; folder path (a live attachment's path and a folder's may not be
        equal: the core sees to that); version (attachment, number); link (attachment, record, role); rendition
        (account, source, edge); facts (account, digest); stored answer (account, actor, key). What a row hangs on, a
        record's parents too, must exist. An account's attachments are added in the order of `created_at` and of
        `number`, which both grow and never change afterwards.
        """
        ...

    async def save(self, row: Row) -> None:
        """Write over the row of the same key, which must exist. Raises `Conflict` as `add` does."""
        ...

    async def remove(self, row: Row) -> None:
        """Delete the row. An attachment takes its versions and links along, a record its links; a blob stands alone.

        Raises `Conflict` for a record that is a parent of others.
        """
        ...

    async def move(self, change: MoveTree) -> int:
        """Rewrite the paths of folders and attachments, trashed ones too; the number of rows rewritten."""
        ...


class Catalog(Rows, Protocol):
    """Rows and search. Opened by `compose`; safe to use from one event loop at a time."""

    async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """Run the body in a transaction and commit it durably; an exception rolls it back and comes through.

        Only after an `Unavailable` that is `unsure` may the change be there all the same, now or after a crash.

        The body awaits nothing but the `Tx` it is given, and may be run again after a serialization failure, so it
        has no other effect.
        """
        ...

    def stamp(self) -> bytes | None:
        """Names the state of all rows that the newest read of this catalog saw, or one that is newer still.

        Whoever reads, and finds the same stamp as at an earlier read, knows that nobody has committed in between, in
        this process or another: what was read then would be read again. None while that cannot be told.
        """
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of the engine."""
        ...


class Received(msgspec.Struct, frozen=True):
    """What a writer has taken in."""

    sha256: bytes
    size: int


class BlobWriter(Protocol):
    """Bytes on their way to rest. Exactly one of commit and cancel ends it; a writer dropped without either leaves at
    most a temporary that upkeep removes."""

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes. Raises `StorageFull`."""
        ...

    async def finish(self) -> Received:
        """No more bytes follow: their digest, computed here, and their number."""
        ...

    async def commit(self) -> str:
        """Make them durable and readable, and give the locator. The same bytes committed twice are two locators."""
        ...

    async def cancel(self) -> None:
        """Undo everything, also after commit. Never raises; calling it again does nothing."""
        ...


class Blobs(Protocol):
    """Bytes at rest, immutable."""

    def create(self, account: int) -> BlobWriter:
        """Begin a new blob."""
        ...

    def read(self, locator: str, part: ByteRange) -> AsyncIterator[bytes]:
        """The bytes of that range in order, in chunks of at most 256 KiB; `core.slices.Sliceable` where that can be.

        Raises `ContentLost`, before the first chunk if it can be known then, when fewer bytes are there.
        """
        ...

    async def delete(self, locator: str) -> None:
        """Remove it; removing what is gone does nothing. Readers that have begun may finish."""
        ...

    async def close(self) -> None:
        """Finish what is under way."""
        ...


class Passwords(Protocol):
    """Password hashing, slow on purpose and off the event loop."""

    async def hash(self, password: str) -> str:
        """A salted hash in its own text form."""
        ...

    async def verify(self, password: str, hash: str) -> bool:
        """Whether the password has this hash."""
        ...


class Renderer(Protocol):
    """Small pictures and facts of files that strangers sent."""

    @property
    def types(self) -> frozenset[str]:
        """The media types, as sniffed, that may have renditions; all others have none."""
        ...

    async def derive(
        self, source: AsyncIterator[bytes], media_type: str, edges: Sequence[int] = ()
    ) -> Derived | NoRendition:
        """The facts of the file, and a JPEG within `edge` by `edge` pixels for each edge, all from one decoding.

        JPEG of quality 80, upright, on white, without any metadata, never larger than the original. `media_type` is
        the sniffed one; edges are among 128, 200, 256, 512 and 1024, or `ValueError`. Whatever the file does, the
        answer is a value; what `source` raises comes through. The source is read only when it is this call's turn.
        """
        ...

    async def close(self) -> None:
        """End the children that wait; those at work belong to the calls that are under way."""
        ...


Clock = Callable[[], int]
"""The time now, in microseconds since the epoch."""

Entropy = Callable[[int], bytes]
"""That many bytes from a cryptographic source."""

Sniff = Callable[[bytes, str, str | None], str]
"""(first 4 KiB or less, name, declared type) -> the media type to store and serve."""
