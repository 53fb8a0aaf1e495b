"""The two attachment URLs: what is sent, what is refused, and in which words."""

from pathlib import Path

import pytest

from tests.dialects.propops.stage import BRANCH_FILES, DOCUMENTS, NOWHERE, PDF, Stage, refused_plainly, staged

DENIED = "You do not have permission to download this attachment"
NOT_FOUND = "Attachment not found"


@pytest.fixture
async def uuid(stage: Stage) -> str:
    return await stage.me.upload(DOCUMENTS, await stage.me.job(), name="Gas_Safety_Certificate_JOB1042.pdf")


async def test_a_file_is_downloaded_by_its_uuid_alone(stage: Stage, uuid: str) -> None:
    response = await stage.me.get(f"/attachment/{uuid}")
    assert (response.status_code, response.content) == (200, PDF)
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["content-length"] == str(len(PDF))
    assert response.headers["content-disposition"] == 'attachment; filename="Gas_Safety_Certificate_JOB1042.pdf"'


async def test_the_operator_may_choose_inline(tmp_path: Path) -> None:
    async with staged(tmp_path, choices={"disposition": "inline"}) as stage:
        uuid = await stage.me.upload(DOCUMENTS, await stage.me.job(), name="a.pdf")
        page = await stage.me.upload(DOCUMENTS, await stage.me.job(), b"<html><script>1</script>", "a.html")
        shown = await stage.me.get(f"/attachment/{uuid}")
        saved = await stage.me.get(f"/attachment/{page}")
    assert shown.headers["content-disposition"] == 'inline; filename="a.pdf"'
    assert saved.headers["content-disposition"] == 'attachment; filename="a.html"'


@pytest.mark.parametrize("query", ["v=1718360400", "v=", "v=a&v=b", "v=%F0%9F%93%8E", "anything=else"])
async def test_the_version_in_the_query_changes_nothing(stage: Stage, uuid: str, query: str) -> None:
    for path in (f"/attachment/{uuid}", f"/attachment/{uuid}/thumbnail"):
        response = await stage.me.http.get(f"{path}?{query}")
        assert (response.status_code, response.content) == (200, PDF)


@pytest.mark.parametrize("path", ["/attachment", "/attachment/"])
async def test_without_a_uuid_it_is_required(stage: Stage, path: str) -> None:
    refused_plainly(await stage.me.get(path), 400, "Attachment UUID is required")


async def test_without_a_uuid_a_token_is_asked_for_first(stage: Stage) -> None:
    nobody = await stage.nobody()
    for path in ("/attachment", "/attachment/", f"/attachment/{NOWHERE}"):
        response = await nobody.get(path)
        refused_plainly(response, 401, "Authentication required. Please log in.")
        assert response.headers["www-authenticate"] == "Bearer"


MALFORMED = [
    "x",
    "%20",
    "a1b2c3d4-e5f6-7890-abcd",
    "{0}",
    "..%2f..%2fetc",
    "%E6%97%A5",
    "thumbnail",
    "index",
    "0" * 3000,
]


@pytest.mark.parametrize("id", [NOWHERE, *MALFORMED])
async def test_an_unknown_or_malformed_uuid_is_not_found(stage: Stage, id: str) -> None:
    refused_plainly(await stage.me.get(f"/attachment/{id}"), 404, NOT_FOUND)
    refused_plainly(await stage.me.get(f"/attachment/{id}/thumbnail"), 404, NOT_FOUND)


async def test_a_uuid_is_the_same_in_capitals(stage: Stage, uuid: str) -> None:
    assert (await stage.me.get(f"/attachment/{uuid.upper()}")).content == PDF


async def test_another_path_below_is_not_found_in_plain_text(stage: Stage, uuid: str) -> None:
    for path in (f"/attachment/{uuid}/", f"/attachment/{uuid}/preview", f"/attachment/{uuid}/thumbnail/x"):
        refused_plainly(await stage.me.get(path), 404, NOT_FOUND)


async def test_a_broken_escape_is_refused_in_plain_text(stage: Stage) -> None:
    response = await stage.me.http.get("http://holdfast.test/attachment/%FF")
    assert response.status_code == 400
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_the_permission_comes_before_the_record(stage: Stage, uuid: str) -> None:
    caller = await stage.caller("api.jobs.documents.manage")
    for id in (uuid, NOWHERE):
        refused_plainly(await caller.get(f"/attachment/{id}"), 403, DENIED)
        refused_plainly(await caller.get(f"/attachment/{id}/thumbnail"), 403, DENIED)
    refused_plainly(await caller.get("/attachment/"), 400, "Attachment UUID is required")


@pytest.mark.parametrize("permission", ["api.system.attachment.view", "attachments.read"])
async def test_the_vendor_s_key_or_the_own_permission_opens_downloads(stage: Stage, uuid: str, permission: str) -> None:
    caller = await stage.caller(permission)
    assert (await caller.get(f"/attachment/{uuid}")).content == PDF


@pytest.mark.parametrize("query", ["key=abc", "security_key=abc", "key=", "key=a&key=b"])
async def test_a_security_key_is_refused_since_none_was_issued(stage: Stage, uuid: str, query: str) -> None:
    for path in (f"/attachment/{uuid}", f"/attachment/{uuid}/thumbnail"):
        refused_plainly(await stage.me.http.get(f"{path}?{query}"), 403, "Invalid security key")
    refused_plainly(
        await (await stage.nobody()).http.get(f"/attachment/{uuid}?{query}"),
        401,
        "Authentication required. Please log in.",
    )


async def test_a_file_outside_what_the_caller_sees_is_denied(stage: Stage, uuid: str) -> None:
    await stage.record("branch:7")
    agent = await stage.caller(scopes=("record:branch:7",))
    refused_plainly(await agent.get(f"/attachment/{uuid}"), 403, DENIED)
    refused_plainly(await agent.get(f"/attachment/{uuid}/thumbnail"), 403, DENIED)
    own = await stage.me.upload(BRANCH_FILES, 7)
    assert (await agent.get(f"/attachment/{own}")).content == PDF


async def test_another_account_s_file_is_not_found(stage: Stage, uuid: str) -> None:
    stranger = await stage.caller(account="other")
    refused_plainly(await stranger.get(f"/attachment/{uuid}"), 404, NOT_FOUND)
    refused_plainly(await stranger.get(f"/attachment/{uuid}/thumbnail"), 404, NOT_FOUND)


async def test_lost_bytes_are_said_to_be_lost(stage: Stage) -> None:
    uuid = await stage.me.upload(DOCUMENTS, await stage.me.job(), b"\x89PNG\r\n\x1a\n".ljust(400_000, b"x"), "a.png")
    await stage.lose(uuid)
    refused_plainly(await stage.me.get(f"/attachment/{uuid}"), 404, "File not found on server")
    refused_plainly(await stage.me.get(f"/attachment/{uuid}/thumbnail"), 404, "File not found on server")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_other_methods_are_refused_in_plain_text(stage: Stage, uuid: str, method: str) -> None:
    response = await stage.me.http.request(method, f"/attachment/{uuid}")
    refused_plainly(response, 405, "Method not allowed")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_head_ranges_and_conditions_are_served(stage: Stage, uuid: str) -> None:
    head = await stage.me.http.head(f"/attachment/{uuid}")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(PDF)))
    part = await stage.me.http.get(f"/attachment/{uuid}", headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, PDF[:8])
    same = await stage.me.http.get(f"/attachment/{uuid}", headers={"If-None-Match": head.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    beyond = await stage.me.http.get(f"/attachment/{uuid}", headers={"Range": "bytes=9999999-"})
    assert beyond.status_code == 416
    assert head.headers["cache-control"].startswith("private")


NAMES = [
    "Zürich 日本語 عربى.pdf", 'say "hi" \\ there.pdf', "🧾🎉.pdf", " lead and trail ", "index", "thumbnail",
    "..pdf", "CON", "d41d8cd98f00b204e9800998ecf8427e", "50% off%41.pdf", "a;b=c.pdf", "x" * 255,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_comes_back_in_the_disposition(stage: Stage, name: str) -> None:
    job = await stage.me.job()
    uuid = await stage.me.upload(DOCUMENTS, job, name=name)
    (row,) = await stage.me.listed(DOCUMENTS, job)
    sent = (await stage.me.get(f"/attachment/{uuid}")).headers["content-disposition"]
    assert row["file_name"] == name
    assert sent.startswith('attachment; filename="')
    assert sent.isascii()
