"""Cases as far as files need them: create 201, read, replace, change, transition, list (contract section 5)."""

from typing import Any

import pytest

from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.case_iq.harness import NOWHERE, CaseIq, Json, check_error
from tests.installation import Installation

ASSIGNED = {"id", "createdDate", "caseNumber", "caseStatus", "lastWorkflowId", "createdBy", "lastUpdatedDate"}


async def new(iq: CaseIq, **fields: Json) -> Json:
    return (await iq.send("POST", "/case", json=fields)).json()


async def test_a_case_needs_no_field_and_gets_what_the_server_assigns(iq: CaseIq) -> None:
    response = await iq.send("POST", "/case", json={})
    assert response.status_code == 201
    case = response.json()
    assert set(case) == ASSIGNED
    assert case["caseStatus"] == "Open"
    assert (await iq.get(f"/case/{case['id']}")).json() == case


async def test_case_numbers_are_the_year_and_a_count_in_the_account(iq: CaseIq, other: CaseIq) -> None:
    numbers = [(await new(iq))["caseNumber"] for _ in range(3)]
    year = (await new(iq))["createdDate"][:4]
    assert numbers == [f"{year}-001", f"{year}-002", f"{year}-003"]
    assert (await new(other))["caseNumber"] == f"{year}-001"


async def test_any_fields_are_kept_and_those_of_the_server_passed_over(iq: CaseIq) -> None:
    case = await new(iq, owner="Ada", nested={"a": [1, None, "ü"]}, id=NOWHERE, caseNumber="1999-001", createdDate="x")
    assert case["owner"] == "Ada"
    assert case["nested"] == {"a": [1, None, "ü"]}
    assert case["id"] != NOWHERE
    assert case["caseNumber"] != "1999-001"


async def test_put_replaces_and_patch_changes_what_is_sent(iq: CaseIq) -> None:
    case = await new(iq, owner="Ada", priority="high")
    path = f"/case/{case['id']}"
    patched = (await iq.send("PATCH", path, json={"owner": "Ben", "room": 4})).json()
    assert (patched["owner"], patched["priority"], patched["room"]) == ("Ben", "high", 4)
    replaced = await iq.send("PUT", path, json={"owner": "Cleo"})
    assert replaced.status_code == 200
    assert set(replaced.json()) == {*ASSIGNED, "owner"}
    assert (await iq.get(path)).json() == replaced.json()
    assert replaced.json()["createdDate"] == case["createdDate"]
    assert replaced.json()["lastUpdatedDate"] > case["lastUpdatedDate"]
    assert "owner" not in (await iq.send("PATCH", path, json={"owner": None})).json()


async def test_a_record_can_be_sent_back_as_it_was_read(iq: CaseIq) -> None:
    case = await new(iq, owner="Ada")
    back = (await iq.send("PUT", f"/case/{case['id']}", json=case)).json()
    assert {**back, "lastUpdatedDate": ""} == {**case, "lastUpdatedDate": ""}


async def test_a_case_closes_and_opens_again_along_its_workflow(iq: CaseIq) -> None:
    case = await new(iq, owner="Ada")
    path = f"/case/{case['id']}"
    for status in ("Close", "Reopen", "Close"):
        workflow = (await iq.get(path)).json()["lastWorkflowId"]
        told = {"caseStatus": status, "workflowId": workflow, "reason": "i like it"}
        response = await iq.send("POST", f"{path}/transition", json=told)
        assert response.status_code == 200
        assert response.json()["caseStatus"] == status
        assert response.json()["transitionReason"] == "i like it"
    kept = (await iq.send("PATCH", path, json={"caseStatus": "Open", "owner": "Ben"})).json()
    assert (kept["caseStatus"], kept["owner"]) == ("Close", "Ben")


async def test_a_transition_to_where_the_case_is_collides(iq: CaseIq, house: Installation) -> None:
    case = await new(iq)
    told = {"caseStatus": "Open", "workflowId": case["lastWorkflowId"]}
    before = await (await house.desk()).usage()
    refused = await iq.send("POST", f"/case/{case['id']}/transition", json=told)
    check_error(refused, 409, "The case is already in status Open")
    assert await (await house.desk()).usage() == before


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"caseStatus": "Close"},
        {"workflowId": "WORKFLOW"},
        {"caseStatus": "Close", "workflowId": "not-a-uuid"},
        {"caseStatus": "Close", "workflowId": NOWHERE},
        {"caseStatus": "Close", "workflowId": None},
        {"caseStatus": "", "workflowId": "WORKFLOW"},
        {"caseStatus": 7, "workflowId": "WORKFLOW"},
        {"caseStatus": "x" * 101, "workflowId": "WORKFLOW"},
        {"caseStatus": "a\nb", "workflowId": "WORKFLOW"},
        {"caseStatus": "Close", "workflowId": "WORKFLOW", "reason": 1},
        [],
        "Close",
    ],
    ids=str,
)
async def test_other_transitions_are_bad_requests(iq: CaseIq, house: Installation, told: Any) -> None:
    case = await new(iq)
    if isinstance(told, dict):
        told = {key: case["lastWorkflowId"] if value == "WORKFLOW" else value for key, value in told.items()}
    before = await (await house.desk()).usage()
    check_error(await iq.send("POST", f"/case/{case['id']}/transition", json=told), 400)
    assert await (await house.desk()).usage() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/case"), ("PUT", "/case/ID"), ("PATCH", "/case/ID"), ("POST", "/case/ID/transition")],
)
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'"text"', "application/json"),
        (b"null", "application/json"),
        (b'{"a": "\\u0000"}', "application/json"),
        (b"[" * 10_000, "application/json"),
        (b'{"a": "' + b"x" * 300_000 + b'"}', "application/json"),
        (b'{"a": "' + b"x" * 1_100_000 + b'"}', "application/json"),
        (b"a=1", "application/x-www-form-urlencoded"),
        (b"{}", "text/plain"),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else value,
)
async def test_other_bodies_are_bad_requests(
    iq: CaseIq, house: Installation, method: str, path: str, content: bytes, kind: str
) -> None:
    id = await iq.case()
    before = await (await house.desk()).usage()
    told: dict[str, Any] = {"content": content, "headers": {"Content-Type": kind}}
    check_error(await iq.send(method, path.replace("ID", id), **told), 400)
    assert await (await house.desk()).usage() == before


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
async def test_malformed_and_unknown_cases(iq: CaseIq, method: str) -> None:
    told: dict[str, Any] = {} if method == "GET" else {"json": {}}
    check_error(await iq.send(method, "/case/12345", **told), 400, "id must be a UUID")
    check_error(await iq.send(method, f"/case/{NOWHERE}", **told), 404, "Case not found")


async def test_a_transition_of_an_unknown_case_is_not_found(iq: CaseIq) -> None:
    told = {"caseStatus": "Close", "workflowId": NOWHERE}
    check_error(await iq.send("POST", f"/case/{NOWHERE}/transition", json=told), 404, "Case not found")
    check_error(await iq.send("POST", "/case/1/transition", json=told), 400, "id must be a UUID")


async def test_cases_are_not_deleted_here(iq: CaseIq) -> None:
    check_error(await iq.send("DELETE", f"/case/{await iq.case()}"), 405)


async def test_a_case_registered_by_the_host_is_a_case(iq: CaseIq, house: Installation) -> None:
    desk = await house.desk()
    id = "0f9b2f64-1111-4222-8333-444455556666"
    await desk.records.create(NewRecord(RecordRef("case", id), {"title": "Flood", "caseNumber": "ours"}))
    case = (await iq.get(f"/case/{id}")).json()
    assert case["title"] == "Flood"
    assert case["caseNumber"].endswith("-001")
    assert (await iq.file(id))["caseId"] == id


async def titles(iq: CaseIq, **query: Any) -> list[str]:
    return [case["title"] for case in await iq.page("/cases", **query)]


async def test_the_list_of_cases_follows_the_same_convention(iq: CaseIq) -> None:
    assert await iq.page("/cases") == []
    cases = [await new(iq, title=title, floor=floor) for title, floor in (("b", 1), ("a", 2), ("c", 1))]
    middle = cases[1]
    assert await iq.page("/cases") == cases[::-1]
    assert await titles(iq, order="asc", limit=2) == ["b", "a"]
    assert await titles(iq, after=middle["createdDate"]) == ["c"]
    assert await titles(iq, sort="caseNumber", before=middle["caseNumber"]) == ["b"]
    assert await titles(iq, sort="caseNumber", order="asc", after=middle["caseNumber"]) == ["c"]
    assert await titles(iq, caseNumber=middle["caseNumber"]) == ["a"]
    assert await titles(iq, title="c") == ["c"]
    assert await titles(iq, floor="1", order="asc") == ["b", "c"]
    assert await titles(iq, caseStatus="Open", id=middle["id"], createdBy=middle["createdBy"]) == ["a"]
    assert await titles(iq, caseStatus="Close") == []
    assert await iq.page("/cases", fields="title,caseNumber", limit=1) == [
        {key: cases[2][key] for key in ("id", "title", "caseNumber")}
    ]


@pytest.mark.parametrize("number", ["2024-2", "0000-001", "9999-001", "1969-001", "x", "2024-0001", "2024-001"])
async def test_case_numbers_that_are_none_find_nothing(iq: CaseIq, number: str) -> None:
    await new(iq)
    assert await iq.page("/cases", caseNumber=number) == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=1000000000", "sort=title", "order=up", "before=x", "sort=caseNumber&after=7",
     "createdDate=2025-01-01", "lastWorkflowId=1", "title=a&title=b", "=x", "a%20b=1", "%C3%BC=1", "limit=1&limit=1"],
)  # fmt: skip
async def test_other_queries_for_cases_are_bad_requests(iq: CaseIq, query: str) -> None:
    await new(iq, title="a")
    check_error(await iq.get(f"/cases?{query}"), 400)


async def test_sorting_cases_by_state_takes_missing_ones_along(iq: CaseIq) -> None:
    case = await new(iq, title="a")
    await new(iq, title="b")
    told = {"caseStatus": "Close", "workflowId": case["lastWorkflowId"]}
    await iq.send("POST", f"/case/{case['id']}/transition", json=told)
    assert await titles(iq, sort="caseStatus", order="asc") == ["b", "a"]
    assert await titles(iq, caseStatus="Close") == ["a"]
    assert await titles(iq, sort="lastUpdatedDate") == ["a", "b"]
