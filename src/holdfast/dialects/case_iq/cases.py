"""Cases, as far as files need them: create, read, replace, change, move on, list (contract section 5)."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from holdfast.core.errors import Conflict, Forbidden, Invalid, NotFound, OutOfScope
from holdfast.core.model import Record, RecordRef
from holdfast.core.ports import RecordFilter, RecordQuery, Where, Window
from holdfast.core.records import NewRecord, RecordChange
from holdfast.dialects.case_iq.listing import Sortable, as_moment, as_text, read_listing
from holdfast.dialects.case_iq.shapes import (
    CASE,
    CASE_MEMBERS,
    OPEN,
    case_record,
    checked_uuid,
    workflow_id,
)
from holdfast.web import body
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters, scalars_like
from holdfast.web.reply import Reply, json

REASON: Final = "transitionReason"

_NUMBER: Final = re.compile(r"([0-9]{4})-([0-9]{3,15})", re.ASCII)
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")
_LIST_PARAMETERS: Final = frozenset({"limit", "before", "after", "sort", "order", "fields"})


class Transition(msgspec.Struct, frozen=True, rename="camel"):
    """The status to go to, the workflow that leads there (the case's `lastWorkflowId`), and why."""

    case_status: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    workflow_id: str
    reason: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None


async def create(call: Call) -> Reply:
    """POST /api-public/1.0/case."""
    attributes = await _told(call)
    try:
        record = await call.desk.records.create(NewRecord(RecordRef(CASE, call.desk.new_id()), attributes))
    except OutOfScope:
        raise Forbidden("A service account with scopes creates cases only with the scope type:case") from None
    return json(case_record(record), 201)


async def get(call: Call) -> Reply:
    """GET /api-public/1.0/case/{id}."""
    return json(case_record(await _case(call)))


async def replace(call: Call) -> Reply:
    """PUT /api-public/1.0/case/{id}: all of the case's own fields."""
    return await _change(call, RecordChange(await _told(call), replace=True))


async def change(call: Call) -> Reply:
    """PATCH /api-public/1.0/case/{id}: the fields that are sent; null takes one away."""
    return await _change(call, RecordChange(await _told(call)))


async def transition(call: Call) -> Reply:
    """POST /api-public/1.0/case/{id}/transition."""
    asked = await body.json(call, Transition)
    record = await _case(call)
    if checked_uuid(asked.workflow_id, "workflowId") != workflow_id(record.account):
        raise Invalid("There is no such workflow for this case", fields={"workflowId": "unknown"})
    if asked.case_status == (record.state or OPEN):
        raise Conflict(f"The case is already in status {asked.case_status}")
    change = RecordChange({REASON: asked.reason}, state=asked.case_status)
    changed = await call.desk.records.change(record.ref, change, frozenset({record.revision}))
    return json(case_record(changed))


async def _case(call: Call) -> Record:
    """The case of the path. Raises `Invalid` for a malformed id, `NotFound`."""
    try:
        record: Record = await call.desk.records.get(_ref(call))
    except OutOfScope:
        raise NotFound(CASE) from None
    return record


async def _change(call: Call, change: RecordChange) -> Reply:
    try:
        return json(case_record(await call.desk.records.change(_ref(call), change)))
    except OutOfScope:
        raise NotFound(CASE) from None


def _ref(call: Call) -> RecordRef:
    return RecordRef(CASE, checked_uuid(call.params["id"], "id"))


async def _told(call: Call) -> dict[str, Any]:
    """The case's own fields. What the server assigns may be sent back with them and is passed over."""
    told = await body.json(call, dict[str, Any])
    return {name: value for name, value in told.items() if name not in CASE_MEMBERS}


# ---------------------------------------------------------------- list


def _as_number(value: str, parameter: str) -> int:
    found = _NUMBER.fullmatch(value)
    if found is None:
        raise Invalid(f"{parameter} is a case number with this sort", fields={parameter: "not a case number"})
    return int(found[2])


SORTABLE: Final[Mapping[str, Sortable]] = {
    "createdDate": Sortable("created_at", as_moment),
    "lastUpdatedDate": Sortable("updated_at", as_moment),
    "id": Sortable("id", as_text),
    "caseNumber": Sortable("number", _as_number),
    "caseStatus": Sortable("state", as_text),
    "createdBy": Sortable("created_by", as_text),
}


async def listed(call: Call) -> Reply:
    """GET /api-public/1.0/cases. Every other parameter is a field of the case that must have this value."""
    parameters = Parameters(call.req.params)
    listing = read_listing(parameters, SORTABLE, None)
    where = list(listing.bounds)
    for name in sorted(set(call.req.params) - _LIST_PARAMETERS):
        if _FIELD.fullmatch(name) and (value := parameters.text(name)) is not None:
            where.extend(_conditions(name, value))
    parameters.finish()
    filter = RecordFilter((CASE,), tuple(where))
    query = RecordQuery(call.desk.actor.account, Window(listing.limit), filter, order=listing.order)
    page = await call.desk.records.find(query)
    return listing.reply([case_record(record) for record in page.items])


def _conditions(name: str, value: str) -> list[Where]:
    if name == "caseNumber":
        return _numbered(value)
    if name == "caseStatus":
        return [Where("state", "in", (value, None) if value == OPEN else (value,))]
    if name in {"id", "createdBy"}:
        return [Where("id" if name == "id" else "created_by", "eq", value)]
    if name in CASE_MEMBERS:
        raise Invalid(f"{name} is no filter", fields={name: "unknown parameter"})
    return [Where(f"attribute.{name}", "in", scalars_like(value))]


def _numbered(value: str) -> list[Where]:
    """The number, in the year that goes before it."""
    found = _NUMBER.fullmatch(value)
    year = int(found[1]) if found is not None else 0
    if found is None or not 1970 <= year < 9999 or found[2] != f"{int(found[2]):03d}":
        return [Where("number", "in", ())]
    since, until = (int(dt.datetime(each, 1, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000 for each in (year, year + 1))
    return [Where("number", "eq", int(found[2])), Where("created_at", "ge", since), Where("created_at", "lt", until)]
