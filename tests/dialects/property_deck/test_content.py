"""The two file URLs."""

import pytest

from tests.dialects.property_deck.stage import PDF, PNG, Stage


async def test_download_is_to_be_saved(stage: Stage) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}")
    response = await stage.http.get(made["download_url"])
    assert (response.status_code, response.content) == (200, PDF)
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Content-Length"] == str(len(PDF))
    assert response.headers["Content-Disposition"] == 'attachment; filename="example.pdf"'


@pytest.mark.parametrize(
    ("name", "content", "declared"),
    [("a.pdf", PDF, "application/pdf"), ("a.png", PNG, "image/png"), ("a.txt", b"hello", "text/plain")],
)
async def test_stream_is_to_be_viewed(stage: Stage, name: str, content: bytes, declared: str) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}", name, content, type=declared)
    response = await stage.http.get(made["stream_url"])
    assert (response.status_code, response.content) == (200, content)
    assert response.headers["Content-Type"].partition(";")[0] == declared
    assert response.headers["Content-Disposition"].startswith("inline")


@pytest.mark.parametrize(
    ("name", "content", "declared"),
    [
        ("a.html", b"<html><script>alert(1)</script>", "text/html"),
        ("a.png", b"<html><script>alert(1)</script>", "image/png"),
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
        ("a.bin", b"\x00\x01", "application/octet-stream"),
    ],
)
async def test_what_could_act_in_a_browser_is_saved_even_from_stream(
    stage: Stage, name: str, content: bytes, declared: str
) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}", name, content, type=declared)
    response = await stage.http.get(made["stream_url"])
    assert response.content == content
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response.headers["Content-Security-Policy"]


async def test_the_headers_keep_stored_bytes_from_acting(stage: Stage) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}")
    for url in (made["download_url"], made["stream_url"]):
        headers = (await stage.http.get(url)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "private, no-cache"


async def test_parts_and_conditions(stage: Stage) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}")
    url = made["stream_url"]
    part = await stage.http.get(url, headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, PDF[:8])
    assert part.headers["Content-Range"] == f"bytes 0-7/{len(PDF)}"
    tag = part.headers["ETag"]
    assert (await stage.http.get(url, headers={"If-None-Match": tag})).status_code == 304
    assert (await stage.http.get(url, headers={"If-Match": '"other"'})).status_code == 412
    assert (await stage.http.get(url, headers={"Range": "bytes=999999-"})).status_code == 416
    head = await stage.http.head(url)
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(len(PDF)))


async def test_names_survive_the_way_out(stage: Stage) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}", "平面図 🏠.pdf")
    named = (await stage.http.get(made["download_url"])).headers["Content-Disposition"]
    assert "filename*=UTF-8''%E5%B9%B3%E9%9D%A2%E5%9B%B3%20%F0%9F%8F%A0.pdf" in named


async def test_file_urls_need_the_token_in_the_header(stage: Stage) -> None:
    made = await stage.upload(f"/contacts/{await stage.contact()}")
    token = await stage.house.token()
    for query in ("", f"?token={token}", f"?access_token={token}"):
        response = await stage.house.bare_client().get(made["download_url"] + query)
        assert (response.status_code, response.json()) == (401, {"message": "Unauthenticated."})
