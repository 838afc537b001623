"""What people do to single jobs: cancel, run now, requeue, purge, replay."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from retraced.keys import Keys
from retraced.store.scripts import Argument, Call, script
from retraced.store.writes.held import group_keys, record_keys, story

MOST_NAMED = 20  # changed fields that an event names


class Ruling(StrEnum):
    """How a request about one job ended.

    REQUESTED: it will be so, at the job's next step. UNSURE: the same if the job waits deep in a
    long queue, where it wasn't looked for; it may not exist.
    """

    OK = "OK"
    REQUESTED = "REQUESTED"
    UNSURE = "UNSURE"
    MISSING = "MISSING"
    REFUSED = "REFUSED"


class Verdict(NamedTuple):
    """The ruling, and why: text for people, empty when there is nothing to say."""

    ruling: Ruling
    reason: str


def cancel(keys: Keys, job: bytes, *, by: str, only_delayed: bool = False) -> Call[Verdict]:
    """Ends a delayed job at once (OK); a queued or held one at its next step (REQUESTED).

    UNSURE: it wasn't found among many that wait; if it is one of them, it ends at its next step.
    `only_delayed`: REFUSED when it is elsewhere, and nothing is asked for.
    """
    return _operate("cancel", keys, job, by, int(only_delayed))


def run_now(keys: Keys, job: bytes, *, by: str) -> Call[Verdict]:
    """Puts a delayed job into the queue at once; REFUSED when it isn't delayed."""
    return _operate("run_now", keys, job, by)


def requeue(
    keys: Keys,
    job: bytes,
    *,
    by: str,
    keep_schedule: bool = False,
    changes: Mapping[bytes, bytes | None] | None = None,
    entry: bytes = b"",
) -> Call[Verdict]:
    """Dead to queued with a fresh budget; its delay, run_at and expires count only if kept.

    `changes` are fields of the job that get a new value, or are removed (None); a schedule in them
    counts. `entry` is the dead letter's id in `P:dlq` if the caller knows it: then one whose record
    was lost is found at once.
    """
    changed = changes or {}
    edited = [name.decode(errors="replace") for name in changed][:MOST_NAMED]
    args: list[Argument] = [int(keep_schedule), entry]
    for name, value in changed.items():
        args += (name, "-" if value is None else "=", value or b"")
    return _operate("requeue", keys, job, by, *args, edited=edited or None)


def purge(keys: Keys, job: bytes, *, by: str, entry: bytes = b"") -> Call[Verdict]:
    """Removes a dead letter for good; `entry` as for `requeue`.

    With `entry`, a letter goes also when its job isn't dead any more: it was left behind.
    """
    return _operate("purge", keys, job, by, entry)


def replay(keys: Keys, job: bytes, *, by: str) -> Call[Verdict]:
    """Runs a retained entry once more that this group has settled: fresh budget, no schedule.

    REFUSED while the job is alive or dead in this group, MISSING when the entry is gone.
    """
    return _operate("replay", keys, job, by)


def _operate(
    name: str, keys: Keys, job: bytes, by: str, *more: Argument, **told: Any
) -> Call[Verdict]:
    args: list[Argument] = [keys.group, b"", b"", job, story(by=by or None, **told), *more]
    own = group_keys(keys) + record_keys(keys, [job])
    return Call(script(name), own, args, verdict)


def verdict(reply: list[Any]) -> Verdict:
    """A ruling and its reason, as a script answers them."""
    ruling, reason = reply
    return Verdict(Ruling(ruling.decode()), reason.decode(errors="replace"))
