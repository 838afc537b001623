"""One attempt of one job: runs it inside the runner's task, until it ends or is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any

from retraced.errors import InvalidEntry
from retraced.job import Job
from retraced.outcome import Cancelled, Failed, Invalid, Outcome, TimedOut
from retraced.worker.delivery import Delivery
from retraced.worker.drive import drive
from retraced.worker.executors import Executor

HEEDS_WITHIN_S = 0.25
_CANCELLED_ITSELF = Failed("CancelledError: the handler was cancelled from within")


async def attempt(
    delivery: Delivery,
    task: asyncio.Task[Any],
    executor: Executor,
    waits: Callable[[Delivery], None],
) -> Outcome:
    """Its outcome; `waits` is called if it waits for something.

    Raises ConfigError when the children of suspects can't be started: then the worker ends.
    `task` is the runner's, whose coroutine this is.
    """
    delivery.started = monotonic()
    delivery.task = task
    delivery.run = job = _job(delivery)
    run = executor.run_apart if delivery.suspect else executor.run
    try:
        outcome = await drive(run(job, delivery), waits, delivery)
    except InvalidEntry as error:
        outcome = Invalid(error.field, error.why)
    except asyncio.CancelledError:
        outcome = delivery.verdict or _CANCELLED_ITSELF
    finally:
        delivery.task = None
        if delivery.timer is not None:
            delivery.timer.cancel()
    delivery.run_ms = int((monotonic() - delivery.started) * 1000)
    while task.cancelling():  # what ended this attempt must not end the runner's next one
        task.uncancel()
    if delivery.verdict is not None and (_is_error(outcome) or _heeded(delivery)):
        outcome = delivery.verdict  # the handler made an error of its own of being ended
    if isinstance(outcome, TimedOut | Cancelled) and delivery.abandoned:
        return replace(outcome, abandoned=True)
    return outcome


def end(delivery: Delivery, verdict: Outcome) -> bool:
    """Ends a running attempt from outside, with this outcome; False if none is running.

    A plain function that was cancelled has a moment to look at `job.cancelled` and return.
    """
    if delivery.task is None:
        return False
    if delivery.verdict is None:
        delivery.verdict, delivery.told_at = verdict, monotonic()
        if delivery.run is not None:
            delivery.run.tell_cancelled()
        if isinstance(verdict, Cancelled) and delivery.leftover is not None:
            asyncio.get_running_loop().call_later(HEEDS_WITHIN_S, _abandon, delivery)
        else:
            delivery.task.cancel()
    return True


def _abandon(delivery: Delivery) -> None:
    """Waits no longer for a thread that was told to end and hasn't returned."""
    if delivery.task is not None:
        delivery.task.cancel()


def _heeded(delivery: Delivery) -> bool:
    """Whether a plain function returned after it was told of the cancel."""
    return isinstance(delivery.verdict, Cancelled) and delivery.leftover is not None


def start_timer(delivery: Delivery) -> None:
    """Ends the attempt when its timeout is over."""
    if delivery.timeout_ms is None:
        return
    left_s = delivery.timeout_ms / 1000 - (monotonic() - delivery.started)
    loop = asyncio.get_running_loop()
    delivery.timer = loop.call_later(left_s, end, delivery, TimedOut(delivery.timeout_ms))


def _job(delivery: Delivery) -> Job:
    entry, subscription, options = delivery.entry, delivery.subscription, delivery.options
    delivery.timeout_ms = subscription.timeout_ms(entry, options)
    return Job(
        entry,
        delivery.counts(),
        stream=subscription.stream,
        group=subscription.group,
        max_attempts=subscription.max_attempts(entry, options),
    )


def _is_error(outcome: Outcome) -> bool:
    """Whether the handler failed without saying what is to follow."""
    return isinstance(outcome, Failed) and outcome.kind == "failed"
