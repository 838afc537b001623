"""How fast a group works: events a minute, and how long its jobs wait and run.

Workers count both in Redis (`P:rates`, `P:times:<slot>`, the counters `n:<event>` of `P:state`), so
they survive every restart. Read by `groups show`, `top` and `doctor`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from retraced.errors import WrongType
from retraced.histogram import percentile
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import if_stream, number, pairs, settled, text, time_ms

SLOT_MS = 600_000
FLUSH_MS = 10_000  # how often a busy worker tells of its jobs' times
OTHER = "(other)"
_MINUTE_MS = 60_000
_SLOTS = 7  # the last hour: six whole slots and the one that has begun
_PAGE = 1000
_COUNTED = ("completed", "failed", "dead", "reclaimed")


@dataclass(frozen=True, slots=True)
class Rate:
    """Events a minute over about one window; `over_ms` is how long it really was.

    `is_count`: less than a minute has been counted in all, so these are the counts themselves.

    `failed`: attempts that are tried again. `added` is of the stream, for all its groups; None on
    servers before 7.0, which don't count entries.
    """

    over_ms: int
    added: float | None
    completed: float
    failed: float
    dead: float
    reclaimed: float
    is_count: bool = False

    def counted(self, name: str) -> float:
        """How many events of a name there were in the window."""
        rate: float = getattr(self, name)
        return rate * max(self.over_ms, _MINUTE_MS if self.is_count else 0) / _MINUTE_MS


@dataclass(frozen=True, slots=True)
class Rates:
    """The last minute, five minutes and hour; None for each while no worker has counted yet.

    `totals`: all events that the group ever counted, by name. `wrong`: why no rate can be told.
    """

    minute: Rate | None
    five: Rate | None
    hour: Rate | None
    totals: Mapping[str, int]
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles in ms, and of how many; None where nothing was counted."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Times:
    """`wait`: from when a job was queued or due to its start. `run`: of attempts that ended."""

    wait: Spread
    run: Spread

    @property
    def count(self) -> int:
        """Attempts that ended."""
        return self.run.count


@dataclass(frozen=True, slots=True)
class GroupTimes:
    """Of the last hour: all jobs together, and each type (`(other)` where there are too many)."""

    total: Times
    types: Mapping[str, Times]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Counters as they stood at a time (Redis ms)."""

    at_ms: int
    counted: Mapping[str, int]
    entries_added: int | None


async def rates(link: Link, keys: Keys) -> Rates:
    """Rates of the group, from the counters now and at each minute of the last three hours."""
    now, state, snapshots, about = await link.calls(
        [
            ("TIME",),
            ("HGETALL", keys.state),
            ("HGETALL", keys.rates),
            ("XINFO", "STREAM", keys.stream),
        ]
    )
    info = pairs(if_stream(about, []))
    counted = {
        text(name[2:]): number(value)
        for name, value in pairs(settled(state)).items()
        if name.startswith(b"n:")
    }
    added = number(info[b"entries-added"]) if b"entries-added" in info else None
    latest = _Snapshot(time_ms(settled(now)), counted, added)
    if isinstance(snapshots, WrongType):
        return Rates(None, None, None, counted, wrong=f"{text(keys.rates)} is no hash")
    earlier = sorted(_snapshots(pairs(settled(snapshots))), key=lambda each: each.at_ms)
    return Rates(
        minute=_rate(latest, earlier, _MINUTE_MS),
        five=_rate(latest, earlier, 5 * _MINUTE_MS),
        hour=_rate(latest, earlier, 60 * _MINUTE_MS),
        totals=counted,
    )


async def times(link: Link, keys: Keys) -> GroupTimes:
    """How long the group's jobs waited and ran in the last hour (up to 70 minutes)."""
    slot = time_ms(await link.call("TIME")) // SLOT_MS
    waits: dict[str, Counter[int]] = defaultdict(Counter)
    runs: dict[str, Counter[int]] = defaultdict(Counter)
    for name, value in await _fields(link, [keys.times(slot - back) for back in range(_SLOTS)]):
        kind, _, rest = name.partition(b":")
        bucket, _, job_type = rest.partition(b":")
        if bucket.isdigit() and kind in (b"w", b"r"):
            (waits if kind == b"w" else runs)[text(job_type)][int(bucket)] += number(value)
    return GroupTimes(
        total=_times(_together(waits.values()), _together(runs.values())),
        types={name: _times(waits[name], runs[name]) for name in sorted({*waits, *runs})},
    )


def _snapshots(written: Mapping[bytes, bytes]) -> Iterable[_Snapshot]:
    for minute, raw in written.items():
        try:
            told = orjson.loads(raw)
        except orjson.JSONDecodeError:
            continue
        if not minute.isdigit() or not isinstance(told, dict):
            continue
        yield _Snapshot(
            at_ms=_whole(told.get("at")) or int(minute) * _MINUTE_MS,
            counted={name: _whole(value) or 0 for name, value in told.items()},
            entries_added=_whole(told.get("entries_added")),
        )


def _whole(value: object) -> int | None:
    if isinstance(value, int | float):
        return int(value)
    return int(value) if isinstance(value, str) and value.isdigit() else None


def _rate(latest: _Snapshot, earlier: list[_Snapshot], window_ms: int) -> Rate | None:
    """From the snapshot before the window's beginning, else a later one (a young group's first).

    Seconds aren't stretched to a minute: what less than one has counted in all is what it tells.
    While no worker lives there are no snapshots, and no events to count either.
    """
    begins_ms = latest.at_ms - window_ms
    whole = [each for each in earlier if 0 <= begins_ms - each.at_ms <= window_ms]
    half = [each for each in earlier if each.at_ms <= latest.at_ms - window_ms // 2]
    before = whole or half
    nearest = min(before, key=lambda each: abs(each.at_ms - begins_ms), default=None)
    base = nearest or next(iter(earlier), None)
    if base is None:
        return None
    over_ms = max(latest.at_ms - base.at_ms, 1)
    young = base is earlier[0] and over_ms < _MINUTE_MS
    per_ms = _MINUTE_MS if young else over_ms
    added = None
    if latest.entries_added is not None and base.entries_added is not None:
        added = _per_minute(latest.entries_added - base.entries_added, per_ms)
    counts = {
        name: _per_minute(latest.counted.get(name, 0) - base.counted.get(name, 0), per_ms)
        for name in _COUNTED
    }
    return Rate(over_ms=over_ms, added=added, is_count=young, **counts)


def _per_minute(count: int, over_ms: int) -> float:
    """Never negative: a counter begins anew when its key was lost."""
    return max(count, 0) * _MINUTE_MS / over_ms


async def _fields(link: Link, hashes: list[bytes]) -> list[tuple[bytes, bytes]]:
    """All fields of some hashes, read in pages."""
    found: list[tuple[bytes, bytes]] = []
    cursors: dict[bytes, bytes] = dict.fromkeys(hashes, b"0")
    while cursors:
        asked = [("HSCAN", key, cursor, "COUNT", _PAGE) for key, cursor in cursors.items()]
        replies: list[Any] = await link.calls(asked)
        for key, reply in zip(list(cursors), replies, strict=True):
            cursor, flat = settled(reply)
            found += pairs(flat).items()
            if cursor == b"0":
                del cursors[key]
            else:
                cursors[key] = cursor
    return found


def _together(counters: Iterable[Counter[int]]) -> Counter[int]:
    total: Counter[int] = Counter()
    for each in counters:
        total.update(each)
    return total


def _times(wait: Mapping[int, int], run: Mapping[int, int]) -> Times:
    return Times(wait=_spread(wait), run=_spread(run))


def _spread(counts: Mapping[int, int]) -> Spread:
    return Spread(
        count=sum(counts.values()),
        p50=percentile(counts, 0.5),
        p95=percentile(counts, 0.95),
        p99=percentile(counts, 0.99),
    )
