"""Pauses a group when its worker's brake is pulled: see `--pause-on-failure`."""

from __future__ import annotations

import asyncio

from retraced.log import Log
from retraced.maintenance.persistence import keep_on
from retraced.store.connection import Link
from retraced.store.writes import Ruling, pause
from retraced.worker import pausing
from retraced.worker.brake import Brake
from retraced.worker.subscription import Subscription


class Pauser:
    """Waits for one subscription's brake; the promoter then sees the pause as anybody's."""

    def __init__(
        self, subscription: Subscription, brake: Brake, *, link: Link, by: str, log: Log
    ) -> None:
        self._subscription = subscription
        self._brake = brake
        self._link = link
        self._by = by
        self._log = log

    async def run(self) -> None:
        part = f"pause {self._subscription.stream}"
        await keep_on(self.once, asyncio.sleep, part=part, log=self._log)

    async def once(self) -> float:
        """Waits and pauses, once."""
        await self._brake.pulled.wait()
        subscription, why = self._subscription, self._brake.why()
        verdict = await self._link.run(pause(subscription.keys, by=self._by, why=why))
        self._brake.release()
        subscription.next_due.set()  # the next call of the promoter, at once, finds the pause
        if verdict.ruling is Ruling.OK:
            self._log.error(
                "paused_on_failure",
                stream=subscription.stream,
                group=subscription.group,
                why=why,
                what=pausing.remedy(subscription),
            )
        return 0.0
