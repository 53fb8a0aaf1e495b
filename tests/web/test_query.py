"""Query parameters, and moments on their way in and out."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from holdfast.web.query import moment, moment_text

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@given(st.integers(0, 2**33 * 1_000_000))
def test_moments_are_exact_to_the_microsecond(microseconds: int) -> None:
    text = moment_text(microseconds)
    since = text - EPOCH
    assert (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds == microseconds
    assert moment(text.isoformat(), "at") == microseconds
