"""What a request says beside its question changes nothing: headers meant for proxies, members meant for the server."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import msgspec
import pytest

from holdfast.core.model import RecordRef
from holdfast.core.ports import AttachmentQuery, BlobQuery, Window
from holdfast.core.records import RecordChange
from tests.authorization.matrix import Exercise, exercises
from tests.threats.conftest import Target

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORGED: Mapping[str, str] = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": 'for=127.0.0.1;host="evil.example";proto=https',
    "X-Real-IP": "127.0.0.1",
    "X-Original-URL": "/v1/me",
    "X-Rewrite-URL": "/v1/me",
    "X-HTTP-Method-Override": "DELETE",
    "X-HTTP-Method": "DELETE",
    "X-Method-Override": "DELETE",
    "X-Accel-Redirect": "/etc/passwd",
    "X-Accel-Mapping": "/=/etc/",
    "X-Sendfile": "/etc/passwd",
    "X-Sendfile-Type": "X-Accel-Redirect",
    "X-User": "admin",
    "Remote-User": "admin",
    "Origin": "https://evil.example",
}
VARYING = {b"x-request-id", b"date", b"x-response-time-ms", b"x-db-query-time-ms", b"x-ratelimit-remaining"}
INTERNAL: Mapping[str, str] = {
    "id": "01a20494-31ed-76b0-8000-25b6ffcdc1ac",
    "account": "2",
    "number": "999999",
    "media_type": "text/html",
    "mediaType": "text/html",
    "content_type": "text/html",
    "size": "1",
    "sha256": "00" * 32,
    "locator": "f:1/aa/x",
    "version": "77",
    "revision": "77",
    "created_at": "1999-01-01T00:00:00Z",
    "created_by": "somebody",
    "updated_by": "somebody",
    "owner": "somebody",
    "trashed_at": "0",
    "damaged_at": "0",
    "scanned": "true",
    "analyzed": "true",
    "media": "{}",
}

READS = [each for each in exercises() if not each.writes]
UPLOADS = [each for each in exercises() if each.row.file]
CHANGES = [each for each in exercises() if each.writes and isinstance(each.row.json, dict)]


@pytest.mark.parametrize("exercise", READS, ids=lambda exercise: exercise.label)
async def test_headers_for_proxies_change_nothing(target: Target, exercise: Exercise) -> None:
    """Nobody here is a trusted proxy: neither address nor method, nor file, nor URLs are others' to choose."""
    honest = await target.ask(exercise)
    headers = target.asked(exercise)["headers"]
    assert isinstance(headers, dict)
    forged = await target.ask(exercise, headers={**headers, **FORGED})
    assert (forged.status, forged.body) == (honest.status, honest.body)
    seen, wanted = (
        sorted(pair for pair in answer.raw_headers if pair[0] not in VARYING) for answer in (forged, honest)
    )
    assert seen == wanted
    assert not any(name.startswith(b"access-control-") for name, _ in forged.raw_headers)
    if target.state.moved():
        await target.state.restore()


@pytest.mark.parametrize("exercise", READS, ids=lambda exercise: exercise.label)
async def test_no_page_of_another_site_is_let_in(target: Target, exercise: Exercise) -> None:
    """What a browser asks before it lets a foreign page read or write is never answered with yes."""
    headers = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": exercise.route.method,
        "Access-Control-Request-Headers": "authorization",
    }
    asked = target.asked(exercise)
    answer = await target.client("OPTIONS", str(asked["target"]), headers=headers)
    assert not any(name.startswith(b"access-control-") for name, _ in answer.raw_headers)


@pytest.mark.parametrize("exercise", READS, ids=lambda exercise: exercise.label)
async def test_no_answer_tells_where_bytes_lie(target: Target, exercise: Exercise) -> None:
    blobs = await target.house.store._engines.catalog.find(BlobQuery(target.account, Window(1000)))
    assert len(blobs.items) > 10
    answer = await target.ask(exercise)
    told = answer.body + b" ".join(value for _, value in answer.raw_headers)
    for place in (str(target.house.settings.data), *(blob.locator for blob in blobs.items)):
        assert place.encode() not in told


@pytest.mark.parametrize("exercise", UPLOADS, ids=lambda exercise: exercise.label)
async def test_a_form_sets_nothing_that_the_server_decides(target: Target, exercise: Exercise) -> None:
    """Type, size, digest, owner and the like are what the server found, whatever fields come along."""
    form = {**INTERNAL, **(exercise.row.form or {})}
    query = "&".join([exercise.row.query, *(f"{name}={value}" for name, value in INTERNAL.items())]).lstrip("&")
    for row in (replace(exercise.row, form=form), replace(exercise.row, query=query)):
        answer = await target.ask(replace(exercise, row=row))
        assert answer.status < 500
        await as_it_must_be(target)
        await target.state.restore()


@pytest.mark.parametrize("exercise", CHANGES, ids=lambda exercise: exercise.label)
async def test_a_document_sets_nothing_that_the_server_decides(target: Target, exercise: Exercise) -> None:
    body = target.asked(exercise)["body"]
    assert isinstance(body, bytes)
    told = msgspec.json.decode(body)
    answer = await target.ask(exercise, body=msgspec.json.encode({**INTERNAL, **told}))
    assert answer.status < 500
    await as_it_must_be(target)
    await target.state.restore()


async def as_it_must_be(target: Target) -> None:
    """Every attachment is of its own account, is what its bytes are, and belongs to whom the server knows."""
    desk = await target.house.desk()
    page = await desk.attachments.find(AttachmentQuery(target.account, Window(1000)))
    assert len(page.items) > 5
    for each in page.items:
        assert (each.account, each.media_type) == (target.account, "image/png")
        assert each.id != INTERNAL["id"]
        assert each.number < 999
        assert each.size > 60
        assert each.sha256 != bytes(32)
        assert each.version < 10
        assert each.revision < 10
        assert "somebody" not in {each.created_by, each.updated_by}


async def test_a_target_that_moves_out_of_scope_during_an_upload_gets_nothing(target: Target) -> None:
    """What was allowed when the body began is asked again in the transaction that would show it."""
    names, desk = target.world.names, await target.house.desk()
    secret = await target.house.token(scopes=[f"record:branch:{names['top']}"])
    contact = RecordRef("contact", names["leaf"])
    async with target.house.bare_client(secret) as client:

        async def body() -> AsyncIterator[bytes]:
            yield b"first half, "
            await desk.records.change(contact, RecordChange(parents=(RecordRef("branch", names["other"]),)))
            yield b"second half"

        query = {"name": "late.txt", "record": str(contact)}
        answer = await client.post("/v1/attachments", params=query, content=body())
        assert answer.status_code == 404
    found = await desk.attachments.find(AttachmentQuery(target.account, Window(1000), record=contact))
    assert found.items == ()
    await target.state.restore()


@pytest.mark.parametrize("name", ["*", "[a]", "%", "_", "{a,b}", "a%", "?", "\\", "'", '"', "a' OR '1'='1"])
async def test_a_name_that_means_more_elsewhere_is_only_a_name(target: Target, name: str) -> None:
    """Moving, searching and deleting by such a name touch what has it and nothing that it would match."""
    async with await target.house.client(account=f"names-{name.encode().hex()[:20]}") as client:
        bystanders = ["a", "b", "ab", "a1", "[b]"]
        for folder in (name, *bystanders):
            made = await client.post("/v1/attachments", params={"path": f"/{folder}/x.txt"}, content=b"x")
            assert made.status_code == 201
        found = await client.get("/v1/attachments", params={"under": f"/{name}"})
        assert [item["path"] for item in found.json()["items"]] == [f"/{name}/x.txt"]
        path = "/v1/folders/" + "".join(f"%{byte:02X}" for byte in name.encode())
        assert (await client.patch(path, json={"path": "/moved"})).status_code == 200
        assert (await client.delete("/v1/folders/moved", params={"force": "true"})).status_code == 200
        left = await client.get("/v1/attachments", params={"sort": "name", "limit": 100})
        assert sorted(item["path"] for item in left.json()["items"]) == sorted(f"/{each}/x.txt" for each in bystanders)
    await target.state.restore()


async def test_a_new_installation_knows_no_key(target: Target) -> None:
    """There is no default token, user or client; each account begins with none."""
    fresh = replace(target.house, slug="brandnew")
    account = (await fresh.account()).number
    assert (await fresh.operator.credentials.tokens(account, Window(10))).items == ()
    for guess in ("admin", "holdfast", "changeme", "demo", "", "0" * 64):
        answer = await target.client("GET", "/v1/me", headers={"Authorization": f"Bearer {guess}"})
        assert answer.status == 401
    await target.state.restore()
