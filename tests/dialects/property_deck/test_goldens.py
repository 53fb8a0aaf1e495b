"""Every example of the seed and of the contract, asked and answered again."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.dialects.property_deck.stage import Stage, staged

GOLDENS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "goldens").glob("*.json"))
}
VOLATILE = frozenset({"uuid", "created_at", "updated_at"})
PATTERNS = {
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "created_at": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d",
    "updated_at": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d",
}
FILE_URL = re.compile(r"https?://[^/]+/attachments/[0-9a-f-]{36}/(download|stream)")
EXAMPLE = b"%PDF-1.4\n".ljust(500_000, b"\0")


def masked(value: Any) -> Any:
    """Volatile fields by their name, once their form is checked; `links` is not in the vendor's example at all."""
    if isinstance(value, list):
        return [masked(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, item in value.items():
        if key in VOLATILE:
            assert re.fullmatch(PATTERNS[key], item), (key, item)
            found[key] = f"<{key}>"
        elif key.endswith("_url"):
            url = FILE_URL.fullmatch(item)
            assert url, item
            found[key] = f"<{url[1]}>"
        elif key == "links":
            assert item == {}
        else:
            found[key] = masked(item)
    return found


async def replayed(stage: Stage, request: dict[str, Any]) -> httpx.Response:
    """Ask what the golden asks, with one contact that has the example file, and one property."""
    uuids = {"contact": await stage.contact(), "property": await stage.property()}
    uuids["uuid"] = (await stage.upload(f"/contacts/{uuids['contact']}", content=EXAMPLE))["uuid"]
    path = re.sub(r":(\w+)", lambda found: uuids[found[1]], request["path"])
    client = stage.http
    if request.get("token") == "none":
        client = stage.house.bare_client()
    elif "token" in request:
        client = await stage.client(request["token"])
    for _ in range(request.get("after", 0)):
        await client.get("/attachments")
    files: Any = None
    if "upload" in request:
        files = {"upload": (request["upload"], EXAMPLE, "application/pdf")}
    elif "multipart" in request:
        files = {name: (None, value) for name, value in request["multipart"].items()}
    return await client.request(
        request["method"], path, json=request.get("json"), data=request.get("form"), files=files
    )


@pytest.mark.parametrize("name", GOLDENS)
async def test_every_example_is_answered_as_printed(name: str, tmp_path: Path) -> None:
    golden = GOLDENS[name]
    assert golden["source"]
    limited = {} if "after" in golden["request"] else {"property_deck": None}
    async with staged(tmp_path, rates=limited) as stage:
        response = await replayed(stage, golden["request"])
    assert response.status_code == golden["status"]
    if golden["reply"] is None:
        assert response.content == b""
    else:
        assert masked(response.json()) == masked(golden["reply"])


async def test_the_fields_come_in_the_vendor_s_order(stage: Stage) -> None:
    given = (await replayed(stage, GOLDENS["attachment-get"]["request"])).json()
    assert list(given["data"]) == list(GOLDENS["attachment-get"]["reply"]["data"])
