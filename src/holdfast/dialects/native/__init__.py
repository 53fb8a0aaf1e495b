"""Holdfast's own API, `/v1`: JSON, problem details (RFC 9457), cursor paging, conditional changes."""

from holdfast.core.errors import HoldfastError
from holdfast.dialects.native import account, attachments, folders, records
from holdfast.dialects.native.operations import OPERATIONS
from holdfast.web.dialect import Dialect, Handler, Method, Route
from holdfast.web.problems import PROBLEM_JSON, Problem, problem


def _route(method: Method, path: str, handler: Handler, summary: str) -> Route:
    return Route(method, path, handler, summary=summary, operation=OPERATIONS[handler])


ROUTES = (
    _route("POST", "/v1/attachments", attachments.create, "Upload a file"),
    _route("GET", "/v1/attachments", attachments.listed, "List and search attachments"),
    _route("GET", "/v1/attachments/{id}", attachments.get, "Describe an attachment"),
    _route("PATCH", "/v1/attachments/{id}", attachments.patch, "Rename, move or annotate"),
    _route("DELETE", "/v1/attachments/{id}", attachments.delete, "Trash, or purge for good"),
    _route("POST", "/v1/attachments/{id}/restore", attachments.restore, "Restore from the trash"),
    _route("GET", "/v1/attachments/{id}/content", attachments.get_content, "Download"),
    _route("PUT", "/v1/attachments/{id}/content", attachments.put_content, "Upload a new version"),
    _route("GET", "/v1/attachments/{id}/thumbnail", attachments.get_thumbnail, "Show a small picture of it"),
    _route("GET", "/v1/attachments/{id}/versions", attachments.versions, "List versions"),
    _route("GET", "/v1/attachments/{id}/versions/{number}/content", attachments.version_content, "Download a version"),
    _route(
        "GET",
        "/v1/attachments/{id}/versions/{number}/thumbnail",
        attachments.version_thumbnail,
        "Show a small picture of a version",
    ),
    _route("POST", "/v1/attachments/{id}/versions/{number}/restore", attachments.restore_version, "Restore a version"),
    _route("GET", "/v1/attachments/{id}/links", attachments.links, "List the records it hangs on"),
    _route("POST", "/v1/attachments/{id}/links", attachments.create_link, "Hang it on another record"),
    _route("DELETE", "/v1/attachments/{id}/links/{link}", attachments.delete_link, "Take it off a record"),
    _route("GET", "/v1/records/{type}", records.listed, "List records of a type"),
    _route("GET", "/v1/records/{type}/{id}", records.get, "Describe a record"),
    _route("PUT", "/v1/records/{type}/{id}", records.put, "Register or replace a record"),
    _route("PATCH", "/v1/records/{type}/{id}", records.patch, "Change a record"),
    _route("DELETE", "/v1/records/{type}/{id}", records.delete, "Delete a record and its links"),
    _route("GET", "/v1/records/{type}/{id}/attachments", records.attachments, "List what hangs on a record"),
    _route("GET", "/v1/folders", folders.get_root, "List the root folder"),
    _route("GET", "/v1/folders/{path:path}", folders.get, "List a folder"),
    _route("POST", "/v1/folders/{path:path}", folders.create, "Create a folder"),
    _route("PATCH", "/v1/folders/{path:path}", folders.move, "Rename or move a folder"),
    _route("DELETE", "/v1/folders/{path:path}", folders.delete, "Preview or delete a folder"),
    _route("GET", "/v1/events", account.events, "Read the log of changes"),
    _route("GET", "/v1/me", account.me, "Say who is asking"),
    _route("GET", "/v1/stats", account.stats, "Say what the account holds"),
)

NATIVE = Dialect(
    name="native",
    title="Holdfast",
    prefixes=("/v1",),
    routes=ROUTES,
    errors={HoldfastError: problem},
    description="Files that hang on business records: upload, list, find, download, describe, move, link, delete.",
    openapi_path="/v1/openapi.json",
    failure=Problem,
    failure_media_type=PROBLEM_JSON,
)
