"""The grammar of datetime filters, against a clock that stands at 2014-05-13T16:53:20Z."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.dialects.property_deck.intervals import interval
from tests.dialects.property_deck.stage import Hand, Stage, refusal

NOW = 1_400_000_000_000_000
ONE = timedelta(microseconds=1)


def meant(text: str) -> tuple[str, str]:
    """The interval as two ISO texts without offset."""
    found = interval(text, NOW)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    first, last = ((epoch + micros * ONE).replace(tzinfo=None).isoformat() for micros in found)
    return first, last


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("P2W", "2014-05-13T16:53:20", "2014-05-27T16:53:20"),
        ("P3M", "2014-05-13T16:53:20", "2014-08-13T16:53:20"),
        ("PT2M", "2014-05-13T16:53:20", "2014-05-13T16:55:20"),
        ("P4H30M", "2014-05-13T16:53:20", "2014-05-13T21:23:20"),
        ("PT4H30M", "2014-05-13T16:53:20", "2014-05-13T21:23:20"),
        ("-P2W", "2014-04-29T16:53:20", "2014-05-13T16:53:20.000001"),
        ("-P4H30M", "2014-05-13T12:23:20", "2014-05-13T16:53:20.000001"),
        ("2014-12-25T00:00:00/P1D", "2014-12-25T00:00:00", "2014-12-26T00:00:00"),
        ("2014-12-15/T24:00", "2014-12-15T00:00:00", "2014-12-16T00:00:00"),
        ("2014-12-25/12-29", "2014-12-25T00:00:00", "2014-12-30T00:00:00"),
        ("2014-12-25T14:25:00+00:00", "2014-12-25T14:25:00", "2014-12-25T14:25:01"),
    ],
)
def test_the_vendor_s_own_samples(text: str, first: str, last: str) -> None:
    assert meant(text) == (first, last)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("P1Y2M3W4DT5H6M7S", "2014-05-13T16:53:20", "2015-08-07T21:59:27"),
        ("P1D4H", "2014-05-13T16:53:20", "2014-05-14T20:53:20"),
        ("P90S", "2014-05-13T16:53:20", "2014-05-13T16:54:50"),
        ("2014-12-25", "2014-12-25T00:00:00", "2014-12-26T00:00:00"),
        ("2014-12-25T14:25", "2014-12-25T14:25:00", "2014-12-25T14:26:00"),
        ("2014-12-25 14:25:00", "2014-12-25T14:25:00", "2014-12-25T14:25:01"),
        ("2014-12-25T14:25:00Z", "2014-12-25T14:25:00", "2014-12-25T14:25:01"),
        ("2014-12-25T14:25:00.000Z", "2014-12-25T14:25:00", "2014-12-25T14:25:01"),
        ("2014-12-25T14:25:00+02:00", "2014-12-25T12:25:00", "2014-12-25T12:25:01"),
        ("2014-12-25T14:25:00 0200", "2014-12-25T12:25:00", "2014-12-25T12:25:01"),
        ("2014-12-25T00:00:00-05:30/P1D", "2014-12-25T05:30:00", "2014-12-26T05:30:00"),
        ("2014-12-25T10:00:00+02:00/T12:00", "2014-12-25T08:00:00", "2014-12-25T10:00:00"),
        ("2014-12-25/29", "2014-12-25T00:00:00", "2014-12-30T00:00:00"),
        ("2014-12-25/2015-01-02", "2014-12-25T00:00:00", "2015-01-03T00:00:00"),
        ("2014-12-25/26T06:00", "2014-12-25T00:00:00", "2014-12-26T06:00:00"),
        ("2014-12-25/12-26T06:00:30", "2014-12-25T00:00:00", "2014-12-26T06:00:30"),
        ("2014-12-25T10:00/2014-12-25T11:30", "2014-12-25T10:00:00", "2014-12-25T11:30:00"),
        ("P1D/2014-12-25", "2014-12-24T00:00:00", "2014-12-25T00:00:00"),
        ("2014-12-25/-P1D", "2014-12-24T00:00:00", "2014-12-25T00:00:00"),
        ("2014-01-31/P1M", "2014-01-31T00:00:00", "2014-02-28T00:00:00"),
        ("2016-02-29/P1Y", "2016-02-29T00:00:00", "2017-02-28T00:00:00"),
    ],
)
def test_our_readings_around_them(text: str, first: str, last: str) -> None:
    assert meant(text) == (first, last)


@pytest.mark.parametrize(
    "text",
    [
        "", "P", "-P", "PT", "P0D", "2014-12-25T10:00/T10:00", "P2", "2W", "P2X", "PW", "P2W3Y", "P1DT", "P1H2T3M",
        "P4H30M2W", "P-2W", "--P2W", "p2w", "P9999999W", "P9999Y", "-P3000Y", "P999999W/2014-12-25", "2014",
        "2014-12", "2014-13-01", "2014-02-30", "2014-12-25T25:00", "2014-12-25T24:01", "2014-12-25T10:60",
        "2014-12-25T10:00+25:00", "12-29", "T24:00", "/", "2014-12-25/", "/2014-12-25", "2014-12-25/12-32",
        "2014-12-25/12-24", "2014-12-25/x", "P1D/P1D", "yesterday", "2014-12-25/12-29/12-30", "9999-12-31",
        "2014-12-25T10:00:00.", "２０１４-12-25", "2014-12-25\n",
    ],
)  # fmt: skip
def test_anything_else_is_no_interval(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 the text is not part of the contract
        interval(text, NOW)


@given(st.text(alphabet="PT-0123456789YMWDHS/:+Z ", max_size=24))
def test_no_text_makes_another_failure(text: str) -> None:
    try:
        found = interval(text, NOW)
    except ValueError:
        return
    assert found.start < found.end


async def test_lists_are_narrowed_by_when_records_were_made(timed: Stage, hand: Hand) -> None:
    day = 86_400_000_000
    hand.now = 1_419_465_600_000_000  # 2014-12-25T00:00:00Z
    first = await timed.contact(name="First")
    hand.now += 4 * day
    second = await timed.contact(name="Second")
    hand.now += 4 * day
    third = await timed.contact(name="Third")

    async def found(text: str) -> list[str]:
        return await timed.listed(f"created_at={text}", "/contacts")

    assert await found("2014-12-25T00:00:00/P1D") == [first]
    assert await found("2014-12-25/12-29") == [second, first]
    assert await found("2014-12-15/T24:00") == []
    assert await found("2014-12-29T00:00:00%2B00:00") == [second]
    assert await found("2014-12-29T00:00:00+00:00") == [second]
    assert await found("-P1W") == [third, second]
    hand.now += 1
    assert await found("P1W") == []
    hand.now -= 1_800_000_000
    assert await found("P4H30M") == [third]


async def test_updates_move_updated_at_alone(timed: Stage, hand: Hand) -> None:
    uuid = await timed.contact()
    hand.now += 86_400_000_000
    await timed.http.put(f"/contacts/{uuid}", json={"city": "Cork"})
    assert await timed.listed("updated_at=-PT1M", "/contacts") == [uuid]
    assert await timed.listed("created_at=-PT1M", "/contacts") == []


async def test_attachments_are_found_by_when_their_contact_was_made(timed: Stage, hand: Hand) -> None:
    old = await timed.contact()
    hand.now += 30 * 86_400_000_000
    new = await timed.contact()
    one, two = await timed.upload(f"/contacts/{old}"), await timed.upload(f"/contacts/{new}")
    assert await timed.listed("contact[created_at]=-P2W") == [two["uuid"]]
    assert await timed.listed("contact[created_at]=-P2M") == [two["uuid"], one["uuid"]]


async def test_what_is_no_interval_is_refused_by_name(stage: Stage) -> None:
    response = await stage.http.get("/attachments?contact[created_at]=soon")
    assert refusal(response) == {"contact.created_at": "The contact.created at is not a valid date or interval."}
