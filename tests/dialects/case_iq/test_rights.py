"""Who sees what: the vendor's rights, scopes on cases, and accounts that never meet."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.case_iq.harness import NOWHERE, CaseIq, File, check_error, form
from tests.installation import Installation

Request = tuple[str, str, dict[str, Any]]


def requests(case: str, file: str) -> dict[str, Request]:
    """One good request for each route."""
    return {
        "save": ("POST", "/save_file", form(("caseId", case), ("file", File("x")))),
        "list": ("GET", "/attachments", {}),
        "record": ("GET", f"/attachment/{file}", {}),
        "bytes": ("GET", f"/attachment/{file}/attachment", {}),
        "new case": ("POST", "/case", {"json": {}}),
        "case": ("GET", f"/case/{case}", {}),
        "replace": ("PUT", f"/case/{case}", {"json": {}}),
        "change": ("PATCH", f"/case/{case}", {"json": {}}),
        "cases": ("GET", "/cases", {}),
        "transition": ("POST", f"/case/{case}/transition", {"json": {"caseStatus": "Close", "workflowId": NOWHERE}}),
    }


OPENS: dict[str, set[str]] = {
    "case_iq.file.view": {"list", "record", "bytes"},
    "case_iq.file.create": {"save"},
    "case_iq.case.view": {"case", "cases"},
    "case_iq.case.create": {"new case"},
    "case_iq.case.edit": {"replace", "change", "transition"},
    "attachments.read": {"list", "record", "bytes"},
    "attachments.write": {"save"},
    "records.read": {"case", "cases"},
    "records.write": {"new case", "replace", "change"},
    "api.system.attachment.view": set(),
}


@pytest.mark.parametrize("permission", OPENS)
async def test_a_right_opens_its_routes_and_no_others(iq: CaseIq, house: Installation, permission: str) -> None:
    case = (await iq.send("POST", "/case", json={})).json()
    file = await iq.file(case["id"])
    caller = CaseIq(await house.client(permission))
    opened = set()
    for name, (method, path, told) in requests(case["id"], file["id"]).items():
        if name == "transition":
            told["json"]["workflowId"] = case["lastWorkflowId"]
        response = await caller.send(method, path, **told)
        if response.is_success:
            opened.add(name)
        else:
            check_error(response, 403)
    assert opened == OPENS[permission]


@pytest.mark.parametrize("secret", [None, "", "x" * 64, "k0-" + "y" * 9000, "ü"])
async def test_without_a_valid_token_every_route_is_401(iq: CaseIq, house: Installation, secret: str | None) -> None:
    case = await iq.case()
    file = await iq.file(case)
    before = await (await house.desk()).usage()
    stranger = CaseIq(house.bare_client())
    for method, path, told in requests(case, file["id"]).values():
        if secret is not None:
            told["headers"] = {**told.get("headers", {}), "Authorization": b"Bearer " + secret.encode()}
        response = await stranger.send(method, path, **told)
        check_error(response, 401)
        assert response.headers["www-authenticate"] == "Bearer"
    assert await (await house.desk()).usage() == before


async def test_another_accounts_ids_are_not_found_anywhere(iq: CaseIq, other: CaseIq, house: Installation) -> None:
    case = await iq.case(title="ours")
    file = await iq.file(case)
    await other.case(title="theirs")
    before = await (await house.desk()).usage()
    for name, (method, path, told) in requests(case, file["id"]).items():
        response = await other.send(method, path, **told)
        if name in {"list", "cases"}:
            assert file["id"] not in response.text
            assert case not in response.text
        elif name != "new case":
            check_error(response, 404, "Attachment not found" if name in {"record", "bytes"} else "Case not found")
    for query in ({"caseId": case}, {"id": file["id"]}, {"name": file["name"]}, {"objectId": file["objectId"]}):
        assert await other.page(**query) == []
    assert await other.page("/cases", id=case) == []
    assert await (await house.desk()).usage() == before


async def test_another_accounts_tags_and_workflows_are_unknown(iq: CaseIq, other: CaseIq, house: Installation) -> None:
    await (await house.desk()).records.create(NewRecord(RecordRef("tag", "red")))
    theirs = (await other.send("POST", "/case", json={})).json()
    told = form(("caseId", theirs["id"]), ("bulkTags[]", "red"), ("file", File("x")))
    check_error(await other.send("POST", "/save_file", **told), 400, "There is no tag 'red'")
    ours = (await iq.send("POST", "/case", json={})).json()
    transition = {"caseStatus": "Close", "workflowId": ours["lastWorkflowId"]}
    check_error(await other.send("POST", f"/case/{theirs['id']}/transition", json=transition), 400)


async def test_a_scoped_caller_sees_its_cases_and_the_rest_is_as_if_unknown(iq: CaseIq, house: Installation) -> None:
    mine, foreign = await iq.case(title="mine"), await iq.case(title="foreign")
    seen, hidden = await iq.file(mine, "seen"), await iq.file(foreign, "hidden")
    scoped = CaseIq(await house.client("*", scopes=[f"record:case:{mine}"]))
    assert await scoped.page() == [seen]
    assert await scoped.page(caseId=foreign) == []
    assert [case["title"] for case in await scoped.page("/cases")] == ["mine"]
    assert (await scoped.file(mine, "more"))["caseId"] == mine
    before = await (await house.desk()).usage()
    words: dict[str, Callable[[str], bool]] = {
        "Case not found": lambda path: "/case" in path or "save" in path,
        "Attachment not found": lambda path: "/attachment/" in path,
    }
    for name, (method, path, told) in requests(foreign, hidden["id"]).items():
        if name == "transition":
            told["json"]["workflowId"] = (await scoped.get(f"/case/{mine}")).json()["lastWorkflowId"]
        if name in {"list", "cases", "new case"}:
            continue
        [text] = [text for text, fits in words.items() if fits(path)]
        check_error(await scoped.send(method, path, **told), 404, text)
    check_error(await scoped.send("POST", "/case", json={}), 403)
    assert await (await house.desk()).usage() == before


async def test_a_file_on_two_cases_shows_the_one_that_the_caller_sees(iq: CaseIq, house: Installation) -> None:
    first, second = await iq.case(), await iq.case()
    file = await iq.file(first)
    native = await house.client()
    linked = await native.post(f"/v1/attachments/{file['id']}/links", json={"record": f"case:{second}"})
    assert linked.status_code == 201
    scoped = CaseIq(await house.client("*", scopes=[f"record:case:{second}"]))
    for caller, case in ((iq, first), (scoped, second)):
        assert (await caller.get(f"/attachment/{file['id']}")).json()["caseId"] == case
        assert [record["caseId"] for record in await caller.page()] == [case]
    assert [record["caseId"] for record in await iq.page(caseId=second)] == [second]


async def test_a_link_elsewhere_does_not_lead_to_a_case_out_of_scope(iq: CaseIq, house: Installation) -> None:
    case = await iq.case()
    files = [await iq.file(case, f"{number}.txt") for number in range(5)]
    desk = await house.desk()
    await desk.records.create(NewRecord(RecordRef("property", "p1")))
    native = await house.client()
    for file in files[1:]:
        await native.post(f"/v1/attachments/{file['id']}/links", json={"record": "property:p1"})
    scoped = CaseIq(await house.client("*", scopes=["type:property"]))
    assert await scoped.page(limit=2, fields="name") == []
    check_error(await scoped.get(f"/attachment/{files[1]['id']}"), 404, "Attachment not found")
    check_error(await scoped.get(f"/attachment/{files[1]['id']}/attachment"), 404, "Attachment not found")


async def test_tags_are_within_reach_of_a_scoped_caller_by_a_scope_of_their_own(
    iq: CaseIq, house: Installation
) -> None:
    case = await iq.case()
    await (await house.desk()).records.create(NewRecord(RecordRef("tag", "red")))
    parts = form(("caseId", case), ("bulkTags[]", "red"), ("file", File("x")))
    without = CaseIq(await house.client("*", scopes=[f"record:case:{case}"]))
    check_error(await without.send("POST", "/save_file", **parts), 400, "There is no tag 'red'")
    with_tags = CaseIq(await house.client("*", scopes=[f"record:case:{case}", "type:tag"]))
    assert (await with_tags.send("POST", "/save_file", **parts)).json()["bulkTags"] == ["red"]


async def test_a_scope_on_the_type_makes_new_cases(house: Installation) -> None:
    scoped = CaseIq(await house.client("*", scopes=["type:case"]))
    case = await scoped.case()
    assert (await scoped.file(case))["caseId"] == case
