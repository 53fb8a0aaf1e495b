"""What a point read, a page, a name search and an upload cost as the store grows: medians of sequential requests.

For each size a new Holdfast is started on loopback, its catalog filled by bench.seed while it is stopped, and then
asked one thing at a time over one kept-alive connection. Prints a Markdown table of milliseconds. With --postgres its
catalog is a new database there, removed afterwards; its size on the disk is told.
"""

import argparse
import http.client
import json
import math
import random
import shutil
import signal
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.client import HOST, SMALL, PeerError, Reply, payload
from bench.peers import PAGE, SEARCH, Holdfast, Place, fresh_folder
from bench.prepare import CACHE, ROOT
from bench.server import Server, free_port

Request = tuple[str, str, bytes, Mapping[str, str]]
WARM_UP = 20


@dataclass(frozen=True)
class Operation:
    """One kind of request: how the n-th of them is made, and the status that means it worked."""

    title: str
    make: Callable[[int], Request]
    status: int = 200


class OneConnection:
    """Requests one after the other on one kept-alive connection."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self.link = http.client.HTTPConnection(HOST, port, timeout=60)
        self.headers = headers

    def ask(self, request: Request) -> Reply:
        method, path, body, headers = request
        try:
            self.link.request(method, path, body or None, {**self.headers, **headers})
            answer = self.link.getresponse()
        except http.client.RemoteDisconnected:
            # The server closes connections that were idle for its header deadline.
            self.link.close()
            self.link.request(method, path, body or None, {**self.headers, **headers})
            answer = self.link.getresponse()
        return Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())

    def median_ms(self, operation: Operation, count: int) -> float:
        took = []
        for number in range(WARM_UP + count):
            request = operation.make(number)
            began = time.perf_counter()
            reply = self.ask(request)
            took.append((time.perf_counter() - began) * 1e3)
            if reply.status != operation.status:
                raise PeerError(f"{operation.title}: {reply.status} {reply.body[:200]!r}")
        return statistics.median(took[WARM_UP:])


def get(path: str) -> Request:
    return "GET", path, b"", {}


def spread_ids(connection: OneConnection, holdfast: Holdfast, wanted: int) -> list[str]:
    """Ids from everywhere in the store, found by their seeded names."""
    chance, found = random.Random(1), []
    for _ in range(wanted):
        name = f"seed-{chance.randrange(holdfast.place.rows)}.pdf"
        items = connection.ask(get(f"/v1/attachments?limit=1&q={name}")).json()["items"]
        found += [str(item["id"]) for item in items]
    if not found:
        raise PeerError("no seeded attachment was found by its name")
    return found


def operations(connection: OneConnection, holdfast: Holdfast) -> list[Operation]:
    ids, lists, rows = spread_ids(connection, holdfast, 200), holdfast.lists(), holdfast.place.rows
    salt, chance = uuid.uuid4().hex[:8], random.Random(2)

    def one(_: int) -> Request:
        # Another each time: one that is asked for again may be remembered.
        return get(f"/v1/attachments?limit={PAGE}&q=seed-{chance.randrange(rows)}.pdf")

    def upload(number: int) -> Request:
        form = holdfast.upload(f"{salt}-{number}.bin", SMALL, "application/octet-stream")
        return form.method, form.path, form.before + payload(number, salt) + form.after, form.headers

    return [
        Operation("point read by id", lambda number: get(holdfast.metadata(ids[number % len(ids)]))),
        Operation(f"first page of {PAGE}", lambda number: get(lists["first"])),
        Operation("deep page, 100 rows before the end", lambda number: get(lists["deep"])),
        Operation(f"name search, common part ({SEARCH})", lambda number: get(lists["search"])),
        Operation("name search, one hit", one),
        Operation("upload of 50 KiB", upload, status=201),
    ]


@contextmanager
def database(admin: str | None) -> Iterator[str | None]:
    """A new database beside the one that a superuser's connection string names."""
    if admin is None:
        yield None
        return
    import psycopg  # noqa: PLC0415 -- needed with --postgres alone

    name = f"holdfast_scale_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'".encode())
        try:
            parts = urlsplit(admin)
            # Without a host urlunsplit would leave the slashes out.
            yield f"{parts.scheme}://{parts.netloc}/{name}?{parts.query}"
            told = f"SELECT pg_database_size('{name}')".encode()
            say(f"{int(connection.execute(told).fetchall()[0][0]):,} bytes in the database")
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def measure(rows: int, program: Path, requests: int, catalog: str | None) -> dict[str, float]:
    """Medians in milliseconds by operation, for one size."""
    place = Place(fresh_folder(CACHE / "scale"), free_port(), free_port(), rows)
    holdfast = Holdfast(place, program, workers=1)
    server = Server(holdfast, CACHE / "scale.log")
    if catalog is not None:
        (place.folder / "data").mkdir()
        (place.folder / "data" / "holdfast.toml").write_text(f"catalog = {json.dumps(catalog)}\n")
    try:
        holdfast.prepare()
        server.start()
        holdfast.setup()
        server.stop()
        say(f"{rows:,} attachments: putting them in ...")
        holdfast.seed()
        server.start()
        connection, medians = OneConnection(place.port, holdfast.headers), dict[str, float]()
        for operation in operations(connection, holdfast):
            medians[operation.title] = connection.median_ms(operation, requests)
            say(f"{rows:,} attachments: {operation.title} {medians[operation.title]:.3f} ms")
        return medians
    finally:
        server.stop()
        shutil.rmtree(place.folder, ignore_errors=True)


def table(sizes: Sequence[int], medians: Sequence[Mapping[str, float]]) -> str:
    head = ["median, ms", *(f"{size:,}" for size in sizes), "last / first"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for title in medians[0]:
        figures = [each[title] for each in medians]
        cells = [*(f"{figure:.3f}" for figure in figures), f"{figures[-1] / figures[0]:.2f}"]
        lines.append("| " + " | ".join([title, *cells]) + " |")
    growth = math.log(sizes[-1]) / math.log(sizes[0])
    return "\n".join(
        [*lines, "", f"The logarithm of the number of attachments grows {growth:.2f} times over this range."]
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="numbers of attachments (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=200, help="timed requests for each figure (default: 200)")
    parser.add_argument("--postgres", metavar="URL", help="a superuser's postgresql:// URL (default: SQLite)")
    program = ROOT / ".venv" / "bin" / "holdfast"
    parser.add_argument("--holdfast", type=Path, default=program, help="the program (default: .venv/bin/holdfast)")
    given = parser.parse_args()
    try:
        sizes = sorted({int(size) for size in given.sizes.split(",")})
    except ValueError:
        parser.error("--sizes takes whole numbers with commas between them")
    if sizes[0] < 200 or given.requests < 1:
        parser.error("--sizes start at 200, --requests at 1")
    if not given.holdfast.exists():
        say("holdfast is not installed. To install it:  make serve")
        return 2
    CACHE.mkdir(parents=True, exist_ok=True)
    # A terminated run must stop its server too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        medians = []
        for size in sizes:
            with database(given.postgres) as catalog:
                medians.append(measure(size, given.holdfast.absolute(), given.requests, catalog))
    except PeerError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130
    print(table(sizes, medians))
    return 0


if __name__ == "__main__":
    sys.exit(main())
