"""Thumbnails: of JPEG and PNG at the attachment URL, of every document that can be drawn under `/api/`."""

import io

import pytest
from PIL import Image

from tests.dialects.propops.stage import BRANCH_FILES, DOCUMENTS, NOWHERE, PDF, PHOTOS, Stage, refused, refused_plainly
from tests.media.pictures import corners, encoded, page, quarters

PICTURES = "/api/jobs/document-thumbnail"


def sides(content: bytes) -> tuple[str | None, tuple[int, int]]:
    picture = Image.open(io.BytesIO(content))
    return picture.format, picture.size


@pytest.fixture
async def job(stage: Stage) -> str:
    return await stage.me.job()


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png"])
async def test_a_jpeg_or_png_has_a_jpeg_thumbnail_without_a_name(stage: Stage, job: str, kind: str) -> None:
    original = encoded(quarters(800, 600), kind)
    uuid = await stage.me.upload(PHOTOS, job, original, "site.png")
    response = await stage.me.get(f"/attachment/{uuid}/thumbnail")
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["content-length"] == str(len(response.content))
    assert "content-disposition" not in response.headers
    assert sides(response.content) == ("JPEG", (200, 150))
    assert corners(response.content) == ("red", "green", "blue", "grey")


async def test_a_photo_is_kept_as_it_was_sent(stage: Stage, job: str) -> None:
    original = encoded(quarters(800, 600), "image/jpeg", quality=100)
    uuid = await stage.me.upload(PHOTOS, job, original, "site.jpg")
    assert (await stage.me.get(f"/attachment/{uuid}")).content == original


async def test_a_turned_photo_is_upright_and_transparency_is_white(stage: Stage, job: str) -> None:
    turned = Image.new("RGB", (400, 200), (220, 20, 20))
    exif = turned.getexif()
    exif[0x0112] = 6
    uuid = await stage.me.upload(PHOTOS, job, encoded(turned, "image/jpeg", exif=exif), "a.jpg")
    assert sides((await stage.me.get(f"/attachment/{uuid}/thumbnail")).content)[1] == (100, 200)
    clear = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    uuid = await stage.me.upload(PHOTOS, job, encoded(clear, "image/png"), "b.png")
    assert corners((await stage.me.get(f"/attachment/{uuid}/thumbnail")).content) == ("white",) * 4


@pytest.mark.parametrize("kind", ["image/gif", "image/webp", "image/heic", "application/pdf", "text/plain"])
async def test_of_any_other_file_the_original_is_sent(stage: Stage, job: str, kind: str) -> None:
    original = b"plain words" if kind == "text/plain" else encoded(quarters(), kind)
    uuid = await stage.me.upload(DOCUMENTS, job, original, "thing.bin")
    response = await stage.me.get(f"/attachment/{uuid}/thumbnail")
    assert (response.status_code, response.content) == (200, original)
    assert response.headers["content-type"] == kind
    assert response.headers["content-disposition"] == 'attachment; filename="thing.bin"'


async def test_of_a_broken_picture_the_original_is_sent(stage: Stage, job: str) -> None:
    broken = encoded(quarters(800, 600), "image/png")[:400]
    uuid = await stage.me.upload(PHOTOS, job, broken, "a.png")
    response = await stage.me.get(f"/attachment/{uuid}/thumbnail")
    assert (response.status_code, response.content) == (200, broken)
    assert response.headers["content-disposition"] == 'attachment; filename="a.png"'


async def test_a_thumbnail_has_its_own_tag_and_is_the_same_each_time(stage: Stage, job: str) -> None:
    uuid = await stage.me.upload(PHOTOS, job, encoded(quarters(800, 600), "image/png"), "a.png")
    first = await stage.me.get(f"/attachment/{uuid}/thumbnail")
    again = await stage.me.http.get(f"/attachment/{uuid}/thumbnail", headers={"If-None-Match": first.headers["etag"]})
    original = await stage.me.http.head(f"/attachment/{uuid}")
    assert again.status_code == 304
    assert original.headers["etag"] != first.headers["etag"]


# ---------------------------------------------------------------- /api/jobs/document-thumbnail


async def test_a_pdf_document_is_drawn_and_cached_for_a_year(stage: Stage, job: str) -> None:
    document = page(b"1 0 0 rg 0 0 200 100 re f")
    uuid = await stage.me.upload(DOCUMENTS, job, document, "a.pdf")
    response = await stage.me.get(PICTURES, document_uuid=uuid)
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["cache-control"] == "private, max-age=31536000"
    assert "content-disposition" not in response.headers
    assert sides(response.content)[0] == "JPEG"
    assert (await stage.me.get(f"/attachment/{uuid}/thumbnail")).content == document


@pytest.mark.parametrize(("size", "side"), [(None, 200), (50, 128), (128, 128), (129, 200), (201, 256), (500, 512)])
async def test_the_size_asked_for_is_the_least_that_is_sent(
    stage: Stage, job: str, size: int | None, side: int
) -> None:
    uuid = await stage.me.upload(DOCUMENTS, job, encoded(quarters(900, 600), "image/webp"), "a.webp")
    query = {} if size is None else {"size": size}
    response = await stage.me.get(PICTURES, document_uuid=uuid, **query)
    assert max(sides(response.content)[1]) == side


@pytest.mark.parametrize("size", ["0", "49", "501", "-1", "1e9", "x", "1000000000"])
async def test_a_size_out_of_range_is_refused(stage: Stage, job: str, size: str) -> None:
    uuid = await stage.me.upload(DOCUMENTS, job)
    response = await stage.me.get(PICTURES, document_uuid=uuid, size=size)
    refused(response, 400, "Invalid or missing required parameter: size")


async def test_a_drawing_stands_for_a_document_that_cannot_be_drawn(stage: Stage, job: str) -> None:
    uuid = await stage.me.upload(DOCUMENTS, job, b"plain words", "a.txt")
    response = await stage.me.get(PICTURES, document_uuid=uuid)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/svg+xml")
    assert response.headers["cache-control"] == "no-store"
    assert response.content.startswith(b"<svg")


async def test_only_a_job_s_documents_are_drawn_there(stage: Stage, job: str) -> None:
    await stage.record("branch:7")
    photo = await stage.me.upload(PHOTOS, job)
    other = await stage.me.upload(BRANCH_FILES, 7)
    for uuid in (photo, other, NOWHERE, "x"):
        refused(await stage.me.get(PICTURES, document_uuid=uuid), 404, "Resource not found")
    refused(await stage.me.get(PICTURES), 400, "Invalid or missing required parameter: document_uuid")


async def test_pictures_are_for_those_who_may_see_them(stage: Stage, job: str) -> None:
    uuid = await stage.me.upload(DOCUMENTS, job, encoded(quarters(), "image/png"), "a.png")
    viewer = await stage.caller("api.jobs.document_thumbnail.view")
    assert (await viewer.get(PICTURES, document_uuid=uuid)).status_code == 200
    refused_plainly(
        await viewer.get(f"/attachment/{uuid}"), 403, "You do not have permission to download this attachment"
    )
    agent = await stage.caller(scopes=("type:branch",))
    refused(await agent.get(PICTURES, document_uuid=uuid), 403, "You do not have permission to perform this action")
    stranger = await stage.caller(account="other")
    refused(await stranger.get(PICTURES, document_uuid=uuid), 404, "Resource not found")


async def test_a_branch_s_document_is_drawn_when_its_uuid_is_given(stage: Stage, job: str) -> None:
    for branch in ("branch:7", "branch:8"):
        await stage.record(branch)
    uuid = await stage.me.upload(BRANCH_FILES, 7, encoded(quarters(800, 400), "image/png"), "a.png")
    path = "/api/agents/document-thumbnail"
    drawn = await stage.me.get(path, branch_id=7, document_uuid=uuid)
    assert sides(drawn.content) == ("JPEG", (200, 100))
    refused(await stage.me.get(path, branch_id=8, document_uuid=uuid), 404, "Resource not found")
    refused(await stage.me.get(path, document_uuid=uuid), 400, "Invalid or missing required parameter: branch_id")
    unrelated = await stage.me.upload(DOCUMENTS, job, PDF)
    refused(await stage.me.get(path, branch_id=7, document_uuid=unrelated), 404, "Resource not found")
