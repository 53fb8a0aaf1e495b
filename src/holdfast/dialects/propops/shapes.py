"""What PropOps says and hears under `/api/`: envelopes, records, list items (contract sections 2, 3 and 5)."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.web.query import moment_text

DONE: Final = "Operation completed successfully"
"""The message of every success that has no other."""

Identifier = Annotated[int, Meta(ge=0, le=2**53)]
Amount = Annotated[float, Meta(ge=-1e15, le=1e15)]
Line = Annotated[str, Meta(max_length=1000)]
Prose = Annotated[str, Meta(max_length=50_000)]


def moment(microseconds: int) -> str:
    """A time as PropOps prints it, `2024-06-01T14:00:00Z`."""
    return moment_text(microseconds).strftime("%Y-%m-%dT%H:%M:%SZ")


class Refusal(msgspec.Struct, frozen=True):
    """The error envelope."""

    success: bool
    error: str


class Reference(msgspec.Struct, frozen=True):
    """How a new row is known; the vendor's replies leave it out (contract 5.1 and 5.4)."""

    ID: int
    uuid: str


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A write that was done; `data`, which is ours, names the row that it made."""

    success: bool = True
    message: str = DONE
    data: Reference | UnsetType = UNSET


# ---------------------------------------------------------------- sessions


class Login(msgspec.Struct, frozen=True):
    """POST /api/auth/login."""

    email: str = ""
    password: str = ""


class UserView(msgspec.Struct, frozen=True):
    """Who has logged in; the e-mail is known where it was just given."""

    name: str
    email: str | None
    account_type: str


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """The reply to a log-in."""

    success: bool = True
    token: str
    token_type: str = "Bearer"  # noqa: S105 the word that goes before a token
    expires_at: str
    user: UserView
    usage: str = "Authorization: Bearer <token>"


class MobileAuth(msgspec.Struct, frozen=True):
    """POST /api/security/mobile-auth."""

    action: Literal["validate_token"]
    token: str = ""
    platform: str = ""
    device_type: str = ""
    app_version: str = ""


class MobileSession(msgspec.Struct, frozen=True, kw_only=True):
    """The reply to a mobile log-in."""

    success: bool = True
    message: str = DONE
    session_token: str
    csrf_token: str
    user: UserView


class CsrfToken(msgspec.Struct, frozen=True):
    """The token that every write carries."""

    token: str


class CsrfIssued(msgspec.Struct, frozen=True, kw_only=True):
    """The reply of GET /api/security/csrf-token."""

    success: bool = True
    data: CsrfToken
    message: str = "CSRF token issued"


class PermissionsView(msgspec.Struct, frozen=True):
    """What the caller may do here, by the vendor's keys."""

    permissions: dict[str, bool]
    role: str
    account_type: str
    account_type_id: int


class PermissionsReply(msgspec.Struct, frozen=True, kw_only=True):
    """The reply of GET /api/users/permissions."""

    success: bool = True
    message: str = DONE
    data: PermissionsView


# ---------------------------------------------------------------- jobs and case notes


class JobFields(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may say of a job; a null takes a member away."""

    job_ref: Line | UnsetType | None = UNSET
    job_title: Line | UnsetType | None = UNSET
    job_description: Prose | UnsetType | None = UNSET
    status_id: Identifier | UnsetType | None = UNSET
    status_name: Line | UnsetType | None = UNSET
    priority_id: Identifier | UnsetType | None = UNSET
    priority_name: Line | UnsetType | None = UNSET
    job_type_id: Identifier | UnsetType | None = UNSET
    job_type_name: Line | UnsetType | None = UNSET
    agent_id: Identifier | UnsetType | None = UNSET
    agent_name: Line | UnsetType | None = UNSET
    contractor_id: Identifier | UnsetType | None = UNSET
    contractor_name: Line | UnsetType | None = UNSET
    branch_id: Identifier | UnsetType | None = UNSET
    address_id: Identifier | UnsetType | None = UNSET
    full_address: Line | UnsetType | None = UNSET
    job_total_budget: Amount | UnsetType | None = UNSET
    contractor_budget: Amount | UnsetType | None = UNSET
    vat_percentage: Amount | UnsetType | None = UNSET
    total_amount: Amount | UnsetType | None = UNSET
    date_works_start_date: Line | UnsetType | None = UNSET
    date_works_end_date: Line | UnsetType | None = UNSET
    invoice_no: Line | UnsetType | None = UNSET
    quote_no: Line | UnsetType | None = UNSET
    works_order_ref: Line | UnsetType | None = UNSET
    access_details: Prose | UnsetType | None = UNSET
    is_pinned: bool | UnsetType | None = UNSET


class JobCommand(JobFields, frozen=True, kw_only=True):
    """POST /api/jobs/manage."""

    action: Literal["create", "update", "delete"] = "create"
    uuid: str | None = None
    csrf_token: str | None = None


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job; `branch_id` is ours, the rest is the vendor's sample."""

    ID: int
    uuid: str
    job_ref: str | None
    job_title: str | None
    job_description: str | None
    status_id: int | None
    status_name: str | None
    priority_id: int | None
    priority_name: str | None
    job_type_id: int | None
    job_type_name: str | None
    agent_id: int | None
    agent_name: str | None
    contractor_id: int | None
    contractor_name: str | None
    branch_id: int | None
    address_id: int | None
    full_address: str | None
    job_total_budget: float | None
    contractor_budget: float | None
    vat_percentage: float | None
    total_amount: float | None
    date_works_start_date: str | None
    date_works_end_date: str | None
    invoice_no: str | None
    quote_no: str | None
    works_order_ref: str | None
    access_details: str | None
    is_pinned: bool
    photos_count: int
    documents_count: int
    created_at: str
    updated_at: str


class JobsReply(msgspec.Struct, frozen=True, kw_only=True):
    """One page of jobs with its count, or one job."""

    success: bool = True
    message: str = DONE
    data: list[JobView] | JobView
    count: int | UnsetType = UNSET


class NewNote(msgspec.Struct, frozen=True):
    """POST /api/jobs/case-notes."""

    job_uuid: str = ""
    note_text: Prose = ""
    send_email: bool = False
    csrf_token: str | None = None


class NoteCreated(msgspec.Struct, frozen=True, kw_only=True):
    """The reply to a new case note; `note_uuid` is ours, and saves a list."""

    success: bool = True
    message: str = DONE
    note_id: int
    note_uuid: str


class NoteView(msgspec.Struct, frozen=True):
    """A case note."""

    ID: int
    uuid: str
    job_id: int | None
    note_text: str
    created_by_name: str
    send_email: bool
    attachments_count: int
    created_at: str


class NoteList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of case notes."""

    success: bool = True
    message: str = DONE
    data: list[NoteView]
    count: int


# ---------------------------------------------------------------- files (contract 5.7)


class JobFile(msgspec.Struct, frozen=True, kw_only=True):
    """A document or photo of a job."""

    ID: int
    uuid: str
    job_id: int
    document_type_id: int | None
    file_name: str
    mime_type: str
    file_size: int
    created_by_name: str
    created_at: str


class NoteFile(msgspec.Struct, frozen=True, kw_only=True):
    """An attachment of a case note."""

    ID: int
    uuid: str
    job_id: int | None
    case_note_uuid: str
    file_name: str
    mime_type: str
    file_size: int
    created_by_name: str
    created_at: str


class BranchFile(msgspec.Struct, frozen=True, kw_only=True):
    """A document of an agent's branch."""

    ID: int
    uuid: str
    branch_id: int
    document_type_id: int | None
    file_name: str
    mime_type: str
    file_size: int
    created_by_name: str
    created_at: str


class JobFileList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a job's documents or photos."""

    success: bool = True
    message: str = DONE
    data: list[JobFile]
    count: int


class NoteFileList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a case note's attachments."""

    success: bool = True
    message: str = DONE
    data: list[NoteFile]
    count: int


class BranchFileList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a branch's documents."""

    success: bool = True
    message: str = DONE
    data: list[BranchFile]
    count: int
