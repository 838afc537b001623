"""Removes what nobody needs any more: old records, trimmed stories, the names of dead workers."""

from __future__ import annotations

from time import monotonic

from retraced.log import Log
from retraced.store import writes
from retraced.store.connection import Link
from retraced.store.writes import Ruling
from retraced.worker.subscription import Subscription

BUDGET_S = 0.5


class Pruner:
    """The sweep of one subscription, after each finished pass of the reclaimer.

    A call is short, so a sweep is several of them while there is more, for at most `budget_s`.
    """

    def __init__(
        self, subscription: Subscription, *, link: Link, log: Log, budget_s: float = BUDGET_S
    ) -> None:
        self._subscription = subscription
        self._link = link
        self._log = log
        self._budget_s = budget_s

    async def once(self) -> None:
        """One sweep: at least one call."""
        end = monotonic() + self._budget_s
        more = True
        while more:  # between calls the link serves others, who wait in line
            more = await self._sweep() and monotonic() < end

    async def _sweep(self) -> bool:
        """One call; answers whether there is more to prune."""
        keys = self._subscription.keys
        swept = await self._link.run(writes.sweep(keys))
        if swept.pruned or swept.trimmed:
            self._log.debug(
                "swept", stream=keys.stream_name, records=swept.pruned, entries=swept.trimmed
            )
        for consumer in swept.expired:
            verdict = await self._link.run(writes.leave(keys, consumer, expired=True))
            if verdict.ruling is Ruling.OK:
                self._log.info("worker_gone", worker=consumer.decode("utf-8", "replace"))
        return swept.more
