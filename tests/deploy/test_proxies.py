"""What users meet is a proxy with a server behind it: the ones of deploy/, as they are, with real sockets."""

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from holdfast.transport.connection import Patience
from tests.deploy.proxies import ELSEWHERE, HAPROXY, NGINX, Proxy, haproxy, nginx
from tests.serving import Served, served

MIB = 2**20
NAMES = ("Miete «Zoë».pdf", "日本語 の 書類.pdf", "عقد إيجار.pdf", "100%.pdf", "a+b&c=d?e#f;g.pdf")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = {"HOLDFAST_TRUSTED_PROXIES": "127.0.0.1"}
    with served(tmp_path_factory.mktemp("server") / "data", settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    return server.token()


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def proxy(request: pytest.FixtureRequest, server: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    start = {"nginx": nginx, "haproxy": haproxy}[request.param]
    with start(server.base.removeprefix("http://"), tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def client(proxy: Proxy, token: str) -> Iterator[httpx.Client]:
    with proxy.client(token) as opened:
        yield opened


def test_a_large_upload_streams_through_and_comes_back_in_parts(
    server: Served, proxy: Proxy, client: httpx.Client
) -> None:
    """The server has the first half while the second is not sent yet: nothing in between waits for the whole."""
    half = b"0123456789abcdef" * (10 * MIB // 16)
    arrived: list[int] = []

    def body() -> Iterator[bytes]:
        yield half
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and sum(arrived[-1:]) < 5 * MIB:
            arrived.append(sum(path.stat().st_size for path in (server.data / "blobs" / "tmp").iterdir()))
            time.sleep(0.02)
        yield half

    made = client.post("/v1/attachments", params={"path": f"/{proxy.kind}/large.bin"}, content=body())
    assert made.status_code == 201
    assert (made.json()["size"], arrived[-1] >= 5 * MIB) == (20 * MIB, True)
    content = f"/v1/attachments/{made.json()['id']}/content"
    assert client.get(content).content == half + half
    part = client.get(content, headers={"Range": f"bytes={10 * MIB - 8}-{10 * MIB + 7}"})
    assert (part.status_code, part.content) == (206, (half + half)[10 * MIB - 8 : 10 * MIB + 8])
    assert part.headers["content-range"] == f"bytes {10 * MIB - 8}-{10 * MIB + 7}/{20 * MIB}"
    assert client.get(content, headers={"If-None-Match": part.headers["etag"]}).status_code == 304


def test_paths_arrive_as_they_were_sent(proxy: Proxy, client: httpx.Client) -> None:
    """Names in several scripts, escaped slashes and empty segments: nobody on the way decodes or tidies them."""
    project = client.post("/v2/project/create", json={"name": proxy.kind, "country": "IT"}).json()["project_id"]
    for name in NAMES:
        path = f"/projects/{project}/{name}"
        made = client.post("/v1/attachments", params={"path": path}, content=name.encode())
        assert (made.status_code, made.json()["path"]) == (201, path)
        escaped = "".join(f"%{byte:02X}" for byte in path.encode())
        open_slashes = escaped.replace("%2F", "/")
        for form in (escaped, open_slashes, open_slashes.removeprefix("/")):
            answer = client.get(httpx.URL(proxy.base).copy_with(raw_path=f"/v2/attachment/view/{form}".encode()))
            assert (answer.status_code, answer.content) == (200, name.encode()), form
    doubled = client.get(httpx.URL(proxy.base).copy_with(raw_path=b"/v1//attachments"))
    assert (doubled.status_code, doubled.json()["code"]) == (404, "route_not_found")


def test_addresses_in_answers_are_those_that_clients_use(proxy: Proxy, client: httpx.Client) -> None:
    contact = client.post("/contacts", json={"name": "Zoë", "email": "zoe@example.com"})
    files = {"upload": ("a.pdf", b"%PDF-1.7")}
    made = client.post(f"/contacts/{contact.json()['data']['uuid']}/attachments", files=files)
    url = made.json()["data"]["stream_url"]
    assert url.startswith(f"{proxy.base}/")
    assert client.get(url).content == b"%PDF-1.7"


def test_the_log_names_the_client_and_not_the_proxy(server: Served, proxy: Proxy, client: httpx.Client) -> None:
    """Nor whom the client claims to be."""
    marker = f"/v1/me?{proxy.kind}"
    assert client.get(marker, headers={"X-Forwarded-For": "203.0.113.7"}).status_code == 200
    deadline = time.monotonic() + 60
    found = None
    while found is None and time.monotonic() < deadline:
        found = re.search(rf'^.*"query":"{proxy.kind}".*$', server.log.read_text(), re.MULTILINE)
    assert found is not None
    assert f'"client":"{ELSEWHERE}"' in found[0]
    assert "203.0.113.7" not in found[0]


def test_metrics_are_not_for_strangers(server: Served, client: httpx.Client) -> None:
    assert client.get("/metrics").status_code == 403
    assert httpx.get(f"{server.base}/metrics").status_code == 200


def test_an_upload_that_is_refused_hears_why(client: httpx.Client) -> None:
    """The refusal comes before the end of the body, and arrives."""
    answer = client.post("/v1/attachments", params={"name": "a", "record": "case:none"}, content=bytes(4 * MIB))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("says", ["nothing", "half a head"])
def test_who_says_nothing_is_shown_out(proxy: Proxy, says: str) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as raw:
        if says == "nothing":
            assert raw.recv(1) == b""
            return
        with proxy.trust.wrap_socket(raw, server_hostname="127.0.0.1") as told:
            told.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            rest = told.recv(4096)
            assert rest == b"" or b" 408 " in rest
            assert told.recv(4096) == b""


def test_an_idle_connection_to_the_server_is_closed_by_the_proxy_first() -> None:
    (limit,) = re.findall(r"^    keepalive_timeout (\d+)s;", NGINX.split("server {", 1)[0], re.MULTILINE)
    assert int(limit) < Patience().idle
    (purge,) = re.findall(r"pool-purge-delay (\d+)s", HAPROXY)
    assert int(purge) < Patience().idle


def test_plain_http_leads_to_tls(server: Served, tmp_path: Path) -> None:
    with nginx(server.base.removeprefix("http://"), tmp_path) as proxy:
        answer = httpx.get(f"http://127.0.0.1:{proxy.plain}/v1/a%20b?c=d", headers={"Host": "files.example.com"})
    assert (answer.status_code, answer.headers["location"]) == (308, "https://files.example.com/v1/a%20b?c=d")


def test_a_cache_in_between_gives_nobody_anothers_bytes(server: Served, token: str, tmp_path: Path) -> None:
    """A proxy that keeps for an hour whatever it may keep, and does not look who asks."""
    cache = f"proxy_cache_path {tmp_path}/kept keys_zone=kept:1m;\n"
    keeping = "proxy_cache kept; proxy_cache_valid any 1h; add_header X-Kept $upstream_cache_status always;"
    careless = cache + NGINX.replace("proxy_buffering off;", f"proxy_buffering on; {keeping}")
    upstream = server.base.removeprefix("http://")
    with nginx(upstream, tmp_path, careless) as proxy, proxy.client(token) as one, proxy.client() as other:
        made = one.post("/v1/attachments", params={"path": "/private.png"}, content=b"\x89PNG\r\n\x1a\n private")
        base = f"/v1/attachments/{made.json()['id']}"
        for path in (f"{base}/content", base, "/v1/attachments"):
            for _ in range(2):
                mine = one.get(path)
                assert (mine.status_code, mine.headers["x-kept"]) == (200, "MISS"), path
            theirs = other.get(path)
            assert theirs.status_code == 401, path
            assert b"private" not in theirs.content
        for suffix in ("/x.css", ".css", ";.css", "%2Fx.css", "%3Bx.css"):
            url = httpx.URL(proxy.base).copy_with(raw_path=f"{base}/content{suffix}".encode())
            assert one.get(url).status_code == 404, suffix
