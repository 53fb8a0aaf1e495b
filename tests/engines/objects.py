"""Object stores for tests: small servers on free loopback ports, each started once, and fresh places in them.

A test that needs blobs on an object store takes the fixture `bucket`, a place of its own, and opens it with
`open_objects(bucket)`; one that starts processes makes their data folder with `install(folder, bucket)`, or gives them
`object_settings(bucket)` as their environment.
"""

import atexit
import functools
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from holdfast.blobs.buckets import BucketOptions
from tests.ports import free_port

KEY_ID, SECRET = "AKTESTKEY", "a-secret-for-tests-alone"
STORE_VARIABLE = "OBJECT_STORE"
"""Names the address of a store to use instead of `localbucket`, with these credentials and this bucket; or `az://`, a
store of that kind which the driver finds by the vendor's own variables."""

REGION = "us-east-1"
BUCKET = "holdfast-tests"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
"""What a process needs in its environment to use these stores."""

_SECONDS = 30
_PROMPT = """
import localbucket
localbucket.S3Handler.disable_nagle_algorithm = True
localbucket.ThreadingHTTPServer.request_queue_size = 128
localbucket.main()
"""
"""By itself it sends a head, and the body only 40 ms later, when the client's system has acknowledged the head; and of
more than five connections that are opened at once, those beyond wait a second."""

_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class ObjectStore:
    """A server that runs. `folder` is where it keeps each bucket as a folder of files."""

    name: str
    endpoint: str
    folder: Path
    scheme: str = "s3"
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def fresh(self) -> BucketOptions:
        """A place of its own for one test: a prefix in the store's bucket, which other runs may have used before."""
        return self.place(f"run-{os.getpid()}-{next(self._numbers):06d}/held")

    def place(self, prefix: str, bucket: str = BUCKET) -> BucketOptions:
        """A prefix in a bucket, there or not."""
        return BucketOptions(url=f"{self.scheme}://{bucket}/{prefix}", endpoint=self.endpoint, region=REGION)

    def files(self, options: BucketOptions) -> list[Path]:
        """The objects of a place, as the server keeps them."""
        place = self.folder / options.url.removeprefix("s3://")
        return sorted(path for path in place.rglob("*") if path.is_file())

    @property
    def incomplete(self) -> list[Path]:
        """The uploads in parts that are neither complete nor aborted; of `localbucket` alone."""
        return sorted((self.folder / ".localbucket-uploads").glob("*"))


def object_settings(options: BucketOptions) -> dict[str, str]:
    """The environment of a process whose blobs are in that place."""
    return CREDENTIALS | {f"HOLDFAST_{name.upper()}": value for name, value in _named(options)}


def install(data: Path, options: BucketOptions) -> Path:
    """A data folder whose contents are in that place, for commands that are told nothing but the folder; they need
    `CREDENTIALS` in their environment."""
    data.mkdir(parents=True)
    (data / "holdfast.toml").write_text("".join(f'{name} = "{value}"\n' for name, value in _named(options)))
    return data


def _named(options: BucketOptions) -> list[tuple[str, str]]:
    return [("blobs", options.url), ("s3_endpoint", options.endpoint), ("s3_region", options.region)]


@contextmanager
def localbucket() -> Iterator[ObjectStore]:
    """Conditional creates, ranges and parts as S3 has them; credentials are not checked."""
    with TemporaryDirectory(prefix="localbucket-") as folder:
        (Path(folder) / BUCKET).mkdir()
        port = free_port()
        command: list[str | Path] = [sys.executable, "-c", _PROMPT, "--host", "127.0.0.1", "--port", str(port), folder]
        with _running(command, {}, port):
            yield ObjectStore("localbucket", f"http://127.0.0.1:{port}", Path(folder))


@functools.cache
def shared_store() -> ObjectStore:
    """The one of this test run, started at its first use and stopped at the end of the process."""
    started = chosen()
    store = started.__enter__()
    atexit.register(started.__exit__, None, None, None)
    return store


@contextmanager
def chosen() -> Iterator[ObjectStore]:
    """The store that the environment names, else `localbucket`."""
    given = os.environ.get(STORE_VARIABLE, "")
    if given.endswith("://"):
        yield ObjectStore("given", "", Path(os.devnull), given.removesuffix("://"))
    elif given:
        yield ObjectStore("given", given, Path(os.devnull))
    else:
        with localbucket() as store:
            yield store


@contextmanager
def rclone() -> Iterator[ObjectStore]:
    """Signatures are checked for real; ranges are answered with 200, and conditions on creates are ignored."""
    with TemporaryDirectory(prefix="rclone-") as folder:
        (Path(folder) / BUCKET).mkdir()
        port = free_port()
        flags = ["--addr", f"127.0.0.1:{port}", "--config", os.devnull]
        command: list[str | Path] = [_BIN / "rclone", "serve", "s3", *flags, folder]
        with _running(command, {"RCLONE_AUTH_KEY": f'"{KEY_ID},{SECRET}"'}, port):
            yield ObjectStore("rclone", f"http://127.0.0.1:{port}", Path(folder))


@contextmanager
def _running(command: list[str | Path], extra: Mapping[str, str], port: int) -> Iterator[None]:
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | extra
    )
    try:
        _wait_for(port, process)
        yield
    finally:
        process.terminate()
        process.wait(_SECONDS)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(_SECONDS * 50):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not answer")
