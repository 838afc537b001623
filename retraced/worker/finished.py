"""What the end of an attempt counts for: its times, and whether it failed."""

from __future__ import annotations

from collections.abc import Sequence

from retraced.events import EventName
from retraced.outcome import Bury, Complete, Delay, Settlement
from retraced.store.writes import Done
from retraced.worker.delivery import Delivery
from retraced.worker.subscription import Subscription


def count(delivery: Delivery, settlement: Settlement) -> None:
    """Counts the attempt that ended in this settlement, if one did.

    Releases and cancels end no attempt of their own accord, and what never began had none.
    """
    match settlement:
        case Complete() | Delay(event=EventName.SNOOZED):
            error = None
        case Bury() | Delay(event=EventName.FAILED | EventName.CRASHED):
            error = settlement.error
        case _:
            return
    if not delivery.started:
        return
    subscription = delivery.subscription
    subscription.measures.add(delivery.entry.type, delivery.wait_ms(), delivery.run_ms)
    if (brake := subscription.brake) is None:
        return
    if error is None:
        brake.succeeded()
    else:
        brake.failed(error)


def count_completed(
    subscription: Subscription, batch: Sequence[Delivery], done: Sequence[Done]
) -> None:
    """Counts attempts that all succeeded, and were all settled as that."""
    subscription.measures.completed(batch, done)
    if subscription.brake is not None:
        subscription.brake.succeeded(len(batch))
