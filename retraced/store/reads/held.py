"""What is held in a group: the pending entries of `S` and of the group's ready stream, as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from retraced.entry import split_ready
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import if_group, number, settled
from retraced.store.reads.workers import WorkerState, states

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
    """One delivery that isn't settled. `delivery` counts all deliveries of the job so far."""

    job: bytes
    key: bytes
    entry: bytes
    consumer: bytes
    idle_ms: int
    delivery: int
    activity: Activity


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


async def held(link: Link, keys: Keys, *, limit: int = 100) -> HeldPage:
    """The held jobs of a group, lowest ids first, those on `S` before those on the ready stream."""
    asked: list[tuple[bytes | str | int, ...]] = []
    for key in (keys.stream, keys.ready):
        asked += [("XPENDING", key, keys.group), ("XPENDING", key, keys.group, "-", "+", limit)]
    on_stream, stream_rows, on_ready, ready_rows = await link.calls(asked)
    first = _rows(keys.stream, if_group(stream_rows, []))
    later = _rows(keys.ready, if_group(ready_rows, []))
    total = number(if_group(on_stream, [0])[0]) + number(if_group(on_ready, [0])[0])
    return HeldPage(await _holdings(link, keys, first, later), total)


async def holding_of(
    link: Link, keys: Keys, *, on_stream: list[Any], on_ready: list[Any]
) -> Holding | None:
    """The one holding in the two replies to `XPENDING key group id id 1`, if there is one."""
    found = await _holdings(link, keys, _rows(keys.stream, on_stream), _rows(keys.ready, on_ready))
    return found[0] if found else None


async def _holdings(
    link: Link, keys: Keys, first: Sequence[_Row], later: Sequence[_Row]
) -> tuple[Holding, ...]:
    jobs = await _jobs_of(link, keys, [row.entry for row in later])
    owners = sorted({row.consumer for row in (*first, *later)})
    heartbeats = {state.consumer: state for state in await states(link, keys, owners)}
    found = [_holding(row, row.entry, row.count, heartbeats[row.consumer]) for row in first]
    for row in later:
        job, earlier = jobs.get(row.entry, (b"", 0))
        found.append(_holding(row, job, earlier + row.count, heartbeats[row.consumer]))
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
                carried, _ = split_ready(fields)
                found[entry] = (carried.job, carried.deliveries)
    return found


def _holding(row: _Row, job: bytes, delivery: int, owner: WorkerState) -> Holding:
    return Holding(
        job=job,
        key=row.key,
        entry=row.entry,
        consumer=row.consumer,
        idle_ms=row.idle_ms,
        delivery=delivery,
        activity=_activity(job, owner),
    )


def _activity(job: bytes, owner: WorkerState) -> Activity:
    if not owner.alive:
        return Activity.SILENT
    if owner.running is None:
        return Activity.UNKNOWN
    if owner.ignoring.get(job) == "cancelled":
        return Activity.IGNORING
    return Activity.RUNNING if job in owner.running else Activity.PREFETCHED


def _rows(key: bytes, reply: list[Any]) -> list[_Row]:
    return [
        _Row(key=key, entry=entry, consumer=consumer, idle_ms=idle, count=count)
        for entry, consumer, idle, count in reply
    ]
