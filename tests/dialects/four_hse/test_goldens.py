"""Every example of the seed and of the contract, asked and answered again."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.dialects.four_hse.stage import ENTITY, LINK, OTHER, ROOT, Stage, digest, staged

GOLDENS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "goldens").glob("*.json"))
}
EXAMPLE = b"%PDF-1.4\n".ljust(137_863, b"\0")
CERTIFICATE = "fire-safety-certificate.pdf"
SECRET = re.compile("[0-9a-f]{64}")


def masked(value: Any) -> Any:
    """Volatile fields by their name: the sample ids are no digests of their paths (contract section 3.4)."""
    if isinstance(value, list):
        return [masked(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: masked(item) for key, item in value.items()}
    for key in ("attachment_id", "access_token", "refresh_token"):
        if key in found:
            found[key] = f"<{key}>"
    return found


def check_ids(value: Any) -> None:
    """The ids that were masked are what they have to be."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            if "attachment_id" in item:
                assert item["attachment_id"] == digest(item["attachment_path"])
            for key in ("access_token", "refresh_token"):
                assert SECRET.fullmatch(item.get(key, "0" * 64))


async def prepared(stage: Stage, before: str) -> None:
    """A project with its certificate, linked to an entity; less or other than that where the example needs it."""
    await stage.project()
    await stage.certificate()
    await stage.user()
    if before == "empty":
        return
    if before in {"unlinked", "older"}:
        older = await stage.upload(await stage.project(OTHER, "Older"), "list-dpi.xlsx")
        if before == "older":
            await stage.link(older, entity_attachment_id=LINK)
        return
    path = await stage.upload(ROOT, CERTIFICATE, EXAMPLE)
    if before != "alone":
        await stage.link(path, entity_attachment_id=LINK)


async def replayed(stage: Stage, request: dict[str, Any]) -> httpx.Response:
    client = stage.watched(stage.house.bare_client()) if request.get("token") == "none" else stage.http
    files = {"file": (request["file"], EXAMPLE, "application/pdf")} if "file" in request else None
    return await client.request(
        request["method"],
        request["path"],
        headers=request.get("headers"),
        json=request.get("json"),
        data=request.get("fields") or request.get("form"),
        files=files,
    )


@pytest.mark.parametrize("name", GOLDENS)
async def test_every_example_is_answered_as_printed(name: str, tmp_path: Path) -> None:
    golden = GOLDENS[name]
    assert golden["source"]
    async with staged(tmp_path) as stage:
        await prepared(stage, golden.get("before", ""))
        response = await replayed(stage, golden["request"])
    assert response.status_code == golden["status"], response.text
    for header, value in golden.get("headers", {}).items():
        assert response.headers[header] == value
    if golden["reply"] is None:
        assert response.content == b""
        return
    reply = response.json()
    check_ids(reply)
    for left_out in golden.get("left_out", []):
        assert reply.pop(left_out)
    assert masked(reply) == masked(golden["reply"])


def test_the_entity_of_the_samples_is_the_one_that_is_prepared() -> None:
    assert GOLDENS["attachment-delete-preview"]["reply"][0]["entity_id"] == ENTITY
