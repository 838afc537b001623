"""Durations and points in time as people and producers write them, in milliseconds inside.

Strict: ASCII digits, no sign, no exponent, no NaN; anything too long counts as ten years.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

from retraced.errors import InvalidEntry, quoted

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
TEN_YEARS_MS = 3653 * DAY_MS
LAST_TIME_MS = 253_402_300_799_999  # the end of the year 9999

UNITS_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
LONGEST_FIRST = tuple(reversed(UNITS_MS.items()))

_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)?")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_TEN_YEARS = timedelta(milliseconds=TEN_YEARS_MS)
_UNIX_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DIGITS_THAT_FIT = 17

DURATION_REMEDY = "write a whole number with a unit, such as 250ms, 30s, 5m, 2h or 1d"
WIRE_REMEDY = f"{DURATION_REMEDY}, or an integer of milliseconds"
TIME_REMEDY = "write 2026-11-24T08:00:00Z (RFC 3339 with Z or an offset) or Unix milliseconds"


def parse_duration_ms(text: str, *, field: str) -> int:
    """Milliseconds of a duration on the wire: `1500`, `250ms`, `30s`, `5m`, `2h`, `1d`.

    At most ten years (longer ones are cut to that). InvalidEntry names `field`.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidEntry(field, f"{quoted(text)} isn't a duration; {WIRE_REMEDY}")
    return min(_whole(match[1]) * UNITS_MS[match[2] or "ms"], TEN_YEARS_MS)


def parse_time_ms(text: str, *, field: str) -> int:
    """Unix milliseconds of an RFC 3339 time with offset, or of an integer of Unix milliseconds.

    Parts of a millisecond are rounded up, so that nothing is early; times before 1970 are 0.
    InvalidEntry names `field`.
    """
    unix_ms = parse_integer(text)
    if unix_ms is not None:
        return min(unix_ms, LAST_TIME_MS)
    match = _TIME.fullmatch(text)
    if match is None:
        raise InvalidEntry(field, f"{quoted(text)} isn't a time; {TIME_REMEDY}")
    try:
        return min(max(_match_ms(match), 0), LAST_TIME_MS)
    except ValueError as error:
        raise InvalidEntry(field, f"{quoted(text)} isn't a time: {error}; {TIME_REMEDY}") from None


def duration_ms(value: timedelta | str, *, name: str) -> int:
    """Milliseconds of a duration given by a program or a person: a timedelta or "30s".

    TypeError for a bare number, ValueError for a text without a unit or a negative timedelta;
    both name `name` and the remedy. At most ten years; parts of a millisecond are rounded up.
    """
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise ValueError(f"{name} is negative ({value}); a duration is zero or more")
        return -(-min(value, _TEN_YEARS) // timedelta(milliseconds=1))
    if not isinstance(value, str):
        raise TypeError(
            f"{name} is {quoted(repr(value))}, a {type(value).__name__}: give a timedelta, such "
            'as timedelta(seconds=30), or a string with a unit, such as "30s"'
        )
    match = _DURATION.fullmatch(value)
    if match is None or match[2] is None:
        raise ValueError(f"{name} is {quoted(value)}; {DURATION_REMEDY}")
    return min(_whole(match[1]) * UNITS_MS[match[2]], TEN_YEARS_MS)


def spell_ms(ms: int) -> str:
    """The shortest exact form that `parse_duration_ms` reads back: 300000 is "5m"."""
    for unit, size in LONGEST_FIRST:
        if ms and ms % size == 0:
            return f"{ms // size}{unit}"
    return "0ms"


def format_ms(ms: int) -> str:
    """For people, at most two units: "850ms", "1.5s", "5m", "2h 3m", "3d 4h"."""
    if ms < 0:
        return "-" + format_ms(-ms)
    if ms < SECOND_MS:
        return f"{ms}ms"
    if ms < MINUTE_MS:
        return f"{ms // 100 / 10:.1f}".removesuffix(".0") + "s"
    parts: list[str] = []
    for unit, size in LONGEST_FIRST[:4]:
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def parse_integer(text: str) -> int | None:
    """A whole number in ASCII digits, or None; beyond 17 digits, some number beyond every limit.

    (`str.isdigit` takes the digits of all scripts, and `int` refuses very long numbers.)
    """
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text) if len(text) <= _DIGITS_THAT_FIT else _whole(text)


def _whole(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _DIGITS_THAT_FIT else 10**_DIGITS_THAT_FIT


def _match_ms(match: re.Match[str]) -> int:
    """Counts by hand: a datetime can't hold a leap second or an offset at the ends of time."""
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError("hour, minute or second is out of range")
    days = date(year, month, day).toordinal() - _UNIX_EPOCH_ORDINAL
    ms = days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS
    return ms + _fraction_ms(match[7] or "") - _offset_ms(match[8], match[9], match[10])


def _fraction_ms(digits: str) -> int:
    whole = int(digits[:3].ljust(3, "0"))
    return whole + 1 if digits[3:].strip("0") else whole


def _offset_ms(sign: str | None, hours: str, minutes: str) -> int:
    if sign is None:
        return 0
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError("the offset is out of range")
    offset = int(hours) * HOUR_MS + int(minutes) * MINUTE_MS
    return offset if sign == "+" else -offset
