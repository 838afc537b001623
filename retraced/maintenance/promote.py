"""The once-a-second call for each group, and one more when the next job is due.

It promotes what is due, and brings what changed: pause, cancels, facts of the group, the Redis
clock, and whether another worker is hungry while this one has jobs waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import uniform
from time import monotonic

from retraced.log import Log
from retraced.maintenance.persistence import keep_on
from retraced.store import writes
from retraced.store.arrivals import cancelled_among, count_asked
from retraced.store.connection import Link
from retraced.store.reads.pause import pause_of
from retraced.store.writes import Author, Beat, Promotion
from retraced.worker import pausing, unusable
from retraced.worker.delivery import Delivery
from retraced.worker.dispatch import Dispatcher
from retraced.worker.fetch import Fetcher
from retraced.worker.heal import Healer
from retraced.worker.subscription import Subscription

EVERY_S = 1.0
BATCH = 50
NEVER_MS = 1 << 62


class Promoter:
    """Looks after one subscription's due times and facts."""

    def __init__(
        self,
        subscription: Subscription,
        dispatcher: Dispatcher,
        fetcher: Fetcher,
        *,
        link: Link,
        healer: Healer,
        author: Author,
        beat: Callable[[], Beat],
        log: Log,
    ) -> None:
        self._subscription = subscription
        self._dispatcher = dispatcher
        self._fetcher = fetcher
        self._link = link
        self._healer = healer
        self._author = author
        self._beat = beat
        self._log = log

    async def run(self) -> None:
        await keep_on(self.once, self._sleep, part=self._part, log=self._log, missing=self._heal)

    async def once(self) -> float:
        """One call; answers the seconds until the next one is due."""
        subscription = self._subscription
        subscription.next_due.clear()  # what is delayed from here on is news to the answer
        subscription.next_due_ms = None
        promotion = await self._link.run(
            writes.promote(
                subscription.keys,
                self._author,
                limit=BATCH,
                hungry=self._dispatcher.slots.free > 0,
                beat=self._beat(),
            )
        )
        # Anchored at the answer's arrival: a clock that is late runs nothing too early.
        subscription.clock.set(promotion.now_ms, monotonic())
        await self._heed(promotion)
        if promotion.next_due_ms is None:
            subscription.next_due_ms = NEVER_MS
            return EVERY_S
        subscription.next_due_ms = promotion.next_due_ms
        return min(EVERY_S, max(0.0, (promotion.next_due_ms - promotion.now_ms) / 1000))

    async def _heal(self) -> None:
        await self._healer.heal(self._subscription)

    @property
    def _part(self) -> str:
        return f"promote {self._subscription.stream}"

    async def _heed(self, promotion: Promotion) -> None:
        subscription = self._subscription
        subscription.cancels = promotion.cancels
        unusable.report(self._log, subscription, promotion.wrong_key)
        await self._pause(promotion.paused)
        if promotion.version != subscription.version:
            await self._healer.join(subscription, only_facts=True)
        if promotion.cancels:
            await self._cancel()
        if subscription.routing_asked:
            await self._report_routing()
        visible_s = subscription.visibility_ms / 1000
        hungry = promotion.hungry_elsewhere and not self._dispatcher.slots.free
        older_s = EVERY_S / 2 if hungry else visible_s
        if overdue := self._dispatcher.waiting.overdue(subscription, older_s, visible_s):
            await self._give_back(overdue)

    async def _give_back(self, deliveries: list[Delivery]) -> None:
        """Releases what was prefetched too soon, once no read of ours could take it again."""
        subscription = self._subscription
        subscription.no_prefetch_until = monotonic() + subscription.visibility_ms / 1000
        await self._fetcher.unblock()
        released = self._dispatcher.give_back(deliveries)
        self._log.debug("prefetched_released", stream=subscription.stream, jobs=released)

    async def _pause(self, paused: bool) -> None:
        subscription = self._subscription
        if paused == subscription.paused:
            return
        subscription.paused = paused
        self._dispatcher.room.set()
        await self._fetcher.unblock()
        if paused:
            self._dispatcher.give_back(self._dispatcher.waiting.of(subscription))
            pause = await pause_of(self._link, subscription.keys)
            if pause is not None and pause.by != self._author.consumer.decode():  # not yet said
                pausing.tell(self._log, subscription, pause)
            return
        if subscription.brake is not None:
            subscription.brake.release()
        self._log.info("resumed", stream=subscription.stream, group=subscription.group)

    async def _report_routing(self) -> None:
        """Jobs ask for what only a routed group gives: counted in the group, said once."""
        asked = dict(self._subscription.routing_asked)
        self._subscription.routing_asked.clear()
        await count_asked(self._link, self._subscription.keys, asked)
        self._log.once(
            f"routing {self._subscription.stream}",
            "routing_ignored",
            stream=self._subscription.stream,
            fields=", ".join(asked),
            what="the group isn't set up for them: they are plain headers",
        )

    async def _cancel(self) -> None:
        deliveries = self._subscription.deliveries()
        jobs = [delivery.job for delivery in deliveries]
        cancelled = await cancelled_among(self._link, self._subscription.keys, jobs)
        for delivery in deliveries:
            if delivery.job in cancelled:
                self._dispatcher.cancel(delivery)

    async def _sleep(self, pause_s: float) -> None:
        """Until the pause is over, or a settlement may have brought the next due time forward."""
        sooner = self._subscription.next_due
        if pause_s >= EVERY_S:
            pause_s = uniform(0.9, 1.0) * EVERY_S
        try:
            async with asyncio.timeout(pause_s):
                await sooner.wait()
        except TimeoutError:
            pass
