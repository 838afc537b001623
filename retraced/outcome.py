"""The rule from what an attempt did (Outcome) to what is written (Settlement); pure.

The worker builds Facts from the delivery, asks `decide`, and hands the settlement to the store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import assert_never

from retraced.backoff import Backoff
from retraced.durations import MINUTE_MS, SECOND_MS, TEN_YEARS_MS, format_ms
from retraced.errors import quoted
from retraced.events import EventName
from retraced.job import Counts

__all__ = [
    "Bury",
    "Cancelled",
    "Complete",
    "Counts",
    "Crashed",
    "Delay",
    "Drop",
    "Expired",
    "Facts",
    "Failed",
    "Interrupted",
    "Invalid",
    "Outcome",
    "Postponed",
    "Rejected",
    "Release",
    "Settlement",
    "Snoozed",
    "Succeeded",
    "TimedOut",
    "Unhandled",
    "decide",
    "tail",
]

Detail = dict[str, str | int | bool]

TEXT_BYTES = 4096
UNHANDLED_FIRST_MS = 5 * SECOND_MS
UNHANDLED_MOST_MS = 5 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler failed; `retry_after_ms` is its own wish for the next delay."""

    error: str
    traceback: str = ""
    retry_after_ms: int | None = None
    kind: str = "failed"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The handler said that no attempt can succeed."""

    reason: str
    error: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The attempt outlived its timeout; `abandoned`: its thread still runs."""

    timeout_ms: int
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The handler asked to run again later."""

    for_ms: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A person cancelled the job."""

    by: str = ""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Unfinished at shutdown, or prefetched and not started in time."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """Its child process died before an outcome; `how`: exit code or signal."""

    how: str


@dataclass(frozen=True, slots=True)
class Invalid:
    """A field, or a handler's parameter, that can't be understood."""

    field: str
    why: str


@dataclass(frozen=True, slots=True)
class Expired:
    """Its first attempt hadn't begun by `expired_ms` (Redis time)."""

    expired_ms: int


@dataclass(frozen=True, slots=True)
class Unhandled:
    """This worker has no handler for the type."""

    type: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """The entry's own `delay` or `run_at` says not before `due_ms` (Redis time)."""

    due_ms: int


Outcome = (
    Succeeded
    | Failed
    | Rejected
    | TimedOut
    | Snoozed
    | Cancelled
    | Interrupted
    | Crashed
    | Invalid
    | Expired
    | Unhandled
    | Postponed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the rule needs to know of a delivery.

    `counts`: attempts charged before it, deliveries with it, lost with its takeovers, crashes
    before it. `begun`: whether the first attempt has begun, now or earlier.
    """

    counts: Counts
    begun: bool
    max_attempts: int
    backoff: Backoff
    max_crashes: int = 3
    unhandled_since_ms: int | None = None
    unhandled_after_ms: int = 60 * MINUTE_MS
    now_ms: int


@dataclass(frozen=True, slots=True)
class Complete:
    """Held to done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Held to delayed, until `due_ms` (Redis time) or for `after_ms` from now: one is given."""

    event: EventName
    reason: str
    due_ms: int | None = None
    after_ms: int | None = None
    counts: Counts
    begun: bool
    error: str = ""
    detail: Detail = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bury:
    """Held to dead."""

    reason: str
    error: str
    counts: Counts
    detail: Detail = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Held to queued, nothing charged."""

    counts: Counts
    begun: bool
    detail: Detail = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Held to done without success: the event is `cancelled`."""

    reason: str = "cancelled"
    detail: Detail = field(default_factory=dict)


Settlement = Complete | Delay | Bury | Release | Drop


def decide(outcome: Outcome, facts: Facts, random: Callable[[], float]) -> Settlement:
    """What is to be written after `outcome`; `random` (in [0, 1)) is for the backoff's jitter."""
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
            return _never_started(outcome, facts)
        case Unhandled():
            return _after_unhandled(outcome, facts)
        case Crashed():
            return _after_crash(outcome, facts, random)
        case Interrupted():
            return Release(counts=facts.counts, begun=facts.begun)
        case Cancelled():
            return Drop(detail={"by": outcome.by})
        case _:
            assert_never(outcome)


def tail(text: str, limit: int = TEXT_BYTES) -> str:
    """The last `limit` UTF-8 bytes of a text: the end of a traceback says most."""
    raw = text.encode("utf-8", "backslashreplace")
    return raw[-limit:].decode("utf-8", "ignore")


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
    return tail(outcome.error), detail


def _after_reject(outcome: Rejected, facts: Facts) -> Bury:
    counts = _charged(facts.counts)
    detail: Detail = {"attempt": counts.attempt}
    if outcome.traceback:
        detail["traceback"] = tail(outcome.traceback)
    error = tail(": ".join(filter(None, (outcome.reason, outcome.error))))
    return Bury(reason="rejected", error=error, counts=counts, detail=detail)


def _wait(outcome: Snoozed | Postponed, facts: Facts) -> Delay:
    """A snooze follows a run that found nothing wrong; a postponed job was never begun by us."""
    if isinstance(outcome, Snoozed):
        return Delay(
            event=EventName.SNOOZED,
            reason="snooze",
            after_ms=min(outcome.for_ms, TEN_YEARS_MS),
            counts=replace(facts.counts, lost=0),
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
    counts = replace(facts.counts, crashes=facts.counts.crashes + 1)
    how = tail(outcome.how)
    detail: Detail = {"how": how, "crashes": counts.crashes}
    if counts.crashes >= facts.max_crashes:
        error = tail(f"its process died {counts.crashes} times, the last time: {how}")
        return Bury(reason="poison", error=error, counts=counts, detail=detail)
    return Delay(
        event=EventName.CRASHED,
        reason="crashed",
        after_ms=facts.backoff.delay_ms(counts.attempt + counts.crashes, random),
        counts=counts,
        begun=True,
        error=tail(f"its process died: {how}"),
        detail=detail,
    )


def _never_started(outcome: Invalid | Expired, facts: Facts) -> Bury:
    if isinstance(outcome, Invalid):
        error = tail(f"{outcome.field}: {outcome.why}")
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


def _charged(counts: Counts) -> Counts:
    """After an attempt that ended in an outcome: one more charged, and no longer lost."""
    return replace(counts, attempt=counts.attempt + 1, lost=0)


def _moment(ms: int) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    except OverflowError:
        return f"{ms} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
