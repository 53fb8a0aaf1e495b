"""The front object. `identify` and `sign_in` say who is asking; `desk` is the only way to anything else."""

from collections.abc import Callable, Sequence

import msgspec

from holdfast.core.access import Guard
from holdfast.core.accounts import Accounts
from holdfast.core.attachments import Attachments
from holdfast.core.counts import Counts
from holdfast.core.credentials import Credentials
from holdfast.core.events import Events
from holdfast.core.folders import Folders
from holdfast.core.idempotency import Once, stored_answer
from holdfast.core.identity import uuid7
from holdfast.core.inventory import Inventory, Segments, Snapshots
from holdfast.core.leases import Leases
from holdfast.core.links import Links
from holdfast.core.model import ADMIN, EVERYTHING, READ, Account, Actor, Attachment, Ledger
from holdfast.core.policy import Policy
from holdfast.core.ports import (
    AccountQuery,
    Blobs,
    Catalog,
    Clock,
    Entropy,
    Passwords,
    Renderer,
    Sniff,
    UsageQuery,
    Window,
)
from holdfast.core.records import Records
from holdfast.core.renditions import Renditions, Studio, source_of
from holdfast.core.upkeep.duties import Figure
from holdfast.core.upkeep.front import Upkeep
from holdfast.core.upkeep.stock import Stock


class Engines(msgspec.Struct, frozen=True):
    """The adapters that a store stands on. Without a renderer no file has a thumbnail; without an inventory nobody
    looks for bytes that no row names, without segments none are compacted, without snapshots there is no backup.
    `figures` are what the adapters count."""

    catalog: Catalog
    blobs: Blobs
    passwords: Passwords
    sniff: Sniff
    clock: Clock
    entropy: Entropy
    renderer: Renderer | None = None
    inventory: Inventory | None = None
    segments: Segments | None = None
    snapshots: Snapshots | None = None
    figures: Callable[[], tuple[Figure, ...]] = tuple


class Desk:
    """Everything one actor may do, each call checked against its permissions and scopes."""

    __slots__ = ("_engines", "_guard", "_ids", "_policy", "_studio", "actor")

    def __init__(
        self,
        actor: Actor,
        engines: Engines,
        policy: Policy,
        ids: Callable[[], str],
        studio: Studio,
        once: Once | None = None,
    ) -> None:
        self.actor = actor
        self._engines = engines
        self._policy = policy
        self._ids = ids
        self._studio = studio
        self._guard = Guard(actor, engines.catalog, engines.clock, once)

    def once(self, once: Once) -> "Desk":
        """A desk for a single create under an idempotency key, by the same actor."""
        return Desk(self.actor, self._engines, self._policy, self._ids, self._studio, once)

    async def answered(self, key: str) -> bool:
        """Whether the actor was answered under this idempotency key already."""
        engines = self._engines
        return await stored_answer(engines.catalog, self.actor, key, engines.clock()) is not None

    @property
    def attachments(self) -> Attachments:
        """Files."""
        engines, studio = self._engines, self._studio

        def stored(attachment: Attachment) -> None:
            studio.ahead(source_of(attachment))

        return Attachments(self._guard, engines.blobs, engines.sniff, self._ids, self._policy, stored)

    @property
    def links(self) -> Links:
        """The records that files hang on."""
        return Links(self._guard, self._ids, self._policy)

    @property
    def renditions(self) -> Renditions:
        """Copies derived from files."""
        return Renditions(self._guard, self.attachments, self._studio)

    @property
    def records(self) -> Records:
        """Records of the host application."""
        return Records(self._guard, self._policy)

    @property
    def folders(self) -> Folders:
        """The path tree."""
        return Folders(self._guard)

    @property
    def events(self) -> Events:
        """The log of changes."""
        return Events(self._guard)

    def new_id(self) -> str:
        """An id for a record whose host application has none to give: a UUIDv7."""
        return self._ids()

    def now(self) -> int:
        """The time that relative dates are counted from, in microseconds since the epoch."""
        return self._engines.clock()

    async def account(self) -> Account:
        """The actor's own account."""
        return await self._guard.account()

    async def usage(self) -> Ledger:
        """What the account holds. Raises `OutOfScope` for an actor with scopes."""
        sight = self._guard.see(READ, ADMIN)
        sight.unscoped()
        return (await sight.find(UsageQuery(sight.account))).items[0]


class Operator:
    """The system's own desk: accounts and credentials of the whole installation, for the command line and upkeep."""

    def __init__(
        self, accounts: Accounts, credentials: Credentials, upkeep: Upkeep, desk: Callable[[Actor], Desk]
    ) -> None:
        self.accounts = accounts
        self.credentials = credentials
        self.upkeep = upkeep
        self._desk = desk

    def desk(self, account: Account) -> Desk:
        """A desk with every permission in one account."""
        everything = frozenset({EVERYTHING})
        return self._desk(Actor(account.number, "system", "system", "system", everything))


class Store:
    """One installation, opened on its engines."""

    def __init__(self, engines: Engines, policy: Policy) -> None:
        self._engines = engines
        self.policy = policy
        self._studio = Studio(engines.catalog, engines.blobs, engines.renderer, engines.clock)
        self._credentials = Credentials(
            engines.catalog,
            engines.passwords,
            clock=engines.clock,
            entropy=engines.entropy,
            ids=self._id,
        )
        self.counts = Counts(engines.catalog)
        self.identify = self._credentials.identify
        self.sign_in = self._credentials.sign_in
        self.sign_in_client = self._credentials.sign_in_client
        self.renew = self._credentials.renew
        self.prolong = self._credentials.prolong
        self.sign_out = self._credentials.sign_out
        self.figures = engines.figures
        self.stamp = engines.catalog.stamp

    def desk(self, actor: Actor, keys: Sequence[str] = (), grants: Sequence[str] = ()) -> Desk:
        """What the actor may do.

        `keys` are a vendor's permission keys for the operation at hand: an actor that holds one of them gets the
        `grants`, core permissions, for this desk alone.
        """
        if grants and not actor.permissions.isdisjoint(keys):
            actor = msgspec.structs.replace(actor, permissions=actor.permissions.union(grants))
        return Desk(actor, self._engines, self.policy, self._id, self._studio)

    def operator(self) -> Operator:
        """The system's own desk. Not for callers over the network."""
        engines = self._engines
        stock = Stock(engines.catalog, engines.blobs, engines.clock, engines.inventory, engines.segments)
        upkeep = Upkeep(stock, self.policy, Leases(engines.catalog, engines.clock, engines.entropy), engines.snapshots)
        return Operator(Accounts(engines.catalog, engines.clock), self._credentials, upkeep, self.desk)

    async def probe(self) -> None:
        """Whether the engines answer. Raises `Unavailable`."""
        await self._engines.catalog.find(AccountQuery(Window(limit=1)))

    async def start(self) -> None:
        """Begin what a server does in the background, on the event loop that serves."""
        if self.policy.render_on_upload:
            self._studio.start()

    async def close(self) -> None:
        """Let go of the engines."""
        await self._studio.close()
        if self._engines.renderer is not None:
            await self._engines.renderer.close()
        await self._engines.blobs.close()
        await self._engines.catalog.close()

    def _id(self) -> str:
        return uuid7(self._engines.clock(), self._engines.entropy)
