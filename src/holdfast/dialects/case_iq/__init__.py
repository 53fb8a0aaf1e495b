"""Case IQ: files on cases, by the vendor's public API (seed 2; neighbours from the contract)."""

from typing import Final

from holdfast.core.model import READ, RECORDS_READ, RECORDS_WRITE, WRITE
from holdfast.dialects.case_iq import attachments, cases, oauth
from holdfast.dialects.case_iq.errors import ERRORS, TOKEN_PATH, ServiceAccountError
from holdfast.dialects.case_iq.operations import OPERATIONS
from holdfast.web.dialect import Absent, Dialect, Handler, Method, Route

API: Final = "/api-public/1.0"

VIEW_FILES: Final = "case_iq.file.view"
CREATE_FILES: Final = "case_iq.file.create"
VIEW_CASES: Final = "case_iq.case.view"
CREATE_CASES: Final = "case_iq.case.create"
EDIT_CASES: Final = "case_iq.case.edit"


def _route(method: Method, path: str, handler: Handler, summary: str, key: str, *grants: str) -> Route:
    return Route(
        method, API + path, handler, keys=(key,), grants=grants, summary=summary, operation=OPERATIONS[handler]
    )


ROUTES: Final = (
    Route(
        "POST", TOKEN_PATH, oauth.token, public=True, summary="Get an access token", operation=OPERATIONS[oauth.token]
    ),
    _route("POST", "/save_file", attachments.save_file, "Upload a file onto a case", CREATE_FILES, WRITE),
    _route("GET", "/attachments", attachments.listed, "List files", VIEW_FILES, READ),
    _route("GET", "/attachment/{id}", attachments.get, "Retrieve a file's record", VIEW_FILES, READ),
    _route("GET", "/attachment/{id}/attachment", attachments.download, "Download a file", VIEW_FILES, READ),
    _route("POST", "/case", cases.create, "Create a case", CREATE_CASES, RECORDS_WRITE),
    _route("GET", "/case/{id}", cases.get, "Retrieve a case", VIEW_CASES, RECORDS_READ),
    _route("PUT", "/case/{id}", cases.replace, "Replace a case", EDIT_CASES, RECORDS_WRITE),
    _route("PATCH", "/case/{id}", cases.change, "Change fields of a case", EDIT_CASES, RECORDS_WRITE),
    _route(
        "POST", "/case/{id}/transition", cases.transition, "Move a case to another status", EDIT_CASES,
        RECORDS_READ, RECORDS_WRITE,
    ),
    _route("GET", "/cases", cases.listed, "List cases", VIEW_CASES, RECORDS_READ),
)  # fmt: skip

_UNDOCUMENTED: Final = "The vendor's introduction hints at it, its page documents no such operation"
_NO_FILES: Final = "Holds no files here"

ABSENT: Final = (
    Absent("PUT", API + "/attachment/{id}", _UNDOCUMENTED),
    Absent("PATCH", API + "/attachment/{id}", _UNDOCUMENTED),
    Absent("DELETE", API + "/attachment/{id}", _UNDOCUMENTED),
    Absent("DELETE", API + "/case/{id}", "The vendor documents none"),
    Absent("POST", API + "/party", _NO_FILES),
    Absent("POST", API + "/profile", _NO_FILES),
    Absent("POST", API + "/todo", _NO_FILES),
    Absent("POST", API + "/dynamic_entity/{entity_id}", _NO_FILES),
    Absent("GET", API + "/users", "Users are the operator's, by the command line"),
)

CASE_IQ: Final = Dialect(
    name="case_iq",
    title="Case IQ",
    prefixes=(API, "/auth/oauth2"),
    routes=ROUTES,
    errors=ERRORS,
    absent=ABSENT,
    version="1.0",
    description="Files on cases, as a client of Case IQ's public API knows them.",
    failure=ServiceAccountError,
    choices={"upload_limit": 50_000_000, "files_per_case": 1000, "token_endpoint": "on"},
)
