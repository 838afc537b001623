"""What is written after an outcome, and the facts of the delivery that the rule needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from retraced.backoff import Backoff
from retraced.durations import MINUTE_MS
from retraced.events import EventName
from retraced.job import Counts

Detail = dict[str, str | int | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the rule needs to know of a delivery.

    `counts`: attempts charged before it, deliveries with it, lost with its takeovers, crashes
    before it. `begun`: whether the first attempt has begun, now or earlier. `notes`: what the story
    should say of the entry itself; every settlement's detail carries it.
    """

    counts: Counts
    begun: bool
    max_attempts: int
    backoff: Backoff
    max_crashes: int = 3
    unhandled_since_ms: int | None = None
    unhandled_after_ms: int = 60 * MINUTE_MS
    now_ms: int
    notes: Mapping[str, str] = field(default_factory=dict)


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
