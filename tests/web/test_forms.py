"""Forms made at random: what goes in comes out, whatever the order and wherever chunks end; junk never crashes."""

import asyncio
import itertools
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.app import build
from holdfast.core.errors import HoldfastError
from holdfast.core.store import Store as CoreStore
from holdfast.web.parameters import disposition_of_part, parsed
from tests.web.asgi import Answer, Client
from tests.web.toy import TOY, Store

FORM = {"content-type": "multipart/form-data; boundary=BOUND"}
CONTROLS = "".join(map(chr, (*range(32), *range(127, 160))))
NAME = st.text(st.characters(codec="utf-8", exclude_characters=CONTROLS), min_size=1, max_size=20)
CONTENT = st.binary(max_size=300) | st.text("\r\n-BOUND", max_size=300).map(str.encode)


def escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def written(parts: list[tuple[str, str | None, bytes]]) -> bytes:
    body = b""
    for name, filename, content in parts:
        more = "" if filename is None else f'; filename="{escaped(filename)}"'
        body += (
            f'--BOUND\r\nContent-Disposition: form-data; name="{escaped(name)}"{more}\r\n\r\n'.encode()
            + content
            + b"\r\n"
        )
    return body + b"--BOUND--\r\n"


def send(body: bytes, cuts: list[int]) -> Answer:
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    pieces = [body[a:b] for a, b in itertools.pairwise(edges)]
    client = Client(build(cast(CoreStore, Store()), [TOY]), {"authorization": "Bearer token-ada"})
    return asyncio.run(client("POST", "/toy/files", pieces, headers=FORM))


def expected(parts: list[tuple[str, str | None, bytes]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "value": content.decode()}
        if filename is None
        else {"name": name, "filename": filename, "type": None, "size": len(content)}
        for name, filename, content in parts
    ]


def can_be_told_apart(content: bytes) -> bool:
    return b"\r\n--BOUND" not in b"\r\n" + content


FIELD = st.tuples(
    NAME, st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50).map(str.encode)
)
FILE = st.tuples(NAME, st.text(st.characters(codec="utf-8", exclude_characters=CONTROLS), max_size=20), CONTENT)


@given(
    st.lists(
        (FIELD | FILE).filter(lambda part: can_be_told_apart(part[2]) and "%" not in part[0] + (part[1] or "")),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.integers(0, 5000), max_size=8),
)
def test_what_goes_in_comes_out(parts: list[tuple[str, str | None, bytes]], cuts: list[int]) -> None:
    answer = send(written(parts), cuts)
    assert answer.status == 201
    assert answer.json == expected(parts)


@given(
    st.binary(max_size=400)
    | st.text('\r\n-BOUND:;=" aContent-Disposition', max_size=400).map(lambda text: b"--BOUND\r\n" + text.encode()),
    st.lists(st.integers(0, 400), max_size=4),
)
def test_junk_is_refused_alike_wherever_chunks_end(body: bytes, cuts: list[int]) -> None:
    whole, split = send(body, []), send(body, cuts)
    assert whole.status in {201, 400}
    assert (whole.status, whole.status == 400 or whole.json) == (split.status, split.status == 400 or split.json)


PARTS: list[tuple[str, str | None, bytes]] = [
    ("caseId", None, b"7"), ("description", None, b"x"), ("file", "a.txt", b"abc"), ("file", "b.txt", b""),
]  # fmt: skip


@pytest.mark.parametrize("count", range(1, 5))
def test_every_order_and_repetition_is_told_as_it_was_sent(count: int) -> None:
    for parts in itertools.product(PARTS, repeat=count):
        assert send(written(list(parts)), []).json == expected(list(parts))


@given(st.text(max_size=300) | st.text("form-data; name=\"=\\%*'", max_size=300))
def test_header_parameters_never_crash(header: str) -> None:
    for read in (parsed, disposition_of_part):
        try:
            read(header)
        except HoldfastError:
            pass


@pytest.mark.parametrize("piece", [";", '"', "\\", "a=b;", 'a="\\"";', '; name="', "=", " ", ";;a*="])
def test_header_parameters_are_read_once(piece: str) -> None:
    """Counts steps, not time: twice the input, at most a little more than twice the bytecode lines."""
    import sys  # noqa: PLC0415

    def steps(text: str) -> int:
        count = 0

        def trace(*_: object) -> Any:
            nonlocal count
            count += 1
            return trace

        sys.settrace(trace)
        try:
            disposition_of_part("form-data; " + text)
        except HoldfastError:
            pass
        finally:
            sys.settrace(None)
        return count

    small, large = steps(piece * 500), steps(piece * 1000)
    assert large <= 2.5 * small + 100
