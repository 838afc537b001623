"""Whatever happens to a job, the rule keeps its promises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retraced.backoff import Backoff
from retraced.durations import TEN_YEARS_MS
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
    Snoozed,
    Succeeded,
    TimedOut,
    Unhandled,
    Unstarted,
    decide,
)

NOW = 1_764_000_000_000
SPECS = ["immediate:2,exponential:1s..5m", "fixed:0", "linear:1d~100%"]
texts = st.text(st.characters(), max_size=50)
spans = st.integers(0, 2 * TEN_YEARS_MS)
times = st.integers(0, NOW * 4)
charging = (
    st.builds(Failed, texts, traceback=texts, retry_after_ms=st.none() | spans)
    | st.builds(TimedOut, spans, abandoned=st.booleans())
    | st.builds(Rejected, texts, error=texts, traceback=texts)
)
ending = charging | st.builds(Snoozed, spans)
carrying = (
    st.builds(Interrupted)
    | st.builds(Crashed, texts)
    | st.builds(Postponed, times)
    | st.builds(Unhandled, texts)
    | st.builds(Invalid, texts, texts)
    | st.builds(Expired, times)
    | st.builds(Unstarted, texts)
)
others = st.builds(Succeeded) | st.builds(Cancelled, texts)
outcomes: st.SearchStrategy[Outcome] = ending | carrying | others
spread = st.floats(0, 1, exclude_max=True)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    most = draw(st.integers(1, 1_000))
    return Facts(
        counts=Counts(
            attempt=draw(st.integers(0, most - 1)),
            deliveries=draw(st.integers(1, 10**6)),
            lost=draw(st.integers(0, 10)),
            crashes=draw(st.integers(0, 5)),
        ),
        begun=draw(st.booleans()),
        max_attempts=most,
        backoff=Backoff.parse(draw(st.sampled_from(SPECS))),
        max_crashes=draw(st.integers(1, 6)),
        unhandled_since_ms=draw(st.none() | st.integers(NOW - 10**8, NOW + 10**5)),
        unhandled_after_ms=draw(st.integers(0, 10**8)),
        now_ms=NOW,
    )


@given(outcomes, facts(), spread)
def test_every_outcome_has_a_settlement_with_a_bounded_wait(
    outcome: Outcome, known: Facts, random: float
) -> None:
    settlement = decide(outcome, known, lambda: random)
    assert isinstance(settlement, Complete | Delay | Bury | Release | Drop)
    if isinstance(settlement, Delay):
        assert (settlement.due_ms is None) != (settlement.after_ms is None)
        assert 0 <= (settlement.after_ms or 0) <= TEN_YEARS_MS
        assert (settlement.due_ms or 0) <= NOW + TEN_YEARS_MS
    if isinstance(settlement, Delay | Bury):
        assert len(settlement.error.encode()) <= 4_096


@given(outcomes, facts(), spread)
def test_attempts_and_crashes_never_exceed_their_budget(
    outcome: Outcome, known: Facts, random: float
) -> None:
    settlement = decide(outcome, known, lambda: random)
    if isinstance(settlement, Delay | Bury | Release):
        assert settlement.counts.attempt <= known.max_attempts
    if isinstance(settlement, Delay):
        assert settlement.counts.attempt < known.max_attempts
    if isinstance(settlement, Delay) and isinstance(outcome, Crashed):
        assert settlement.counts.crashes < known.max_crashes


@given(charging, facts(), spread)
def test_only_an_attempt_that_ended_is_charged_and_only_once(
    outcome: Outcome, known: Facts, random: float
) -> None:
    settlement = decide(outcome, known, lambda: random)
    assert isinstance(settlement, Delay | Bury)
    before = known.counts
    assert settlement.counts == Counts(before.attempt + 1, before.deliveries, 0, before.crashes)


@given(carrying, facts(), spread)
def test_what_is_no_end_of_an_attempt_charges_none_and_carries_lost_on(
    outcome: Outcome, known: Facts, random: float
) -> None:
    settlement = decide(outcome, known, lambda: random)
    assert isinstance(settlement, Delay | Bury | Release)
    before = known.counts
    crashes = before.crashes + isinstance(outcome, Crashed)
    assert settlement.counts == Counts(before.attempt, before.deliveries, before.lost, crashes)


@given(outcomes, facts(), spread)
def test_lost_is_reset_by_outcomes_alone_and_deliveries_by_nothing(
    outcome: Outcome, known: Facts, random: float
) -> None:
    settlement = decide(outcome, known, lambda: random)
    if not isinstance(settlement, Delay | Bury | Release):
        return
    assert settlement.counts.deliveries == known.counts.deliveries
    ended = isinstance(outcome, Failed | TimedOut | Rejected | Snoozed)
    assert settlement.counts.lost == (0 if ended else known.counts.lost)


@given(outcomes, facts(), spread)
def test_a_job_that_has_begun_stays_begun(outcome: Outcome, known: Facts, random: float) -> None:
    settlement = decide(outcome, known, lambda: random)
    if isinstance(settlement, Delay | Release):
        ran = isinstance(outcome, Failed | TimedOut | Snoozed | Crashed)
        assert settlement.begun == (known.begun or ran)


@given(st.integers(1, 50), spread)
def test_a_hopeless_job_runs_exactly_as_often_as_it_may(most: int, random: float) -> None:
    counts, runs = Counts(), 0
    while True:
        runs += 1
        known = Facts(
            counts=counts,
            begun=True,
            max_attempts=most,
            backoff=Backoff.parse("immediate:2,exponential:1s..5m"),
            now_ms=NOW,
        )
        settlement = decide(Failed("boom"), known, lambda: random)
        if isinstance(settlement, Bury):
            break
        assert isinstance(settlement, Delay)
        counts = settlement.counts
    assert (runs, settlement.reason, settlement.counts.attempt) == (most, "exhausted", most)
