"""`/v1/attachments`: files, their versions and links."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from holdfast.core.attachments import Description, NewAttachment, OnConflict
from holdfast.core.errors import Conflict, Invalid, NotFound
from holdfast.core.intake import Intake
from holdfast.core.links import Hook
from holdfast.core.model import Attachment, Facts, Link, RecordRef
from holdfast.core.paths import checked_folder, split_path
from holdfast.core.ports import AttachmentQuery, Page, RecordFilter, Where
from holdfast.dialects.native.idempotency import idempotency_key, once
from holdfast.dialects.native.paging import Paging, read_order, read_paging
from holdfast.dialects.native.preconditions import answer, expected_state, tagged
from holdfast.dialects.native.shapes import (
    AttachmentChange,
    AttachmentList,
    AttachmentView,
    LinkList,
    NewLink,
    VersionList,
    attachment_view,
    link_view,
    version_view,
)
from holdfast.web import body
from holdfast.web.content import serve
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters, scalars_like
from holdfast.web.reply import Reply, empty, json

SORTS = ("created_at", "updated_at", "name", "size", "number", "path")
SIZES = ("128", "256", "512", "1024")
DEFAULT_SIZE = "256"
CONFLICTS: tuple[OnConflict, ...] = ("fail", "rename", "replace")

_MEMBERS = frozenset(AttachmentView.__struct_fields__)


class Draft(NamedTuple):
    """What the fields of an upload say, before the file arrives. `name` None takes the file's own."""

    name: str | None
    description: str | None
    hooks: tuple[Hook, ...]
    folder: str | None
    properties: dict[str, Any]
    on_conflict: OnConflict

    def of(self, filename: str) -> NewAttachment:
        """The new attachment, once the file's own name is known."""
        name = filename if self.name is None else self.name
        return NewAttachment(name, self.description, self.hooks, self.folder, self.properties, self.on_conflict)


def read_draft(parameters: Parameters) -> Draft:
    """Read name, description, record, role, path, properties and on_conflict. Raises `Invalid`."""
    name, path = parameters.text("name"), parameters.text("path")
    folder = None
    if path is not None:
        folder, placed = _place(path)
        if name is not None and placed is not None and name != placed:
            raise Invalid("name and the end of path differ", fields={"name": "not the end of path"})
        name = placed if name is None else name
    role = parameters.text("role") or "attachment"
    if len(role) > 64:
        raise Invalid("A role has at most 64 characters", fields={"role": "too long"})
    hooks = tuple(Hook(RecordRef.parse(record), role) for record in parameters.texts("record"))
    on_conflict = parameters.choice("on_conflict", CONFLICTS) or "fail"
    draft = Draft(
        name, parameters.text("description"), hooks, folder, _properties(parameters.text("properties")), on_conflict
    )
    parameters.finish()
    return draft


def _place(path: str) -> tuple[str, str | None]:
    """Folder and name: a path that ends with `/` is a folder's."""
    if path.endswith("/"):
        return checked_folder(path), None
    return split_path(path)


def _properties(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    found = body.decoded(text.encode())
    if not isinstance(found, dict):
        raise Invalid("properties is a JSON object", fields={"properties": "expected an object"})
    return found


# ---------------------------------------------------------------- bytes in


async def create(call: Call) -> Reply:
    """POST /v1/attachments."""
    key = idempotency_key(call.req)
    if body.media_type(call) == body.MULTIPART:
        return await _create_from_form(call, key)
    draft = read_draft(Parameters(call.req.params))
    new = draft.of("")
    await _may_begin(call, new, key)
    async with await call.desk.attachments.receive() as intake:
        await body.receive(call, intake, new.name)
        return await _create(call, key, intake, new, None)


async def _create(call: Call, key: str | None, intake: Intake, new: NewAttachment, declared: str | None) -> Reply:
    said = (new, declared)
    return await once(call, key, said, lambda desk: desk.attachments.create(intake, new), _created)


async def _may_begin(call: Call, new: NewAttachment, key: str | None) -> None:
    """Refuse before the bytes arrive what could not be kept after."""
    try:
        await call.desk.links.may_hang(new.hooks)
        if new.folder is not None and new.on_conflict == "fail":
            await call.desk.attachments.may_place(new.folder, new.name)
    except (Conflict, NotFound):
        # What was carried out before is answered again, whatever has become of the record since.
        if key is None or not await call.desk.answered(key):
            raise


async def _create_from_form(call: Call, key: str | None) -> Reply:
    fields: dict[str, list[str]] = {}
    new: NewAttachment | None = None
    declared: str | None = None
    async with await call.desk.attachments.receive() as intake:
        async for part in body.form(call, urlencoded=False):
            if new is not None:
                raise Invalid("The file is the last part of the form", fields={part.name: "after the file"})
            if isinstance(part, body.Field):
                fields.setdefault(part.name, []).append(part.value)
                continue
            new, declared = _draft_of_form(call, part, fields).of(part.filename), part.media_type
            await _may_begin(call, new, key)
            await intake.take(part.chunks, name=new.name, declared_type=part.media_type)
        if new is None:
            raise Invalid("No file was sent", fields={"file": "missing"})
        return await _create(call, key, intake, new, declared)


def _draft_of_form(call: Call, part: body.FilePart, fields: dict[str, list[str]]) -> Draft:
    if part.name != "file":
        raise Invalid("The file's part is named file", fields={part.name: "unexpected file"})
    single: dict[str, str | list[str]] = {
        name: values[0] if len(values) == 1 else values for name, values in fields.items()
    }
    return read_draft(Parameters({**call.req.params, **single}))


def _created(attachment: Attachment) -> Reply:
    headers = (*tagged(attachment.revision), ("Location", f"/v1/attachments/{attachment.id}"))
    return json(attachment_view(attachment), 201 if attachment.version == 1 else 200, headers=headers)


async def put_content(call: Call) -> Reply:
    """PUT /v1/attachments/{id}/content: a new version."""
    id, key, expected = call.params["id"], idempotency_key(call.req), expected_state(call.req)
    name = await _name_of(call, id, key)
    declared: str | None = None
    async with await call.desk.attachments.receive() as intake:
        if body.media_type(call) == body.MULTIPART:
            declared = await _take_only_file(call, intake, name)
        else:
            await body.receive(call, intake, name)
        return await once(call, key, declared, lambda desk: desk.attachments.replace(id, intake, expected), _described)


async def _name_of(call: Call, id: str, key: str | None) -> str:
    try:
        return (await call.desk.attachments.get(id)).name
    except NotFound:
        if key is None or not await call.desk.answered(key):
            raise
        return ""


async def _take_only_file(call: Call, intake: Intake, name: str) -> str | None:
    declared: str | None = None
    seen = False
    async for part in body.form(call, urlencoded=False):
        if seen or not isinstance(part, body.FilePart) or part.name != "file":
            raise Invalid("The form has one part, named file", fields={part.name: "unexpected"})
        await intake.take(part.chunks, name=name, declared_type=part.media_type)
        seen, declared = True, part.media_type
    return declared


def _described(attachment: Attachment) -> Reply:
    return json(attachment_view(attachment), headers=tagged(attachment.revision))


# ---------------------------------------------------------------- reading


async def listed(call: Call) -> Reply:
    """GET /v1/attachments."""
    return await attachment_list(call, None)


async def attachment_list(call: Call, record: RecordRef | None) -> Reply:
    """One page of attachments, of one record if given."""
    parameters = Parameters(call.req.params)
    paging = read_paging(parameters, {**call.req.params, "": str(record or "")})
    fields = _chosen(parameters.text("fields"))
    query = _query(parameters, paging, call.desk.actor.account, record)
    parameters.finish()
    page = await call.desk.attachments.find(query)
    shows_media = fields is None or "media" in fields
    return _page(page, paging, fields, await call.desk.renditions.facts(page.items) if shows_media else {})


def _query(parameters: Parameters, paging: Paging, account: int, record: RecordRef | None) -> AttachmentQuery:
    named = None if record is not None else parameters.text("record")
    type = None if record is not None else parameters.text("type")
    role, under = parameters.text("role"), parameters.text("under")
    return AttachmentQuery(
        account,
        paging.window,
        record=RecordRef.parse(named) if named is not None else record,
        roles=() if role is None else (role,),
        linked=() if type is None else (RecordFilter((type,)),),
        words=parameters.text("q"),
        under=() if under is None else (checked_folder(under),),
        where=_conditions(parameters),
        trashed=parameters.flag("trashed"),
        order=read_order(parameters, SORTS),
    )


def _conditions(parameters: Parameters) -> tuple[Where, ...]:
    found: list[Where] = []
    if (path := parameters.text("path")) is not None:
        found.append(Where("path", "eq", path))
    if (media_type := parameters.text("media_type")) is not None:
        found.append(Where("media_type", "eq", media_type.lower()))
    if (sha256 := parameters.text("sha256")) is not None:
        found.append(Where("sha256", "eq", _digest(sha256)))
    if (after := parameters.moment("created_after")) is not None:
        found.append(Where("created_at", "gt", after))
    if (before := parameters.moment("created_before")) is not None:
        found.append(Where("created_at", "lt", before))
    for key, value in parameters.prefixed("property.").items():
        found.append(Where(f"property.{key}", "in", scalars_like(value)))
    return tuple(found)


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise Invalid("sha256 is 64 hex digits", fields={"sha256": "expected 64 hex digits"})
    return digest


def _chosen(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    chosen = frozenset(text.split(","))
    for name in sorted(chosen - _MEMBERS):
        raise Invalid(f"There is no member {name!r}", fields={"fields": "unknown member"})
    return chosen | {"id"}


def _page(page: Page[Attachment], paging: Paging, fields: frozenset[str] | None, facts: Mapping[bytes, Facts]) -> Reply:
    views = [attachment_view(attachment, facts) for attachment in page.items]
    following = paging.cursor(page.next)
    if fields is None:
        return json(AttachmentList(views, following))
    return json({"items": [_chosen_members(view, fields) for view in views], "next": following})


def _chosen_members(view: AttachmentView, fields: frozenset[str]) -> dict[str, Any]:
    members = msgspec.structs.asdict(view)
    return {name: value for name, value in members.items() if name in fields and value is not msgspec.UNSET}


async def get(call: Call) -> Reply:
    """GET /v1/attachments/{id}; with `?trashed=true` one that is in the trash."""
    parameters = Parameters(call.req.params)
    trashed = parameters.flag("trashed")
    parameters.finish()
    attachment = await call.desk.attachments.get(call.params["id"], trashed=trashed)
    facts = await call.desk.renditions.facts((attachment,))
    return answer(call.req, attachment_view(attachment, facts), attachment.revision, media=bool(facts))


async def get_content(call: Call) -> Reply:
    """GET and HEAD /v1/attachments/{id}/content; `?disposition=inline` shows what may be shown."""
    parameters = Parameters(call.req.params)
    inline = parameters.choice("disposition", ("attachment", "inline")) == "inline"
    parameters.finish()
    _, content = await call.desk.attachments.content(call.params["id"])
    return serve(call, content, inline=inline)


async def get_thumbnail(call: Call) -> Reply:
    """GET and HEAD /v1/attachments/{id}/thumbnail."""
    size = _size(call)
    return serve(call, await call.desk.renditions.thumbnail(call.params["id"], size), inline=True)


def _size(call: Call) -> int:
    parameters = Parameters(call.req.params)
    size = parameters.choice("size", SIZES) or DEFAULT_SIZE
    parameters.finish()
    return int(size)


# ---------------------------------------------------------------- changing


async def patch(call: Call) -> Reply:
    """PATCH /v1/attachments/{id}."""
    change = await body.json(call, AttachmentChange)
    name, folder = change.name, change.path
    if isinstance(folder, str):
        folder, placed = _place(folder)
        if placed is not None and name is not msgspec.UNSET and name != placed:
            raise Invalid("name and the end of path differ", fields={"name": "not the end of path"})
        name = placed if placed is not None else name
    described = Description(name, change.description, folder, change.properties)
    attachment = await call.desk.attachments.describe(call.params["id"], described, expected_state(call.req))
    return json(attachment_view(attachment), headers=tagged(attachment.revision))


async def delete(call: Call) -> Reply:
    """DELETE /v1/attachments/{id}: into the trash, or with `?purge=true` for good."""
    parameters = Parameters(call.req.params)
    purge = parameters.flag("purge")
    parameters.finish()
    if purge:
        await call.desk.attachments.purge(call.params["id"], expected_state(call.req))
    else:
        await call.desk.attachments.trash(call.params["id"], expected_state(call.req))
    return empty()


async def restore(call: Call) -> Reply:
    """POST /v1/attachments/{id}/restore."""
    id, key = call.params["id"], idempotency_key(call.req)
    return await once(call, key, None, lambda desk: desk.attachments.restore(id), _described)


# ---------------------------------------------------------------- versions


async def versions(call: Call) -> Reply:
    """GET /v1/attachments/{id}/versions."""
    parameters = Parameters(call.req.params)
    paging = read_paging(parameters, call.req.params)
    parameters.finish()
    page = await call.desk.attachments.versions(call.params["id"], paging.window)
    return json(VersionList([version_view(version) for version in page.items], paging.cursor(page.next)))


async def version_content(call: Call) -> Reply:
    """GET and HEAD /v1/attachments/{id}/versions/{number}/content."""
    parameters = Parameters(call.req.params)
    inline = parameters.choice("disposition", ("attachment", "inline")) == "inline"
    parameters.finish()
    _, content = await call.desk.attachments.content(call.params["id"], _number(call))
    return serve(call, content, inline=inline)


async def version_thumbnail(call: Call) -> Reply:
    """GET and HEAD /v1/attachments/{id}/versions/{number}/thumbnail."""
    size = _size(call)
    return serve(call, await call.desk.renditions.thumbnail(call.params["id"], size, _number(call)), inline=True)


async def restore_version(call: Call) -> Reply:
    """POST /v1/attachments/{id}/versions/{number}/restore."""
    id, number, key = call.params["id"], _number(call), idempotency_key(call.req)
    expected = expected_state(call.req)
    return await once(call, key, None, lambda desk: desk.attachments.restore_version(id, number, expected), _described)


def _number(call: Call) -> int:
    text = call.params["number"]
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise NotFound("version")
    return int(text)


# ---------------------------------------------------------------- links


async def links(call: Call) -> Reply:
    """GET /v1/attachments/{id}/links."""
    parameters = Parameters(call.req.params)
    paging = read_paging(parameters, call.req.params)
    parameters.finish()
    page = await call.desk.links.page(call.params["id"], paging.window)
    return json(LinkList([link_view(link) for link in page.items], paging.cursor(page.next)))


async def create_link(call: Call) -> Reply:
    """POST /v1/attachments/{id}/links."""
    id, key = call.params["id"], idempotency_key(call.req)
    new = await body.json(call, NewLink)
    hook = Hook(RecordRef.parse(new.record), new.role, new.caption, new.position)
    return await once(call, key, hook, lambda desk: desk.links.hang(id, hook), _linked)


def _linked(link: Link) -> Reply:
    location = f"/v1/attachments/{link.attachment}/links/{link.id}"
    return json(link_view(link), 201, headers=(("Location", location),))


async def delete_link(call: Call) -> Reply:
    """DELETE /v1/attachments/{id}/links/{link}."""
    link = await call.desk.links.get(call.params["link"])
    if link.attachment != call.params["id"].lower():
        raise NotFound("link")
    await call.desk.links.remove(link.id)
    return empty()
