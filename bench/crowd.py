"""Many large files at once, up and then down, and what the server holds in memory meanwhile."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bench.client import HOST, PeerError, Reply, Upload, head, run_loop

PIECE = 256 << 10

T = TypeVar("T")


@dataclass(frozen=True)
class Load:
    """`count` files of `size` bytes, all under way at the same time; bytes that no two files share."""

    port: int
    headers: Mapping[str, str]
    describe: Callable[[str, int], Upload]
    accepted: Callable[[str, Reply], str | None]
    count: int
    size: int
    salt: str


def send_all(load: Load) -> list[str]:
    """Upload them; the ids that they got. Raises `PeerError` unless all were accepted."""
    filling = os.urandom(PIECE)

    async def one(number: int) -> str | None:
        name = f"{load.salt}-{number:03}.bin"
        form = load.describe(name, load.size)
        length = len(form.before) + load.size + len(form.after)
        reader, writer = await asyncio.open_connection(HOST, load.port)
        writer.write(head(form.method, form.path, {**load.headers, **form.headers}, length) + form.before)
        first = name.encode().ljust(PIECE, b".")
        for start in range(0, load.size, PIECE):
            writer.write((filling if start else first)[: load.size - start])
            await writer.drain()
        writer.write(form.after)
        status, size = await _answered(reader)
        reply = Reply(status, {}, await reader.readexactly(size))
        writer.close()
        return load.accepted(name, reply)

    stored = _gathered(one(number) for number in range(load.count))
    ids = [each for each in stored if each is not None]
    if len(ids) != load.count:
        raise PeerError(f"{load.count - len(ids)} of {load.count} uploads were refused")
    return ids


def fetch_all(load: Load, paths: Iterable[str]) -> None:
    """Download them and drop the bytes. Raises `PeerError` for one that is not whole."""

    async def one(path: str) -> None:
        reader, writer = await asyncio.open_connection(HOST, load.port, limit=PIECE)
        writer.write(head("GET", path, load.headers))
        status, size = await _answered(reader)
        got = 0
        while got < size and (piece := await reader.read(PIECE)):
            got += len(piece)
        writer.close()
        if status != 200 or got != load.size:
            raise PeerError(f"{path}: {status}, {got} bytes of {load.size}")

    _gathered(one(path) for path in paths)


async def _answered(reader: asyncio.StreamReader) -> tuple[int, int]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").lower().split("\r\n")
    sizes = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
    return int(lines[0].split(" ")[1]), int(sizes[0]) if sizes else 0


def _gathered(work: Iterable[Awaitable[T]]) -> list[T]:
    found: list[T] = []

    async def all_at_once() -> None:
        found.extend(await asyncio.gather(*work))

    run_loop(all_at_once)
    return found
