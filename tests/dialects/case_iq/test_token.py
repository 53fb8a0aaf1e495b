"""`POST /auth/oauth2/token`: the client-credentials grant, with OAuth's own errors (contract section 2)."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.app import Options
from holdfast.core.credentials import Grant
from tests.dialects.case_iq.harness import TOKEN, CaseIq, check_error
from tests.installation import Installation, installed


async def register(house: Installation, *permissions: str, name: str = "svc-import") -> str:
    """A service account; its key."""
    account = await house.account()
    _, secret = await house.operator.credentials.add_client(account.number, name, Grant(frozenset(permissions)))
    return secret


@pytest.fixture
async def key(house: Installation) -> str:
    return await register(house, "*")


@pytest.fixture
def stranger(house: Installation) -> CaseIq:
    return CaseIq(house.bare_client())


def asked(key: str, **more: Any) -> dict[str, Any]:
    return {"grant_type": "client_credentials", "client_id": "svc-import", "client_secret": key, **more}


async def test_a_service_account_gets_a_token_that_opens_the_api(
    stranger: CaseIq, house: Installation, key: str
) -> None:
    response = await stranger.send("POST", TOKEN, json=asked(key))
    assert response.status_code == 200
    body = response.json()
    assert body == {"access_token": body["access_token"], "token_type": "Bearer", "expires_in": 600}
    assert response.headers["cache-control"] == "no-store"
    caller = CaseIq(house.bare_client(body["access_token"]))
    assert await caller.page() == []


@pytest.mark.parametrize("ttl", [1, 600, 3600, 60.0])
async def test_the_token_lives_as_long_as_asked(stranger: CaseIq, key: str, ttl: float) -> None:
    response = await stranger.send("POST", TOKEN, json=asked(key, ttl=ttl))
    assert response.json()["expires_in"] == ttl


async def test_a_form_is_taken_as_oauth_does(stranger: CaseIq, key: str) -> None:
    response = await stranger.send("POST", TOKEN, data=asked(key, ttl="60"))
    assert response.status_code == 200
    assert response.json()["expires_in"] == 60


async def test_the_id_of_the_account_does_as_well_as_its_name(stranger: CaseIq, house: Installation) -> None:
    account = await house.account()
    client, secret = await house.operator.credentials.add_client(account.number, "second", Grant())
    response = await stranger.send("POST", TOKEN, json=asked(secret, client_id=client.id))
    assert response.status_code == 200


@pytest.mark.parametrize("ttl", [0, -1, 3601, 10**30, 3600.5, -0.5])
async def test_a_ttl_out_of_range_has_the_one_documented_text(stranger: CaseIq, key: str, ttl: float) -> None:
    response = await stranger.send("POST", TOKEN, json=asked(key, ttl=ttl))
    assert response.status_code == 400
    assert response.json() == {
        "error": "invalid_request",
        "error_description": f"Requested ttl of {ttl} is greater than the maximum value 3600",
    }


@pytest.mark.parametrize("ttl", ["600", True, [], {}, 0.5])
async def test_a_ttl_that_is_no_whole_number_is_an_invalid_request(stranger: CaseIq, key: str, ttl: Any) -> None:
    response = await stranger.send("POST", TOKEN, json=asked(key, ttl=ttl))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("scope", ["", "all", None])
async def test_a_scope_is_not_supported(stranger: CaseIq, key: str, scope: str | None) -> None:
    response = await stranger.send("POST", TOKEN, json=asked(key, scope=scope))
    assert response.status_code == 400
    assert response.json() == {"error": "invalid_scope", "error_description": "Scope is not supported"}


@pytest.mark.parametrize("grant_type", ["password", "authorization_code", "Client_Credentials", "🙂"])
async def test_other_grant_types_are_501(stranger: CaseIq, key: str, grant_type: str) -> None:
    response = await stranger.send("POST", TOKEN, json=asked(key, grant_type=grant_type))
    assert (response.status_code, response.json()) == (501, {"error": "unsupported_grant_type"})


@pytest.mark.parametrize("wrong", [{"client_secret": "k0-wrong"}, {"client_id": "nobody"}, {"client_id": "x" * 10_000}])
async def test_a_wrong_id_or_secret_is_401(stranger: CaseIq, key: str, wrong: dict[str, str]) -> None:
    response = await stranger.send("POST", TOKEN, json=asked(key, **wrong))
    assert (response.status_code, response.json()) == (401, {"error": "invalid_client"})


@pytest.mark.parametrize("missing", ["grant_type", "client_id", "client_secret"])
@pytest.mark.parametrize("value", [None, "", 5, []])
async def test_missing_members_are_an_invalid_request(stranger: CaseIq, key: str, missing: str, value: Any) -> None:
    response = await stranger.send("POST", TOKEN, json=asked(key, **{missing: value}))
    assert response.status_code == 400
    assert response.json() == {"error": "invalid_request", "error_description": f"{missing} is required"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"grant_type": "\\ud83d"}', "application/json"),
        (b"{}", "text/plain"),
        (b"grant_type=client_credentials&grant_type=password", "application/x-www-form-urlencoded"),
        (b"grant_type=%FF", "application/x-www-form-urlencoded"),
        (b"x" * 2_000_000, "application/json"),
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
    ],
)
async def test_other_bodies_are_invalid_requests(stranger: CaseIq, content: bytes, kind: str) -> None:
    response = await stranger.send("POST", TOKEN, content=content, headers={"Content-Type": kind})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_a_broken_query_is_an_invalid_request_too(stranger: CaseIq, key: str) -> None:
    response = await stranger.send("POST", f"{TOKEN}?a=%FF", json=asked(key))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_other_methods_and_paths_have_the_apis_shape(stranger: CaseIq) -> None:
    for method in ("GET", "PUT", "DELETE"):
        check_error(await stranger.send(method, TOKEN), 405)
    check_error(await stranger.send("POST", "/auth/oauth2/tokens"), 404)
    check_error(await stranger.send("GET", "/auth/oauth2"), 404)


async def test_guessing_is_stopped_and_a_success_forgets_the_failures(stranger: CaseIq, key: str) -> None:
    for _ in range(9):
        assert (await stranger.send("POST", TOKEN, json=asked("wrong"))).status_code == 401
    assert (await stranger.send("POST", TOKEN, json=asked(key))).status_code == 200
    for _ in range(10):
        assert (await stranger.send("POST", TOKEN, json=asked("wrong"))).status_code == 401
    stopped = await stranger.send("POST", TOKEN, json=asked(key))
    assert (stopped.status_code, stopped.json()["error"]) == (429, "temporarily_unavailable")
    assert int(stopped.headers["retry-after"]) > 0


async def test_tokens_end_with_the_time_they_were_given(stranger: CaseIq, house: Installation, key: str) -> None:
    secret = (await stranger.send("POST", TOKEN, json=asked(key, ttl=1))).json()["access_token"]
    caller = CaseIq(house.bare_client(secret))
    assert (await caller.get("/attachments")).status_code == 200
    await house.store.sign_out(secret)
    check_error(await caller.get("/attachments"), 401)


async def test_switched_off_the_endpoint_is_not_there(tmp_path: Path) -> None:
    options = Options(choices={"case_iq": {"token_endpoint": "off"}})
    async with installed(tmp_path, options) as house:
        key = await register(house, "*")
        response = await CaseIq(house.bare_client()).send("POST", TOKEN, json=asked(key))
        assert (response.status_code, response.content) == (404, b"")


@pytest.fixture
async def importer(house: Installation, stranger: CaseIq) -> CaseIq:
    """A service account whose role only views files."""
    key = await register(house, "case_iq.file.view")
    token: httpx.Response = await stranger.send("POST", TOKEN, json=asked(key))
    return CaseIq(house.bare_client(token.json()["access_token"]))


async def test_the_role_decides_what_the_token_may_do(iq: CaseIq, importer: CaseIq) -> None:
    case = await iq.case()
    record = await iq.file(case)
    assert (await importer.get(f"/attachment/{record['id']}")).json() == record
    check_error(await importer.get(f"/case/{case}"), 403)
