"""Durations and times as producers and people write them."""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta

import pytest

from retraced.durations import (
    LAST_TIME_MS,
    TEN_YEARS_MS,
    duration_ms,
    format_ms,
    parse_duration_ms,
    parse_integer,
    parse_time_ms,
    spell_ms,
)
from retraced.errors import InvalidEntry

HOSTILE = [
    "",
    " 5s",
    "5s ",
    "5s\n",
    "5 s",
    "+5s",
    "-5s",
    "-1",
    "1.5s",
    "1e3",
    "NaN",
    "nan",
    "inf",
    "0x10",
    "1_000",
    "5S",
    "5min",
    "5s5",
    "2h3m",
    "\u0665s",
    "\u0661\u0662",
    "\uff15m",
    "\u00b2",
    "5\x00",
    "\x005s",
    "5s\x00",
]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0),
        ("1500", 1500),
        ("007", 7),
        ("250ms", 250),
        ("30s", 30_000),
        ("5m", 300_000),
        ("2h", 7_200_000),
        ("1d", 86_400_000),
        ("11000d", TEN_YEARS_MS),
        ("9" * 100_000, TEN_YEARS_MS),
        ("9" * 100_000 + "ms", TEN_YEARS_MS),
        ("0" * 100_000 + "5s", 5_000),
    ],
)
def test_durations_on_the_wire(text: str, ms: int) -> None:
    assert parse_duration_ms(text, field="delay") == ms


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_not_a_duration_names_the_field_and_the_remedy(text: str) -> None:
    with pytest.raises(InvalidEntry) as raised:
        parse_duration_ms(text, field="delay")
    assert raised.value.field == "delay"
    assert "30s, 5m, 2h or 1d" in raised.value.why


def test_a_long_text_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidEntry) as raised:
        parse_duration_ms("9" * 100_000 + "x", field="delay")
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-24T08:00:00Z", 1_795_507_200_000),
        ("2026-11-24t08:00:00z", 1_795_507_200_000),
        ("2026-11-24 08:00:00Z", 1_795_507_200_000),
        ("2026-11-24T09:00:00+01:00", 1_795_507_200_000),
        ("2026-11-24T00:30:00-07:30", 1_795_507_200_000),
        ("2026-11-24T08:00:00-00:00", 1_795_507_200_000),
        ("2026-11-24T08:00:00.5Z", 1_795_507_200_500),
        ("2026-11-24T08:00:00.123456789Z", 1_795_507_200_124),
        ("2026-11-24T08:00:00.123000000Z", 1_795_507_200_123),
        ("2026-11-24T08:00:00." + "0" * 100_000 + "1Z", 1_795_507_200_001),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("1969-12-31T23:59:59Z", 0),
        ("0001-01-01T00:00:00+23:59", 0),
        ("9999-12-31T23:59:59.999Z", LAST_TIME_MS),
        ("1795507200000", 1_795_507_200_000),
        ("0", 0),
        ("9" * 100_000, LAST_TIME_MS),
    ],
)
def test_times_on_the_wire(text: str, ms: int) -> None:
    assert parse_time_ms(text, field="run_at") == ms


@pytest.mark.parametrize(
    "text",
    [
        *HOSTILE,
        "5s",
        "2026-11-24",
        "2026-11-24T08:00Z",
        "2026-11-24T08:00:00",
        "2026-11-24T08:00:00+0100",
        "2026-11-24T08:00:00.Z",
        "2026-11-24T08:00:00,5Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T08:60:00Z",
        "2026-11-24T08:00:61Z",
        "2026-11-24T08:00:00+24:00",
        "2026-11-24T08:00:00+01:60",
        "0000-01-01T00:00:00Z",
        "12026-11-24T08:00:00Z",
        "\u0662026-11-24T08:00:00Z",
        "20261124T080000Z",
        "Tue, 24 Nov 2026 08:00:00 GMT",
    ],
)
def test_what_is_not_a_time_names_the_field_and_the_remedy(text: str) -> None:
    with pytest.raises(InvalidEntry) as raised:
        parse_time_ms(text, field="run_at")
    assert raised.value.field == "run_at"
    assert "2026-11-24T08:00:00Z" in raised.value.why


def test_a_hundred_thousand_digits_cost_no_time_to_speak_of() -> None:
    begun = time.perf_counter()
    for text in ("9" * 100_000, "9" * 100_000 + "s", "9" * 100_000 + "x"):
        with contextlib.suppress(InvalidEntry):
            parse_duration_ms(text, field="delay")
    assert time.perf_counter() - begun < 0.5


def test_programs_give_timedeltas_or_strings_with_a_unit() -> None:
    assert duration_ms(timedelta(minutes=10), name="delay") == 600_000
    assert duration_ms("10m", name="delay") == 600_000
    assert duration_ms(timedelta(microseconds=1), name="delay") == 1
    assert duration_ms(timedelta.max, name="delay") == TEN_YEARS_MS
    assert duration_ms("9" * 5000 + "d", name="delay") == TEN_YEARS_MS


@pytest.mark.parametrize("number", [10, 0, 1.5, True, float("nan"), b"10s", None])
def test_a_bare_number_is_a_type_error_that_names_both(number: object) -> None:
    with pytest.raises(TypeError, match=r"delay is .*timedelta\(seconds=30\).*\"30s\""):
        duration_ms(number, name="delay")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["10", *HOSTILE])
def test_a_text_that_is_no_duration_is_a_value_error_with_the_remedy(value: str) -> None:
    with pytest.raises(ValueError, match=r"delay is .*such as 250ms"):
        duration_ms(value, name="delay")


def test_a_negative_timedelta_is_refused() -> None:
    with pytest.raises(ValueError, match="delay is negative"):
        duration_ms(timedelta(seconds=-1), name="delay")


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0ms"),
        (850, "850ms"),
        (1_000, "1s"),
        (1_500, "1.5s"),
        (59_999, "59.9s"),
        (60_000, "1m"),
        (90_000, "1m 30s"),
        (300_000, "5m"),
        (7_380_000, "2h 3m"),
        (7_200_000, "2h"),
        (86_400_000 + 60_000, "1d"),
        (3 * 86_400_000 + 4 * 3_600_000 + 5, "3d 4h"),
        (-1_500, "-1.5s"),
    ],
)
def test_people_read_at_most_two_units(ms: int, text: str) -> None:
    assert format_ms(ms) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0ms"), (1_500, "1500ms"), (300_000, "5m"), (86_400_000, "1d")]
)
def test_the_wire_form_is_exact_and_short(ms: int, text: str) -> None:
    assert spell_ms(ms) == text


def test_integers_are_ascii_digits_only() -> None:
    assert parse_integer("0042") == 42
    assert (parse_integer("9" * 100_000) or 0) > TEN_YEARS_MS
    assert [parse_integer(text) for text in ("", "-1", "+1", "\u0665", "\u00b2", "1 ")] == [
        None
    ] * 6
