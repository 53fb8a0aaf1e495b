"""Several server processes, each as on a machine of its own, on one catalog and one place for contents."""

import itertools
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from holdfast.app import build
from holdfast.compose import open_store
from holdfast.dialects import ALL
from holdfast.settings import Settings
from tests.deploy.proxies import NGINX, Proxy, nginx, replaced
from tests.engines.pairs import as_environment, fresh_pair
from tests.engines.postgres import Cluster, own_cluster
from tests.installation import Installation
from tests.ports import free_port
from tests.serving import is_ready, started, untrusting

SECONDS = 60
UNLIMITED: Mapping[str, str] = {
    "HOLDFAST_PROPERTY_DECK_RATE_LIMIT": "0",
    "HOLDFAST_PROPOPS_RATE_LIMIT": "0",
    "HOLDFAST_TRUSTED_PROXIES": "127.0.0.1",
}


@dataclass
class Node:
    """A server that may be ended and started again at the same address."""

    port: int
    folder: Path
    settings: Mapping[str, str]
    _held: ExitStack = field(default_factory=ExitStack)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it serves."""
        command = ("serve", "--data", str(self.folder), "--port", str(self.port))
        self._held = ExitStack()
        self.process = self._held.enter_context(started(command, self.folder.parent / "nodes.log", self.settings))
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it is ready."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, (self.folder.parent / "nodes.log").read_text()[-3000:]
            if is_ready(self.base):
                return
            time.sleep(0.05)
        raise AssertionError("a node does not get ready")

    def kill(self) -> None:
        """End all its processes at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self._held.close()

    def dismiss(self) -> None:
        """Ask it to end in order, and do not wait for that."""
        if self.process is not None:
            self.process.terminate()

    def stop(self) -> None:
        """Let it end in order."""
        self._held.close()


class Rotating(httpx.AsyncBaseTransport):
    """Sends each request to the next node."""

    def __init__(self, ports: Iterator[int]) -> None:
        self._ports = ports
        self._inner = httpx.AsyncHTTPTransport(verify=untrusting())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=next(self._ports))
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass(frozen=True)
class Remote(Installation):
    """The installation seen past its nodes, whose clients ask the nodes in turn, or a proxy before them."""

    nodes: tuple[Node, ...] = ()
    proxy: Proxy | None = None
    opened: list[httpx.AsyncClient] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def bare_client(self, token: str | None = None) -> httpx.AsyncClient:
        if self.proxy is not None:
            transport: httpx.AsyncBaseTransport = httpx.AsyncHTTPTransport(verify=self.proxy.trust)
            return self._client(self.proxy.base, token, transport)
        turns = Rotating(itertools.cycle([node.port for node in self.nodes]))
        return self._client(self.nodes[0].base, token, turns)

    def at(self, node: int, token: str | None = None) -> httpx.AsyncClient:
        """A client of one node."""
        return self._client(self.nodes[node].base, token, httpx.AsyncHTTPTransport(verify=untrusting()))

    def _client(self, base: str, token: str | None, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        hooks = {"response": [self._note]}
        made = httpx.AsyncClient(
            base_url=base, headers=headers, transport=transport, timeout=SECONDS, event_hooks=hooks
        )
        self.opened.append(made)
        return made

    async def _note(self, answer: httpx.Response) -> None:
        if answer.status_code >= 400:
            where = answer.request.url.path.split("/")[1]
            self.refused[f"{answer.request.method} /{where} {answer.status_code}"] += 1

    def faults(self) -> dict[str, int]:
        """Answers of 500, which say that the server did not know what to say. Case IQ's API has no 503, and says it."""
        return {what: n for what, n in self.refused.items() if what.endswith(" 500") and " /api-public " not in what}

    async def close(self) -> None:
        """Close the clients, and the store beside the nodes."""
        for client in self.opened:
            await client.aclose()
        await self.store.close()


@contextmanager
def nodes_on(
    engines: Mapping[str, Any], folder: Path, count: int = 3, settings: Mapping[str, str] = UNLIMITED
) -> Iterator[tuple[Node, ...]]:
    """So many nodes that serve, ended with the block."""
    environment = {**as_environment(engines), **settings}
    made = tuple(Node(free_port(), folder / f"node{n}", environment) for n in range(count))
    with ExitStack() as held:
        for node in made:
            node.start(wait=False)
            held.callback(node.stop)
        for node in made:
            node.wait()
        yield made
        for node in made:
            node.dismiss()


@contextmanager
def cluster(folder: Path, settings: Mapping[str, str]) -> Iterator[tuple[tuple[Node, ...], Settings]]:
    """Three nodes on a new pair of engines, and the settings to open the same store with."""
    with fresh_pair("postgres-s3") as engines, nodes_on(engines, folder, settings=settings) as nodes:
        yield nodes, Settings(data=folder / "beside", **engines)


@contextmanager
def own_database(*settings: str) -> Iterator[tuple[Cluster, Mapping[str, Any]]]:
    """A database server that the test may do anything to, and an object store; durable, so that it may be killed."""
    with own_cluster(durable=True) as database, fresh_pair("sqlite-s3") as engines:
        if settings:
            database.stop()
            database.start(*settings)
        yield database, {**engines, "catalog": database.url("postgres")}


@contextmanager
def replicated() -> Iterator[tuple[Cluster, Cluster, Mapping[str, Any]]]:
    """A database server, a standby that has all that is committed before the commit is confirmed, and an object store.

    The settings name both, and the one of them that takes changes is used.
    """
    with own_cluster(durable=True) as first, own_cluster(durable=True) as second, fresh_pair("sqlite-s3") as engines:
        second.stop()
        shutil.rmtree(second.data)
        way = ("--host", str(first.folder), "--port", str(first.port), "--username", "postgres")
        second.run("pg_basebackup", f"--pgdata={second.data}", "--write-recovery-conf", "--checkpoint=fast", *way)
        second.start()
        first.stop()
        first.start("synchronous_standby_names=*")
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        url = f"postgresql://postgres:{first.password}@{hosts}/postgres?target_session_attrs=read-write"
        yield first, second, {**engines, "catalog": url}


@contextmanager
def before(nodes: tuple[Node, ...], folder: Path) -> Iterator[Proxy]:
    """The project's nginx in front of the nodes. One that does not answer is left out for a second; all clients here
    come from one address, and may ask as often as they like.

    Kept connections end within a second, so that none is left idle when a node's notice of some seconds is over, on a
    busy machine too.
    """
    servers = ";\n    server ".join(f"127.0.0.1:{node.port} max_fails=1 fail_timeout=1s" for node in nodes)
    settings = replaced(
        NGINX,
        (r"rate=100r/s", "rate=100000r/s"),
        (r"keepalive 64;\n +keepalive_timeout 60s;", "keepalive 64; keepalive_timeout 1s;"),
    )
    with nginx(servers, folder, settings) as proxy:
        yield proxy


def remote(settings: Settings, nodes: tuple[Node, ...], proxy: Proxy | None = None, slug: str = "acme") -> Remote:
    """The store of the nodes, opened beside them; to be closed."""
    store = open_store(settings)
    return Remote(store, build(store, ALL), settings, slug, nodes=nodes, proxy=proxy)
