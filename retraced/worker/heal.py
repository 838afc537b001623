"""Joins groups: at the start, and again when one is gone or one of its keys can't be worked."""

from __future__ import annotations

from collections.abc import Sequence

from retraced.errors import OutOfMemory, StoreError, Unavailable
from retraced.log import Log
from retraced.retention import Retention
from retraced.store import joining
from retraced.store.arrivals import register
from retraced.store.connection import Link
from retraced.store.writes import Joined, join
from retraced.worker.patience import Patience
from retraced.worker.subscription import Subscription

FROM_START = b"0"


class Healer:
    """Keeps each subscription's groups in existence; `start` is where a new group begins.

    `retain` is what this worker asks its streams to keep of settled jobs.
    """

    def __init__(
        self,
        link: Link,
        *,
        start: bytes,
        visibility_ms: int | None,
        retain: Retention | None = None,
        log: Log,
    ) -> None:
        self._link = link
        self._start = start
        self._visibility_ms = visibility_ms
        self._retain = retain
        self._log = log

    async def join(self, subscription: Subscription, *, only_facts: bool = False) -> Joined:
        """Makes the groups if need be and takes over their facts. Raises a `StoreError`.

        One that this worker knew and that is gone with its checkpoint begins at the start.
        `only_facts`: they have changed, and what is retained is as somebody wanted it meanwhile.
        """
        again = subscription.known
        call = join(
            subscription.keys,
            visibility_ms=subscription.visibility_ms if again else self._visibility_ms,
            start=FROM_START if again else self._start,
            type_field=subscription.type_field,
            retain=None if only_facts else self._retain,
        )
        joined = await joining.joined(self._link, subscription.keys, call)
        subscription.adopt(joined)
        if again and (joined.created or joined.restored):
            event = "group_restored" if joined.restored else "group_created"
            self._log.warning(event, stream=subscription.stream, group=subscription.group)
        await self._register(subscription)
        return joined

    async def _register(self, subscription: Subscription) -> None:
        """Only for commands that list what there is: no reason not to work."""
        try:
            await register(self._link, subscription.keys)
        except Unavailable:
            raise
        except OutOfMemory as error:
            what = "new jobs are refused until there is room; accepted ones are worked"
            self._log.once("register", "redis_full", what=what, error=error)
        except StoreError as error:
            what = "it is worked, but commands that list streams don't show it; see retraced doctor"
            names = {"stream": subscription.stream, "group": subscription.group}
            self._log.once("register", "not_listed", **names, what=what, error=error)

    async def heal(self, subscription: Subscription) -> bool:
        """Joins again; a stream that can't be worked leaves the common read until it can."""
        topic = f"heal {subscription.stream}"
        names = {"stream": subscription.stream, "group": subscription.group}
        try:
            await self.join(subscription)
        except Unavailable:
            return False
        except StoreError as error:
            subscription.broken = str(error)
            self._log.once(topic, "stream_broken", **names, error=error)
            return False
        subscription.broken = ""
        self._log.over(topic, "stream_healed", **names)
        return True

    async def mend(self, subscriptions: Sequence[Subscription]) -> None:
        """For as long as the worker lives: tries broken streams again, with patience."""
        patience = Patience(first_s=0.5)
        while True:
            await patience.wait()
            broken = [s for s in subscriptions if s.broken]
            healed = [await self.heal(subscription) for subscription in broken]
            if all(healed):
                patience.reset()
