"""The two scenes: a crowd that stalls while a good client works, and uploads that are cut anywhere."""

import asyncio
import os
import time
from dataclasses import dataclass

import httpx

from holdfast.cli import demo
from tests.rude.clients import Crowd, abort, head
from tests.rude.house import PATIENCE, GoodClient, Holdings, holdings, large_file, settled
from tests.serving import Served

LARGE = 8 << 20
_HALF = b"x" * 5_000


@dataclass
class Ending:
    """What was there before, during and after, and how the good client fared. The crowd was `complete` from when all
    were there until the first was shown out, by the clock of `GoodClient`."""

    before: Holdings
    after: Holdings
    quiet: GoodClient
    good: GoodClient
    complete: tuple[float, float]
    stalled: int
    closed: int
    answers: dict[str, int]


async def crowded(server: Served, client: httpx.Client, writers: int, readers: int, calm: float = 0) -> Ending:
    """Uploads that stop half-way and downloads at 1 KiB a second, both at once, with a good client in between, which
    has worked alone for `calm` seconds before."""
    token = client.headers["Authorization"].removeprefix("Bearer ")
    content = large_file(client, LARGE)
    quiet, good = GoodClient(client), GoodClient(client)
    if calm:
        with quiet.working():
            await asyncio.sleep(calm)
    before = holdings(server)
    stalled, slow = Crowd(server.base), Crowd(server.base)
    upload = head("POST", "/v1/attachments?name=half&path=/half", token, f"Content-Length: {2 * len(_HALF)}") + _HALF
    with good.working():
        await stalled.stall(writers, upload)
        await slow.trickle(readers, head("GET", content, token))
        here = time.monotonic()
        closed = await stalled.given_up(PATIENCE)
    await stalled.leave()
    await slow.leave()
    after = await asyncio.to_thread(settled, server, before)
    return Ending(before, after, quiet, good, (here, stalled.first_closed), writers, closed, stalled.answers)


async def deafened(server: Served, client: httpx.Client, readers: int) -> Holdings:
    """Downloads of which nobody reads a byte; what the server holds when it has given them up, while they hold on."""
    token = client.headers["Authorization"].removeprefix("Bearer ")
    content = large_file(client, LARGE)
    before = holdings(server)
    deaf = Crowd(server.base)
    await deaf.trickle(readers, head("GET", content, token), 0)
    await asyncio.sleep(PATIENCE / 2)
    held = holdings(server)
    assert held.descriptors >= before.descriptors + readers, "they are gone before their time"
    try:
        return await asyncio.to_thread(settled, server, before)
    finally:
        await deaf.leave()


def uploads_to_cut(token: str) -> list[bytes]:
    """One whole request for each way of uploading, of bytes that nobody has sent before."""
    found = []
    forms = [
        ("/v1/attachments?path=/cut/", "file", {}),
        (f"/contacts/{demo.ADA.id}/attachments", "upload", {}),
        ("/api-public/1.0/save_file", "file", {"caseId": demo.CASE.id}),
        (f"/v2/workspaces/{demo.WORKSPACE.id}/documents/{demo.DOCUMENT.id}/attachments", "file", {}),
        ("/api/jobs/documents", "file", {"action": "upload", "job_uuid": demo.BOILER.id, "csrf_token": "x"}),
        (f"/v2/attachment/%2Fprojects%2F{demo.PROJECT.id}", "file", {"path": "cut.bin"}),
    ]
    for size in (3_000, 200_000, 1_500_000):
        for path, name, fields in forms:
            made = httpx.Request("POST", "http://x", data=fields, files={name: ("cut.bin", os.urandom(size))})
            body = made.read()
            sent = [f"Content-Type: {made.headers['Content-Type']}", f"Content-Length: {len(body)}"]
            found.append(head("POST", path, token, *sent) + body)
        raw = [f"Content-Length: {size}", "Content-Type: application/octet-stream"]
        found.append(head("POST", "/v1/attachments?name=cut&path=/cut/cut", token, *raw) + os.urandom(size))
        chunked = b"".join(b"%x\r\n" % 1000 + os.urandom(1000) + b"\r\n" for _ in range(size // 1000)) + b"0\r\n\r\n"
        path = "/v1/attachments?name=cut&path=/cut/chunked"
        found.append(head("POST", path, token, "Transfer-Encoding: chunked") + chunked)
    return found


async def cut_off(server: Served, client: httpx.Client, count: int, seed: int) -> tuple[Holdings, Holdings, int]:
    """Cut that many uploads at random bytes; what the server holds before and after, and how many had begun a body."""
    token = client.headers["Authorization"].removeprefix("Bearer ")
    requests = uploads_to_cut(token)
    before = await asyncio.to_thread(holdings, server)
    begun = await abort(server.base, requests, count, seed)
    after = await asyncio.to_thread(settled, server, before)
    return before, after, begun


def figures(client: httpx.Client) -> dict[str, int]:
    """What the account holds, as the server counts it."""
    answer = client.get("/v1/stats")
    answer.raise_for_status()
    return {name: value for name, value in answer.json().items() if isinstance(value, int)}
