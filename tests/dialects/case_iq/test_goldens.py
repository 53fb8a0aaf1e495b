"""Every example of the seed and of the contract, replayed; what changes from run to run is masked by its name."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from holdfast.core.credentials import Grant
from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.case_iq.harness import CaseIq, File, Json, Part, form
from tests.installation import Installation

GOLDENS: Final = sorted(Path(__file__).with_name("goldens").glob("*.json"))
MASKED: Final = frozenset(
    {"id", "caseId", "createdDate", "lastUpdatedDate", "createdBy", "caseNumber", "lastWorkflowId", "access_token"}
)


def masked(value: Json, key: str = "") -> Json:
    if key in MASKED:
        return f"<{key}>"
    if isinstance(value, dict):
        return {name: masked(member, name) for name, member in value.items()}
    return [masked(item) for item in value] if isinstance(value, list) else value


def check_documented(printed: Json, value: Json) -> None:
    """The value has what the page prints, of the kind that it prints. The page leaves room for more members."""
    if isinstance(printed, dict):
        for name, member in printed.items():
            check_documented(member, value[name])
    elif isinstance(printed, list):
        for item in value:
            check_documented(printed[0], item)
    elif printed == "uuid string":
        assert str(UUID(value)) == value
    elif printed == "UTC time":
        assert value.endswith("Z")
        assert datetime.fromisoformat(value).utcoffset() is not None
    elif printed in {"string", "integer"}:
        assert type(value) is (str if printed == "string" else int)
    else:
        assert value == printed


class Scene:
    """An account with one case and two tags, and the words that goldens may leave open."""

    def __init__(self, house: Installation) -> None:
        self.house = house
        self.words: dict[str, str] = {"tag1": "finance", "tag2": "2025"}

    async def arrange(self) -> None:
        desk = await self.house.desk()
        for tag in ("finance", "2025"):
            await desk.records.create(NewRecord(RecordRef("tag", tag)))
        account = await self.house.account()
        _, self.words["secret"] = await self.house.operator.credentials.add_client(
            account.number, "svc-import", Grant(frozenset({"*"}))
        )
        case = (await CaseIq(await self.house.client()).send("POST", "/case", json={})).json()
        self.words |= {"case": case["id"], "workflow": case["lastWorkflowId"]}

    def filled(self, value: Json) -> Json:
        if isinstance(value, str):
            return re.sub(r"\{(\w+)\}", lambda found: self.words.get(found[1], found[0]), value)
        if isinstance(value, dict):
            return {name: self.filled(member) for name, member in value.items()}
        return [self.filled(item) for item in value] if isinstance(value, list) else value

    async def replay(self, request: Json) -> httpx.Response:
        permissions = request.get("permissions", ())
        anonymous = request.get("anonymous", False)
        caller = CaseIq(self.house.bare_client() if anonymous else await self.house.client(*permissions))
        told: dict[str, Any] = {}
        if "form" in request:
            told = form(*(_part(name, value) for name, value in self.filled(request["form"])))
        elif "json" in request:
            told["json"] = self.filled(request["json"])
        return await caller.send(request["method"], self.filled(request["path"]), **told)


def _part(name: str, value: Json) -> Part:
    if isinstance(value, str):
        return name, value
    return name, File(value["filename"], value["text"].encode(), value["type"])


@pytest.fixture(params=GOLDENS, ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest) -> Json:
    return json.loads(request.param.read_text(encoding="utf-8"))


async def test_the_example_is_answered_as_recorded(house: Installation, golden: Json) -> None:
    scene = Scene(house)
    await scene.arrange()
    for request in golden.get("before", ()):
        scene.words |= {name: str(value) for name, value in (await scene.replay(request)).json().items()}
    response = await scene.replay(golden["request"])
    reply = golden["reply"]
    assert response.status_code == reply["status"], response.text
    assert {name: response.headers[name] for name in reply.get("headers", {})} == reply.get("headers", {})
    if "text" in reply:
        assert response.text == reply["text"]
        return
    assert masked(response.json()) == reply["body"]
    if "documented" in golden:
        check_documented(golden["documented"], response.json())


def test_every_golden_names_its_source() -> None:
    assert len(GOLDENS) >= 25
    for path in GOLDENS:
        assert json.loads(path.read_text(encoding="utf-8"))["source"].startswith(("seeds/002_", "contracts/case-iq.md"))
