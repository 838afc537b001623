"""Runs a coroutine inside a runner task, in a context of its own; its first step needs no task.

A handler that finishes without waiting costs no task. One that does wait has its runner's task
for itself from its first instruction on, so `asyncio.current_task`, `asyncio.timeout`, task groups
and cancellation mean what they mean in any task; its context variables are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from dataclasses import dataclass
from types import coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Suspended(Generic[T]):
    """A coroutine that waits, for what it yielded; `run` calls in its context."""

    work: Coroutine[Any, Any, T]
    run: Callable[..., Any]
    awaited: Any


def first_step(work: Coroutine[Any, Any, T]) -> T | Suspended[T]:
    """Runs a coroutine until it ends or waits, in the task that is to go on with it."""
    run = copy_context().run
    try:
        awaited = run(work.send, None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    return Suspended(work, run, awaited)


@coroutine
def further_steps(suspended: Suspended[T]) -> Generator[Any, Any, T]:
    """The result of a coroutine that has begun to wait."""
    work, run, awaited = suspended.work, suspended.run, suspended.awaited
    try:
        while True:
            try:
                sent = yield awaited
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - the coroutine decides
                awaited = run(work.throw, error)
            else:
                awaited = run(work.send, sent)
    except StopIteration as finished:
        result: T = finished.value
        return result
    finally:
        run(work.close)
