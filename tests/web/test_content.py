"""Conditions, ranges, names and headers of stored bytes."""

import itertools
from base64 import b64encode
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import formatdate
from types import SimpleNamespace
from typing import cast
from unittest.mock import AsyncMock
from urllib.parse import unquote

import pytest
from falcon.asgi import Request
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.core.model import ByteRange
from holdfast.web.content import MAX_RANGES, disposition, http_date, ranges_of, serve
from holdfast.web.dialect import Call
from tests.web.asgi import Client
from tests.web.toy import Store

DATA = bytes(range(256)) * 10
SIZE = len(DATA)
STAMP = 1_700_000_000
ON, BEFORE, AFTER = (formatdate(STAMP + delta, usegmt=True) for delta in (0, -1, 1))


@pytest.fixture(autouse=True)
def stored(store: Store) -> str:
    store.keep("empty.bin", b"")
    return '"' + store.keep("data.bin", DATA).sha256.hex() + '"'


async def test_the_whole_and_its_headers(client: Client, store: Store, stored: str) -> None:
    answer = await client("GET", "/toy/files/data.bin")
    assert (answer.status, answer.body, answer["content-length"]) == (200, DATA, str(SIZE))
    assert answer["etag"] == stored
    assert answer["last-modified"] == ON
    assert answer["accept-ranges"] == "bytes"
    assert answer["content-disposition"] == 'attachment; filename="data.bin"'
    assert answer["repr-digest"] == f"sha-256=:{b64encode(store.files['data.bin'].sha256).decode()}:"
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["content-security-policy"] == "sandbox; default-src 'none'; frame-ancestors 'none'"
    assert answer["cross-origin-resource-policy"] == answer["cross-origin-opener-policy"] == "same-origin"
    assert answer["referrer-policy"] == "no-referrer"
    assert answer["cache-control"] == "private, no-cache"
    assert answer["vary"] == "Authorization"


async def test_head_reads_nothing(client: Client, store: Store) -> None:
    get = await client("GET", "/toy/files/data.bin")
    reads = store.reads
    head = await client("HEAD", "/toy/files/data.bin", headers={"range": "bytes=0-1"})
    assert (head.status, head.body, store.reads) == (200, b"", reads)
    drop = b"x-request-id"
    assert {h for h in head.raw_headers if h[0] != drop} == {h for h in get.raw_headers if h[0] != drop}


CONDITIONS = [
    ({}, 200),
    ({"if-match": "{tag}"}, 200),
    ({"if-match": '"other", {tag}'}, 200),
    ({"if-match": "*"}, 200),
    ({"if-match": '"other"'}, 412),
    ({"if-match": "W/{tag}"}, 412),
    ({"if-match": ""}, 412),
    ({"if-unmodified-since": ON}, 200),
    ({"if-unmodified-since": BEFORE}, 412),
    ({"if-unmodified-since": "yesterday"}, 200),
    ({"if-match": "{tag}", "if-unmodified-since": BEFORE}, 200),
    ({"if-none-match": "{tag}"}, 304),
    ({"if-none-match": "W/{tag}"}, 304),
    ({"if-none-match": "*"}, 304),
    ({"if-none-match": '"a","b" , {tag}'}, 304),
    ({"if-none-match": '"other"'}, 200),
    ({"if-modified-since": ON}, 304),
    ({"if-modified-since": AFTER}, 304),
    ({"if-modified-since": BEFORE}, 200),
    ({"if-modified-since": "0"}, 200),
    ({"if-none-match": '"other"', "if-modified-since": AFTER}, 200),
    ({"if-match": '"other"', "if-none-match": "{tag}"}, 412),
    ({"if-match": "{tag}", "if-none-match": "{tag}"}, 304),
]
RANGES = [
    ({}, None),
    ({"range": "bytes=0-9"}, (0, 10)),
    ({"range": "bytes=0-9", "if-range": "{tag}"}, (0, 10)),
    ({"range": "bytes=0-9", "if-range": "W/{tag}"}, None),
    ({"range": "bytes=0-9", "if-range": '"other"'}, None),
    ({"range": "bytes=0-9", "if-range": ON}, (0, 10)),
    ({"range": "bytes=0-9", "if-range": AFTER}, None),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("condition", "ranged"), list(itertools.product(CONDITIONS, RANGES)))
async def test_conditions_and_ranges_in_their_order(
    client: Client, stored: str, method: str,
    condition: tuple[dict[str, str], int], ranged: tuple[dict[str, str], tuple[int, int] | None],
) -> None:  # fmt: skip
    headers = {name: value.replace("{tag}", stored) for name, value in {**condition[0], **ranged[0]}.items()}
    answer = await client(method, "/toy/files/data.bin", headers=headers)
    span = ranged[1] if method == "GET" else None
    expected = 206 if condition[1] == 200 and span else condition[1]
    assert answer.status == expected
    if expected == 206 and span:
        assert answer.body == DATA[span[0] : span[0] + span[1]]
        assert answer["content-range"] == f"bytes {span[0]}-{span[0] + span[1] - 1}/{SIZE}"
    elif expected == 200:
        assert answer.body == (DATA if method == "GET" else b"")
    else:
        assert answer.body == b""
    if expected == 304:
        assert (answer["etag"], answer.all("content-length"), answer["cache-control"]) == (
            stored,
            [],
            "private, no-cache",
        )
    assert answer["x-content-type-options"] == "nosniff"


def scattered(count: int) -> str:
    return "bytes=" + ",".join(f"{n * 2}-{n * 2}" for n in range(count))


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=-1", [(99, 100)]),
        ("bytes=-1000", [(0, 100)]),
        ("bytes=99-", [(99, 100)]),
        ("bytes=0-999999999999999999999999", [(0, 100)]),
        ("bytes=" + "9" * 10000 + "-", []),
        ("bytes=100-", []),
        ("bytes=-0", []),
        ("bytes=200-300, 400-", []),
        ("bytes=0-1, 200-300", [(0, 2)]),
        ("bytes=5-6,0-1", [(0, 2), (5, 7)]),
        ("bytes=0-5,6-9,20-29,25-40", [(0, 10), (20, 41)]),
        ("bytes= 0-1 ,, 4-5 ", [(0, 2), (4, 6)]),
        ("BYTES=0-1", [(0, 2)]),
        ("bytes=5-4", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("bytes=a-b", None),
        ("bytes=0-1,x", None),
        ("bytes=0", None),
        ("bytes=--1", None),
        ("bytes=-", None),
        ("bytes=\u0661-\u0662", None),
        ("bytes=+1-2", None),
        ("bytes 0-1", None),
        ("lines=0-1", None),
        (scattered(MAX_RANGES), [(n * 2, n * 2 + 1) for n in range(MAX_RANGES)]),
        (scattered(MAX_RANGES + 1), None),
        ("bytes=" + ",".join(["0-"] * 1000), [(0, 100)]),
        ("bytes=" + ",".join(["0-"] * 10000), None),
    ],
)
def test_range_headers(header: str, spans: list[tuple[int, int]] | None) -> None:
    ranges = ranges_of(header, 100)
    assert ranges == (None if spans is None else [ByteRange(start, stop - start) for start, stop in spans])


@given(
    st.text(max_size=200)
    | st.lists(st.from_regex(r"[0-9]{0,4}-[0-9]{0,4}", fullmatch=True)).map(lambda s: "bytes=" + ",".join(s)),
    st.integers(0, 5000),
)
def test_ranges_never_leave_the_file(header: str, size: int) -> None:
    ranges = ranges_of(header, size) or []
    assert len(ranges) <= MAX_RANGES
    assert all(part.length > 0 and part.start >= 0 and part.start + part.length <= size for part in ranges)
    assert sum(part.length for part in ranges) <= size
    assert all(a.start + a.length < b.start for a, b in itertools.pairwise(ranges))


async def test_multiple_ranges(client: Client) -> None:
    answer = await client("GET", "/toy/files/data.bin", headers={"range": "bytes=0-9,1000-2499,-5"})
    assert answer.status == 206
    assert answer["content-length"] == str(len(answer.body))
    assert answer.get("content-range") is None
    message = BytesParser().parsebytes(b"Content-Type: " + answer["content-type"].encode() + b"\r\n\r\n" + answer.body)
    parts = cast(list[Message], message.get_payload())
    assert [part["content-range"] for part in parts] == [
        f"bytes 0-9/{SIZE}", f"bytes 1000-2499/{SIZE}", f"bytes {SIZE - 5}-{SIZE - 1}/{SIZE}",
    ]  # fmt: skip
    for part, piece in zip(parts, (DATA[:10], DATA[1000:2500], DATA[-5:]), strict=True):
        assert answer.body.count(b"\r\n\r\n" + piece + b"\r\n--") == 1
        assert part.get_content_type() == "application/octet-stream"


async def test_unsatisfiable_and_empty(client: Client) -> None:
    refused = await client("GET", "/toy/files/data.bin", headers={"range": f"bytes={SIZE}-"})
    assert (refused.status, refused["content-range"], refused.body) == (416, f"bytes */{SIZE}", b"")
    for header, status in [("bytes=0-", 416), ("bytes=0-0", 416), ("bytes=-5", 200), ("lines=1-2", 200)]:
        assert (await client("GET", "/toy/files/empty.bin", headers={"range": header})).status == status
    whole = await client("GET", "/toy/files/empty.bin")
    assert (whole.status, whole.body, whole["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (None, True),
        ("sha-256=1", True),
        ("sha-256=0", False),
        ("sha-512=9", True),
        ("sha-512=3, sha-256=0", False),
        ("junk", True),
    ],
)
async def test_want_repr_digest(client: Client, wanted: str | None, sent: bool) -> None:
    headers = {} if wanted is None else {"want-repr-digest": wanted}
    for extra in ({}, {"range": "bytes=0-1"}):
        assert (
            bool((await client("GET", "/toy/files/data.bin", headers={**headers, **extra})).all("repr-digest")) is sent
        )


@pytest.mark.parametrize(
    ("media_type", "inline"),
    [
        ("image/png", True), ("text/plain", True), ("application/pdf", True), ("video/mp4", True),
        ("image/svg+xml", False), ("text/html", False), ("application/xhtml+xml", False), ("text/xml", False),
        ("application/javascript", False), ("image/png,text/html", False), ("IMAGE/PNG ", False),
        ("text/plain; charset=x", False), ("text/html\r\nX: y", False), ("", False),
    ],
)  # fmt: skip
async def test_inline_only_from_the_closed_list(client: Client, store: Store, media_type: str, inline: bool) -> None:
    store.keep("x", b"<script>alert(1)</script>", media_type)
    answer = await client("GET", "/toy/files/x?mode=inline")
    assert answer["content-disposition"].startswith("inline;" if inline else "attachment;")
    assert answer["content-security-policy"].startswith("sandbox;")
    if "\r" in media_type or not media_type or "," in media_type or ";" in media_type:
        assert answer["content-type"] == "application/octet-stream"


async def test_lost_bytes_are_an_answer_and_short_bytes_are_a_cut(client: Client, store: Store) -> None:
    store.lost = True
    lost = await client("GET", "/toy/files/data.bin")
    assert (lost.status, lost.json["code"]) == (500, "content_lost")
    store.lost, store.short_by = False, 1500
    cut = await client("GET", "/toy/files/data.bin")
    assert (cut.status, cut.complete, DATA.startswith(cut.body)) == (200, False, True)


async def test_a_reader_that_leaves_stops_the_reading(client: Client, store: Store) -> None:
    store.keep("large", b"x" * 1_000_000)
    answer = await client("GET", "/toy/files/large", leave_after=3)
    assert not answer.complete
    assert store.reads < 20
    assert store.closed == 1


def parse_disposition(value: str) -> tuple[str, str | None]:
    message = EmailMessage()
    message["Content-Disposition"] = value
    return message["Content-Disposition"].content_disposition, message.get_filename()


NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/\x00"), min_size=1, max_size=60)


@given(NAMES)
@example('a"b\\c.pdf')
@example("50% off%41.txt")
@example("\u202egpj.exe")
@example(" lead and trail ")
@example("🎉" * 60)
@example("отчёт.pdf")
@example("Zu\u0308rich.pdf")
@example("a;b=c,d.txt")
@example("...")
def test_one_header_and_the_exact_name_comes_back(name: str) -> None:
    header = disposition("attachment", name)
    assert header.isascii()
    assert not any(character < " " or character == "\x7f" for character in header)
    kind, _, rest = header.partition("; ")
    assert kind == "attachment"
    assert '"' not in rest.removeprefix('filename="').partition('"')[0]
    if "filename*=" in rest:
        encoded = rest.partition("; filename*=UTF-8''")[2]
        assert unquote(encoded, errors="strict") == name
        fallback = rest.removeprefix('filename="').partition('"')[0]
        extension = name.rpartition(".")[2]
        if "." in name and extension.isascii() and extension.isalnum():
            assert fallback.endswith("." + extension)
    else:
        assert rest == f'filename="{name}"'
    if "filename*=" in rest and name == name.strip():
        assert parse_disposition(f"{kind}; filename*={rest.partition('filename*=')[2]}") == (kind, name)
    elif name == name.strip():
        assert parse_disposition(header) == (kind, name)


@given(st.text(max_size=50))
def test_no_name_breaks_the_header(name: str) -> None:
    header = disposition("inline", name)
    assert header.isascii()
    assert header.isprintable()


@pytest.mark.parametrize(
    ("name", "fallback"),
    [
        ("Zürich.pdf", "Zurich.pdf"),
        ("Zu\u0308rich.pdf", "Zurich.pdf"),
        ("Ệ.txt", "E.txt"),
        ("ﬁle ½.txt", "file 1_2.txt"),
        ("a?b.txt", "a_b.txt"),
        ("Straße.pdf", "Stra_e.pdf"),
        ("日本語.pdf", "file.pdf"),
        ("e\u0301", "e"),
        ("\u0301\u0308", "file"),
    ],
)
def test_old_clients_get_a_readable_name(name: str, fallback: str) -> None:
    assert f'filename="{fallback}";' in disposition("attachment", name)


@given(st.integers(0, 253_402_300_799))
def test_dates_are_http_dates(seconds: int) -> None:
    assert http_date(seconds) == formatdate(seconds, usegmt=True)


@pytest.mark.parametrize("headers", [{"range": "bytes=9999999-"}, {"if-match": '"other"'}])
async def test_nobody_keeps_an_answer_that_tells_of_the_request(client: Client, headers: dict[str, str]) -> None:
    answer = await client("GET", "/toy/files/data.bin", headers=headers)
    assert answer["cache-control"] == "no-store"
    assert answer["content-security-policy"].startswith("sandbox")


def test_how_long_a_route_lets_bytes_be_kept_is_not_said_of_a_refusal(store: Store) -> None:
    kept = store.keep("data.bin", b"x")
    year, vary = ("Cache-Control", "private, max-age=31536000"), ("Vary", "Accept")
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"range", b"bytes=5-")]}
    call = SimpleNamespace(req=Request(scope, AsyncMock()))
    refused = serve(cast(Call, call), kept, headers=(year, vary))
    assert (refused.status, refused.headers) == (416, (("Content-Range", "bytes */1"), vary))
