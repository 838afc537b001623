"""The start of a worker: looks at each stream, joins its group, and says what a person should know.

Missing rights, a foreign stream and a newer protocol are found here, before the first job.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from retraced.log import Log
from retraced.store import guard, rights
from retraced.store.connection import Link
from retraced.store.reads.pause import pause_of
from retraced.store.writes import Joined, probe
from retraced.worker import neighbours, pausing
from retraced.worker.heal import Healer
from retraced.worker.options import WorkerOptions
from retraced.worker.subscription import Subscription


class Joining:
    """Joins all groups of a worker, once; tried again as a whole while Redis is away."""

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        healer: Healer,
        options: WorkerOptions,
        *,
        link: Link,
        log: Log,
    ) -> None:
        self._subscriptions = subscriptions
        self._healer = healer
        self._options = options
        self._link = link
        self._log = log

    async def run(self) -> None:
        """Raises a `StoreError`, and `Refused` for a stream that isn't ours alone."""
        for subscription in self._subscriptions:
            await self._join(subscription)

    async def _join(self, subscription: Subscription) -> None:
        keys, options = subscription.keys, self._options
        await rights.check(self._link, keys)
        await self._link.run(probe(keys))
        consent = options.delete_settled or options.retain is not None
        seen = await guard.check(self._link, keys, start=options.start, consent=consent)
        joined = await self._healer.join(subscription)
        await self._set_clock(subscription)
        self._tell(subscription, joined)
        neighbours.tell(self._log, keys, seen, joined)
        if joined.paused:
            pausing.tell(self._log, subscription, await pause_of(self._link, keys))

    async def _set_clock(self, subscription: Subscription) -> None:
        seconds, micros = await self._link.call("TIME")
        subscription.clock.set(int(seconds) * 1000 + int(micros) // 1000, monotonic())

    def _tell(self, subscription: Subscription, joined: Joined) -> None:
        self._log.info(
            "joined",
            stream=subscription.stream,
            group=subscription.group,
            worker=self._options.consumer.decode(),
            created=joined.created or None,
            visibility_ms=subscription.visibility_ms,
        )
        asked = self._options.visibility_ms
        if asked is not None and asked != subscription.visibility_ms:
            self._log.warning(
                "visibility_ignored",
                stream=subscription.stream,
                asked_ms=asked,
                what="the group has its own, set by its first worker",
            )
