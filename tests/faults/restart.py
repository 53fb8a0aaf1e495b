"""How long a large installation takes to come back: `python -m tests.faults.restart --rows 1000000`.

A catalog is filled, a server on it takes uploads and is killed with all its processes while it does, and the time from
the next start to the first 200 of `/health/ready` is printed, as often as asked.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

from bench.seed import seed
from tests.faults.sockets import UNLIMITED
from tests.faults.state import problems_of
from tests.serving import Served, served

NATIVE = "/v1/attachments"


def busy(server: Served, token: str, name: str) -> list[str]:
    """Upload until the server is gone, which it soon is; the ids of what was acknowledged."""
    made: list[str] = []
    threading.Timer(1.0, server.kill).start()
    with server.client(token) as client:
        try:
            while True:
                answer = client.post(NATIVE, params={"name": f"{name}-{len(made)}", "path": "/"}, content=b"x" * 30_000)
                made.append(answer.json()["id"])
        except httpx.TransportError:
            return made


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.restart", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="attachments in the catalog (default: 1000000)")
    parser.add_argument("--times", type=int, default=5, help="how often to kill and start (default: 5)")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        data = Path(folder) / "data"
        began = time.monotonic()
        seed(data, "acme", given.rows)
        print(f"{given.rows} attachments, {time.monotonic() - began:.0f} s to fill the catalog", flush=True)
        lost, made, token, ready = 0, list[str](), "", list[float]()
        for number in range(given.times + 1):
            began = time.monotonic()
            with served(data, settings=UNLIMITED) as server:
                ready.append(time.monotonic() - began)
                token = token or server.token()
                with server.client(token) as client:
                    lost += sum(client.get(f"{NATIVE}/{id}/content").status_code != 200 for id in made)
                made = busy(server, token, f"run-{number}") if number < given.times else []
        print(f"ready after kill -9: {', '.join(f'{seconds:.2f} s' for seconds in ready[1:])}; {lost} uploads lost")
        # The seeded rows share one blob without events of their own, so only what the engine can check is asked.
        problems = asyncio.run(problems_of(data / "catalog.sqlite", data / "blobs"))
        damaged = [problem for problem in problems if problem.startswith(("integrity", "dangling", "lost"))]
        print(f"{len(damaged)} faults in the catalog")
    return 1 if lost or damaged else 0


if __name__ == "__main__":
    sys.exit(main())
