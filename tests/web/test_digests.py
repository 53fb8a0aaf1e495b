"""Digests that a client announces are held against what came, on every kind of body, before anything is kept."""

import hashlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import Malformed
from holdfast.web.digests import Digest, announced
from tests.web.asgi import Client
from tests.web.conftest import Make

BODY = b"some bytes" * 1000
FORM = b'--B\r\nContent-Disposition: form-data; name="file"; filename="form"\r\n\r\n' + BODY + b"\r\n--B--\r\n"


def encoded(algorithm: str, body: bytes) -> str:
    return b64encode(hashlib.new(algorithm, body).digest()).decode()


def fields(body: bytes) -> list[tuple[str, str]]:
    sha256, sha512 = f"sha-256=:{encoded('sha256', body)}:", f"sha-512=:{encoded('sha512', body)}:"
    return [
        ("content-digest", sha256),
        ("content-digest", sha512),
        ("repr-digest", sha256),
        ("repr-digest", f"{sha512};why=not, {sha256}"),
        ("content-md5", encoded("md5", body)),
    ]


@pytest.mark.parametrize(("name", "value"), fields(BODY))
async def test_a_raw_body_is_kept_only_if_it_is_the_announced_one(client: Client, name: str, value: str) -> None:
    assert (await client("PUT", "/toy/files/good", [BODY[:7], BODY[7:]], headers={name: value})).status == 201
    answer = await client("PUT", "/toy/files/bad", BODY + b"!", headers={name: value})
    assert (answer.status, answer.json["code"]) == (400, "digest_mismatch")
    assert (await client("GET", "/toy/files/bad")).status == 404


@pytest.mark.parametrize(("name", "value"), fields(FORM))
async def test_for_a_form_they_speak_of_the_whole_body(client: Client, name: str, value: str) -> None:
    headers = {"content-type": "multipart/form-data; boundary=B", name: value}
    assert (await client("POST", "/toy/files", FORM, headers=headers)).status == 201
    # One byte more behind the form is no part of any file, and still not what was announced.
    answer = await client("POST", "/toy/files", FORM.replace(b'"form"', b'"other"') + b" ", headers=headers)
    assert (answer.status, answer.json["code"]) == (400, "digest_mismatch")
    assert (await client("GET", "/toy/files/other")).status == 404


async def test_json_and_small_forms_are_checked_too(client: Client) -> None:
    wrong = {"content-digest": f"sha-256=:{encoded('sha256', b'else')}:"}
    for kind, path in [("application/json", "/toy/json"), ("application/x-www-form-urlencoded", "/toy/files")]:
        answer = await client("POST", path, b"{}", headers={"content-type": kind, **wrong})
        assert answer.json["code"] == "digest_mismatch"


async def test_an_empty_body_has_a_digest(make: Make) -> None:
    right = {"content-digest": f"sha-512=:{encoded('sha512', b'')}:"}
    assert (await make()("PUT", "/toy/files/empty", headers=right)).status == 201
    wrong = {"content-digest": f"sha-512=:{encoded('sha512', b'x')}:"}
    assert (await make()("PUT", "/toy/files/empty", headers=wrong)).status == 400


@pytest.mark.parametrize(
    "value", ["", "md5=:AAAA:", "sha=:AAAA:, unixsum=:AA==:", "crc32c=:AAAAAA==:", "*x.y-z_1=::;a=b"]
)
async def test_other_algorithms_are_as_if_not_there(client: Client, value: str) -> None:
    assert (await client("PUT", "/toy/files/f", BODY, headers={"content-digest": value})).status == 201


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-digest", "sha-256"),
        ("content-digest", "sha-256=abc"),
        ("content-digest", "sha-256=:AAAA:"),
        ("content-digest", f"sha-512=:{encoded('sha256', BODY)}:"),
        ("content-digest", f"SHA-256=:{encoded('sha256', BODY)}:"),
        ("content-digest", f"sha-256=:{encoded('sha256', BODY)[:-2]}?=:"),
        ("content-digest", "sha-256=:"),
        ("content-digest", ","),
        ("repr-digest", "é"),
        ("repr-digest", "x" * 9000),
        ("content-md5", ""),
        ("content-md5", encoded("sha256", BODY)),
    ],
)
async def test_what_cannot_be_read_is_refused(client: Client, name: str, value: str) -> None:
    answer = await client("PUT", "/toy/files/f", BODY, headers={name: value})
    assert (answer.status, answer.json["code"]) == (400, "malformed")


async def test_of_two_lines_each_counts(client: Client) -> None:
    right, wrong = (f"sha-256=:{encoded('sha256', body)}:" for body in (BODY, b""))
    for lines in [(right, wrong), (wrong, right)]:
        headers = [("content-digest", line) for line in lines]
        assert (await client("PUT", "/toy/files/f", BODY, headers=headers)).json["code"] == "digest_mismatch"


@given(st.binary(min_size=64, max_size=64), st.booleans())
def test_what_is_written_is_read(value: bytes, padded: bool) -> None:
    text = b64encode(value) if padded else b64encode(value).rstrip(b"=")
    assert announced([(b"content-digest", b" a=:: ,\tsha-512=:" + text + b":;p")]) == (Digest("sha-512", value),)


@given(st.binary(max_size=60))
def test_junk_is_refused_or_ignored(junk: bytes) -> None:
    for name in (b"content-digest", b"repr-digest", b"content-md5"):
        try:
            announced([(name, junk)])
        except Malformed:
            pass
