"""How many jobs a worker prefetches."""

from __future__ import annotations

from retraced.worker.pace import Pace


def test_nothing_is_prefetched_before_a_job_has_ended() -> None:
    assert Pace(concurrency=100, most=100).ahead() == 0


def test_jobs_that_end_at_once_are_prefetched_in_full() -> None:
    pace = Pace(concurrency=100, most=80)
    pace.ran(0)
    assert pace.ahead() == 80


def test_long_jobs_are_hardly_prefetched() -> None:
    pace = Pace(concurrency=100, most=100)
    pace.ran(10_000)
    assert pace.ahead() == 0


def test_the_pace_follows_the_jobs_of_late() -> None:
    pace = Pace(concurrency=10, most=10)
    pace.ran(1_000)
    for _ in range(200):
        pace.ran(0)
    assert pace.ahead() == 10
    for _ in range(200):
        pace.ran(1_000)
    assert pace.ahead() == 0


def test_a_worker_without_prefetch_prefetches_nothing() -> None:
    pace = Pace(concurrency=1, most=0)
    pace.ran(0)
    assert pace.ahead() == 0
