"""The rule from an outcome to its settlement; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import assert_never

from retraced.durations import MINUTE_MS, SECOND_MS, TEN_YEARS_MS, format_ms
from retraced.errors import quoted
from retraced.events import EventName
from retraced.job import Counts
from retraced.outcome.outcomes import (
    Cancelled,
    Crashed,
    Expired,
    Failed,
    Interrupted,
    Invalid,
    Outcome,
    Postponed,
    Rejected,
    Snoozed,
    Succeeded,
    TimedOut,
    Unhandled,
    Unstarted,
)
from retraced.outcome.settlements import (
    Bury,
    Complete,
    Delay,
    Detail,
    Drop,
    Facts,
    Release,
    Settlement,
)

TEXT_BYTES = 4096
CUT = " [...] "
UNHANDLED_FIRST_MS = 5 * SECOND_MS
UNHANDLED_MOST_MS = 5 * MINUTE_MS
UNSTARTED_MS = 5 * SECOND_MS


def decide(outcome: Outcome, facts: Facts, random: Callable[[], float]) -> Settlement:
    """What is to be written after `outcome`; `random` (in [0, 1)) is for the backoff's jitter."""
    settlement = _rule(outcome, facts, random)
    if not facts.notes or isinstance(settlement, Complete):
        return settlement
    return replace(settlement, detail={**facts.notes, **settlement.detail})


def tail(text: str, limit: int = TEXT_BYTES) -> str:
    """The last `limit` UTF-8 bytes of a text: the end of a traceback says most."""
    raw = text.encode("utf-8", "backslashreplace")
    return raw[-limit:].decode("utf-8", "ignore")


def _rule(outcome: Outcome, facts: Facts, random: Callable[[], float]) -> Settlement:
    match outcome:
        case Succeeded():
            return Complete()
        case Failed() | TimedOut():
            return _after_failure(outcome, facts, random)
        case Rejected():
            return _after_reject(outcome, facts)
        case Snoozed() | Postponed():
            return _wait(outcome, facts)
        case Invalid() | Expired():
            return _bury_unfit(outcome, facts)
        case Unhandled():
            return _after_unhandled(outcome, facts)
        case Crashed():
            return _after_crash(outcome, facts, random)
        case Interrupted() | Unstarted():
            return _uncharged(outcome, facts)
        case Cancelled():
            return _after_cancel(outcome)
        case _:
            assert_never(outcome)


def _after_failure(
    outcome: Failed | TimedOut, facts: Facts, random: Callable[[], float]
) -> Settlement:
    counts = _charged(facts.counts)
    error, detail = _failure(outcome)
    detail["attempt"] = counts.attempt
    if counts.attempt >= facts.max_attempts:
        return Bury(reason="exhausted", error=error, counts=counts, detail=detail)
    wish = outcome.retry_after_ms if isinstance(outcome, Failed) else None
    after = facts.backoff.delay_ms(counts.attempt, random) if wish is None else wish
    return Delay(
        event=EventName.FAILED,
        reason="retry",
        after_ms=min(after, TEN_YEARS_MS),
        counts=counts,
        begun=True,
        error=error,
        detail=detail,
    )


def _failure(outcome: Failed | TimedOut) -> tuple[str, Detail]:
    """The error and what the event says beside it."""
    if isinstance(outcome, TimedOut):
        detail: Detail = {"kind": "timed out"}
        if outcome.abandoned:
            detail["abandoned"] = True
        return f"timed out after {format_ms(outcome.timeout_ms)}", detail
    detail = {} if outcome.kind == "failed" else {"kind": outcome.kind}
    if outcome.traceback:
        detail["traceback"] = tail(outcome.traceback)
    return _shortened(outcome.error), detail


def _after_reject(outcome: Rejected, facts: Facts) -> Bury:
    counts = _charged(facts.counts)
    detail: Detail = {"attempt": counts.attempt}
    if outcome.traceback:
        detail["traceback"] = tail(outcome.traceback)
    error = _shortened(": ".join(filter(None, (outcome.reason, outcome.error))))
    return Bury(reason="rejected", error=error, counts=counts, detail=detail)


def _wait(outcome: Snoozed | Postponed, facts: Facts) -> Delay:
    """A snooze follows a run that found nothing wrong; a postponed job was never begun by us."""
    if isinstance(outcome, Snoozed):
        return Delay(
            event=EventName.SNOOZED,
            reason="snooze",
            after_ms=min(outcome.for_ms, TEN_YEARS_MS),
            counts=facts.counts._replace(lost=0),
            begun=True,
        )
    return Delay(
        event=EventName.DELAYED,
        reason="scheduled",
        due_ms=min(outcome.due_ms, facts.now_ms + TEN_YEARS_MS),
        counts=facts.counts,
        begun=facts.begun,
    )


def _after_crash(outcome: Crashed, facts: Facts, random: Callable[[], float]) -> Settlement:
    counts = facts.counts._replace(crashes=facts.counts.crashes + 1)
    how = _shortened(outcome.how)
    detail: Detail = {"how": how, "crashes": counts.crashes}
    if counts.crashes >= facts.max_crashes:
        error = _shortened(f"its process died {counts.crashes} times, the last time: {how}")
        return Bury(reason="poison", error=error, counts=counts, detail=detail)
    return Delay(
        event=EventName.CRASHED,
        reason="crashed",
        after_ms=facts.backoff.delay_ms(counts.attempt + counts.crashes, random),
        counts=counts,
        begun=True,
        error=_shortened(f"its process died: {how}"),
        detail=detail,
    )


def _bury_unfit(outcome: Invalid | Expired, facts: Facts) -> Bury:
    if isinstance(outcome, Invalid):
        error = _shortened(f"{outcome.field}: {outcome.why}")
        return Bury(reason="invalid", error=error, counts=facts.counts)
    error = f"expired at {_moment(outcome.expired_ms)}, before its first attempt"
    detail: Detail = {"expired": outcome.expired_ms}
    return Bury(reason="expired", error=error, counts=facts.counts, detail=detail)


def _after_unhandled(outcome: Unhandled, facts: Facts) -> Settlement:
    """5 s, 10 s, 20 s ... 5 min: the time that it has been unhandled, and 5 s more."""
    since = facts.now_ms if facts.unhandled_since_ms is None else facts.unhandled_since_ms
    elapsed = max(facts.now_ms - since, 0)
    left = facts.unhandled_after_ms - elapsed
    error = f"no handler for the type {quoted(outcome.type)}"
    detail: Detail = {"type": outcome.type, "since": since}
    if left <= 0:
        error += f" in {format_ms(elapsed)}; start a worker that has one, then requeue"
        return Bury(reason="unhandled", error=error, counts=facts.counts, detail=detail)
    return Delay(
        event=EventName.UNHANDLED,
        reason="unhandled",
        after_ms=min(elapsed + UNHANDLED_FIRST_MS, UNHANDLED_MOST_MS, left),
        counts=facts.counts,
        begun=facts.begun,
        error=error,
        detail=detail,
    )


def _after_cancel(outcome: Cancelled) -> Drop:
    detail: Detail = {"by": outcome.by} if outcome.by else {}
    if outcome.abandoned:
        detail["abandoned"] = True
    return Drop(detail=detail)


def _uncharged(outcome: Interrupted | Unstarted, facts: Facts) -> Release | Delay:
    """If no child could be started, a wait keeps the job from spinning."""
    if isinstance(outcome, Interrupted):
        return Release(counts=facts.counts, begun=facts.begun)
    return Delay(
        event=EventName.DELAYED,
        reason="unstarted",
        after_ms=UNSTARTED_MS,
        counts=facts.counts,
        begun=facts.begun,
        error=tail(outcome.why),
    )


def _charged(counts: Counts) -> Counts:
    """After an attempt that ended in an outcome: one more charged, and no longer lost."""
    return counts._replace(attempt=counts.attempt + 1, lost=0)


def _shortened(text: str) -> str:
    """An error, as it is or with its middle cut out: the start names it, the end says most."""
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) <= TEXT_BYTES:
        return raw.decode()
    head = raw[: TEXT_BYTES // 4].decode("utf-8", "ignore")
    return head + CUT + tail(text, TEXT_BYTES * 3 // 4 - len(CUT))


def _moment(ms: int) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    except OverflowError:
        return f"{ms} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
