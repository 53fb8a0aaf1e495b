"""`/v2/organizations`: list, create, get (contract section 5)."""

import msgspec

from holdfast.core.errors import Conflict, Invalid
from holdfast.core.model import RecordRef
from holdfast.core.ports import RecordFilter, RecordQuery, Where, Window
from holdfast.core.records import NewRecord
from holdfast.dialects.navarik.envelopes import OURS, marks, organization_body, organization_envelope
from holdfast.dialects.navarik.lists import of_type, read_sort, record_page
from holdfast.dialects.navarik.requests import checked_id, path_id, read_window
from holdfast.dialects.navarik.shapes import ORGANIZATION, NewOrganization
from holdfast.dialects.navarik.versions import fixed_id, version_id
from holdfast.web import body
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters
from holdfast.web.reply import Reply, json


async def listed(call: Call) -> Reply:
    """GET /v2/organizations."""
    parameters = Parameters(call.req.params)
    window, criteria = read_window(parameters), read_sort(parameters)
    where = [of_type(ORGANIZATION)]
    if (name := parameters.text("name")) is not None:
        where.append(Where("attribute.name", "contains", name))
    if (category := parameters.choice("category", ("shipper", "inspector", "none"))) is not None:
        where.append(Where("attribute.category", "eq", None if category == "none" else category))
    query = RecordQuery(call.actor.account, window, RecordFilter(("organization",), tuple(where)))
    return json(await record_page(call, query, criteria, "", organization_envelope))


async def create(call: Call) -> Reply:
    """POST /v2/organizations.

    The id follows from the account and the name, so that of two calls with one name at the same moment one is refused.
    """
    told = await body.json(call, NewOrganization)
    if not told.name.strip():
        raise Invalid("name is needed", fields={"name": "blank"})
    await _refuse_known(call, told.name)
    id = fixed_id(f"{call.actor.account} organization {told.name}")
    audience = None if told.audience is None else checked_id(told.audience, "audience")
    attributes = {"name": told.name, "audience": audience, "category": told.category}
    model = msgspec.to_builtins(organization_body(attributes))
    kept = {OURS: marks(ORGANIZATION, version_id(id, model))}
    try:
        record = await call.desk.records.create(NewRecord(RecordRef("organization", id), attributes | kept))
    except Conflict:
        raise _taken() from None
    return json(organization_envelope(record), 201, headers=(("Location", f"{call.req.path}/{id}"),))


async def _refuse_known(call: Call, name: str) -> None:
    """Raises `Conflict` for a name that an organization has, also one that another API has registered."""
    named = RecordFilter(("organization",), (Where("attribute.name", "eq", name),))
    page = await call.desk.records.find(RecordQuery(call.actor.account, Window(1), named))
    if page.items:
        raise _taken()


def _taken() -> Conflict:
    return Conflict("An organization of this name exists already")


async def get(call: Call) -> Reply:
    """GET /v2/organizations/{organization_id}."""
    id = path_id(call, "organization_id")
    return json(organization_envelope(await call.desk.records.get(RecordRef("organization", id))))
