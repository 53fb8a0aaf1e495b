"""Two programs that know HTTP judge every content URL of every API, and find nothing that is not published."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from holdfast.samples import samples
from tests.contents import SETTINGS, Sent, uploads
from tests.house.source import PROJECT
from tests.serving import Served, served

PYTHON = PROJECT / ".cache" / "redbot" / "bin" / "python"
JUDGE = Path(__file__).with_name("judge.py")
TEXT = Sent("notes.txt", "text/plain", b"A line of an ordinary text.\n" * 500)
FILES = [
    TEXT,
    Sent("empty.bin", "application/octet-stream", b""),
    Sent("tiny.html", "text/html", b"<!doctype html><p>x"),
    Sent("Übergabe „final“ 50%.pdf", "application/pdf", b"%PDF-1.4\n" + bytes(9000)),
    *[Sent(sample.name, sample.media_type, sample.make()) for sample in samples() if sample.media_type == "image/jpeg"],
]
PROBES: Mapping[str, tuple[str, Mapping[str, str], int]] = MappingProxyType(
    {
        "the head alone": ("HEAD", {}, 200),
        "what may be asked": ("OPTIONS", {}, 204),
        "what may not": ("TRACE", {}, 405),
        "a part": ("GET", {"Range": "bytes=5-9"}, 206),
        "two parts": ("GET", {"Range": "bytes=0-0,7-8"}, 206),
        "a part beyond the end": ("GET", {"Range": "bytes=99999999-"}, 416),
        "parts of another unit": ("GET", {"Range": "lines=1-2"}, 200),
        "another version": ("GET", {"If-Match": '"another"'}, 412),
        "a digest": ("GET", {"Want-Repr-Digest": "sha-512=3"}, 200),
        "a stranger": ("GET", {"Authorization": "Bearer nobody"}, 401),
    }
)


def published() -> set[str]:
    """The notes that `docs/security.md` lists with a reason."""
    page = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([A-Z_]+)` \| .{30,} \|$", page, re.MULTILINE))


def judged(asked: list[dict[str, Any]]) -> list[dict[str, str]]:
    done = subprocess.run([PYTHON, JUDGE], input=json.dumps(asked), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("judges") / "data", "--demo", settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    return server.token(account="demo")


@pytest.fixture(scope="module")
def urls(server: Served, token: str) -> dict[str, list[str]]:
    """The URLs of each file, through all APIs."""
    found: dict[str, list[str]] = {}
    with server.client(token) as client:
        for sent in FILES:
            for upload in uploads().values():
                paths = [path for paths in upload(client, sent).values() for path in paths]
                found.setdefault(sent.name, []).extend(server.base + path for path in paths)
    return found


def asked_with(
    url: str, token: str, method: str = "GET", headers: Mapping[str, str] | None = None, probe: str = ""
) -> dict[str, Any]:
    shown = {"Authorization": f"Bearer {token}", **(headers or {})}
    return {"url": url, "method": method, "headers": shown, "probe": probe}


def test_every_content_url_passes(token: str, urls: dict[str, list[str]]) -> None:
    lines = judged([asked_with(url, token) for found in urls.values() for url in found])
    assert worse_than_published(lines) == []
    made = [json.loads(line["summary"]) for line in lines if line["level"] == "made"]
    assert len(made) == sum(map(len, urls.values())) >= 15 * len(FILES)
    whole = {"plain": 200, "conneg": 200, "range": 206, "etag_validate": 304, "lm_validate": 304}
    assert sum(statuses == whole for statuses in made) >= 13 * (len(FILES) - 1)


@pytest.fixture(scope="module")
def probed(token: str, urls: dict[str, list[str]]) -> list[dict[str, str]]:
    """What is said of all probes, asked in one go: the judges take longer to begin than to judge."""
    # The two drawings that stand for a thumbnail are made by the server, and have neither ranges nor conditions.
    chosen = [url for url in urls[TEXT.name] if "/document-thumbnail" not in url]
    return judged(
        [
            asked_with(url, token, method, headers, probe)
            for probe, (method, headers, _) in PROBES.items()
            for url in chosen
        ]
    )


@pytest.mark.parametrize("probe", PROBES)
def test_every_kind_of_answer_passes(probed: list[dict[str, str]], probe: str) -> None:
    lines = [line for line in probed if line["probe"] == probe]
    assert worse_than_published(lines) == []
    status = PROBES[probe][2]
    assert {json.loads(line["summary"])["plain"] for line in lines if line["level"] == "made"} == {status}


def test_the_judges_see(server: Served, token: str) -> None:
    told = judged([asked_with(f"{server.base}/nothing", token), asked_with("http://127.0.0.1:1/", token)])
    assert [line["note"] for line in told if line["level"] == "bad"] == ["ERROR"]


def worse_than_published(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    allowed = published()
    return [line for line in lines if line["level"] in {"warning", "bad"} and line["note"] not in allowed]
