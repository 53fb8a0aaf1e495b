"""Two ways in: an API key, and the token of a service account."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.app import Options
from holdfast.core.access import parse_scope
from holdfast.core.credentials import Grant
from tests.dialects.navarik.world import good, made, message, watched
from tests.installation import Installation, installed

URL = "/auth/v1/service-account/token"


async def account_of(house: Installation, *scopes: str) -> dict[str, str]:
    """A service account, as a request for a token names it."""
    number = (await house.account()).number
    grant = Grant(scopes=tuple(parse_scope(scope) for scope in scopes))
    client, secret = await house.operator.credentials.add_client(number, f"service {len(scopes)}", grant)
    return {"grant_type": "client_credentials", "client_id": client.id, "client_secret": secret}


@pytest.fixture
def http(house: Installation) -> httpx.AsyncClient:
    return watched(house.bare_client())


async def test_client_credentials_give_a_bearer_token(house: Installation, http: httpx.AsyncClient) -> None:
    told = good(await http.post(URL, json=await account_of(house)))
    assert set(told) == {"access_token", "token_type", "expires_in"}
    assert (told["token_type"], told["expires_in"]) == ("bearer", "12d")
    answer = await http.get("/v2/organizations", headers={"Authorization": f"Bearer {told['access_token']}"})
    assert good(answer) == []


async def test_credentials_may_come_as_a_form(house: Installation, http: httpx.AsyncClient) -> None:
    asked = await account_of(house)
    good(await http.post(URL, data=asked))
    good(await http.post(f"/bridge{URL}", files={name: (None, value) for name, value in asked.items()}))
    good(await http.post(URL, data={**asked, "client_id": "service 0"}))


async def test_the_author_of_a_change_is_the_service_account(house: Installation, http: httpx.AsyncClient) -> None:
    asked = await account_of(house)
    secret = good(await http.post(URL, json=asked))["access_token"]
    answer = await http.post("/v2/organizations", json={"name": "A"}, headers={"Authorization": f"Bearer {secret}"})
    assert good(answer, 201)["created_by"] == asked["client_id"]


async def test_the_token_sees_what_its_service_account_sees(house: Installation, http: httpx.AsyncClient) -> None:
    world = await made(house)
    asked = await account_of(house, *world.party(world.shipper))
    secret = good(await http.post(URL, json=asked))["access_token"]
    seen = good(await http.get("/v2/organizations", headers={"Authorization": f"Bearer {secret}"}))
    assert [item["body"]["name"] for item in seen] == ["Shipper"]


async def test_how_long_it_holds_is_the_operators_choice(tmp_path: Path) -> None:
    options = Options(choices={"navarik": {"token_days": 3}})
    async with installed(tmp_path, options) as house:
        told = good(await house.bare_client().post(URL, json=await account_of(house)))
        assert told["expires_in"] == "3d"


@pytest.mark.parametrize(
    "change",
    [
        {"grant_type": "password"}, {"grant_type": ""}, {"grant_type": None}, {"client_id": None}, {"client_id": ""},
        {"client_secret": None}, {"client_secret": ""}, {"client_id": 7}, {"client_id": "x" * 201},
        {"client_secret": "x" * 1001},
    ],
)  # fmt: skip
async def test_what_is_no_request_for_a_token_is_refused(
    house: Installation, http: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    asked = {**await account_of(house), **change}
    message(await http.post(URL, json=asked), 400)
    message(await http.post(URL, json={name: value for name, value in asked.items() if value}), 400)


async def test_fields_of_a_form_come_once_and_hold_no_file(house: Installation, http: httpx.AsyncClient) -> None:
    asked = await account_of(house)
    twice = "&".join([f"{name}={value}" for name, value in asked.items()] + ["client_id=x"])
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert message(await http.post(URL, content=twice, headers=form), 400) == "client_id is given more than once"
    message(await http.post(URL, data=asked, files={"file": ("a", b"x")}), 400)
    message(await http.post(URL, content=b"x", headers={"Content-Type": "text/plain"}), 415)
    message(await http.post(URL), 415)
    assert (await http.get(URL)).status_code == 405


async def test_a_wrong_secret_says_no_more_than_an_unknown_account(
    house: Installation, http: httpx.AsyncClient
) -> None:
    asked = await account_of(house)
    wrong = await http.post(URL, json={**asked, "client_secret": "0" * 64})
    unknown = await http.post(URL, json={**asked, "client_id": "nobody"})
    assert message(wrong, 401) == message(unknown, 401) == "Wrong client id or secret"
    assert wrong.headers["www-authenticate"] == "Bearer"


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def test_guessing_is_stopped(tmp_path: Path) -> None:
    clock = Clock()
    async with installed(tmp_path, Options(clock=clock)) as house:
        http, asked = house.bare_client(), await account_of(house)
        wrong = {**asked, "client_secret": "0" * 64}
        for _ in range(10):
            message(await http.post(URL, json=wrong), 401)
        refused = await http.post(URL, json=asked)
        assert message(refused, 429) == "Too many failed sign-ins"
        assert 1 <= int(refused.headers["retry-after"]) <= 300
        clock.now += 301
        good(await http.post(URL, json=asked))


async def test_success_forgets_the_failures_of_an_account_but_not_of_an_address(tmp_path: Path) -> None:
    async with installed(tmp_path, Options(clock=Clock())) as house:
        http, asked = house.bare_client(), await account_of(house)
        for attempt in range(9):
            message(await http.post(URL, json={**asked, "client_id": f"guess {attempt}"}), 401)
        good(await http.post(URL, json=asked))
        message(await http.post(URL, json={**asked, "client_id": "guess 10"}), 401)
        message(await http.post(URL, json=asked), 429)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer 0b5e4a3c-8c0e-4b3e-9d5a-0c1b2a3d4e5f", "Basic eDp5", "Token x"]
)
async def test_without_a_known_key_there_is_nothing(http: httpx.AsyncClient, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await http.get("/v2/organizations", headers=headers)
    assert message(answer, 401) == "Authentication required"
    assert answer.headers["www-authenticate"] == "Bearer"
