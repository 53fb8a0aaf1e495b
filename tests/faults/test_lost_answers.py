"""The server dies after the commit and before the answer: the client asks again under its key, and hears the answer."""

import asyncio
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.installation import installed
from tests.serving import served

URL = "/v1/attachments?name=lease.pdf&path=/leases/"


async def test_a_create_whose_answer_was_lost_is_answered_after_the_restart(tmp_path: Path) -> None:
    async with installed(tmp_path) as house:
        token = await house.token()
    command = [sys.executable, "-m", "tests.faults.dying_server", str(tmp_path), token, "k-1", URL]
    died = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])
    assert await died.wait() == -signal.SIGKILL
    async with installed(tmp_path) as house, house.bare_client(token) as client:
        (there,) = (await client.get("/v1/attachments")).json()["items"]
        answers = [await client.post(URL, headers={"Idempotency-Key": "k-1"}, content=b"the bytes") for _ in range(2)]
        for answer in answers:
            assert (answer.status_code, answer.json()["id"]) == (201, there["id"])
            assert answer.headers["Idempotency-Replayed"] == "true"
        (left,) = (await client.get("/v1/attachments")).json()["items"]
        assert left == there
        assert (await client.get(f"/v1/attachments/{there['id']}/content")).content == b"the bytes"
        unkeyed = await client.post(URL, content=b"the bytes")
        assert unkeyed.status_code == 409


def test_fifty_threads_with_one_key_make_one_file_on_two_workers(tmp_path: Path) -> None:
    with served(tmp_path / "data", "--workers", "2") as server:
        token = server.token()
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k-1"}
        start = threading.Barrier(50)

        def upload(_: int) -> httpx.Response:
            start.wait()
            with server.client(token) as client:
                return client.post(URL, headers=headers, content=b"the bytes")

        with ThreadPoolExecutor(50) as threads:
            answers = list(threads.map(upload, range(50)))
        assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
        assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
        listed = httpx.get(f"{server.base}/v1/attachments", headers={"Authorization": f"Bearer {token}"})
        assert [item["id"] for item in listed.json()["items"]] == [answers[0].json()["id"]]
