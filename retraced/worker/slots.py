"""Which slots of a worker are taken, and how many more jobs it wants."""

from __future__ import annotations

import asyncio

from retraced.worker.delivery import Delivery
from retraced.worker.pace import Pace
from retraced.worker.subscription import Subscription
from retraced.worker.tally import Tally
from retraced.worker.waiting import Waiting


class Slots:
    """The places of one worker, shared by its dispatcher and by those who bring it jobs.

    `runners` work the queue, one job after another, `unbegun` of them from the loop's next turn
    on; `apart` are those of suspects, one job each.
    `abandoned` holds deliveries whose attempt is over and whose thread runs on: it keeps its slot.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        prefetch: int,
        adaptive: bool = False,
        suspects: int,
        isolates: bool,
        max_jobs: int | None = None,
        tally: Tally,
    ) -> None:
        self.concurrency = concurrency
        self.suspects = suspects
        self.max_jobs = max_jobs
        self.pace = Pace(concurrency=concurrency, most=prefetch) if adaptive else None
        self.subscriptions: list[Subscription] = []
        self.waiting = Waiting()
        self.running: set[Delivery] = set()
        self.abandoned: set[Delivery] = set()
        self.runners: set[asyncio.Task[None]] = set()
        self.apart: set[asyncio.Task[None]] = set()
        self.unbegun = 0
        self.closed = False
        self._prefetch = prefetch
        self._isolates = isolates
        self._tally = tally
        self._started_before = 0

    @property
    def free(self) -> int:
        """Slots that no job holds or waits for; none once the worker is stopping."""
        return 0 if self.closed else max(0, self.concurrency - self._taken)

    @property
    def busy(self) -> bool:
        return bool(self.running or self.waiting)

    @property
    def overfull(self) -> bool:
        """Whether a runner has to end: threads that came to nothing hold its slot."""
        return len(self.runners) + len(self.abandoned) > self.concurrency

    @property
    def most_held(self) -> int:
        """How many deliveries may be held at once, unsettled ones included."""
        return 2 * (self.concurrency + self._prefetch) + 100

    def take(self, delivery: Delivery) -> bool:
        """A job starts. Answers whether it is the last that may."""
        self.running.add(delivery)
        self._tally.started += 1
        return self._tally.started == self.max_jobs

    def leave(self, delivery: Delivery) -> None:
        """Its attempt is over."""
        self.running.discard(delivery)
        if self.pace:
            self.pace.ran(delivery.run_ms)

    def wanted(self, now: float) -> int:
        """How many more deliveries to fetch: the free slots and the prefetch."""
        if self.closed:
            return 0
        held = sum(subscription.held_count for subscription in self.subscriptions)
        most = self.concurrency + self._ahead(now) - self._taken - len(self.waiting.suspects)
        return max(0, min(most, self.most_held - held, self._left_to_start))

    def takeable(self) -> tuple[int, int]:
        """How many silent deliveries to take over, and how many of them suspects.

        As many as slots are free, or became free since the last call: a worker whose prefetch
        fills every slot at once would otherwise leave the jobs of the dead to nobody.
        """
        started = self._tally.started
        turned_over = min(started - self._started_before, self.concurrency)
        self._started_before = started
        if self.closed:
            return 0, 0
        slots = min(max(self.free, turned_over), max(0, self._left_to_start))
        if self._isolates:
            return slots, slots
        children = self.suspects - len(self.apart) - len(self.waiting.suspects)
        return slots, max(0, min(slots, children))

    def to_start(self, jobs_wait: bool) -> int:
        """How many runners to start; one is enough while jobs finish without waiting."""
        wanted = len(self.waiting.jobs) if jobs_wait else min(1, len(self.waiting.jobs))
        return min(
            wanted - self.unbegun, self.concurrency - len(self.runners) - len(self.abandoned)
        )

    @property
    def _taken(self) -> int:
        return len(self.running) + len(self.abandoned) + len(self.waiting.jobs)

    @property
    def _left_to_start(self) -> int:
        if self.max_jobs is None:
            return 1 << 30
        return self.max_jobs - self._tally.started - len(self.waiting)

    def _ahead(self, now: float) -> int:
        if any(now < subscription.no_prefetch_until for subscription in self.subscriptions):
            return 0
        return self.pace.ahead() if self.pace else self._prefetch
