"""4HSE's API v2: files and folders by path, and links to the records of a safety management system.

Source: seed 003 and contract `4hse`. Where the vendor's pages are silent, the contract's recommended reading is taken;
docs/dialects/4hse.md says which is which.
"""

from collections.abc import Mapping
from typing import Final

from holdfast.core.model import READ, RECORDS_READ, RECORDS_WRITE, WRITE
from holdfast.dialects.four_hse import attachments, links, operations, search, sign_in, uploads
from holdfast.dialects.four_hse.errors import ERRORS
from holdfast.dialects.four_hse.parents import Resource
from holdfast.dialects.four_hse.resources import ACTION, CERTIFICATE, OFFICE, PERSON_OFFICE, PROJECT
from holdfast.web.dialect import Absent, Dialect, Handler, Method, Operation, Route

TREE: Final = "/v2/attachment/{rest:path}"

# The vendor names no permissions, so the keys are the core's own. Who may see a file may also see the name of its
# project; who may only write still gets to see what was written.
_SEES: Final = ((READ,), (READ, RECORDS_READ))
_WRITES: Final = ((WRITE,), (READ, WRITE, RECORDS_READ))
_SEES_RECORDS: Final = ((RECORDS_READ,), (RECORDS_READ,))
_WRITES_RECORDS: Final = ((RECORDS_WRITE,), (RECORDS_READ, RECORDS_WRITE))

Access = tuple[tuple[str, ...], tuple[str, ...]]


def _route(method: Method, path: str, handler: Handler, access: Access, summary: str, operation: Operation) -> Route:
    keys, grants = access
    return Route(method, path, handler, keys=keys, grants=grants, summary=summary, operation=operation)


def _records(name: str, resource: Resource) -> tuple[Route, ...]:
    """The calls of one kind of record, with the id in the path or, as the vendor's client sends it, in the query."""
    prefix, noun, told = f"/v2/{name}", name.replace("-", " "), operations.of_records(name, resource)
    see, write = _SEES_RECORDS, _WRITES_RECORDS
    return (
        _route("POST", f"{prefix}/index", resource.index, see, f"Search {noun}s", told["index"]),
        _route("GET", f"{prefix}/index", resource.index, see, f"List {noun}s", told["list"]),
        _route("POST", f"{prefix}/create", resource.create, write, f"Create a {noun}", told["create"]),
        _route("GET", f"{prefix}/view/{{id}}", resource.get, see, f"View a {noun}", told["view"]),
        _route("GET", f"{prefix}/view", resource.get, see, f"View a {noun} by ?id=", told["viewById"]),
        _route("PUT", f"{prefix}/update/{{id}}", resource.update, write, f"Update a {noun}", told["update"]),
        _route("PUT", f"{prefix}/update", resource.update, write, f"Update a {noun} by ?id=", told["updateById"]),
        _route("DELETE", f"{prefix}/delete/{{id}}", resource.delete, write, f"Delete a {noun}", told["delete"]),
        _route("DELETE", f"{prefix}/delete", resource.delete, write, f"Delete a {noun} by ?id=", told["deleteById"]),
    )


_LINK: Final = "/v2/entity-attachment"
_LINKS: Final[Mapping[str, Operation]] = operations.LINKS

ROUTES: Final = (
    _route("POST", "/v2/attachment/index", search.index, _SEES, "Search files and folders", operations.INDEX),
    _route("POST", "/v2/attachment/create", uploads.create, _WRITES, "Create at a whole path", operations.CREATE),
    _route("POST", TREE, uploads.upload, _WRITES, "Upload a file or create a folder", operations.UPLOAD),
    _route("GET", TREE, attachments.view, _SEES, "Download or describe", operations.VIEW),
    _route("PUT", TREE, attachments.update, _WRITES, "Rename or move", operations.UPDATE),
    _route("DELETE", TREE, attachments.delete, _WRITES, "Preview or delete", operations.DELETE),
    _route("POST", f"{_LINK}/index", links.index, _SEES, "Search links of an entity", _LINKS["index"]),
    _route("GET", f"{_LINK}/index", links.index, _SEES, "List links of an entity", _LINKS["list"]),
    _route("POST", f"{_LINK}/create", links.create, _WRITES, "Link a file to an entity", _LINKS["create"]),
    _route("GET", f"{_LINK}/view/{{id}}", links.view, _SEES, "View a link", _LINKS["view"]),
    _route("GET", f"{_LINK}/view", links.view, _SEES, "View a link by ?id=", _LINKS["viewById"]),
    _route("PUT", f"{_LINK}/update/{{id}}", links.update, _WRITES, "Change a link", _LINKS["update"]),
    _route("PUT", f"{_LINK}/update", links.update, _WRITES, "Change a link by ?id=", _LINKS["updateById"]),
    _route("DELETE", f"{_LINK}/delete/{{id}}", links.delete, _WRITES, "Remove a link", _LINKS["delete"]),
    _route("DELETE", f"{_LINK}/delete", links.delete, _WRITES, "Remove a link by ?id=", _LINKS["deleteById"]),
    *_records("project", PROJECT),
    *_records("office", OFFICE),
    *_records("certificate", CERTIFICATE),
    *_records("action", ACTION),
    *_records("person-office", PERSON_OFFICE),
    Route(
        "POST",
        "/realms/4hse/protocol/openid-connect/token",
        sign_in.token,
        public=True,
        summary="Sign in or renew a session",
        operation=operations.TOKEN,
    ),
)

_NOT_FILES: Final = "Says nothing of files; links to records of this kind work once they are registered"

ABSENT: Final = (
    Absent("POST", "/v2/office-equipment/index", _NOT_FILES),
    Absent("POST", "/v2/office-work-environment/index", _NOT_FILES),
    Absent("POST", "/v2/person/index", _NOT_FILES),
    Absent("POST", "/v2/action-subscription/index", _NOT_FILES),
    Absent("GET", "/realms/4hse/protocol/openid-connect/auth", "Signing in by a browser needs an identity provider"),
    Absent("POST", "/oauth2/token", "The vendor has replaced it by the realm's token endpoint"),
)

FOUR_HSE = Dialect(
    name="four_hse",
    title="4HSE",
    prefixes=(
        "/v2/attachment",
        "/v2/entity-attachment",
        "/v2/project",
        "/v2/office",
        "/v2/certificate",
        "/v2/action",
        "/v2/person-office",
        "/realms/4hse",
    ),
    routes=ROUTES,
    errors=ERRORS,
    absent=ABSENT,
    credential=sign_in.credential,
    finish=sign_in.finish,
    version="2.0.0",
    description="Files and folders by path, and their links to records, in the shapes of 4HSE. The token goes into "
    "`Authorization: Bearer` or into the query as `access-token`.",
    failure=operations.ANY_FAILURE,
    choices={
        "token_seconds": 300,
        "refresh_seconds": 1800,
        "max_page_size": 1000,
        "preview_links": 1000,
        "delete_without_force": "never",
    },
)
