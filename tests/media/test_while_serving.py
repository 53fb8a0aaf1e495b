"""Hostile files in a real server: everybody else is served meanwhile, and no child outlives it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.media.pictures import encoded, quarters
from tests.media.test_hostile import HOSTILE
from tests.serving import Served, served

ATTACKS = (
    "JPEG with 5,000 scans",
    "PNG as large as allowed in 16-bit RGBA",
    "PNG text that inflates to 300 MB",
    "GIF of 200,000 frames",
    "TIFF that inflates",
    "PDF of a billion laughs",
    "PDF that runs a script and a program",
    "HEIC of lying measures",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "data", settings={"HOLDFAST_ACCESS_LOG": "false"}) as running:
        yield running


def cages(server: Served) -> list[psutil.Process]:
    """The zygotes of all server processes, and their children."""
    family = psutil.Process(server.process.pid).children(recursive=True)
    found = []
    for each in family:
        try:
            if "holdfast.media.zygote" in each.cmdline():
                found.append(each)
        except psutil.NoSuchProcess:
            continue
    return found


def upload(client: httpx.Client, data: bytes, name: str) -> str:
    answer = client.post("/v1/attachments", params={"name": name}, content=data)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_the_api_goes_on_while_hostile_files_are_worked_on_and_no_child_stays(server: Served) -> None:
    good = encoded(quarters(800, 600), "image/jpeg")
    with httpx.Client(base_url=server.base, headers={"Authorization": f"Bearer {server.token()}"}) as client:
        assert cages(server) == []
        honest = upload(client, good, "good.jpg")
        hostile = [upload(client, HOSTILE[name][1](), name) for name in ATTACKS]
        for _ in range(200):
            assert client.get(f"/v1/attachments/{honest}/content").content == good
            assert client.get("/v1/attachments").status_code == 200
        client.timeout = httpx.Timeout(120)
        assert client.get(f"/v1/attachments/{honest}/thumbnail").content.startswith(b"\xff\xd8")
        answers = [client.get(f"/v1/attachments/{id}/thumbnail") for id in hostile]
        assert {answer.status_code for answer in answers} <= {200, 404}
        assert client.get("/health/ready").status_code == 200
        assert len(cages(server)) <= 2
        upload(client, HOSTILE["JPEG with 5,000 scans"][1]() + b"again", "last.jpg")
        children = cages(server)
    server.process.terminate()
    assert server.process.wait(60) == 0
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
