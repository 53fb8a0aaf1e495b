"""Names and numbers that the pages give are those of the code."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from holdfast import compose
from holdfast.blobs.disk import SEGMENT_SIZE
from holdfast.blobs.frames import PAYLOAD_MAX
from holdfast.cli import serving
from holdfast.core import idempotency, paths
from holdfast.core.errors import OutOfScope
from holdfast.core.model import PERMISSIONS, AccountSettings
from holdfast.core.policy import Policy
from holdfast.dialects.native import NATIVE, paging
from holdfast.settings import Settings
from holdfast.transport import connection
from holdfast.transport.connection import Patience
from holdfast.web import body, content
from holdfast.web.logs import Line
from holdfast.web.problems import STATUS
from holdfast.web.wire import Pace
from tests.house.source import PROJECT
from tests.serving import Served, free_port, served

OPERATING = (PROJECT / "docs" / "operating.md").read_text(encoding="utf-8")
API = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
MIB = 2**20


def test_every_permission_is_explained() -> None:
    rows = set(re.findall(r"^\| `([a-z.*]+)` \|", OPERATING, re.MULTILINE))
    assert rows >= PERMISSIONS


def test_every_limit_of_an_account_is_shown() -> None:
    options = {f"--{name.replace('_', '-')}" for name in AccountSettings.__struct_fields__}
    assert sorted(option for option in options if option not in OPERATING) == []


def test_every_field_of_the_access_log_is_explained() -> None:
    assert [name for name in Line.__struct_fields__ if f"`{name}`" not in OPERATING] == []


def test_every_error_code_is_in_its_row() -> None:
    rows = dict(re.findall(r"^\| (\d{3}) \| (.*) \|$", API, re.MULTILINE))
    # What is out of scope is told as what is not there.
    told = {kind.code: status for kind, status in STATUS.items() if kind is not OutOfScope}
    missing = [code for code, status in told.items() if f"`{code}`" not in rows.get(str(status), "")]
    assert missing == []


def test_every_filter_of_the_list_is_explained() -> None:
    route = next(route for route in NATIVE.routes if (route.method, route.path) == ("GET", "/v1/attachments"))
    names = [parameter.name for parameter in route.operation.parameters]
    assert [name for name in names if not re.search(rf"`{name}[`=]", API)] == []


def test_settings_that_pages_name_exist() -> None:
    named = ("upload_limit", "trash_retention_days", "public_url", "trusted_proxies", "metrics_access", "access_log")
    assert set(named) <= set(Settings.__struct_fields__)
    assert all(f"`{name}" in OPERATING + API or f"\n{name} = " in OPERATING for name in named)


@pytest.mark.parametrize(
    ("text", "value", "page"),
    [
        ("parts of a form | 64", body.MAX_PARTS == 64, API),
        ("headers of a part | 8 KiB, 16 lines", (body.MAX_PART_HEADER_BYTES, body.MAX_PART_HEADERS) == (8192, 16), API),
        ("a field of a form | 64 KiB", body.MAX_FIELD == 64 * 1024, API),
        ("a JSON body | 1 MiB", body.MAX_DOCUMENT == MIB, API),
        ("at least 1 KiB a second over 15 seconds", (Pace().floor, Pace().window) == (1024, 15), API),
        ("up to 16 after", content.MAX_RANGES == 16, API),
        ("up to 255 characters", paths.MAX_NAME == 255, API),
        ("up to 1024 characters", paths.MAX_PATH == 1024, API),
        ("is 1 to 1000, 50 unless told", (paging.MAX_LIMIT, paging.DEFAULT_LIMIT) == (1000, 50), API),
        ("5 GiB unless set", (Policy().upload_limit, Settings().upload_limit) == (5 * 2**30, 5 * 2**30), API),
        ("contents over 256 KiB", PAYLOAD_MAX == 256 * 1024, OPERATING),
        ("a file of up to 128 MiB", SEGMENT_SIZE == 128 * MIB, OPERATING),
        ("up to 30 seconds", serving.DRAIN_SECONDS == 30, OPERATING),
        ("10 seconds and 32 KiB", (Patience().head, connection.MAX_HEAD) == (10, 32768), OPERATING),
        ("between two requests after 75", Patience().idle == 75, OPERATING),
        ("as far as it may, up to\n65536", serving.OPEN_FILES == 65536, OPERATING),
        ("warns below 4096", compose.FEW_FILES == 4096, OPERATING),
        ("for 60 seconds is cut", Pace().send_deadline == 60, OPERATING),
        ("5 seconds or 64 MiB", (Pace().drain_seconds, Pace().drain_bytes) == (5, 64 * MIB), OPERATING),
        ("within 24 hours", idempotency.KEPT == 24 * 3600 * 1_000_000, API),
        ("every hour", Settings().collect_interval_minutes == 60, OPERATING),
        ("`collect_grace_hours` (24)", Settings().collect_grace_hours == 24, OPERATING),
        ("every day", Settings().verify_interval_hours == 24, OPERATING),
        ("may have 1024 requests", Settings().address_requests == 1024, OPERATING),
        ("256 of them with a body", Settings().address_uploads == 256, OPERATING),
        ("(30 unless set", Settings().trash_retention_days == 30, OPERATING),
    ],
)
def test_numbers_are_those_of_the_code(text: str, value: bool, page: str) -> None:
    assert text in page
    assert value, text


# ---------------------------------------------------------------- the proxy's configuration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = {"HOLDFAST_TRUSTED_PROXIES": "127.0.0.1"}
    with served(tmp_path_factory.mktemp("server") / "data", settings=settings) as running:
        yield running


def test_every_metric_is_explained(server: Served) -> None:
    names = re.findall(r"^# HELP (\S+)", httpx.get(f"{server.base}/metrics").text, re.MULTILINE)
    assert len(names) > 5
    assert [name for name in names if f"`{name}`" not in OPERATING] == []


@contextmanager
def proxied(server: Served, folder: Path) -> Iterator[str]:
    """The page's nginx in front of a server: without TLS, and on a free port."""
    block = re.search(r"^```nginx\n(.*?)^```$", OPERATING, re.MULTILINE | re.DOTALL)
    assert block is not None
    port = free_port()
    text = block[1].replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    text = re.sub(r"^ *ssl_.*\n", "", text, flags=re.MULTILINE).replace("http://127.0.0.1:8080", server.base)
    modules = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{name}_temp_path {folder}/{name};" for name in modules)
    around = f"daemon off; pid {folder}/pid; events {{}}\nhttp {{ access_log off; {places}"
    (folder / "nginx.conf").write_text(f"{around}\n{text}}}\n")
    command = ["nginx", "-p", str(folder), "-e", str(folder / "errors"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command)
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(f"{base}/health/live")
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "errors").read_text()
        yield base
    finally:
        process.terminate()
        process.wait(30)


def test_the_proxy_of_the_page_passes_everything_on(server: Served, tmp_path: Path) -> None:
    token = server.token()
    with proxied(server, tmp_path) as base, httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        large = b"0123456789abcdef" * (MIB // 4)
        made = client.post(f"{base}/v1/attachments", params={"path": "/a b/%.bin"}, content=large)
        assert made.status_code == 201
        assert client.get(f"{base}{made.headers['Location']}/content").content == large
        assert client.get(f"{base}/v1/folders/a%20b").json()["items"][0]["name"] == "%.bin"
        slashes = httpx.get(f"{base}/v1//attachments", headers=dict(client.headers))
        assert (slashes.status_code, slashes.json()["code"]) == (404, "route_not_found")
        assert client.get(f"{base}/metrics").status_code == 403
    assert '"client":"127.0.0.1"' in server.log.read_text()
