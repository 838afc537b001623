"""`--pause-on-failure`: when the brake is pulled, and what it says."""

from __future__ import annotations

import pytest

from retraced.errors import UsageError
from retraced.worker.brake import Brake, FailureLimit


@pytest.mark.parametrize("text", ["90%/100", "90/100", " 90 %/100 "])
def test_a_limit_is_read(text: str) -> None:
    assert FailureLimit.parse(text) == FailureLimit(90, 100)


@pytest.mark.parametrize("text", ["", "90%", "0%/10", "101%/10", "90%/0", "-1%/5", "90%/1e3"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="90%/100"):
        FailureLimit.parse(text)


def test_it_is_pulled_only_when_so_many_attempts_have_ended() -> None:
    brake = Brake(FailureLimit(90, 10))
    for _ in range(9):
        brake.failed("ValueError: no")
    assert not brake.pulled.is_set()
    brake.failed("ValueError: no")
    assert brake.pulled.is_set()


def test_the_share_is_of_the_last_attempts_alone() -> None:
    brake = Brake(FailureLimit(50, 4))
    brake.failed("old")
    brake.succeeded(4)
    brake.failed("new")
    assert not brake.pulled.is_set()
    brake.failed("new")
    assert brake.pulled.is_set()


def test_a_success_may_be_the_attempt_that_was_wanting() -> None:
    brake = Brake(FailureLimit(90, 10))
    for _ in range(9):
        brake.failed("no")
    brake.succeeded()
    assert brake.pulled.is_set()


def test_a_success_more_and_it_is_not_pulled() -> None:
    brake = Brake(FailureLimit(90, 10))
    brake.succeeded(2)
    for _ in range(8):
        brake.failed("no")
    assert not brake.pulled.is_set()


def test_more_successes_than_it_looks_at() -> None:
    brake = Brake(FailureLimit(100, 2))
    brake.succeeded(1_000_000)
    brake.failed("no")
    assert not brake.pulled.is_set()
    brake.failed("no")
    assert brake.pulled.is_set()


def test_it_tells_figures_and_the_most_frequent_error() -> None:
    brake = Brake(FailureLimit(60, 5))
    brake.succeeded()
    brake.failed("TimeoutError: slow")
    for number in (17, 18, 19):
        brake.failed(f"LookupError: no order {number}\nmore of it")
    assert brake.why() == (
        "4 of this worker's last 5 attempts failed (80%); "
        "most often, 3 times: LookupError: no order 19"
    )


def test_released_it_counts_from_the_beginning() -> None:
    brake = Brake(FailureLimit(100, 2))
    brake.failed("no")
    brake.failed("no")
    brake.release()
    assert not brake.pulled.is_set()
    brake.failed("no")
    assert not brake.pulled.is_set()
    brake.failed("no")
    assert brake.pulled.is_set()
