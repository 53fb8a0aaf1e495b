"""The demo account: records of every kind with sample files, made once, and curl lines to begin with."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from holdfast.core.attachments import NewAttachment
from holdfast.core.credentials import Grant
from holdfast.core.errors import Conflict
from holdfast.core.links import Hook
from holdfast.core.model import Account, RecordRef
from holdfast.core.ports import AttachmentQuery, Window
from holdfast.core.records import NewRecord
from holdfast.core.store import Desk, Operator, Store
from holdfast.samples import Sample, samples

SLUG = "demo"
_TOKEN = "demo"  # noqa: S105 -- the token's name

ADA = RecordRef("contact", "7d0f7c1e-58b3-4c5e-9a4e-3f6f5d2b9a01")
GRACE = RecordRef("contact", "1f2a9c54-0c1b-4b37-8d0a-5a3c6e7f8b02")
COTTAGE = RecordRef("property", "c3b7a1d2-6e4f-4a58-b9c0-d1e2f3a4b503")
TOWER = RecordRef("property", "9e8d7c6b-5a49-4382-91a0-bfcedd0ea104")
BRANCH = RecordRef("branch", "12")
CONTRACTOR = RecordRef("contractor", "31")
BOILER = RecordRef("job", "550e8400-e29b-41d4-a716-446655440010")
NOTE = RecordRef("case_note", "550e8400-e29b-41d4-a716-446655440050")
CASE = RecordRef("case", "4f0f5c0e-7c0e-4d0c-9a53-2a0b7d0f3b11")
PROJECT = RecordRef("project", "b5a7d602-3fc9-4e2a-9d1a-6e5b4c8f7a01")
OFFICE = RecordRef("office", "0c9d1c50-1f9e-4b0e-8a57-4a6b1f3c2d05")
CERTIFICATE = RecordRef("certificate", "db7d0826-e572-4f7b-b4a7-69e7534b1634")
SHIPPER = RecordRef("organization", "8d5ad423-bfdd-4b66-a6de-0cde92707f54")
INSPECTOR = RecordRef("organization", "32c2798a-1aae-4398-b12e-65e99effaaa2")
WORKSPACE = RecordRef("workspace", "a2070b04-ca32-4a36-af58-c56e25715cb5")
DOCUMENT = RecordRef("document", "ff16bb4f-e595-47d1-b945-acd8a0a898e1")


class Demo(NamedTuple):
    """What `make serve` prints."""

    token: str
    attachment: str


async def prepare_demo(store: Store) -> Demo:
    """Make the demo account if it is not there, and a fresh token in place of the last demo token."""
    operator = store.operator()
    account = await operator.accounts.ensure(SLUG)
    desk = operator.desk(account)
    for record in _records():
        try:
            await desk.records.create(record)
        except Conflict:
            continue
    if not (await operator.accounts.usage(account)).attachments:
        await _fill(desk)
    first = await desk.attachments.find(AttachmentQuery(account.number, Window(limit=1), record=ADA))
    return Demo(await _renew_token(operator, account), first.items[0].id)


async def _renew_token(operator: Operator, account: Account) -> str:
    present = await operator.credentials.tokens(account.number, Window(limit=1000))
    for token in present.items:
        if token.kind == "token" and token.name == _TOKEN:
            await operator.credentials.revoke(account.number, token.id)
    return await operator.credentials.issue_token(account.number, _TOKEN, Grant())


def curl_lines(base: str, demo: Demo) -> str:
    """Three lines to paste."""
    authorization = f'-H "Authorization: Bearer {demo.token}"'
    return "\n".join(
        (
            f'curl -s {authorization} "{base}/v1/records/{ADA.type}/{ADA.id}/attachments"',
            f'curl -s {authorization} -OJ "{base}/v1/attachments/{demo.attachment}/content"',
            f'curl -s {authorization} -F record={BOILER} -F file=@README.md "{base}/v1/attachments"',
        )
    )


async def _fill(desk: Desk) -> None:
    places = _places()
    for number, sample in enumerate(samples()):
        hook, folder = places[number % len(places)]
        async with await desk.attachments.receive() as intake:
            await intake.take(_once(sample), name=sample.name, declared_type=sample.media_type)
            new = NewAttachment(sample.name, "Sample file", (hook,), folder)
            await desk.attachments.create(intake, new)


async def _once(sample: Sample) -> AsyncIterator[bytes]:
    yield sample.make()


def _places() -> tuple[tuple[Hook, str | None], ...]:
    project = f"/projects/{PROJECT.id}"
    return (
        (Hook(ADA), None),
        (Hook(COTTAGE), None),
        (Hook(BOILER, "photo"), None),
        (Hook(BOILER, "document"), None),
        (Hook(CASE), None),
        (Hook(CERTIFICATE), project),
        (Hook(DOCUMENT), None),
        (Hook(NOTE), None),
        (Hook(BRANCH, "document"), None),
        (Hook(CERTIFICATE), f"{project}/offices/Head Office"),
    )


def _records() -> tuple[NewRecord, ...]:
    return (
        NewRecord(ADA, {"name": "Ada Lovelace", "email": "ada@example.com", "city": "London"}),
        NewRecord(GRACE, {"name": "Grace Hopper", "email": "grace@example.com", "company": "Harbour Lets"}),
        NewRecord(COTTAGE, {"address": "1 Mill Lane", "city": "Portsmouth", "postcode": "PO1 2AB", "bedrooms": 3}),
        NewRecord(TOWER, {"address": "Flat 9, Harbour Tower", "city": "Portsmouth", "has_parking": True}),
        NewRecord(BRANCH, {"name": "Harbour Branch"}),
        NewRecord(CONTRACTOR, {"name": "Warm Homes Ltd"}),
        NewRecord(BOILER, {"job_title": "Boiler service", "job_ref": "JOB1042"}, (BRANCH, CONTRACTOR)),
        NewRecord(NOTE, {"note_text": "Boiler serviced, certificate attached."}, (BOILER,)),
        NewRecord(CASE, {"caseType": "Safety", "description": "Slip on wet floor"}),
        NewRecord(PROJECT, {"name": "Acme Construction Ltd", "country": "IT", "status": "active"}),
        NewRecord(OFFICE, {"name": "Head Office"}, (PROJECT,)),
        NewRecord(CERTIFICATE, {"name": "Fire safety", "action_type": "CHECK"}, (PROJECT, OFFICE)),
        NewRecord(SHIPPER, {"name": "Blue Ocean Shipping", "category": "shipper"}),
        NewRecord(INSPECTOR, {"name": "Keen Eye Inspection", "category": "inspector"}),
        NewRecord(WORKSPACE, {"description": "Crude cargo inspections"}, (SHIPPER, INSPECTOR)),
        NewRecord(DOCUMENT, {"type": "inspection.report", "title": "Cargo 4711"}, (WORKSPACE,)),
    )
