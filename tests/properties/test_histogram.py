"""Whatever is counted, its percentiles are off by no more than a bucket."""

from __future__ import annotations

from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from retraced.histogram import bucket, percentile, upper_ms

durations = st.integers(0, 2**45)


@given(durations)
def test_a_duration_lies_in_its_bucket(ms: int) -> None:
    place = bucket(ms)
    assert ms < upper_ms(place)
    assert place == 0 or ms >= upper_ms(place - 1)


@given(durations, durations)
def test_longer_durations_have_no_lower_bucket(one: int, other: int) -> None:
    assert (bucket(one) <= bucket(other)) or one > other


@given(st.lists(durations, min_size=1, max_size=200), st.floats(0.001, 1))
def test_a_percentile_is_in_the_bucket_of_the_one_that_it_stands_for(
    some: list[int], q: float
) -> None:
    answer = percentile(Counter(map(bucket, some)), q)
    stands_for = sorted(some)[max(0, ceil(q * len(some)) - 1)]
    place = bucket(stands_for)
    low = upper_ms(place - 1) if place else 0.0
    assert answer is not None
    assert low * (1 - 1e-9) <= answer <= upper_ms(place) * (1 + 1e-9)


@given(st.dictionaries(st.integers(0, 200), st.integers(1, 10**6), min_size=1))
def test_percentiles_rise(counts: dict[int, int]) -> None:
    values = [percentile(counts, q) for q in (0, 0.5, 0.95, 0.99, 1)]
    known = [value for value in values if value is not None]
    assert known == sorted(known)
    assert len(known) == len(values)
