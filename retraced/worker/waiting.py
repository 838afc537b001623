"""Deliveries that are held and have not begun: ordinary jobs, and suspects, which need a child."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from time import monotonic

from retraced.worker.delivery import Delivery
from retraced.worker.subscription import Subscription


class Waiting:
    """Two queues of deliveries in the order of their arrival."""

    __slots__ = ("jobs", "suspects")

    def __init__(self) -> None:
        self.jobs: deque[Delivery] = deque()
        self.suspects: deque[Delivery] = deque()

    def __len__(self) -> int:
        return len(self.jobs) + len(self.suspects)

    def __iter__(self) -> Iterator[Delivery]:
        yield from self.jobs
        yield from self.suspects

    def put(self, delivery: Delivery, *, apart: bool) -> None:
        """Queues it; one that was taken over comes first: it has waited long enough already."""
        if apart:
            self.suspects.append(delivery)
        elif delivery.former:
            self.jobs.appendleft(delivery)
        else:
            self.jobs.append(delivery)

    def remove(self, delivery: Delivery) -> bool:
        """Takes it out; False if it has begun or isn't here."""
        for queue in (self.jobs, self.suspects):
            if delivery in queue:
                queue.remove(delivery)
                return True
        return False

    def take_all(self) -> list[Delivery]:
        taken = list(self)
        self.jobs.clear()
        self.suspects.clear()
        return taken

    def of(self, subscription: Subscription) -> list[Delivery]:
        return [delivery for delivery in self if delivery.subscription is subscription]

    def overdue(self, subscription: Subscription, older_s: float, ready_s: float) -> list[Delivery]:
        """Those that have waited long; those of `ready`, which were given back before, longer."""
        now = monotonic()
        return [
            delivery
            for delivery in self.of(subscription)
            if now - delivery.arrived > (ready_s if delivery.carried.job else older_s)
        ]
