"""Facts about one group: keys, workers, consumers, flow, what it pins and weighs. All bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retraced.keys import Keys, id_parts, unpadded
from retraced.store.connection import Link
from retraced.store.reads.backlog import Count, unread
from retraced.store.reads.counts import GroupCounts, count_questions
from retraced.store.reads.groups import alive, oldest_at_ms
from retraced.store.reads.groupstate import GroupState
from retraced.store.reads.replies import (
    SMALLEST,
    after,
    if_group,
    if_stream,
    number,
    pairs,
    settled,
    text,
    time_ms,
)
from retraced.store.reads.workers import MOST_WORKERS
from retraced.store.scripts import Argument

MOST_CONSUMERS = 500  # XINFO CONSUMERS of so many takes a few ms
_RECORDS = 50
_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class WrongKey:
    """A key that holds another type than ReTraced keeps there."""

    key: bytes
    found: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a group stands. Times in ms by the Redis clock; None where nothing tells.

    `low`: the lowest id that it still needs; `others_low`: that any other group needs, None if
    there is none. `never_given`: entries that are gone, and that the server doesn't count as read.
    """

    now_ms: int
    exists: bool
    entries: int
    position: bytes
    low: bytes
    others_low: bytes | None
    last_id: bytes
    oldest_at_ms: int | None
    never_given: int
    max_deleted: bytes
    counts: GroupCounts
    alive: int
    last_sign_at_ms: int | None
    state: GroupState

    @property
    def oldest_for_ms(self) -> int | None:
        """How long the oldest entry has waited that the group hasn't been given."""
        return None if self.oldest_at_ms is None else max(self.now_ms - self.oldest_at_ms, 0)


@dataclass(frozen=True, slots=True)
class Pinned:
    """Entries that stay in the stream for this group, and about how many bytes they take.

    `alone`: those of them that no other group needs.
    """

    entries: Count
    alone: Count
    size: int


@dataclass(frozen=True, slots=True)
class Consumer:
    """A name in XINFO CONSUMERS of the stream or of `ready` that belongs to no living worker."""

    key: bytes
    name: str
    pending: int
    idle_ms: int


@dataclass(frozen=True, slots=True)
class Consumers:
    """Those without a worker; `unread` streams have too many for a look: how many."""

    left: tuple[Consumer, ...]
    too_many: dict[bytes, int]


def fixed_keys(keys: Keys) -> dict[bytes, str]:
    """The keys of a group that have one name, and the type of each."""
    return {
        keys.stream: "stream",
        keys.ready: "stream",
        keys.delayed: "zset",
        keys.finished: "zset",
        keys.cancelled: "set",
        keys.dlq: "stream",
        keys.events: "stream",
        keys.workers: "zset",
        keys.state: "hash",
        keys.settings: "hash",
        keys.rates: "hash",
    }


async def wrong_keys(link: Link, keys: Keys) -> list[WrongKey]:
    """Keys of the wrong type: the fixed ones, and a sample of records."""
    wanted = fixed_keys(keys)
    found = await _wrong(link, wanted)
    wrong_zsets = {wrong.key for wrong in found}
    for zset in (keys.delayed, keys.finished):
        if zset not in wrong_zsets:
            members: list[bytes] = await link.call("ZRANGE", zset, 0, _RECORDS - 1)
            found += await _wrong(link, {keys.job(unpadded(each)): "hash" for each in members})
    return found


async def _wrong(link: Link, wanted: dict[bytes, str]) -> list[WrongKey]:
    replies = await link.calls([("TYPE", key) for key in wanted]) if wanted else []
    return [
        WrongKey(key, text(kind), right)
        for (key, right), kind in zip(wanted.items(), map(settled, replies), strict=True)
        if text(kind) not in (right, "none")
    ]


async def standing(link: Link, keys: Keys) -> Standing:
    """Counts, positions, and who is there."""
    now, about, groups, beats, state, *counts = await link.calls(
        [
            ("TIME",),
            ("XINFO", "STREAM", keys.stream),
            ("XINFO", "GROUPS", keys.stream),
            ("ZREVRANGE", keys.workers, 0, MOST_WORKERS - 1, "WITHSCORES"),
            ("HGETALL", keys.state),
            *count_questions(keys),
        ]
    )
    info, now_ms = pairs(if_stream(about, [])), time_ms(settled(now))
    rows = {row[b"name"]: row for row in map(pairs, if_stream(groups, []))}
    own, facts = rows.get(keys.group), GroupState.parse(pairs(settled(state)))
    counted = GroupCounts.parse(counts)
    position = own[b"last-delivered-id"] if own else SMALLEST
    return Standing(
        now_ms=now_ms,
        exists=own is not None,
        entries=number(info.get(b"length")),
        position=position,
        low=counted.lowest_held or _next(position),
        others_low=await _others_low(link, keys, rows),
        last_id=info.get(b"last-generated-id", SMALLEST),
        oldest_at_ms=oldest_at_ms([await _first_unread(link, keys, position)], now_ms),
        never_given=_never_given(info, own),
        max_deleted=info.get(b"max-deleted-entry-id", SMALLEST),
        counts=counted,
        alive=alive(settled(beats), now_ms, facts.visibility_ms),
        last_sign_at_ms=_last_sign_at(settled(beats), facts),
        state=facts,
    )


async def pinned(link: Link, keys: Keys, standing: Standing) -> Pinned:
    """What the group still needs of the stream, held or unread."""
    if not standing.exists or standing.entries == 0:
        return Pinned(Count(0), Count(0), 0)
    counts = [
        await unread(link, keys.stream, length=standing.entries, last_delivered=_before(low))
        for low in (standing.low, standing.others_low)
        if low is not None
    ]
    needed, others = counts[0], counts[1] if len(counts) == 2 else Count(0)
    alone = Count(max(needed.value - others.value, 0), needed.exact and others.exact)
    size = number(await link.call("MEMORY", "USAGE", keys.stream, "SAMPLES", _SAMPLES))
    return Pinned(needed, alone, size * needed.value // standing.entries)


async def consumers(link: Link, keys: Keys) -> Consumers:
    """Names in both consumer groups that no living worker has."""
    left: list[Consumer] = []
    too_many: dict[bytes, int] = {}
    known = set(settled(await link.call("ZRANGE", keys.workers, 0, MOST_WORKERS - 1)))
    for key in (keys.stream, keys.ready):
        groups = [pairs(row) for row in if_stream((await link.calls([_groups(key)]))[0], [])]
        count = sum(number(row[b"consumers"]) for row in groups if row[b"name"] == keys.group)
        if count > MOST_CONSUMERS:
            too_many[key] = count
        elif count:
            rows = map(pairs, await link.call("XINFO", "CONSUMERS", key, keys.group))
            left += [_consumer(key, row) for row in rows if row[b"name"] not in known]
    return Consumers(tuple(left), too_many)


async def _others_low(link: Link, keys: Keys, rows: dict[bytes, dict[bytes, Any]]) -> bytes | None:
    """The lowest id that any other group of the stream needs; None if there is no other."""
    others = [name for name in rows if name != keys.group]
    if not others:
        return None
    replies = await link.calls([("XPENDING", keys.stream, name) for name in others])
    lows = [
        if_group(reply, [0, None])[1] or _next(rows[name][b"last-delivered-id"])
        for name, reply in zip(others, replies, strict=True)
    ]
    return min(lows, key=id_parts)


async def _first_unread(link: Link, keys: Keys, position: bytes) -> list[Any]:
    """The first entry that the group hasn't been given, in a list, or none."""
    return list(await link.call("XRANGE", keys.stream, after(position), "+", "COUNT", 1))


def _last_sign_at(beats: list[bytes], state: GroupState) -> int | None:
    newest = int(float(beats[1])) if beats else 0
    return max(newest, state.whole("tick") or 0) or None


def _consumer(key: bytes, row: dict[bytes, Any]) -> Consumer:
    return Consumer(key, text(row[b"name"]), number(row[b"pending"]), number(row[b"idle"]))


def _groups(key: bytes) -> tuple[Argument, ...]:
    return ("XINFO", "GROUPS", key)


def _next(entry: bytes) -> bytes:
    ms, seq = id_parts(entry)
    return b"%d-%d" % (ms, seq + 1)


def _before(entry: bytes) -> bytes:
    """The id right before this one."""
    ms, seq = id_parts(entry)
    if seq:
        return b"%d-%d" % (ms, seq - 1)
    return b"%d-%d" % (ms - 1, 2**64 - 1) if ms else SMALLEST


def _never_given(info: dict[bytes, Any], group: dict[bytes, Any] | None) -> int:
    """At least so many; what servers before 7.0 don't count is 0.

    Redis 7 and 8 keep the gap in their count for good, Valkey until the group reads again.
    """
    added, read = info.get(b"entries-added"), (group or {}).get(b"entries-read")
    if not isinstance(added, int) or not isinstance(read, int):
        return 0
    return max(added - read - number(info.get(b"length")), 0)
