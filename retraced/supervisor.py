"""Processes and signals: one worker in this process, or several in children that are restarted."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from secrets import token_hex
from time import monotonic
from typing import Any

from retraced.errors import RetracedError
from retraced.handlers.exits import returned
from retraced.log import Log
from retraced.maintenance.metering import Meter
from retraced.maintenance.pausing import Pauser
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
LAST_TASKS_S = 1.0
LAST_THREADS_S = 1.0
LIFELINE = "RETRACED_LIFELINE"
BEGAN, ENDED = b"b", b"e"


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
    """Runs to the end on the fastest loop there is; gives the exit code.

    Unlike `asyncio.Runner` it doesn't wait for ever for a handler that ignores cancellation, nor
    for its threads: see `threads_left`.
    """
    loop = new_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(_end_tasks())
        loop.close()


async def _end_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=LAST_TASKS_S)
    await asyncio.get_running_loop().shutdown_asyncgens()


def threads_left() -> bool:
    """Whether threads of handlers (`asyncio.to_thread`) run on, for which Python would wait."""
    own = (threading.main_thread(), threading.current_thread())
    others = [each for each in threading.enumerate() if not each.daemon and each not in own]
    until = monotonic() + LAST_THREADS_S
    for thread in others:
        thread.join(max(0.0, until - monotonic()))
    return any(thread.is_alive() for thread in others)


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
    if subscription.brake is not None:
        by = worker.author.consumer.decode()
        yield Pauser(subscription, subscription.brake, link=link, by=by, log=log).run()
    yield Meter(subscription, link=link, author=worker.author, log=log).run()
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
    with Lifeline(worker.stop):
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


class Lifeline:
    """A child's end of the socket to its supervisor, if it has one.

    It says when the work begins and when it has ended in order, so that a job that calls
    `os._exit` isn't taken for an end. `orphaned` is called when the supervisor is gone.
    """

    def __init__(self, orphaned: Callable[[], None]) -> None:
        number = os.environ.pop(LIFELINE, None)
        self._socket = None if number is None else socket.socket(fileno=int(number))
        self._orphaned = orphaned

    def __enter__(self) -> None:
        if self._socket is not None:
            self._socket.set_inheritable(False)
            self._say(BEGAN)
            asyncio.get_running_loop().add_reader(self._socket, self._heard)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            if kind is None or issubclass(kind, RetracedError):
                self._say(ENDED)
            self._socket.close()

    def _say(self, word: bytes) -> None:
        assert self._socket is not None
        with suppress(OSError):
            self._socket.send(word)

    def _heard(self) -> None:
        """Nothing is ever said this way: it is the end of the supervisor."""
        assert self._socket is not None
        asyncio.get_running_loop().remove_reader(self._socket)
        self._orphaned()


class Supervisor:
    """Runs a command in several processes; one that dies is started again with backoff."""

    def __init__(
        self, arguments: Sequence[str], processes: int, *, environ: Mapping[str, str], log: Log
    ) -> None:
        self._command = [sys.executable, "-m", "retraced", *arguments]
        self._processes = processes
        self._environ = environ
        self._log = log
        self._children: set[asyncio.subprocess.Process] = set()
        self._stop = asyncio.Event()

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
            code, died = await self._once()
            if not died or self._stop.is_set():
                return max(code, 0)
            if monotonic() - began > STABLE_AFTER_S:
                patience.reset()
            self._log.error("process_died", place=place, how=returned(code))
            if await self._stopped_within(patience.next_s()):
                return 0

    async def _once(self) -> tuple[int, bool]:
        """Runs one child to its end: its code, and whether it died instead of ending in order."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                child = await asyncio.create_subprocess_exec(
                    *self._command,
                    env={**self._environ, LIFELINE: str(theirs.fileno())},
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            self._children.add(child)
            if self._stop.is_set():
                child.send_signal(signal.SIGTERM)
            try:
                code = await child.wait()
            finally:
                self._children.discard(child)
            return code, code < 0 or _said(ours) == BEGAN

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._stop.wait()
        except TimeoutError:
            return False

    def _signalled(self, number: int) -> None:
        self._stop.set()
        for child in self._children:
            with suppress(ProcessLookupError):
                child.send_signal(number)


def _said(ours: socket.socket) -> bytes:
    """All that a child said that has ended."""
    ours.setblocking(False)
    try:
        return ours.recv(16)
    except OSError:
        return b""
