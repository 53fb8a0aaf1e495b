"""`/v1/folders`: the account's path tree."""

from holdfast.core.errors import NotFound
from holdfast.core.folders import Doomed
from holdfast.core.model import ROOT, Attachment, Folder
from holdfast.core.paths import checked_folder
from holdfast.core.ports import EntryQuery
from holdfast.dialects.native.idempotency import idempotency_key, once
from holdfast.dialects.native.paging import read_paging
from holdfast.dialects.native.shapes import (
    FolderDeletion,
    FolderEntry,
    FolderMove,
    FolderView,
    folder_entry,
    link_view,
)
from holdfast.web import body
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters, moment_text
from holdfast.web.reply import Reply, json


def _path(call: Call) -> str:
    return checked_folder("/" + call.params.get("path", ""))


async def get(call: Call) -> Reply:
    """GET /v1/folders/{path}: what is directly inside."""
    path = _path(call)
    parameters = Parameters(call.req.params)
    paging = read_paging(parameters, {**call.req.params, "": path})
    parameters.finish()
    page = await call.desk.folders.find(EntryQuery(call.desk.actor.account, paging.window, parent=path))
    facts = await call.desk.renditions.facts(entry for entry in page.items if isinstance(entry, Attachment))
    return json(FolderView(path, [folder_entry(entry, facts) for entry in page.items], paging.cursor(page.next)))


async def get_root(call: Call) -> Reply:
    """GET /v1/folders: what is at the top of the tree."""
    return await get(call)


async def create(call: Call) -> Reply:
    """POST /v1/folders/{path}: an empty folder, with those above it where missing."""
    path, key = _path(call), idempotency_key(call.req)
    return await once(call, key, None, lambda desk: desk.folders.create(path), _created)


def _created(folder: Folder) -> Reply:
    return json(FolderEntry("folder", folder.name, folder.path, moment_text(folder.created_at), None), 201)


async def move(call: Call) -> Reply:
    """PATCH /v1/folders/{path}: rename or move it with everything inside."""
    target = await body.json(call, FolderMove)
    folder = await call.desk.folders.move(_path(call), target.path)
    return json(FolderEntry("folder", folder.name, folder.path, moment_text(folder.created_at), None))


async def delete(call: Call) -> Reply:
    """DELETE /v1/folders/{path}: shows what would go; `?force=true` does it."""
    path = _path(call)
    parameters = Parameters(call.req.params)
    force = parameters.flag("force")
    parameters.finish()
    if path == ROOT:
        raise NotFound("folder", "The root cannot be deleted")
    doomed: Doomed = await (call.desk.folders.delete(path) if force else call.desk.folders.preview(path))
    links = [link_view(link) for link in doomed.links]
    return json(FolderDeletion(force, doomed.folders, doomed.attachments, links))
