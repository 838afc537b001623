"""What a client makes of the answer to a cancel."""

from __future__ import annotations

from retraced.errors import NotFound, Refused
from retraced.store.writes import Ruling, Verdict


def check(verdict: Verdict, job_id: str, stream: str, group: str) -> None:
    """Raises NotFound or Refused unless the cancel was accepted.

    It was if the job has ended, will end at its next step, or will if it waits in a long queue.
    """
    which = f"job {job_id} of {stream!r} in group {group!r}"
    if verdict.ruling is Ruling.MISSING:
        raise NotFound(f"{which} can't be cancelled: {verdict.reason or 'there is no such job'}")
    if verdict.ruling is Ruling.REFUSED:
        raise Refused(f"{which} can't be cancelled: {verdict.reason or 'it has ended'}")
