"""Large files on their way from a disk store through the application to a real socket, past its transport."""

import hashlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from holdfast.app import Options, build
from holdfast.blobs.disk import open_disk
from holdfast.core.model import ByteRange, Content
from holdfast.core.store import Store as CoreStore
from tests.transport.test_connection import serving
from tests.web.toy import TOY, Store

DATA = random.Random(5).randbytes(3 << 20)
TOKEN = {"Authorization": "Bearer token-1"}
URL = "/toy/files/large.bin"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes went past the transport, each time."""
    counts: list[int] = []
    write = os.write

    def counted(socket: int, data: memoryview) -> int:
        counts.append(len(data))
        return write(socket, data)

    monkeypatch.setattr(os, "write", counted)
    return counts


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    blobs, store = open_disk(tmp_path), Store()
    # A filesystem in memory does not know the flag that asks for what can be read at once.
    blobs.files._root.reader._nowait = 0
    writer = blobs.create(7)
    await writer.write(DATA)
    locator, digest = await writer.commit(), hashlib.sha256(DATA).digest()
    kind = "application/octet-stream"
    store.files["large.bin"] = Content("large.bin", kind, len(DATA), digest, 0, lambda part: blobs.read(locator, part))
    app = build(cast(CoreStore, store), [TOY], Options())
    async with serving(app) as (_, address), httpx.AsyncClient(headers=TOKEN) as opened:
        opened.base_url = "http://{}:{}".format(*address)
        yield opened
    await blobs.close()


async def test_the_whole_and_every_kind_of_part_arrive(client: httpx.AsyncClient, sent: list[int]) -> None:
    for _ in range(2):
        assert (await client.get(URL)).content == DATA
    for start, end in ((0, 0), (5, 700_000), (len(DATA) - 300_001, len(DATA) - 1)):
        part = await client.get(URL, headers={"Range": f"bytes={start}-{end}"})
        assert (part.status_code, part.content) == (206, DATA[start : end + 1])
    assert sum(sent) >= 2 * len(DATA)
    several = await client.get(URL, headers={"Range": "bytes=0-99,1000000-1999999"})
    assert DATA[1_000_000:2_000_000] in several.content
    assert len(several.content) == int(several.headers["content-length"])
    head = await client.head(URL)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(DATA)))
    assert (await client.get(URL)).content == DATA


def only_file(root: Path) -> Path:
    (found,) = (path for path in root.rglob("*-*") if path.is_file())
    return found


async def test_a_file_that_is_gone_or_cut_is_an_error_and_never_taken_for_whole(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, write = only_file(tmp_path), os.write

    def cut(socket: int, data: memoryview) -> int:
        os.truncate(file, 1 << 20)
        return write(socket, data)

    monkeypatch.setattr(os, "write", cut)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(URL)
    file.unlink()
    assert (await client.get(URL)).status_code >= 500


async def test_a_range_is_what_the_store_was_asked_for(client: httpx.AsyncClient, sent: list[int]) -> None:
    part = ByteRange(1 << 20, 4096)
    answer = await client.get(URL, headers={"Range": f"bytes={part.start}-{part.start + part.length - 1}"})
    assert answer.content == DATA[part.start : part.start + part.length]
    assert sent == [part.length]
