"""Whether a delivery may start now, and the facts by which its outcome is decided."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic

from retraced.entry import added_ms, notes
from retraced.errors import InvalidEntry
from retraced.outcome import (
    Cancelled,
    Expired,
    Facts,
    Interrupted,
    Invalid,
    Outcome,
    Postponed,
    Unhandled,
)
from retraced.worker.delivery import Delivery
from retraced.worker.executors import Executor

PLAIN_FIELDS = 2  # type and payload


def refusal(delivery: Delivery, executor: Executor) -> Outcome | None:
    """Why it can't run now, as an outcome; None if it can."""
    if delivery.cancelled:
        return Cancelled()
    if delivery.subscription.paused:  # it came with a read that had begun before
        return Interrupted()
    try:
        entry = delivery.understand()
    except InvalidEntry as error:
        return Invalid(error.field, error.why)
    delivery.options = executor.options(entry.type)
    if len(entry.fields) > PLAIN_FIELDS and (asked := entry.routing):
        delivery.subscription.routing_asked.update(asked)
    if delivery.scheduled:
        now_ms = delivery.subscription.clock.at(monotonic())
        due_ms = delivery.due_ms(now_ms)
        if due_ms is not None and due_ms > now_ms:
            return Postponed(due_ms)
    if delivery.options is None:
        return Unhandled(entry.type)
    return expired(delivery) if delivery.scheduled else None


def expired(delivery: Delivery) -> Expired | None:
    """Whether it is too late for its first start; asked again right before it."""
    now_ms = delivery.subscription.clock.at(monotonic())
    expires_ms = delivery.expires_ms(now_ms)
    return Expired(expires_ms) if expires_ms is not None and expires_ms <= now_ms else None


def lacks_handler(delivery: Delivery, executor: Executor) -> bool:
    try:
        return executor.options(delivery.understand().type) is None
    except InvalidEntry:
        return False


def facts(delivery: Delivery) -> Facts:
    """What `decide` needs to know: the entry's option, else the handler's, the group's, ours."""
    subscription = delivery.subscription
    policy = subscription.policy
    max_attempts, backoff = policy.max_attempts, policy.backoff
    now_ms = subscription.clock.at(monotonic())
    said: Mapping[str, str] = {}
    if hasattr(delivery, "entry"):
        max_attempts = subscription.max_attempts(delivery.entry, delivery.options)
        backoff = subscription.backoff(delivery.entry, delivery.options)
        said = notes(delivery.entry, added_ms(delivery.job, now_ms))
    return Facts(
        counts=delivery.counts(),
        begun=delivery.begun,
        max_attempts=max_attempts,
        backoff=backoff,
        max_crashes=policy.max_crashes,
        unhandled_since_ms=delivery.unhandled_since,
        unhandled_after_ms=policy.unhandled_after_ms,
        now_ms=now_ms,
        notes=said,
    )
