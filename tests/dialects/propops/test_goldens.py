"""Every example of the vendor's page and of the contract, asked and answered again."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.dialects.propops.stage import BRANCH_FILES, DOCUMENTS, NOTE_FILES, PHOTOS, Stage, staged
from tests.media.pictures import encoded, quarters

GOLDENS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "goldens").glob("*.json"))
}
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
SECRET = r"[0-9a-f]{64}"
VOLATILE = {
    "uuid": UUID, "note_uuid": UUID, "case_note_uuid": UUID, "ID": r"\d+", "job_id": r"\d+", "note_id": r"\d+",
    "created_at": MOMENT, "updated_at": MOMENT, "expires_at": MOMENT, "token": SECRET, "session_token": SECRET,
    "csrf_token": SECRET, "usage": ".+", "count": r"\d+", "file_size": r"\d+",
}  # fmt: skip
ALWAYS = frozenset(VOLATILE) - {"count", "file_size"}
NAME = "Gas_Safety_Certificate_JOB1042.pdf"
CERTIFICATE = b"%PDF-1.4\n".ljust(142_032, b"\0")


def masked(value: Any, names: frozenset[str], *, ours: bool = False) -> Any:
    """Volatile fields by their name; in our own reply their form is checked."""
    if isinstance(value, list):
        return [masked(item, names, ours=ours) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, item in value.items():
        if key in names:
            assert not ours or re.fullmatch(VOLATILE[key], str(item)), (key, item)
            found[key] = f"<{key}>"
        else:
            found[key] = masked(item, names, ours=ours)
    return found


async def world(stage: Stage) -> dict[str, str]:
    """One job with a certificate and a photo, a case note with one, a branch with one, a user."""
    me = stage.me
    await stage.user()
    await stage.record("branch:1")
    job = await me.job()
    note = await me.note(job, "Contractor attended site and completed boiler service.")
    picture = encoded(quarters(800, 600), "image/png")
    return {
        "job": job,
        "note": note,
        "csrf": me.csrf,
        "token": me.http.headers["Authorization"].removeprefix("Bearer "),
        "note_file": await me.upload(NOTE_FILES, note, CERTIFICATE, NAME),
        "branch_file": await me.upload(BRANCH_FILES, 1, CERTIFICATE, NAME, document_type_id="1"),
        "photo": await me.upload(PHOTOS, job, picture, "site.png"),
        "picture": "",
        "document": await me.upload(DOCUMENTS, job, CERTIFICATE, NAME, document_type_id="1"),
        "lost": "",
    }


async def further(stage: Stage, name: str, known: dict[str, str]) -> None:
    """What only some of the examples need, and would disturb the lists of others."""
    if name in {"jobs-list", "job-document-thumbnail"}:
        picture = encoded(quarters(800, 600), "image/png")
        known["picture"] = await stage.me.upload(DOCUMENTS, known["job"], picture, "plan.png")
    if name == "case-notes":
        await stage.me.upload(NOTE_FILES, known["note"], b"other", "other.txt")
    if name == "error-404-file":
        known["lost"] = await stage.me.upload(DOCUMENTS, known["job"], b"x" * 400_000, "lost.bin")
        await stage.lose(known["lost"])


def filled(value: Any, known: dict[str, str]) -> Any:
    """The example with what this world calls its things."""
    if isinstance(value, dict):
        return {key: filled(item, known) for key, item in value.items()}
    if isinstance(value, str):
        return re.sub(r":([a-z_]+)", lambda found: known.get(found[1], found[0]), value)
    return value


async def replayed(stage: Stage, request: dict[str, Any], known: dict[str, str]) -> httpx.Response:
    caller = stage.me
    if request.get("token") == "none":
        caller = await stage.nobody()
    elif "token" in request:
        caller = await stage.caller(request["token"])
    files = {request["file"]: (NAME, CERTIFICATE)} if "file" in request else None
    return await caller.http.request(
        request["method"],
        filled(request["path"], known),
        json=filled(request.get("json"), known),
        data=filled(request.get("form"), known),
        files=files,
    )


@pytest.mark.parametrize("name", GOLDENS)
async def test_every_example_is_answered_as_printed(name: str, tmp_path: Path) -> None:
    golden = GOLDENS[name]
    assert golden["source"]
    async with staged(tmp_path, choices=golden.get("choices")) as stage:
        known = await world(stage)
        await further(stage, name, known)
        response = await replayed(stage, golden["request"], known)
    names = ALWAYS | frozenset(golden.get("masked", ()))
    assert response.status_code == golden["status"]
    for header, value in golden.get("headers", {}).items():
        assert header in response.headers
        assert header in names or response.headers[header] == value
    if "reply" in golden:
        assert masked(response.json(), names, ours=True) == masked(golden["reply"], names)
        assert list(response.json()) == list(golden["reply"])
    elif "text" in golden:
        assert response.text == golden["text"]
    elif golden["bytes"] == "jpeg":
        assert response.content.startswith(b"\xff\xd8\xff")
    else:
        assert response.content == CERTIFICATE
