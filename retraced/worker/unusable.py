"""Says which key should be a job's record and isn't: someone wrote over it, and its job waits."""

from __future__ import annotations

from retraced.log import Log
from retraced.worker.subscription import Subscription

EVERY_S = 300.0


def report(log: Log, subscription: Subscription, key: bytes) -> None:
    """`key` as a script answered it, empty if all is well. Said again after five minutes."""
    if not key:
        return
    log.repeat(
        f"record {subscription.stream}",
        EVERY_S,
        "record_unusable",
        stream=subscription.stream,
        group=subscription.group,
        key=key.decode("utf-8", "replace"),
        what="it isn't a hash, so its job stays where it is; delete or rename the key",
    )
