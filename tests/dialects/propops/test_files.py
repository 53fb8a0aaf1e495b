"""The four sources of files: lists, uploads, deletes, and what is refused."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.core.attachments import NewAttachment
from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from tests.dialects.propops.stage import (
    BRANCH_FILES,
    DOCUMENTS,
    IDS,
    LISTS,
    NOTE_FILES,
    NOWHERE,
    PDF,
    PHOTOS,
    TARGETS,
    Hand,
    Stage,
    refused,
    staged,
)

PARAMETER = "Invalid or missing required parameter: "
SOURCES = [DOCUMENTS, PHOTOS, NOTE_FILES, BRANCH_FILES]

each_source = pytest.mark.parametrize("path", SOURCES)


async def target_of(stage: Stage, path: str) -> str:
    """Something new that files of that source hang on."""
    if path == BRANCH_FILES:
        desk = await stage.house.desk()
        return await stage.record(f"branch:{(await desk.usage()).event + 1}")
    job = await stage.me.job()
    return await stage.me.note(job) if path == NOTE_FILES else job


@each_source
async def test_a_file_is_uploaded_listed_downloaded_and_deleted(stage: Stage, path: str) -> None:
    target = await target_of(stage, path)
    response = await stage.me.send(path, target, name="report.pdf")
    body = response.json()
    assert (body["success"], body["message"]) == (True, "Operation completed successfully")
    uuid = body["data"]["uuid"]
    (row,) = await stage.me.listed(path, target)
    assert (row["uuid"], row["ID"], row["file_name"]) == (uuid, body["data"]["ID"], "report.pdf")
    assert (row["mime_type"], row["file_size"], row["created_by_name"]) == ("application/pdf", len(PDF), "Staff_001")
    assert row["created_at"] == "2024-06-01T14:00:00Z"
    assert (await stage.me.get(f"/attachment/{uuid}")).content == PDF
    gone = await stage.me.delete(path, target, uuid)
    assert gone.json() == {"success": True, "message": "Operation completed successfully"}
    assert await stage.me.listed(path, target) == []
    assert (await stage.me.get(f"/attachment/{uuid}")).text == "Attachment not found"
    refused(await stage.me.delete(path, target, uuid), 404, "Resource not found")


async def test_each_list_names_what_its_files_hang_on(stage: Stage) -> None:
    job = await stage.me.job()
    note = await stage.me.note(job)
    await stage.record("branch:7")
    for path, target in ((DOCUMENTS, job), (PHOTOS, job), (NOTE_FILES, note), (BRANCH_FILES, "7")):
        await stage.me.upload(path, target, document_type_id="3")
    common = {"ID", "uuid", "file_name", "mime_type", "file_size", "created_by_name", "created_at"}
    (document,), (photo,) = await stage.me.listed(DOCUMENTS, job), await stage.me.listed(PHOTOS, job)
    for row in (document, photo):
        assert set(row) == common | {"job_id", "document_type_id"}
        assert (row["job_id"], row["document_type_id"]) == (1, 3)
    (row,) = await stage.me.listed(NOTE_FILES, note)
    assert set(row) == common | {"job_id", "case_note_uuid"}
    assert (row["job_id"], row["case_note_uuid"]) == (1, note)
    (row,) = await stage.me.listed(BRANCH_FILES, "007")
    assert set(row) == common | {"branch_id", "document_type_id"}
    assert (row["branch_id"], row["document_type_id"]) == (7, 3)


@each_source
async def test_files_are_listed_newest_first_in_parts(stage: Stage, hand: Hand, path: str) -> None:
    target = await target_of(stage, path)
    for number in range(4):
        hand.now += 1_000_000
        await stage.me.upload(path, target, name=f"{number}.pdf")

    async def names(**query: object) -> list[str]:
        return [row["file_name"] for row in await stage.me.listed(path, target, **query)]

    assert await names() == ["3.pdf", "2.pdf", "1.pdf", "0.pdf"]
    assert await names(limit=2, offset=1) == ["2.pdf", "1.pdf"]
    assert await names(offset=4) == []
    for query in ({"limit": 0}, {"limit": -1}, {"limit": 201}, {"limit": 10**9}):
        response = await stage.me.get(LISTS[path], **{TARGETS[path]: target}, **query)
        refused(response, 400, PARAMETER + "limit")
    refused(await stage.me.get(LISTS[path], **{TARGETS[path]: target}, offset=-1), 400, PARAMETER + "offset")


@each_source
async def test_a_list_needs_a_target_that_is_there(stage: Stage, path: str) -> None:
    name, list_path = TARGETS[path], LISTS[path]
    unknown = "404" if path == BRANCH_FILES else NOWHERE
    refused(await stage.me.get(list_path, action="list"), 400, PARAMETER + name)
    refused(await stage.me.get(list_path, **{name: ""}), 400, PARAMETER + name)
    refused(await stage.me.get(list_path, **{name: unknown}), 404, "Resource not found")
    refused(await stage.me.get(list_path, **{name: unknown, "action": "purge"}), 400, PARAMETER + "action")
    for bad in ("a/b", "x" * 201):
        refused(await stage.me.get(list_path, **{name: bad}), 400, PARAMETER + name)


@pytest.mark.parametrize("id", ["x", "-1", "1.5", "٣", "9" * 19, "0x7", " 7"])
async def test_a_branch_is_named_by_its_number(stage: Stage, id: str) -> None:
    refused(await stage.me.get(LISTS[BRANCH_FILES], branch_id=id), 400, PARAMETER + "branch_id")


@each_source
async def test_the_parts_of_a_form_come_in_any_order(stage: Stage, path: str) -> None:
    target = await target_of(stage, path)
    part = "photo" if path == PHOTOS else "file"
    fields: list[tuple[str, tuple[str | None, str | bytes]]] = [
        ("action", (None, "upload")),
        (TARGETS[path], (None, target)),
        ("csrf_token", (None, stage.me.csrf)),
        ("document_type_id", (None, "4")),
    ]
    for position, name in ((0, "first.pdf"), (2, "amid.pdf")):
        order = [*fields[:position], (part, (name, PDF)), *fields[position:]]
        response = await stage.me.http.post(path, files=order)
        assert response.status_code == 200, response.text
    assert [row["file_name"] for row in await stage.me.listed(path, target)] == ["amid.pdf", "first.pdf"]


def form_of(stage: Stage, path: str, target: str, **changes: str | None) -> dict[str, str]:
    form: dict[str, str | None] = {"action": "upload", TARGETS[path]: target, "csrf_token": stage.me.csrf, **changes}
    return {name: value for name, value in form.items() if value is not None}


@each_source
async def test_missing_and_wrong_parts_are_named_and_change_nothing(stage: Stage, path: str) -> None:
    target = await target_of(stage, path)
    part, name = "photo" if path == PHOTOS else "file", TARGETS[path]
    unknown = "404" if path == BRANCH_FILES else NOWHERE
    cases: list[tuple[dict[str, str], str, int, str]] = [
        (form_of(stage, path, target, action=None), part, 400, PARAMETER + "action"),
        (form_of(stage, path, target, action="replace"), part, 400, PARAMETER + "action"),
        (form_of(stage, path, target, **{name: None}), part, 400, PARAMETER + name),
        (form_of(stage, path, target, **{name: ""}), part, 400, PARAMETER + name),
        (form_of(stage, path, "a/b"), part, 400, PARAMETER + name),
        (form_of(stage, path, unknown), part, 404, "Resource not found"),
        (form_of(stage, path, target), "picture", 400, PARAMETER + part),
        (form_of(stage, path, target, document_type_id="x"), part, 400, PARAMETER + "document_type_id"),
        (form_of(stage, path, target, document_type_id="-1"), part, 400, PARAMETER + "document_type_id"),
        (form_of(stage, path, target, csrf_token="wrong"), part, 403, "Invalid CSRF token"),
        (form_of(stage, path, target, csrf_token=None), part, 403, "Invalid CSRF token"),
        (form_of(stage, path, target, action="delete"), part, 400, PARAMETER + IDS[path]),
    ]
    async with stage.unchanged():
        for form, file, status, words in cases:
            response = await stage.me.http.post(path, data=form, files={file: ("a.pdf", PDF)})
            refused(response, status, words)


@each_source
async def test_repeated_parts_are_refused_and_change_nothing(stage: Stage, path: str) -> None:
    target = await target_of(stage, path)
    part = "photo" if path == PHOTOS else "file"
    fields = [(name, (None, value)) for name, value in form_of(stage, path, target).items()]
    file = (part, ("a.pdf", PDF))
    async with stage.unchanged():
        refused(await stage.me.http.post(path, files=[*fields, file, file]), 400, PARAMETER + part)
        refused(await stage.me.http.post(path, files=[fields[0], *fields, file]), 400, PARAMETER + "action")


@each_source
async def test_an_upload_without_a_file_is_refused(stage: Stage, path: str) -> None:
    target = await target_of(stage, path)
    part = "photo" if path == PHOTOS else "file"
    form = form_of(stage, path, target)
    async with stage.unchanged():
        refused(await stage.me.http.post(path, data=form), 400, PARAMETER + part)
        refused(await stage.me.http.post(path, data=form, files={part: ("", b"")}), 400, PARAMETER + part)
        refused(await stage.me.http.post(path, data={**form, part: "text"}), 400, PARAMETER + part)


@pytest.mark.parametrize("name", ["a/b.pdf", "..", ".", "x" * 256])
async def test_a_name_that_cannot_be_kept_is_refused(stage: Stage, name: str) -> None:
    job = await stage.me.job()
    async with stage.unchanged():
        response = await stage.me.send(DOCUMENTS, job, name=name)
        assert response.status_code == 400
        assert response.json()["success"] is False


async def test_an_empty_file_is_a_file(stage: Stage) -> None:
    uuid = await stage.me.upload(DOCUMENTS, await stage.me.job(), b"", "empty.txt")
    response = await stage.me.get(f"/attachment/{uuid}")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "0")


@each_source
async def test_a_file_is_not_deleted_under_another_parent(stage: Stage, path: str) -> None:
    target, other = await target_of(stage, path), await target_of(stage, path)
    uuid = await stage.me.upload(path, target)
    async with stage.unchanged():
        refused(await stage.me.delete(path, other, uuid), 404, "Resource not found")
        refused(await stage.me.delete(path, target, NOWHERE), 404, "Resource not found")
        refused(await stage.me.delete(path, target, "x"), 404, "Resource not found")
        refused(await stage.me.delete(path, target, ""), 400, PARAMETER + IDS[path])


async def test_a_document_is_no_photo(stage: Stage) -> None:
    job = await stage.me.job()
    document, photo = await stage.me.upload(DOCUMENTS, job), await stage.me.upload(PHOTOS, job)
    assert [row["uuid"] for row in await stage.me.listed(DOCUMENTS, job)] == [document]
    assert [row["uuid"] for row in await stage.me.listed(PHOTOS, job)] == [photo]
    async with stage.unchanged():
        refused(await stage.me.delete(PHOTOS, job, document), 404, "Resource not found")
        refused(await stage.me.delete(DOCUMENTS, job, photo), 404, "Resource not found")


async def test_a_body_that_is_no_form_is_refused(stage: Stage) -> None:
    headers = {"X-CSRF-Token": stage.me.csrf}
    async with stage.unchanged():
        response = await stage.me.http.post(DOCUMENTS, json={"action": "delete"}, headers=headers)
        assert (response.status_code, response.json()["success"]) == (415, False)
        response = await stage.me.http.post("/api/jobs/manage", data={"job_title": "x"}, headers=headers)
        assert (response.status_code, response.json()["success"]) == (415, False)
        broken = {**headers, "Content-Type": "multipart/form-data; boundary=x"}
        for body in (b"", b"--x", b"--y\r\n\r\n--y--", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--"):
            response = await stage.me.http.post(DOCUMENTS, content=body, headers=broken)
            assert (response.status_code, response.json()["success"]) == (400, False)


async def test_limits_of_size_and_type_are_answered_400(tmp_path: Path) -> None:
    async with staged(tmp_path, upload_limit=2048) as stage:
        job = await stage.me.job()
        async with stage.unchanged():
            response = await stage.me.send(DOCUMENTS, job, b"x" * 3000, "a.txt")
            refused(response, 400, "The file is larger than the limit of 2048 bytes")
        await stage.house.operator.accounts.configure("acme", {"allowed_types": ("application/pdf",)})
        async with stage.unchanged():
            response = await stage.me.send(DOCUMENTS, job, b"plain words", "a.txt")
            refused(response, 400, "Files of type text/plain are not accepted here")
        narrowed = {"allowed_types": None, "allowed_types_on": {"job": ("application/pdf",)}}
        await stage.house.operator.accounts.configure("acme", narrowed)
        async with stage.unchanged():
            response = await stage.me.send(DOCUMENTS, job, b"plain words", "a.txt")
            refused(response, 400, "Files of type text/plain are not accepted on a job")
        await stage.me.upload(DOCUMENTS, job)


async def test_a_full_account_takes_no_more(stage: Stage) -> None:
    job = await stage.me.job()
    await stage.house.operator.accounts.configure("acme", {"quota_attachments": 0})
    async with stage.unchanged():
        response = await stage.me.send(DOCUMENTS, job)
        assert (response.status_code, response.json()["success"]) == (400, False)


@each_source
async def test_sources_need_their_permission(stage: Stage, path: str) -> None:
    target = await target_of(stage, path)
    reader = await stage.caller("attachments.read", "records.read")
    denied = "You do not have permission to perform this action"
    assert (await reader.get(LISTS[path], **{TARGETS[path]: target})).status_code == 200
    nobody_s = await stage.caller("api.system.attachment.view")
    async with stage.unchanged():
        refused(await reader.send(path, target), 403, denied)
        refused(await nobody_s.get(LISTS[path], **{TARGETS[path]: target}), 403, denied)
        refused(await nobody_s.send(path, target), 403, denied)


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        (DOCUMENTS, ("api.jobs.documents.manage",)),
        (PHOTOS, ("api.jobs.photos.manage",)),
        (NOTE_FILES, ("api.jobs.case-note-attachments.manage",)),
        (BRANCH_FILES, ("api.agents.documents.manage", "api.agents.document_thumbnail.view")),
    ],
)
async def test_the_vendor_s_keys_open_their_source_alone(stage: Stage, path: str, keys: tuple[str, ...]) -> None:
    target = await target_of(stage, path)
    caller = await stage.caller(*keys)
    uuid = await caller.upload(path, target)
    assert [row["uuid"] for row in await caller.listed(path, target)] == [uuid]
    assert (await caller.get(f"/attachment/{uuid}")).status_code == 403
    for other in SOURCES:
        if other != path:
            assert (await caller.get(LISTS[other], **{TARGETS[other]: "404"})).status_code == 403
    assert (await caller.delete(path, target, uuid)).status_code == 200


async def test_a_file_of_another_api_appears_with_its_author_s_id(stage: Stage) -> None:
    job = await stage.me.job()
    desk = await stage.house.desk()
    async with await desk.attachments.receive() as intake:
        await intake.take(_one(PDF), name="native.pdf")
        new = NewAttachment("native.pdf", hooks=(Hook(RecordRef("job", job)),))
        attachment = await desk.attachments.create(intake, new)
    (row,) = await stage.me.listed(DOCUMENTS, job)
    assert (row["uuid"], row["created_by_name"], row["document_type_id"]) == (attachment.id, "system", None)
    assert (await stage.me.delete(DOCUMENTS, job, attachment.id)).status_code == 200


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data
