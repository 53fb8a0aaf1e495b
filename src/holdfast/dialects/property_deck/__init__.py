"""Property Deck's attachments API with the contacts and properties that attachments belong to.

Source: seed 001 and contract `property-deck`. Where the vendor's pages are silent, the contract's recommended
reading is taken; docs/dialects/property-deck.md says which is which.
"""

from typing import Final

from holdfast.core.model import READ, RECORDS_READ, RECORDS_WRITE, WRITE
from holdfast.dialects.property_deck import attachments, operations
from holdfast.dialects.property_deck.errors import ERRORS, Failure, finish
from holdfast.dialects.property_deck.parents import CONTACTS, PROPERTIES
from holdfast.web.dialect import Absent, Dialect, Handler, Method, Operation, Route


def _attachments(method: Method, path: str, handler: Handler, summary: str, operation: Operation) -> Route:
    if method == "GET":
        return Route(method, path, handler, keys=("attachments.read",), summary=summary, operation=operation)
    # A token that may only write still gets to see what it has written.
    keys, grants = ("attachments.write",), (READ, WRITE)
    return Route(method, path, handler, keys=keys, grants=grants, summary=summary, operation=operation)


def _parents(method: Method, path: str, handler: Handler, summary: str, operation: Operation) -> Route:
    resource = path.split("/")[1]
    reads = method == "GET"
    keys = (f"{resource}.read", RECORDS_READ) if reads else (f"{resource}.write", RECORDS_WRITE)
    grants = (RECORDS_READ,) if reads else (RECORDS_READ, RECORDS_WRITE)
    return Route(method, path, handler, keys=keys, grants=grants, summary=summary, operation=operation)


_TO_CONTACT: Final = attachments.upload_to(attachments.CONTACT)
_TO_PROPERTY: Final = attachments.upload_to(attachments.PROPERTY)
_CONTACTS: Final = operations.OF_CONTACTS
_PROPERTIES: Final = operations.OF_PROPERTIES

ROUTES: Final = (
    _attachments("GET", "/attachments", attachments.listed, "List attachments", operations.LIST),
    _attachments("GET", "/attachments/{uuid}", attachments.get, "Get an attachment", operations.GET),
    _attachments("PUT", "/attachments/{uuid}", attachments.update, "Describe an attachment", operations.UPDATE),
    _attachments("DELETE", "/attachments/{uuid}", attachments.delete, "Delete an attachment", operations.DELETE),
    _attachments("GET", "/attachments/{uuid}/download", attachments.download, "Save the file", operations.DOWNLOAD),
    _attachments("GET", "/attachments/{uuid}/stream", attachments.stream, "View the file", operations.STREAM),
    _attachments(
        "POST", "/contacts/{uuid}/attachments", _TO_CONTACT, "Attach to a contact", operations.upload("contact")
    ),
    _attachments(
        "POST", "/properties/{uuid}/attachments", _TO_PROPERTY, "Attach to a property", operations.upload("property")
    ),
    _parents("GET", "/contacts", CONTACTS.listed, "List contacts", _CONTACTS["list"]),
    _parents("POST", "/contacts", CONTACTS.create, "Create a contact", _CONTACTS["create"]),
    _parents("GET", "/contacts/{uuid}", CONTACTS.get, "Get a contact", _CONTACTS["get"]),
    _parents("PUT", "/contacts/{uuid}", CONTACTS.update, "Update a contact", _CONTACTS["update"]),
    _parents("DELETE", "/contacts/{uuid}", CONTACTS.delete, "Delete a contact", _CONTACTS["delete"]),
    _parents("GET", "/properties", PROPERTIES.listed, "List properties", _PROPERTIES["list"]),
    _parents("POST", "/properties", PROPERTIES.create, "Create a property", _PROPERTIES["create"]),
    _parents("GET", "/properties/{uuid}", PROPERTIES.get, "Get a property", _PROPERTIES["get"]),
    _parents("PUT", "/properties/{uuid}", PROPERTIES.update, "Update a property", _PROPERTIES["update"]),
    _parents("DELETE", "/properties/{uuid}", PROPERTIES.delete, "Delete a property", _PROPERTIES["delete"]),
)

_NOTES: Final = "Notes are not attachments; num_notes is always 0"

ABSENT: Final = (
    Absent("GET", "/notes", _NOTES),
    Absent("GET", "/notes/{uuid}", _NOTES),
    Absent("POST", "/contacts/{uuid}/notes", _NOTES),
    Absent("POST", "/properties/{uuid}/notes", _NOTES),
    Absent("DELETE", "/notes/{uuid}", _NOTES),
    Absent("GET", "/types", "Contact types say nothing of attachments"),
    Absent("GET", "/statuses", "Statuses say nothing of attachments"),
    Absent("GET", "/reminders", "Reminders say nothing of attachments"),
)

PROPERTY_DECK = Dialect(
    name="property_deck",
    title="Property Deck",
    prefixes=("/attachments", "/contacts", "/properties"),
    routes=ROUTES,
    errors=ERRORS,
    absent=ABSENT,
    finish=finish,
    rate=60,
    description="Attachments of contacts and properties, in the shapes of Property Deck.",
    failure=Failure,
    choices={"page_size": 10, "max_page_size": 100},
)
