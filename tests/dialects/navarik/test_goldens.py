"""The examples of the vendor's page and of the contract, replayed."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.core.credentials import Grant
from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from tests.dialects.navarik.world import watched
from tests.installation import Installation

GOLDENS = Path(__file__).parent / "goldens"
REPLAYED = sorted(path.stem for path in GOLDENS.glob("*.json") if path.stem != "attachment-envelope")
SHIPPER, INSPECTOR = "8d5ad423-bfdd-4b66-a6de-0cde92707f54", "32c2798a-1aae-4398-b12e-65e99effaaa2"
WORKSPACE, DOCUMENT = "a2070b04-ca32-4a36-af58-c56e25715cb5", "ff16bb4f-e595-47d1-b945-acd8a0a898e1"


def golden(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDENS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def masked(value: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    hidden = json.loads(json.dumps(value))
    for path in paths:
        *above, last = path.split(".")
        inner = hidden
        for name in above:
            inner = inner[name]
        assert isinstance(inner[last], str)
        assert inner[last]
        inner[last] = "…"
    found: dict[str, Any] = hidden
    return found


def jpeg(size: int) -> bytes:
    head = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    return head + bytes(size - len(head) - 2) + b"\xff\xd9"


@pytest.fixture
async def http(house: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an installation that has the parents which the examples name."""
    records = (await house.desk()).records
    organizations = [RecordRef("organization", id) for id in (SHIPPER, INSPECTOR)]
    for ref in organizations:
        await records.create(NewRecord(ref, {"name": ref.id}))
    await records.create(NewRecord(RecordRef("workspace", WORKSPACE), {}, tuple(organizations)))
    await records.create(NewRecord(RecordRef("document", DOCUMENT), {}, (RecordRef("workspace", WORKSPACE),)))
    async with watched(await house.client()) as client:
        yield client


async def replayed(house: Installation, http: httpx.AsyncClient, request: dict[str, Any]) -> httpx.Response:
    sent: dict[str, Any] = {"params": request.get("query", {})}
    if "json" in request:
        sent["json"] = request["json"]
    if "client_id" in sent.get("json", {}):
        account = await house.account()
        client, secret = await house.operator.credentials.add_client(account.number, "service", Grant())
        sent["json"] |= {"client_id": client.id, "client_secret": secret}
    if "file" in request:
        file = request["file"]
        sent["files"] = {"file": (file["name"], jpeg(file["size"]), file["media_type"])}
    return await http.request(request["method"], request["path"], **sent)


@pytest.mark.parametrize("name", REPLAYED)
async def test_the_example_is_answered_as_it_is_printed(
    house: Installation, http: httpx.AsyncClient, name: str
) -> None:
    example = golden(name)
    answer = await replayed(house, http, example["request"])
    assert answer.status_code == example["status"], answer.text
    assert masked(answer.json(), example["masked"]) == example["reply"]
    assert list(answer.json()) == list(example["reply"])


async def test_the_examples_body_keeps_its_shape_in_every_call(house: Installation, http: httpx.AsyncClient) -> None:
    example = golden("seed-example-body")
    path = example["request"]["path"]
    created = (await replayed(house, http, example["request"])).json()
    listed = (await http.get(path)).json()
    descriptor = (await http.get(f"{path}/{created['id']}")).json()
    assert listed == [created]
    assert descriptor == created
    assert list(descriptor["body"]) == list(golden("attachment-envelope")["envelope"]["body"])
    assert len(created["body"]["location"]) == len(golden("attachment-envelope")["envelope"]["body"]["location"])
    assert (await http.get(f"{path}/{created['id']}/content")).content == jpeg(56068)
    deleted = (await http.delete(f"{path}/{created['id']}")).json()
    assert (deleted["body"], deleted["last_action"]) == (created["body"], "delete")


def test_every_golden_names_its_source() -> None:
    for path in GOLDENS.glob("*.json"):
        assert golden(path.stem)["source"].startswith(("seeds/004", "contracts/navarik-bridge.md"))
