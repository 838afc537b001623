"""Backoff specs: the grammar, the delays and the three-tier retry."""

from __future__ import annotations

import pytest

from retraced.backoff import Backoff, Kind
from retraced.durations import TEN_YEARS_MS
from retraced.errors import InvalidEntry


def middle() -> float:
    return 0.5


def delays(spec: str, count: int) -> list[int]:
    backoff = Backoff.parse(spec)
    return [backoff.delay_ms(failed, middle) for failed in range(1, count + 1)]


def test_the_three_tier_retry_waits_as_the_design_says() -> None:
    assert delays("immediate:2,exponential:1s..5m", 4) == [0, 0, 1_000, 2_000]


@pytest.mark.parametrize(
    ("spec", "waits"),
    [
        ("fixed:5s", [5_000] * 4),
        ("fixed:1500", [1_500] * 4),
        ("fixed:0s", [0] * 4),
        ("linear:1s", [1_000, 2_000, 3_000, 4_000]),
        ("linear:1s..2500ms", [1_000, 2_000, 2_500, 2_500]),
        ("linear:1sx3", [1_000, 3_000, 5_000, 7_000]),
        ("exponential:1s", [1_000, 2_000, 4_000, 8_000]),
        ("exponential:1s..3s", [1_000, 2_000, 3_000, 3_000]),
        ("exponential:1sx1.5", [1_000, 1_500, 2_250, 3_375]),
        ("exponential:1sx1", [1_000] * 4),
        ("immediate:1,fixed:2s~0%", [0, 2_000, 2_000, 2_000]),
        ("immediate:0,fixed:2s", [2_000] * 4),
    ],
)
def test_the_delays_of_each_kind(spec: str, waits: list[int]) -> None:
    assert delays(spec, 4) == waits


def test_every_part_is_read() -> None:
    assert Backoff.parse("immediate:2,exponential:1s..5mx2.5~7.5%") == Backoff(
        Kind.EXPONENTIAL, 1_000, max_ms=300_000, factor=2.5, jitter_percent=7.5, immediate=2
    )


def test_factor_and_jitter_have_their_defaults() -> None:
    backoff = Backoff.parse("exponential:1s..5m")
    assert (backoff.factor, backoff.jitter_percent, backoff.immediate) == (2, 20, 0)


def test_jitter_moves_a_delay_either_way() -> None:
    backoff = Backoff.parse("fixed:10s~20%")
    assert backoff.delay_ms(1, lambda: 0.0) == 8_000
    assert backoff.delay_ms(1, lambda: 0.999999) == 12_000


def test_a_delay_never_grows_beyond_ten_years() -> None:
    assert Backoff.parse("exponential:1d~100%").delay_ms(100_000, lambda: 0.999) == TEN_YEARS_MS
    assert Backoff.parse("exponential:0x1000").delay_ms(1_000, middle) <= TEN_YEARS_MS


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "exponential",
        "exponential:",
        "exponential:1s..",
        "quadratic:1s",
        "Exponential:1s",
        "exponential: 1s",
        "exponential:1s ",
        "exponential:1s\n",
        "exponential:-1s",
        "exponential:1.5s",
        "exponential:NaN",
        "exponential:5m..1s",
        "exponential:1sx0.5",
        "exponential:1sx0",
        "exponential:1sx1001",
        "exponential:1sx-2",
        "exponential:1sxNaN",
        "exponential:1sx1e2",
        "exponential:1s~101%",
        "exponential:1s~20",
        "exponential:1s~20%x2",
        "exponential:\u0661s",
        "immediate:2",
        "immediate:2,",
        "immediate:1001,fixed:1s",
        "immediate:-1,fixed:1s",
        "immediate:" + "9" * 100_000 + ",fixed:1s",
        "fixed:1s,immediate:2",
        "fixed:1s\x00",
        "x" * 1_000_000,
    ],
)
def test_what_is_not_a_backoff_is_named_with_a_remedy(spec: str) -> None:
    with pytest.raises(InvalidEntry) as raised:
        Backoff.parse(spec, field="backoff of send_email")
    assert raised.value.field == "backoff of send_email"
    assert "immediate:2,linear" in raised.value.why
    assert len(raised.value.why) < 300


def test_the_spec_is_spelled_as_short_as_it_can_be() -> None:
    assert str(Backoff.parse("exponential:1000..300000x2.0~20%")) == "exponential:1s..5m"
    assert str(Backoff.parse("immediate:2,fixed:90s~0.50%")) == "immediate:2,fixed:90s~0.5%"
