"""Links: the records that attachments hang on."""

from collections.abc import Callable

import msgspec

from holdfast.core.access import Guard, Work
from holdfast.core.errors import NotFound, QuotaExceeded
from holdfast.core.intake import check_type_on
from holdfast.core.model import READ, WRITE, Attachment, Link, RecordRef
from holdfast.core.policy import Policy
from holdfast.core.ports import AttachmentKey, LinkKey, LinkQuery, Page, TallyQuery, Window
from holdfast.core.records import hangable
from holdfast.core.texts import check_texts
from holdfast.core.trash import trash_if_homeless

_BATCH = 1000


class Hook(msgspec.Struct, frozen=True):
    """A record to hang an attachment on, and how.

    `most` bounds the attachments that the record may then hold. `id` is the link's, where the host application names
    it.
    """

    record: RecordRef
    role: str = "attachment"
    caption: str | None = None
    position: int = 0
    most: int | None = None
    id: str | None = None


class LinkChange(msgspec.Struct, frozen=True):
    """What may be changed of a link; UNSET leaves a member as it is. `attachment` and `record` are its two ends."""

    caption: str | msgspec.UnsetType | None = msgspec.UNSET
    position: int | msgspec.UnsetType = msgspec.UNSET
    attachment: str | msgspec.UnsetType = msgspec.UNSET
    record: RecordRef | msgspec.UnsetType = msgspec.UNSET


class Hanging:
    """Hangs attachments on records inside transactions that have checked the attachment."""

    __slots__ = ("_ids", "_policy")

    def __init__(self, ids: Callable[[], str], policy: Policy) -> None:
        self._ids = ids
        self._policy = policy

    async def add(self, work: Work, attachment: Attachment, hook: Hook) -> Link:
        """A link to a further record. Raises as `Links.hang` does, and `QuotaExceeded` for a record that is full."""
        await hangable(work, hook.record, self._policy)
        check_type_on(await work.owner(), hook.record.type, attachment.media_type)
        if hook.most is not None:
            await _has_room(work, hook.record, hook.most)
        at, id = work.tick(), hook.id or self._ids()
        link = Link(
            work.account, id, attachment.id, hook.record, hook.role, hook.position, hook.caption, at, work.actor.id
        )
        await work.add(link)
        await work.log("attachment.linked", attachment.id, {"record": str(hook.record), "role": hook.role}, at)
        return link

    async def add_missing(self, work: Work, attachment: Attachment, hooks: tuple[Hook, ...]) -> None:
        """The same for those of the hooks where it does not hang yet."""
        page = await work.find(LinkQuery(work.account, Window(limit=1000), attachment=attachment.id))
        present = {(link.record, link.role) for link in page.items}
        for hook in hooks:
            if (hook.record, hook.role) not in present:
                await self.add(work, attachment, hook)


class Links:
    """Where the account's attachments hang, as one actor may see and change it."""

    __slots__ = ("_guard", "_hanging", "_policy")

    def __init__(self, guard: Guard, ids: Callable[[], str], policy: Policy) -> None:
        self._guard = guard
        self._hanging = Hanging(ids, policy)
        self._policy = policy

    # ------------------------------------------------------------ reading

    async def page(self, id: str, window: Window) -> Page[Link]:
        """The records it hangs on, as far as they are within scope. Raises `NotFound`, `OutOfScope`."""
        sight = self._guard.see(READ)
        attachment = await sight.attachment(id)
        return await sight.links(LinkQuery(sight.account, window, attachment=attachment.id))

    async def of(self, ids: tuple[str, ...]) -> dict[str, tuple[Link, ...]]:
        """For each of these attachments the records it hangs on within scope, for lists that show them."""
        sight = self._guard.see(READ)
        found: dict[str, list[Link]] = {id: [] for id in ids}
        query: LinkQuery | None = LinkQuery(sight.account, Window(_BATCH), attachments=ids) if ids else None
        while query is not None:
            page = await sight.links(query)
            for link in page.items:
                found[link.attachment].append(link)
            more = None if page.next is None else Window(_BATCH, after=page.next)
            query = None if more is None else msgspec.structs.replace(query, window=more)
        return {id: tuple(links) for id, links in found.items()}

    async def get(self, id: str) -> Link:
        """One link of a live attachment within scope. Raises `NotFound`, `OutOfScope`."""
        sight = self._guard.see(READ)
        found = await sight.get(LinkKey(sight.account, id.lower()))
        if found is None:
            raise NotFound("link")
        await sight.attachment(found.attachment)
        await sight.within((found.record,))
        return found

    # ------------------------------------------------------------ changing

    async def may_hang(self, hooks: tuple[Hook, ...]) -> None:
        """Whether a new attachment may hang on these records, for callers who know before the bytes arrive.

        Raises `Forbidden`, `NotFound`, `OutOfScope`.
        """
        sight = self._guard.see(WRITE)
        for hook in hooks:
            if self._policy.records == "strict" or sight.actor.scopes:
                await sight.record(hook.record)

    async def hang(self, id: str, hook: Hook) -> Link:
        """Link to a further record.

        Raises `NotFound`, `OutOfScope`, `Conflict` for the same record and role, and `UnsupportedType`.
        """
        check_texts(hook.caption, hook.role)

        async def body(work: Work) -> Link:
            attachment = await work.attachment(id)
            return await self._hanging.add(work, attachment, hook)

        return await self._guard.change(WRITE, body)

    async def change(self, id: str, change: LinkChange) -> Link:
        """Change a link; an attachment that loses its last home by it goes to the trash.

        Raises `NotFound`, `OutOfScope`, `Conflict` when the attachment hangs there already in that role.
        """

        async def body(work: Work) -> Link:
            link = await _link(work, id)
            if change.record is not msgspec.UNSET:
                await hangable(work, change.record, self._policy)
            if change.attachment is not msgspec.UNSET:
                await work.attachment(change.attachment)
            fields = {
                name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET
            }
            changed = msgspec.structs.replace(link, **fields)
            check_texts(changed.caption)
            await work.save(changed)
            await work.log("attachment.relinked", link.attachment, {"record": str(changed.record)}, work.tick())
            left = await work.get(AttachmentKey(work.account, link.attachment))
            if left is not None:
                await trash_if_homeless(work, left)
            return changed

        return await self._guard.change(WRITE, body)

    async def remove(self, id: str) -> Link:
        """Take an attachment off a record; left without a home it goes to the trash.

        Raises `NotFound`, `OutOfScope`.
        """

        async def body(work: Work) -> Link:
            found = await _link(work, id)
            await work.remove(found)
            await work.log("attachment.unlinked", found.attachment, {"record": str(found.record)}, work.tick())
            attachment = await work.get(AttachmentKey(work.account, found.attachment))
            if attachment is not None:
                await trash_if_homeless(work, attachment)
            return found

        return await self._guard.change(WRITE, body)


async def _has_room(work: Work, record: RecordRef, most: int) -> None:
    tally = await work.find(TallyQuery(work.account, (record,)))
    if tally.items[0].count >= most:
        raise QuotaExceeded(f"A {record.type} holds at most {most} files")


async def _link(work: Work, id: str) -> Link:
    link = await work.get(LinkKey(work.account, id.lower()))
    if link is None:
        raise NotFound("link")
    await work.attachment(link.attachment)
    await work.within((link.record,))
    return link
