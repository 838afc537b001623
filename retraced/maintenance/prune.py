"""Removes what nobody needs any more: old records, trimmed stories, the names of dead workers."""

from __future__ import annotations

from retraced.log import Log
from retraced.store import writes
from retraced.store.connection import Link
from retraced.store.writes import Ruling
from retraced.worker.subscription import Subscription

FINISHED_TTL_MS = 7 * 86_400_000
FINISHED_MOST = 100_000
EVENTS_BYTES = 64 << 20


class Pruner:
    """The sweep of one subscription, after each finished pass of the reclaimer."""

    def __init__(self, subscription: Subscription, *, link: Link, log: Log) -> None:
        self._subscription = subscription
        self._link = link
        self._log = log

    async def once(self) -> None:
        keys = self._subscription.keys
        swept = await self._link.run(
            writes.sweep(
                keys,
                finished_ttl_ms=FINISHED_TTL_MS,
                finished_max=FINISHED_MOST,
                events_bytes=EVENTS_BYTES,
            )
        )
        for consumer in swept.expired:
            verdict = await self._link.run(writes.leave(keys, consumer, expired=True))
            if verdict.ruling is Ruling.OK:
                self._log.info("worker_gone", worker=consumer.decode("utf-8", "replace"))
