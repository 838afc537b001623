"""Runs a coroutine inside a runner task, in a context of its own, and tells when it first waits.

A handler that finishes without waiting costs no task. One that does wait has its runner's task
for itself from its first instruction on, so `asyncio.current_task`, `asyncio.timeout`, task groups
and cancellation mean what they mean in any task; its context variables are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")
Subject = TypeVar("Subject")


@coroutine
def drive(
    work: Coroutine[Any, Any, T], waits: Callable[[Subject], None], subject: Subject
) -> Generator[Any, Any, T]:
    """The result of `work`; `waits(subject)` is called when it first suspends."""
    run = copy_context().run
    try:
        pending = run(work.send, None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    waits(subject)
    try:
        while True:
            try:
                sent = yield pending
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - the coroutine decides
                pending = run(work.throw, error)
            else:
                pending = run(work.send, sent)
    except StopIteration as finished:
        final: T = finished.value
        return final
    finally:
        run(work.close)
