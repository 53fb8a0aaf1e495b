"""The token endpoint, and the two ways to show a token."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.app import Options
from tests.dialects.four_hse.stage import PROJECT, ROOT, Stage, chosen, error, staged

TOKEN = "/realms/4hse/protocol/openid-connect/token"
GRANT = {"grant_type": "password", "client_id": "any", "username": "ada@example.com", "password": "correct horse"}


@pytest.fixture
async def ada(stage: Stage) -> Stage:
    await stage.user()
    return stage


async def ask(stage: Stage, **form: str) -> httpx.Response:
    return await stage.watched(stage.house.bare_client()).post(TOKEN, data=form)


async def test_a_password_buys_a_session_and_a_way_to_renew_it(ada: Stage) -> None:
    response = await ask(ada, **GRANT)
    reply = response.json()
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert (reply["token_type"], reply["expires_in"], reply["scope"]) == ("Bearer", 300, "openid profile email")
    client = ada.watched(ada.house.bare_client(reply["access_token"]))
    assert (await client.get(f"/v2/project/view/{PROJECT}")).status_code == 200
    renewed = (await ask(ada, grant_type="refresh_token", refresh_token=reply["refresh_token"])).json()
    assert renewed["access_token"] != reply["access_token"]
    again = await ask(ada, grant_type="refresh_token", refresh_token=reply["refresh_token"])
    expected = {"error": "invalid_grant", "error_description": "Invalid refresh token"}
    assert (again.status_code, again.json()) == (400, expected)
    for wrong_kind in (renewed["refresh_token"], "x"):
        assert (await ada.house.bare_client(wrong_kind).get(f"/v2/project/view/{PROJECT}")).status_code == 401


async def test_the_client_id_does_not_matter(ada: Stage) -> None:
    form = {name: value for name, value in GRANT.items() if name != "client_id"}
    assert (await ask(ada, **form)).status_code == 200
    assert (await ask(ada, **form, client_id="x", client_secret="y", scope="openid")).status_code == 200


async def test_lifetimes_are_a_choice(tmp_path: Path) -> None:
    async with staged(tmp_path, chosen(token_seconds=60, refresh_seconds=120)) as stage:
        await stage.user()
        reply = (await ask(stage, **GRANT)).json()
        assert (reply["expires_in"], reply["refresh_expires_in"]) == (60, 120)


@pytest.mark.parametrize(
    ("change", "status", "expected"),
    [
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"grant_type": "PASSWORD"}, 400, "unsupported_grant_type"),
        ({"username": ""}, 400, "invalid_request"),
        ({"password": ""}, 400, "invalid_request"),
        ({"username": "nobody@example.com"}, 401, "invalid_grant"),
        ({"username": "é" * 300}, 401, "invalid_grant"),
        ({"password": "wrong horse"}, 401, "invalid_grant"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "0" * 64}, 400, "invalid_grant"),
    ],
)
async def test_what_buys_nothing_says_why(ada: Stage, change: dict[str, str], status: int, expected: str) -> None:
    response = await ask(ada, **{**GRANT, **change})
    assert (response.status_code, response.json()["error"]) == (status, expected)
    assert set(response.json()) == {"error", "error_description"}


async def test_an_unknown_name_and_a_wrong_password_look_the_same(ada: Stage) -> None:
    unknown = await ask(ada, **{**GRANT, "username": "nobody@example.com"})
    wrong = await ask(ada, **{**GRANT, "password": "wrong"})
    assert (unknown.status_code, unknown.json()) == (wrong.status_code, wrong.json())


async def test_parameters_come_once_and_as_a_form(ada: Stage) -> None:
    client = ada.watched(ada.house.bare_client())
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    twice = await client.post(TOKEN, content=b"grant_type=password&grant_type=password", headers=form)
    assert twice.json() == {"error": "invalid_request", "error_description": "duplicated parameter"}
    posted = await client.post(TOKEN, json=GRANT)
    assert (posted.status_code, posted.json()["error"]) == (415, "unsupported_type")
    assert (await client.get(TOKEN)).status_code == 405
    nothing = await client.post(TOKEN)
    assert nothing.status_code == 415
    lost = await client.post("/realms/4hse/account")
    assert (lost.status_code, lost.json()["error"]) == (404, "route_not_found")


async def test_guessing_is_stopped_by_name_and_by_address(ada: Stage) -> None:
    for _ in range(10):
        assert (await ask(ada, **{**GRANT, "password": "wrong"})).status_code == 401
    stopped = await ask(ada, **GRANT)
    assert (stopped.status_code, stopped.json()["error"]) == (429, "rate_limited")
    assert int(stopped.headers["Retry-After"]) > 0
    guessed = await ask(ada, grant_type="refresh_token", refresh_token="0" * 64)
    assert guessed.status_code == 429


async def test_a_token_may_be_in_the_header_or_in_the_query(stage: Stage) -> None:
    await stage.upload(ROOT, "a.pdf")
    token = await stage.house.token()
    bare = stage.watched(stage.house.bare_client())
    params = {"id": f"{ROOT}/a.pdf", "access-token": token}
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Accept": "application/json"}):
        response = await bare.get("/v2/attachment/view", params=params, headers=headers)
        assert response.status_code == 200
        assert response.headers.get_list("Cache-Control") == ["no-store"]
    missing = await bare.get("/v2/attachment/view", params={**params, "id": "/nothing"})
    assert (missing.status_code, missing.headers["Cache-Control"]) == (404, "no-store")
    posted = await bare.post(f"/v2/attachment/index?access-token={token}", json={"searchText": "a.pdf"})
    assert len(posted.json()) == 1
    got = await bare.get(f"/v2/project/index?access-token={token}&filter[name]=Acme")
    assert len(got.json()) == 1


async def test_without_a_token_that_is_known_nothing_is_answered(stage: Stage) -> None:
    bare = stage.watched(stage.house.bare_client())
    token = await stage.house.token()
    requests: list[dict[str, Any]] = [
        {"url": "/v2/attachment/view", "params": {"id": ROOT}},
        {"url": f"/v2/attachment/view?id=x&access-token={token}&access-token={token}"},
        {"url": "/v2/attachment/view?id=x&access-token="},
        {"url": "/v2/attachment/view?id=x&access-token=" + "0" * 64},
        {"url": f"/v2/attachment/view?id=x&access-token={token}", "headers": {"Authorization": "Bearer wrong"}},
        {"url": f"/v2/project/view/{PROJECT}"},
    ]
    for request in requests:
        response = await bare.get(**request)
        assert error(response)[:2] == (401, "Unauthorized")
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_token_in_the_query_is_never_logged(tmp_path: Path) -> None:
    lines: list[bytes] = []
    async with staged(tmp_path, Options(access_log=lines.append)) as stage:
        token = await stage.house.token()
        bare = stage.house.bare_client()
        for name in ("access-token", "ACCESS-TOKEN", "access%2Dtoken"):
            await bare.get(f"/v2/attachment/view?id=%2Fprojects&{name}={token}")
        await bare.post(TOKEN, data=GRANT)
        await stage.house.store.probe()
        await asyncio.sleep(0.5)
    text = b"".join(lines).decode()
    assert len([json.loads(line) for line in text.splitlines()]) == 4
    assert "%2Fprojects" in text
    assert token not in text
    assert "correct" not in text
