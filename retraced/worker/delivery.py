"""One delivery: an entry handed to this worker, from arrival to the answer of its settlement."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

from retraced.entry import (
    SCHEDULE_FIELDS,
    Carried,
    Entry,
    added_ms,
    decode,
    due_ms,
    expires_ms,
    split_ready,
)
from retraced.errors import InvalidEntry
from retraced.job import Job
from retraced.outcome import Counts, Outcome
from retraced.registry import HandlerOptions
from retraced.store.writes import Held, Source

if TYPE_CHECKING:
    from retraced.worker.subscription import Subscription

_NOTHING_CARRIED = Carried(job=b"")


class Delivery:
    """What the worker knows of one entry that it holds.

    `shown` is what its handler sees of it. `verdict` is set by whoever ends that from outside
    (timeout, cancel, shutdown) before it cancels `task`, at `told_at`.
    `lost` says that another delivery owns the job now, so nothing may be settled;
    `suspect` that it was lost twice or crashed, and runs alone in a process of its own;
    `entry` and `scheduled` (whether the entry says when it may run) stand once it is understood;
    `leftover` is done when a thread that outlived its attempt has returned.
    """

    __slots__ = (
        "arrived",
        "cancelled",
        "carried",
        "entry",
        "fields",
        "flaw",
        "former",
        "held",
        "leftover",
        "lost",
        "options",
        "run_ms",
        "scheduled",
        "shown",
        "started",
        "subscription",
        "successor",
        "suspect",
        "task",
        "timeout_ms",
        "timer",
        "told_at",
        "unhandled_since",
        "verdict",
    )

    def __init__(
        self,
        subscription: Subscription,
        held: Held,
        fields: list[bytes],
        *,
        carried: Carried,
        arrived: float,
    ) -> None:
        self.subscription = subscription
        self.held = held
        self.fields = fields
        self.carried = carried
        self.arrived = arrived
        self.flaw: InvalidEntry | None = None
        self.former = b""
        self.started = 0.0
        self.run_ms = 0
        self.unhandled_since: int | None = None
        self.task: asyncio.Task[None] | None = None
        self.timeout_ms: int | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.verdict: Outcome | None = None
        self.told_at = 0.0
        self.shown: Job | None = None
        self.cancelled = False
        self.lost = False
        self.leftover: asyncio.Future[None] | None = None
        self.successor: Delivery | None = None
        self.entry: Entry
        self.options: HandlerOptions | None = None
        self.scheduled = False
        self.suspect = self.lost_before >= 2 or carried.crashes > 0

    @property
    def job(self) -> bytes:
        return self.held.job

    @property
    def job_name(self) -> str:
        return self.held.job.decode()

    def understand(self) -> Entry:
        """Decodes the entry. Raises `InvalidEntry` for one that can't be understood."""
        if self.flaw is not None:
            raise self.flaw
        subscription = self.subscription
        self.entry = entry = decode(
            self.held.job,
            self.fields,
            stream=subscription.stream,
            type_field=subscription.type_field,
            max_payload=subscription.max_payload,
        )
        self.scheduled = not SCHEDULE_FIELDS.isdisjoint(entry.fields) and _says_when(entry)
        return entry

    @property
    def lost_before(self) -> int:
        """Takeovers since the last outcome."""
        return self.carried.lost + self.held.count - 1

    @property
    def deliveries(self) -> int:
        """Deliveries of the job so far, this one included: the fence that handlers see."""
        return self.carried.deliveries + self.held.count

    @property
    def begun(self) -> bool:
        """Whether an attempt of this job may have begun, here or elsewhere."""
        return bool(
            self.started or self.carried.begun or self.carried.attempt or self.carried.crashes
        )

    def told_for_ms(self) -> int:
        """How long ago its run was told to end; 0 if it wasn't."""
        return int((monotonic() - self.told_at) * 1000) if self.told_at else 0

    @property
    def abandoned(self) -> bool:
        """Whether its thread runs on although its attempt is over."""
        return self.leftover is not None and not self.leftover.done()

    def counts(self) -> Counts:
        """The numbers that travel with the job, as of this delivery."""
        return Counts(
            attempt=self.carried.attempt,
            deliveries=self.deliveries,
            lost=self.lost_before,
            crashes=self.carried.crashes,
        )

    def due_ms(self, now_ms: int) -> int | None:
        """When its own `delay` or `run_at` lets it run; None once that was obeyed."""
        if self.carried.due_ms is not None:
            return None
        return due_ms(self.entry, added_ms(self.job, now_ms), now_ms)

    def expires_ms(self, now_ms: int) -> int | None:
        """When it is too late for the first start; None when it never is, or has begun."""
        if self.begun or self.lost_before:
            return None
        added = added_ms(self.job, now_ms)
        return expires_ms(self.entry, added, now_ms, obeyed_due_ms=self.carried.due_ms)

    def wait_ms(self) -> int:
        """From when it could have run to its start, by the Redis clock."""
        clock = self.subscription.clock
        started = clock.at(self.started)
        since = self.carried.due_ms or added_ms(self.held.job, started)
        return max(0, started - (clock.at(self.arrived) if since is None else since))


def _says_when(entry: Entry) -> bool:
    """Whether its `delay`, `run_at` or `expires` is one, and no header of a foreign stream."""
    times = (entry.delay_ms, entry.run_at_ms, entry.expires_after_ms, entry.expires_at_ms)
    return any(time is not None for time in times)


def from_stream(
    subscription: Subscription, reply: list[list[Any]], arrived: float
) -> list[Delivery]:
    """First deliveries, as XREADGROUP replied them."""
    return [
        Delivery(
            subscription,
            Held(Source.STREAM, entry, entry, 1),
            fields,
            carried=_NOTHING_CARRIED,
            arrived=arrived,
        )
        for entry, fields in reply
    ]


def from_ready(
    subscription: Subscription, reply: list[list[Any]], arrived: float
) -> list[Delivery]:
    """Later deliveries, as XREADGROUP replied them."""
    return [
        taken(subscription, Source.READY, entry, count=1, fields=fields, arrived=arrived)
        for entry, fields in reply
    ]


def taken(
    subscription: Subscription,
    source: Source,
    entry: bytes,
    *,
    count: int,
    fields: list[bytes],
    arrived: float,
) -> Delivery:
    """A delivery with its count, as `reclaim` answered it."""
    flaw: InvalidEntry | None = None
    carried = _NOTHING_CARRIED
    if source is Source.READY:
        try:
            carried, fields = split_ready(fields)
        except InvalidEntry as error:  # not written by ReTraced: buried under its own id
            flaw, carried = error, Carried(job=entry)
    held = Held(source, entry, carried.job or entry, count)
    delivery = Delivery(subscription, held, fields, carried=carried, arrived=arrived)
    delivery.flaw = flaw
    return delivery
