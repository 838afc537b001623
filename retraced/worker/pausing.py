"""Says that a group is paused: who did it, when, why, and what ends it."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta

from retraced.log import Log
from retraced.store.reads.pause import Pause
from retraced.worker.subscription import Subscription

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tell(log: Log, subscription: Subscription, pause: Pause | None) -> None:
    """One warning; nothing for a pause that has ended meanwhile."""
    if pause is None:
        return
    log.warning(
        "paused",
        stream=subscription.stream,
        group=subscription.group,
        by=pause.by,
        since=_moment(pause.since_ms),
        why=pause.why,
        what=remedy(subscription),
    )


def remedy(subscription: Subscription) -> str:
    """What ends a pause."""
    words = ("retraced", "resume", subscription.stream, "--group", subscription.group)
    return f"nothing is started until: {shlex.join(words)}"


def _moment(ms: int) -> str:
    try:
        moment = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return str(ms)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
