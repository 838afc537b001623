"""Removes what nobody needs any more: settled entries, old records and stories, dead workers."""

from __future__ import annotations

from time import monotonic

from retraced.log import Log
from retraced.store import writes
from retraced.store.connection import Link
from retraced.store.writes import Ruling
from retraced.worker import unusable
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
        """One sweep: at least one call of each kind."""
        end = monotonic() + self._budget_s
        for step in (self._sweep, self._prune, self._cap):
            more = True
            while more:  # between calls the link serves others, who wait in line
                more = await step() and monotonic() < end

    async def _sweep(self) -> bool:
        """Trims the stream and takes dead workers off; answers whether there is more to trim."""
        keys = self._subscription.keys
        swept = await self._link.run(writes.sweep(keys))
        if swept.trimmed:
            self._log.debug("trimmed", stream=keys.stream_name, entries=swept.trimmed)
        for consumer in swept.expired:
            verdict = await self._link.run(writes.leave(keys, consumer, expired=True))
            if verdict.ruling is Ruling.OK:
                self._log.info("worker_gone", worker=consumer.decode("utf-8", "replace"))
        return swept.more

    async def _prune(self) -> bool:
        keys = self._subscription.keys
        pruned = await self._link.run(writes.prune(keys))
        if pruned.records:
            self._log.debug("pruned", stream=keys.stream_name, records=pruned.records)
        unusable.report(self._log, self._subscription, pruned.wrong_key)
        return pruned.more

    async def _cap(self) -> bool:
        """Removes dead letters if someone capped them: that ends jobs, so it is said aloud."""
        keys = self._subscription.keys
        capped = await self._link.run(writes.cap(keys))
        if capped.letters:
            self._log.warning(
                "dead_letters_capped",
                stream=keys.stream_name,
                group=keys.group_name,
                letters=capped.letters,
            )
        return capped.more
