"""What a worker's heartbeat tells of the jobs that it runs."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

import orjson

from retraced.outcome import Cancelled, TimedOut
from retraced.store.writes import Source
from retraced.worker.delivery import Delivery

MOST_RUNNING_SHOWN = 200
IGNORES_AFTER_MS = 1000
_LONGEST_TYPE = 60


def told(running: Sequence[Delivery]) -> dict[str, str]:
    """`running`: ids, those that began first in front, and of each, in the same order, `runs`:
    [type, how long so far in ms, delivery, stream, entry on the ready stream or ""]. Both JSON, of
    at most 200 jobs.
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
            each.held.entry.decode() if each.held.source is Source.READY else "",
        ]
        for started, each in shown
    ]
    return {
        "running": orjson.dumps([each.job_name for _, each in shown]).decode(),
        "runs": orjson.dumps(runs).decode(),
    }


def ignoring(running: Sequence[Delivery], abandoned: Sequence[Delivery]) -> dict[str, str]:
    """`ignoring`: of jobs that were told to end and run on, by id: [why they were told (cancelled,
    timed out, lost, stopping), how long ago in ms, type, stream]. JSON, of at most 200 jobs.
    """
    late = [each for each in running if each.told_for_ms() >= IGNORES_AFTER_MS]
    shown = {each.job_name: _told(each) for each in [*late, *abandoned][:MOST_RUNNING_SHOWN]}
    return {"ignoring": orjson.dumps(shown).decode()}


def _told(delivery: Delivery) -> list[str | int]:
    type_ = delivery.entry.type[:_LONGEST_TYPE]
    return [_why(delivery), delivery.told_for_ms(), type_, delivery.subscription.stream]


def _why(delivery: Delivery) -> str:
    match delivery.verdict:
        case Cancelled():
            return "cancelled"
        case TimedOut():
            return "timed out"
        case _:
            return "lost" if delivery.lost else "stopping"
