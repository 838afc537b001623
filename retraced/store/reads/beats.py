"""The last heartbeats of workers, read in two round trips: for probes, which must be quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retraced.errors import InvalidName
from retraced.keys import GROUPS, Keys, parse_group_member
from retraced.store.connection import Link
from retraced.store.reads.replies import number, settled, text, time_ms

DEFAULT_VISIBILITY_MS = 30_000
_MOST_MEMBERS = 1000
_MOST_WORKERS = 1000
_PAGE = 500


@dataclass(frozen=True, slots=True)
class WorkerBeat:
    """What a worker last said of itself to one group; ages in ms by the Redis clock."""

    name: str
    stream: str
    group: str
    host: str
    pid: int | None
    age_ms: int
    silent_ms: int
    visibility_ms: int


async def beats(
    link: Link, *, stream: str | None = None, group: str | None = None
) -> list[WorkerBeat]:
    """The heartbeats that haven't expired, of all groups or of those named."""
    keys = await _groups(link, stream, group)
    asked: list[tuple[bytes | str | int, ...]] = [("TIME",)]
    for each in keys:
        asked.append(("ZREVRANGE", each.workers, 0, _MOST_WORKERS - 1))
        asked.append(("HGET", each.state, "visibility_ms"))
    now, *replies = await link.calls(asked)
    members = [
        (each, consumer, number(settled(replies[2 * at + 1]), DEFAULT_VISIBILITY_MS))
        for at, each in enumerate(keys)
        for consumer in settled(replies[2 * at])
    ]
    return await _told(link, members, time_ms(settled(now)))


async def _groups(link: Link, stream: str | None, group: str | None) -> list[Keys]:
    if stream is not None and group is not None:
        return [Keys.of(stream, group)]
    found: list[Keys] = []
    cursor = b"0"
    while True:
        cursor, members = await link.call("SSCAN", GROUPS, cursor, "COUNT", _MOST_MEMBERS)
        found += [keys for member in members if (keys := _keys(member, stream, group))]
        if cursor == b"0":
            return found


def _keys(member: bytes, stream: str | None, group: str | None) -> Keys | None:
    """None for a group that isn't meant, and for a member that ReTraced didn't write."""
    try:
        known, name = parse_group_member(member)
        keys = Keys.of(known, name)
    except InvalidName:
        return None
    return keys if stream in (None, known) and group in (None, name) else None


async def _told(
    link: Link, members: list[tuple[Keys, bytes, int]], now_ms: int
) -> list[WorkerBeat]:
    told: list[WorkerBeat] = []
    for start in range(0, len(members), _PAGE):
        page = members[start : start + _PAGE]
        asked = [
            ("HMGET", keys.worker(consumer), "at", "host", "pid", "silent_ms")
            for keys, consumer, _ in page
        ]
        for (keys, consumer, visibility_ms), reply in zip(
            page, await link.calls(asked), strict=True
        ):
            if settled(reply)[0] is not None:
                told.append(_beat(keys, consumer, visibility_ms, reply, now_ms))
    return told


def _beat(
    keys: Keys, consumer: bytes, visibility_ms: int, reply: list[Any], now_ms: int
) -> WorkerBeat:
    at, host, pid, silent = reply
    return WorkerBeat(
        name=text(consumer),
        stream=keys.stream_name,
        group=keys.group_name,
        host=text(host or b""),
        pid=number(pid) if pid else None,
        age_ms=max(now_ms - number(at), 0),
        silent_ms=number(silent),
        visibility_ms=visibility_ms,
    )
