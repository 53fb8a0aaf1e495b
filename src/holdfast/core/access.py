"""Who may do what: the one decision function, and the two views through which all rules work.

A desk never holds the catalog. It holds a `Guard`, which gives a `Sight` (reading) or runs a body on a `Work`
(reading and writing in one transaction) only after the actor's permission was checked; both are bound to the
actor's account, and every attachment, record or folder taken through them is checked against the actor's scopes.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import msgspec

from holdfast.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OutOfScope,
    PartlyOutOfScope,
    QuotaExceeded,
)
from holdfast.core.idempotency import Once
from holdfast.core.model import (
    READ,
    ROOT,
    Account,
    Actor,
    Attachment,
    Event,
    Folder,
    JsonObject,
    Ledger,
    Link,
    PathScope,
    Record,
    RecordRef,
    RecordScope,
    Scope,
    Standing,
    TypeScope,
    joined,
)
from holdfast.core.paths import MAX_PATH, is_below
from holdfast.core.ports import (
    AccountKey,
    AttachmentKey,
    AttachmentQuery,
    Catalog,
    Clock,
    EntryQuery,
    FolderKey,
    Key,
    LedgerKey,
    LinkQuery,
    Page,
    PathKey,
    Query,
    RecordKey,
    RecordQuery,
    Row,
    Rows,
    StandingQuery,
    Tx,
    WithinQuery,
)

R = TypeVar("R")
T = TypeVar("T")


def parse_scope(text: str) -> Scope:
    """Read `record:T:ID`, `type:T` or `path:/a/b`. Raises `Invalid`."""
    kind, _, rest = text.partition(":")
    if kind == "record":
        return RecordScope(RecordRef.parse(rest))
    if kind == "type":
        return TypeScope(RecordRef.checked(rest, "x").type)
    if kind == "path" and rest.startswith("/"):
        return PathScope(rest.rstrip("/") or ROOT)
    raise Invalid("A scope is record:TYPE:ID, type:TYPE or path:/FOLDER", fields={"scope": "unreadable"})


def permit(actor: Actor, permissions: tuple[str, ...]) -> None:
    """The decision on permissions: any one of them suffices. Raises `Forbidden`."""
    if not actor.may(*permissions):
        raise Forbidden(f"This needs the permission {' or '.join(permissions)}")


class Sight:
    """What one actor may see of its account."""

    __slots__ = ("_rows", "account", "actor")

    def __init__(self, actor: Actor, rows: Rows) -> None:
        self.actor = actor
        self.account = actor.account
        self._rows = rows

    async def get(self, key: Key[R]) -> R | None:
        """The row of a key, for rows that are reached through one that was checked before."""
        return await self._rows.get(key)

    async def find(self, query: Query[R]) -> Page[R]:
        """The rows of a query; lists of attachments, records and entries are narrowed to the actor's scopes."""
        narrowed = query
        if self.actor.scopes and isinstance(query, AttachmentQuery | RecordQuery | EntryQuery):
            narrowed = cast(Query[R], msgspec.structs.replace(query, scopes=self.actor.scopes))
        return await self._rows.find(narrowed)

    async def links(self, query: LinkQuery) -> Page[Link]:
        """The links of a query, those on records out of scope left out."""
        page = await self._rows.find(query)
        if not self.actor.scopes or not page.items:
            return page
        records = tuple({link.record: None for link in page.items})
        seen = set((await self._rows.find(WithinQuery(self.account, records, self.actor.scopes))).items)
        return Page(tuple(link for link in page.items if link.record in seen), page.next)

    async def attachment(self, id: str, *, trashed: bool = False) -> Attachment:
        """A live attachment (or a trashed one) within scope. Raises `NotFound`, `OutOfScope`."""
        found = await self._rows.get(AttachmentKey(self.account, id.lower()))
        if found is None or (found.trashed_at is not None) != trashed:
            raise NotFound("attachment")
        if self.actor.scopes and not (await self.standing(found)).within:
            raise OutOfScope("attachment")
        return found

    async def attachment_at(self, path: str) -> Attachment | None:
        """The live attachment at a path, or None. Raises `OutOfScope`."""
        found = await self._rows.get(PathKey(self.account, path))
        if found is not None and self.actor.scopes and not (await self.standing(found)).within:
            raise OutOfScope("attachment")
        return found

    async def standing(self, attachment: Attachment) -> Standing:
        """How the attachment stands to the actor's scopes."""
        page = await self._rows.find(StandingQuery(self.account, attachment.id, self.actor.scopes))
        return page.items[0]

    async def wholly(self, attachment: Attachment) -> None:
        """Every place of the attachment is within scope, as changing it needs.

        Raises `PartlyOutOfScope` where the actor can read the attachment and so knows of it, else `OutOfScope`.
        """
        if self.actor.scopes:
            standing = await self.standing(attachment)
            if standing.within < standing.places or not standing.places:
                readable = standing.within and self.actor.may(READ)
                raise PartlyOutOfScope("attachment") if readable else OutOfScope("attachment")

    async def record(self, ref: RecordRef) -> Record:
        """A record within scope. Raises `NotFound`, `OutOfScope`."""
        found = await self._rows.get(RecordKey(self.account, ref))
        if found is None:
            raise NotFound(ref.type)
        await self.within((ref,))
        return found

    async def within(self, records: tuple[RecordRef, ...]) -> None:
        """All these records exist and lie within scope. Raises `OutOfScope`."""
        if self.actor.scopes and records:
            page = await self._rows.find(WithinQuery(self.account, records, self.actor.scopes))
            if set(page.items) != set(records):
                raise OutOfScope(records[0].type)

    def reach(self, path: str) -> None:
        """The path lies within the actor's folders. Raises `OutOfScope`."""
        scopes = self.actor.scopes
        if scopes and not any(isinstance(scope, PathScope) and is_below(path, scope.path) for scope in scopes):
            raise OutOfScope("folder")

    async def folder(self, path: str) -> Folder:
        """A folder within scope; the root is always there. Raises `OutOfScope`, whatever is there, and `NotFound`."""
        self.reach(path)
        found = (
            Folder(self.account, ROOT, 0, "") if path == ROOT else await self._rows.get(FolderKey(self.account, path))
        )
        if found is None:
            raise NotFound("folder")
        return found

    async def taken(self, path: str) -> bool:
        """Whether a live file or a folder is at that path."""
        file = await self._rows.get(PathKey(self.account, path))
        return file is not None or await self._rows.get(FolderKey(self.account, path)) is not None

    async def vacant(self, path: str) -> None:
        """Nothing is at that path, which lies within scope.

        Raises `Invalid` when it is too long, `OutOfScope`, whatever is there, and `Conflict`.
        """
        if len(path) > MAX_PATH:
            raise Invalid(f"A path has at most {MAX_PATH} characters", fields={"path": "too long"})
        self.reach(path)
        if await self.taken(path):
            raise Conflict(f"Something is already at {path}")

    async def owner(self) -> Account:
        """The account itself."""
        found = await self._rows.get(AccountKey(self.account))
        if found is None:
            raise NotFound("account")
        return found

    def unscoped(self) -> None:
        """The actor sees the whole account, as reading its log and figures needs. Raises `OutOfScope`."""
        if self.actor.scopes:
            raise OutOfScope


WARN_AT = (80, 95)
"""Percent of a quota at which the account's log says so."""


class Work(Sight):
    """One writing transaction of an actor: numbered, timed, logged and settled against the account's quota."""

    __slots__ = ("_clock", "_ledger", "_owner", "_start", "_tx")

    def __init__(self, actor: Actor, tx: Tx, ledger: Ledger, now: int) -> None:
        super().__init__(actor, tx)
        self._owner: Account | None = None
        self._tx = tx
        self._ledger = self._start = ledger
        self._clock = now

    @property
    def ledger(self) -> Ledger:
        """The account's figures as this transaction leaves them."""
        return self._ledger

    async def owner(self) -> Account:
        """The account itself, which no change within its own desk alters: read once."""
        if self._owner is None:
            self._owner = await super().owner()
        return self._owner

    def tick(self) -> int:
        """The time of a change: strictly later than every one handed out before in the account."""
        at = max(self._clock, self._ledger.clock + 1)
        self._ledger = msgspec.structs.replace(self._ledger, clock=at)
        return at

    def number(self, series: str) -> int:
        """The next number of a series, starting at 1."""
        following = self._ledger.numbers.get(series, 0) + 1
        self._ledger = msgspec.structs.replace(self._ledger, numbers={**self._ledger.numbers, series: following})
        return following

    async def settle(self, *, bytes: int = 0, attachments: int = 0) -> None:
        """Book a change of what the account holds. Raises `QuotaExceeded` when growth passes a quota."""
        ledger = msgspec.structs.replace(
            self._ledger, bytes=self._ledger.bytes + bytes, attachments=self._ledger.attachments + attachments
        )
        limits = (await self.owner()).settings
        if bytes > 0 and limits.quota_bytes is not None and ledger.bytes > limits.quota_bytes:
            raise QuotaExceeded(f"The account's quota of {limits.quota_bytes} bytes would be passed")
        if attachments > 0 and limits.quota_attachments is not None and ledger.attachments > limits.quota_attachments:
            raise QuotaExceeded(f"The account's quota of {limits.quota_attachments} attachments would be passed")
        self._ledger = ledger

    async def warn(self) -> None:
        """Log each quota that this transaction, taken as a whole, has brought to 80 or to 95 percent of its limit."""
        start, end = self._start, self._ledger
        if end.bytes <= start.bytes and end.attachments <= start.attachments:
            return
        limits = (await self.owner()).settings
        quotas = (
            ("bytes", limits.quota_bytes, start.bytes, end.bytes),
            ("attachments", limits.quota_attachments, start.attachments, end.attachments),
        )
        for kind, limit, before, after in quotas:
            for percent in WARN_AT:
                if limit and before * 100 < percent * limit <= after * 100:
                    data = {"kind": kind, "percent": percent, "limit": limit, "used": after}
                    await self.log("account.quota_warning", kind, data, self.tick())

    async def log(self, kind: str, subject: str, data: JsonObject, at: int) -> None:
        """Append an event."""
        number = self._ledger.event + 1
        self._ledger = msgspec.structs.replace(self._ledger, event=number)
        await self._tx.add(Event(self.account, number, at, self.actor.id, kind, subject, data))

    async def add(self, row: Row) -> None:
        """Insert a row of the account. Raises `Conflict`."""
        await self._tx.add(row)

    async def save(self, row: Row) -> None:
        """Write over a row of the account. Raises `Conflict`."""
        await self._tx.save(row)

    async def remove(self, row: Row) -> None:
        """Delete a row of the account."""
        await self._tx.remove(row)

    async def place(self, folder: str, name: str) -> None:
        """Make room for `name` in a folder: within scope, nothing there yet, all folders above it exist.

        Raises as `vacant` does, and `Invalid` when a file stands where a folder is needed.
        """
        await self.vacant(joined(folder, name))
        await self.ensure_folder(folder)

    async def ensure_folder(self, path: str) -> None:
        """Create the folder and those above it where they are missing. Raises `Invalid` if a file is in the way."""
        missing = []
        while path != ROOT and not await self._tx.get(FolderKey(self.account, path)):
            if await self._tx.get(PathKey(self.account, path)):
                raise Invalid(f"{path} is a file, not a folder", fields={"path": "a file is in the way"})
            missing.append(path)
            path = path.rpartition("/")[0] or ROOT
        for path in reversed(missing):
            at = self.tick()
            await self._tx.add(Folder(self.account, path, at, self.actor.id))
            await self.log("folder.created", path, {}, at)

    @property
    def tx(self) -> Tx:
        """The bare transaction, for set-based changes whose targets were checked."""
        return self._tx


def _all(result: object) -> object:
    return result


class Guard:
    """The catalog as one actor may use it. The only way from a desk to rows."""

    __slots__ = ("_catalog", "_clock", "_once", "actor")

    def __init__(self, actor: Actor, catalog: Catalog, clock: Clock, once: Once | None = None) -> None:
        self.actor = actor
        self._catalog = catalog
        self._clock = clock
        self._once = once

    def see(self, *permissions: str) -> Sight:
        """The account as far as the actor may see it. Raises `Forbidden` without one of the permissions."""
        permit(self.actor, permissions)
        return Sight(self.actor, self._catalog)

    async def account(self) -> Account:
        """The actor's own account, which needs no permission."""
        return await Sight(self.actor, self._catalog).owner()

    def about(self, body: bytes) -> "Guard":
        """The same for a request whose body turned out to have this SHA-256."""
        once = None if self._once is None else msgspec.structs.replace(self._once, body=body)
        return Guard(self.actor, self._catalog, self._clock, once)

    async def recall(self) -> None:
        """Let a request pass that was not carried out before. Raises `AlreadyAnswered`, `KeyReused`."""
        if self._once is not None:
            await self._once.recall(self._catalog, self.actor, self._clock())

    async def change(
        self, permission: str, body: Callable[[Work], Awaitable[T]], *, told: Callable[[T], object] = _all
    ) -> T:
        """Run a body in one transaction of the account. Raises `Forbidden`, and what the body raises.

        The body may be run again after a serialization failure: it keeps no state outside the `Work`. Under an
        idempotency key the answer to what is `told` of the result is kept with the change; raises `AlreadyAnswered`
        and `KeyReused` then.
        """
        permit(self.actor, (permission,))
        actor, clock, once = self.actor, self._clock, self._once

        async def run(tx: Tx) -> T:
            ledger = await tx.get(LedgerKey(actor.account))
            if ledger is None:
                raise NotFound("account")
            now = clock()
            if once is not None:
                await once.recall(tx, actor, now)
            work = Work(actor, tx, ledger, now)
            result = await body(work)
            await work.warn()
            if once is not None:
                await once.keep(tx, actor, now, told(result))
            if work.ledger is not ledger:
                await tx.save(work.ledger)
            return result

        return await self._catalog.transact(run)
