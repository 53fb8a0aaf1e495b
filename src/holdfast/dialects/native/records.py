"""`/v1/records`: the host application's records."""

from urllib.parse import quote

import msgspec

from holdfast.core.model import RecordRef
from holdfast.core.ports import RecordFilter, RecordQuery, Where
from holdfast.core.records import NewRecord, RecordChange
from holdfast.dialects.native.attachments import attachment_list
from holdfast.dialects.native.paging import read_order, read_paging
from holdfast.dialects.native.preconditions import answer, expected_revisions, tagged, wants_new
from holdfast.dialects.native.shapes import RecordBody, RecordList, RecordPatch, record_view
from holdfast.web import body
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters, scalars_like
from holdfast.web.reply import Reply, empty, json

SORTS = ("created_at", "updated_at", "number", "id")


def _ref(call: Call) -> RecordRef:
    return RecordRef.checked(call.params["type"], call.params["id"])


def _refs(names: list[str]) -> tuple[RecordRef, ...]:
    return tuple(RecordRef.parse(name) for name in names)


async def listed(call: Call) -> Reply:
    """GET /v1/records/{type}."""
    type = call.params["type"]
    parameters = Parameters(call.req.params)
    paging = read_paging(parameters, {**call.req.params, "": type})
    parent = parameters.text("parent")
    where = tuple(
        Where(f"attribute.{key}", "in", scalars_like(value)) for key, value in parameters.prefixed("attribute.").items()
    )
    query = RecordQuery(
        call.desk.actor.account,
        paging.window,
        RecordFilter((RecordRef.checked(type, "x").type,), where),
        None if parent is None else RecordRef.parse(parent),
        order=read_order(parameters, SORTS),
    )
    parameters.finish()
    page = await call.desk.records.find(query)
    return json(RecordList([record_view(record) for record in page.items], paging.cursor(page.next)))


async def get(call: Call) -> Reply:
    """GET /v1/records/{type}/{id}."""
    record = await call.desk.records.get(_ref(call))
    return answer(call.req, record_view(record), record.revision)


async def put(call: Call) -> Reply:
    """PUT /v1/records/{type}/{id}: register, or replace what is known."""
    told = await body.json(call, RecordBody, optional=True)
    new = NewRecord(_ref(call), told.attributes, _refs(told.parents), told.state)
    revisions = frozenset({0}) if wants_new(call.req) else expected_revisions(call.req)
    record, created = await call.desk.records.put(new, revisions)
    headers = tagged(record.revision)
    if created:
        headers = (*headers, ("Location", f"/v1/records/{record.type}/{quote(record.id, safe='')}"))
    return json(record_view(record), 201 if created else 200, headers=headers)


async def patch(call: Call) -> Reply:
    """PATCH /v1/records/{type}/{id}."""
    told = await body.json(call, RecordPatch)
    parents = _refs(told.parents) if isinstance(told.parents, list) else msgspec.UNSET
    change = RecordChange(told.attributes, parents, told.state)
    record = await call.desk.records.change(_ref(call), change, expected_revisions(call.req))
    return json(record_view(record), headers=tagged(record.revision))


async def delete(call: Call) -> Reply:
    """DELETE /v1/records/{type}/{id}; `?cascade=true` takes records below it along."""
    parameters = Parameters(call.req.params)
    cascade = parameters.flag("cascade")
    parameters.finish()
    await call.desk.records.delete(_ref(call), cascade=cascade, revisions=expected_revisions(call.req))
    return empty()


async def attachments(call: Call) -> Reply:
    """GET /v1/records/{type}/{id}/attachments."""
    return await attachment_list(call, _ref(call))
