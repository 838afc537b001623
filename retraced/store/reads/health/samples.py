"""Small samples of a group's jobs: what they ask for, which have no handler, which lost their body.

How many entries are read depends on how large they are: about 256 kB, at most 100.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retraced.events import EventName, parse_stream_entry
from retraced.keys import Keys, unpadded
from retraced.store.connection import Link
from retraced.store.reads.dead import dead_letters
from retraced.store.reads.replies import if_group, number, settled, text
from retraced.store.reads.typefield import type_field_of

ROUTED_FIELDS = ("key", "dedup", "priority")
_MOST = 100
_BYTES = 256 * 1024
_DELAYED = 200
_EVENTS = 200


@dataclass(frozen=True, slots=True)
class Wishes:
    """Of `looked_at` newest entries, how many have each of the fields that need a routed group."""

    looked_at: int
    asked: dict[str, int]


@dataclass(frozen=True, slots=True)
class Unhandled:
    """Types that no worker handles: of the next `looked_at` delayed jobs, and of dead letters."""

    looked_at: int
    delayed: dict[str, int]
    letters: int
    dead: dict[str, int]


@dataclass(frozen=True, slots=True)
class Vanished:
    """Entries that went while they were held: events of the last ones, and those missing now."""

    last_ms: int | None
    jobs: tuple[str, ...]
    looked_at: int
    missing: tuple[bytes, ...]


async def wishes(link: Link, keys: Keys) -> Wishes:
    """Looks at the newest entries of the stream."""
    count = await affordable(link, keys.stream)
    rows: list[Any] = await link.call("XREVRANGE", keys.stream, "+", "-", "COUNT", count)
    asked: Counter[str] = Counter()
    for _, fields in rows:
        asked.update({text(name) for name in fields[::2]} & set(ROUTED_FIELDS))
    return Wishes(len(rows), dict(asked))


async def unhandled(link: Link, keys: Keys) -> Unhandled:
    """Looks at the records of the jobs that are due next, and at the newest dead letters."""
    members: list[bytes] = await link.call("ZRANGE", keys.delayed, 0, _DELAYED - 1)
    records = [keys.job(unpadded(member)) for member in members]
    type_field = await type_field_of(link, keys)
    named = "" if type_field is None else f"f:{type_field}"  # no record has a nameless field
    asked = [("HMGET", record, "reason", named) for record in records]
    replies = [settled(reply) for reply in await link.calls(asked)] if asked else []
    waiting = Counter(
        text(kind or keys.stream) for reason, kind in replies if reason == b"unhandled"
    )
    letters = await dead_letters(link, keys, limit=await affordable(link, keys.dlq))
    dead = Counter(
        letter.type or keys.stream_name for letter in letters if letter.reason == "unhandled"
    )
    return Unhandled(len(members), dict(waiting), len(letters), dict(dead))


async def vanished(link: Link, keys: Keys) -> Vanished:
    """Looks at the newest events, and whether the bodies of what is pending are there."""
    events: list[Any] = await link.call("XREVRANGE", keys.events, "+", "-", "COUNT", _EVENTS)
    gone = [
        event
        for _, fields in events
        if b"vanished" in fields
        for event in parse_stream_entry(fields)
        if event.name == EventName.VANISHED
    ]
    looked_at, missing = await _missing(link, keys)
    return Vanished(
        last_ms=max((event.at_ms for event in gone), default=None),
        jobs=tuple(event.job for event in gone[:3]),
        looked_at=looked_at,
        missing=tuple(missing),
    )


async def affordable(link: Link, key: bytes) -> int:
    """How many entries of a stream may be read at once."""
    length, size = await link.calls([("XLEN", key), ("MEMORY", "USAGE", key, "SAMPLES", 5)])
    entries = number(settled(length))
    # Without the right to ask for its size, few are read.
    each = number(size) // entries if entries and not isinstance(size, Exception) else _BYTES // 10
    return max(1, min(_MOST, _BYTES // max(each, 1)))


async def _missing(link: Link, keys: Keys) -> tuple[int, list[bytes]]:
    looked_at, missing = 0, []
    for key in (keys.stream, keys.ready):
        count = await affordable(link, key)
        [reply] = await link.calls([("XPENDING", key, keys.group, "-", "+", count)])
        ids: Sequence[bytes] = [row[0] for row in if_group(reply, [])]
        bodies = await link.calls([("XRANGE", key, each, each) for each in ids]) if ids else []
        looked_at += len(ids)
        missing += [each for each, body in zip(ids, bodies, strict=True) if not settled(body)]
    return looked_at, missing
