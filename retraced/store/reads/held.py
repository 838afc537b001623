"""What is held in a group: the pending entries of `S` and of the group's ready stream, as jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from retraced.entry import split_ready
from retraced.errors import InvalidEntry
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.heartbeat import Heartbeat, Ignored, heartbeats
from retraced.store.reads.paging import Pending, pending
from retraced.store.reads.replies import if_group, number, settled

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

    `key` is the stream that its `entry` is pending on. `idle_ms`: since its lease was renewed.
    `type`, `ran_ms` (so far) and `ignoring` (what it was told and doesn't heed) are as its worker
    told last; None where it didn't. `stalled`: its worker runs it, but stands still.
    """

    keys: Keys
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
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class HeldPage:
    """`total` is what both pending lists hold together; `holdings` at most `limit` of each."""

    holdings: tuple[Holding, ...]
    total: int


async def held(link: Link, keys: Keys, *, limit: int = 100) -> HeldPage:
    """The held jobs of a group, lowest ids first, those on `S` before those on the ready stream."""
    on_stream, on_ready = await link.calls(
        [("XPENDING", key, keys.group) for key in (keys.stream, keys.ready)]
    )
    total = number(if_group(on_stream, [0])[0]) + number(if_group(on_ready, [0])[0])
    first = await _first(link, keys, keys.stream, limit)
    later = await _first(link, keys, keys.ready, limit)
    return HeldPage(await _holdings(link, keys, first, later), total)


async def holding_of(
    link: Link, keys: Keys, *, on_stream: list[Any], on_ready: list[Any]
) -> Holding | None:
    """The one holding in the two replies to `XPENDING key group id id 1`, if there is one."""
    first, later = [Pending(*row) for row in on_stream], [Pending(*row) for row in on_ready]
    found = await _holdings(link, keys, first, later)
    return found[0] if found else None


def holding(
    keys: Keys,
    row: Pending,
    owner: Heartbeat | None,
    *,
    carried: tuple[bytes, int] | None = None,
    lapsed: bool = False,
) -> Holding:
    """A pending row with what its owner told. `carried`: of a ready entry, see `carried_by`.

    `owner` is None where its heartbeat wasn't read; then `lapsed` says whether its lease is over.
    """
    job, earlier = (row.entry, 0) if carried is None else carried
    run = owner.runs.get(job) if owner else None
    return Holding(
        keys=keys,
        job=job,
        key=keys.stream if carried is None else keys.ready,
        entry=row.entry,
        consumer=row.consumer,
        idle_ms=row.idle_ms,
        delivery=earlier + row.count,
        activity=activity_of(job, owner, lapsed=lapsed),
        type=run.type if run else None,
        ran_ms=owner.by_now_ms(run) if owner and run else None,
        ignoring=owner.ignoring.get(job) if owner else None,
        stalled=bool(run and owner and owner.stalled),
    )


def activity_of(job: bytes, owner: Heartbeat | None, *, lapsed: bool = False) -> Activity:
    """What its worker told that it does with a held job; without a heartbeat the lease tells."""
    if owner.gone if owner else lapsed:
        return Activity.SILENT
    if owner is None or owner.running is None:
        return Activity.UNKNOWN
    ignored = owner.ignoring.get(job)
    if ignored is not None and ignored.why == "cancelled":
        return Activity.IGNORING
    return Activity.RUNNING if job in owner.running else Activity.PREFETCHED


async def carried_by(
    link: Link, entries: Sequence[tuple[Keys, bytes]]
) -> dict[tuple[bytes, bytes], tuple[bytes, int]]:
    """Job id and earlier deliveries of each ready entry that still exists, by (prefix, entry)."""
    found: dict[tuple[bytes, bytes], tuple[bytes, int]] = {}
    for start in range(0, len(entries), _BODIES):
        page = entries[start : start + _BODIES]
        replies = await link.calls([("XRANGE", keys.ready, e, e) for keys, e in page])
        for (keys, _), reply in zip(page, replies, strict=True):
            for entry, fields in settled(reply):
                found[keys.prefix, entry] = _carried(entry, fields)
    return found


GONE = (b"", 0)  # what a ready entry carried that somebody removed


async def _first(link: Link, keys: Keys, key: bytes, limit: int) -> list[Pending]:
    """The first rows of one pending list; none where the group isn't there."""
    rows: list[Pending] = []
    async with aclosing(pending(link, keys, key)) as pages:
        async for page in pages:
            rows += page
            if len(rows) >= limit:
                break
    return rows[:limit]


async def _holdings(
    link: Link, keys: Keys, first: Sequence[Pending], later: Sequence[Pending]
) -> tuple[Holding, ...]:
    if not first and not later:
        return ()
    jobs = await carried_by(link, [(keys, row.entry) for row in later])
    owners = await _owners(link, keys, [*first, *later])
    return (
        *(holding(keys, row, owners[row.consumer]) for row in first),
        *(
            holding(
                keys,
                row,
                owners[row.consumer],
                carried=jobs.get((keys.prefix, row.entry), GONE),
            )
            for row in later
        ),
    )


async def _owners(link: Link, keys: Keys, rows: Iterable[Pending]) -> dict[bytes, Heartbeat]:
    names = sorted({row.consumer for row in rows})
    return {each.consumer: each for each in await heartbeats(link, keys, names)}


def _carried(entry: bytes, fields: Sequence[bytes]) -> tuple[bytes, int]:
    try:
        carried, _ = split_ready(fields)
    except InvalidEntry:  # not written by ReTraced
        return entry, 0
    return carried.job or entry, carried.deliveries
