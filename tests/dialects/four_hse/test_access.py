"""Who may do what: permissions, projects, accounts."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.dialects.four_hse.stage import ENTITY, LINK, NOWHERE, OTHER, PDF, PROJECT, ROOT, Stage, digest, error, wrong

THERE = f"/projects/{OTHER}"
HERE_ONLY = (f"record:project:{PROJECT}", f"path:{ROOT}")


@pytest.fixture
async def two(stage: Stage) -> Stage:
    """Two projects with a file each, which hang on a certificate each."""
    await stage.project(OTHER, "Umbra Works")
    await stage.certificate()
    await stage.certificate(NOWHERE, OTHER)
    await stage.link(await stage.upload(ROOT, "a.pdf"), entity_attachment_id=LINK)
    await stage.link(await stage.upload(THERE, "b.pdf"), NOWHERE)
    return stage


Ask = Callable[[Stage, httpx.AsyncClient], Awaitable[httpx.Response]]
READS: dict[str, Ask] = {
    "index": lambda stage, client: stage.search(client),
    "view": lambda stage, client: stage.view(f"{ROOT}/a.pdf", client),
    "links": lambda _, client: client.post("/v2/entity-attachment/index", json={"entity_id": ENTITY}),
    "link": lambda _, client: client.get(f"/v2/entity-attachment/view/{LINK}"),
}
WRITES: dict[str, Ask] = {
    "upload": lambda stage, client: stage.put(ROOT, "new.pdf", client=client),
    "folder": lambda _, client: client.post(f"/v2/attachment{ROOT}".replace("nt/p", "nt//p"), json={"path": "folder"}),
    "create": lambda _, client: client.post("/v2/attachment/create", json={"path": f"{ROOT}/new"}),
    "move": lambda stage, client: stage.move(f"{ROOT}/a.pdf", f"{ROOT}/moved.pdf", client),
    "delete": lambda stage, client: stage.delete(f"{ROOT}/a.pdf", "true", client),
    "link": lambda _, client: client.post(
        "/v2/entity-attachment/create", json={"entity_id": ENTITY, "attachment_path": f"{ROOT}/a.pdf"}
    ),
    "unlink": lambda _, client: client.delete(f"/v2/entity-attachment/delete/{LINK}"),
}
RECORD_READS: dict[str, Ask] = {
    "projects": lambda _, client: client.post("/v2/project/index"),
    "project": lambda _, client: client.get(f"/v2/project/view/{PROJECT}"),
}
RECORD_WRITES: dict[str, Ask] = {
    "project": lambda _, client: client.post("/v2/project/create", json={"name": "New", "country": "IT"}),
    "rename": lambda _, client: client.put(f"/v2/project/update/{PROJECT}", json={"name": "New"}),
    "remove": lambda _, client: client.delete(f"/v2/certificate/delete/{ENTITY}"),
}
GROUPS = {
    "attachments.read": READS,
    "attachments.write": WRITES,
    "records.read": RECORD_READS,
    "records.write": RECORD_WRITES,
}


@pytest.mark.parametrize("permission", GROUPS)
async def test_a_permission_opens_its_own_calls_and_no_others(two: Stage, permission: str) -> None:
    client = await two.client(permission)
    before = await two.held()
    for group, asks in GROUPS.items():
        if group != permission:
            for ask in asks.values():
                assert error(await ask(two, client))[:2] == (403, "Forbidden")
    assert await two.held() == before
    for name, ask in GROUPS[permission].items():
        assert (await ask(two, client)).status_code in {200, 201, 204, 404, 422}, name


async def test_a_token_that_may_only_write_sees_what_it_has_written(stage: Stage) -> None:
    writer = await stage.client("attachments.write")
    made = await stage.put(ROOT, "a.pdf", client=writer)
    assert made.json()["data"]["project_name"] == "Acme Construction Ltd"


async def test_a_caller_of_one_project_sees_its_paths_and_no_others(two: Stage) -> None:
    client = await two.client(scopes=HERE_ONLY)
    assert await two.paths(client) == [ROOT, f"{ROOT}/a.pdf"]
    assert await two.paths(client, root_path=THERE) == []
    assert await two.paths(client, key="project_name", value="Umbra Works") == []
    assert await two.paths(client, key="mimetype", value="application/pdf") == [f"{ROOT}/a.pdf"]
    assert (await two.view(f"{ROOT}/a.pdf", client)).content == PDF
    projects = await client.post("/v2/project/index")
    assert [project["project_id"] for project in projects.json()] == [PROJECT]


async def test_elsewhere_it_is_forbidden_and_nothing_changes(two: Stage) -> None:
    client = await two.client(scopes=HERE_ONLY)
    before = await two.held()
    for path in (f"{THERE}/b.pdf", THERE, f"{THERE}/nothing.pdf", "/projects", "/"):
        for response in (
            await two.view(path, client, Accept="application/json"),
            await two.move(path, f"{ROOT}/b.pdf", client),
            await two.delete(path, None, client),
            await two.delete(path, "true", client),
        ):
            assert error(response)[:2] == (403, "Forbidden"), path
    for response in (
        await two.put(THERE, "b.pdf", client=client, replace=1),
        await two.put(THERE, "c.pdf", client=client),
        await two.put("/elsewhere", "c.pdf", client=client),
        await two.move(f"{ROOT}/a.pdf", f"{THERE}/a.pdf", client),
        await two.move(ROOT, "/elsewhere", client),
        await client.get(f"/v2/project/view/{OTHER}"),
        await client.put(f"/v2/project/update/{OTHER}", json={"name": "x"}),
        await client.post("/v2/project/create", json={"name": "New", "country": "IT"}),
        await client.post("/v2/office/create", json={"name": "New", "project_id": OTHER}),
    ):
        assert error(response)[:2] == (403, "Forbidden")
    assert error(await two.view(digest(f"{THERE}/b.pdf"), client))[0] == 404
    linking = {"entity_id": NOWHERE, "attachment_path": f"{ROOT}/a.pdf"}
    assert set(wrong(await client.post("/v2/entity-attachment/create", json=linking))) == {"entity_id"}
    linking = {"entity_id": ENTITY, "attachment_path": f"{THERE}/b.pdf"}
    assert error(await client.post("/v2/entity-attachment/create", json=linking))[0] == 403
    assert await two.held() == before


async def test_within_its_project_a_caller_may_do_everything(two: Stage) -> None:
    client = await two.client(scopes=HERE_ONLY)
    assert (await two.put(f"{ROOT}/x", "c.pdf", client=client)).status_code == 201
    assert (await client.post("/v2/office/create", json={"name": "Rome", "project_id": PROJECT})).status_code == 201
    moved = await two.move(f"{ROOT}/x", f"{ROOT}/offices/Rome/x", client)
    assert moved.json()["data"]["office_name"] == "Rome"
    linking = {"entity_id": ENTITY, "attachment_path": f"{ROOT}/offices/Rome/x/c.pdf"}
    assert (await client.post("/v2/entity-attachment/create", json=linking)).status_code == 201
    preview = await two.delete(f"{ROOT}/offices", None, client)
    assert [link["entity_id"] for link in preview.json()] == [ENTITY]
    assert (await two.delete(f"{ROOT}/offices", "true", client)).status_code == 204


async def test_a_folder_alone_gives_its_files_without_the_projects_name(two: Stage) -> None:
    client = await two.client(scopes=(f"path:{ROOT}",))
    assert (await two.view(f"{ROOT}/a.pdf", client)).content == PDF
    data = (await two.view(f"{ROOT}/a.pdf", client, Accept="application/json")).json()["data"]
    assert "project_name" not in data
    assert (await two.put(ROOT, "c.pdf", client=client)).status_code == 201
    assert (await two.delete(f"{ROOT}/a.pdf", None, client)).json() == []
    assert error(await two.delete(f"{ROOT}/a.pdf", "true", client))[0] == 403


async def test_another_accounts_things_are_not_there(two: Stage) -> None:
    stranger = await two.client(account="umbra")
    await stranger.post("/v2/project/create", json={"project_id": PROJECT, "name": "Twin", "country": "IT"})
    before = await two.held()
    assert await two.paths(stranger) == ["/projects", ROOT]
    for id in (f"{ROOT}/a.pdf", digest(f"{ROOT}/a.pdf"), THERE):
        for response in (
            await two.view(id, stranger),
            await two.move(id, f"{ROOT}/z", stranger),
            await two.delete(id, "true", stranger),
        ):
            assert error(response) == (404, "Not Found", "Attachment not found")
    for method, path in (("GET", "view"), ("DELETE", "delete")):
        assert error(await stranger.request(method, f"/v2/entity-attachment/{path}/{LINK}"))[0] == 404
        assert error(await stranger.request(method, f"/v2/certificate/{path}/{ENTITY}"))[0] == 404
    listed = await stranger.post("/v2/entity-attachment/index", json={"entity_id": ENTITY})
    assert set(wrong(listed)) == {"entity_id"}
    assert (await two.put(ROOT, "a.pdf", b"theirs", client=stranger)).status_code == 201
    assert (await two.view(f"{ROOT}/a.pdf")).content == PDF
    assert await two.held() == before
