"""The worker of one process: joins its groups, works their jobs, and ends without losing any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from time import monotonic
from typing import Any

from retraced.durations import format_ms
from retraced.errors import StoreError, Unavailable
from retraced.log import Log
from retraced.store import tls
from retraced.store.connection import Connector
from retraced.store.writes import Author, Beat, leave
from retraced.worker.dispatch import Dispatcher
from retraced.worker.drain import Drain, Drained
from retraced.worker.executors import Executor
from retraced.worker.fetch import Fetcher
from retraced.worker.heal import Healer
from retraced.worker.joining import Joining
from retraced.worker.lease import Lease
from retraced.worker.measures import flush
from retraced.worker.options import WorkerOptions, slots_of
from retraced.worker.patience import Patience
from retraced.worker.running import ignoring, told
from retraced.worker.settle import Settler
from retraced.worker.subscription import Subscription
from retraced.worker.tally import Tally

LAST_WRITES_S = 5.0
HURRIED_S = 1.0  # the same after a second signal
LAST_RUNS_S = 6.0  # longer than a command has between SIGTERM and SIGKILL


Duties = Callable[["Worker", Subscription], Iterable[Coroutine[Any, Any, None]]]


class Worker:
    """Runs until `stop`, the end of a drain, or `max_jobs`. `duties` keep each group in order."""

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        executor: Executor,
        connector: Connector,
        options: WorkerOptions,
        *,
        log: Log,
        duties: Duties,
    ) -> None:
        self.options = options
        self.log = log
        self.tally = Tally()
        self.drained: Drained | None = None
        self.author = Author(options.consumer, options.release)
        self.subscriptions = subscriptions
        self._connector = connector
        self._duties = duties
        self._stop = asyncio.Event()
        self._asked = asyncio.Event()
        self._now = asyncio.Event()
        self._reading, self._settling, self.asking = (connector.lazy() for _ in range(3))
        self.slots = slots_of(options, self.tally, isolates=executor.isolates)
        self.dispatcher = Dispatcher(executor, self.slots, log=log, full=self._stop.set)
        self._settlers = [self._settler(subscription) for subscription in subscriptions]
        self.healer = Healer(
            self.asking,
            start=options.start,
            visibility_ms=options.visibility_ms,
            retain=options.retain,
            log=log,
        )
        self.fetcher = self._fetcher()
        self._lease = Lease(
            subscriptions, self.dispatcher, connector, author=self.author, beat=self.beat, log=log
        )

    def stop(self) -> None:
        """Begins a graceful end; a second call ends what still runs at once."""
        if self._asked.is_set():
            self._now.set()
        self._asked.set()
        self._stop.set()

    async def run(self) -> None:
        """Works until it is told to stop. Raises what it can't work with or heal by itself."""
        try:
            if not await self._begin():
                return
            async with asyncio.TaskGroup() as tasks:
                background = [tasks.create_task(self._watched(w)) for w in self._background()]
                await self._stop.wait()
                await self._end()
                for task in background:
                    task.cancel()
            await self._leave()
        finally:
            self.dispatcher.stop()
            for link in (self._reading, self._settling, self.asking):
                await link.close()
        if self.dispatcher.failure is not None:
            raise self.dispatcher.failure

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        """A part that fails ends the worker, but in order: what it holds is given back first."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - raised again at the end
            self.dispatcher.fail(error)

    def beat(self) -> Beat:
        """What the heartbeat says of this worker now."""
        running = list(self.slots.running)
        return Beat(
            {
                **self.options.facts,
                "concurrency": self.options.concurrency,
                "silent_ms": self._lease.silent_ms,
                **told(running),
                **ignoring(running, list(self.slots.abandoned)),
            }
        )

    def _fetcher(self) -> Fetcher:
        return Fetcher(
            self.subscriptions,
            self.dispatcher,
            reading=self._reading,
            asking=self.asking,
            consumer=self.options.consumer,
            healer=self.healer,
            log=self.log,
        )

    def _settler(self, subscription: Subscription) -> Settler:
        settler = Settler(
            subscription,
            self._settling,
            author=self.author,
            page=self.slots.most_held + 100,
            log=self.log,
            tally=self.tally,
            settled=self.dispatcher.settled,
        )
        self.dispatcher.attach(settler)
        return settler

    async def _begin(self) -> bool:
        """Waits for Redis, and finds missing rights before the first job. False: told to stop."""
        patience = Patience(most_s=1.0)
        joining = Joining(
            self.subscriptions, self.healer, self.options, link=self.asking, log=self.log
        )
        while not self._stop.is_set():
            try:
                await joining.run()
            except Unavailable as error:
                await tls.check(self._connector)
                self.log.repeat("start", 30.0, "waiting_for_redis", error=error)
                await patience.wait()
            else:
                return True
        return False

    def _background(self) -> list[Coroutine[Any, Any, None]]:
        self._lease.start()
        work = [self.fetcher.run(), self._lease.beat(), self.healer.mend(self.subscriptions)]
        work += [settler.run() for settler in self._settlers]
        for subscription in self.subscriptions:
            work += self._duties(self, subscription)
        if self.options.drain:
            work.append(self._drain())
        return work

    async def _drain(self) -> None:
        until_ms = self.options.drain_until_ms
        if until_ms is not None:
            until_ms += self.subscriptions[0].clock.at(monotonic())
        drain = Drain(
            self.subscriptions,
            self.dispatcher,
            link=self.asking,
            until_ms=until_ms,
            log=self.log,
        )
        self.drained = await drain.wait()
        self._stop.set()

    async def _end(self) -> None:
        """No new jobs at once; the grace time for running ones; the rest is released."""
        running = len(self.slots.running)
        what = f"they have {format_ms(self.options.grace_ms)}; a second signal gives them back"
        self.log.info("stopping", running=running, what=what if running else None)
        self.dispatcher.stop()
        stopping = asyncio.create_task(self.fetcher.stop())
        await _first(stopping, self._now)
        stopping.cancel()
        idle = asyncio.create_task(self.dispatcher.idle())
        if self.dispatcher.failure is None:
            await _first(idle, self._asked)  # --max-jobs alone sets no limit to the last ones
        await _first(idle, self._now, timeout_s=self.options.grace_ms / 1000)
        if not idle.done():
            self.log.warning("grace_over", running=len(self.slots.running))
            self.dispatcher.interrupt()
            await asyncio.wait([idle], timeout=LAST_RUNS_S)
        if not idle.done():
            left = ", ".join(each.job_name for each in self.slots.running)
            what = "their handlers ignore cancellation; other workers take them over"
            self.log.error("left_running", jobs=left, what=what)
            idle.cancel()
        await self._last_writes()
        await self._lease.stop(self._last_s)

    @property
    def _last_s(self) -> float:
        """How long a Redis that doesn't answer may keep this worker from each of its last steps."""
        return HURRIED_S if self._now.is_set() else LAST_WRITES_S

    async def _last_writes(self) -> None:
        try:
            async with asyncio.timeout(self._last_s):
                for settler in self._settlers:
                    await settler.drained()
        except TimeoutError:
            self._left_unsettled()

    def _left_unsettled(self) -> None:
        unusable = sum(settler.unusable for settler in self._settlers)
        rest = sum(settler.unsettled for settler in self._settlers) - unusable
        for jobs, why in (
            (unusable, "the keys of their records are of another type"),
            (rest, "Redis did not take what became of them in time"),
        ):
            if jobs:
                self.log.error("unsettled", jobs=jobs, what=f"{why}; others take them over")

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(self._last_s):
                for subscription in self.subscriptions:
                    await self._leave_one(subscription)
        except TimeoutError as error:
            self.log.debug("leave_failed", error=error)
        self.log.info("stopped", done=self.tally.done, dead=self.tally.dead)

    async def _leave_one(self, subscription: Subscription) -> None:
        keys = subscription.keys
        try:
            await flush(self.asking, keys, self.author, subscription.measures)
            await self.asking.run(leave(keys, self.options.consumer))
        except StoreError as error:
            self.log.debug("leave_failed", stream=subscription.stream, error=error)


async def _first(
    task: asyncio.Task[None], event: asyncio.Event, *, timeout_s: float | None = None
) -> None:
    """Returns when the task is done, the event set or the time over."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait([task, waiting], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
