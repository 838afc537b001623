"""Starts what has arrived while slots are free, and hands each outcome to its settlement.

A slot is a runner: a task that works jobs one after another. While jobs finish without waiting,
one runner works them all; when a job waits, others are started for those behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from random import random
from time import monotonic
from typing import Any

from retraced.log import Log
from retraced.outcome import Cancelled, Interrupted, Outcome, Succeeded, decide
from retraced.worker.admission import expired, facts, lacks_handler, refusal
from retraced.worker.attempt import begin, end, finish, start_timer
from retraced.worker.delivery import Delivery
from retraced.worker.drive import Suspended
from retraced.worker.executors import Executor
from retraced.worker.running import IGNORES_AFTER_MS
from retraced.worker.settle import Settler
from retraced.worker.slots import Slots
from retraced.worker.subscription import Subscription
from retraced.worker.tally import Tally, names

LONGEST_TURN_S = 0.05


class Dispatcher:
    """`concurrency` slots for all subscriptions of this process; belongs to the event loop."""

    def __init__(
        self,
        executor: Executor,
        slots: Slots,
        *,
        log: Log,
        tally: Tally,
        full: Callable[[], None] = lambda: None,
    ) -> None:
        self._executor = executor
        self._log = log
        self._tally = tally
        self._full = full
        self._settlers: dict[Subscription, Settler] = {}
        self._jobs_wait = False
        self.slots = slots
        self.waiting = slots.waiting
        self.room = asyncio.Event()
        self.failure: BaseException | None = None

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
        self._start_runners()

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

    # runners

    def _start_runners(self) -> None:
        slots = self.slots
        if self.waiting.jobs:
            for _ in range(slots.to_start(self._jobs_wait)):
                slots.unbegun += 1
                self._spawn(self._run_queue(), slots.runners)
        while self.waiting.suspects and len(slots.apart) < slots.suspects:
            self._spawn(self._run_suspect(self.waiting.suspects.popleft()), slots.apart)

    def _spawn(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, tasks))

    def _ended(self, task: asyncio.Task[None], tasks: set[asyncio.Task[None]]) -> None:
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)
        if self.waiting:
            self._start_runners()
        self.room.set()

    def fail(self, error: BaseException) -> None:
        """The worker can't go on: it ends in order, and then raises this."""
        self.failure = self.failure or error
        self._full()

    async def _run_queue(self) -> None:
        slots, jobs = self.slots, self.waiting.jobs
        slots.unbegun -= 1
        task, turn = _this_task(), monotonic()
        while jobs and not slots.closed and not slots.overfull:
            delivery = jobs.popleft()
            suspended = self._work(delivery, task)
            if suspended is not None:
                await self._finish(delivery, task, suspended)
                turn = monotonic()
            elif delivery.started - turn > LONGEST_TURN_S:  # busy handlers, and the loop must turn
                await asyncio.sleep(0)
                turn = monotonic()

    async def _run_suspect(self, delivery: Delivery) -> None:
        task = _this_task()
        if self.slots.closed:
            self._settle(delivery, Interrupted())
        elif (suspended := self._work(delivery, task)) is not None:
            await self._finish(delivery, task, suspended)

    def _work(self, delivery: Delivery, task: asyncio.Task[Any]) -> Suspended[Outcome] | None:
        """Runs a job until it ends, and hands over its outcome, or until it waits."""
        if delivery.lost:
            return None
        if delivery.scheduled and (too_late := expired(delivery)) is not None:
            self._settle(delivery, too_late)
            return None
        self._begin(delivery)
        try:
            outcome = begin(delivery, task, self._executor)
        except Exception:  # the worker ends of it, and the job is not to blame
            self._ran(delivery, Interrupted())
            raise
        if isinstance(outcome, Suspended):
            self._suspended(delivery)
            return outcome
        self._ran(delivery, outcome)
        return None

    async def _finish(
        self, delivery: Delivery, task: asyncio.Task[Any], suspended: Suspended[Outcome]
    ) -> None:
        try:
            outcome = await finish(delivery, task, suspended)
        except Exception:
            self._ran(delivery, Interrupted())
            raise
        self._ran(delivery, outcome)

    def _ran(self, delivery: Delivery, outcome: Outcome) -> None:
        slots = self.slots
        slots.running.discard(delivery)
        if slots.pace:
            slots.pace.ran(delivery.run_ms)
        if delivery.leftover is not None:
            self._watch(delivery)
        self._settle(delivery, outcome)

    def _begin(self, delivery: Delivery) -> None:
        self.slots.running.add(delivery)
        self._jobs_wait = False
        self._tally.started += 1
        if self._tally.started == self.slots.max_jobs:
            self.stop()
            self._full()

    def _watch(self, delivery: Delivery) -> None:
        """An abandoned thread keeps its slot until it has come back."""
        if delivery.abandoned and delivery.leftover is not None:
            self.slots.abandoned.add(delivery)
            delivery.leftover.add_done_callback(lambda _: self._returned(delivery))

    def _suspended(self, delivery: Delivery) -> None:
        """A job waits: its timeout counts, and those behind it get runners of their own."""
        start_timer(delivery)
        self._jobs_wait = True
        if self.waiting.jobs:
            self._start_runners()

    def _returned(self, delivery: Delivery) -> None:
        self.slots.abandoned.discard(delivery)
        self._log.info("thread_returned", **names(delivery), after_ms=delivery.told_for_ms())
        self._start_runners()
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
        if delivery.successor is not None:
            successor, delivery.successor = delivery.successor, None
            delivery.subscription.hold(successor)
            self._admit(successor)
            self._start_runners()

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

    def interrupt(self) -> None:
        """Ends what still runs; it is released, and nothing is charged."""
        for delivery in list(self.slots.running):
            end(delivery, Interrupted())

    async def idle(self) -> None:
        """Returns when no runner is left; abandoned threads are not waited for."""
        while self.slots.runners or self.slots.apart:
            await asyncio.wait([*self.slots.runners, *self.slots.apart])


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None, "runners are tasks"
    return task
