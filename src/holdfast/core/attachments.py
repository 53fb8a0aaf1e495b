"""Attachments: create, describe, find, replace, version, trash, restore, purge."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import msgspec

from holdfast.core.access import Guard, Sight, Work
from holdfast.core.errors import (
    Conflict,
    ContentLost,
    NotFound,
    Stale,
)
from holdfast.core.holding import keep, release
from holdfast.core.intake import Intake, allowed_types, check_type_on
from holdfast.core.links import Hanging, Hook
from holdfast.core.model import (
    PURGE,
    READ,
    WRITE,
    Attachment,
    ByteRange,
    Content,
    JsonObject,
    Version,
    joined,
)
from holdfast.core.paths import checked_folder, checked_name, numbered
from holdfast.core.policy import Policy
from holdfast.core.ports import (
    AttachmentKey,
    AttachmentQuery,
    BlobKey,
    Blobs,
    LinkQuery,
    Page,
    Sniff,
    VersionKey,
    VersionQuery,
    Window,
)
from holdfast.core.records import merged
from holdfast.core.texts import check_properties, check_texts
from holdfast.core.trash import trash, trash_if_homeless

_BATCH = 1000

OnConflict = Literal["fail", "rename", "replace"]


class NewAttachment(msgspec.Struct, frozen=True):
    """What is said of a file when it is created. `folder` None gives it no place in the tree."""

    name: str
    description: str | None = None
    hooks: tuple[Hook, ...] = ()
    folder: str | None = None
    properties: JsonObject = {}
    on_conflict: OnConflict = "fail"


class Description(msgspec.Struct, frozen=True):
    """What may be changed of an attachment; UNSET leaves a member as it is.

    `folder` None takes it out of the tree. `properties` is merged: a null removes the key.
    """

    name: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    folder: str | msgspec.UnsetType | None = msgspec.UNSET
    properties: JsonObject | msgspec.UnsetType = msgspec.UNSET


class Expected(msgspec.Struct, frozen=True):
    """The state that the caller believes to change; None of a member does not matter."""

    revisions: frozenset[int] | None = None
    digests: frozenset[bytes] | None = None

    def check(self, attachment: Attachment) -> None:
        """Raises `Stale` when the attachment has moved on."""
        fresh = self.revisions is None or attachment.revision in self.revisions
        if not fresh or (self.digests is not None and attachment.sha256 not in self.digests):
            raise Stale("The attachment has changed since it was read")


ANY = Expected()


class Attachments:
    """The account's attachments as one actor may use them."""

    __slots__ = ("_blobs", "_guard", "_hanging", "_ids", "_policy", "_sniff", "_stored")

    def __init__(
        self,
        guard: Guard,
        blobs: Blobs,
        sniff: Sniff,
        ids: Callable[[], str],
        policy: Policy,
        stored: Callable[[Attachment], None],
    ) -> None:
        """`stored` is told of every new content once it is committed; it does not wait."""
        self._guard = guard
        self._blobs = blobs
        self._sniff = sniff
        self._ids = ids
        self._hanging = Hanging(ids, policy)
        self._policy = policy
        self._stored = stored

    # ------------------------------------------------------------ reading

    async def get(self, id: str, *, trashed: bool = False) -> Attachment:
        """One live attachment, or one in the trash. Raises `NotFound`, `OutOfScope`."""
        return await self._guard.see(READ).attachment(id, trashed=trashed)

    async def at(self, path: str) -> Attachment:
        """The live attachment at a path. Raises `NotFound`, `OutOfScope`."""
        found = await self._guard.see(READ).attachment_at(path)
        if found is None:
            raise NotFound("attachment")
        return found

    async def find(self, query: AttachmentQuery) -> Page[Attachment]:
        """Attachments within scope; see `AttachmentQuery`. Raises `NotFound` for a record that is not there."""
        sight = self._guard.see(READ)
        if query.record is not None:
            await sight.record(query.record)
        return await sight.find(query)

    async def content(self, id: str, version: int | None = None) -> tuple[Attachment, Content]:
        """The bytes of the current or an earlier version. Raises `NotFound`, `OutOfScope`, `ContentLost`."""
        sight = self._guard.see(READ)
        attachment = await sight.attachment(id)
        if version is None:
            return attachment, await self._current(sight, attachment)
        found = await self._version(sight, attachment, version)
        return attachment, await self._bytes(sight, found.name, found.media_type, found.sha256, found.created_at)

    async def content_at(self, path: str) -> tuple[Attachment, Content]:
        """The bytes of the attachment at a path. Raises as `content` does."""
        sight = self._guard.see(READ)
        attachment = await sight.attachment_at(path)
        if attachment is None:
            raise NotFound("attachment")
        return attachment, await self._current(sight, attachment)

    async def versions(self, id: str, window: Window) -> Page[Version]:
        """The history, newest first. Raises `NotFound`, `OutOfScope`."""
        sight = self._guard.see(READ)
        attachment = await sight.attachment(id)
        return await sight.find(VersionQuery(sight.account, attachment.id, window))

    async def version(self, id: str, number: int) -> Version:
        """One version of a live attachment. Raises `NotFound`, `OutOfScope`."""
        sight = self._guard.see(READ)
        return await self._version(sight, await sight.attachment(id), number)

    async def _version(self, sight: Sight, attachment: Attachment, number: int) -> Version:
        found = await sight.get(VersionKey(sight.account, attachment.id, number))
        if found is None:
            raise NotFound("version")
        return found

    async def _current(self, sight: Sight, attachment: Attachment) -> Content:
        return await self._bytes(
            sight, attachment.name, attachment.media_type, attachment.sha256, attachment.updated_at
        )

    async def _bytes(self, sight: Sight, name: str, media_type: str, sha256: bytes, at: int) -> Content:
        blob = await sight.get(BlobKey(sight.account, sha256))
        if blob is None or blob.damaged_at is not None:
            raise ContentLost
        locator, blobs = blob.locator, self._blobs

        def read(part: ByteRange) -> AsyncIterator[bytes]:
            return blobs.read(locator, part)

        return Content(name, media_type, blob.size, sha256, at, read)

    # ------------------------------------------------------------ bytes in

    async def receive(self, *, limit: int | None = None) -> Intake:
        """Ready to take a body, before its target is known. Raises `Forbidden`.

        `limit` in bytes narrows the account's and the installation's.
        """
        sight = self._guard.see(WRITE)
        account = await sight.owner()
        limits = [self._policy.upload_limit, account.settings.max_file_bytes, limit]
        smallest = min(value for value in limits if value is not None)
        return Intake(self._blobs.create(account.number), self._sniff, smallest, allowed_types(account))

    async def may_place(self, folder: str, name: str) -> None:
        """Whether a new attachment may lie there now, for callers who know before the bytes arrive.

        Somebody else may be there first all the same: `create` asks again. Raises `Forbidden`, `Invalid`,
        `OutOfScope`, `Conflict`.
        """
        await self._guard.see(WRITE).vacant(joined(checked_folder(folder), checked_name(name)))

    async def create(self, intake: Intake, new: NewAttachment) -> Attachment:
        """A new attachment of the bytes received, visible and durable when this returns.

        With `on_conflict` "replace" and something at the path, that attachment gets a new version instead.
        Raises `Invalid`, `NotFound` for a record, `OutOfScope`, `Conflict` for the path, `QuotaExceeded`,
        `UnsupportedType` for a record that takes no such files, `StorageFull`; nothing of the bytes remains then.
        """
        checked_name(new.name)
        check_texts(new.description, *(hook.caption for hook in new.hooks))
        check_properties(new.properties)
        folder = None if new.folder is None else checked_folder(new.folder)

        async def body(work: Work) -> Attachment:
            if folder is not None and new.on_conflict == "replace":
                present = await work.attachment_at(joined(folder, new.name))
                if present is not None:
                    await work.wholly(present)
                    await self._hanging.add_missing(work, present, new.hooks)
                    return await self._revise(work, present, intake)
            return await self._insert(work, intake, new, folder)

        return await self._store(intake, body)

    async def replace(self, id: str, intake: Intake, expected: Expected = ANY) -> Attachment:
        """A new version of the bytes received. Raises `Stale`, and as `create` does."""

        async def body(work: Work) -> Attachment:
            attachment = await work.attachment(id)
            await work.wholly(attachment)
            expected.check(attachment)
            return await self._revise(work, attachment, intake)

        return await self._store(intake, body)

    async def _store(self, intake: Intake, body: Callable[[Work], Awaitable[Attachment]]) -> Attachment:
        guard = self._guard.about(intake.sha256)
        guard.see(WRITE)
        await guard.recall()
        attachment = await keep(guard, intake, body)
        self._stored(attachment)
        return attachment

    async def _insert(self, work: Work, intake: Intake, new: NewAttachment, folder: str | None) -> Attachment:
        name = new.name
        if folder is not None:
            if new.on_conflict == "rename":
                name = await _free_name(work, folder, name)
            await work.place(folder, name)
        elif not new.hooks:
            work.unscoped()
        at, actor, id = work.tick(), work.actor.id, self._ids()
        attachment = Attachment(
            work.account, id, work.number("attachment"), name, new.description, intake.media_type, intake.size,
            intake.sha256, 1, 1, new.properties, folder, at, actor, at, actor,
        )  # fmt: skip
        await work.add(attachment)
        await work.add(_version(attachment))
        await work.settle(bytes=intake.size, attachments=1)
        await work.log("attachment.created", id, {"name": name}, at)
        for hook in new.hooks:
            await self._hanging.add(work, attachment, hook)
        return attachment

    async def _revise(self, work: Work, attachment: Attachment, intake: Intake) -> Attachment:
        await _suits_records(work, attachment, intake.media_type)
        at = work.tick()
        revised = msgspec.structs.replace(
            attachment,
            media_type=intake.media_type,
            size=intake.size,
            sha256=intake.sha256,
            version=attachment.version + 1,
            revision=attachment.revision + 1,
            updated_at=at,
            updated_by=work.actor.id,
        )
        await work.save(revised)
        await work.add(_version(revised))
        await work.settle(bytes=intake.size)
        await work.log("attachment.replaced", attachment.id, {"version": revised.version}, at)
        return revised

    # ------------------------------------------------------------ changing

    async def describe(self, id: str, change: Description, expected: Expected = ANY) -> Attachment:
        """Rename, move, annotate. Raises `NotFound`, `OutOfScope`, `Stale`, `Invalid`, `Conflict` for the path."""

        async def body(work: Work) -> Attachment:
            attachment = await work.attachment(id)
            await work.wholly(attachment)
            expected.check(attachment)
            return await _describe(work, attachment, change)

        return await self._guard.change(WRITE, body)

    async def trash(self, id: str, expected: Expected = ANY) -> Attachment:
        """Into the trash. Raises `NotFound`, `OutOfScope`, `Stale`."""

        async def body(work: Work) -> Attachment:
            attachment = await work.attachment(id)
            await work.wholly(attachment)
            expected.check(attachment)
            return await trash(work, attachment)

        return await self._guard.change(WRITE, body)

    async def restore(self, id: str) -> Attachment:
        """Out of the trash, to where it was; its folder comes back if it is gone.

        Raises `NotFound` when it is not in the trash, `OutOfScope`, `Conflict` when its path is taken.
        """

        async def body(work: Work) -> Attachment:
            attachment = await work.attachment(id, trashed=True)
            await work.wholly(attachment)
            if attachment.folder is not None:
                await work.place(attachment.folder, attachment.name)
            at = work.tick()
            back = msgspec.structs.replace(
                attachment, trashed_at=None, updated_at=at, updated_by=work.actor.id, revision=attachment.revision + 1
            )
            await work.save(back)
            await work.settle(attachments=1)
            await work.log("attachment.restored", attachment.id, {}, at)
            return back

        return await self._guard.change(WRITE, body)

    async def purge(self, id: str, expected: Expected = ANY) -> None:
        """Remove for good, trashed or not, with all versions. Raises `NotFound`, `OutOfScope`, `Stale`."""

        async def body(work: Work) -> None:
            found = await work.get(AttachmentKey(work.account, id.lower()))
            attachment = await work.attachment(id, trashed=found is not None and found.trashed_at is not None)
            await work.wholly(attachment)
            expected.check(attachment)
            await purge(work, attachment)

        await self._guard.change(PURGE, body)

    async def restore_version(self, id: str, number: int, expected: Expected = ANY) -> Attachment:
        """An earlier content becomes the newest version. Raises `NotFound`, `OutOfScope`, `Stale`."""

        async def body(work: Work) -> Attachment:
            attachment = await work.attachment(id)
            await work.wholly(attachment)
            expected.check(attachment)
            return await _bring_back(work, attachment, await self._version(work, attachment, number))

        return await self._guard.change(WRITE, body)


async def purge(work: Work, attachment: Attachment) -> None:
    """Remove an attachment with its versions and links; its bytes follow once nothing refers to them."""
    window, held, freed = Window(limit=500), [], 0
    while True:
        page = await work.find(VersionQuery(work.account, attachment.id, window))
        for version in page.items:
            freed += version.size
            held.append(version.sha256)
        if page.next is None:
            break
        window = Window(limit=500, after=page.next)
    await work.remove(attachment)
    for sha256 in held:
        await release(work, sha256)
    await work.settle(bytes=-freed, attachments=0 if attachment.trashed_at is not None else -1)
    await work.log("attachment.purged", attachment.id, {"name": attachment.name}, work.tick())


async def _describe(work: Work, attachment: Attachment, change: Description) -> Attachment:
    name = attachment.name if change.name is msgspec.UNSET else checked_name(change.name)
    folder = attachment.folder
    if change.folder is not msgspec.UNSET:
        folder = None if change.folder is None else checked_folder(change.folder)
    if folder is not None and (folder, name) != (attachment.folder, attachment.name):
        await work.place(folder, name)
    description = attachment.description if change.description is msgspec.UNSET else change.description
    check_texts(description)
    properties = attachment.properties
    if change.properties is not msgspec.UNSET:
        properties = merged(properties, change.properties)
        check_properties(properties)
    at = work.tick()
    described = msgspec.structs.replace(
        attachment,
        name=name,
        description=description,
        folder=folder,
        properties=properties,
        revision=attachment.revision + 1,
        updated_at=at,
        updated_by=work.actor.id,
    )
    await work.save(described)
    await work.log("attachment.described", attachment.id, {"name": name}, at)
    if attachment.folder is not None and folder is None:
        await trash_if_homeless(work, described)
    return described


async def _suits_records(work: Work, attachment: Attachment, media_type: str) -> None:
    """Whether new content of that type may hang where the attachment hangs. Raises `UnsupportedType`."""
    account = await work.owner()
    window: Window | None = Window(_BATCH) if account.settings.allowed_types_on else None
    while window is not None:
        page = await work.find(LinkQuery(work.account, window, attachment=attachment.id))
        for link in page.items:
            check_type_on(account, link.record.type, media_type)
        window = None if page.next is None else Window(_BATCH, after=page.next)


async def _bring_back(work: Work, attachment: Attachment, version: Version) -> Attachment:
    await _suits_records(work, attachment, version.media_type)
    blob = await work.get(BlobKey(work.account, version.sha256))
    if blob is None:
        raise ContentLost
    await work.save(msgspec.structs.replace(blob, refs=blob.refs + 1))
    at = work.tick()
    restored = msgspec.structs.replace(
        attachment,
        media_type=version.media_type,
        size=version.size,
        sha256=version.sha256,
        version=attachment.version + 1,
        revision=attachment.revision + 1,
        updated_at=at,
        updated_by=work.actor.id,
    )
    await work.save(restored)
    await work.add(_version(restored))
    await work.settle(bytes=version.size)
    await work.log("attachment.replaced", attachment.id, {"version": restored.version, "from": version.number}, at)
    return restored


async def _free_name(work: Work, folder: str, name: str) -> str:
    for attempt in range(1, 10_000):
        candidate = checked_name(numbered(name, attempt))
        if not await work.taken(joined(folder, candidate)):
            return candidate
    raise Conflict(f"No free name like {name}")


def _version(attachment: Attachment) -> Version:
    return Version(
        attachment.account,
        attachment.id,
        attachment.version,
        attachment.name,
        attachment.media_type,
        attachment.size,
        attachment.sha256,
        attachment.updated_at,
        attachment.updated_by,
    )
