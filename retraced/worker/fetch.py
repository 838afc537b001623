"""The one blocked read of a worker process: what is due and what is new, of all its streams."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import ceil
from time import monotonic
from typing import Any

from retraced.errors import Denied, GroupMissing, InvalidEntry, StoreError, Unavailable
from retraced.log import Log
from retraced.store.arrivals import (
    cancelled_among,
    read_group,
    read_one,
    record_fields,
    unblock,
    unhandled_since,
)
from retraced.store.connection import Link
from retraced.worker import trouble
from retraced.worker.delivery import Delivery, from_ready, from_stream
from retraced.worker.dispatch import Dispatcher
from retraced.worker.heal import Healer
from retraced.worker.patience import Patience
from retraced.worker.subscription import Subscription
from retraced.worker.tally import names

BLOCK_MS = 5000
SHORT_BLOCK_MS = 500  # while a stream is paused or broken, so that it is read again soon after
MOST_AT_ONCE = 500
MOST_BYTES = 4 << 20
LONGEST_STOP_S = 5.0
LONGEST_UNBLOCK_S = 0.5


class Fetcher:
    """Reads while there is room; `stop` ends the blocked read from another connection."""

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        dispatcher: Dispatcher,
        *,
        reading: Link,
        asking: Link,
        consumer: bytes,
        healer: Healer,
        log: Log,
    ) -> None:
        self._subscriptions = subscriptions
        self._dispatcher = dispatcher
        self._reading = reading
        self._asking = asking
        self._consumer = consumer
        self._healer = healer
        self._log = log
        self._patience = Patience()
        self._stopping = False
        self._blocked = False
        self._busy = False
        self._may_unblock = True
        self._bytes_each = 1024.0
        self._turn = 0
        self.last_read = monotonic()

    async def run(self) -> None:
        while not self._stopping:
            readable = [s for s in self._subscriptions if s.readable]
            wanted = self._dispatcher.slots.wanted(monotonic())
            if not readable or not wanted:
                await self._room()
                continue
            self._busy = True
            try:
                await self._read(readable, wanted)
            except StoreError as error:
                self._busy = False
                await self._failed(readable, error)
            else:
                trouble.over(self._log, "fetch")
                self._patience.reset()
            finally:
                self._busy = False

    async def stop(self) -> None:
        """No more jobs: what the blocked read still returns is handed on, to be released."""
        self._stopping = True
        self._dispatcher.room.set()
        until = monotonic() + LONGEST_STOP_S
        while self._busy and monotonic() < until:
            await self.unblock()
            await asyncio.sleep(0.02)

    async def unblock(self) -> None:
        """Ends the blocked read, by a word to Redis: closing it could strand what is on its way.

        Without the right to say it (lost since the start), the read ends by itself, within 5 s.
        """
        until = monotonic() + LONGEST_UNBLOCK_S
        while self._may_unblock and self._blocked and monotonic() < until:
            if (client_id := self._reading.client_id) is None:
                return
            try:
                if await unblock(self._asking, client_id):
                    return
            except Denied as error:
                self._may_unblock = False
                self._log.warning("unblock_denied", error=error)
                return
            except StoreError as error:
                self._log.debug("unblock_failed", error=error)
                return
            await asyncio.sleep(0.01)  # its command is still on the way

    async def _room(self) -> None:
        room = self._dispatcher.room
        room.clear()
        if not self._stopping:
            try:
                async with asyncio.timeout(1):
                    await room.wait()
            except TimeoutError:
                pass

    async def _read(self, readable: list[Subscription], wanted: int) -> None:
        await self._reading.connect()
        readable = [subscription for subscription in readable if subscription.readable]
        if not readable:  # paused meanwhile
            return
        if wanted < 2 * len(readable) and await self._read_few(readable, wanted):
            return
        keys = [subscription.keys for subscription in readable]
        count = self._count(wanted, 2 * len(keys))
        all_readable = len(readable) == len(self._subscriptions)
        block_ms = BLOCK_MS if all_readable else SHORT_BLOCK_MS
        self._blocked = True
        try:
            reply = await read_group(
                self._reading, keys, self._consumer, count=count, block_ms=block_ms
            )
        finally:
            self._blocked = False
        self.last_read = monotonic()
        await self._arrived(readable, reply)

    async def _read_few(self, readable: list[Subscription], wanted: int) -> bool:
        """Fewer slots than keys: asks one after another, since COUNT is for each key of a read."""
        names = [(s, name) for s in readable for name in (s.keys.ready, s.keys.stream)]
        self._turn = (self._turn + 1) % len(names)
        found = 0
        for subscription, name in names[self._turn :] + names[: self._turn]:
            reply = await read_one(
                self._reading, subscription.keys, name, self._consumer, count=wanted - found
            )
            found += sum(len(entries) for _, entries in reply)
            await self._arrived(readable, reply)
            if found >= wanted:
                break
        return found > 0

    def _count(self, wanted: int, keys: int) -> int:
        """COUNT is for each key: a half for each of two, and no more bytes than fit."""
        fitting = max(1, int(MOST_BYTES / self._bytes_each))
        return max(1, min(ceil(wanted / keys), fitting, MOST_AT_ONCE))

    async def _arrived(self, readable: list[Subscription], reply: list[list[Any]]) -> None:
        by_key = {s.keys.stream: (s, from_stream) for s in readable}
        by_key |= {s.keys.ready: (s, from_ready) for s in readable}
        now = monotonic()
        for key, entries in reply:
            subscription, deliveries_of = by_key[key]
            deliveries = deliveries_of(subscription, entries, now)
            self._bytes_each = 0.7 * self._bytes_each + 0.3 * _bytes_of(deliveries[0])
            await self.hand_over(subscription, deliveries)

    async def hand_over(self, subscription: Subscription, deliveries: list[Delivery]) -> None:
        """Fetches what these deliveries only refer to, and gives them to the dispatcher.

        One whose record can't be read now is left to be taken over, unstarted and uncharged.
        """
        whole = [each for each in deliveries if await self._complement(each)]
        if whole and monotonic() - whole[0].arrived > subscription.visibility_ms / 1000:
            return  # Redis was away meanwhile, and by now others may have taken them over
        if subscription.cancels:
            await self._mark_cancelled(subscription, whole)
        self._dispatcher.accept(whole)

    async def _complement(self, delivery: Delivery) -> bool:
        if not delivery.carried.job:
            return True
        record = delivery.subscription.keys.job(delivery.job)
        try:
            if delivery.carried.in_record:
                delivery.fields = await record_fields(self._asking, record)
                if not delivery.fields:
                    delivery.flaw = InvalidEntry("@record", "the fields that it kept are gone")
            if self._dispatcher.lacks_handler(delivery):
                delivery.unhandled_since = await unhandled_since(self._asking, record)
        except StoreError as error:
            self._log.warning("record_unreadable", **names(delivery), error=error)
            return False
        return True

    async def _mark_cancelled(self, subscription: Subscription, deliveries: list[Delivery]) -> None:
        jobs = [delivery.job for delivery in deliveries]
        try:
            gone = await cancelled_among(self._asking, subscription.keys, jobs)
        except StoreError as error:  # whatever settles them will find the cancel
            self._log.debug("cancels_unread", stream=subscription.stream, error=error)
            return
        for delivery in deliveries:
            delivery.cancelled = delivery.job in gone

    async def _failed(self, readable: list[Subscription], error: StoreError) -> None:
        if not isinstance(error, GroupMissing):
            trouble.report(self._log, "fetch", error)
        if not isinstance(error, Unavailable):
            for subscription in readable:
                await self._healer.heal(subscription)
        await self._patience.wait()


def _bytes_of(delivery: Delivery) -> int:
    return sum(map(len, delivery.fields))
