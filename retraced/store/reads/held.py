"""What is held in a group: the pending entries of `S` and of the group's ready stream, as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from retraced.entry import split_ready
from retraced.errors import InvalidEntry
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import after, if_group, number, redis_now, settled
from retraced.store.reads.workers import Ignored, Run, WorkerState, states

_PAGE = 500
_BODIES = 20  # ready entries asked for in one pipeline: their bodies come along


class Activity(StrEnum):
    """What the owner of a held job said of it in its last heartbeat."""

    RUNNING = "running"
    IGNORING = "cancel ignored"
    PREFETCHED = "prefetched"
    UNKNOWN = "not told"
    SILENT = "worker is gone"


@dataclass(frozen=True, slots=True)
class Holding:
    """One delivery that isn't settled. `delivery` counts all deliveries of the job so far.

    `idle_ms`: since its lease was renewed. `type`, `ran_ms` (so far) and `ignoring` (what it was
    told and doesn't heed) are as its worker told last; None where it didn't.
    """

    job: bytes
    key: bytes
    entry: bytes
    consumer: bytes
    idle_ms: int
    delivery: int
    activity: Activity
    type: str | None = None
    ran_ms: int | None = None
    ignoring: Ignored | None = None


@dataclass(frozen=True, slots=True)
class HeldPage:
    """`total` is what both pending lists hold together; `holdings` at most `limit` of each."""

    holdings: tuple[Holding, ...]
    total: int


@dataclass(frozen=True, slots=True)
class _Row:
    key: bytes
    entry: bytes
    consumer: bytes
    idle_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class _Owner:
    """What a worker's heartbeat tells of its jobs, taken apart once for all of them."""

    alive: bool
    beat_ms: int
    running: frozenset[bytes] | None
    runs: dict[bytes, Run]
    ignoring: dict[bytes, Ignored]


async def held(link: Link, keys: Keys, *, limit: int = 100) -> HeldPage:
    """The held jobs of a group, lowest ids first, those on `S` before those on the ready stream."""
    on_stream, on_ready = await link.calls(
        [("XPENDING", key, keys.group) for key in (keys.stream, keys.ready)]
    )
    total = number(if_group(on_stream, [0])[0]) + number(if_group(on_ready, [0])[0])
    first = await _pending(link, keys, keys.stream, limit)
    later = await _pending(link, keys, keys.ready, limit)
    return HeldPage(await _holdings(link, keys, first, later), total)


async def holding_of(
    link: Link, keys: Keys, *, on_stream: list[Any], on_ready: list[Any]
) -> Holding | None:
    """The one holding in the two replies to `XPENDING key group id id 1`, if there is one."""
    found = await _holdings(link, keys, _rows(keys.stream, on_stream), _rows(keys.ready, on_ready))
    return found[0] if found else None


async def _pending(link: Link, keys: Keys, key: bytes, limit: int) -> list[_Row]:
    """The first rows of one pending list, page by page; none where the group isn't there."""
    rows: list[_Row] = []
    start = b"-"
    while len(rows) < limit:
        count = min(_PAGE, limit - len(rows))
        [reply] = await link.calls([("XPENDING", key, keys.group, start, "+", count)])
        page = _rows(key, if_group(reply, []))
        rows += page
        if len(page) < count:
            break
        start = after(page[-1].entry)
    return rows


async def _holdings(
    link: Link, keys: Keys, first: Sequence[_Row], later: Sequence[_Row]
) -> tuple[Holding, ...]:
    if not first and not later:
        return ()
    jobs = await _jobs_of(link, keys, [row.entry for row in later])
    names = sorted({row.consumer for row in (*first, *later)})
    now_ms = await redis_now(link)
    owners = {
        state.consumer: _owner(state, now_ms)
        for start in range(0, len(names), _PAGE)
        for state in await states(link, keys, names[start : start + _PAGE])
    }
    found = [_holding(row, row.entry, row.count, owners[row.consumer]) for row in first]
    for row in later:
        job, earlier = jobs.get(row.entry, (b"", 0))
        found.append(_holding(row, job, earlier + row.count, owners[row.consumer]))
    return tuple(found)


async def _jobs_of(
    link: Link, keys: Keys, entries: Sequence[bytes]
) -> dict[bytes, tuple[bytes, int]]:
    """Job id and earlier deliveries of each ready entry that still exists."""
    found: dict[bytes, tuple[bytes, int]] = {}
    for start in range(0, len(entries), _BODIES):
        page = entries[start : start + _BODIES]
        for reply in await link.calls([("XRANGE", keys.ready, e, e) for e in page]):
            for entry, fields in settled(reply):
                found[entry] = _carried(entry, fields)
    return found


def _carried(entry: bytes, fields: Sequence[bytes]) -> tuple[bytes, int]:
    try:
        carried, _ = split_ready(fields)
    except InvalidEntry:  # not written by ReTraced
        return entry, 0
    return carried.job, carried.deliveries


def _owner(state: WorkerState, now_ms: int) -> _Owner:
    return _Owner(
        alive=state.alive,
        beat_ms=state.beat_ms(now_ms) or 0,
        running=state.running,
        runs=state.runs,
        ignoring=state.ignoring,
    )


def _holding(row: _Row, job: bytes, delivery: int, owner: _Owner) -> Holding:
    run = owner.runs.get(job)
    return Holding(
        job=job,
        key=row.key,
        entry=row.entry,
        consumer=row.consumer,
        idle_ms=row.idle_ms,
        delivery=delivery,
        activity=_activity(job, owner),
        type=run.type if run else None,
        ran_ms=run.ran_ms + owner.beat_ms if run else None,
        ignoring=owner.ignoring.get(job),
    )


def _activity(job: bytes, owner: _Owner) -> Activity:
    if not owner.alive:
        return Activity.SILENT
    if owner.running is None:
        return Activity.UNKNOWN
    ignored = owner.ignoring.get(job)
    if ignored is not None and ignored.why == "cancelled":
        return Activity.IGNORING
    return Activity.RUNNING if job in owner.running else Activity.PREFETCHED


def _rows(key: bytes, reply: list[Any]) -> list[_Row]:
    return [
        _Row(key=key, entry=entry, consumer=consumer, idle_ms=idle, count=count)
        for entry, consumer, idle, count in reply
    ]
