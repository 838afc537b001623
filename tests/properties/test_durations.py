"""Durations and times, for any text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from retraced.durations import (
    LAST_TIME_MS,
    TEN_YEARS_MS,
    UNITS_MS,
    duration_ms,
    format_ms,
    parse_duration_ms,
    parse_time_ms,
    spell_ms,
)
from retraced.errors import InvalidEntry

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.integers(0, 10**30), st.sampled_from([*UNITS_MS, ""]))
def test_a_number_with_a_unit_is_that_many_but_at_most_ten_years(number: int, unit: str) -> None:
    expected = min(number * UNITS_MS[unit or "ms"], TEN_YEARS_MS)
    assert parse_duration_ms(f"{number}{unit}", field="delay") == expected


@given(st.integers(0, TEN_YEARS_MS))
def test_the_spelled_form_is_read_back(ms: int) -> None:
    assert parse_duration_ms(spell_ms(ms), field="delay") == ms
    assert duration_ms(spell_ms(ms), name="delay") == ms
    assert duration_ms(timedelta(milliseconds=ms), name="delay") == ms


def parsed(parse: Callable[..., int], text: str) -> int | InvalidEntry:
    try:
        return parse(text, field="delay")
    except InvalidEntry as error:
        return error


@given(st.text() | st.text("0123456789msdh. \x00"))
def test_any_text_is_a_bounded_duration_or_names_its_field(text: str) -> None:
    found = parsed(parse_duration_ms, text)
    if isinstance(found, InvalidEntry):
        assert found.field == "delay"
        assert found.why.isascii()
        assert found.why.isprintable()
    else:
        assert 0 <= found <= TEN_YEARS_MS


@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?(Z|\+[0-9:]{5})"))
def test_any_text_is_a_bounded_time_or_names_its_field(text: str) -> None:
    found = parsed(parse_time_ms, text)
    if isinstance(found, InvalidEntry):
        assert found.field == "delay"
    else:
        assert 0 <= found <= LAST_TIME_MS


@given(st.datetimes(min_value=datetime(1970, 1, 3), timezones=offsets))  # noqa: DTZ001
def test_rfc_3339_times_are_read_exactly_and_never_early(moment: datetime) -> None:
    ms = parse_time_ms(moment.isoformat(), field="run_at")
    assert timedelta(0) <= EPOCH + timedelta(milliseconds=ms) - moment < timedelta(milliseconds=1)


@given(st.integers(-(10**15), 10**15))
def test_people_get_a_short_text(ms: int) -> None:
    assert 2 <= len(format_ms(ms)) <= 16
