"""Agents see their branches, contractors their jobs, staff everything; accounts see nothing of each other."""

import pytest

from tests.dialects.propops.stage import (
    BRANCH_FILES,
    DOCUMENTS,
    LISTS,
    NOTE_FILES,
    PHOTOS,
    TARGETS,
    Caller,
    Stage,
    refused,
    refused_plainly,
)

DENIED = "You do not have permission to perform this action"
DOWNLOAD = "You do not have permission to download this attachment"


class Town:
    """Two branches and two contractors, a job for each pair, and a file everywhere."""

    def __init__(self) -> None:
        self.jobs: dict[str, str] = {}
        self.notes: dict[str, str] = {}
        self.files: dict[tuple[str, str], str] = {}

    async def build(self, stage: Stage) -> "Town":
        for ref in ("branch:1", "branch:2", "contractor:5", "contractor:6"):
            await stage.record(ref)
        for name, branch, contractor in (("mine", 1, 5), ("theirs", 2, 6)):
            job = await stage.me.job(job_title=name, branch_id=branch, contractor_id=contractor)
            self.jobs[name], self.notes[name] = job, await stage.me.note(job)
            self.files[name, DOCUMENTS] = await stage.me.upload(DOCUMENTS, job)
            self.files[name, PHOTOS] = await stage.me.upload(PHOTOS, job)
            self.files[name, NOTE_FILES] = await stage.me.upload(NOTE_FILES, self.notes[name])
            self.files[name, BRANCH_FILES] = await stage.me.upload(BRANCH_FILES, branch)
        return self

    def target(self, name: str, path: str) -> str:
        if path == BRANCH_FILES:
            return "1" if name == "mine" else "2"
        return self.notes[name] if path == NOTE_FILES else self.jobs[name]


@pytest.fixture
async def town(stage: Stage) -> Town:
    return await Town().build(stage)


async def seen_jobs(caller: Caller) -> list[str]:
    return [job["job_title"] for job in (await caller.get("/api/jobs/manage")).json()["data"]]


@pytest.mark.parametrize(
    ("scope", "sources"),
    [
        ("record:branch:1", (DOCUMENTS, PHOTOS, NOTE_FILES, BRANCH_FILES)),
        ("record:contractor:5", (DOCUMENTS, PHOTOS, NOTE_FILES)),
    ],
)
async def test_agents_and_contractors_see_what_is_theirs(
    stage: Stage, town: Town, scope: str, sources: tuple[str, ...]
) -> None:
    caller = await stage.caller(scopes=(scope,))
    assert await seen_jobs(caller) == ["mine"]
    for path in sources:
        uuid = town.files["mine", path]
        assert [row["uuid"] for row in await caller.listed(path, town.target("mine", path))] == [uuid]
        assert (await caller.get(f"/attachment/{uuid}")).status_code == 200
        new = await caller.upload(path, town.target("mine", path))
        assert (await caller.delete(path, town.target("mine", path), new)).status_code == 200


@pytest.mark.parametrize("scope", ["record:branch:1", "record:contractor:5"])
async def test_what_is_others_is_denied_and_stays_as_it_is(stage: Stage, town: Town, scope: str) -> None:
    caller = await stage.caller(scopes=(scope,))
    job = town.jobs["theirs"]
    async with stage.unchanged():
        for path in (DOCUMENTS, PHOTOS, NOTE_FILES, BRANCH_FILES):
            target, uuid = town.target("theirs", path), town.files["theirs", path]
            refused(await caller.get(LISTS[path], **{TARGETS[path]: target}), 403, DENIED)
            refused(await caller.send(path, target), 403, DENIED)
            refused(await caller.delete(path, target, uuid), 403, DENIED)
            refused_plainly(await caller.get(f"/attachment/{uuid}"), 403, DOWNLOAD)
            refused_plainly(await caller.get(f"/attachment/{uuid}/thumbnail"), 403, DOWNLOAD)
        refused(await caller.get("/api/jobs/manage", action="get", uuid=job), 403, DENIED)
        refused(await caller.post("/api/jobs/manage", action="update", uuid=job, job_title="x"), 403, DENIED)
        refused(await caller.post("/api/jobs/manage", action="delete", uuid=job), 403, DENIED)
        refused(await caller.get("/api/jobs/case-notes", job_uuid=job), 403, DENIED)
        refused(await caller.post("/api/jobs/case-notes", job_uuid=job, note_text="x"), 403, DENIED)
        refused(await caller.post("/api/jobs/manage", job_title="x"), 403, DENIED)
        refused(await caller.post("/api/jobs/manage", job_title="x", branch_id=2), 403, DENIED)


async def test_a_contractor_makes_jobs_of_its_own_only(stage: Stage, town: Town) -> None:
    caller = await stage.caller(scopes=("record:contractor:5",))
    await caller.job(job_title="new", contractor_id=5)
    assert await seen_jobs(caller) == ["new", "mine"]


async def test_filters_counts_and_searches_show_nothing_of_others(stage: Stage, town: Town) -> None:
    caller = await stage.caller(scopes=("record:contractor:5",))
    for query in ({"search": "theirs"}, {"contractor_id": 6}, {"search": "JOB2"}):
        assert (await caller.get("/api/jobs/manage", **query)).json()["data"] == []
    body = (await caller.get("/api/jobs/manage", has_photos="true", has_documents="true")).json()
    assert [job["job_title"] for job in body["data"]] == ["mine"]


async def test_an_account_sees_nothing_of_another(stage: Stage, town: Town) -> None:
    stranger = await stage.caller(account="other")
    async with stage.unchanged():
        assert await seen_jobs(stranger) == []
        for path in (DOCUMENTS, PHOTOS, NOTE_FILES, BRANCH_FILES):
            target, uuid = town.target("mine", path), town.files["mine", path]
            refused(await stranger.get(LISTS[path], **{TARGETS[path]: target}), 404, "Resource not found")
            refused(await stranger.send(path, target), 404, "Resource not found")
            refused(await stranger.delete(path, target, uuid), 404, "Resource not found")
            refused_plainly(await stranger.get(f"/attachment/{uuid}"), 404, "Attachment not found")
        response = await stranger.post("/api/jobs/manage", job_title="x", contractor_id=5)
        refused(response, 400, "Invalid or missing required parameter: contractor_id")
