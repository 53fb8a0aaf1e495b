"""`POST /v2/attachment/index`."""

from pathlib import Path
from typing import Any

import pytest

from tests.dialects.four_hse.stage import OFFICE, OTHER, PDF, PNG, PROJECT, ROOT, Stage, chosen, error, staged


@pytest.fixture
async def tree(stage: Stage) -> Stage:
    """Two projects, an office, files of two types and an empty folder."""
    await stage.project(OTHER, "Umbra Works")
    office = await stage.office("Milan")
    await stage.upload(ROOT, "fire-safety-certificate.pdf", PDF)
    await stage.upload(office, "Fire plan.png", PNG, type="image/png")
    await stage.upload(f"/projects/{OTHER}", "fire.pdf", PDF + b"longer")
    await stage.folder(ROOT, "Firemen")
    return stage


OFFICES = f"{ROOT}/offices"
MILAN = f"{OFFICES}/Milan"
PLAN = f"{MILAN}/Fire plan.png"
CERTIFICATE = f"{ROOT}/fire-safety-certificate.pdf"
FIREMEN = f"{ROOT}/Firemen"
FOUR: dict[str, Any] = {"per-page": 4}
THEIRS = f"/projects/{OTHER}/fire.pdf"


async def test_files_and_folders_come_in_one_list_by_path(tree: Stage) -> None:
    everything = await tree.paths()
    assert everything == sorted(everything)
    assert set(everything) == {
        *("/projects", ROOT, f"/projects/{OTHER}"),
        *(OFFICES, MILAN, PLAN, CERTIFICATE, FIREMEN, THEIRS),
    }
    assert await tree.paths(sort="attachment_path") == everything
    assert await tree.paths(sort="-attachment_path") == everything[::-1]


async def test_a_search_without_a_body_finds_everything(tree: Stage) -> None:
    everything = await tree.paths()
    for response in (
        await tree.http.post("/v2/attachment/index"),
        await tree.http.post("/v2/attachment/index", json={}),
        await tree.http.post("/v2/attachment/index", json=dict.fromkeys(("key", "value", "sort", "page", "per-page"))),
        await tree.http.post("/v2/attachment/index", content=b"", headers={"Content-Type": "application/json"}),
    ):
        assert [item["attachment_path"] for item in response.json()] == everything


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("project_name", "Acme Construction Ltd", {OFFICES, MILAN, PLAN, CERTIFICATE, FIREMEN}),
        ("project_name", "Acme", set()),
        ("project_id", OTHER, {THEIRS}),
        ("project_id", "projects/..", set()),
        ("mimetype", "application/pdf", {CERTIFICATE, THEIRS}),
        ("mimetype", "application", set()),
        ("mimetype", "directory", {"/projects", ROOT, f"/projects/{OTHER}", OFFICES, MILAN, FIREMEN}),
        ("size", str(len(PDF)), {CERTIFICATE}),
        ("size", len(PDF), {CERTIFICATE}),
        ("size", f"0{len(PDF)}", set()),
        ("size", "9" * 40, set()),
        ("size", "-1", set()),
        ("office_name", "Milan", {PLAN}),
        ("office_id", OFFICE, {PLAN}),
        ("office_id", "no such id", set()),
        ("colour", "red", set()),
        ("attachment_path", ROOT, set()),
    ],
)
async def test_a_key_and_its_value_are_a_whole_piece_of_the_metadata(
    tree: Stage, key: str, value: object, expected: set[str]
) -> None:
    assert set(await tree.paths(key=key, value=value)) == expected


@pytest.mark.parametrize("pair", [{"key": "mimetype"}, {"value": "application/pdf"}, {"key": "", "value": "x"}])
async def test_a_key_without_its_value_is_as_if_it_were_not_there(tree: Stage, pair: dict[str, Any]) -> None:
    assert len(await tree.paths(**pair)) == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FIRE", {PLAN, CERTIFICATE, FIREMEN, THEIRS}),
        ("fire plan", {PLAN}),
        ("plan fire", set()),
        ("e p", {PLAN}),
        ("re", {PLAN, CERTIFICATE, FIREMEN, THEIRS}),
        (".PDF", {CERTIFICATE, THEIRS}),
        ("safety-cert", {CERTIFICATE}),
        ("projects", {"/projects"}),
        ("%", set()),
        ("_", set()),
        ("*", set()),
        ('"', set()),
    ],
)
async def test_search_text_is_a_part_of_the_last_segment_whatever_its_case(
    tree: Stage, text: str, expected: set[str]
) -> None:
    assert set(await tree.paths(searchText=text)) == expected


async def test_root_path_takes_all_below_and_not_itself(tree: Stage) -> None:
    below = [FIREMEN, CERTIFICATE, OFFICES, MILAN, PLAN]
    for path in (ROOT, f"{ROOT}/", ROOT.removeprefix("/"), f"//projects//{PROJECT}"):
        assert await tree.paths(root_path=path) == below
    assert await tree.paths(root_path="/nowhere") == []
    assert await tree.paths(root_path=CERTIFICATE) == []


async def test_parent_path_takes_what_is_directly_inside(tree: Stage) -> None:
    assert await tree.paths(parent_path=ROOT) == [FIREMEN, CERTIFICATE, OFFICES]
    assert await tree.paths(parent_path="/") == ["/projects"]
    assert await tree.paths(parent_path="/nowhere") == []
    assert await tree.paths(parent_path=CERTIFICATE) == []


async def test_all_criteria_hold_together(tree: Stage) -> None:
    assert await tree.paths(searchText="fire", root_path=ROOT, key="mimetype", value="application/pdf") == [CERTIFICATE]
    assert await tree.paths(searchText="fire", parent_path=ROOT) == [FIREMEN, CERTIFICATE]
    assert await tree.paths(parent_path=MILAN, root_path=ROOT) == [PLAN]
    assert await tree.paths(parent_path=ROOT, root_path=MILAN) == []
    assert await tree.paths(root_path=ROOT, key="project_id", value=OTHER) == []
    assert await tree.paths(root_path=OFFICES, key="project_id", value=PROJECT) == [MILAN, PLAN]
    assert await tree.paths(parent_path=OFFICES, key="project_name", value="Acme Construction Ltd") == [MILAN]


async def test_metadata_tell_type_size_project_and_office(tree: Stage) -> None:
    project = {"project_id": PROJECT, "project_name": "Acme Construction Ltd"}
    office = {"office_id": OFFICE, "office_name": "Milan"}
    found = {item["attachment_path"]: item["data"] for item in (await tree.search()).json()}
    assert found[PLAN] == {"mimetype": "image/png", "size": str(len(PNG)), **project, **office}
    assert found[MILAN] == {"mimetype": "directory", **project, **office}
    assert found[FIREMEN] == {"mimetype": "directory", **project}
    assert found["/projects"] == {"mimetype": "directory"}


async def test_pages_come_with_four_headers(tree: Stage) -> None:
    everything = await tree.paths()
    seen: list[str] = []
    for page in (1, 2, 3):
        response = await tree.search(page=page, **FOUR)
        seen += [item["attachment_path"] for item in response.json()]
        assert pagination(response) == (str(page), "3", "4", "9")
    assert seen == everything


def pagination(response: Any) -> tuple[str, ...]:
    names = ("Current-Page", "Page-Count", "Per-Page", "Total-Count")
    return tuple(response.headers[f"X-Pagination-{name}"] for name in names)


async def test_a_page_has_a_hundred_unless_told(tree: Stage) -> None:
    assert pagination(await tree.search()) == ("1", "1", "100", "9")


async def test_a_page_beyond_the_last_is_the_last(tree: Stage) -> None:
    for page in (3, 4, 10**9, 10**18):
        response = await tree.search(page=page, **FOUR)
        assert pagination(response) == ("3", "3", "4", "9")
        assert len(response.json()) == 1
    empty = await tree.search(page=7, searchText="nothing of the kind")
    assert (empty.json(), pagination(empty)) == ([], ("1", "0", "100", "0"))


async def test_a_page_has_at_most_what_the_operator_allows(tmp_path: Path) -> None:
    async with staged(tmp_path, chosen(max_page_size=2)) as stage:
        await stage.project()
        await stage.folder(ROOT, "a")
        huge: dict[str, Any] = {"per-page": 10**9}
        response = await stage.search(**huge)
        assert (len(response.json()), pagination(response)) == (2, ("1", "2", "2", "3"))


@pytest.mark.parametrize(
    "body",
    [
        {"page": 0},
        {"page": -1},
        {"page": 1.5},
        {"page": "x"},
        {"page": [1]},
        {"page": True},
        {"per-page": 0},
        {"per-page": -1},
        {"per-page": {}},
        {"sort": "name"},
        {"sort": "--attachment_path"},
        {"sort": ["attachment_path"]},
        {"key": 1, "value": "x"},
        {"key": "size", "value": ["1"]},
        {"searchText": 5},
        {"root_path": 7},
        {"root_path": "/a/../b"},
        {"parent_path": "/a/\u0007"},
        {"parent_path": "/" + "x" * 1025},
    ],
)
async def test_a_search_that_cannot_be_is_a_bad_request(stage: Stage, body: dict[str, Any]) -> None:
    response = await stage.search(**body)
    assert error(response)[:2] == (400, "Bad Request")
    assert error(response)[2].startswith("Bad request: ")


@pytest.mark.parametrize("content", [b"[]", b'"x"', b"{", b"\xff", b'{"key": "\\u0000"}', b"7", b"null"])
async def test_a_body_that_is_no_object_is_a_bad_request(stage: Stage, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert error(await stage.http.post("/v2/attachment/index", content=content, headers=headers))[0] == 400


async def test_a_form_and_the_query_ask_the_same(tree: Stage) -> None:
    told = {"parent_path": ROOT, "per-page": "2", "page": "2"}
    for response in (
        await tree.http.post("/v2/attachment/index", data=told),
        await tree.http.post("/v2/attachment/index", params=told),
    ):
        assert [item["attachment_path"] for item in response.json()] == [OFFICES]
        assert pagination(response) == ("2", "2", "2", "3")
    repeated = await tree.http.post("/v2/attachment/index?page=1&page=2")
    assert error(repeated)[0] == 400


async def test_more_namesakes_than_a_search_can_hold_are_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.project(OTHER)
    monkeypatch.setattr("holdfast.dialects.four_hse.search.MOST_NAMESAKES", 1)
    assert error(await stage.search(key="project_name", value="Acme Construction Ltd"))[0] == 400


async def test_projects_of_one_name_are_found_together(stage: Stage) -> None:
    await stage.project(OTHER)
    for project in (PROJECT, OTHER):
        await stage.upload(f"/projects/{project}", "a.pdf")
    found = await stage.paths(key="project_name", value="Acme Construction Ltd")
    assert found == [f"/projects/{OTHER}/a.pdf", f"{ROOT}/a.pdf"]
