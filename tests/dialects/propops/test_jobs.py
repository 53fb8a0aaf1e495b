"""Jobs and case notes."""

from typing import Any

import pytest

from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.propops.stage import DOCUMENTS, NOTE_FILES, NOWHERE, PHOTOS, Hand, Stage, refused

JOBS = "/api/jobs/manage"
NOTES = "/api/jobs/case-notes"
PARAMETER = "Invalid or missing required parameter: "


async def jobs(stage: Stage, **query: object) -> list[str]:
    """The titles that a list gives."""
    response = await stage.me.get(JOBS, **query)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["count"] == len(body["data"])
    return [job["job_title"] for job in body["data"]]


async def got(stage: Stage, uuid: str) -> dict[str, Any]:
    response = await stage.me.get(JOBS, action="get", uuid=uuid)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["data"]
    return found


async def test_a_job_is_created_found_and_described(stage: Stage) -> None:
    for contractor in ("contractor:5", "branch:7"):
        await stage.record(contractor)
    told = {
        "job_title": "Boiler service",
        "job_description": "Annual\nservice",
        "priority_id": 2,
        "status_id": 1,
        "job_type_id": 3,
        "address_id": 9,
        "full_address": "1 Harbour Street",
        "contractor_id": 5,
        "branch_id": 7,
        "job_total_budget": 120.5,
        "is_pinned": True,
    }
    response = await stage.me.post(JOBS, action="create", **told)
    assert response.json()["message"] == "Operation completed successfully"
    made = response.json()["data"]
    job = await got(stage, made["uuid"])
    assert {name: job[name] for name in told} == told
    assert (job["ID"], job["job_ref"], job["agent_id"]) == (made["ID"], "JOB1", None)
    assert job["created_at"] == job["updated_at"] == "2024-06-01T14:00:00Z"


async def test_the_counts_are_those_of_the_files_that_hang_there_now(stage: Stage) -> None:
    job = await stage.me.job()
    document = await stage.me.upload(DOCUMENTS, job)
    for _ in range(2):
        await stage.me.upload(PHOTOS, job)
    counts = await got(stage, job)
    assert (counts["documents_count"], counts["photos_count"]) == (1, 2)
    await stage.me.delete(DOCUMENTS, job, document)
    assert (await got(stage, job))["documents_count"] == 0


async def test_jobs_are_listed_newest_first_in_parts(stage: Stage, hand: Hand) -> None:
    for number in range(55):
        hand.now += 1_000_000
        await stage.me.job(job_title=f"Job {number}")
    assert await jobs(stage) == [f"Job {number}" for number in range(54, 4, -1)]
    assert await jobs(stage, action="list", limit=2, offset=3) == ["Job 51", "Job 50"]
    assert len(await jobs(stage, limit=200)) == 55
    assert await jobs(stage, offset=55) == []


async def test_jobs_are_filtered(stage: Stage) -> None:
    await stage.record("contractor:5")
    await stage.me.job(job_title="A", status_id=1, priority_id=1, contractor_id=5)
    await stage.me.job(job_title="B", status_id=2, priority_id=1, agent_id=3, access_details="Key under the MAT")
    assert await jobs(stage, status_id=1) == ["A"]
    assert await jobs(stage, priority_id=1, status_id=2) == ["B"]
    assert await jobs(stage, agent_id=3) == ["B"]
    assert await jobs(stage, contractor_id=5) == ["A"]
    assert await jobs(stage, search="under the mat") == ["B"]
    assert await jobs(stage, search="JOB1") == ["A"]
    assert await jobs(stage, search="100%") == []
    own = (await stage.house.store.identify(stage.me.http.headers["Authorization"][7:])).id
    assert await jobs(stage, created_by=own) == ["B", "A"]
    assert await jobs(stage, created_by="somebody") == []


async def test_jobs_with_photos_or_documents_alone(stage: Stage) -> None:
    made = {name: await stage.me.job(job_title=name) for name in ("none", "photo", "document", "both")}
    for name in ("photo", "both"):
        await stage.me.upload(PHOTOS, made[name])
    for name in ("document", "both"):
        await stage.me.upload(DOCUMENTS, made[name])
    assert await jobs(stage, has_photos="true") == ["both", "photo"]
    assert await jobs(stage, has_documents="true") == ["both", "document"]
    assert await jobs(stage, has_photos="true", has_documents="true") == ["both"]
    assert await jobs(stage, has_photos="false") == ["both", "document", "photo", "none"]
    assert await jobs(stage, has_documents="true", limit=1, offset=1) == ["document"]


async def test_a_job_is_updated_member_by_member(stage: Stage) -> None:
    for ref in ("contractor:5", "contractor:6", "branch:7"):
        await stage.record(ref)
    uuid = await stage.me.job(contractor_id=5, branch_id=7, quote_no="Q1")
    response = await stage.me.post(JOBS, action="update", uuid=uuid, contractor_id=6, quote_no=None, job_title="New")
    assert response.json() == {"success": True, "message": "Operation completed successfully"}
    job = await got(stage, uuid)
    assert (job["job_title"], job["contractor_id"], job["branch_id"], job["quote_no"]) == ("New", 6, 7, None)
    assert await jobs(stage, search="Q1") == []
    assert await jobs(stage, search="new") == ["New"]
    desk = await stage.house.desk()
    record = await desk.records.get(RecordRef("job", uuid))
    assert set(record.parents) == {RecordRef("contractor", "6"), RecordRef("branch", "7")}


async def test_a_deleted_job_takes_its_notes_and_files_along(stage: Stage) -> None:
    job = await stage.me.job()
    note = await stage.me.note(job)
    files = [await stage.me.upload(DOCUMENTS, job), await stage.me.upload(NOTE_FILES, note)]
    response = await stage.me.post(JOBS, action="delete", uuid=job)
    assert response.json() == {"success": True, "message": "Operation completed successfully"}
    refused(await stage.me.get(JOBS, action="get", uuid=job), 404, "Resource not found")
    for uuid in files:
        assert (await stage.me.get(f"/attachment/{uuid}")).status_code == 404
    refused(await stage.me.post(JOBS, action="delete", uuid=job), 404, "Resource not found")


async def test_a_job_that_the_host_registered_is_a_job_like_any_other(stage: Stage) -> None:
    desk = await stage.house.desk()
    told = {"job_title": 5, "status_id": "open", "is_pinned": "yes", "quote_no": "Q7", "job_total_budget": True}
    await desk.records.create(NewRecord(RecordRef("job", "J-1042"), told))
    job = await got(stage, "J-1042")
    assert (job["job_title"], job["status_id"], job["is_pinned"], job["job_total_budget"]) == (None, None, False, None)
    assert job["quote_no"] == "Q7"
    uuid = await stage.me.upload(DOCUMENTS, "J-1042")
    assert [row["uuid"] for row in await stage.me.listed(DOCUMENTS, "J-1042")] == [uuid]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "1000000000"}, "limit"),
        ({"limit": "1e9"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "9" * 30}, "offset"),
        ({"action": "get_file_types"}, "action"),
        ({"action": "get"}, "uuid"),
        ({"action": "get", "uuid": "a/b"}, "uuid"),
        ({"action": "get", "uuid": "x" * 201}, "uuid"),
        ({"status_id": "open"}, "status_id"),
        ({"agent_id": "-5"}, "agent_id"),
        ({"has_photos": "perhaps"}, "has_photos"),
    ],
)
async def test_bad_queries_name_the_parameter(stage: Stage, query: dict[str, str], parameter: str) -> None:
    refused(await stage.me.get(JOBS, **query), 400, PARAMETER + parameter)


async def test_a_parameter_given_twice_is_refused_and_an_unknown_one_is_ignored(stage: Stage) -> None:
    refused(await stage.me.http.get(f"{JOBS}?limit=1&limit=2"), 400, PARAMETER + "limit")
    assert await jobs(stage, sort="-nonsense", page="0") == []


@pytest.mark.parametrize(
    ("told", "status", "words"),
    [
        ({}, 400, PARAMETER + "job_title"),
        ({"job_title": ""}, 400, PARAMETER + "job_title"),
        ({"job_title": None}, 400, PARAMETER + "job_title"),
        ({"job_title": 5}, 400, PARAMETER + "job_title"),
        ({"job_title": "x" * 1001}, 400, PARAMETER + "job_title"),
        ({"job_title": "x", "status_id": "1"}, 400, PARAMETER + "status_id"),
        ({"job_title": "x", "status_id": -1}, 400, PARAMETER + "status_id"),
        ({"job_title": "x", "status_id": 10**40}, 400, PARAMETER + "status_id"),
        ({"job_title": "x", "is_pinned": "yes"}, 400, PARAMETER + "is_pinned"),
        ({"job_title": "x", "contractor_id": 404}, 400, PARAMETER + "contractor_id"),
        ({"job_title": "x", "branch_id": 404}, 400, PARAMETER + "branch_id"),
        ({"action": "restore_commit", "job_title": "x"}, 400, PARAMETER + "action"),
        ({"action": 1}, 400, PARAMETER + "action"),
        ({"action": "update", "job_title": "x"}, 400, PARAMETER + "uuid"),
        ({"action": "delete"}, 400, PARAMETER + "uuid"),
        ({"action": "delete", "uuid": NOWHERE}, 404, "Resource not found"),
        ({"action": "update", "uuid": NOWHERE, "job_title": "x"}, 404, "Resource not found"),
        ({"action": "update", "uuid": "a/b", "job_title": "x"}, 400, PARAMETER + "uuid"),
    ],
)
async def test_bad_jobs_are_refused_and_change_nothing(
    stage: Stage, told: dict[str, object], status: int, words: str
) -> None:
    async with stage.unchanged():
        refused(await stage.me.post(JOBS, **told), status, words)


async def test_an_update_keeps_a_title(stage: Stage) -> None:
    job = await stage.me.job()
    for title in ("", None):
        refused(await stage.me.post(JOBS, action="update", uuid=job, job_title=title), 400, PARAMETER + "job_title")


async def test_an_update_with_an_unknown_contractor_changes_nothing(stage: Stage) -> None:
    job = await stage.me.job()
    async with stage.unchanged():
        refused(
            await stage.me.post(JOBS, action="update", uuid=job, contractor_id=404), 400, PARAMETER + "contractor_id"
        )


# ---------------------------------------------------------------- case notes


async def test_case_notes_are_added_and_listed_newest_first(stage: Stage, hand: Hand) -> None:
    job = await stage.me.job()
    first = await stage.me.post(NOTES, job_uuid=job, note_text="Attended 🔧", send_email=True)
    hand.now += 60 * 1_000_000
    second = await stage.me.note(job, "Completed")
    await stage.me.upload(NOTE_FILES, second)
    body = (await stage.me.get(NOTES, action="list", job_uuid=job)).json()
    assert body["count"] == 2
    assert body["data"][0]["attachments_count"] == 1
    assert body["data"][1] == {
        "ID": first.json()["note_id"],
        "uuid": first.json()["note_uuid"],
        "job_id": (await got(stage, job))["ID"],
        "note_text": "Attended 🔧",
        "created_by_name": "Staff_001",
        "send_email": True,
        "attachments_count": 0,
        "created_at": "2024-06-01T14:00:00Z",
    }
    assert [row["uuid"] for row in (await stage.me.get(NOTES, job_uuid=job, limit=1)).json()["data"]] == [second]


@pytest.mark.parametrize(
    ("told", "status", "words"),
    [
        ({"note_text": "x"}, 400, PARAMETER + "job_uuid"),
        ({"job_uuid": NOWHERE}, 400, PARAMETER + "note_text"),
        ({"job_uuid": NOWHERE, "note_text": " \n"}, 400, PARAMETER + "note_text"),
        ({"job_uuid": NOWHERE, "note_text": 5}, 400, PARAMETER + "note_text"),
        ({"job_uuid": NOWHERE, "note_text": "x", "send_email": "no"}, 400, PARAMETER + "send_email"),
        ({"job_uuid": "a/b", "note_text": "x"}, 400, PARAMETER + "job_uuid"),
        ({"job_uuid": NOWHERE, "note_text": "x"}, 404, "Resource not found"),
    ],
)
async def test_bad_notes_are_refused_and_change_nothing(
    stage: Stage, told: dict[str, object], status: int, words: str
) -> None:
    async with stage.unchanged():
        refused(await stage.me.post(NOTES, **told), status, words)


async def test_bad_note_lists_are_refused(stage: Stage) -> None:
    job = await stage.me.job()
    refused(await stage.me.get(NOTES), 400, PARAMETER + "job_uuid")
    refused(await stage.me.get(NOTES, job_uuid=job, action="get"), 400, PARAMETER + "action")
    refused(await stage.me.get(NOTES, job_uuid=job, limit=0), 400, PARAMETER + "limit")
    refused(await stage.me.get(NOTES, job_uuid=NOWHERE), 404, "Resource not found")


async def test_jobs_and_notes_of_another_account_are_not_found(stage: Stage) -> None:
    job = await stage.me.job()
    note = await stage.me.note(job)
    stranger = await stage.caller(account="other")
    async with stage.unchanged():
        for response in (
            await stranger.get(JOBS, action="get", uuid=job),
            await stranger.post(JOBS, action="update", uuid=job, job_title="x"),
            await stranger.post(JOBS, action="delete", uuid=job),
            await stranger.get(NOTES, job_uuid=job),
            await stranger.post(NOTES, job_uuid=job, note_text="x"),
            await stranger.get(NOTE_FILES, case_note_uuid=note),
        ):
            refused(response, 404, "Resource not found")
    assert (await stranger.get(JOBS)).json()["data"] == []


async def test_jobs_need_their_permissions(stage: Stage) -> None:
    job = await stage.me.job()
    denied = "You do not have permission to perform this action"
    lister = await stage.caller("api.jobs.manage.list")
    writer = await stage.caller("api.jobs.manage.manage")
    noter = await stage.caller("api.jobs.case-notes.manage")
    assert (await lister.get(JOBS)).status_code == 200
    refused(await lister.post(JOBS, job_title="x"), 403, denied)
    refused(await writer.get(JOBS), 403, denied)
    assert (await writer.post(JOBS, job_title="x")).status_code == 200
    assert (await noter.post(NOTES, job_uuid=job, note_text="x")).status_code == 200
    assert (await noter.get(NOTES, job_uuid=job)).status_code == 200
    refused(await noter.get(JOBS), 403, denied)
    refused(await lister.get(NOTES, job_uuid=job), 403, denied)
