"""Version ids are what a client can compute from the envelope itself."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from holdfast.dialects.navarik.versions import canonical, stringified, version_id
from tests.dialects.navarik.world import World, good

GOLDENS = Path(__file__).parent / "goldens"


def computed(envelope: dict[str, Any]) -> str:
    """The formula as the contract gives it for Python."""
    text = json.dumps(envelope["body"], separators=(",", ":"), ensure_ascii=False)
    return str(uuid.uuid5(uuid.UUID(envelope["id"]), text))


def test_the_contracts_test_vector_passes() -> None:
    envelope = json.loads((GOLDENS / "attachment-envelope.json").read_text(encoding="utf-8"))["envelope"]
    assert version_id(envelope["id"], envelope["body"]) == envelope["version_id"] == computed(envelope)


async def test_every_entity_has_the_version_id_that_its_envelope_gives(world: World) -> None:
    attachment = await world.upload("Zürich 🎉.pdf", description="Prüfung „A“", clientReferenceNumber="164A72F")
    new = {"type": "t", "body": {"z": 1.0, "10": [1e20, None], "9": {"ü": "\t\u2028"}, "a": True}}
    document = good(await world.http.post(world.documents, json=new), 201)
    for envelope in (attachment, document, world.shipper, world.workspace):
        assert envelope["version_id"] == computed(envelope)
        assert uuid.UUID(envelope["version_id"]).version == 5
    again = good(await world.http.get(f"{world.documents}/{document['id']}"))
    assert json.dumps(again["body"]) == json.dumps(document["body"])
    assert again == document


async def test_equal_bodies_of_two_entities_have_two_version_ids(world: World) -> None:
    one, other = await world.upload(), await world.upload()
    assert one["body"] == other["body"]
    assert one["version_id"] != other["version_id"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.5, "1.5"), (-2.25, "-2.25"), (0.1, "0.1"), (1e-6, "0.000001"), (1e-7, "1e-7"),
        (1.25e-9, "1.25e-9"), (123456.789, "123456.789"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
        (1.5e300, "1.5e+300"), (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740993, "9007199254740993"), (True, "true"), (None, "null"),
        ("a\"\\\n\x01/é\u2028", '"a\\"\\\\\\n\\u0001/é\u2028"'),
        ([], "[]"), ({}, "{}"), ([1, [2.5, {"a": None}]], '[1,[2.5,{"a":null}]]'),
    ],
)  # fmt: skip
def test_values_are_printed_as_ecmascript_prints_them(value: object, text: str) -> None:
    assert stringified(value) == text


def test_the_canonical_form_is_the_order_and_the_numbers_of_ecmascript() -> None:
    told = {"b": 1.0, "a": -0.0, "10": 1e20, "9": 2.5, "01": [3.0], "4294967295": {"z": 1, "y": 2}}
    form = canonical(told)
    assert list(form) == ["9", "10", "01", "4294967295", "a", "b"]
    assert json.dumps(form) == json.dumps(
        {"9": 2.5, "10": 10**20, "01": [3], "4294967295": {"y": 2, "z": 1}, "a": 0, "b": 1}
    )
    assert canonical(form) == form
