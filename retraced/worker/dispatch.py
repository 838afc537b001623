"""Brings what has arrived to the runners, and each outcome to its settlement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import random

from retraced.log import Log
from retraced.outcome import Cancelled, Interrupted, Outcome, Succeeded, decide
from retraced.worker.admission import facts, lacks_handler, refusal
from retraced.worker.attempt import end
from retraced.worker.delivery import Delivery
from retraced.worker.executors import Executor
from retraced.worker.runners import Runners
from retraced.worker.running import IGNORES_AFTER_MS
from retraced.worker.settle import Settler
from retraced.worker.slots import Slots
from retraced.worker.subscription import Subscription
from retraced.worker.tally import names


class Dispatcher:
    """For all subscriptions of this process; belongs to the event loop.

    `full` is called when the worker is to end: it has started as many jobs as it may, or can't
    go on, and then `failure` says why.
    """

    def __init__(
        self,
        executor: Executor,
        slots: Slots,
        *,
        log: Log,
        full: Callable[[], None],
    ) -> None:
        self._executor = executor
        self._log = log
        self._full = full
        self._settlers: dict[Subscription, Settler] = {}
        self.slots = slots
        self.waiting = slots.waiting
        self.room = asyncio.Event()
        self.failure: BaseException | None = None
        self._runners = Runners(
            executor,
            slots,
            ended=self._ended,
            freed=self.room.set,
            last=self._last,
            failed=self.fail,
        )

    def attach(self, settler: Settler) -> None:
        self._settlers[settler.subscription] = settler
        self.slots.subscriptions.append(settler.subscription)

    # arrivals

    def accept(self, deliveries: Iterable[Delivery]) -> None:
        """Takes over what was fetched or reclaimed: refuses it, or queues it for a slot."""
        for delivery in deliveries:
            former = delivery.subscription.hold(delivery)
            if former is None:
                self._admit(delivery)
            elif former is not delivery:
                self._succeed(former, delivery)
        self._runners.start()

    def _succeed(self, former: Delivery, delivery: Delivery) -> None:
        """A takeover of our own: the old attempt ends before the new one begins."""
        former.successor = delivery
        if not self.lose(former, "taken over by this worker"):
            former.successor = None
            self._admit(delivery)

    def _admit(self, delivery: Delivery) -> None:
        why_not = Interrupted() if self.slots.closed else refusal(delivery, self._executor)
        if why_not is not None:
            self._settle(delivery, why_not)
        else:
            apart = delivery.suspect and not self._executor.isolates
            self.waiting.put(delivery, apart=apart)

    def lacks_handler(self, delivery: Delivery) -> bool:
        return lacks_handler(delivery, self._executor)

    # outcomes

    def fail(self, error: BaseException) -> None:
        """The worker can't go on: it ends in order, and then raises this."""
        self.failure = self.failure or error
        self._full()

    def _last(self) -> None:
        """The last job that may start has started."""
        self.stop()
        self._full()

    def _ended(self, delivery: Delivery, outcome: Outcome) -> None:
        if delivery.leftover is not None and delivery.abandoned:
            self.slots.abandoned.add(delivery)
            delivery.leftover.add_done_callback(lambda _: self._returned(delivery))
        self._settle(delivery, outcome)

    def _returned(self, delivery: Delivery) -> None:
        """A thread that outlived its attempt has come back, and its slot is free."""
        self.slots.abandoned.discard(delivery)
        self._log.info("thread_returned", **names(delivery), after_ms=delivery.told_for_ms())
        self._runners.start()
        self.room.set()

    def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        subscription = delivery.subscription
        if delivery.lost:
            subscription.forget([delivery])
            self._follow(delivery)
        elif isinstance(outcome, Succeeded):
            self._settlers[subscription].complete(delivery)
        else:
            settlement = decide(outcome, facts(delivery), random)
            self._settlers[subscription].settle(delivery, settlement)

    def settled(self, deliveries: Iterable[Delivery]) -> None:
        """Redis has answered the settlements; there may be room for more now."""
        for delivery in deliveries:
            if delivery.successor is not None:
                self._follow(delivery)
        self.room.set()

    def _follow(self, delivery: Delivery) -> None:
        """Admits the delivery that has waited for the end of this one, if there is one."""
        if delivery.successor is not None:
            successor, delivery.successor = delivery.successor, None
            delivery.subscription.hold(successor)
            self._admit(successor)
            self._runners.start()

    # ends from outside

    def lose(self, delivery: Delivery, why: str) -> bool:
        """Another delivery owns the job: ends its run, settles nothing. False if none ran."""
        self._log.warning("lease_lost", **names(delivery), what=why)
        delivery.lost = True
        if end(delivery, Interrupted()):
            return True
        if self.waiting.remove(delivery):
            delivery.subscription.forget([delivery])
        return False

    def cancel(self, delivery: Delivery) -> None:
        """Somebody cancelled the job: ends its run, or settles it if it has not begun."""
        if delivery.task is not None:
            if delivery.verdict is None:
                end(delivery, Cancelled())
                later = asyncio.get_running_loop().call_later
                later(IGNORES_AFTER_MS / 1000, self._ignores, delivery)
        elif self.waiting.remove(delivery):
            self._settle(delivery, Cancelled())

    def _ignores(self, delivery: Delivery) -> None:
        if delivery in self.slots.running:
            what = "it runs on though it was told to end, and keeps its slot until it returns"
            self._log.warning("cancel_ignored", **names(delivery), what=what)

    def give_back(self, deliveries: Iterable[Delivery]) -> int:
        """Releases those that have still not started; says how many."""
        given = [delivery for delivery in deliveries if self.waiting.remove(delivery)]
        for delivery in given:
            self._settle(delivery, Interrupted())
        return len(given)

    def stop(self) -> None:
        """Starts nothing more; what waits, and what still arrives, is released."""
        self.slots.closed = True
        for delivery in self.waiting.take_all():
            self._settle(delivery, Interrupted())

    async def idle(self) -> None:
        """Returns when nothing runs any more; abandoned threads are not waited for."""
        await self._runners.idle()

    def interrupt(self) -> None:
        """Ends what still runs; it is released, and nothing is charged."""
        for delivery in list(self.slots.running):
            end(delivery, Interrupted())
