"""An installation whose contents are in a bucket: served, kept up, backed up and restored, and refused when it cannot
be used."""

import asyncio
import hashlib
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from holdfast.blobs.buckets import BucketOptions
from holdfast.blobs.objects import open_objects
from tests.engines.faulty import FaultyProxy, Status, faulty, never
from tests.engines.objects import ObjectStore, install
from tests.serving import Served, attempt, run, served

LARGE = 9 * 1024 * 1024
PATIENCE = 60


def upload(client: httpx.Client, data: bytes) -> str:
    answer = client.post("/v1/attachments", params={"name": "file"}, content=data)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def content(client: httpx.Client, id: str) -> bytes:
    answer = client.get(f"/v1/attachments/{id}/content")
    assert answer.status_code == 200, answer.text
    return answer.content


def objects_in(bucket: BucketOptions) -> int:
    """How many the store itself lists, whichever it is."""

    async def count() -> int:
        store = open_objects(bucket)
        try:
            return len([stored async for stored in store.scan()])
        finally:
            await store.close()

    return asyncio.run(count())


# ---------------------------------------------------------------- a life


def test_an_installation_lives_in_a_bucket(bucket: BucketOptions, object_store: ObjectStore, tmp_path: Path) -> None:
    data = install(tmp_path / "data", bucket)
    bodies = [os.urandom(size) for size in (0, 1000, 300_000, LARGE)]
    with served(data) as server, server.client() as client:
        ids = [upload(client, body) for body in bodies]
        for id, body in zip(ids, bodies, strict=True):
            assert content(client, id) == body
        part = client.get(f"/v1/attachments/{ids[3]}/content", headers={"Range": "bytes=5000000-5000099"})
        assert (part.status_code, part.content) == (206, bodies[3][5_000_000:5_000_100])
        again = upload(client, bodies[1])
        assert objects_in(bucket) == 4
        assert client.delete(f"/v1/attachments/{again}", params={"purge": "true"}).status_code < 300
        assert client.delete(f"/v1/attachments/{ids[2]}", params={"purge": "true"}).status_code < 300
    assert not (data / "blobs").exists()
    run("backup", "--data", data, tmp_path / "backup")
    run("restore", "--drill", tmp_path / "backup")
    assert "removed" in run("collect", "--data", data, "--grace-hours", "0")
    assert objects_in(bucket) == 3
    assert "all is well" in run("verify", "--data", data)

    other = install(tmp_path / "restored", object_store.fresh())
    run("restore", "--data", other, tmp_path / "backup")
    with served(other) as server, server.client() as client:
        for number in (0, 1, 3):
            assert content(client, ids[number]) == bodies[number]


def test_lost_and_orphaned_objects_are_found_and_mended(
    bucket: BucketOptions, object_store: ObjectStore, tmp_path: Path
) -> None:
    data = install(tmp_path / "data", bucket)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(b"kept by the backup")
    run("import", "--data", data, "--account", "acme", tmp_path / "tree")
    run("backup", "--data", data, tmp_path / "backup")
    (file,) = object_store.files(bucket)
    file.rename(file.with_name("f" * 32))
    found = attempt("verify", "--data", data, "--grace-hours", "0")
    assert found.returncode == 1
    assert "damaged" in found.stdout
    assert "orphan" in found.stdout
    run("verify", "--data", data, "--repair", tmp_path / "backup", "--yes")
    assert run("collect", "--data", data, "--grace-hours", "0").count("1 orphaned files removed") == 1
    assert "all is well" in run("verify", "--data", data)


# ---------------------------------------------------------------- what cannot be opened


@pytest.mark.usefixtures("object_credentials")
@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("account", "list"), ("doctor",)], ids=" ".join)
@pytest.mark.parametrize(
    ("wrong", "named"),
    [("bucket", "blobs: "), ("endpoint", "s3_endpoint: "), ("credentials", "AWS_SECRET_ACCESS_KEY: ")],
)
def test_a_store_that_cannot_be_used_is_one_line_that_names_the_setting(
    signing_store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: tuple[str, ...],
    wrong: str,
    named: str,
) -> None:
    options = signing_store.fresh()
    if wrong == "bucket":
        options = signing_store.place("held", bucket="not-there")
    elif wrong == "endpoint":
        options = BucketOptions(options.url, "http://127.0.0.1:9", options.region)
    else:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-is-wrong")
    done = attempt(*command, "--data", install(tmp_path / "data", options))
    said = done.stdout + done.stderr
    assert "a-secret-that-is-wrong" not in said
    if command == ("doctor",):
        assert done.returncode == 1
        assert named in done.stdout
    else:
        assert done.returncode == 2, said
        assert done.stderr.count("\n") == 1
        assert named in done.stderr


@pytest.mark.parametrize(
    "settings",
    [
        {"blobs": "s3://"},
        {"blobs": "s3://key:secret@bucket/prefix"},
        {"blobs": "s3://bucket/../other"},
        {"blobs": "s3://bucket/a//b"},
        {"blobs": "s3://bucket?endpoint=x"},
        {"blobs": "ftp://bucket/prefix"},
        {"s3_endpoint": "minio:9000"},
        {"s3_endpoint": "https://key:secret@minio"},
        {"s3_encryption": "rot13"},
        {"s3_encryption_key": "arn:aws:kms:key"},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, settings: dict[str, str]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "holdfast.toml").write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    done = attempt("account", "list", "--data", data)
    assert done.returncode == 2
    assert next(iter(settings)) in done.stderr
    assert "secret" not in done.stderr


# ---------------------------------------------------------------- what clients see of a store that fails


@pytest.fixture
async def proxy(bucket: BucketOptions) -> AsyncIterator[FaultyProxy]:
    async with faulty(bucket) as opened:
        yield opened


async def test_clients_hear_of_a_store_that_fails_and_never_get_less_than_there_is(
    proxy: FaultyProxy, bucket: BucketOptions, tmp_path: Path
) -> None:
    body = os.urandom(4 * 1024 * 1024)
    with ExitStack() as stack:
        # The proxy lives on this loop, and the server asks it for the bucket before it is ready.
        server = await asyncio.to_thread(stack.enter_context, served(install(tmp_path / "data", proxy.of(bucket))))
        headers = {"Authorization": f"Bearer {await asyncio.to_thread(server.token)}"}
        async with httpx.AsyncClient(base_url=server.base, headers=headers, timeout=PATIENCE) as client:
            answer = await client.post("/v1/attachments", params={"name": "file"}, content=body)
            path = f"/v1/attachments/{answer.json()['id']}/content"
            proxy.decide = lambda _: "cut"
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(path)
            proxy.decide = lambda _: Status(403, "ExpiredToken")
            get = await client.get(path)
            post = await client.post("/v1/attachments", params={"name": "b"}, content=b"b")
            assert (get.status_code, post.status_code) == (503, 503)
            assert "retry-after" in get.headers
            proxy.decide = never
            assert (await client.get(path)).content == body


def test_readers_that_go_away_leave_room_for_the_next(bucket: BucketOptions, tmp_path: Path) -> None:
    with served(install(tmp_path / "data", bucket)) as server, server.client() as client:
        body = os.urandom(3 * 1024 * 1024)
        id = upload(client, body)
        token = client.headers["Authorization"]
        for _ in range(300):
            assert client.head(f"/v1/attachments/{id}/content").status_code == 200
            _begin_and_leave(server, f"/v1/attachments/{id}/content", token)
        assert hashlib.sha256(content(client, id)).digest() == hashlib.sha256(body).digest()
        # Connections to the store are closed with their readers, or wait in the pool for the next.
        until = time.monotonic() + PATIENCE
        while _connections(server, bucket) > 16:
            assert time.monotonic() < until
            time.sleep(0.1)


def _begin_and_leave(server: Served, path: str, authorization: str) -> None:
    parts = urlsplit(server.base)
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as line:
        head = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: {authorization}\r\n\r\n"
        line.sendall(head.encode())
        assert line.recv(64).startswith(b"HTTP/1.1 200")


def _connections(server: Served, bucket: BucketOptions) -> int:
    port = urlsplit(bucket.endpoint).port
    lines = [line for process in server.processes for line in process.net_connections("tcp")]
    return sum(getattr(line.raddr, "port", None) == port for line in lines)
