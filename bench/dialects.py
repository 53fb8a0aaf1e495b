"""What a page of each API's list costs among 100,000 attachments: `python -m bench.dialects`.

Every attachment hangs on one contact, one job, one case and one document and lies in a project's folder, so each API
lists the same rows. First and deep pages (the last 100 rows) are asked for in turns over one kept-alive connection;
prints a Markdown table of median milliseconds and of the ratio to the native first page.
"""

import argparse
import asyncio
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec

from bench.client import PeerError
from bench.peers import Holdfast, Place, fresh_folder
from bench.prepare import CACHE, ROOT
from bench.scale import OneConnection, Request, get, say
from bench.seed import BATCH, furnish, put_in
from bench.server import Server, free_port
from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from holdfast.settings import Settings

CONTACT = RecordRef("contact", "7d0f7c1e-58b3-4c5e-9a4e-3f6f5d2b9a01")
JOB = RecordRef("job", "550e8400-e29b-41d4-a716-446655440010")
CASE = RecordRef("case", "4f0f5c0e-7c0e-4d0c-9a53-2a0b7d0f3b11")
SHIPPER = RecordRef("organization", "8d5ad423-bfdd-4b66-a6de-0cde92707f54")
WORKSPACE = RecordRef("workspace", "a2070b04-ca32-4a36-af58-c56e25715cb5")
DOCUMENT = RecordRef("document", "ff16bb4f-e595-47d1-b945-acd8a0a898e1")
PROJECT = RecordRef("project", "b5a7d602-3fc9-4e2a-9d1a-6e5b4c8f7a01")
PARENTS = {WORKSPACE: (SHIPPER,), DOCUMENT: (WORKSPACE,)}
RECORDS = (CONTACT, JOB, CASE, SHIPPER, WORKSPACE, DOCUMENT, PROJECT)
HOOKS = (Hook(CONTACT), Hook(JOB, "document"), Hook(CASE), Hook(DOCUMENT))
FOLDER = f"/projects/{PROJECT.id}"
JSON = {"Content-Type": "application/json"}


def lists(rows: int, oldest: str) -> dict[str, dict[str, Request]]:
    """First and deep page of each API; `oldest` is a time near the end of the rows, as Case IQ prints it."""
    deep, files = rows - 100, f"/v2/workspaces/{WORKSPACE.id}/documents/{DOCUMENT.id}/attachments"
    deck, jobs = "/attachments?per_page=50", f"/api/jobs/documents?action=list&job_uuid={JOB.id}&limit=50"
    cases, page = "/api-public/1.0/attachments?limit=50", deep // 50

    def tree(number: int) -> Request:
        body = msgspec.json.encode({"parent_path": FOLDER, "per-page": 50, "page": number})
        return "POST", "/v2/attachment/index", body, JSON

    return {
        "Property Deck": {"first": get(deck), "deep": get(f"{deck}&page={page}")},
        "PropOps": {"first": get(jobs), "deep": get(f"{jobs}&offset={deep}")},
        "Case IQ": {"first": get(cases), "deep": get(f"{cases}&before={quote(oldest)}")},
        "4HSE": {"first": tree(1), "deep": tree(page)},
        "Navarik Bridge": {"first": get(f"{files}?limit=50"), "deep": get(f"{files}?limit=50&offset={deep}")},
    }


def native_lists(connection: OneConnection, rows: int) -> dict[str, Request]:
    """The native first page, and the one that its cursors lead to near the end."""
    first = path = "/v1/attachments?limit=50"
    for _ in range((rows - 100) // 1000):
        cursor = connection.ask(get(path.replace("limit=50", "limit=1000"))).json()["next"]
        path = f"{first}&cursor={quote(cursor, safe='')}"
    return {"first": get(first), "deep": get(path)}


def measure(rows: int, program: Path, requests: int) -> dict[str, dict[str, float]]:
    """Medians in milliseconds by API and page."""
    place = Place(fresh_folder(CACHE / "dialects"), free_port(), free_port(), rows)
    holdfast = Holdfast(place, program, workers=1)
    server = Server(holdfast, CACHE / "dialects.log")
    try:
        holdfast.prepare()
        arguments = ["--data", str(place.folder / "data"), "--rows", str(rows), "--fill"]
        subprocess.run([str(program.parent / "python"), "-m", "bench.dialects", *arguments], cwd=ROOT, check=True)
        server.start()
        connection = OneConnection(place.port, holdfast.headers)
        native = native_lists(connection, rows)
        oldest = connection.ask(native["deep"]).json()["items"][0]["created_at"]
        asked = {"native": native, **lists(rows, str(oldest))}
        return {name: timed(connection, pages, requests) for name, pages in asked.items()}
    finally:
        server.stop()
        shutil.rmtree(place.folder, ignore_errors=True)


def timed(connection: OneConnection, pages: Mapping[str, Request], requests: int) -> dict[str, float]:
    """Medians of the pages, asked for in turns."""
    took: dict[str, list[float]] = {label: [] for label in pages}
    for _ in range(requests):
        for label, request in pages.items():
            began = time.perf_counter()
            reply = connection.ask(request)
            took[label].append((time.perf_counter() - began) * 1e3)
            if reply.status != 200:
                raise PeerError(f"{request[1]}: {reply.status} {reply.body[:200]!r}")
    return {label: statistics.median(times) for label, times in took.items()}


def table(medians: Mapping[str, Mapping[str, float]]) -> str:
    unit = medians["native"]["first"]
    lines = ["| API | first page, ms | deep page, ms | first / native first | deep / first |", "|---|---|---|---|---|"]
    for name, figures in medians.items():
        first, deep = figures["first"], figures["deep"]
        lines.append(f"| {name} | {first:.2f} | {deep:.2f} | {first / unit:.1f} | {deep / first:.1f} |")
    return "\n".join(lines)


def fill(data: Path, rows: int) -> None:
    """Put the rows in, with all their links and their place in the tree."""
    settings = Settings(data=data)
    data.mkdir(parents=True, exist_ok=True)
    (data / "holdfast.toml").write_text("property_deck_rate_limit = 0\npropops_rate_limit = 0\n")
    model = asyncio.run(furnish(settings, "bench", RECORDS, PARENTS, HOOKS, FOLDER))
    asyncio.run(put_in(settings, model, rows, HOOKS))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dialects", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="attachments (default: 100000)")
    parser.add_argument("--requests", type=int, default=100, help="timed requests for each figure (default: 100)")
    program = ROOT / ".venv" / "bin" / "holdfast"
    parser.add_argument("--holdfast", type=Path, default=program, help="the program (default: .venv/bin/holdfast)")
    parser.add_argument("--data", type=Path, help="with --fill: the data folder")
    parser.add_argument("--fill", action="store_true", help="only put the rows into --data")
    given = parser.parse_args()
    if given.rows < 2 * BATCH:
        parser.error(f"--rows is at least {2 * BATCH}")
    if given.fill:
        if given.data is None:
            parser.error("--fill needs --data")
        fill(given.data, given.rows)
        return 0
    CACHE.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(table(measure(given.rows, given.holdfast.absolute(), given.requests)))
    except (PeerError, subprocess.CalledProcessError) as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
