"""What workers run now and what else is held, in bounded reads: for `retraced top`.

A `Watch` remembers heartbeats and ready entries, so that a refresh reads only what is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.counts import Command
from retraced.store.reads.heartbeat import Heartbeat, Run
from retraced.store.reads.held import GONE, Holding, carried_by, holding
from retraced.store.reads.overview import GroupView
from retraced.store.reads.paging import Pending
from retraced.store.reads.replies import if_group, pairs, settled

MOST_WORKERS = 200
MOST_RUNS = 200
MOST_HELD = 100
_MOST_REMEMBERED = 10_000


@dataclass(slots=True)
class Watch:
    """Reads again and again what is going on; remembers what can't have changed."""

    _beats: dict[tuple[bytes, bytes], tuple[int, Heartbeat]] = field(default_factory=dict)
    _ready: dict[tuple[bytes, bytes], tuple[bytes, int]] = field(default_factory=dict)

    async def workers(
        self, link: Link, groups: Sequence[GroupView], now_ms: int
    ) -> list[Heartbeat]:
        """Workers of these groups, at most about 200: the most silent and the liveliest ones.

        The heartbeat of one that has said nothing since it was last read isn't read again.
        """
        members = await _members(link, groups)
        fresh: dict[tuple[bytes, bytes], tuple[int, Heartbeat]] = {}
        new = []
        for group, consumer, at_ms in members:
            place = (group.keys.prefix, consumer)
            known = self._beats.get(place)
            if known and known[0] == at_ms:
                fresh[place] = known
            elif now_ms - at_ms > 3 * group.visibility_ms:  # its hash has expired
                fresh[place] = (at_ms, Heartbeat(group.keys, consumer, group.visibility_ms))
            else:
                new.append((group, consumer, at_ms))
        asked = [("HGETALL", group.keys.worker(consumer)) for group, consumer, _ in new]
        replies = await link.calls(asked) if asked else []
        for (group, consumer, at_ms), reply in zip(new, replies, strict=True):
            beat = Heartbeat.parse(
                group.keys,
                consumer,
                pairs(settled(reply)),
                visibility_ms=group.visibility_ms,
                now_ms=now_ms,
            )
            fresh[group.keys.prefix, consumer] = (at_ms, beat)
        self._beats = fresh
        return [beat.at_age(max(now_ms - at_ms, 0)) for at_ms, beat in self._beats.values()]

    async def held(
        self, link: Link, groups: Sequence[GroupView], workers: Sequence[Heartbeat]
    ) -> list[Holding]:
        """What the workers told that they run, and of what else is held the lowest ids.

        At most the 200 longest runs, and 100 rows of the pending lists, shared by the groups that
        hold something.
        """
        alive = [worker for worker in workers if not worker.gone]
        runs = [(worker, run) for worker in alive for run in worker.runs.values()]
        told = await still_held(link, sorted(runs, key=_longest_first)[:MOST_RUNS])
        known = {(each.keys.prefix, each.job) for each in told}
        owners = {(each.keys.prefix, each.consumer): each for each in workers}
        others = [
            each
            for each in await self._pending(link, groups, owners)
            if (each.keys.prefix, each.job) not in known
        ]
        return told + others

    async def _pending(
        self,
        link: Link,
        groups: Sequence[GroupView],
        owners: Mapping[tuple[bytes, bytes], Heartbeat],
    ) -> list[Holding]:
        busy = [group for group in groups if group.counts.held][:MOST_HELD]
        if not busy:
            return []
        limit = max(MOST_HELD // len(busy) // 2, 1)
        asked: list[Command] = []
        for group in busy:
            span = (group.keys.group, "-", "+", limit)
            asked += [("XPENDING", group.keys.stream, *span), ("XPENDING", group.keys.ready, *span)]
        replies = await link.calls(asked)
        rows = [
            (busy[at // 2], at % 2 == 1, Pending(*row))
            for at, reply in enumerate(replies)
            for row in if_group(reply, [])
        ]
        await self._learn(link, [(group.keys, row.entry) for group, later, row in rows if later])
        return [
            holding(
                group.keys,
                row,
                owners.get((group.keys.prefix, row.consumer)),
                carried=self._ready.get((group.keys.prefix, row.entry), GONE) if later else None,
                lapsed=row.idle_ms > group.visibility_ms,
            )
            for group, later, row in rows
        ]

    async def _learn(self, link: Link, entries: Iterable[tuple[Keys, bytes]]) -> None:
        """Which jobs these ready entries are; an entry never changes, so it is read once."""
        new = [(keys, e) for keys, e in entries if (keys.prefix, e) not in self._ready]
        if len(self._ready) > _MOST_REMEMBERED:
            self._ready.clear()
        self._ready |= await carried_by(link, new)


async def _members(link: Link, groups: Sequence[GroupView]) -> list[tuple[GroupView, bytes, int]]:
    """(group, consumer, when it last said something): the longest silent, and the others."""
    share = max(MOST_WORKERS // max(sum(group.workers > 0 for group in groups), 1), 2)
    asked: list[Command] = []
    for group in groups:
        room = share if group.workers else 2  # no one is alive: at most some names are left
        silent = max(room // 4, 1)
        workers = group.keys.workers
        asked.append(("ZRANGE", workers, 0, silent - 1, "WITHSCORES"))
        asked.append(("ZREVRANGE", workers, 0, room - silent - 1, "WITHSCORES"))
    replies = await link.calls(asked) if asked else []
    found: dict[tuple[bytes, bytes], tuple[GroupView, bytes, int]] = {}
    for at, group in enumerate(groups):
        for flat in (settled(replies[2 * at]), settled(replies[2 * at + 1])):
            for consumer, score in pairs(flat).items():
                found[group.keys.prefix, consumer] = (group, consumer, int(float(score)))
    return list(found.values())


async def still_held(link: Link, runs: Sequence[tuple[Heartbeat, Run]]) -> list[Holding]:
    """Those that haven't ended since the heartbeat that told of them."""
    asked: list[Command] = []
    for worker, run in runs:
        keys = worker.keys
        key, entry = (keys.ready, run.entry) if run.entry else (keys.stream, run.job)
        asked.append(("XPENDING", key, keys.group, entry, entry, 1))
    replies = await link.calls(asked) if asked else []
    return [
        _running(worker, run, Pending(*row))
        for (worker, run), reply in zip(runs, replies, strict=True)
        for row in if_group(reply, [])
        if row[1] == worker.consumer
    ]


def _running(worker: Heartbeat, run: Run, row: Pending) -> Holding:
    """What a worker told that it runs; it knows of the deliveries before the entry's own."""
    earlier = max((run.delivery or row.count) - row.count, 0)
    carried = (run.job, earlier) if run.entry else None
    return holding(worker.keys, row, worker, carried=carried)


def _longest_first(pair: tuple[Heartbeat, Run]) -> int:
    worker, run = pair
    return -(worker.by_now_ms(run) or 0)
