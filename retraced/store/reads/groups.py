"""Which streams and groups there are, and how much waits, runs and died in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retraced.entry import added_ms
from retraced.errors import InvalidName
from retraced.keys import GROUPS, Keys, parse_group_member
from retraced.store.connection import Link
from retraced.store.reads.backlog import Count, unread
from retraced.store.reads.counts import GroupCounts, count_questions
from retraced.store.reads.groupstate import GroupState
from retraced.store.reads.pause import Pause
from retraced.store.reads.replies import (
    SMALLEST,
    after,
    if_stream,
    number,
    pairs,
    settled,
    text,
    time_ms,
)

MOST_WORKERS = 10_000


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What XINFO tells of a stream: its entries, the last id given, each group's position."""

    name: bytes
    exists: bool
    entries: int
    last_id: bytes
    positions: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """The jobs of one group by where they are; `exists` is False when `S` has no such group.

    `workers` are those whose heartbeat hasn't expired. `oldest_at_ms`: since when (Redis ms) the
    first job waits that a worker could start at once; None if there is none, or its id tells no
    time.
    """

    stream: bytes
    group: bytes
    exists: bool
    unread: Count
    counts: GroupCounts
    workers: int
    position: bytes
    state: GroupState
    now_ms: int
    oldest_at_ms: int | None

    @property
    def pause(self) -> Pause | None:
        """The pause that the group is in, if it is."""
        return self.state.pause

    @property
    def paused(self) -> bool:
        return self.pause is not None

    @property
    def oldest_for_ms(self) -> int | None:
        """How long the first job that could start has waited."""
        return None if self.oldest_at_ms is None else max(self.now_ms - self.oldest_at_ms, 0)


async def known_groups(link: Link) -> list[tuple[str, str]]:
    """(stream, group) of every group that a worker or `groups create` has made known, sorted."""
    found: set[tuple[str, str]] = set()
    cursor = b"0"
    while True:
        cursor, members = await link.call("SSCAN", GROUPS, cursor, "COUNT", 1000)
        found.update(filter(None, map(_member, members)))
        if cursor == b"0":
            return sorted(found)


async def stream_facts(link: Link, stream: bytes) -> StreamFacts:
    """What XINFO tells; a stream that doesn't exist has no entries and no groups."""
    about, groups = await link.calls([("XINFO", "STREAM", stream), ("XINFO", "GROUPS", stream)])
    info = pairs(if_stream(about, []))
    rows = [pairs(row) for row in if_stream(groups, [])]
    return StreamFacts(
        name=stream,
        exists=bool(info),
        entries=number(info.get(b"length")),
        last_id=info.get(b"last-generated-id", SMALLEST),
        positions={row[b"name"]: row[b"last-delivered-id"] for row in rows},
    )


async def groups_of(link: Link, facts: StreamFacts) -> tuple[list[str], list[str]]:
    """The groups of a stream that are ReTraced's, and the foreign ones; both sorted.

    ReTraced's are those that left facts in `P:state`, also when `S` has lost the group since.
    """
    stream = text(facts.name)
    names = {group for known, group in await known_groups(link) if known == stream}
    names |= {text(name) for name in facts.positions}
    ours: list[str] = []
    foreign: list[str] = []
    for name in sorted(names):
        (ours if await _is_ours(link, stream, name) else foreign).append(name)
    return ours, foreign


async def summaries(link: Link, stream: str, groups: Sequence[str]) -> list[GroupSummary]:
    """One summary for each group, in the order given."""
    facts = await stream_facts(link, stream.encode())
    return [await summary(link, Keys.of(stream, group), facts) for group in groups]


async def summary(link: Link, keys: Keys, facts: StreamFacts) -> GroupSummary:
    """The jobs of one group by where they are."""
    position = facts.positions.get(keys.group)
    now, workers, state, groups, unread_first, *counts = await link.calls(
        [
            ("TIME",),
            ("ZRANGE", keys.workers, 0, MOST_WORKERS, "WITHSCORES"),
            ("HGETALL", keys.state),
            ("XINFO", "GROUPS", keys.ready),
            ("XRANGE", keys.stream, after(position or SMALLEST), "+", "COUNT", 1),
            *count_questions(keys),
        ]
    )
    known, now_ms = GroupState.parse(pairs(settled(state))), time_ms(settled(now))
    ready_first = await _first_ready(link, keys, if_stream(groups, []))
    firsts = [settled(unread_first) if position else [], ready_first]
    return GroupSummary(
        stream=keys.stream,
        group=keys.group,
        exists=position is not None,
        unread=await _unread(link, facts, position),
        counts=GroupCounts.parse(counts),
        workers=alive(settled(workers), now_ms, known.visibility_ms),
        position=position or SMALLEST,
        state=known,
        now_ms=now_ms,
        oldest_at_ms=oldest_at_ms(firsts, now_ms),
    )


def alive(beats: Sequence[bytes], now_ms: int, visibility_ms: int) -> int:
    """How many workers have given a sign of life within three leases; `beats` with scores."""
    since_ms = now_ms - 3 * visibility_ms
    return sum(int(float(at)) > since_ms for at in beats[1::2])


def oldest_at_ms(firsts: Sequence[Sequence[Any]], now_ms: int) -> int | None:
    """When the oldest of the first entries of some pages was added, where an id tells a time."""
    added = [added_ms(page[0][0], now_ms) for page in firsts if page]
    return min((each for each in added if each is not None), default=None)


async def _first_ready(link: Link, keys: Keys, groups: Sequence[Any]) -> list[Any]:
    """The first entry of `ready` that no worker has been given, in a list, or none."""
    position = SMALLEST
    for row in map(pairs, groups):
        if row[b"name"] == keys.group:
            position = row[b"last-delivered-id"]
    page = await link.call("XRANGE", keys.ready, after(position), "+", "COUNT", 1)
    return list(settled(page))


async def _unread(link: Link, facts: StreamFacts, position: bytes | None) -> Count:
    if position is None:
        return Count(0)
    return await unread(link, facts.name, length=facts.entries, last_delivered=position)


def _member(raw: bytes) -> tuple[str, str] | None:
    """(stream, group); None for a member that ReTraced can't have written."""
    try:
        stream, group = parse_group_member(raw)
        Keys.of(stream, group)
    except InvalidName:
        return None
    return stream, group


async def _is_ours(link: Link, stream: str, group: str) -> bool:
    try:
        keys = Keys.of(stream, group)
    except InvalidName:  # a foreign group may be called anything
        return False
    return bool(await link.call("EXISTS", keys.state))
