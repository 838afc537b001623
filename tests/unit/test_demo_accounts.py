"""The demo's sums: they say OK only if every job and every run is accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from retraced.demo.accounts import Account, Evidence, Reason, account
from retraced.demo.ledger import ENDED, FAILED, Run
from retraced.demo.orders import BILLING, Order
from retraced.demo.workers import Death
from retraced.events import Event, EventName

JOB = "1795501170340-0"
ADDED_MS = 1_795_501_170_340
PLAIN = Order(1, {})
HOPELESS = Order(1, {}, {BILLING: "exhausted"})


def run(at: int, end: str = ENDED, *, fence: int = 1, worker: str = "w") -> Run:
    return Run(JOB, fence, worker, ADDED_MS + at, end)


def event(name: EventName, at: int) -> Event:
    return Event(name, ADDED_MS + at, JOB)


def balance(
    *,
    order: Order = PLAIN,
    runs: Sequence[Run] = (),
    events: Sequence[Event] = (),
    dead: Mapping[str, str] | None = None,
    left: int = 0,
    deaths: Mapping[str, Death] | None = None,
) -> Account:
    evidence = Evidence(BILLING, {JOB: order}, runs, events, dead or {}, {"orders": left})
    return account(evidence, deaths or {})


def test_a_job_that_ran_once_and_is_done_is_right() -> None:
    found = balance(runs=[run(0)], events=[event(EventName.COMPLETED, 100)])
    assert (found.done, found.runs, found.again.total(), found.wrong) == (1, 1, 0, [])


def test_a_job_that_ended_nowhere_is_wrong() -> None:
    found = balance(runs=[run(0, end="")])
    assert any("completed 0 times" in what for what in found.wrong)


def test_a_job_that_redis_calls_done_and_the_ledger_does_not_is_wrong() -> None:
    found = balance(events=[event(EventName.COMPLETED, 100)])
    assert any("no run that ended well" in what for what in found.wrong)


def test_a_job_that_died_of_another_reason_than_it_should_is_wrong() -> None:
    assert balance(order=HOPELESS, runs=[run(0, FAILED)], dead={JOB: "exhausted"}).wrong == []
    assert balance(order=HOPELESS, runs=[run(0, FAILED)], dead={JOB: "lost"}).wrong
    assert balance(order=PLAIN, runs=[run(0, FAILED)], dead={JOB: "exhausted"}).wrong


def test_what_is_left_in_redis_is_wrong() -> None:
    found = balance(runs=[run(0)], events=[event(EventName.COMPLETED, 100)], left=2)
    assert found.wrong == ["2 still in orders"]


def test_two_runs_in_one_delivery_are_wrong() -> None:
    events = [event(EventName.RECLAIMED, 50), event(EventName.COMPLETED, 100)]
    assert any(
        "one delivery" in what for what in balance(runs=[run(0), run(60)], events=events).wrong
    )


@pytest.mark.parametrize(
    ("between", "end", "deaths", "reason"),
    [
        (EventName.FAILED, FAILED, {}, Reason.FAILED),
        (EventName.FAILED, ENDED, {}, Reason.UNKNOWN),
        (EventName.CRASHED, "", {}, Reason.CRASHED),
        (EventName.REQUEUED, FAILED, {}, Reason.PUT_BACK),
        (EventName.RECLAIMED, "", {"w": Death.KILLED}, Reason.KILLED),
        (EventName.RECLAIMED, "", {"w": Death.OF_A_JOB}, Reason.DIED),
        (EventName.RECLAIMED, ENDED, {"another": Death.KILLED}, Reason.LEASE),
        (EventName.PROMOTED, "", {}, Reason.UNKNOWN),
    ],
)
def test_an_extra_run_has_the_reason_that_lies_between_it_and_the_run_before(
    between: EventName, end: str, deaths: Mapping[str, Death], reason: Reason
) -> None:
    events = [event(between, 50), event(EventName.COMPLETED, 200)]
    found = balance(runs=[run(0, end), run(60, fence=2)], events=events, deaths=deaths)
    assert found.again == {reason: 1}
    assert bool(found.wrong) == (reason is Reason.UNKNOWN)


def test_a_delayed_job_that_begins_early_is_wrong() -> None:
    late = Order(1, {}, delay_ms=3000)
    done = [event(EventName.COMPLETED, 4000)]
    assert balance(order=late, runs=[run(3002)], events=done).late_ms == [2]
    assert balance(order=late, runs=[run(2999)], events=done).wrong
