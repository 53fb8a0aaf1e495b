"""Log-in, mobile sessions, CSRF tokens, permissions, and the headers of every answer."""

import logging
from pathlib import Path

import pytest

from tests.dialects.propops.stage import (
    DOCUMENTS,
    NOWHERE,
    PASSWORD,
    PDF,
    Hand,
    Stage,
    refused,
    refused_plainly,
    staged,
)

LOG_IN = "Authentication required. Please log in."
DAY = 86_400 * 1_000_000


async def test_a_log_in_gives_a_token_of_64_hex_digits_for_90_days(stage: Stage, hand: Hand) -> None:
    await stage.user()
    response = await stage.login("Admin@Example.com")
    body = response.json()
    assert response.status_code == 200
    assert len(bytes.fromhex(body["token"])) == 32
    assert (body["success"], body["token_type"]) == (True, "Bearer")
    assert body["expires_at"] == "2024-08-30T14:00:00Z"
    assert body["user"] == {"name": "John Doe", "email": "admin@example.com", "account_type": "Staff"}
    caller = await stage.bearer(body["token"])
    assert (await caller.get("/api/jobs/manage")).status_code == 200
    hand.now += 90 * DAY - 1
    assert (await caller.get("/api/jobs/manage")).status_code == 200
    hand.now += 1
    refused(await caller.get("/api/jobs/manage"), 401, LOG_IN)
    refused_plainly(await caller.get(f"/attachment/{NOWHERE}"), 401, LOG_IN)


async def test_a_new_log_in_ends_the_user_s_other_sessions(stage: Stage) -> None:
    await stage.user()
    await stage.user("other@example.com")
    first = await stage.bearer((await stage.login()).json()["token"])
    other = await stage.bearer((await stage.login("other@example.com")).json()["token"])
    second = await stage.bearer((await stage.login()).json()["token"])
    refused(await first.get("/api/jobs/manage"), 401, LOG_IN)
    for caller in (second, other):
        assert (await caller.get("/api/jobs/manage")).status_code == 200


@pytest.mark.parametrize(
    ("told", "parameter"),
    [
        ({}, "email"),
        ({"email": "", "password": "x"}, "email"),
        ({"email": "a@b.c"}, "password"),
        ({"email": 5, "password": "x"}, "email"),
        ({"email": "a@b.c", "password": ["x"]}, "password"),
        ({"email": "a" * 255, "password": "x"}, "email"),
    ],
)
async def test_a_log_in_needs_both_words(stage: Stage, told: dict[str, object], parameter: str) -> None:
    response = await (await stage.nobody()).http.post("/api/auth/login", json=told)
    refused(response, 400, f"Invalid or missing required parameter: {parameter}")


async def test_a_wrong_password_and_an_unknown_e_mail_sound_the_same(stage: Stage) -> None:
    await stage.user()
    for email, password in (("admin@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("\x7f", "\x7f")):
        refused(await stage.login(email, password), 401, "Invalid email or password")


async def test_guessing_is_limited_by_e_mail_and_address(stage: Stage, hand: Hand) -> None:
    await stage.user()
    for _ in range(10):
        refused(await stage.login(password="wrong"), 401, "Invalid email or password")
    response = await stage.login()
    refused(response, 429, "Too many requests")
    assert response.headers["retry-after"] == "300"
    hand.now += 301 * 1_000_000
    assert (await stage.login()).status_code == 200


async def test_a_log_in_that_succeeds_forgets_the_wrong_ones(stage: Stage) -> None:
    await stage.user()
    for _ in range(3):
        for _ in range(9):
            await stage.login(password="wrong")
        assert (await stage.login()).status_code == 200


async def test_secrets_are_never_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await stage.user()
    token = (await stage.login()).json()["token"]
    await stage.login(password="not-this-one")
    caller = await stage.bearer(token)
    await caller.post("/api/jobs/manage", job_title="x")
    assert not [word for word in (PASSWORD, "not-this-one", token, caller.csrf) if word in caplog.text]


# ---------------------------------------------------------------- mobile


async def mobile(stage: Stage, token: str, **fields: object) -> tuple[int, dict[str, object]]:
    told = {"action": "validate_token", "token": token, "platform": "ios", "device_type": "phone", "app_version": "1"}
    response = await (await stage.nobody()).http.post("/api/security/mobile-auth", json={**told, **fields})
    return response.status_code, response.json()


async def test_a_mobile_session_lasts_365_days(stage: Stage, hand: Hand) -> None:
    await stage.user()
    token = (await stage.login()).json()["token"]
    status, body = await mobile(stage, token)
    assert status == 200
    assert body["user"] == {"name": "John Doe", "email": None, "account_type": "Staff"}
    caller = await stage.bearer(str(body["session_token"]))
    assert body["session_token"] != token
    assert caller.csrf == body["csrf_token"]
    hand.now += 365 * DAY - 1
    assert (await caller.get("/api/jobs/manage")).status_code == 200
    hand.now += 1
    refused(await caller.get("/api/jobs/manage"), 401, LOG_IN)


async def test_an_operator_s_token_is_its_own_mobile_session(stage: Stage) -> None:
    token = await stage.house.token("api.security.mobile_auth.use")
    status, body = await mobile(stage, token)
    assert (status, body["session_token"]) == (200, token)


async def test_a_mobile_session_needs_its_permission_and_a_valid_token(stage: Stage) -> None:
    denied = {"success": False, "error": "You do not have permission to perform this action"}
    assert await mobile(stage, await stage.house.token("attachments.read")) == (403, denied)
    assert await mobile(stage, "0" * 64) == (401, {"success": False, "error": LOG_IN})
    missing = "Invalid or missing required parameter: "
    assert await mobile(stage, "") == (400, {"success": False, "error": missing + "token"})
    assert await mobile(stage, "x", action="revoke") == (400, {"success": False, "error": missing + "action"})


async def test_guessed_mobile_tokens_are_limited_too(stage: Stage) -> None:
    for _ in range(10):
        assert (await mobile(stage, "0" * 64))[0] == 401
    assert (await mobile(stage, "0" * 64))[0] == 429


# ---------------------------------------------------------------- CSRF


async def test_a_csrf_token_belongs_to_the_session_and_is_reusable(stage: Stage) -> None:
    issued = (await stage.me.get("/api/security/csrf-token")).json()
    assert issued == {"success": True, "data": {"token": stage.me.csrf}, "message": "CSRF token issued"}
    for _ in range(3):
        await stage.me.job()
    assert (await stage.caller()).csrf != stage.me.csrf


async def test_the_csrf_token_may_come_in_json_in_a_form_or_in_a_header(stage: Stage) -> None:
    job, headers = await stage.me.job(), {"X-CSRF-Token": stage.me.csrf}
    by_header = await stage.me.http.post("/api/jobs/manage", json={"job_title": "x"}, headers=headers)
    assert by_header.status_code == 200
    form = {"action": "upload", "job_uuid": job}
    for data, extra in (({**form, "csrf_token": stage.me.csrf}, {}), (form, headers)):
        response = await stage.me.http.post(DOCUMENTS, data=data, files={"file": ("a.pdf", PDF)}, headers=extra)
        assert response.status_code == 200


@pytest.mark.parametrize("shown", [None, "", "wrong", "0" * 64, "é"])
async def test_a_write_without_the_csrf_token_is_refused_and_changes_nothing(stage: Stage, shown: str | None) -> None:
    job = await stage.me.job()
    told = {} if shown is None else {"csrf_token": shown}
    async with stage.unchanged():
        for path, fields in (
            ("/api/jobs/manage", {"job_title": "x"}),
            ("/api/jobs/manage", {"action": "delete", "uuid": job}),
            ("/api/jobs/case-notes", {"job_uuid": job, "note_text": "x"}),
        ):
            refused(await stage.me.http.post(path, json={**fields, **told}), 403, "Invalid CSRF token")
        form = {"action": "upload", "job_uuid": job, **told}
        response = await stage.me.http.post(DOCUMENTS, data=form, files={"file": ("a.pdf", PDF)})
        refused(response, 403, "Invalid CSRF token")


async def test_another_session_s_csrf_token_is_refused(stage: Stage) -> None:
    other = await stage.caller()
    response = await stage.me.http.post("/api/jobs/manage", json={"job_title": "x", "csrf_token": other.csrf})
    refused(response, 403, "Invalid CSRF token")


async def test_reading_needs_no_csrf_token_and_log_in_neither(stage: Stage) -> None:
    await stage.user()
    assert (await stage.login()).status_code == 200
    assert (await stage.me.get("/api/jobs/manage")).status_code == 200


# ---------------------------------------------------------------- permissions and headers


async def test_the_permissions_of_the_caller_by_the_vendor_s_keys(stage: Stage) -> None:
    staff = (await stage.me.get("/api/users/permissions")).json()["data"]
    assert set(staff["permissions"].values()) == {True}
    assert (staff["account_type"], staff["account_type_id"], staff["role"]) == ("Staff", 1, "Staff")
    reader = await stage.caller("api.jobs.photos.manage", "attachments.read", scopes=("record:contractor:5",))
    told = (await reader.get("/api/users/permissions")).json()["data"]
    allowed = {key for key, granted in told["permissions"].items() if granted}
    assert allowed == {
        "api.jobs.photos.manage",
        "api.system.attachment.view",
        "api.jobs.document_thumbnail.view",
    }
    assert (told["account_type"], told["account_type_id"]) == ("Contractor", 5)
    agent = await stage.caller("*", scopes=("record:branch:1", "path:/x"))
    told = (await agent.get("/api/users/permissions")).json()["data"]
    assert (told["account_type"], told["account_type_id"]) == ("Agent", 2)


@pytest.mark.parametrize("path", ["/api/jobs/manage", "/api/nowhere", f"/attachment/{NOWHERE}", "/attachment"])
async def test_every_answer_says_how_many_requests_are_left(tmp_path: Path, hand: Hand, path: str) -> None:
    async with staged(tmp_path, rate=100, choices={"address_rate": 50}, hand=hand) as stage:
        first = await stage.me.get(path)
        second = await stage.me.get(path)
        nobody = await (await stage.nobody()).get(path)
    assert first.headers["x-ratelimit-limit"] in {"100", "50"}
    assert int(first.headers["x-ratelimit-remaining"]) - int(second.headers["x-ratelimit-remaining"]) == 1
    assert first.headers["x-ratelimit-reset"] == "1717250460"
    assert nobody.headers["x-ratelimit-limit"] == "50"
    for response in (first, nobody):
        assert float(response.headers["x-response-time-ms"]) >= 0
        assert float(response.headers["x-db-query-time-ms"]) >= 0


async def test_too_many_requests_of_a_caller_wait(tmp_path: Path, hand: Hand) -> None:
    async with staged(tmp_path, rate=3, hand=hand) as stage:
        for _ in range(2):
            assert (await stage.me.get("/api/jobs/manage")).status_code == 200
        response = await stage.me.get("/api/jobs/manage")
        refused(response, 429, "Too many requests")
        assert response.headers["retry-after"] == "60"
        assert response.headers["x-ratelimit-remaining"] == "0"
        refused_plainly(await stage.me.get(f"/attachment/{NOWHERE}"), 429, "Too many requests")
        assert (await (await stage.caller()).get("/api/jobs/manage")).status_code == 200
        hand.now += 60 * 1_000_000
        assert (await stage.me.get("/api/jobs/manage")).status_code == 200


async def test_too_many_requests_of_an_address_without_a_token_wait(tmp_path: Path, hand: Hand) -> None:
    async with staged(tmp_path, choices={"address_rate": 3}, hand=hand) as stage:
        nobody = await stage.nobody()
        for _ in range(2):
            refused(await nobody.get("/api/jobs/manage"), 401, LOG_IN)
        refused(await nobody.get("/api/jobs/manage"), 429, "Too many requests")
        refused(await nobody.http.post("/api/auth/login", json={}), 429, "Too many requests")
        assert (await stage.me.get("/api/jobs/manage")).status_code == 200


async def test_without_limits_nobody_waits_and_no_numbers_are_made_up(tmp_path: Path) -> None:
    async with staged(tmp_path, rate=None, choices={"address_rate": 0}) as stage:
        await stage.user()
        answers = [
            await stage.me.get("/api/jobs/manage"),
            await (await stage.nobody()).get("/api/jobs/manage"),
            await stage.login(),
        ]
    assert [answer.status_code for answer in answers] == [200, 401, 200]
    assert not [answer for answer in answers if "x-ratelimit-limit" in answer.headers]
