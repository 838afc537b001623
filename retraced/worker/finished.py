"""What the end of an attempt counts for: its times, and whether it failed."""

from __future__ import annotations

from retraced.events import EventName
from retraced.outcome import Bury, Complete, Delay, Settlement
from retraced.worker.delivery import Delivery


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
