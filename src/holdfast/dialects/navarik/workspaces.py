"""`/v2/workspaces`: list, create, get (contract section 5)."""

from typing import Any

import msgspec

from holdfast.core.errors import Invalid, NotFound
from holdfast.core.model import RecordRef
from holdfast.core.ports import RecordFilter, RecordQuery, Where
from holdfast.core.records import NewRecord
from holdfast.dialects.navarik.envelopes import OURS, marks, workspace_body, workspace_envelope
from holdfast.dialects.navarik.lists import of_type, read_sort, record_page
from holdfast.dialects.navarik.parents import workspace_of
from holdfast.dialects.navarik.requests import (
    checked_id,
    path_id,
    read_filters,
    read_window,
)
from holdfast.dialects.navarik.shapes import WORKSPACE, NewParty, NewWorkspace
from holdfast.dialects.navarik.versions import version_id
from holdfast.web import body
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters
from holdfast.web.reply import Reply, json

_SIDES = ("client", "vendor")


async def listed(call: Call) -> Reply:
    """GET /v2/workspaces."""
    parameters = Parameters(call.req.params)
    window, criteria = read_window(parameters), read_sort(parameters)
    where = [of_type(WORKSPACE), *_party_filters(parameters)]
    others = call.req.params.keys() - set(map(_party_filter, _SIDES))
    where.extend(read_filters(parameters, others, ""))
    query = RecordQuery(call.actor.account, window, RecordFilter(("workspace",), tuple(where)))
    return json(await record_page(call, query, criteria, "", workspace_envelope))


def _party_filter(side: str) -> str:
    return f"filter[body.parties.{side}.id]"


def _party_filters(parameters: Parameters) -> list[Where]:
    """Workspaces of these organizations; an id in upper case means the same. Raises `Invalid`."""
    asked = {side: parameters.text(_party_filter(side)) for side in _SIDES}
    return [
        Where(f"attribute.parties.{side}.id", "eq", checked_id(id, _party_filter(side)))
        for side, id in asked.items()
        if id is not None
    ]


async def create(call: Call) -> Reply:
    """POST /v2/workspaces: both parties are organizations that the caller may speak for."""
    told = await body.json(call, NewWorkspace)
    client = await _party(call, "client", told.parties.client)
    vendor = await _party(call, "vendor", told.parties.vendor)
    if client["id"] == vendor["id"]:
        raise Invalid("A workspace has two different parties", fields={"parties": "the same organization twice"})
    id = call.desk.new_id()
    attributes = {"description": told.description, "parties": {"client": client, "vendor": vendor}}
    model = msgspec.to_builtins(workspace_body(attributes))
    kept = {OURS: marks(WORKSPACE, version_id(id, model))}
    parents = tuple(RecordRef("organization", party["id"]) for party in (client, vendor))
    record = await call.desk.records.create(NewRecord(RecordRef("workspace", id), attributes | kept, parents))
    return json(workspace_envelope(record), 201, headers=(("Location", f"{call.req.path}/{id}"),))


async def _party(call: Call, side: str, told: NewParty) -> dict[str, Any]:
    """One side, if there is such an organization. Raises `Invalid`, `OutOfScope`."""
    name = f"parties.{side}.id"
    id = checked_id(told.id, name)
    try:
        await call.desk.records.get(RecordRef("organization", id))
    except NotFound:
        raise Invalid(f"{name} names no organization", fields={name: "unknown organization"}) from None
    return {"id": id, "xref": told.xref}


async def get(call: Call) -> Reply:
    """GET /v2/workspaces/{workspace_id}."""
    return json(workspace_envelope(await workspace_of(call, path_id(call, "workspace_id"))))
