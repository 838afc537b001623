"""One attempt of one job: runs it inside the runner's task, until it ends or is ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic
from typing import Any

from retraced.errors import InvalidEntry
from retraced.job import Job
from retraced.outcome import Cancelled, Failed, Invalid, Outcome, TimedOut
from retraced.worker.delivery import Delivery
from retraced.worker.drive import Suspended, first_step, further_steps
from retraced.worker.executors import Executor

HEEDS_WITHIN_S = 0.25
_CANCELLED_ITSELF = Failed("CancelledError: the handler was cancelled from within")


def begin(
    delivery: Delivery, task: asyncio.Task[Any], executor: Executor
) -> Outcome | Suspended[Outcome]:
    """Runs it until it ends or waits for something; then `finish` does the rest.

    `task` is the runner's, in which this is called. Raises what ends the worker: ConfigError when
    the children of suspects can't be started.
    """
    delivery.started = monotonic()
    delivery.task = task
    run = executor.run_apart if delivery.suspect else executor.run
    try:
        delivery.shown = job = _job(delivery)
        outcome = first_step(run(job, delivery))
    except BaseException as error:  # noqa: BLE001 - what isn't an outcome is raised again
        outcome = _raised(error, delivery)
    if isinstance(outcome, Suspended):
        return outcome
    return _ended(delivery, task, outcome)


async def finish(
    delivery: Delivery, task: asyncio.Task[Any], suspended: Suspended[Outcome]
) -> Outcome:
    """The outcome of an attempt that waits. Raises as `begin` does."""
    try:
        outcome = await further_steps(suspended)
    except BaseException as error:  # noqa: BLE001 - what isn't an outcome is raised again
        outcome = _raised(error, delivery)
    return _ended(delivery, task, outcome)


def _raised(error: BaseException, delivery: Delivery) -> Outcome:
    """What an exception out of an attempt means; it is raised again if it isn't the job's."""
    match error:
        case InvalidEntry():
            return Invalid(error.field, error.why)
        case asyncio.CancelledError():
            return delivery.verdict or _CANCELLED_ITSELF
        case _:
            delivery.task = None
            raise error


def _ended(delivery: Delivery, task: asyncio.Task[Any], outcome: Outcome) -> Outcome:
    delivery.task = None
    delivery.run_ms = int((monotonic() - delivery.started) * 1000)
    if delivery.timer is not None:
        delivery.timer.cancel()
    while task.cancelling():  # what ended this attempt must not end the runner's next one
        task.uncancel()
    if delivery.verdict is None:
        return outcome
    if _is_error(outcome) or _heeded(delivery):
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
        if delivery.shown is not None:
            delivery.shown.tell_cancelled()
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
        attempt=delivery.carried.attempt + 1,
        fence=delivery.deliveries,
        stream=subscription.stream,
        group=subscription.group,
        max_attempts=subscription.max_attempts(entry, options),
    )


def _is_error(outcome: Outcome) -> bool:
    """Whether the handler failed without saying what is to follow."""
    return isinstance(outcome, Failed) and outcome.kind == "failed"
