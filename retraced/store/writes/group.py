"""Groups as a whole: joining and leaving, sweeping, draining, facts, pause, and their end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from retraced.errors import Denied, StoreError
from retraced.keys import Keys
from retraced.retention import Retention
from retraced.store.scripts import Argument, Call, script
from retraced.store.writes.held import Author, group_keys, head
from retraced.store.writes.operate import Verdict, verdict

PROTOCOL = 1
LEAST_VISIBILITY_MS = 3_000
FACTS = ("max_attempts", "backoff", "timeout_ms")
CAPS = tuple(
    f"{kept}_{limit}"
    for kept in ("events", "finished", "dlq")
    for limit in ("max", "bytes", "age_ms")
)


class Joined(NamedTuple):
    """What a worker learns at its start. A `protocol` above its own: nothing was written, refuse.

    `restored`: the group had been there before and was missing; it begins at its checkpoint.
    """

    created: bool
    restored: bool
    visibility_ms: int
    version: int
    facts: dict[str, str]
    protocol: int
    paused: bool


class Swept(NamedTuple):
    """What one sweep did. `checkpoint`: all up to it is settled. `expired`: silent workers' names.

    `more`: there is more to trim, call again.
    """

    checkpoint: bytes
    trimmed: int
    more: bool
    expired: list[bytes]


class Pruned(NamedTuple):
    """How many records of ended jobs went; `more`: there is more to prune, call again.

    `wrong_key` is one that should be such a record and isn't, empty if there is none: it stays.
    """

    records: int
    more: bool
    wrong_key: bytes


class Capped(NamedTuple):
    """How many dead letters went, for a cap that someone set; `more`: call again."""

    letters: int
    more: bool


class Drained(NamedTuple):
    """What is left to do. `unread` and `ready` say only whether there is any (1) or none (0)."""

    empty: bool
    unread: int
    ready: int
    pending: int
    delayed: int
    paused: bool


class Disbanded(NamedTuple):
    """How many jobs' records went in this call; `more`: it isn't done yet, call again."""

    records: int
    more: bool


def join(
    keys: Keys,
    *,
    protocol: int = PROTOCOL,
    visibility_ms: int | None = None,
    start: bytes = b"0",
    type_field: str | None = "type",
    retain: Retention | None = None,
) -> Call[Joined]:
    """Makes the group in `S` and in its ready stream where they are missing, and tells its facts.

    A group that was there before begins at its checkpoint, a new one at `start`. The stream keeps
    settled entries for as long as the most demanding `retain` of all who joined.
    """
    args: list[Argument] = [keys.group, b"", b"", protocol, visibility_ms or "", start]
    args += ("" if type_field == "type" else type_field or "none", LEAST_VISIBILITY_MS)
    args += _retaining(retain)
    return Call(script("join"), group_keys(keys), args, _joined)


def retain(keys: Keys, retention: Retention | None, *, by: str = "") -> Call[str]:
    """Sets what the stream keeps of settled entries, for all its groups; None: nothing.

    Answers it as text. What is kept no longer goes with the next sweeps.
    """
    args: list[Argument] = [keys.group, b"", b"", *_retaining(retention), by]
    return Call(script("retain"), group_keys(keys), args, bytes.decode)


def leave(keys: Keys, consumer: bytes, *, expired: bool = False) -> Call[Verdict]:
    """Takes a consumer with nothing pending off both streams and off the list of workers.

    `expired`: only if its heartbeat has expired. REFUSED while something is pending for it.
    """
    args: list[Argument] = [keys.group, consumer, b"", int(expired)]
    return Call(script("reap"), [*group_keys(keys), keys.worker(consumer)], args, verdict)


def sweep(keys: Keys) -> Call[Swept]:
    """The checkpoint, and the trim of entries that no group needs and that aren't retained.

    Bounded at about 10,000 entries a call, 500 where the number of retained ones is the limit.
    """
    return Call(script("sweep"), group_keys(keys), [keys.group, b"", b""], _swept)


def prune(keys: Keys) -> Call[Pruned]:
    """Removes old records, late cancels and old events, by the group's caps (see `set_facts`).

    Bounded at 100 records, a page of cancels and 10,000 events a call. Comes after `sweep`, whose
    checkpoint it reads.
    """
    return Call(script("prune"), group_keys(keys), [keys.group, b"", b""], _pruned)


def cap(keys: Keys) -> Call[Capped]:
    """Removes the oldest dead letters beyond the group's caps, if it has any; at most 100 a call.

    Their jobs end like purged ones, each with an event `capped`.
    """
    return Call(script("cap"), group_keys(keys), [keys.group, b"", b""], _capped)


def drained(keys: Keys, *, until_ms: int | None = None) -> Call[Drained]:
    """Whether anything is left to do, counting only what is due by `until_ms` if given. Reads."""
    args: list[Argument] = [keys.group, b"", b"", "" if until_ms is None else until_ms]
    return Call(script("drained"), group_keys(keys), args, _drained)


def measure(keys: Keys, author: Author, times: Mapping[bytes, int]) -> Call[int]:
    """Adds counts to the times of this slot; once a minute it notes the group's counters, too.

    Names are `<kind>:<bucket>:<type>`, kind `w` (wait) or `r` (run). A slot has 5,000 of them at
    most; answers how many found no room.
    """
    args: list[Argument] = head(keys, author)
    for name, count in times.items():
        args += (name, count)
    return Call(script("measure"), [*group_keys(keys), keys.rates], args, int)


def probe(keys: Keys) -> Call[None]:
    """Tries every write command of the scripts under `P:probe`. Raises Denied, naming the first."""
    return Call(script("probe"), [keys.probe], [], _probed)


def set_facts(keys: Keys, facts: Mapping[str, str | int], *, by: str = "") -> Call[int]:
    """Sets facts of the group (an empty value removes one) and answers their new version.

    Known: the options max_attempts, backoff, timeout_ms, visibility_ms, and the caps of what jobs
    leave behind: events_ finished_ and dlq_ with max (entries), bytes and age_ms. Raises ValueError
    for others, and for a cap that isn't a whole number.
    """
    unknown = set(facts) - {*FACTS, *CAPS, "visibility_ms"}
    if unknown:
        raise ValueError(f"no such facts of a group: {', '.join(sorted(unknown))}")
    if "visibility_ms" in facts and int(facts["visibility_ms"]) < LEAST_VISIBILITY_MS:
        raise ValueError(f"a visibility timeout is at least {LEAST_VISIBILITY_MS} ms")
    args: list[Argument] = [keys.group, b"", b"", by]
    for name, value in facts.items():
        if name in CAPS and value != "" and int(value) < 0:
            raise ValueError(f"{name} is {value}; a cap is zero or more")
        args += (name, value)
    return Call(script("set_facts"), group_keys(keys), args, int)


def pause(keys: Keys, *, by: str, why: str = "") -> Call[Verdict]:
    """Stops the handing out of jobs in this group; REFUSED if it is paused already."""
    args: list[Argument] = [keys.group, b"", b"", by, why]
    return Call(script("pause"), group_keys(keys), args, verdict)


def resume(keys: Keys, *, by: str) -> Call[Verdict]:
    """Ends a pause; REFUSED if the group isn't paused."""
    args: list[Argument] = [keys.group, b"", b"", by]
    return Call(script("resume"), group_keys(keys), args, verdict)


def disband(keys: Keys) -> Call[Disbanded]:
    """Ends a group: bounded calls remove its jobs' records, then what only it needed of `S`.

    The last one removes its keys and itself.
    """
    return Call(script("disband"), group_keys(keys), [keys.group, b"", b""], _disbanded)


def _retaining(retention: Retention | None) -> list[Argument]:
    if retention is None:
        return [0, "", ""]
    return [1, retention.for_ms or "", retention.entries or ""]


def _joined(reply: list[Any]) -> Joined:
    made, protocol, flat = reply
    state = {flat[at].decode(): flat[at + 1].decode() for at in range(0, len(flat), 2)}
    return Joined(
        created=made == b"created",
        restored=made == b"restored",
        visibility_ms=int(state.get("visibility_ms", 0)),
        version=int(state.get("version", 0)),
        facts={name: state[name] for name in FACTS if name in state},
        protocol=protocol,
        paused="paused_since" in state,
    )


def _swept(reply: list[Any]) -> Swept:
    checkpoint, trimmed, more, expired = reply
    return Swept(checkpoint, trimmed, bool(more), expired)


def _pruned(reply: list[Any]) -> Pruned:
    records, more, wrong_key = reply
    return Pruned(records, bool(more), wrong_key)


def _capped(reply: list[Any]) -> Capped:
    letters, more = reply
    return Capped(letters, bool(more))


def _drained(reply: list[Any]) -> Drained:
    unread, ready, pending, delayed, paused = reply
    empty = not (unread or ready or pending or delayed)
    return Drained(empty, unread, ready, pending, delayed, bool(paused))


def _disbanded(reply: list[Any]) -> Disbanded:
    records, more = reply
    return Disbanded(records, bool(more))


def _probed(reply: list[Any]) -> None:
    if not reply:
        return
    command, said = (part.decode(errors="replace") for part in reply)
    if "NOPERM" in said or "permission" in said or "can't run this command" in said:
        raise Denied(
            f"this Redis user may not run {command}, which ReTraced's scripts need: {said}. "
            "Widen its ACL, then start the worker again."
        )
    raise StoreError(f"{command} was tried on a scratch key and failed: {said}")
