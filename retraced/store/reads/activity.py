"""What workers run now and what else is held, in bounded reads: for `retraced top`.

A `Watch` remembers heartbeats and ready entries, so that a refresh reads only what is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from retraced.entry import split_ready
from retraced.errors import InvalidEntry
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.held import Activity
from retraced.store.reads.overview import Command, GroupView
from retraced.store.reads.replies import if_group, pairs, settled
from retraced.store.reads.workerview import Run, WorkerView, worker_view

MOST_WORKERS = 200
MOST_RUNS = 200
MOST_HELD = 100
_BODIES = 20  # ready entries asked for in one pipeline: their bodies come along
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class HeldView:
    """A delivery that isn't settled. `ran_ms`: by now, if its worker told; `idle_ms`: its lease.

    `stalled`: its worker runs it, but has stalled. `ignores`: it was told to end, and runs on.
    """

    keys: Keys
    job: bytes
    consumer: bytes
    activity: Activity
    type: str | None = None
    ran_ms: int | None = None
    idle_ms: int | None = None
    delivery: int | None = None
    stalled: bool = False
    ignores: bool = False


@dataclass(slots=True)
class Watch:
    """Reads again and again what is going on; remembers what can't have changed."""

    _beats: dict[tuple[bytes, bytes], tuple[int, WorkerView]] = field(default_factory=dict)
    _ready: dict[tuple[bytes, bytes], tuple[bytes, int]] = field(default_factory=dict)

    async def workers(
        self, link: Link, groups: Sequence[GroupView], now_ms: int
    ) -> list[WorkerView]:
        """Workers of these groups, at most about 200: the most silent and the liveliest ones.

        The heartbeat of one that has said nothing since it was last read isn't read again.
        """
        members = await _members(link, groups)
        fresh: dict[tuple[bytes, bytes], tuple[int, WorkerView]] = {}
        new = []
        for group, consumer, at_ms in members:
            place = (group.keys.prefix, consumer)
            known = self._beats.get(place)
            if known and known[0] == at_ms:
                fresh[place] = known
            elif now_ms - at_ms > 3 * group.visibility_ms:  # its hash has expired
                gone = WorkerView(group.keys, consumer, 0, group.visibility_ms)
                fresh[place] = (at_ms, gone)
            else:
                new.append((group, consumer, at_ms))
        replies = (
            await link.calls([("HGETALL", g.keys.worker(c)) for g, c, _ in new]) if new else []
        )
        for (group, consumer, at_ms), reply in zip(new, replies, strict=True):
            view = worker_view(group, consumer, pairs(settled(reply)))
            fresh[group.keys.prefix, consumer] = (at_ms, view)
        self._beats = fresh
        return [
            replace(view, beat_ms=max(now_ms - at_ms, 0)) for at_ms, view in self._beats.values()
        ]

    async def held(
        self, link: Link, groups: Sequence[GroupView], workers: Sequence[WorkerView]
    ) -> list[HeldView]:
        """What the workers told that they run, and of what else is held the lowest ids.

        At most the 200 longest runs, and 100 rows of the pending lists, shared by the groups that
        hold something.
        """
        alive = [worker for worker in workers if not worker.gone]
        runs = [(worker, run) for worker in alive for run in worker.runs]
        told = await _still_held(link, sorted(runs, key=_longest_first)[:MOST_RUNS])
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
        owners: Mapping[tuple[bytes, bytes], WorkerView],
    ) -> list[HeldView]:
        busy = [group for group in groups if group.held][:MOST_HELD]
        if not busy:
            return []
        limit = max(MOST_HELD // len(busy) // 2, 1)
        asked: list[Command] = []
        for group in busy:
            span = (group.keys.group, "-", "+", limit)
            asked += [("XPENDING", group.keys.stream, *span), ("XPENDING", group.keys.ready, *span)]
        replies = await link.calls(asked)
        rows = [
            (group, at % 2 == 1, row)
            for at, reply in enumerate(replies)
            for group in [busy[at // 2]]
            for row in if_group(reply, [])
        ]
        await self._learn(link, [(group.keys, row[0]) for group, later, row in rows if later])
        return [self._held(group, row, owners, later=later) for group, later, row in rows]

    def _held(
        self,
        group: GroupView,
        row: Sequence[Any],
        owners: Mapping[tuple[bytes, bytes], WorkerView],
        *,
        later: bool,
    ) -> HeldView:
        entry, consumer, idle_ms, count = row
        place = (group.keys.prefix, entry)
        job, earlier = self._ready.get(place, (b"", 0)) if later else (entry, 0)
        owner = owners.get((group.keys.prefix, consumer))
        return HeldView(
            keys=group.keys,
            job=job,
            consumer=consumer,
            activity=_activity(job, owner, lapsed=idle_ms > group.visibility_ms),
            idle_ms=idle_ms,
            delivery=earlier + count,
        )

    async def _learn(self, link: Link, entries: Iterable[tuple[Keys, bytes]]) -> None:
        """Which jobs these ready entries are; an entry never changes, so it is read once."""
        new = [(keys, e) for keys, e in entries if (keys.prefix, e) not in self._ready]
        if len(self._ready) > _MOST_REMEMBERED:
            self._ready.clear()
        for start in range(0, len(new), _BODIES):
            page = new[start : start + _BODIES]
            replies = await link.calls([("XRANGE", keys.ready, e, e) for keys, e in page])
            for (keys, _), reply in zip(page, replies, strict=True):
                for entry, fields in settled(reply):
                    self._ready[keys.prefix, entry] = _carried(entry, fields)


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


async def _still_held(link: Link, runs: Sequence[tuple[WorkerView, Run]]) -> list[HeldView]:
    """Those that haven't ended since the heartbeat that told of them."""
    asked: list[Command] = []
    for worker, run in runs:
        keys = worker.keys
        key, entry = (keys.ready, run.entry) if run.entry else (keys.stream, run.job)
        asked.append(("XPENDING", key, keys.group, entry, entry, 1))
    replies = await link.calls(asked) if asked else []
    return [
        _told(worker, run)
        for (worker, run), reply in zip(runs, replies, strict=True)
        if any(row[1] == worker.consumer for row in if_group(reply, []))
    ]


def _longest_first(pair: tuple[WorkerView, Run]) -> int:
    worker, run = pair
    return -(worker.beat_ms + (run.ran_ms or 0))


def _told(worker: WorkerView, run: Run) -> HeldView:
    ran_ms = None if run.ran_ms is None else run.ran_ms + worker.beat_ms
    return HeldView(
        keys=worker.keys,
        job=run.job,
        consumer=worker.consumer,
        activity=Activity.RUNNING,
        type=run.type,
        ran_ms=ran_ms,
        delivery=run.delivery,
        stalled=worker.stalled,
        ignores=run.ignores,
    )


def _activity(job: bytes, owner: WorkerView | None, *, lapsed: bool) -> Activity:
    """`owner` may be None although it lives: not all workers are looked at."""
    if owner.gone if owner else lapsed:
        return Activity.SILENT
    if owner is None or owner.running is None:
        return Activity.UNKNOWN
    return Activity.RUNNING if job in owner.running else Activity.PREFETCHED


def _carried(entry: bytes, fields: list[bytes]) -> tuple[bytes, int]:
    """The job's id and its earlier deliveries."""
    try:
        carried, _ = split_ready(fields)
    except InvalidEntry:  # not written by ReTraced
        return entry, 0
    return carried.job or entry, carried.deliveries
