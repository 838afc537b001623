"""What people do to single jobs: cancel, requeue, purge."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from retraced.keys import Keys
from retraced.store.scripts import Argument, Call, script
from retraced.store.writes.held import group_keys, record_keys, story


class Ruling(StrEnum):
    """How a request about one job ended."""

    OK = "OK"
    MISSING = "MISSING"
    REFUSED = "REFUSED"


class Verdict(NamedTuple):
    """The ruling, and why: text for people, empty when there is nothing to say."""

    ruling: Ruling
    reason: str


def cancel(keys: Keys, job: bytes, *, by: str) -> Call[Verdict]:
    """Ends a delayed job at once; a queued or held one at its next transition."""
    return _operate("cancel", keys, job, by)


def requeue(keys: Keys, job: bytes, *, by: str, keep_schedule: bool = False) -> Call[Verdict]:
    """Dead to queued with a fresh budget; its delay, run_at and expires count only if kept."""
    return _operate("requeue", keys, job, by, int(keep_schedule))


def purge(keys: Keys, job: bytes, *, by: str) -> Call[Verdict]:
    """Removes a dead letter for good."""
    return _operate("purge", keys, job, by)


def _operate(name: str, keys: Keys, job: bytes, by: str, *more: Argument) -> Call[Verdict]:
    args: list[Argument] = [keys.group, b"", b"", job, story(by=by or None), *more]
    own = group_keys(keys) + record_keys(keys, [job])
    return Call(script(name), own, args, verdict)


def verdict(reply: list[Any]) -> Verdict:
    """A ruling and its reason, as a script answers them."""
    ruling, reason = reply
    return Verdict(Ruling(ruling.decode()), reason.decode(errors="replace"))
