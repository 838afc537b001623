"""Durations counted in buckets, four to an octave, so that percentiles can be added up: pure.

Workers count into buckets, Redis adds up what they counted, and commands read percentiles off it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from math import isfinite

PER_OCTAVE = 4
_STEPS = tuple(2 ** (quarter / PER_OCTAVE) for quarter in range(1, PER_OCTAVE))


def bucket(ms: int) -> int:
    """The bucket of a duration: 0 for less than 1 ms, then four for each doubling."""
    if ms < 1:
        return 0
    octave = ms.bit_length() - 1
    return 1 + PER_OCTAVE * octave + bisect_right(_STEPS, ms / (1 << octave))


def upper_ms(bucket: int) -> float:
    """Where a bucket ends, in ms: its durations are shorter. At most a fifth above each of them."""
    return 2 ** (bucket / PER_OCTAVE)


def percentile(counts: Mapping[int, int], q: float) -> float | None:
    """The duration in ms that a share `q` (0.95 for p95) of those counted don't exceed.

    `counts`: how many there are in each bucket. Inside of a bucket they count as evenly spread,
    so the answer is off by at most a fifth. None if nothing was counted. Raises ValueError for
    a share that isn't between 0 and 1.
    """
    if not (isfinite(q) and 0 <= q <= 1):
        raise ValueError(f"a share lies between 0 and 1, as 0.95 for p95: {q!r}")
    total = sum(count for count in counts.values() if count > 0)
    if not total:
        return None
    wanted, passed, value = q * total, 0, 0.0
    for each in sorted(each for each, count in counts.items() if count > 0):
        low = upper_ms(each - 1) if each else 0.0
        value = upper_ms(each)
        if passed + counts[each] >= wanted:
            return low + (value - low) * (wanted - passed) / counts[each]
        passed += counts[each]
    return value
