"""The Redis clock is an anchor that the monotonic clock moves on."""

from __future__ import annotations

import pytest

from retraced.clock import RedisClock


def test_it_follows_the_monotonic_clock_from_its_last_anchor() -> None:
    clock = RedisClock()
    clock.set(1_764_000_000_000, 100.0)
    assert clock.known
    assert clock.at(100.0) == 1_764_000_000_000
    assert clock.at(102.5) == 1_764_000_002_500
    assert clock.at(99.0) == 1_763_999_999_000


def test_a_new_anchor_replaces_the_old_one() -> None:
    clock = RedisClock()
    clock.set(1_000, 1.0)
    clock.set(50, 2.0)
    assert clock.at(2.0) == 50


def test_it_refuses_to_guess_before_redis_has_told_its_time() -> None:
    clock = RedisClock()
    assert not clock.known
    with pytest.raises(RuntimeError, match="isn't known yet"):
        clock.at(1.0)
