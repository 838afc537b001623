"""All groups at a glance, cheap enough to be read every second: the reads of `retraced top`.

Nothing is counted by reading entries: a refresh is two pipelines of some ten small commands for
each group, however many jobs there are. So a backlog may be an estimate; `groups list` counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retraced.entry import added_ms
from retraced.errors import StoreError
from retraced.keys import Keys, id_parts
from retraced.store.connection import Link
from retraced.store.reads import pause
from retraced.store.reads.backlog import Count
from retraced.store.reads.counts import QUESTIONS, Command, GroupCounts, count_questions
from retraced.store.reads.groupstate import GroupState
from retraced.store.reads.pause import Pause
from retraced.store.reads.replies import SMALLEST, after, if_stream, number, pairs, settled, time_ms

COUNTERS = ("completed", "failed", "dead")
_GROUPS_AT_ONCE = 50
_NOTHING = Count(0)
_FACTS = ("visibility_ms", *pause.FIELDS, *(f"n:{name}" for name in COUNTERS))


@dataclass(frozen=True, slots=True)
class GroupView:
    """One group now. `oldest_for_ms`: how long the oldest job has waited that could run.

    `state` has its lease, its pause and all `completed`, `failed`, `dead` so far, no more.
    `trouble`: why it can't be read, if so; then the numbers mean nothing.
    """

    keys: Keys
    now_ms: int = 0
    exists: bool = False
    unread: Count = _NOTHING
    counts: GroupCounts = field(default_factory=GroupCounts)
    workers: int = 0
    oldest_for_ms: int | None = None
    state: GroupState = field(default_factory=GroupState)
    trouble: str = ""

    @property
    def pause(self) -> Pause | None:
        return self.state.pause

    @property
    def paused_for_ms(self) -> int | None:
        return None if self.pause is None else max(self.now_ms - self.pause.since_ms, 0)

    @property
    def visibility_ms(self) -> int:
        return self.state.visibility_ms

    @property
    def counters(self) -> Mapping[str, int]:
        """How many jobs have completed, failed and died in all."""
        counted = self.state.counted
        return {name: counted.get(name, 0) for name in COUNTERS}

    @property
    def backlog(self) -> Count:
        """What could run and hasn't begun: not read yet, or due on the ready stream."""
        return Count(self.unread.value + self.counts.ready, exact=self.unread.exact)


@dataclass(frozen=True, slots=True)
class _Stream:
    """A stream's length and what XINFO tells of its groups."""

    length: int
    groups: dict[bytes, dict[bytes, Any]]


@dataclass(frozen=True, slots=True)
class _Raw:
    """First replies about a group: enough to know what else to ask."""

    keys: Keys
    stream: _Stream
    counts: GroupCounts
    ready_position: bytes
    state: GroupState

    @property
    def position(self) -> bytes | None:
        group = self.stream.groups.get(self.keys.group)
        return None if group is None else bytes(group[b"last-delivered-id"])


async def overview(link: Link, groups: Sequence[Keys]) -> tuple[int, list[GroupView]]:
    """The Redis time in ms, and one view for each group, in the order given."""
    now_ms, views = 0, []
    for start in range(0, max(len(groups), 1), _GROUPS_AT_ONCE):
        now_ms, page = await _page(link, groups[start : start + _GROUPS_AT_ONCE])
        views += page
    return now_ms, views


async def _page(link: Link, groups: Sequence[Keys]) -> tuple[int, list[GroupView]]:
    streams = list(dict.fromkeys(keys.stream for keys in groups))
    asked: list[Command] = [("TIME",)]
    for stream in streams:
        asked += [("XLEN", stream), ("XINFO", "GROUPS", stream)]
    for keys in groups:
        asked += _first_questions(keys)
    time, *replies = await link.calls(asked)
    about = {each: replies[2 * at : 2 * at + 2] for at, each in enumerate(streams)}
    rest, width = replies[2 * len(streams) :], len(_first_questions(groups[0])) if groups else 0
    found = [
        _read(keys, about[keys.stream], rest[width * at : width * at + width])
        for at, keys in enumerate(groups)
    ]
    now_ms = time_ms(settled(time))
    return now_ms, await _completed(link, now_ms, found)


def _first_questions(keys: Keys) -> list[Command]:
    return [
        *count_questions(keys),
        ("XINFO", "GROUPS", keys.ready),
        ("HMGET", keys.state, *_FACTS),
    ]


def _read(keys: Keys, about: Sequence[Any], replies: Sequence[Any]) -> _Raw | GroupView:
    """What the first replies tell; a view with its trouble if one of them is an error."""
    ready_groups, facts = replies[QUESTIONS:]
    try:
        length, groups = number(settled(about[0])), if_stream(about[1], [])
        on_ready = {row[b"name"]: row for row in map(pairs, if_stream(ready_groups, []))}
        named = zip(_FACTS, settled(facts), strict=True)
        return _Raw(
            keys=keys,
            stream=_Stream(length, {row[b"name"]: row for row in map(pairs, groups)}),
            counts=GroupCounts.parse(replies[:QUESTIONS]),
            ready_position=on_ready.get(keys.group, {}).get(b"last-delivered-id", SMALLEST),
            state=GroupState.parse({name.encode(): value for name, value in named}),
        )
    except StoreError as error:
        return GroupView(keys, trouble=str(error))


async def _completed(link: Link, now_ms: int, found: Sequence[_Raw | GroupView]) -> list[GroupView]:
    """Asks the second questions: who is alive, and which job has waited longest."""
    asked: list[Command] = []
    for raw in found:
        if isinstance(raw, _Raw):
            asked += _second_questions(raw, now_ms)
    replies = iter(await link.calls(asked)) if asked else iter(())
    views = []
    for raw in found:
        if isinstance(raw, GroupView):
            views.append(raw)
            continue
        alive, unread, ready = next(replies), next(replies), next(replies)
        try:
            views.append(_view(raw, now_ms, alive=alive, unread=unread, ready=ready))
        except StoreError as error:
            views.append(GroupView(raw.keys, trouble=str(error)))
    return views


def _second_questions(raw: _Raw, now_ms: int) -> list[Command]:
    keys, silent_ms = raw.keys, now_ms - 3 * raw.state.visibility_ms
    # `+` as the end of an empty range: a group that isn't there has read all, so to say.
    position = after(raw.position) if raw.position and raw.stream.length else b"+"
    ready = after(raw.ready_position) if raw.counts.ready else b"+"
    return [
        ("ZCOUNT", keys.workers, f"({silent_ms}", "+inf"),
        ("XRANGE", keys.stream, position, "+", "COUNT", 1),
        ("XRANGE", keys.ready, ready, "+", "COUNT", 1),
    ]


def _view(raw: _Raw, now_ms: int, *, alive: Any, unread: Any, ready: Any) -> GroupView:
    oldest = [_age(now_ms, reply) for reply in (settled(unread), settled(ready)) if reply]
    return GroupView(
        keys=raw.keys,
        now_ms=now_ms,
        exists=raw.position is not None,
        unread=_unread(raw) if settled(unread) else _NOTHING,
        counts=raw.counts,
        workers=number(settled(alive)),
        oldest_for_ms=max((age for age in oldest if age is not None), default=None),
        state=raw.state,
    )


def _unread(raw: _Raw) -> Count:
    """At least one is unread; how many, as far as lengths tell without reading any entry.

    What others haven't settled and what is retained is in the stream, too, and XINFO's `lag` is
    wrong after trims; only when both agree is the number taken for exact.
    """
    most = max(raw.stream.length - raw.counts.first, 1)
    lag = raw.stream.groups[raw.keys.group].get(b"lag")
    if lag is None:
        return Count(most, exact=len(raw.stream.groups) == 1)
    return Count(min(most, max(number(lag), 1)), exact=number(lag) == most)


def _age(now_ms: int, reply: Sequence[Any]) -> int | None:
    """How long ago the first entry of a page came; None if its id isn't a clock time."""
    entry: bytes = reply[0][0]
    added = added_ms(entry, now_ms)
    return None if added is None or not id_parts(entry)[0] else max(now_ms - added, 0)
