"""What a crowd of slow clients costs a good one: its times in quiet and among 3,000 stalled uploads and 500 readers of
1 KiB a second. `python -m bench.slow [SECONDS]`; the good client is a process of its own, the crowd another.
"""

import asyncio
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx

from tests.contents import SETTINGS
from tests.rude.clients import Crowd, head, many_descriptors
from tests.rude.house import GoodClient, large_file
from tests.serving import served

WRITERS, READERS = 3000, 500


def good_client(base: str, token: str, seconds: float) -> GoodClient:
    """Work for so long, and say how it went."""
    with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        good = GoodClient(client)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            good.round()
    return GoodClient(None, good.succeeded, good.failures, good.seconds)


def told(name, good):
    figures = "  ".join(f"p{share * 100:g} {good.percentile(share) * 1000:7.1f} ms" for share in (0.5, 0.95, 0.99))
    print(f"{name:<8} {good.succeeded:6d} answers  {len(good.failures)} failures  {figures}", flush=True)
    return good.percentile(0.99)


async def main(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    with (
        tempfile.TemporaryDirectory() as folder,
        many_descriptors(16384),
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
        served(Path(folder) / "data", "--demo", settings=SETTINGS) as server,
    ):
        token = server.token(account="demo")
        with server.client(token) as client:
            content = large_file(client, 8 << 20)
        await loop.run_in_executor(pool, good_client, server.base, token, 3.0)
        quiet = told("quiet", await loop.run_in_executor(pool, good_client, server.base, token, seconds))
        stalled, slow = Crowd(server.base), Crowd(server.base)
        # Enough to be let on for the whole measurement: 15 s without a byte is the end of an upload.
        body = head("POST", "/v1/attachments?name=half&path=/half", token, "Content-Length: 200000") + b"x" * 60_000
        await stalled.stall(WRITERS, body)
        await slow.trickle(READERS, head("GET", content, token))
        crowded = told("crowded", await loop.run_in_executor(pool, good_client, server.base, token, seconds))
        print(
            f"p99 among {WRITERS - stalled.closed} stalled uploads and {READERS - slow.closed} slow readers: ", end=""
        )
        print(f"{crowded / quiet:.2f} times quiet")
        await stalled.leave()
        await slow.leave()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0))
