"""Who may do what: tokens, the vendor's scopes, the narrowing of scoped actors, and the wall between accounts."""

import httpx
import pytest

from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from tests.dialects.property_deck.stage import PDF, Stage

ATTACHMENT_READS = [("GET", "/attachments"), ("GET", "{a}"), ("GET", "{a}/download"), ("GET", "{a}/stream")]
ATTACHMENT_WRITES = [("POST", "{c}/attachments"), ("POST", "{p}/attachments"), ("PUT", "{a}"), ("DELETE", "{a}")]
CONTACT_READS = [("GET", "/contacts"), ("GET", "{c}")]
CONTACT_WRITES = [("POST", "/contacts"), ("PUT", "{c}"), ("DELETE", "{c}")]
PROPERTY_READS = [("GET", "/properties"), ("GET", "{p}")]
PROPERTY_WRITES = [("POST", "/properties"), ("PUT", "{p}"), ("DELETE", "{p}")]
GROUPS = {
    "attachments.read": ATTACHMENT_READS,
    "attachments.write": ATTACHMENT_WRITES,
    "contacts.read": CONTACT_READS,
    "contacts.write": CONTACT_WRITES,
    "properties.read": PROPERTY_READS,
    "properties.write": PROPERTY_WRITES,
}
EVERY_CALL = [call for calls in GROUPS.values() for call in calls]


class World:
    """One contact with a file and one property, and the words for their paths."""

    def __init__(self, contact: str, property: str, attachment: str) -> None:
        self.paths = {"c": f"/contacts/{contact}", "p": f"/properties/{property}", "a": f"/attachments/{attachment}"}

    async def ask(self, client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
        url = path.format(**self.paths)
        if url.endswith("/attachments") and method == "POST":
            return await client.post(url, files={"upload": ("a.pdf", PDF, "application/pdf")})
        told = {"name": "N", "email": "e@e", "address": "A", "description": "D"}
        return await client.request(method, url, json=told if method in {"POST", "PUT"} else None)


async def world(stage: Stage) -> World:
    contact, property = await stage.contact(), await stage.property()
    return World(contact, property, (await stage.upload(f"/contacts/{contact}"))["uuid"])


@pytest.mark.parametrize(("method", "path"), EVERY_CALL)
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer " + "x" * 9000])
async def test_without_a_known_token_nothing_is_answered(
    stage: Stage, method: str, path: str, header: str | None
) -> None:
    there = await world(stage)
    client = stage.watched(stage.house.bare_client())
    if header is not None:
        client.headers["Authorization"] = header
    async with stage.unchanged():
        response = await there.ask(client, method, path)
    assert (response.status_code, response.json()) == (401, {"message": "Unauthenticated."})
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scope", GROUPS)
async def test_each_scope_opens_its_own_operations_and_no_others(stage: Stage, scope: str) -> None:
    client = await stage.client(scope)
    for other, calls in GROUPS.items():
        for method, path in calls:
            there = await world(stage)
            response = await there.ask(client, method, path)
            if other == scope:
                assert response.status_code in {200, 201, 204}, (method, path, response.text)
            else:
                assert response.status_code == 403, (method, path, response.text)
                assert response.json() == {"message": "Invalid scope(s) provided."}


@pytest.mark.parametrize(
    ("permission", "groups"),
    [("records.read", [CONTACT_READS, PROPERTY_READS]), ("records.write", [CONTACT_WRITES, PROPERTY_WRITES])],
)
async def test_the_store_s_own_permissions_open_them_too(
    stage: Stage, permission: str, groups: list[list[tuple[str, str]]]
) -> None:
    client = await stage.client(permission)
    for method, path in [call for calls in groups for call in calls]:
        assert (await (await world(stage)).ask(client, method, path)).status_code in {200, 201, 204}


async def test_a_revoked_token_is_unknown_from_the_next_request(stage: Stage) -> None:
    client = await stage.client("attachments.read")
    assert (await client.get("/attachments")).status_code == 200
    account = (await stage.house.account()).number
    credentials = stage.house.operator.credentials
    actor = await stage.house.store.identify(client.headers["Authorization"].removeprefix("Bearer "))
    await credentials.revoke(account, actor.id)
    assert (await client.get("/attachments")).status_code == 401


# ---------------------------------------------------------------- scopes of an actor


async def test_a_scoped_actor_sees_only_what_is_its_own(stage: Stage) -> None:
    mine, other = await world(stage), await world(stage)
    client = await stage.client(scopes=("record:" + mine.paths["c"][1:].replace("contacts/", "contact:"),))
    listed = (await client.get("/attachments")).json()
    assert [f"/attachments/{row['uuid']}" for row in listed["data"]] == [mine.paths["a"]]
    assert listed["meta"]["pagination"]["total"] == 1
    assert (await client.get("/contacts")).json()["meta"]["pagination"]["total"] == 1
    assert (await client.get("/properties")).json()["meta"]["pagination"]["total"] == 0
    for method, path in EVERY_CALL:
        if "{" not in path:
            continue
        async with stage.unchanged():
            response = await other.ask(client, method, path)
        assert (response.status_code, response.json()) == (404, {"message": "Not Found"}), (method, path)
    assert (await mine.ask(client, "PUT", "{a}")).status_code == 200
    assert (await mine.ask(client, "POST", "{c}/attachments")).status_code == 201


async def test_a_scoped_actor_cannot_ask_about_the_records_of_others(stage: Stage) -> None:
    """Its file also hangs on a contact of somebody else, whose e-mail no filter lets it guess."""
    mine, other = await stage.contact(), await stage.contact(email="secret@elsewhere.example")
    uuid = (await stage.upload(f"/contacts/{mine}"))["uuid"]
    await (await stage.house.desk()).links.hang(uuid, Hook(RecordRef("contact", other)))
    client = await stage.client(scopes=(f"record:contact:{mine}",))
    for query, count in [("", 1), (f"contact={mine}", 1), (f"contact={other}", 0), ("contact[email]=secret", 0)]:
        assert (await client.get(f"/attachments?{query}")).json()["meta"]["pagination"]["total"] == count
    assert await stage.listed("contact[email]=secret") == [uuid]


async def test_a_scoped_actor_makes_no_records_beside_its_scope(stage: Stage) -> None:
    mine = await world(stage)
    client = await stage.client(scopes=("record:" + mine.paths["c"][1:].replace("contacts/", "contact:"),))
    async with stage.unchanged():
        assert (await mine.ask(client, "POST", "/contacts")).status_code == 404
    every = await stage.client(scopes=("type:contact",))
    assert (await mine.ask(every, "POST", "/contacts")).status_code == 201
    assert (await mine.ask(every, "POST", "/properties")).status_code == 404


# ---------------------------------------------------------------- accounts


async def test_another_account_s_ids_are_not_found(stage: Stage) -> None:
    there = await world(stage)
    stranger = await stage.client(account="globex")
    for method, path in EVERY_CALL:
        if "{" not in path:
            continue
        async with stage.unchanged():
            response = await there.ask(stranger, method, path)
        assert (response.status_code, response.json()) == (404, {"message": "Not Found"}), (method, path)


async def test_no_list_filter_or_count_shows_another_account(stage: Stage) -> None:
    there = await world(stage)
    stranger = await stage.client(account="globex")
    contact, attachment = there.paths["c"].rpartition("/")[2], there.paths["a"].rpartition("/")[2]
    for query in ("", f"uuid={attachment}", f"contact={contact}", "contact[name]=ada", "contact[created_at]=-P1D"):
        body = (await stranger.get(f"/attachments?{query}")).json()
        assert (body["data"], body["meta"]["pagination"]["total"]) == ([], 0)
    for path in ("/contacts", "/properties", f"/contacts?uuid={contact}", "/contacts?name=ada"):
        body = (await stranger.get(path)).json()
        assert (body["data"], body["meta"]["pagination"]["total"]) == ([], 0)


async def test_twins_in_two_accounts_stay_apart(stage: Stage) -> None:
    there = await world(stage)
    stranger = await stage.client(account="globex")
    twin = (await stranger.post("/contacts", json={"name": "Ada", "email": "ada@example.com"})).json()["data"]["uuid"]
    await stranger.post(f"/contacts/{twin}/attachments", files={"upload": ("example.pdf", PDF, "application/pdf")})
    listed = (await stranger.get("/attachments?contact[name]=ada")).json()["data"]
    assert len(listed) == 1
    await stranger.delete(f"/attachments/{listed[0]['uuid']}")
    assert await stage.listed() == [there.paths["a"].rpartition("/")[2]]
    assert (await stage.http.get(f"{there.paths['a']}/download")).content == PDF
