"""Who sees what: accounts, parties, permissions."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from tests.dialects.navarik.world import PDF, UNKNOWN, World, good, made, message, unchanged
from tests.installation import Installation

NOT_A_PARTY = "The caller is not one of the parties"


def calls(world: World, attachment: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation that names something by id, and what it is told."""
    workspace = f"/v2/workspaces/{world.workspace['id']}"
    document = f"{world.documents}/{world.document['id']}"
    one = f"{world.attachments}/{attachment}"
    change = {"previous_version_id": world.document["version_id"], "body": {"a": 2}}
    return [
        ("GET", f"/v2/organizations/{world.shipper['id']}", {}),
        ("GET", workspace, {}),
        ("GET", world.documents, {"params": {"type": "demo.doc"}}),
        ("POST", world.documents, {"json": {"type": "demo.doc", "body": {}}}),
        ("POST", f"{world.documents}/bulk", {"json": {"type": "demo.doc", "body": [{}]}}),
        ("GET", document, {}),
        ("PATCH", document, {"json": change}),
        ("GET", world.attachments, {}),
        ("POST", world.attachments, {"files": {"file": ("a.pdf", PDF)}}),
        ("GET", one, {}),
        ("GET", f"{one}/content", {}),
        ("DELETE", one, {}),
    ]


async def test_another_accounts_ids_are_not_found(house: Installation) -> None:
    ours, theirs = await made(house, "acme"), await made(house, "other")
    attachment = await theirs.upload()
    async with unchanged(theirs), unchanged(ours):
        for method, path, told in calls(theirs, attachment["id"]):
            answer = await ours.http.request(method, path, **told)
            assert message(answer, 404).endswith(" not found"), (method, path)


async def test_another_accounts_things_are_in_no_list(house: Installation) -> None:
    ours, theirs = await made(house, "acme"), await made(house, "other")
    await theirs.upload()
    foreign = {theirs.shipper["id"], theirs.inspector["id"], theirs.workspace["id"], theirs.document["id"]}
    lists: tuple[tuple[str, dict[str, str]], ...] = (
        ("/v2/organizations", {}),
        ("/v2/organizations", {"name": "shipper"}),
        ("/v2/workspaces", {}),
        ("/v2/workspaces", {"filter[body.description]": "One"}),
        (ours.documents, {"type": "demo.doc"}),
        (ours.attachments, {}),
    )
    for path, params in lists:
        found = good(await ours.http.get(path, params=params))
        assert not foreign.intersection(item["id"] for item in found)
    for side in ("client", "vendor"):
        for organization in (theirs.shipper, theirs.inspector):
            filters = {f"filter[body.parties.{side}.id]": organization["id"]}
            assert good(await ours.http.get("/v2/workspaces", params=filters)) == []
    assert await ours.listed() == []


async def test_another_accounts_organization_is_as_unknown_as_none(house: Installation) -> None:
    ours, theirs = await made(house, "acme"), await made(house, "other")
    told = []
    for id in (theirs.inspector["id"], UNKNOWN):
        parties = {"client": {"id": ours.shipper["id"]}, "vendor": {"id": id}}
        told.append(message(await ours.http.post("/v2/workspaces", json={"parties": parties}), 400))
    assert told[0] == told[1]


async def test_twin_data_in_two_accounts_has_different_ids(house: Installation) -> None:
    ours, theirs = await made(house, "acme"), await made(house, "other")
    assert ours.shipper["body"] == theirs.shipper["body"]
    assert ours.shipper["id"] != theirs.shipper["id"]


# ---------------------------------------------------------------- parties


@pytest.fixture
async def outsider(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """One who speaks for an organization that is no party of the workspace."""
    third = good(await world.http.post("/v2/organizations", json={"name": "Third"}), 201)
    async with await world.client(scopes=world.party(third)) as client:
        yield client


async def test_either_party_may_do_everything_in_the_workspace(world: World) -> None:
    for side in (world.shipper, world.inspector):
        party = await world.client(scopes=world.party(side))
        answer = await party.post(world.attachments, files={"file": ("a.pdf", PDF)})
        attachment = good(answer, 201)
        assert good(await party.get(world.attachments)) == [attachment]
        assert good(await party.get("/v2/workspaces")) == [world.workspace]
        assert good(await party.get(world.documents, params={"type": "demo.doc"}))[-1] == world.document
        one = f"{world.attachments}/{attachment['id']}"
        assert (await party.get(f"{one}/content")).content == PDF
        assert good(await party.delete(one))["last_action"] == "delete"


async def test_what_one_party_made_the_other_may_delete(world: World) -> None:
    shipper = await world.client(scopes=world.party(world.shipper))
    inspector = await world.client(scopes=world.party(world.inspector))
    attachment = good(await shipper.post(world.attachments, files={"file": ("a.pdf", PDF)}), 201)
    good(await inspector.delete(f"{world.attachments}/{attachment['id']}"))


async def test_who_is_no_party_is_refused_everywhere(world: World, outsider: httpx.AsyncClient) -> None:
    attachment = await world.upload()
    async with unchanged(world):
        for method, path, told in calls(world, attachment["id"]):
            assert message(await outsider.request(method, path, **told), 403) == NOT_A_PARTY


async def test_who_is_no_party_sees_nothing_of_it_in_lists(world: World, outsider: httpx.AsyncClient) -> None:
    assert good(await outsider.get("/v2/workspaces")) == []
    assert [item["body"]["name"] for item in good(await outsider.get("/v2/organizations"))] == ["Third"]
    filters = {"filter[body.parties.client.id]": world.shipper["id"]}
    assert good(await outsider.get("/v2/workspaces", params=filters)) == []


async def test_what_is_unknown_is_not_found_for_outsiders_too(world: World, outsider: httpx.AsyncClient) -> None:
    assert message(await outsider.get(f"/v2/workspaces/{UNKNOWN}"), 404) == "Workspace not found"


async def test_one_party_alone_cannot_open_a_workspace(world: World) -> None:
    party = await world.client(scopes=world.party(world.shipper))
    parties = {"client": {"id": world.shipper["id"]}, "vendor": {"id": world.inspector["id"]}}
    async with unchanged(world):
        assert message(await party.post("/v2/workspaces", json={"parties": parties}), 403) == NOT_A_PARTY
        assert message(await party.post("/v2/organizations", json={"name": "New"}), 403) == NOT_A_PARTY
    both = await world.client(scopes=world.party(world.shipper) + world.party(world.inspector))
    good(await both.post("/v2/workspaces", json={"parties": parties}), 201)


async def test_a_file_that_others_hold_too_is_not_deleted_by_one(world: World, outsider: httpx.AsyncClient) -> None:
    """Linked to a document of another workspace, it belongs to both."""
    third = good(await outsider.get("/v2/organizations"))[0]
    parties = {"client": {"id": third["id"]}, "vendor": {"id": world.inspector["id"]}}
    other = good(await world.http.post("/v2/workspaces", json={"parties": parties}), 201)
    told = {"type": "demo.doc", "body": {}}
    document = good(await world.http.post(f"/v2/workspaces/{other['id']}/documents", json=told), 201)
    attachment = await world.upload()
    desk = await world.house.desk()
    await desk.links.hang(attachment["id"], Hook(RecordRef("document", document["id"])))
    shipper = await world.client(scopes=world.party(world.shipper))
    one = f"{world.attachments}/{attachment['id']}"
    async with unchanged(world):
        assert good(await shipper.get(one)) == attachment
        assert message(await shipper.delete(one), 403) == NOT_A_PARTY
    inspector = await world.client(scopes=world.party(world.inspector))
    good(await inspector.delete(one))


# ---------------------------------------------------------------- permissions


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("attachments.read", {("GET", "attachments"), ("GET", "one"), ("GET", "content")}),
        ("attachments.write", {("POST", "attachments"), ("DELETE", "one")}),
        ("records.read", {("GET", "organizations"), ("GET", "workspaces"), ("GET", "documents"), ("GET", "document")}),
        ("records.write", {("POST", "organizations"), ("POST", "workspaces"), ("POST", "documents")}),
    ],
)
async def test_each_permission_opens_its_own_calls(
    world: World, permission: str, allowed: set[tuple[str, str]]
) -> None:
    attachment = await world.upload()
    one = f"{world.attachments}/{attachment['id']}"
    parties = {"client": {"id": world.shipper["id"]}, "vendor": {"id": world.inspector["id"]}}
    attempts: list[tuple[str, str, str, dict[str, Any]]] = [
        ("GET", "attachments", world.attachments, {}),
        ("GET", "one", one, {}),
        ("GET", "content", f"{one}/content", {}),
        ("POST", "attachments", world.attachments, {"files": {"file": ("a.pdf", PDF)}}),
        ("DELETE", "one", one, {}),
        ("GET", "organizations", "/v2/organizations", {}),
        ("GET", "workspaces", "/v2/workspaces", {}),
        ("GET", "documents", world.documents, {"params": {"type": "demo.doc"}}),
        ("GET", "document", f"{world.documents}/{world.document['id']}", {}),
        ("POST", "organizations", "/v2/organizations", {"json": {"name": "New"}}),
        ("POST", "workspaces", "/v2/workspaces", {"json": {"parties": parties}}),
        ("POST", "documents", world.documents, {"json": {"type": "t", "body": {}}}),
    ]
    client = await world.client(permission)
    opened = set()
    for method, name, path, told in attempts:
        answer = await client.request(method, path, **told)
        if answer.status_code == 403:
            assert message(answer, 403).startswith("This needs the permission ")
        else:
            assert answer.is_success
            opened.add((method, name))
    assert opened == allowed
