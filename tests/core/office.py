"""A store with two accounts, and short words for what its users do."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from holdfast.core.access import parse_scope
from holdfast.core.attachments import NewAttachment, OnConflict
from holdfast.core.errors import Incomplete
from holdfast.core.links import Hook
from holdfast.core.model import Account, Actor, Attachment, ByteRange, Record, RecordRef
from holdfast.core.ports import AttachmentQuery, Window
from holdfast.core.records import NewRecord
from holdfast.core.store import Desk, Store

PAGE = Window(limit=100)


async def stream(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def cut_stream(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise Incomplete("the client has gone")


@dataclass(frozen=True, slots=True)
class Office:
    store: Store
    acme: Account
    umbra: Account

    def desk(self, *permissions: str, account: Account | None = None, scopes: Sequence[str] = ()) -> Desk:
        """A desk with these permissions, all of them if none is named."""
        number = (account or self.acme).number
        granted = frozenset(permissions or {"*"})
        actor = Actor(number, "ada", "user", "Ada", granted, tuple(parse_scope(scope) for scope in scopes))
        return self.store.desk(actor)

    async def record(self, name: str, *parents: str, account: Account | None = None) -> Record:
        refs = tuple(RecordRef.parse(parent) for parent in parents)
        return await self.desk(account=account).records.create(NewRecord(RecordRef.parse(name), parents=refs))

    async def upload(
        self,
        name: str,
        data: bytes = b"hello",
        *,
        on: str | None = None,
        folder: str | None = None,
        on_conflict: OnConflict = "fail",
        desk: Desk | None = None,
    ) -> Attachment:
        hooks = () if on is None else (Hook(RecordRef.parse(on)),)
        attachments = (desk or self.desk()).attachments
        async with await attachments.receive() as intake:
            await intake.take(stream(data), name=name)
            new = NewAttachment(name, hooks=hooks, folder=folder, on_conflict=on_conflict)
            return await attachments.create(intake, new)

    async def bytes_of(self, id: str, version: int | None = None, desk: Desk | None = None) -> bytes:
        _, content = await (desk or self.desk()).attachments.content(id, version)
        return b"".join([chunk async for chunk in content.read(ByteRange(0, content.size))])

    async def names(self, desk: Desk | None = None, account: Account | None = None, **parts: object) -> list[str]:
        """Names of the attachments of a query, in its order."""
        number = (account or self.acme).number
        query = AttachmentQuery(number, PAGE, **parts)  # type: ignore[arg-type]
        found = await (desk or self.desk(account=account)).attachments.find(query)
        return [attachment.name for attachment in found.items]

    async def held(self, account: Account | None = None) -> tuple[int, int, int]:
        """Attachments, bytes and events of an account."""
        ledger = await self.store.operator().accounts.usage(account or self.acme)
        return ledger.attachments, ledger.bytes, ledger.event
