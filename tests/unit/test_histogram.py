"""Buckets of durations, and the percentiles that are read off them."""

from __future__ import annotations

import pytest

from retraced.histogram import bucket, percentile, upper_ms


@pytest.mark.parametrize(
    ("ms", "expected"),
    [(-5, 0), (0, 0), (1, 1), (2, 5), (3, 7), (4, 9), (5, 10), (6, 11), (7, 12), (8, 13)],
)
def test_a_duration_has_its_bucket(ms: int, expected: int) -> None:
    assert bucket(ms) == expected


def test_a_power_of_two_begins_an_octave_however_large() -> None:
    assert [bucket(2**power) for power in range(60)] == [1 + 4 * power for power in range(60)]
    assert [bucket(2**power - 1) for power in range(3, 50)] == [4 * p for p in range(3, 50)]


def test_buckets_end_where_the_next_ones_begin() -> None:
    assert upper_ms(0) == 1
    assert upper_ms(4) == 2
    assert upper_ms(8) == 4


def test_nothing_counted_has_no_percentile() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({3: 0}, 0.5) is None


def test_the_percentile_lies_in_the_bucket_of_the_duration_that_it_stands_for() -> None:
    counts = {bucket(10): 90, bucket(1000): 9, bucket(60_000): 1}
    p50, p95, p100 = (percentile(counts, q) for q in (0.5, 0.95, 1))
    assert p50 is not None
    assert p95 is not None
    assert 8 <= p50 < 12
    assert 840 <= p95 < 1200
    assert p100 == upper_ms(bucket(60_000))


def test_all_in_one_bucket_spread_evenly() -> None:
    assert percentile({0: 10}, 0.5) == 0.5
    assert percentile({0: 10}, 0) == 0


@pytest.mark.parametrize("q", [-0.1, 1.5, 95, float("nan")])
def test_a_share_that_is_none_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile({1: 1}, q)
