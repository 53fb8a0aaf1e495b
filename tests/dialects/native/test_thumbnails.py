"""Thumbnails and media facts over HTTP, made by the real cage."""

import asyncio
import hashlib
import io
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from holdfast.core.model import Derived, NoRendition
from holdfast.core.ports import BlobKey
from holdfast.dialects import ALL
from holdfast.media.renditions import CagedRenditions, is_bare_jpeg
from tests.installation import Installation, installed
from tests.media.pictures import PILLOW, corners, encoded, page, quarters
from tests.media.test_renditions import located

SIZES = (128, 256, 512, 1024)
UPRIGHT = ("red", "green", "blue", "grey")
TURNED = 6


@dataclass
class Watched:
    """What the cage was asked for."""

    derived: list[Derived | NoRendition] = field(default_factory=list)
    zygotes: int = 0


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    seen = Watched()
    derive, start = CagedRenditions.derive, CagedRenditions._start

    async def watched_derive(self: CagedRenditions, *args: Any) -> Derived | NoRendition:
        seen.derived.append(await derive(self, *args))
        return seen.derived[-1]

    async def watched_start(self: CagedRenditions) -> Any:
        seen.zygotes += 1
        return await start(self)

    monkeypatch.setattr(CagedRenditions, "derive", watched_derive)
    monkeypatch.setattr(CagedRenditions, "_start", watched_start)
    return seen


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(tmp_path, dialects=ALL) as opened:
        yield opened


@pytest.fixture
async def client(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    async with await installation.client() as opened:
        await opened.put("/v1/records/contact/42", json={})
        yield opened


async def upload(client: httpx.AsyncClient, data: bytes, name: str = "photo.bin", **query: str) -> dict[str, Any]:
    answer = await client.post("/v1/attachments", params={"name": name, **query}, content=data)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def thumbnail(client: httpx.AsyncClient, made: dict[str, Any], size: int | None = None) -> httpx.Response:
    query = {} if size is None else {"size": size}
    return await client.get(f"/v1/attachments/{made['id']}/thumbnail", params=query)


async def settled(installation: Installation) -> None:
    """Wait until the background has nothing left to do."""
    while (worker := installation.store._studio._worker) is not None:
        await worker


# ---------------------------------------------------------------- pictures


@pytest.mark.parametrize("media_type", PILLOW)
async def test_every_format_gives_an_upright_bare_jpeg(client: httpx.AsyncClient, media_type: str) -> None:
    made = await upload(client, encoded(quarters(1500, 1000), media_type), "Größe.x")
    assert made["media_type"] == media_type
    for size in SIZES:
        answer = await thumbnail(client, made, size)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert is_bare_jpeg(answer.content, size)
        assert max(Image.open(io.BytesIO(answer.content)).size) == size
        assert corners(answer.content) == UPRIGHT
    assert (await thumbnail(client, made)).content == (await thumbnail(client, made, 256)).content


async def test_a_photo_taken_sideways_is_upright(client: httpx.AsyncClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = TURNED
    sideways = quarters(300, 200).transpose(Image.Transpose.ROTATE_90)
    made = await upload(client, encoded(sideways, "image/jpeg", exif=exif))
    answer = await thumbnail(client, made, 128)
    assert corners(answer.content) == UPRIGHT


async def test_it_leaves_with_the_same_care_as_any_file(client: httpx.AsyncClient) -> None:
    made = await upload(client, encoded(quarters(), "image/png"), "site plan.png")
    whole = await thumbnail(client, made)
    tag = hashlib.sha256(whole.content).hexdigest()
    assert whole.headers["etag"] == f'"{tag}"'
    assert whole.headers["content-disposition"] == 'inline; filename="site plan.jpg"'
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in whole.headers["content-security-policy"]
    assert whole.headers["cache-control"].startswith("private")
    url = f"/v1/attachments/{made['id']}/thumbnail"
    fresh = await client.get(url, headers={"If-None-Match": f'"{tag}"'})
    assert (fresh.status_code, fresh.content) == (304, b"")
    part = await client.get(url, headers={"Range": "bytes=0-1"})
    assert (part.status_code, part.content) == (206, b"\xff\xd8")
    head = await client.head(url)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(whole.content)), b"")


async def test_an_earlier_version_has_its_own(client: httpx.AsyncClient) -> None:
    made = await upload(client, encoded(quarters(), "image/png"))
    first = await thumbnail(client, made)
    url = f"/v1/attachments/{made['id']}"
    await client.put(f"{url}/content", content=encoded(Image.new("RGB", (50, 50)), "image/png"))
    second = await thumbnail(client, made)
    assert first.content != second.content
    assert (await client.get(f"{url}/versions/1/thumbnail")).content == first.content
    assert (await client.get(f"{url}/versions/2/thumbnail")).content == second.content
    for wrong in ("0", "3", "x"):
        answer = await client.get(f"{url}/versions/{wrong}/thumbnail")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


# ---------------------------------------------------------------- once


async def test_equal_files_share_one_rendering_and_one_blob(
    client: httpx.AsyncClient, installation: Installation, watched: Watched
) -> None:
    data = encoded(quarters(), "image/jpeg")
    made = [await upload(client, data, f"{n}.jpg") for n in range(3)]
    pictures = {(await thumbnail(client, each)).content for each in made}
    assert (len(pictures), len(watched.derived)) == (1, 1)
    account = await installation.account()
    digest = hashlib.sha256(pictures.pop()).digest()
    blob = await installation.store._engines.catalog.get(BlobKey(account.number, digest))
    assert blob is not None
    assert blob.refs == 1


async def test_a_hundred_first_requests_at_once_are_one_rendering(client: httpx.AsyncClient, watched: Watched) -> None:
    made = await upload(client, encoded(quarters(800, 600), "image/jpeg"))
    answers = await asyncio.gather(*(thumbnail(client, made, 512) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(watched.derived) == 1


async def test_a_thousand_sizes_are_refused_and_nothing_is_made(client: httpx.AsyncClient, watched: Watched) -> None:
    made = await upload(client, encoded(quarters(), "image/png"))
    wrong = [str(size) for size in range(1030) if size not in SIZES]
    url = f"/v1/attachments/{made['id']}/thumbnail"
    for size in [*wrong, "-128", "128.0", "0256", "٢٥٦", "1e2", "x", "256&size=512", "256&edge=1"]:
        answer = await client.get(f"{url}?size={size}")
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (watched.derived, watched.zygotes) == ([], 0)


async def test_a_restart_keeps_them(tmp_path: Path, watched: Watched) -> None:
    pictures = []
    for _ in range(2):
        async with installed(tmp_path) as opened, await opened.client() as client:
            made = await upload(client, encoded(quarters(), "image/png"))
            pictures.append((await thumbnail(client, made)).content)
    assert pictures[0] == pictures[1]
    assert len(watched.derived) == 1


# ---------------------------------------------------------------- none


@pytest.mark.parametrize(
    ("data", "reason", "tries"),
    [
        (b"plain words", "unsupported", 0),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported", 0),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "refused", 1),
        (encoded(quarters(900, 900), "image/jpeg")[:4000], "refused", 1),
    ],
)
async def test_a_file_that_has_none_says_so_and_is_not_tried_again(
    client: httpx.AsyncClient, watched: Watched, data: bytes, reason: str, tries: int
) -> None:
    made = await upload(client, data)
    for _ in range(3):
        answer = await thumbnail(client, made)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (404, "no_rendition")
        assert reason in problem["detail"]
        assert answer.headers["content-type"] == "application/problem+json"
    assert len(watched.derived) == watched.zygotes == tries
    assert (await client.get(f"/v1/attachments/{made['id']}/content")).content == data


async def test_what_may_work_later_is_503_and_then_works(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await upload(client, encoded(quarters(), "image/png"))

    async def fails(self: CagedRenditions) -> Any:
        raise OSError("no room for a process")

    with monkeypatch.context() as patched:
        patched.setattr(CagedRenditions, "_start", fails)
        answer = await thumbnail(client, made)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "retry-after" in answer.headers
    assert (await thumbnail(client, made)).status_code == 200


async def test_purging_the_last_file_with_the_bytes_takes_them_along(
    client: httpx.AsyncClient, installation: Installation, watched: Watched
) -> None:
    data = encoded(quarters(), "image/jpeg")
    one, two = await upload(client, data), await upload(client, data)
    picture = (await thumbnail(client, one)).content
    account = await installation.account()
    key = BlobKey(account.number, hashlib.sha256(picture).digest())
    refs = []
    for made in (one, two):
        assert (await client.delete(f"/v1/attachments/{made['id']}?purge=true")).status_code == 204
        assert (await thumbnail(client, made)).status_code == 404
        blob = await installation.store._engines.catalog.get(key)
        assert blob is not None
        refs.append(blob.refs)
    assert refs == [1, 0]
    assert (await client.get("/v1/stats")).json()["bytes"] == 0
    again = await upload(client, data)
    assert (await thumbnail(client, again)).content == picture
    assert len(watched.derived) == 2


# ---------------------------------------------------------------- for whom


async def test_they_are_for_those_who_may_read_the_file(client: httpx.AsyncClient, installation: Installation) -> None:
    made = await upload(client, encoded(quarters(), "image/png"), record="contact:42")
    assert (await thumbnail(client, made)).status_code == 200
    url = f"/v1/attachments/{made['id']}"
    paths = [f"{url}/thumbnail?size={size}" for size in SIZES] + [f"{url}/versions/1/thumbnail"]
    askers = [
        (installation.bare_client(), 401),
        (await installation.client(account="other"), 404),
        (await installation.client(scopes=["record:contact:41"]), 404),
        (await installation.client("records.read"), 403),
        (await installation.client("attachments.write"), 403),
        (await installation.client("attachments.read", scopes=["record:contact:42"]), 200),
    ]
    for (asker, expected), path in itertools.product(askers, paths):
        answer = await asker.get(path)
        assert answer.status_code == expected, path
        assert answer.content.startswith(b"\xff\xd8") == (expected == 200)
    for asker, _ in askers:
        await asker.aclose()
    await client.delete(url)
    for path in paths:
        assert (await client.get(path)).status_code == 404


# ---------------------------------------------------------------- facts


async def test_what_is_read_out_of_a_picture_is_shown_and_where_it_was_taken_is_not(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    await installation.store.start()
    data = encoded(quarters(400, 300), "image/jpeg", exif=located().tobytes())
    made = await upload(client, data, "a.jpg", path="/photos/a.jpg", record="contact:42")
    assert "media" not in made
    await settled(installation)
    url = f"/v1/attachments/{made['id']}"
    shown = await client.get(url)
    expected = {"width": 400, "height": 300, "pages": None, "captured_at": "2024-05-01T12:30:00+02:00"}
    assert shown.json() == {**made, "media": expected}
    lists = [
        "/v1/attachments",
        "/v1/records/contact/42/attachments",
        "/v1/attachments?fields=media",
        "/v1/folders/photos",
    ]
    for path in lists:
        listed = await client.get(path)
        [item] = listed.json()["items"]
        assert (item.get("attachment") or item)["media"] == expected
    picture = await thumbnail(client, made)
    everything = [shown, picture, await client.get("/v1/events?after=0"), await client.get(f"{url}/versions")]
    for answer in everything:
        said = answer.content + repr(answer.headers).encode()
        assert not any(word in said for word in (b"Secret", b"GPS", b"gps", b"Exif", b"latitude", b"50.0"))
    assert (await client.get(f"{url}/content")).content == data


async def test_a_document_shows_its_pages_and_other_files_nothing(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    await installation.store.start()
    made = [
        await upload(client, page(b"0 0 m", count=7), "a.pdf"),
        await upload(client, b"plain", "b.txt"),
        await upload(client, b"\x89PNG\r\n\x1a\n" + bytes(99), "c.png"),
    ]
    await settled(installation)
    shown = [(await client.get(f"/v1/attachments/{each['id']}")).json().get("media") for each in made]
    assert shown == [{"width": None, "height": None, "pages": 7, "captured_at": None}, None, None]


async def test_looking_into_a_file_makes_no_change_that_anybody_could_trip_over(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    await installation.store.start()
    data = encoded(quarters(400, 300), "image/png")
    answer = await client.post("/v1/attachments", params={"name": "a.png"}, content=data)
    uploaders, made = answer.headers["etag"], answer.json()
    events = (await client.get("/v1/events?after=0")).json()
    await settled(installation)
    url = f"/v1/attachments/{made['id']}"
    shown = await client.get(url, headers={"If-None-Match": uploaders})
    assert (shown.status_code, shown.json()["revision"]) == (200, made["revision"])
    assert shown.headers["etag"] != uploaders
    assert (await client.get(url, headers={"If-None-Match": shown.headers["etag"]})).status_code == 304
    assert (await client.get("/v1/events?after=0")).json() == events
    assert (await client.get("/v1/stats")).json()["bytes"] == len(data)
    for tag in (uploaders, '"r2m"'):
        assert (await client.patch(url, json={"description": tag}, headers={"If-Match": tag})).status_code == 200
    assert (await client.patch(url, json={"description": "x"}, headers={"If-Match": uploaders})).status_code == 412
    again = await client.post("/v1/attachments", params={"name": "b.png"}, content=data)
    assert again.headers["etag"] == '"r1"'
    shown = await client.get(f"/v1/attachments/{again.json()['id']}")
    assert shown.json()["media"]["width"] == 400
    assert shown.headers["etag"] == '"r1m"'


async def test_files_of_before_are_read_when_somebody_looks(
    client: httpx.AsyncClient, installation: Installation, watched: Watched
) -> None:
    made = await upload(client, encoded(quarters(), "image/png"))
    await installation.store.start()
    assert (await client.get("/v1/attachments")).json()["items"][0].get("media") is None
    await settled(installation)
    assert (await client.get(f"/v1/attachments/{made['id']}")).json()["media"]["width"] == 96
    assert len(watched.derived) == 1


# ---------------------------------------------------------------- two dialects, one rule


async def test_the_picture_is_the_same_through_every_dialect_and_each_keeps_its_own_rule(
    client: httpx.AsyncClient, watched: Watched
) -> None:
    photo = await upload(client, encoded(quarters(800, 600), "image/jpeg"))
    text = await upload(client, b"plain words", "a.txt")
    small = await client.get(f"/attachment/{photo['id']}/thumbnail")
    assert max(Image.open(io.BytesIO(small.content)).size) == 200
    assert (await client.get(f"/attachment/{photo['id']}/thumbnail")).content == small.content
    assert len(watched.derived) == 1
    original = await client.get(f"/attachment/{text['id']}/thumbnail")
    assert (original.status_code, original.content) == (200, b"plain words")
    assert (await thumbnail(client, text)).status_code == 404
    assert len(watched.derived) == 1
