"""The path tree: folders, and moving or deleting what is in them."""

import msgspec

from holdfast.core.access import Guard, Work
from holdfast.core.errors import Conflict, Invalid
from holdfast.core.model import READ, ROOT, WRITE, Attachment, Folder, Link
from holdfast.core.paths import MAX_PATH, checked_folder, is_below
from holdfast.core.ports import AttachmentQuery, EntryQuery, LinkQuery, MoveTree, Page, Window
from holdfast.core.trash import trash

_BATCH = 500


class Doomed(msgspec.Struct, frozen=True):
    """What deleting a folder takes along."""

    folders: int
    attachments: int
    links: tuple[Link, ...]


class Folders:
    """The account's tree as one actor may use it."""

    __slots__ = ("_guard",)

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def get(self, path: str) -> Folder:
        """One folder. Raises `NotFound`, `OutOfScope`."""
        return await self._guard.see(READ).folder(checked_folder(path))

    async def find(self, query: EntryQuery) -> Page[Attachment | Folder]:
        """Folders and files by path; see `EntryQuery`. Raises `NotFound` for a parent that is not there."""
        sight = self._guard.see(READ)
        if query.parent is not None:
            await sight.folder(query.parent)
        return await sight.find(query)

    async def create(self, path: str) -> Folder:
        """A new folder, and those above it where missing. Raises `Conflict`, `Invalid`, `OutOfScope`."""
        path = checked_folder(path)
        if path == ROOT:
            raise Conflict("The root is always there")

        async def body(work: Work) -> Folder:
            folder, _, name = path.rpartition("/")
            await work.place(folder or ROOT, name)
            await work.ensure_folder(path)
            return await work.folder(path)

        return await self._guard.change(WRITE, body)

    async def move(self, source: str, target: str) -> Folder:
        """Rename or move a folder with everything in it, in one step.

        Raises `NotFound`, `OutOfScope`, `Conflict` when something is at the target, `Invalid` for the root, for a
        target inside the source, and for a descendant whose path would become too long.
        """
        source, target = checked_folder(source), checked_folder(target)
        if ROOT in (source, target):
            raise Invalid("The root does not move", fields={"path": "root"})
        if target != source and is_below(target, source):
            raise Invalid("A folder cannot move into itself", fields={"path": "inside itself"})

        async def body(work: Work) -> Folder:
            return await relocate(work, source, target)

        return await self._guard.change(WRITE, body)

    async def preview(self, path: str) -> Doomed:
        """What `delete` would take along. Raises `NotFound`, `OutOfScope`."""
        sight = self._guard.see(READ)
        path = checked_folder(path)
        await sight.folder(path)
        account, one = sight.account, Window(limit=1, total=True)
        folders = await sight.find(EntryQuery(account, one, under=(path,), kinds=frozenset({"folder"})))
        files = await sight.find(EntryQuery(account, one, under=(path,), kinds=frozenset({"file"})))
        links = await sight.links(LinkQuery(account, Window(limit=_BATCH), under=path))
        return Doomed((folders.total or 0) + 1, files.total or 0, links.items)

    async def links(self, path: str, window: Window) -> Page[Link]:
        """The links of the attachments at or below a path, as far as they are within scope. Raises `OutOfScope`."""
        sight = self._guard.see(READ)
        sight.reach(path)
        return await sight.links(LinkQuery(sight.account, window, under=path))

    async def delete(self, path: str) -> Doomed:
        """Delete a folder: folders below it vanish, attachments below it go to the trash, links or not.

        Raises `NotFound`, `OutOfScope`, `Invalid` for the root.
        """
        path = checked_folder(path)
        if path == ROOT:
            raise Invalid("The root cannot be deleted", fields={"path": "root"})

        async def body(work: Work) -> Doomed:
            await work.folder(path)
            links = await work.links(LinkQuery(work.account, Window(limit=_BATCH), under=path))
            files = await self._trash_below(work, path)
            folders = await self._drop_below(work, path)
            await work.log("folder.deleted", path, {"folders": folders, "attachments": files}, work.tick())
            return Doomed(folders, files, links.items)

        return await self._guard.change(WRITE, body)

    async def _trash_below(self, work: Work, path: str) -> int:
        below = AttachmentQuery(work.account, Window(limit=_BATCH), under=(path,))
        count = 0
        while page := (await work.tx.find(below)).items:
            for attachment in page:
                await work.wholly(attachment)
                await trash(work, attachment)
            count += len(page)
        return count

    async def _drop_below(self, work: Work, path: str) -> int:
        below = EntryQuery(work.account, Window(limit=_BATCH), under=(path,), kinds=frozenset({"folder"}))
        count = 0
        while page := (await work.tx.find(below)).items:
            for folder in page:
                await work.remove(folder)
            count += len(page)
        await work.remove(await work.folder(path))
        return count + 1


async def relocate(work: Work, source: str, target: str) -> Folder:
    """Move a folder to a place where nothing is yet. Raises as `Folders.move` does."""
    await work.folder(source)
    above, _, name = target.rpartition("/")
    await work.place(above or ROOT, name)
    await _fits(work, source, len(target) - len(source))
    at = work.tick()
    await work.tx.move(MoveTree(work.account, source, target, at, work.actor.id))
    await work.log("folder.moved", source, {"to": target}, at)
    return await work.folder(target)


async def _fits(work: Work, source: str, growth: int) -> None:
    if growth <= 0:
        return
    longest = EntryQuery(work.account, Window(limit=_BATCH), under=(source,))
    while True:
        page = await work.tx.find(longest)
        for entry in page.items:
            if len(entry.path or "") + growth > MAX_PATH:
                raise Invalid(f"{entry.path} would pass {MAX_PATH} characters", fields={"path": "too long"})
        if page.next is None:
            return
        longest = msgspec.structs.replace(longest, window=Window(limit=_BATCH, after=page.next))
