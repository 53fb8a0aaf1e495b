"""Bodies that are cut, slow, too large, or not what they say."""

import pytest

from holdfast.app import Options
from holdfast.web.wire import Pace
from tests.web.asgi import Answer, Client
from tests.web.conftest import Make
from tests.web.toy import Store

LF = "\r\n"


def multipart(*parts: tuple[str, bytes], boundary: str = "XX", end: str = "--\r\n") -> bytes:
    """(header lines, content) for each part."""
    raw = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts)
    return raw + f"--{boundary}{end}".encode()


def text_field(name: str, value: bytes) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"', value


def file_part(name: str, content: bytes, filename: str = "a.txt", more: str = "") -> tuple[str, bytes]:
    return (
        f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: text/plain{more}',
        content,
    )


FORM = {"content-type": "multipart/form-data; boundary=XX"}
WHOLE = multipart(text_field("a", b"1"), file_part("file", b"some\r\n--X content"), text_field("z", b""))


async def post(
    client: Client, body: bytes | list[bytes], headers: dict[str, str] | None = None, *, chunked: bool = False
) -> Answer:
    return await client("POST", "/toy/files", body, headers=headers or FORM, chunked=chunked)


async def test_parts_come_in_their_order(client: Client, store: Store) -> None:
    answer = await post(client, WHOLE)
    assert answer.json == [
        {"name": "a", "value": "1"},
        {"name": "file", "filename": "a.txt", "type": "text/plain", "size": 17},
        {"name": "z", "value": ""},
    ]
    assert list(store.files) == ["a.txt"]


@pytest.mark.parametrize("chunked", [False, True])
async def test_any_cut_is_incomplete_and_any_split_is_whole(client: Client, store: Store, chunked: bool) -> None:
    whole = (await post(client, WHOLE)).json
    store.files.clear()
    for at in range(len(WHOLE)):
        first, second = WHOLE[:at], WHOLE[at:]
        length = None if chunked else len(WHOLE)
        cut = await client("POST", "/toy/files", [first], headers=FORM, cut=True, chunked=chunked, length=length)
        assert (cut.status, store.files) == (400, {})
        split = await post(client, [piece for piece in (first, second) if piece], chunked=chunked)
        assert split.json == whole
        store.files.clear()


async def test_byte_by_byte(client: Client) -> None:
    pieces = [WHOLE[at : at + 1] for at in range(len(WHOLE))]
    assert (await post(client, pieces)).json == (await post(client, WHOLE)).json


async def test_a_short_body_that_claims_to_have_ended(client: Client, store: Store) -> None:
    answer = await client("PUT", "/toy/files/x", b"abc", length=4)
    assert (answer.status, answer.json["code"], store.files) == (400, "incomplete", {})


async def test_chunked_framing_outranks_an_announced_length(client: Client, store: Store) -> None:
    for length in ("0", "1", "9" * 5000):
        headers = {"content-length": length}
        answer = await client("PUT", "/toy/files/x", [b"abc", b"d"], chunked=True, headers=headers)
        assert answer.status == 201
        assert store.files["x"].size == 4


async def test_raw_bodies_cut_at_every_edge(client: Client, store: Store) -> None:
    pieces = [b"a" * 100 for _ in range(10)]
    for at in range(10):
        answer = await client("PUT", "/toy/files/x", pieces[:at], cut=True, length=1000)
        assert (answer.status, store.files) == (400, {})
    assert (await client("PUT", "/toy/files/x", pieces)).status == 201


async def test_too_large_is_refused_before_and_while_reading(client: Client) -> None:
    announced = await client(
        "PUT", "/toy/files/x", [b"a"], length=100_001, stall=True, headers={"expect": "100-continue"}
    )
    counted = await client("PUT", "/toy/files/x", [b"a" * 1000] * 101, chunked=True)
    assert (announced.status, announced.json["limit"], announced["connection"]) == (413, 100_000, "close")
    assert (counted.status, counted.get("connection")) == (413, None)


async def test_the_rest_of_a_refused_body_is_drained_within_limits(make: Make) -> None:
    client = make(Options(pace=Pace(drain_bytes=5_000, drain_seconds=0.05)))
    small = await client("POST", "/toy/none", [b"a" * 1000] * 5, chunked=True)
    large = await client("POST", "/toy/none", [b"a" * 1000] * 50, chunked=True)
    stalled = await client("POST", "/toy/none", [b"a"], length=100, stall=True)
    assert (small.status, small.get("connection")) == (404, None)
    assert (large.status, large["connection"]) == (404, "close")
    assert (stalled.status, stalled["connection"]) == (404, "close")


async def test_a_body_below_the_floor_is_cut(make: Make, store: Store) -> None:
    client = make(Options(pace=Pace(window=0.05, floor=1024, drain_seconds=0.05)))
    answer = await client("PUT", "/toy/files/x", [b"a" * 10], length=1000, stall=True)
    assert (answer.status, answer.json["code"], store.files) == (408, "too_slow", {})


async def test_content_codings_are_refused(client: Client) -> None:
    for coding in ("gzip", "br", "identity, gzip"):
        answer = await client(
            "POST", "/toy/json", b"{}", headers={"content-type": "application/json", "content-encoding": coding}
        )
        assert answer.status == 415


@pytest.mark.parametrize(
    "parts",
    [
        [text_field("a", b"x")] * 65,
        [(f'Content-Disposition: form-data; name="a"\r\nX-Long: {"x" * 9000}', b"")],
        [("\r\n".join(['Content-Disposition: form-data; name="a"', *[f"X-{n}: y" for n in range(16)]]), b"")],
        [
            (
                "\r\n".join(['Content-Disposition: form-data; name="a"', *[f"X-{n}: {'y' * 1000}" for n in range(10)]]),
                b"",
            )
        ],
        [text_field("a", b"x" * 3_000_000)],
        [text_field("a", b"x" * 65_537)],
        [text_field("a", b"\xff")],
        [text_field("a", b"a\0b")],
        [("Content-Disposition: form-data", b"x")],
        [("Content-Disposition: attachment; name=a", b"x")],
        [("Content-Type: text/plain", b"x")],
        [('Content-Disposition: form-data; name="a"; name="b"', b"x")],
        [('Content-Disposition: form-data; name="a"; filename="b"; filename="c"', b"x")],
        [('Content-Disposition: form-data; name="a"; FILENAME="b"; filename="c"', b"x")],
        [('Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"', b"x")],
        [('Content-Disposition: form-data; name="a";\r\n filename="b"', b"x")],
        [('Content-Disposition: form-data; name="a"; filename="b\x01"', b"x")],
        [('Content-Disposition: form-data; name="a', b"x")],
        [("Content-Disposition: form-data; name=a; filename*=latin-1''b", b"x")],
        [file_part("file", b"YQ==", more="\r\nContent-Transfer-Encoding: base64")],
        [file_part("file", b"YQ==", more="\r\nContent-Transfer-Encoding: quoted-printable")],
        [("Content-Disposition form-data", b"x")],
    ],
)
async def test_malformed_forms_are_400_and_keep_nothing(
    client: Client, store: Store, parts: list[tuple[str, bytes]]
) -> None:
    answer = await post(client, multipart(*parts))
    assert (answer.status, answer.json["code"], store.files) == (400, "malformed", {})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"junk",
        b"\r\n" * 2_500_000,
        b"preamble\r\n" + WHOLE,
        WHOLE.replace(b"\r\n", b"\n"),
        WHOLE[:-4],
        WHOLE[:-4] + b"\r\n",
        b"--XX" + b"-" * 100,
    ],
)
async def test_broken_framing_is_400(client: Client, store: Store, body: bytes) -> None:
    for pieces in ([body], [body[:3], body[3:]]):
        assert (await post(client, pieces)).status == 400
    assert store.files == {}


async def test_sixty_four_parts_and_a_full_field_are_fine(client: Client) -> None:
    assert len((await post(client, multipart(*[text_field("a", b"x" * 65_536)] * 64))).json) == 64


@pytest.mark.parametrize("epilogue", [b"", b"\r\n", b"\r\nepilogue", b"junk" * 10_000])
async def test_an_epilogue_is_skipped_wherever_chunks_end(client: Client, epilogue: bytes) -> None:
    body = multipart(text_field("a", b"1"), end="--") + epilogue
    edge = len(body) - len(epilogue)
    for pieces in (
        [body],
        [body[:edge], body[edge:]],
        [body[: edge - 1], body[edge - 1 :]],
        [body[:edge], *[body[edge:][n : n + 1] for n in range(5)]],
    ):
        assert (await post(client, [piece for piece in pieces if piece])).json[0] == {"name": "a", "value": "1"}


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=XX; boundary=YY",
        'multipart/form-data; boundary="a\u00e9"',
        "multipart/form-data; boundary=" + "x" * 71,
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=XX" + "; a=b" * 2000,
    ],
)
async def test_ambiguous_boundaries_are_400(client: Client, content_type: str) -> None:
    assert (await post(client, WHOLE, {"content-type": content_type})).status == 400


@pytest.mark.parametrize(
    "content_type", ["multipart/mixed; boundary=XX", "application/json", "text/plain", "image/png,text/html"]
)
async def test_other_types_are_415(client: Client, content_type: str) -> None:
    assert (await post(client, WHOLE, {"content-type": content_type})).status == 415
    assert (await client("POST", "/toy/files")).status == 415


@pytest.mark.parametrize(
    ("parameter", "filename"),
    [
        ('filename="a.txt"', "a.txt"),
        ("filename=a.txt", "a.txt"),
        ('filename=""', ""),
        ('filename="C:\\dir\\a.txt"', "C:\\dir\\a.txt"),
        ('filename="../../etc/passwd"', "../../etc/passwd"),
        ('filename=" a .txt "', " a .txt "),
        ('filename="a%22b%20c%41.txt"', 'a"b%20c%41.txt'),
        ('filename="a\\"b.txt"', 'a"b.txt'),
        ('filename="a\\\\b.txt"', "a\\b.txt"),
        ('filename="a%0D%0Ab"', "a\r\nb"),
        ('filename="a;b=c.txt"', "a;b=c.txt"),
        ('filename="Zürich 🎉 \u202e.txt"', "Zürich 🎉 \u202e.txt"),
        ("filename*=UTF-8''Z%C3%BCrich.txt", "Zürich.txt"),
        ("filename=\"Z_rich.txt\"; filename*=utf-8'de'Z%C3%BCrich.txt", "Zürich.txt"),
    ],
)
async def test_filenames_are_exactly_what_was_sent(client: Client, parameter: str, filename: str) -> None:
    body = multipart((f'Content-Disposition: form-data; name="file"; {parameter}', b"x"))
    assert (await post(client, body)).json == [{"name": "file", "filename": filename, "type": None, "size": 1}]


async def test_urlencoded_fields(client: Client) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    answer = await post(client, b"a=1&b%5Buuid%5D=%C3%A9+x&&c&a=2", headers)
    assert [(item["name"], item["value"]) for item in answer.json] == [
        ("a", "1"),
        ("b[uuid]", "é x"),
        ("c", ""),
        ("a", "2"),
    ]
    for bad in (b"a=%FF", b"a=%00", b"&".join([b"a=1"] * 1001), b"a=" + b"x" * 200_000):
        assert (await post(client, bad, headers)).status == 400
    assert (await post(client, b"a=1&" * 400_000, headers)).status == 413


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"a": 1, "a": 2}', 200),
        (b'{"a": "\\\\u0000"}', 200),
        (b'{"a": "\\u0000"}', 400),
        (b'{"\\u0000": 1}', 400),
        (b'{"a": "\x00"}', 400),
        (b'{"a": "\xff"}', 400),
        (b'{"a": "\\ud800"}', 400),
        (b"\xef\xbb\xbf{}", 400),
        (b"{", 400),
        (b"", 400),
        (b"NaN", 400),
        (b"[" * 64 + b"1" + b"]" * 64, 200),
        (b"[" * 65 + b"1" + b"]" * 65, 400),
        (b'{"a":' * 600 + b"1" + b"}" * 600, 400),
        (b"[" + b"[]," * 200 + b"{}]", 200),
        (b"[" + b"[]," * 9_998 + b"{}]", 200),
        (b"[" + b"[]," * 10_000 + b"1]", 400),
        (b"[" * 100_000, 400),
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b"1" * 5000, 400),
        (b'"' + b"a" * (1 << 20) + b'"', 413),
    ],
)
async def test_json_bodies(client: Client, body: bytes, status: int) -> None:
    answer = await client("POST", "/toy/json", body, headers={"content-type": "application/json; charset=utf-8"})
    assert answer.status == status


async def test_json_types_and_absence(client: Client) -> None:
    assert (await client("POST", "/toy/json", b"{}")).status == 415
    assert (await client("POST", "/toy/json", b"{}", headers={"content-type": "text/json"})).status == 415
    assert (
        await client("POST", "/toy/json", b"{}", headers={"content-type": "application/merge-patch+json"})
    ).status == 200
    assert (await client("POST", "/toy/json?optional")).json == {}
    invalid = await client("POST", "/toy/typed", b'{"a": "x"}', headers={"content-type": "application/json"})
    assert (invalid.status, invalid.json["code"]) == (400, "invalid")
    assert list(invalid.json["errors"].values()) == ["Expected `int`, got `str`"]
