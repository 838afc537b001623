"""The tasks that run jobs, each one job after another, and what they need of the slots.

While jobs finish without waiting, one runner works them all; when a job waits, others are started
for those behind it. Suspects have runners of their own, for one job each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from retraced.outcome import Interrupted, Outcome
from retraced.worker.admission import expired
from retraced.worker.attempt import begin, finish, start_timer
from retraced.worker.delivery import Delivery
from retraced.worker.drive import Suspended
from retraced.worker.executors import Executor
from retraced.worker.slots import Slots

LONGEST_TURN_S = 0.05


class Runners:
    """Run what waits for a slot, and hand each outcome to `ended`.

    `freed` is called when there may be room for more, `last` when the last job that may start
    does, `failed` with an error that no job is to blame for: the worker has to end.
    """

    def __init__(
        self,
        executor: Executor,
        slots: Slots,
        *,
        ended: Callable[[Delivery, Outcome], None],
        freed: Callable[[], None],
        last: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._executor = executor
        self._slots = slots
        self._ended = ended
        self._freed = freed
        self._last = last
        self._failed = failed
        self._jobs_wait = False

    def start(self) -> None:
        """Starts as many as the waiting jobs need and the slots allow."""
        slots = self._slots
        if slots.waiting.jobs:
            for _ in range(slots.to_start(self._jobs_wait)):
                slots.unbegun += 1
                self._spawn(self._work_queue(), slots.runners)
        while slots.waiting.suspects and len(slots.apart) < slots.suspects:
            self._spawn(self._work_apart(slots.waiting.suspects.popleft()), slots.apart)

    async def idle(self) -> None:
        """Returns when none is left; abandoned threads are not waited for."""
        while self._slots.runners or self._slots.apart:
            await asyncio.wait([*self._slots.runners, *self._slots.apart])

    def _spawn(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(lambda done: self._left(done, tasks))

    def _left(self, task: asyncio.Task[None], tasks: set[asyncio.Task[None]]) -> None:
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)
        if self._slots.waiting:
            self.start()
        self._freed()

    async def _work_queue(self) -> None:
        slots, jobs = self._slots, self._slots.waiting.jobs
        slots.unbegun -= 1
        task, turn = _this_task(), monotonic()
        while jobs and not slots.closed and not slots.overfull:
            delivery = jobs.popleft()
            suspended = self._run(delivery, task)
            if suspended is not None:
                await self._finish(delivery, task, suspended)
                turn = monotonic()
            elif delivery.started - turn > LONGEST_TURN_S:  # busy handlers, and the loop must turn
                await asyncio.sleep(0)
                turn = monotonic()

    async def _work_apart(self, delivery: Delivery) -> None:
        task = _this_task()
        if self._slots.closed:
            self._ended(delivery, Interrupted())
        elif (suspended := self._run(delivery, task)) is not None:
            await self._finish(delivery, task, suspended)

    def _run(self, delivery: Delivery, task: asyncio.Task[Any]) -> Suspended[Outcome] | None:
        """Runs a job until it ends, and hands over its outcome, or until it waits."""
        if delivery.lost:
            return None
        if delivery.scheduled and (too_late := expired(delivery)) is not None:
            self._ended(delivery, too_late)
            return None
        self._jobs_wait = False
        if self._slots.take(delivery):
            self._last()
        try:
            outcome = begin(delivery, task, self._executor)
        except Exception:  # the worker ends of it, and the job is not to blame
            self._leave(delivery, Interrupted())
            raise
        if isinstance(outcome, Suspended):
            self._suspended(delivery)
            return outcome
        self._leave(delivery, outcome)
        return None

    async def _finish(
        self, delivery: Delivery, task: asyncio.Task[Any], suspended: Suspended[Outcome]
    ) -> None:
        try:
            outcome = await finish(delivery, task, suspended)
        except Exception:
            self._leave(delivery, Interrupted())
            raise
        self._leave(delivery, outcome)

    def _suspended(self, delivery: Delivery) -> None:
        """A job waits: its timeout counts, and those behind it get runners of their own."""
        start_timer(delivery)
        self._jobs_wait = True
        if self._slots.waiting.jobs:
            self.start()

    def _leave(self, delivery: Delivery, outcome: Outcome) -> None:
        self._slots.leave(delivery)
        self._ended(delivery, outcome)


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None, "runners are tasks"
    return task
