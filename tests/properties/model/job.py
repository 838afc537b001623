"""One job in one group, as the model sees it: where it is, and the numbers it carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from retraced.outcome import Counts as Numbers
from retraced.outcome import (
    Crashed,
    Failed,
    Interrupted,
    Outcome,
    Postponed,
    Rejected,
    Snoozed,
    TimedOut,
    Unhandled,
)
from retraced.store.writes import Source

MAX_ATTEMPTS = 3
MAX_CRASHES = 2
BY_REFERENCE = 1000
SCHEDULE = (b"delay", b"run_at", b"expires")
NO_SCHEDULE: Mapping[bytes, None] = dict.fromkeys(SCHEDULE)
FRESH = Numbers(attempt=0, deliveries=0, lost=0, crashes=0)
SOME_TIME = -1
Changes = Mapping[bytes, bytes | None]


class Place(StrEnum):
    """Where a job is. After the first five it is nowhere in Redis but in its story."""

    UNREAD = "unread"
    READY = "ready"
    HELD = "held"
    DELAYED = "delayed"
    DEAD = "dead"
    DONE = "done"
    CANCELLED = "cancelled"
    VANISHED = "vanished"
    PURGED = "purged"


OVER = frozenset({Place.DONE, Place.CANCELLED, Place.VANISHED, Place.PURGED})


@dataclass(slots=True)
class Job:
    """`numbers`, `begun` and `obeyed` (the due time) are what its entry carries; `entry` is that
    entry's id in `source`, `ready` or `dlq`, unknown ("") until it was looked at.

    `record` is the state that its record shows, `noted` the numbers there, `told` the story.
    `folded`: its fields went through a record, which keeps neither their order nor duplicates.
    """

    id: bytes
    fields: list[bytes]
    place: Place = Place.UNREAD
    numbers: Numbers = FRESH
    begun: bool = False
    obeyed: int | None = None
    source: Source = Source.STREAM
    entry: bytes = b""
    owner: bytes = b""
    count: int = 0
    silent: bool = False
    removed: bool = False
    due: int = 0
    flagged: bool = False
    fence: int = 0
    folded: bool = False
    record: str | None = None
    noted: Numbers = FRESH
    told: list[str] = field(default_factory=list)

    @property
    def long(self) -> bool:
        return len(self.fields) > 2 * BY_REFERENCE

    @property
    def needs_stream(self) -> bool:
        """Whether its entry must stay in `S` for this group."""
        held = self.place is Place.HELD and self.source is Source.STREAM
        return self.place is Place.UNREAD or held

    @property
    def with_this_delivery(self) -> Numbers:
        """What the worker that holds it must know of it."""
        return self.numbers._replace(
            deliveries=self.numbers.deliveries + self.count,
            lost=self.numbers.lost + self.count - 1,
        )

    @property
    def suspect(self) -> bool:
        """Whether the next takeover needs a child process."""
        return self.numbers.lost + self.count >= 2 or self.numbers.crashes > 0

    def deliver(self, source: Source, entry: bytes, owner: bytes) -> None:
        self.place, self.source, self.entry = Place.HELD, source, entry
        self.owner, self.count, self.silent = owner, 1, False
        self.raise_fence()

    def take_over(self, owner: bytes) -> None:
        self.owner, self.count, self.silent = owner, self.count + 1, False
        self.raise_fence()
        self.noted = self.with_this_delivery
        self.record = "held"

    def raise_fence(self) -> None:
        fence = self.numbers.deliveries + self.count
        assert fence > self.fence, f"{self.id!r}: fence {fence} after {self.fence}"
        self.fence = fence

    def write_record(self, state: str) -> None:
        self.record, self.noted = state, self.numbers

    def tell(self, event: str) -> None:
        if self.record is not None:
            self.told.append(event)

    def to_ready(self, numbers: Numbers, *, begun: bool, due: int | None) -> None:
        self.place, self.entry, self.numbers = Place.READY, b"", numbers
        self.begun, self.obeyed = begun, due
        self.folded |= self.long

    def to_delayed(self, numbers: Numbers, *, begun: bool, due: int) -> None:
        self.place, self.numbers, self.begun, self.due = Place.DELAYED, numbers, begun, due
        self.folded = True

    def to_dead(self, numbers: Numbers) -> None:
        self.place, self.entry, self.numbers = Place.DEAD, b"", numbers
        self.folded |= self.long

    def start_again(self, fields: list[bytes]) -> None:
        """The group was lost, and its entry in `S` is unread once more."""
        self.fields = fields
        self.place, self.numbers, self.begun, self.obeyed = Place.UNREAD, FRESH, False, None
        self.source, self.folded, self.fence = Source.STREAM, False, 0

    def edit(self, changes: Changes) -> None:
        """Fields get a new value or are removed; one given more than once becomes one."""
        kept: list[bytes] = []
        done = set()
        for name, value in zip(self.fields[::2], self.fields[1::2], strict=True):
            changed = changes.get(name, value)
            if changed is not None and not (name in changes and name in done):
                kept += (name, changed)
            done.add(name)
        for name, new in changes.items():
            if new is not None and name not in done:
                kept += (name, new)
        self.fields = kept
        self.folded |= bool(changes)


@dataclass(frozen=True, slots=True)
class Fate:
    """What an outcome must lead to, by the rules of the design and not by the code under test."""

    place: Place
    numbers: Numbers
    begun: bool
    event: str


def fate(outcome: Outcome, job: Job, *, started: bool) -> Fate:
    """The fate of a held job that isn't completed or dropped; DELAYED may turn out due at once."""
    now, begun = job.with_this_delivery, job.begun or started
    match outcome:
        case Failed() | TimedOut():
            now = now._replace(attempt=now.attempt + 1, lost=0)
            over = now.attempt >= MAX_ATTEMPTS
            return _dead(now) if over else Fate(Place.DELAYED, now, True, "failed")
        case Rejected():
            return _dead(now._replace(attempt=now.attempt + 1, lost=0))
        case Snoozed():
            return Fate(Place.DELAYED, now._replace(lost=0), True, "snoozed")
        case Crashed():
            now = now._replace(crashes=now.crashes + 1)
            over = now.crashes >= MAX_CRASHES
            return _dead(now) if over else Fate(Place.DELAYED, now, True, "crashed")
        case Postponed():
            return Fate(Place.DELAYED, now, begun, "delayed")
        case Unhandled():
            return Fate(Place.DELAYED, now, begun, "unhandled")
        case Interrupted():
            return Fate(Place.READY, now, begun, "released")
        case _:
            return _dead(now)


def _dead(numbers: Numbers) -> Fate:
    return Fate(Place.DEAD, numbers, True, "dead")


def by_id(job: bytes) -> tuple[int, int]:
    """The order of ids."""
    milliseconds, _, sequence = job.partition(b"-")
    return int(milliseconds), int(sequence)
