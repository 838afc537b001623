"""Says that a group is paused: who did it, when, why, and what ends it."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta

from retraced.log import Log
from retraced.store.arrivals import Pause
from retraced.worker.subscription import Subscription

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tell(log: Log, subscription: Subscription, pause: Pause | None) -> None:
    """One warning; None for a pause that has ended meanwhile says nothing."""
    if pause is None:
        return
    stream, group = subscription.stream, subscription.group
    resume = shlex.join(("retraced", "resume", stream, "--group", group))
    log.warning(
        "paused",
        stream=stream,
        group=group,
        by=pause.by,
        since=_moment(pause.since_ms),
        why=pause.why,
        what=f"nothing is started until: {resume}",
    )


def _moment(ms: int) -> str:
    try:
        moment = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return str(ms)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
