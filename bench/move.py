"""Moves an installation there and back under load: `python -m bench.move --postgres URL [--blobs URL]`.

N attachments with contents of their own are put into SQLite and a folder. While clients upload, purge and read on a
real server, `holdfast move` brings all to a new database of that PostgreSQL and another folder or an object store, and
back again. Each time every acknowledged upload is read from the new place, and `holdfast verify` looks at both sides.
What reaches the object store is read from the environment, as for any command. Run with the interpreter that has the
package.
"""

import argparse
import asyncio
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self

import msgspec

from bench.prepare import CACHE
from bench.scale import database
from bench.seed import APART, HOOKS, RECORD, furnish
from bench.server import free_port
from holdfast.blobs.disk import DiskBlobs, open_disk
from holdfast.catalog.sqlite import open_sqlite
from holdfast.compose import now
from holdfast.core.identity import uuid7
from holdfast.core.model import Attachment, Blob, Link, Version
from holdfast.core.ports import LedgerKey, Tx
from holdfast.settings import Settings, load_settings, local_path

PROGRAM = (sys.executable, "-c", "from holdfast.cli import main; main()")
BATCH = 1000
CLIENTS = 3
PAUSE = 0.1
HANDS = 16
HOST = "127.0.0.1"


async def fill(settings: Settings, count: int) -> None:
    """Put attachments in, of 1 to 7 KiB each, and one in a hundred of 300 KiB."""
    model = await furnish(settings, "bench", (RECORD,), {}, HOOKS, None)
    catalog, blobs = open_sqlite(local_path(settings.catalog)), open_disk(local_path(settings.blobs))
    try:
        for first in range(0, count, BATCH):
            numbers = range(first, min(first + BATCH, count))
            stored = await asyncio.gather(*(_stored(blobs, model, n) for n in numbers))
            await catalog.transact(_batch(model, first, stored))
            print(f"\r{first + len(stored)} of {count}", end="", file=sys.stderr)
        print(file=sys.stderr)
    finally:
        await blobs.close()
        await catalog.close()


async def _stored(blobs: DiskBlobs, model: Attachment, n: int) -> Blob:
    writer = blobs.create(model.account)
    await writer.write(os.urandom(300_000 if n % 100 == 0 else 1000 + n * 37 % 6000))
    received = await writer.finish()
    return Blob(model.account, received.sha256, received.size, await writer.commit(), 1, model.created_at)


def _batch(model: Attachment, first: int, stored: list[Blob]) -> Callable[[Tx], Awaitable[None]]:
    async def body(tx: Tx) -> None:
        ledger = await tx.get(LedgerKey(model.account))
        assert ledger is not None
        at, number = max(now(), ledger.clock + 1), ledger.numbers["attachment"]
        for place, blob in enumerate(stored):
            made, id, name = at + place * APART, uuid7(at + place * APART, os.urandom), f"seed-{first + place}.bin"
            told = {"id": id, "number": number + place + 1, "name": name, "created_at": made, "updated_at": made}
            row = msgspec.structs.replace(model, size=blob.size, sha256=blob.sha256, **told)
            by = row.created_by
            await tx.add(row)
            await tx.add(Version(row.account, id, 1, name, row.media_type, row.size, row.sha256, made, by))
            await tx.add(blob)
            await tx.add(Link(row.account, uuid7(made, os.urandom), id, RECORD, HOOKS[0].role, 0, None, made, by))
        size = sum(blob.size for blob in stored)
        changes = {"bytes": ledger.bytes + size, "attachments": ledger.attachments + len(stored)}
        numbers = {**ledger.numbers, "attachment": number + len(stored)}
        await tx.save(msgspec.structs.replace(ledger, clock=at + len(stored) * APART, numbers=numbers, **changes))

    return body


class Load:
    """Clients that upload, read and purge until they are stopped. `held` are acknowledged: digests by id."""

    def __init__(self, port: int, token: str) -> None:
        self.held: dict[str, str] = {}
        self.gone: set[str] = set()
        self.refused = 0
        self.faults: list[str] = []
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}"}
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        link, number = http.client.HTTPConnection(HOST, self._port, timeout=60), 0
        while not self._done.wait(PAUSE):
            number += 1
            data = os.urandom(4000)
            status, body = ask(link, "POST", "/v1/attachments?name=load&record=job:bench", self._headers, data)
            if not self._counts(status, body):
                continue
            id = str(json.loads(body)["id"])
            if number % 4 == 0:
                status, body = ask(link, "DELETE", f"/v1/attachments/{id}?purge=true", self._headers)
                if self._counts(status, body):
                    self.gone.add(id)
                    continue
            self.held[id] = hashlib.sha256(data).hexdigest()
            status, body = ask(link, "GET", f"/v1/attachments/{id}/content", self._headers)
            if status != 200 or body != data:
                self.faults.append(f"{id}: {status}")

    def _counts(self, status: int, body: bytes) -> bool:
        if status == 503:
            self.refused += 1
        elif status >= 300:
            self.faults.append(f"{status} {body[:200]!r}")
        return status < 300


def ask(
    link: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str], body: bytes | None = None
) -> tuple[int, bytes]:
    link.request(method, path, body, headers)
    answer = link.getresponse()
    return answer.status, answer.read()


@contextmanager
def served(data: Path) -> Iterator[int]:
    port = free_port()
    command = [*PROGRAM, "serve", "--data", str(data), "--port", str(port)]
    with (data / "server.log").open("ab") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(600):
            try:
                if ask(http.client.HTTPConnection(HOST, port, timeout=5), "GET", "/health/ready", {})[0] == 200:
                    break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(60)


def holdfast(*arguments: str | Path) -> str:
    done = subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"holdfast {arguments[0]}: {done.stderr[-1000:]}{done.stdout[-1000:]}")
    return done.stdout


def told(folder: Path, catalog: str, blobs: str) -> Path:
    """A data folder with settings of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = {"catalog": catalog, "blobs": blobs}
    (folder / "holdfast.toml").write_text("".join(f"{name} = {json.dumps(lines[name])}\n" for name in lines))
    return folder


def wrongly_held(port: int, token: str, held: tuple[str, str]) -> bool:
    """Whether an attachment is not there any more, or has not the bytes of that digest."""
    id, digest = held
    status, body = asked(port, token, f"/v1/attachments/{id}/content")
    return status != 200 or hashlib.sha256(body).hexdigest() != digest


def wrongly_there(port: int, token: str, id: str) -> bool:
    """Whether an attachment is there that was purged."""
    return asked(port, token, f"/v1/attachments/{id}")[0] != 404


def asked(port: int, token: str, path: str) -> tuple[int, bytes]:
    """A reading request on a connection of its own."""
    link = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        return ask(link, "GET", path, {"Authorization": f"Bearer {token}"})
    finally:
        link.close()


def there(old: Path, new: Path, token: str) -> dict[str, float]:
    """Move under load; what was acknowledged is read from the new place."""
    target = load_settings(overrides={"data": str(new)})
    with served(old) as port, Load(port, token) as load:
        time.sleep(3)
        began = time.perf_counter()
        said = holdfast("move", "--data", old, "--to-catalog", target.catalog, "--to-blobs", target.blobs)
        seconds = time.perf_counter() - began
    print(said, flush=True)
    with served(new) as port, ThreadPoolExecutor(HANDS) as hands:
        wrong = sum(hands.map(partial(wrongly_held, port, token), load.held.items()))
        wrong += sum(hands.map(partial(wrongly_there, port, token), load.gone))
    for fault in load.faults[:10]:
        print("failed:", fault)
    closed = re.search(r"refused for ([\d.]+) s, and (\d+) rows", said)
    return {
        "seconds": round(seconds, 1),
        "seconds closed": float(closed[1]) if closed else -1,
        "rows compared then": int(closed[2]) if closed else -1,
        "acknowledged meanwhile": len(load.held) + len(load.gone),
        "refused": load.refused,
        "lost or wrong": wrong,
        "other failures": len(load.faults),
    }


def verified(side: Path) -> str:
    """What `holdfast verify` says of a side, and how long it took."""
    began = time.perf_counter()
    said = holdfast("verify", "--data", side).strip().splitlines()[-1]
    return f"{said}, in {time.perf_counter() - began:.0f} s"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.move", description=__doc__)
    parser.add_argument("--attachments", type=int, default=100_000, help="how many (default: %(default)s)")
    parser.add_argument("--postgres", metavar="URL", required=True, help="a superuser's postgresql:// URL")
    parser.add_argument("--blobs", metavar="URL", help="where contents go there (default: another folder)")
    given = parser.parse_args()
    root = CACHE / "move"
    shutil.rmtree(root, ignore_errors=True)
    try:
        with database(given.postgres) as catalog:
            old = told(root / "old", f"sqlite://{root}/old/catalog.sqlite", f"file://{root}/old/blobs")
            new = told(root / "new", str(catalog), given.blobs or f"file://{root}/new/blobs")
            asyncio.run(fill(load_settings(overrides={"data": str(old)}), given.attachments))
            token = holdfast(
                "token", "create", "--data", old, "--account", "bench", "--name", "b", "--allow", "*"
            ).strip()
            for title, ends in (("there", (old, new)), ("back", (new, old))):
                print(title, json.dumps(there(*ends, token)), flush=True)
                for side in ends:
                    print(f"{title}: {side.name}: {verified(side)}", flush=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
