"""Time and leases: renew what is held, promote what is due, reclaim what has fallen silent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from retraced.keys import Keys
from retraced.store.scripts import Argument, Call, script
from retraced.store.writes.held import (
    MAX_BYTES,
    Answer,
    Author,
    Beat,
    Held,
    Source,
    fence,
    group_keys,
    head,
    pairs,
)


class Promotion(NamedTuple):
    """What the once-a-second call learns. A `next_due_ms` in the past: call again at once.

    `cancels` is how many cancels wait, `version` that of the group's facts, `hungry_elsewhere`
    whether another worker has free slots. `wrong_key` is one that should be a job's record and
    isn't (empty: none): that job stays delayed.
    """

    promoted: int
    next_due_ms: int | None
    now_ms: int
    paused: bool
    cancels: int
    version: int
    hungry_elsewhere: bool
    wrong_key: bytes


class Taken(NamedTuple):
    """A delivery taken over, with its new count, its former owner, and the entry's fields."""

    source: Source
    entry: bytes
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs
    former: bytes
    fields: list[bytes]


class Reclaimed(NamedTuple):
    """`hold_ms` > 0: held off, for so long. `wait_ms` > 0: the next sweep isn't due yet.

    `more`: the page wasn't the last one, call again. `wrong_key` is one that should be a job's
    record and isn't (empty: none): that delivery was left alone.
    """

    hold_ms: int
    wait_ms: int
    entries: list[Taken]
    more: bool
    buried: int
    vanished: int
    cancelled: int
    wrong_key: bytes


def renew(
    keys: Keys,
    author: Author,
    holds: Sequence[Held],
    *,
    page: int,
    beat: Beat,
    visibility_ms: int,
) -> Call[list[Answer]]:
    """Resets the idle time of what is still held, at most 200; writes tick and heartbeat.

    `visibility_ms` counts where the group has lost its facts.
    """
    args: list[Argument] = [*head(keys, author), *fence(holds, page), visibility_ms]
    args += pairs(beat.facts)
    for source, entry, job, count in holds:
        args += (source.value, entry, count, job)
    own = [*group_keys(keys), keys.worker(author.consumer)]
    return Call(script("renew"), own, args, partial(_renewed, len(holds)))


def promote(
    keys: Keys,
    author: Author,
    *,
    limit: int = 50,
    max_bytes: int = MAX_BYTES,
    hungry: bool,
    beat: Beat,
) -> Call[Promotion]:
    """Delayed to queued for what is due; tick, heartbeat, and the news of the group."""
    args: list[Argument] = [*head(keys, author), limit, max_bytes, int(hungry), *pairs(beat.facts)]
    own = [*group_keys(keys), keys.worker(author.consumer)]
    return Call(script("promote"), own, args, _promoted)


def reclaim(
    keys: Keys,
    author: Author,
    *,
    free: int,
    free_suspects: int,
    holds: Sequence[Held],
    lost_ceiling: int = 10,
    every_ms: int,
    page: int = 100,
    max_bytes: int = MAX_BYTES,
) -> Call[Reclaimed]:
    """Takes over silent deliveries, at most `free` of which `free_suspects` need a child process.

    `holds` is what the caller knows that it holds: of its own, only others count as silent.
    """
    args: list[Argument] = [*head(keys, author), free, free_suspects, lost_ceiling]
    args += (every_ms, page, max_bytes)
    for each in holds:
        args += (each.source.value, each.entry)
    return Call(script("reclaim"), group_keys(keys), args, _reclaimed)


def _renewed(count: int, reply: list[Any]) -> list[Answer]:
    answers = [Answer.OK] * count
    for place, word in zip(reply[::2], reply[1::2], strict=True):
        answers[place - 1] = Answer(word.decode())
    return answers


def _promoted(reply: list[Any]) -> Promotion:
    promoted, next_due_ms, now_ms, paused, cancels, version, hungry, wrong_key = reply
    return Promotion(
        promoted=promoted,
        next_due_ms=None if next_due_ms < 0 else next_due_ms,
        now_ms=now_ms,
        paused=bool(paused),
        cancels=cancels,
        version=version,
        hungry_elsewhere=bool(hungry),
        wrong_key=wrong_key,
    )


def _reclaimed(reply: list[Any]) -> Reclaimed:
    hold_ms, wait_ms, entries, more, buried, vanished, cancelled, wrong_key = reply
    taken = [
        Taken(Source(source.decode()), entry, count, former, fields)
        for source, entry, count, former, fields in entries
    ]
    return Reclaimed(
        hold_ms=hold_ms,
        wait_ms=wait_ms,
        entries=taken,
        more=bool(more),
        buried=buried,
        vanished=vanished,
        cancelled=cancelled,
        wrong_key=wrong_key,
    )
