"""One file, seen through several APIs, without a copy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.model import RecordRef
from tests.installation import installed
from tests.journeys import case_iq, property_deck
from tests.journeys.journey import File

pytestmark = pytest.mark.on_all_engines

STATEMENT = File("Aussage – Zeugin №1.pdf", "application/pdf", b"%PDF-1.7 " + bytes(range(256)) * 9)


async def test_a_file_of_a_case_becomes_one_of_a_property_and_goes_from_all(
    tmp_path: Path, engines: Mapping[str, Any]
) -> None:
    async with installed(tmp_path, **engines) as house, await house.client() as everything:
        case = await case_iq.journey(house)
        deck = await property_deck.journey(house)
        await case.make_parent()
        id = await case.upload(STATEMENT)
        made = await everything.post("/properties", json={"address": "1 Mill Lane"})
        property = made.json()["data"]["uuid"]
        assert (await everything.get("/attachments")).json()["data"] == []

        link = {"record": str(RecordRef("property", property)), "role": "document"}
        assert (await everything.post(f"/v1/attachments/{id}/links", json=link)).status_code == 201

        found = (await everything.get("/attachments", params={"property[uuid]": property})).json()["data"]
        assert [(item["uuid"], item["name"]) for item in found] == [(id, STATEMENT.name)]
        shown = (await everything.get(f"/properties/{property}")).json()["data"]
        assert shown["num_attachments"] == 1
        assert await deck.download(id) == STATEMENT.content
        assert await case.download(id) == STATEMENT.content
        taken = await everything.get(f"/attachment/{id}")
        assert (taken.status_code, taken.content) == (200, STATEMENT.content)
        assert (await everything.get("/v1/stats")).json()["bytes"] == len(STATEMENT.content)

        await deck.delete(id)
        assert await deck.is_gone(id)
        assert await case.is_gone(id)
        assert await case.listed() == []
        assert (await everything.get(f"/attachment/{id}")).status_code == 404
        assert (await everything.get(f"/v1/attachments/{id}/content")).status_code == 404
        shown = (await everything.get(f"/properties/{property}")).json()["data"]
        assert shown["num_attachments"] == 0
