"""Tells Redis how long jobs waited and ran: every ten seconds, once a minute when nothing runs."""

from __future__ import annotations

import asyncio
from time import monotonic

from retraced.log import Log
from retraced.maintenance.persistence import keep_on
from retraced.store.connection import Link
from retraced.store.writes import Author
from retraced.worker.measures import flush
from retraced.worker.subscription import Subscription

EVERY_S = 10.0
IDLE_S = 60.0


class Meter:
    """Writes the measures of one subscription; the first time at once, as a base for rates."""

    def __init__(self, subscription: Subscription, *, link: Link, author: Author, log: Log) -> None:
        self._subscription = subscription
        self._link = link
        self._author = author
        self._log = log
        self._idle_until = 0.0

    async def run(self) -> None:
        part = f"measure {self._subscription.stream}"
        await keep_on(self.once, asyncio.sleep, part=part, log=self._log)

    async def once(self) -> float:
        """Writes if there is reason to; answers the seconds until it is to look again."""
        subscription = self._subscription
        if subscription.measures or monotonic() >= self._idle_until:
            await flush(self._link, subscription.keys, self._author, subscription.measures)
            self._idle_until = monotonic() + IDLE_S
        return EVERY_S
