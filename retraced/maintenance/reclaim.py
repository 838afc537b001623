"""Takes over silent deliveries: bounded, jittered, and only what can be started now."""

from __future__ import annotations

import asyncio
from random import uniform
from time import monotonic

from retraced.log import Log
from retraced.maintenance.persistence import keep_on
from retraced.maintenance.prune import Pruner
from retraced.store import writes
from retraced.store.connection import Link
from retraced.store.scripts import Call
from retraced.store.writes import Author, Reclaimed
from retraced.worker import unusable
from retraced.worker.delivery import Delivery, taken
from retraced.worker.dispatch import Dispatcher
from retraced.worker.fetch import Fetcher
from retraced.worker.subscription import Subscription
from retraced.worker.tally import Tally

LOST_CEILING = 10
MOST_PAUSE_S = 5.0


class Reclaimer:
    """Sweeps one subscription's pending lists; a finished sweep is followed by pruning.

    So is one that is held off.
    """

    def __init__(
        self,
        subscription: Subscription,
        dispatcher: Dispatcher,
        fetcher: Fetcher,
        *,
        link: Link,
        pruner: Pruner,
        author: Author,
        log: Log,
        tally: Tally,
    ) -> None:
        self._subscription = subscription
        self._dispatcher = dispatcher
        self._fetcher = fetcher
        self._link = link
        self._pruner = pruner
        self._author = author
        self._log = log
        self._tally = tally

    async def run(self) -> None:
        await keep_on(self.once, asyncio.sleep, part=self._part, log=self._log)

    async def once(self) -> float:
        """One page; answers the seconds until the next one is due."""
        answer = await self._link.run(self._call())
        await self._take(answer)
        if answer.hold_ms:  # only takeovers are held off, and workers may come for moments only
            await self._pruner.once()
        if answer.hold_ms or answer.wait_ms:
            return max(answer.hold_ms, answer.wait_ms) / 1000 + self._every_s * uniform(0, 0.2)
        if answer.more:
            return 0.0
        await self._pruner.once()
        return self._every_s * uniform(0.9, 1.1)

    @property
    def _part(self) -> str:
        return f"reclaim {self._subscription.stream}"

    @property
    def _every_s(self) -> float:
        return min(MOST_PAUSE_S, self._subscription.visibility_ms / 6000)

    def _call(self) -> Call[Reclaimed]:
        slots, suspects = self._dispatcher.slots.takeable()
        return writes.reclaim(
            self._subscription.keys,
            self._author,
            free=slots,
            free_suspects=suspects,
            holds=[delivery.held for delivery in self._subscription.deliveries()],
            lost_ceiling=LOST_CEILING,
            every_ms=int(self._every_s * 1000),
        )

    async def _take(self, answer: Reclaimed) -> None:
        self._tally.dead += answer.buried
        unusable.report(self._log, self._subscription, answer.wrong_key)
        if answer.buried or answer.vanished:
            self._log.warning(
                "reclaim_ended_jobs",
                stream=self._subscription.stream,
                buried=answer.buried,
                vanished=answer.vanished,
            )
        if answer.entries:
            now = monotonic()
            deliveries = [self._delivery(entry, now) for entry in answer.entries]
            await self._fetcher.hand_over(self._subscription, deliveries)

    def _delivery(self, entry: writes.Taken, now: float) -> Delivery:
        delivery = taken(
            self._subscription,
            entry.source,
            entry.entry,
            count=entry.count,
            fields=entry.fields,
            arrived=now,
        )
        delivery.former = entry.former
        self._log.warning(
            "reclaimed",
            job=delivery.job_name,
            stream=self._subscription.stream,
            former=entry.former.decode("utf-8", "replace"),
            delivery=delivery.deliveries,
        )
        return delivery
