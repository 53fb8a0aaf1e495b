"""Datetime filters: an exact moment, or a stretch of time (contract section 3, "Dates").

    P2W, P3M, PT2M, P4H30M       from now, forward
    -P2W, -P4H30M                the stretch of that length that ends now
    2014-12-25T00:00:00/P1D      from a moment, forward (backward with a minus)
    P1D/2014-12-25T00:00:00      the stretch that ends at a moment
    2014-12-15/T24:00            to a time of day
    2014-12-25/12-29             to a date; what is missing on the right comes from the left

Every stretch holds its first instant and not its last one. A date that ends a stretch counts whole, as does a date,
a minute or a second that stands alone. Times without an offset are UTC.
"""

import datetime as dt
import re
from calendar import monthrange
from typing import Final, NamedTuple

_MICROSECOND: Final = dt.timedelta(microseconds=1)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# A `+` that a client forgot to escape arrives as a blank.
_TIME: Final = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?"
_OFFSET: Final = r"(?P<offset>Z|[+ -]\d\d:?\d\d)?"
_MOMENT: Final = re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?:[T ]{_TIME}{_OFFSET})?", re.ASCII)
_END: Final = re.compile(rf"(?:(?:(?P<month>\d\d)-)?(?P<day>\d\d))?(?:T{_TIME}{_OFFSET})?", re.ASCII)
_AMOUNT: Final = re.compile(r"(T?)(\d{1,6})([YMWDHS])", re.ASCII)
_ORDER: Final = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")
_DATE_UNITS: Final = {"Y": "years", "M": "months", "W": "weeks", "D": "days"}
_TIME_UNITS: Final = {"H": "hours", "M": "minutes", "S": "seconds"}


class Interval(NamedTuple):
    """From `start` up to, and without, `end`, in microseconds since the epoch."""

    start: int
    end: int


class _Length(NamedTuple):
    months: int
    rest: dt.timedelta


class _Point(NamedTuple):
    """A moment as written: how long what it names lasts, and the offset it was written with."""

    at: dt.datetime
    lasts: dt.timedelta
    zone: dt.timezone


def interval(text: str, now: int) -> Interval:
    """The stretch of time that the text means. Raises `ValueError` for what follows no form above."""
    present = _EPOCH + now * _MICROSECOND
    try:
        left, slash, right = text.partition("/")
        start, end = _between(left, right) if slash else _alone(left, present)
    except OverflowError:
        raise ValueError("out of range") from None
    if end <= start:
        raise ValueError("it ends before it begins")
    return Interval((start - _EPOCH) // _MICROSECOND, (end - _EPOCH) // _MICROSECOND)


def _alone(text: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    if text.startswith("P"):
        return now, _moved(now, _length(text), 1)
    if text.startswith("-P"):
        return _moved(now, _length(text[1:]), -1), now + _MICROSECOND
    point = _point(text)
    return point.at, point.at + point.lasts


def _between(left: str, right: str) -> tuple[dt.datetime, dt.datetime]:
    if left.startswith("P"):
        last = _point(right)
        return _moved(last.at, _length(left), -1), last.at
    first = _point(left)
    if right.startswith("P"):
        return first.at, _moved(first.at, _length(right), 1)
    if right.startswith("-P"):
        return _moved(first.at, _length(right[1:]), -1), first.at
    return first.at, _end(right, first)


def _point(text: str) -> _Point:
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError("no date")
    zone = _zone(found["offset"])
    day = dt.datetime(int(found["year"]), int(found["month"]), int(found["day"]), tzinfo=zone)
    if found["hour"] is None:
        return _Point(day, dt.timedelta(days=1), zone)
    # A stored time prints without its fraction, so a moment means the whole second that it names.
    lasts = dt.timedelta(seconds=1) if found["second"] else dt.timedelta(minutes=1)
    return _Point(day + _time(found), lasts, zone)


def _end(text: str, first: _Point) -> dt.datetime:
    """The end of a stretch, with what is missing taken from its beginning."""
    if _MOMENT.fullmatch(text):
        last = _point(text)
        return last.at + last.lasts if len(text) == len("2014-12-25") else last.at
    found = _END.fullmatch(text)
    if found is None or not text:
        raise ValueError("no end")
    zone = _zone(found["offset"]) if found["offset"] else first.zone
    month, date = int(found["month"] or first.at.month), int(found["day"] or first.at.day)
    day = dt.datetime(first.at.year, month, date, tzinfo=zone)
    return day + (dt.timedelta(days=1) if found["hour"] is None else _time(found))


def _time(found: re.Match[str]) -> dt.timedelta:
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if minute > 59 or second > 59 or hour > 24 or (hour == 24 and (minute or second)):
        raise ValueError("no such time of day")
    fraction = int(float("0" + (found["fraction"] or ".0")) * 1_000_000)
    return dt.timedelta(hours=hour, minutes=minute, seconds=second, microseconds=fraction)


def _zone(offset: str | None) -> dt.timezone:
    if offset is None or offset == "Z":
        return dt.UTC
    away = dt.timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    return dt.timezone(-away if offset[0] == "-" else away)


def _length(text: str) -> _Length:
    """An ISO 8601 duration; hours need no `T` before them, and what follows hours is minutes."""
    amounts = dict.fromkeys(_ORDER, 0)
    at, reached, timed = 1, -1, False
    while at < len(text):
        found = _AMOUNT.match(text, at)
        if found is None or (timed and found[1]):
            raise ValueError("no duration")
        timed = timed or bool(found[1]) or found[3] in "HS"
        unit = (_TIME_UNITS if timed else _DATE_UNITS).get(found[3], "")
        if not unit or _ORDER.index(unit) <= reached:
            raise ValueError("no duration")
        reached, at, amounts[unit] = _ORDER.index(unit), found.end(), int(found[2])
    if reached < 0:
        raise ValueError("no duration")
    months = 12 * amounts.pop("years") + amounts.pop("months")
    return _Length(months, dt.timedelta(**amounts))


def _moved(start: dt.datetime, length: _Length, sign: int) -> dt.datetime:
    """The moment that far away; a day that the month does not have becomes its last one."""
    months = start.year * 12 + start.month - 1 + sign * length.months
    year, month = months // 12, months % 12 + 1
    if not 1 <= year <= 9999:
        raise ValueError("out of range")
    day = min(start.day, monthrange(year, month)[1])
    return start.replace(year=year, month=month, day=day) + sign * length.rest
