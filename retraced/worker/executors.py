"""How jobs are run: Python handlers in this process, or a command for each job."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, Protocol

from retraced.handlers.process import ProcessRunner
from retraced.handlers.python import Callee, ThreadRunner, callees, run_async
from retraced.handlers.suspect import SuspectRunner
from retraced.job import Job
from retraced.outcome import Outcome
from retraced.registry import ANY_TYPE, HandlerOptions, Registry
from retraced.worker.delivery import Delivery


class Executor(Protocol):
    """Runs jobs: Python handlers, or a command for each."""

    isolates: bool  # whether every job runs in a process of its own anyway

    def options(self, type: str) -> HandlerOptions | None:  # noqa: A002
        """The options of the handler for this type; None when there is no handler."""

    def run(self, job: Job, delivery: Delivery) -> Coroutine[Any, Any, Outcome]:
        """One attempt, in this process or a child that may take the process with it."""

    def run_apart(self, job: Job, delivery: Delivery) -> Coroutine[Any, Any, Outcome]:
        """One attempt of a suspect, alone in a child process."""


class PythonExecutor(Executor):
    """The handlers of an app: coroutines in the event loop, plain functions in threads."""

    isolates = False

    def __init__(
        self,
        registry: Registry,
        *,
        suspects: SuspectRunner,
        max_threads: int,
        types: Collection[str] = (),
    ) -> None:
        self._callees = callees(registry)
        self._any = self._callees.get(ANY_TYPE)
        self._suspects = suspects
        self._threads = ThreadRunner(max_threads)
        self._types = frozenset(types)

    def callee(self, type: str) -> Callee | None:  # noqa: A002 - the word of the wire protocol
        if self._types and type not in self._types:
            return None
        return self._callees.get(type, self._any)

    def options(self, type: str) -> HandlerOptions | None:  # noqa: A002
        callee = self.callee(type)
        return None if callee is None else callee.handler.options

    def run(self, job: Job, delivery: Delivery) -> Coroutine[Any, Any, Outcome]:
        callee = self.callee(job.type)
        assert callee is not None, "a job without a handler is not started"
        arguments = callee.binder.bind(job)
        if callee.handler.is_async:
            return run_async(callee.handler, arguments)
        returned = asyncio.get_running_loop().create_future()
        delivery.leftover = returned
        return self._threads.run(
            callee.handler.function, arguments, on_return=lambda: returned.set_result(None)
        )

    def run_apart(self, job: Job, delivery: Delivery) -> Coroutine[Any, Any, Outcome]:
        # The runner's own timer would count the start of the child as well.
        timeout_ms, delivery.timeout_ms = delivery.timeout_ms, None
        return self._suspects.run(job, delivery.entry, timeout_ms=timeout_ms)


class CommandExecutor(Executor):
    """One command for every job; each runs in a process group of its own."""

    isolates = True

    def __init__(self, runner: ProcessRunner, *, types: Collection[str] = ()) -> None:
        self._runner = runner
        self._types = frozenset(types)
        self._options = HandlerOptions()

    def options(self, type: str) -> HandlerOptions | None:  # noqa: A002
        return None if self._types and type not in self._types else self._options

    def run(self, job: Job, delivery: Delivery) -> Coroutine[Any, Any, Outcome]:
        return self._runner.run(job, job.body)

    def run_apart(self, job: Job, delivery: Delivery) -> Coroutine[Any, Any, Outcome]:
        return self.run(job, delivery)
