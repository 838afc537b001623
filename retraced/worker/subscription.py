"""One stream worked for one group by this process: its facts, and the deliveries it holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from retraced.backoff import Backoff
from retraced.clock import RedisClock
from retraced.entry import Entry
from retraced.keys import Keys
from retraced.registry import HandlerOptions
from retraced.store.writes import Held, Joined, Source
from retraced.worker.brake import Brake
from retraced.worker.delivery import Delivery
from retraced.worker.measures import Measures


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how long a job may run where neither entry, handler nor group says."""

    max_attempts: int = 5
    backoff: Backoff = field(default_factory=lambda: Backoff.parse("exponential:1s..5m"))
    timeout_ms: int | None = None
    max_crashes: int = 3
    unhandled_after_ms: int = 3_600_000


class Subscription:
    """Shared by fetch, dispatch, settle, lease and maintenance; belongs to the event loop.

    `broken` holds the reason while its keys can't be worked; `paused` is the group's own;
    `next_due_ms` is when the promoter calls again, None while it doesn't know.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        policy: Policy,
        visibility_ms: int,
        type_field: str | None = "type",
        max_payload: int = 1 << 20,
        brake: Brake | None = None,
    ) -> None:
        self.keys = keys
        self.stream = keys.stream_name
        self.group = keys.group_name
        self.policy = self._flags = policy
        self.visibility_ms = visibility_ms
        self.type_field = type_field
        self.max_payload = max_payload
        self.brake = brake
        self.measures = Measures()
        self.clock = RedisClock()
        self.held: dict[Source, dict[bytes, Delivery]] = {Source.STREAM: {}, Source.READY: {}}
        self.version = 0
        self.paused = False
        self.cancels = 0
        self.broken = ""
        self.routing_asked: Counter[str] = Counter()
        self.no_prefetch_until = 0.0
        self.next_due = asyncio.Event()
        self.next_due_ms: int | None = None

    def adopt(self, joined: Joined) -> None:
        """Takes over the facts of the group, which come before this worker's flags."""
        if not self.known:  # later on the once-a-second call tells
            self.paused = joined.paused
        self.version = joined.version
        self.visibility_ms = joined.visibility_ms
        facts, policy = joined.facts, self._flags
        if "max_attempts" in facts:
            policy = replace(policy, max_attempts=int(facts["max_attempts"]))
        if "backoff" in facts:
            policy = replace(policy, backoff=Backoff.parse(facts["backoff"]))
        if "timeout_ms" in facts:
            policy = replace(policy, timeout_ms=int(facts["timeout_ms"]))
        self.policy = policy

    def delayed(self, due_ms: int) -> None:
        """A job became due at this time: wakes the promoter if it counts on a later one."""
        if self.next_due_ms is None or due_ms < self.next_due_ms:
            self.next_due.set()

    @property
    def known(self) -> bool:
        """Whether this worker has joined the group before."""
        return self.version > 0

    @property
    def readable(self) -> bool:
        return not self.paused and not self.broken

    @property
    def held_count(self) -> int:
        return len(self.held[Source.STREAM]) + len(self.held[Source.READY])

    def hold(self, delivery: Delivery) -> Delivery | None:
        """Notes that it is held; gives the older delivery of its entry that was held until now.

        Gives the delivery itself when it is not the newest: that one is to be forgotten.
        """
        source, entry, _, count = delivery.held
        held = self.held[source]
        former = held.setdefault(entry, delivery)
        if former is delivery:
            return None
        if former.held.count >= count:
            return delivery
        held[entry] = delivery
        return former

    def holder(self, held: Held) -> Delivery | None:
        """The delivery that is held under this one's source and entry id."""
        return self.held[held.source].get(held.entry)

    def forget(self, deliveries: Iterable[Delivery]) -> None:
        """They are settled, or others' by now."""
        for delivery in deliveries:
            source, entry, _, _ = delivery.held
            held = self.held[source]
            if held.get(entry) is delivery:
                del held[entry]

    def deliveries(self) -> list[Delivery]:
        """All that is held; safe to call from the lease thread."""
        return list(self.held[Source.STREAM].values()) + list(self.held[Source.READY].values())

    def max_attempts(self, entry: Entry, options: HandlerOptions | None) -> int:
        own = entry.max_attempts or (options and options.max_attempts)
        return own or self.policy.max_attempts

    def backoff(self, entry: Entry, options: HandlerOptions | None) -> Backoff:
        if entry.backoff is not None:
            return Backoff.parse(entry.backoff)
        if options is not None and options.backoff is not None:
            return options.backoff
        return self.policy.backoff

    def timeout_ms(self, entry: Entry, options: HandlerOptions | None) -> int | None:
        own = entry.timeout_ms or (options and options.timeout_ms)
        return own or self.policy.timeout_ms
