"""`/v2/attachment/view`, `update` and `delete`: download, describe, rename, move, remove (contract section 4)."""

from typing import Final

import msgspec

from holdfast.core.attachments import Description
from holdfast.core.errors import Conflict, Invalid, Malformed
from holdfast.core.model import Attachment, Link
from holdfast.core.ports import AttachmentQuery, Page, Where, Window
from holdfast.core.store import Desk
from holdfast.dialects.four_hse.inputs import flag, told
from holdfast.dialects.four_hse.paths import Entry, absolute, locate, path_of, split
from holdfast.dialects.four_hse.shapes import EntityAttachment, attachment_view, link_view, require_project
from holdfast.web.content import serve
from holdfast.web.dialect import Call
from holdfast.web.parameters import parsed
from holdfast.web.problems import RouteNotFound
from holdfast.web.query import Parameters
from holdfast.web.reply import JSON, Reply, empty, json

MODES: Final = ("download", "inline")

_MAX_ACCEPT: Final = 4096
_VARY: Final = (("Vary", "Accept"),)
_BATCH: Final = 500


class NewPath(msgspec.Struct, frozen=True):
    """Where a file or folder goes."""

    path: str | msgspec.UnsetType = msgspec.UNSET


async def view(call: Call) -> Reply:
    """GET /v2/attachment/view/{id}: the bytes, or with `Accept: application/json` the metadata."""
    id = _id(call, "view")
    mode = Parameters(call.req.params).choice("mode", MODES)
    found = await locate(call.desk, id)
    if prefers_json(call.req.get_header("Accept")):
        return json(await attachment_view(call.desk, found), headers=_VARY)
    if not isinstance(found, Attachment):
        raise Invalid("A folder has no content; ask for application/json", fields={"id": "a folder"})
    _, content = await call.desk.attachments.content(found.id)
    return serve(call, content, inline=mode == "inline", headers=_VARY)


def prefers_json(accept: str | None) -> bool:
    """Whether `application/json` ranks above all else in an Accept header; on ties the first one counts."""
    if accept is None or len(accept) > _MAX_ACCEPT:
        return False
    best, ranked = 0.0, ""
    for item in accept.split(","):
        try:
            kind, options = parsed(item)
        except Malformed:
            continue
        weight = _weight(options.get("q", "1"))
        if weight > best and "/" in kind:
            best, ranked = weight, kind
    return ranked == JSON


def _weight(text: str) -> float:
    """A quality (RFC 9110 section 12.4.2); what is none counts for nothing."""
    digits = text.replace(".", "", 1)
    return min(float(text), 1.0) if len(text) <= 5 and digits.isascii() and digits.isdigit() else 0.0


async def update(call: Call) -> Reply:
    """PUT /v2/attachment/update/{id}: rename or move a file, or a folder with all that is in it."""
    id = _id(call, "update")
    target = absolute((await told(call)).get("path"))
    found = await locate(call.desk, id)
    if target == found.path:
        raise Conflict("It is there already")
    await require_project(call.desk, target, file=isinstance(found, Attachment))
    return json(await attachment_view(call.desk, await _moved(call.desk, found, target)))


async def _moved(desk: Desk, entry: Entry, target: str) -> Entry:
    if not isinstance(entry, Attachment):
        return await desk.folders.move(path_of(entry), target)
    folder, name = split(target)
    return await desk.attachments.describe(entry.id, Description(name=name, folder=folder))


async def delete(call: Call) -> Reply:
    """DELETE /v2/attachment/delete/{id}: what is linked, or with `force` the deletion."""
    id = _id(call, "delete")
    force = flag(call, "force")
    found = await locate(call.desk, id)
    links, total = ([], 0) if force else await _linked(call, found)
    if not force and (total or call.choice("delete_without_force") == "never"):
        return json(links, 400, headers=(("X-Pagination-Total-Count", str(total)),))
    if isinstance(found, Attachment):
        await call.desk.attachments.trash(found.id)
    else:
        await call.desk.folders.delete(path_of(found))
    return empty()


async def _linked(call: Call, entry: Entry) -> tuple[list[EntityAttachment], int]:
    """The links of a file, or of all files below a folder; the first ones, and how many there are."""
    window = Window(limit=int(call.choice("preview_links")), total=True)
    links = await call.desk.folders.links(path_of(entry), window)
    paths = await _paths(call.desk, links)
    shown = [link_view(link, paths[link.attachment]) for link in links.items if link.attachment in paths]
    return shown, max(links.total or 0, len(shown))


async def _paths(desk: Desk, links: Page[Link]) -> dict[str, str]:
    ids = tuple({link.attachment: None for link in links.items})
    found: dict[str, str] = {}
    for start in range(0, len(ids), _BATCH):
        where = (Where("id", "in", ids[start : start + _BATCH]),)
        query = AttachmentQuery(desk.actor.account, Window(limit=_BATCH), where=where)
        found |= {each.id: path_of(each) for each in (await desk.attachments.find(query)).items}
    return found


def _id(call: Call, operation: str) -> str:
    """The id behind the operation's word in the path, or in `?id=` as the vendor's own client sends it.

    Raises `RouteNotFound` for another word, `Invalid` when there is no id.
    """
    word, _, id = call.params["rest"].partition("/")
    if word != operation:
        raise RouteNotFound(call.req.path)
    id = id or Parameters(call.req.params).text("id") or ""
    if not id:
        raise Invalid("Missing required parameters: id", fields={"id": "missing"})
    return id
