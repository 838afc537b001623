"""`--drain`: ends the worker when nothing is left to do for any of its streams."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from retraced.errors import StoreError
from retraced.store.arrivals import delayed_types
from retraced.store.connection import Link
from retraced.store.writes import drained
from retraced.worker.dispatch import Dispatcher
from retraced.worker.subscription import Subscription

LOOK_EVERY_S = 0.2


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
    ) -> None:
        self._subscriptions = subscriptions
        self._dispatcher = dispatcher
        self._link = link
        self._until_ms = until_ms

    async def wait(self) -> Drained:
        """Returns when nothing is left that this worker could do."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._dispatcher.slots.busy or any(s.held_count for s in self._subscriptions):
                continue
            try:
                result = await self._look()
            except StoreError:  # the others report it; a drain only ends on good news
                continue
            if result is not None:
                return result

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
