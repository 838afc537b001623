"""Who is alive in a group, or in any: the workers' own heartbeats, in few round trips."""

from __future__ import annotations

from dataclasses import replace

from retraced.errors import InvalidName
from retraced.keys import DEFAULT_VISIBILITY_MS, GROUPS, Keys, parse_group_member
from retraced.store.connection import Link
from retraced.store.reads.activity import still_held
from retraced.store.reads.heartbeat import Heartbeat, heartbeats
from retraced.store.reads.replies import number, settled, time_ms

MOST_WORKERS = 1000
_PAGE = 500
_PROBED = (b"at", b"host", b"pid", b"silent_ms")


async def workers_of(link: Link, keys: Keys, *, limit: int = MOST_WORKERS) -> list[Heartbeat]:
    """The workers of a group, alive or not yet cleared away, by name.

    Stalled ones run only what is still theirs: what has been taken over runs elsewhere.
    """
    names: list[bytes] = settled(await link.call("ZRANGE", keys.workers, 0, limit - 1))
    return [await _own(link, each) for each in await heartbeats(link, keys, sorted(names))]


async def beats(
    link: Link, *, stream: str | None = None, group: str | None = None
) -> list[Heartbeat]:
    """The heartbeats that haven't expired, of all groups or of those named: for probes.

    Of each only what a probe needs: when, where, and whether its event loop moves.
    """
    keys = await _groups(link, stream, group)
    asked: list[tuple[bytes | str | int, ...]] = [("TIME",)]
    for each in keys:
        asked.append(("ZREVRANGE", each.workers, 0, MOST_WORKERS - 1))
        asked.append(("HGET", each.state, "visibility_ms"))
    now, *replies = await link.calls(asked)
    members = [
        (each, consumer, number(settled(replies[2 * at + 1]), DEFAULT_VISIBILITY_MS))
        for at, each in enumerate(keys)
        for consumer in settled(replies[2 * at])
    ]
    return await _told(link, members, time_ms(settled(now)))


async def _own(link: Link, worker: Heartbeat) -> Heartbeat:
    if not worker.stalled or not worker.runs:
        return worker
    held = await still_held(link, [(worker, run) for run in worker.runs.values()])
    left = {each.job for each in held}
    return replace(
        worker,
        running=frozenset(left),
        runs={job: run for job, run in worker.runs.items() if job in left},
    )


async def _groups(link: Link, stream: str | None, group: str | None) -> list[Keys]:
    if stream is not None and group is not None:
        return [Keys.of(stream, group)]
    found: list[Keys] = []
    cursor = b"0"
    while True:
        cursor, members = await link.call("SSCAN", GROUPS, cursor, "COUNT", 1000)
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


async def _told(link: Link, members: list[tuple[Keys, bytes, int]], now_ms: int) -> list[Heartbeat]:
    found: list[Heartbeat] = []
    for start in range(0, len(members), _PAGE):
        page = members[start : start + _PAGE]
        asked = [("HMGET", keys.worker(consumer), *_PROBED) for keys, consumer, _ in page]
        for (keys, consumer, visibility_ms), reply in zip(
            page, await link.calls(asked), strict=True
        ):
            told = {
                name: value
                for name, value in zip(_PROBED, settled(reply), strict=True)
                if value is not None
            }
            if told:
                found.append(
                    Heartbeat.parse(
                        keys, consumer, told, visibility_ms=visibility_ms, now_ms=now_ms
                    )
                )
    return found
