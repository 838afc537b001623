"""Processes and signals: one worker in this process, or several in children that are restarted."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Iterable, Sequence
from secrets import token_hex
from time import monotonic
from typing import Any

from retraced.errors import RetracedError
from retraced.log import Log
from retraced.maintenance.promote import Promoter
from retraced.maintenance.prune import Pruner
from retraced.maintenance.reclaim import Reclaimer
from retraced.worker.loop import Worker
from retraced.worker.patience import Patience
from retraced.worker.subscription import Subscription

DIED = 5
FAILED = 1
SIGNALS = (signal.SIGTERM, signal.SIGINT)
STABLE_AFTER_S = 10.0


def consumer_name(prefix: str | None) -> bytes:
    """Unique for each start of a process: host (or prefix), pid, random."""
    host = prefix or socket.gethostname().split(".", 1)[0]
    return f"{host}-{os.getpid()}-{token_hex(3)}".encode()


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's when it is installed, else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run(work: Coroutine[Any, Any, int]) -> int:
    """Runs to the end on the fastest loop there is; gives the exit code."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


def duties(worker: Worker, subscription: Subscription) -> Iterable[Coroutine[Any, Any, None]]:
    """What keeps one group in order for as long as the worker lives."""
    link, log = worker.asking, worker.log
    yield Promoter(
        subscription,
        worker.dispatcher,
        worker.fetcher,
        link=link,
        healer=worker.healer,
        author=worker.author,
        beat=worker.beat,
        log=log,
    ).run()
    yield Reclaimer(
        subscription,
        worker.dispatcher,
        worker.fetcher,
        link=link,
        pruner=Pruner(subscription, link=link, log=log),
        author=worker.author,
        log=log,
        tally=worker.tally,
    ).run()


async def work(worker: Worker) -> int:
    """Runs one worker until a signal or its own end; gives the exit code."""
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, worker.stop)
    try:
        await worker.run()
    except* RetracedError as group:
        raise _first(group) from group
    return exit_code(worker)


def exit_code(worker: Worker) -> int:
    """0 fine, 5 done but some jobs died or wait for a handler, 1 a drain met a paused group."""
    drained = worker.drained
    if drained is not None and drained.paused:
        worker.log.error("paused", streams=", ".join(drained.paused), what="resume, then drain")
        return FAILED
    if drained is not None and drained.unhandled:
        types = ", ".join(f"{name} ({count})" for name, count in drained.unhandled.items())
        worker.log.error("unhandled_left", types=types, what="start a worker that handles them")
        return DIED
    bounded = drained is not None or worker.options.max_jobs is not None
    return DIED if bounded and worker.tally.dead else 0


def _first(group: BaseExceptionGroup[RetracedError]) -> RetracedError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, RetracedError)
    return error


class Supervisor:
    """Runs the same command in several processes; one that dies is started again with backoff."""

    def __init__(self, arguments: Sequence[str], processes: int, *, log: Log) -> None:
        self._command = [sys.executable, "-m", "retraced", *arguments, "--processes", "1"]
        self._processes = processes
        self._log = log
        self._children: set[asyncio.subprocess.Process] = set()
        self._stopping = False

    async def run(self) -> int:
        """The worst exit code of the children."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._signalled, number)
        async with asyncio.TaskGroup() as tasks:
            kept = [tasks.create_task(self._keep(place)) for place in range(self._processes)]
        return max(task.result() for task in kept)

    async def _keep(self, place: int) -> int:
        patience = Patience(first_s=0.2, most_s=30.0)
        while True:
            began = monotonic()
            code = await self._once()
            if code >= 0 or self._stopping:
                return max(code, 0)
            if monotonic() - began > STABLE_AFTER_S:
                patience.reset()
            self._log.error("process_died", place=place, signal=signal.Signals(-code).name)
            await patience.wait()

    async def _once(self) -> int:
        child = await asyncio.create_subprocess_exec(*self._command, start_new_session=True)
        self._children.add(child)
        if self._stopping:
            child.send_signal(signal.SIGTERM)
        try:
            return await child.wait()
        finally:
            self._children.discard(child)

    def _signalled(self, number: int) -> None:
        self._stopping = True
        for child in self._children:
            child.send_signal(number)
