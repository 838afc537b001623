"""What follows from each outcome."""

from __future__ import annotations

from typing import Any

import pytest

from retraced.backoff import Backoff
from retraced.durations import MINUTE_MS, TEN_YEARS_MS
from retraced.events import EventName
from retraced.outcome import (
    Bury,
    Cancelled,
    Complete,
    Counts,
    Crashed,
    Delay,
    Drop,
    Expired,
    Facts,
    Failed,
    Interrupted,
    Invalid,
    Outcome,
    Postponed,
    Rejected,
    Release,
    Settlement,
    Snoozed,
    Succeeded,
    TimedOut,
    Unhandled,
    Unstarted,
    decide,
    tail,
)

NOW = 1_764_000_000_000
COUNTS = Counts(attempt=1, deliveries=4, lost=2, crashes=1)
CHARGED = Counts(attempt=2, deliveries=4, lost=0, crashes=1)
RETRY = Backoff.parse("exponential:1s..5m")


def settled(outcome: Outcome, **changed: Any) -> Settlement:
    facts: dict[str, Any] = {
        "counts": COUNTS,
        "begun": True,
        "max_attempts": 5,
        "backoff": RETRY,
        "now_ms": NOW,
    }
    return decide(outcome, Facts(**facts | changed), lambda: 0.5)


def test_a_success_completes() -> None:
    assert settled(Succeeded()) == Complete()


def test_a_failure_is_charged_and_waits_for_its_backoff() -> None:
    assert settled(Failed("boom", traceback="at line 1")) == Delay(
        event=EventName.FAILED,
        reason="retry",
        after_ms=2_000,
        counts=CHARGED,
        begun=True,
        error="boom",
        detail={"attempt": 2, "traceback": "at line 1"},
    )


def test_a_handler_may_choose_its_own_delay() -> None:
    for wish, after in ((0, 0), (7, 7), (TEN_YEARS_MS * 2, TEN_YEARS_MS)):
        settlement = settled(Failed("busy", retry_after_ms=wish))
        assert isinstance(settlement, Delay)
        assert settlement.after_ms == after


def test_the_last_attempt_buries() -> None:
    assert settled(Failed("boom"), max_attempts=2) == Bury(
        reason="exhausted", error="boom", counts=CHARGED, detail={"attempt": 2}
    )
    assert isinstance(settled(Failed("boom", retry_after_ms=5), max_attempts=1), Bury)


def test_a_timeout_is_a_failure_that_names_it() -> None:
    settlement = settled(TimedOut(30_000, abandoned=True))
    assert isinstance(settlement, Delay)
    assert settlement.error == "timed out after 30s"
    assert settlement.counts == CHARGED
    assert settlement.detail == {"attempt": 2, "kind": "timed out", "abandoned": True}


def test_a_reject_buries_at_once() -> None:
    assert settled(Rejected("no such user")) == Bury(
        reason="rejected", error="no such user", counts=CHARGED, detail={"attempt": 2}
    )
    settlement = settled(Rejected("exit code 65", error="bad input"))
    assert isinstance(settlement, Bury)
    assert settlement.error == "exit code 65: bad input"


def test_a_snooze_charges_nothing_and_ends_being_lost() -> None:
    assert settled(Snoozed(60_000)) == Delay(
        event=EventName.SNOOZED,
        reason="snooze",
        after_ms=60_000,
        counts=Counts(attempt=1, deliveries=4, lost=0, crashes=1),
        begun=True,
    )


def test_a_cancel_drops_it() -> None:
    assert settled(Cancelled(by="ada")) == Drop(reason="cancelled", detail={"by": "ada"})
    assert settled(Cancelled(abandoned=True)) == Drop(detail={"abandoned": True})


@pytest.mark.parametrize("begun", [True, False])
def test_an_interruption_gives_it_back_uncharged(begun: bool) -> None:
    assert settled(Interrupted(), begun=begun) == Release(counts=COUNTS, begun=begun)


def test_a_crash_charges_the_crash_budget_alone() -> None:
    assert settled(Crashed("signal 9 (SIGKILL)")) == Delay(
        event=EventName.CRASHED,
        reason="crashed",
        after_ms=4_000,
        counts=Counts(attempt=1, deliveries=4, lost=2, crashes=2),
        begun=True,
        error="its process died: signal 9 (SIGKILL)",
        detail={"how": "signal 9 (SIGKILL)", "crashes": 2},
    )


def test_the_third_crash_is_poison() -> None:
    settlement = settled(Crashed("exit code 1"), counts=Counts(0, 5, 2, 2))
    assert settlement == Bury(
        reason="poison",
        error="its process died 3 times, the last time: exit code 1",
        counts=Counts(0, 5, 2, 3),
        detail={"how": "exit code 1", "crashes": 3},
    )
    assert isinstance(settled(Crashed("x"), max_crashes=5), Delay)


def test_what_is_invalid_is_buried_with_its_field() -> None:
    assert settled(Invalid("delay", "'soon' isn't a duration")) == Bury(
        reason="invalid", error="delay: 'soon' isn't a duration", counts=COUNTS
    )


def test_what_is_expired_is_buried_with_the_time() -> None:
    assert settled(Expired(NOW)) == Bury(
        reason="expired",
        error="expired at 2025-11-24T16:00:00.000Z, before its first attempt",
        counts=COUNTS,
        detail={"expired": NOW},
    )


def test_a_postponed_job_waits_for_its_due_time() -> None:
    assert settled(Postponed(NOW + 5), begun=False) == Delay(
        event=EventName.DELAYED, reason="scheduled", due_ms=NOW + 5, counts=COUNTS, begun=False
    )
    capped = settled(Postponed(NOW * 99))
    assert isinstance(capped, Delay)
    assert capped.due_ms == NOW + TEN_YEARS_MS


def test_unhandled_waits_double_from_five_seconds_to_five_minutes() -> None:
    waited, waits = 0, []
    for _ in range(9):
        settlement = settled(Unhandled("a"), unhandled_since_ms=NOW - waited)
        assert isinstance(settlement, Delay)
        assert settlement.counts == COUNTS
        waits.append(settlement.after_ms or 0)
        waited += waits[-1]
    assert [wait // 1_000 for wait in waits] == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_the_first_unhandled_delivery_says_since_when() -> None:
    settlement = settled(Unhandled("send"), begun=False)
    assert isinstance(settlement, Delay)
    assert settlement.event is EventName.UNHANDLED
    assert settlement.reason == "unhandled"
    assert settlement.error == "no handler for the type 'send'"
    assert settlement.detail == {"type": "send", "since": NOW}
    assert not settlement.begun


@pytest.mark.parametrize(
    ("waited", "after"), [(59 * MINUTE_MS, MINUTE_MS), (60 * MINUTE_MS - 1, 1), (-5_000, 5_000)]
)
def test_an_unhandled_wait_ends_when_its_time_is_up(waited: int, after: int) -> None:
    settlement = settled(Unhandled("a"), unhandled_since_ms=NOW - waited)
    assert isinstance(settlement, Delay)
    assert settlement.after_ms == after


def test_after_an_hour_unhandled_it_is_buried() -> None:
    settlement = settled(Unhandled("send"), unhandled_since_ms=NOW - 60 * MINUTE_MS)
    assert isinstance(settlement, Bury)
    assert settlement.reason == "unhandled"
    assert settlement.error.startswith("no handler for the type 'send' in 1h; start a worker")


def test_a_child_that_could_not_be_started_costs_a_wait_and_nothing_else() -> None:
    settlement = settled(Unstarted("no process left"))
    assert isinstance(settlement, Delay)
    assert settlement.counts == COUNTS
    assert settlement.after_ms == 5_000
    assert settlement.error == "no process left"


def test_what_the_story_should_say_of_the_entry_is_in_every_detail() -> None:
    notes = {"duplicates": "to"}
    every: list[Outcome] = [
        Failed("x"),
        Postponed(NOW),
        Invalid("a", "b"),
        Interrupted(),
        Cancelled(),
        Unstarted("no process left"),
    ]
    for outcome in every:
        settlement = settled(outcome, notes=notes)
        assert not isinstance(settlement, Complete)
        assert settlement.detail["duplicates"] == "to"
    assert settled(Succeeded(), notes=notes) == Complete()


def test_long_errors_lose_their_middle_and_long_tracebacks_their_start() -> None:
    settlement = settled(Failed("ValueError: " + "x" * 50_000 + "end", traceback="\u00e9" * 5_000))
    assert isinstance(settlement, Delay)
    assert settlement.error.startswith("ValueError: ")
    assert settlement.error.endswith("end")
    assert len(settlement.error.encode()) <= 4_096
    assert settlement.detail["traceback"] == "\u00e9" * 2_048


def test_texts_that_are_not_unicode_are_escaped() -> None:
    assert tail("a\udcffb") == r"a\udcffb"
    settlement = settled(Failed("caf\udce9"))
    assert isinstance(settlement, Delay)
    assert settlement.error == r"caf\udce9"
