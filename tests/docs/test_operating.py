"""Names and numbers that the pages give are those of the code."""

import re
from collections.abc import Iterator

import httpx
import pytest

from holdfast import compose
from holdfast.blobs import disk, reading
from holdfast.blobs.disk import SEGMENT_SIZE
from holdfast.blobs.frames import PAYLOAD_MAX
from holdfast.cli import serving
from holdfast.core import idempotency, paths
from holdfast.core.errors import OutOfScope
from holdfast.core.model import PERMISSIONS, AccountSettings
from holdfast.core.policy import Policy
from holdfast.dialects.native import NATIVE, paging
from holdfast.media import cage, renditions
from holdfast.settings import Settings
from holdfast.transport import connection
from holdfast.transport.connection import Patience
from holdfast.web import body, content
from holdfast.web.logs import Line
from holdfast.web.problems import STATUS
from holdfast.web.wire import Pace
from tests.house.source import PROJECT
from tests.serving import served

OPERATING = (PROJECT / "docs" / "operating.md").read_text(encoding="utf-8")
API = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
PAGES = sorted((PROJECT / "docs").rglob("*.md"))
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
        ("512 MiB more", cage.MEMORY_BYTES == 512 * MIB, OPERATING),
        ("share 32 MiB of buffers", disk._BUFFERS == 32 * MIB, OPERATING),
        ("at most 256 KiB", reading.CHUNK == 256 * 1024, OPERATING),
        ("at most 10 seconds", renditions.WALL_SECONDS == 10, OPERATING),
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


# ---------------------------------------------------------------- what a server shows


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """The names of all metrics of a real server."""
    with served(tmp_path_factory.mktemp("server") / "data") as server:
        yield set(re.findall(r"^# HELP (\S+)", httpx.get(f"{server.base}/metrics").text, re.MULTILINE))


def test_every_metric_is_explained_and_none_is_invented(exposed: set[str]) -> None:
    assert len(exposed) > 10
    for page in PAGES:
        explained = set(re.findall(r"\bholdfast_\w+", page.read_text(encoding="utf-8")))
        assert explained <= exposed, page.name
    rows = set(re.findall(r"^\| `(holdfast_\w+)` \|", OPERATING, re.MULTILINE))
    assert rows == exposed
