"""Renews leases from a thread with a connection of its own, so that a busy loop loses none.

The loop stamps `beat` about once a second. Without a stamp for one visibility timeout the thread
reports `loop_stalled` with the stack of the loop's thread; after three it stops renewing.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from random import uniform
from time import monotonic

from retraced.errors import StoreError, Unavailable
from retraced.log import Log
from retraced.store import writes
from retraced.store.blocking import BlockingLink
from retraced.store.connection import Connector
from retraced.store.writes import Answer, Author, Beat
from retraced.worker import trouble
from retraced.worker.delivery import Delivery
from retraced.worker.dispatch import Dispatcher
from retraced.worker.subscription import Subscription

BATCH = 200
STALLED_TOO_LONG = 3


class Lease:
    """The lease thread of a worker. `start` it from the event loop that it watches."""

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        dispatcher: Dispatcher,
        connector: Connector,
        *,
        author: Author,
        beat: Callable[[], Beat],
        log: Log,
    ) -> None:
        self._subscriptions = subscriptions
        self._dispatcher = dispatcher
        self._connector = connector
        self._author = author
        self._beat = beat
        self._log = log
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retraced-lease", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watched = 0
        self._stamp = monotonic()
        self._reported = False

    @property
    def silent_ms(self) -> int:
        """How long ago the loop gave its last sign of life."""
        return int((monotonic() - self._stamp) * 1000)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._thread.start()

    async def beat(self) -> None:
        """For as long as the worker lives: the loop's sign of life."""
        while True:
            self._stamp = monotonic()
            await asyncio.sleep(1)

    async def stop(self, within_s: float) -> None:
        """Ends the thread; one that waits for Redis longer than that is left to itself."""
        self._stopped.set()
        await asyncio.to_thread(self._thread.join, within_s)

    @property
    def _visibility_s(self) -> float:
        return min(s.visibility_ms for s in self._subscriptions) / 1000

    def _run(self) -> None:
        link = self._connector.open_blocking(timeout_s=self._visibility_s / 6)
        failed = 0
        while not self._stopped.wait(self._pause_s(failed)):
            if self._stalled_too_long():
                continue
            renewed = [self._try_to_renew(link, each) for each in self._subscriptions]
            failed = 0 if all(renewed) else failed + 1
        link.close()

    def _try_to_renew(self, link: BlockingLink, subscription: Subscription) -> bool:
        """A stream that can't be worked must not cost the others their leases."""
        part = f"lease {subscription.stream}"
        try:
            self._renew(link, subscription)
        except StoreError as error:
            trouble.report(self._log, part, error)
            return not isinstance(error, Unavailable)
        except Exception as error:  # noqa: BLE001 - the thread must outlive any surprise, and say so
            self._log.error("renewal_failed", error="".join(traceback.format_exception(error)))
            return False
        trouble.over(self._log, part)
        return True

    def _pause_s(self, failed: int) -> float:
        if not failed:
            return self._visibility_s / 3
        limit = min(self._visibility_s / 6, 0.1 * 2.0 ** min(failed, 10))
        return uniform(limit / 2, limit)

    def _stalled_too_long(self) -> bool:
        silent_s = monotonic() - self._stamp
        if silent_s < self._visibility_s:
            self._reported = False
        elif not self._reported:
            self._reported = True
            self._log.error("loop_stalled", seconds=round(silent_s, 1), stack=self._stack())
        return silent_s > STALLED_TOO_LONG * self._visibility_s

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._watched)  # noqa: SLF001 - no public way
        return "".join(traceback.format_stack(frame)) if frame else ""

    def _renew(self, link: BlockingLink, subscription: Subscription) -> None:
        deliveries = subscription.deliveries()
        for start in range(0, max(1, len(deliveries)), BATCH):
            batch = deliveries[start : start + BATCH]
            call = writes.renew(
                subscription.keys,
                self._author,
                [delivery.held for delivery in batch],
                page=self._dispatcher.slots.most_held + 100,
                beat=self._beat(),
                visibility_ms=subscription.visibility_ms,
            )
            lost = [
                delivery
                for delivery, answer in zip(batch, link.run(call), strict=True)
                if answer is Answer.STALE
            ]
            if lost and self._loop is not None:
                self._loop.call_soon_threadsafe(self._lost, lost)

    def _lost(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.subscription.holder(delivery.held) is delivery:
                self._dispatcher.lose(delivery, "the lease ran out and another worker took it over")
