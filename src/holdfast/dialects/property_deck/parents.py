"""`/contacts` and `/properties`: what attachments belong to (contract section 5)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdfast.core.model import Record, RecordRef
from holdfast.core.ports import RecordFilter, RecordQuery
from holdfast.core.records import NewRecord, RecordChange
from holdfast.dialects.property_deck.attachments import CONTACT, PROPERTY, first_known, refs
from holdfast.dialects.property_deck.filters import CONTACT_FILTERS, PROPERTY_FILTERS, Filter, conditions
from holdfast.dialects.property_deck.inputs import FLAG, NEEDED, TEXT, WHOLE, Input, read_input
from holdfast.dialects.property_deck.paging import page_meta, read_sheet
from holdfast.dialects.property_deck.shapes import (
    ContactPage,
    OneContact,
    OneProperty,
    PropertyPage,
    contact_object,
    property_object,
)
from holdfast.web.dialect import Call
from holdfast.web.reply import Reply, empty, json


@dataclass(frozen=True, slots=True)
class Parents:
    """The five operations on one type of record. `inputs` are the fields that clients may write."""

    type: str
    path: str
    inputs: Mapping[str, Input]
    filters: Mapping[str, Filter]
    shown: Callable[[Record, int], Any]
    one: Callable[[Any], Any]
    page: Callable[..., Any]

    async def listed(self, call: Call) -> Reply:
        """GET the list, newest first."""
        sheet = read_sheet(call)
        where = conditions(self.filters, sheet.filters, call.desk.now())
        query = RecordQuery(call.actor.account, sheet.window, RecordFilter((self.type,), where))
        page = await call.desk.records.find(query)
        counts = await call.desk.records.tally(tuple(record.ref for record in page.items))
        data = [self.shown(record, counts[record.ref]) for record in page.items]
        return json(self.page(data, page_meta(call, sheet, len(data), page.total or 0)))

    async def get(self, call: Call) -> Reply:
        """GET one."""
        return await self._reply(call, await self._found(call))

    async def create(self, call: Call) -> Reply:
        """POST a new one."""
        told = await read_input(call, self.inputs, whole=True)
        attributes = {name: value for name, value in told.items() if value is not None}
        ref = RecordRef(self.type, call.desk.new_id())
        record = await call.desk.records.create(NewRecord(ref, attributes))
        location = f"{call.base_url}{self.path}/{record.id}"
        return json(self.one(self.shown(record, 0)), 201, headers=(("Location", location),))

    async def update(self, call: Call) -> Reply:
        """PUT some of its fields; absent ones stay, null clears those that may be empty."""
        record = await self._found(call)
        told = await read_input(call, self.inputs)
        if told:
            record = await call.desk.records.change(record.ref, RecordChange(told))
        return await self._reply(call, record)

    async def delete(self, call: Call) -> Reply:
        """DELETE it; attachments that belonged to nothing else go to the trash."""
        await call.desk.records.delete((await self._found(call)).ref)
        return empty()

    async def _found(self, call: Call) -> Record:
        return await first_known(refs(self.type, call.params["uuid"]), call.desk.records.get)

    async def _reply(self, call: Call, record: Record) -> Reply:
        counts = await call.desk.records.tally((record.ref,))
        return json(self.one(self.shown(record, counts[record.ref])))


_ADDRESS: Final = {"address2": TEXT, "city": TEXT, "county": TEXT, "postcode": TEXT}

CONTACTS: Final = Parents(
    CONTACT,
    "/contacts",
    {"name": NEEDED, "email": NEEDED, "contact_number": TEXT, "company": TEXT, "address": TEXT, **_ADDRESS},
    CONTACT_FILTERS,
    contact_object,
    OneContact,
    ContactPage,
)
PROPERTIES: Final = Parents(
    PROPERTY,
    "/properties",
    {
        "address": NEEDED,
        **_ADDRESS,
        "type": TEXT,
        "bedrooms": WHOLE,
        "bathrooms": WHOLE,
        "has_garage": FLAG,
        "has_garden": FLAG,
        "has_parking": FLAG,
    },
    PROPERTY_FILTERS,
    property_object,
    OneProperty,
    PropertyPage,
)
