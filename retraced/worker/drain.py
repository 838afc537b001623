"""`--drain`: ends the worker when nothing is left to do for any of its streams."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from retraced.durations import format_ms
from retraced.errors import StoreError
from retraced.log import Log
from retraced.store.arrivals import delayed_types, next_due
from retraced.store.connection import Link
from retraced.store.writes import drained
from retraced.worker.dispatch import Dispatcher
from retraced.worker.subscription import Subscription

LOOK_EVERY_S = 0.2
TELL_EVERY_S = 10.0


@dataclass(slots=True)
class Drained:
    """How a drain ended: paused streams, and types that nobody here has a handler for."""

    paused: list[str] = field(default_factory=list)
    unhandled: dict[str, int] = field(default_factory=dict)


class Drain:
    """Watches until every stream of the worker is empty. `until_ms`: what is due later may stay."""

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        dispatcher: Dispatcher,
        *,
        link: Link,
        until_ms: int | None,
        log: Log,
    ) -> None:
        self._subscriptions = subscriptions
        self._dispatcher = dispatcher
        self._link = link
        self._until_ms = until_ms
        self._log = log

    async def wait(self) -> Drained:
        """Returns when nothing is left that this worker could do."""
        tell_at = monotonic() + TELL_EVERY_S
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                if monotonic() >= tell_at:
                    tell_at = monotonic() + TELL_EVERY_S
                    await self._tell()
                result = None if self._busy else await self._look()
            except StoreError:  # the others report it; a drain only ends on good news
                continue
            if result is not None:
                return result

    @property
    def _busy(self) -> bool:
        return self._dispatcher.slots.busy or any(s.held_count for s in self._subscriptions)

    async def _tell(self) -> None:
        """What a long drain still waits for, stream by stream."""
        for subscription in self._subscriptions:
            left = await self._link.run(drained(subscription.keys, until_ms=self._until_ms))
            due_in_ms = await self._next_due_ms(subscription) if left.delayed else None
            if not left.empty:
                self._log.info(
                    "draining",
                    stream=subscription.stream,
                    group=subscription.group,
                    unread="some" if left.unread else None,
                    ready="some" if left.ready else None,
                    held=left.pending or None,
                    held_here=subscription.held_count or None,
                    delayed=left.delayed or None,
                    next_due=None if due_in_ms is None else f"in {format_ms(due_in_ms)}",
                    paused=left.paused or None,
                )

    async def _next_due_ms(self, subscription: Subscription) -> int | None:
        due_ms = await next_due(self._link, subscription.keys)
        return None if due_ms is None else max(0, due_ms - subscription.clock.at(monotonic()))

    async def _look(self) -> Drained | None:
        result = Drained()
        for subscription in self._subscriptions:
            if not await self._is_drained(subscription, result):
                return None
        return result

    async def _is_drained(self, subscription: Subscription, result: Drained) -> bool:
        left = await self._link.run(drained(subscription.keys, until_ms=self._until_ms))
        if left.empty:
            return True
        if left.paused:
            result.paused.append(subscription.stream)
            return True
        if left.unread or left.ready or left.pending:
            return False
        types = await delayed_types(
            self._link,
            subscription.keys,
            until_ms=self._until_ms,
            type_field=subscription.type_field,
        )
        if not types:
            return False
        result.unhandled |= types
        return True
