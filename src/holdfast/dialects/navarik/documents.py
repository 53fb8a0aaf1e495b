"""`/v2/workspaces/{workspace_id}/documents`: list, create, bulk, get, PATCH (contract section 5)."""

from typing import Any

from holdfast.core.errors import Conflict, Invalid
from holdfast.core.model import RecordRef, has_control_characters
from holdfast.core.ports import RecordFilter, RecordQuery
from holdfast.core.records import NewRecord, RecordChange
from holdfast.dialects.navarik.envelopes import OURS, document_body, document_envelope, document_type, marks
from holdfast.dialects.navarik.lists import of_type, read_sort, record_page
from holdfast.dialects.navarik.parents import document_in, workspace_of
from holdfast.dialects.navarik.requests import (
    checked_id,
    path_id,
    read_filters,
    read_window,
)
from holdfast.dialects.navarik.shapes import DocumentChange, NewDocument, NewDocuments
from holdfast.dialects.navarik.versions import canonical, version_id
from holdfast.web import body
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters
from holdfast.web.reply import Reply, json


async def listed(call: Call) -> Reply:
    """GET …/documents: those of one type."""
    parameters = Parameters(call.req.params)
    window, criteria = read_window(parameters), read_sort(parameters)
    type = parameters.text("type")
    if type is None:
        raise Invalid("type is needed: the document type to list", fields={"type": "missing"})
    where = (of_type(type), *read_filters(parameters, call.req.params, "body."))
    workspace = await workspace_of(call, path_id(call, "workspace_id"))
    query = RecordQuery(call.actor.account, window, RecordFilter(("document",), where), workspace.ref)
    return json(await record_page(call, query, criteria, "body.", document_envelope))


async def create(call: Call) -> Reply:
    """POST …/documents."""
    workspace = await workspace_of(call, path_id(call, "workspace_id"))
    told = await body.json(call, NewDocument)
    new = _new(call.desk.new_id(), workspace.ref, told.type, told.body)
    record = await call.desk.records.create(new)
    return json(document_envelope(record), 201, headers=(("Location", f"{call.req.path}/{record.id}"),))


async def create_bulk(call: Call) -> Reply:
    """POST …/documents/bulk: all of them or none."""
    workspace = await workspace_of(call, path_id(call, "workspace_id"))
    told = await body.json(call, NewDocuments)
    batch = tuple(_new(call.desk.new_id(), workspace.ref, told.type, item) for item in told.body)
    records = await call.desk.records.create_all(batch)
    return json([document_envelope(record) for record in records], 201)


def _new(id: str, workspace: RecordRef, type: str, told: dict[str, Any]) -> NewRecord:
    if not type.strip() or has_control_characters(type):
        raise Invalid("type is the name of a document type", fields={"type": "blank or control characters"})
    model = canonical(told)
    attributes = {"body": model, OURS: marks(type, version_id(id, model))}
    return NewRecord(RecordRef("document", id), attributes, (workspace,))


async def get(call: Call) -> Reply:
    """GET …/documents/{document_id}."""
    workspace, id = path_id(call, "workspace_id"), path_id(call, "document_id")
    await workspace_of(call, workspace)
    return json(document_envelope(await document_in(call, workspace, id)))


async def patch(call: Call) -> Reply:
    """PATCH …/documents/{document_id}: new members over the old ones, if the named version is still the last."""
    workspace, id = path_id(call, "workspace_id"), path_id(call, "document_id")
    await workspace_of(call, workspace)
    told = await body.json(call, DocumentChange)
    seen = checked_id(told.previous_version_id, "previous_version_id")
    record = await document_in(call, workspace, id)
    old = document_body(record)
    last = version_id(id, old)
    if seen != last:
        raise Conflict("previous_version_id is not the last version of this document")
    model = canonical({**old, **told.body})
    kept = marks(document_type(record), version_id(id, model), last)
    change = RecordChange({"body": model, OURS: kept})
    changed = await call.desk.records.change(record.ref, change, frozenset({record.revision}))
    return json(document_envelope(changed))
