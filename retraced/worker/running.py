"""What a worker's heartbeat tells of the jobs that it runs."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

import orjson

from retraced.worker.delivery import Delivery

MOST_RUNNING_SHOWN = 200
_LONGEST_TYPE = 60


def told(running: Sequence[Delivery]) -> dict[str, str]:
    """`running`: ids, those that began first in front, and of each, in the same order, `runs`:
    [type, how long so far in ms, delivery, stream]. Both JSON, of at most 200 jobs.
    """
    # One that has only just been begun has no time yet; that is the newest, not the oldest.
    begun = [(each.started or monotonic(), each) for each in running]
    begun.sort(key=lambda pair: pair[0])
    shown, now = begun[:MOST_RUNNING_SHOWN], monotonic()
    runs = [
        [
            each.entry.type[:_LONGEST_TYPE],
            int((now - started) * 1000),
            each.deliveries,
            each.subscription.stream,
        ]
        for started, each in shown
    ]
    return {
        "running": orjson.dumps([each.job_name for _, each in shown]).decode(),
        "runs": orjson.dumps(runs).decode(),
    }
