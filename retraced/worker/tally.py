"""What this worker has done so far, and the log line of each settlement."""

from __future__ import annotations

import re
from dataclasses import dataclass

from retraced.log import Log
from retraced.outcome import Bury, Complete, Delay, Drop, Release, Settlement
from retraced.worker.delivery import Delivery

_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
_IGNORED = "its thread runs on and keeps its slot; a handler can look at job.cancelled"
_REMEDIES = {
    "unhandled": "no worker here has a handler for its type; it waits for one that has",
    "unstarted": "no child process could be started for it; it is tried again",
}


@dataclass(slots=True)
class Tally:
    """Counts of answered settlements; `started` counts the starts of handlers."""

    started: int = 0
    done: int = 0
    delayed: int = 0
    dead: int = 0
    released: int = 0

    def count(self, settlement: Settlement) -> None:
        match settlement:
            case Complete():
                self.done += 1
            case Delay():
                self.delayed += 1
            case Bury():
                self.dead += 1
            case Release() | Drop():
                self.released += 1


def names(delivery: Delivery) -> dict[str, str]:
    """The fields by which a log line names its job."""
    subscription = delivery.subscription
    return {"job": delivery.job_name, "stream": subscription.stream, "group": subscription.group}


def log_settlement(log: Log, delivery: Delivery, settlement: Settlement) -> None:
    """One line for each settlement; plain successes only at level debug."""
    match settlement:
        case Complete():
            if log.verbose:
                log.debug("completed", **names(delivery), run_ms=delivery.run_ms)
        case Delay():
            quiet = settlement.reason == "scheduled"
            write = log.debug if quiet else log.warning
            write(
                str(settlement.event),
                **names(delivery),
                reason=settlement.reason,
                attempt=settlement.counts.attempt,
                error=first_line(settlement.error),
                at=_place(settlement),
                what=_REMEDIES.get(settlement.reason),
            )
        case Bury():
            log.error(
                "dead",
                **names(delivery),
                reason=settlement.reason,
                attempts=settlement.counts.attempt,
                error=_without_payload(settlement),
                at=_place(settlement),
                what=_how_to_see(delivery),
            )
        case Release():
            log.info("released", **names(delivery))
        case Drop():
            ignored = bool(settlement.detail.get("abandoned"))
            write = log.warning if ignored else log.info
            write("cancelled", **names(delivery), what=_IGNORED if ignored else None)


def _without_payload(settlement: Bury) -> str:
    """The error's first line; where it would quote the payload, only the place in it."""
    line = first_line(settlement.error)
    if settlement.reason == "invalid" and line.startswith("payload"):
        return f"{line.partition(':')[0]} doesn't fit"
    return line


def _place(settlement: Delay | Bury) -> str | None:
    """Where the handler raised: file, line and function of its traceback's last frame."""
    frames = _FRAME.findall(str(settlement.detail.get("traceback", "")))
    return "{}:{} in {}".format(*frames[-1]) if frames else None


def _how_to_see(delivery: Delivery) -> str:
    where = delivery.subscription
    return f"see: retraced dlq show {where.stream} {delivery.job_name} --group {where.group}"


def first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
