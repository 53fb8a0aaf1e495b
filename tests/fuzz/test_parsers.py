"""Nothing that a stranger writes breaks a parser or costs it more than its length.

The run of every day, with Hypothesis; `make fuzz` goes on for as long as one likes, guided by coverage.
"""

import functools

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import Target, form_parts, survives, targets
from tests.fuzz.work import work_of

TARGETS = targets()
SMALL, LARGE = 4 << 10, 64 << 10
EXAMPLES = 150
SHAPES = [
    pytest.param(target, shape, id=f"{name} {shape}") for name, target in TARGETS.items() for shape in target.families
]
PIECES = (
    b"\r\n", b"--BOUND", b"--", b'"', b"\\", b";", b"=", b",", b"-", b":", b"%", b"%2F", b"%00", b"/", b"..",
    b" ", b"\t", b"bytes=", b"form-data", b"; name=\"a\"", b"; filename=", b"filename*=UTF-8''",
    b"Content-Disposition: ", b"sha-256=:", b"W/", b"*", b"Bearer ", b"0", b"18446744073709551616",
    b"\x00", b"\xff", "é".encode(), b"[", b"{", b"\\ud800", b"A", b"\xd5%90",
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_no_input_breaks_it(target: Target) -> None:
    junk = st.binary(max_size=400)
    woven = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=40).map(b"".join)
    mended = st.builds(spliced, st.sampled_from(target.seeds or (b"",)), st.integers(0, 200), st.integers(0, 20), woven)

    @given(junk | woven | mended)
    @example(b"")
    @settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
    def explore(data: bytes) -> None:
        survives(target, data)

    explore()


def spliced(seed: bytes, at: int, length: int, piece: bytes) -> bytes:
    """A good input with something else in place of a part of it."""
    at = min(at, len(seed))
    return seed[:at] + piece + seed[at + length :]


@pytest.mark.parametrize(("target", "shape"), SHAPES)
def test_work_grows_no_faster_than_the_input(target: Target, shape: str) -> None:
    small, large = target.families[shape](SMALL), target.families[shape](LARGE)
    survives(target, small)
    done, more = (work_of(functools.partial(survives, target, data)) for data in (small, large))
    assert more <= done * (LARGE // SMALL) * 1.3


def test_good_inputs_are_taken() -> None:
    for target in TARGETS.values():
        for seed in target.seeds:
            target.check(seed)
    assert [form_parts(seed[1:], 7) for seed in TARGETS["multipart"].seeds] == [[("a", b"hello")], [("a", b"value")]]


def test_the_count_sees_what_is_quadratic() -> None:
    def quadratic(data: bytes) -> int:
        return sum(1 for start in range(0, len(data), 64) for _ in data[start::64])

    small, large = work_of(lambda: quadratic(bytes(1000))), work_of(lambda: quadratic(bytes(16_000)))
    assert large > small * 16 * 1.3
