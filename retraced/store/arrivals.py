"""What a worker asks Redis for between scripts: the blocked read, and facts about arrivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from retraced.errors import StoreError
from retraced.keys import GROUPS, Keys, group_member, unpadded
from retraced.store.connection import Link
from retraced.store.scripts import Argument

PAGE = 500


async def read_group(
    link: Link, keys: Sequence[Keys], consumer: bytes, *, count: int, block_ms: int
) -> list[list[Any]]:
    """New entries of `ready` and stream of each: [[key, [[id, [field, value, ...]], ...]], ...].

    One blocked XREADGROUP; `count` is for each key. Raises `GroupMissing` if one group is gone.
    """
    names = [name for each in keys for name in (each.ready, each.stream)]
    command: list[Argument] = ["XREADGROUP", "GROUP", keys[0].group, consumer]
    command += ["COUNT", count, "BLOCK", block_ms, "STREAMS", *names, *[b">"] * len(names)]
    reply = await link.call(*command, timeout_s=block_ms / 1000 + 5)
    return reply or []


async def read_one(
    link: Link, keys: Keys, name: bytes, consumer: bytes, *, count: int
) -> list[Any]:
    """New entries of one of a group's two streams, as `read_group` gives them; never blocks."""
    command: list[Argument] = ["XREADGROUP", "GROUP", keys.group, consumer]
    return await link.call(*command, "COUNT", count, "STREAMS", name, b">") or []


async def unblock(link: Link, client_id: int) -> bool:
    """Ends another connection's blocked read as if its time were over; False if none blocks."""
    return bool(await link.call("CLIENT", "UNBLOCK", client_id))


async def record_fields(link: Link, record: bytes) -> list[bytes]:
    """The original fields, flat, that a record keeps for an entry too large to copy."""
    reply: list[bytes] = await link.call("HGETALL", record)
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return [part for name, value in pairs if name[:2] == b"f:" for part in (name[2:], value)]


async def unhandled_since(link: Link, record: bytes) -> int | None:
    """Since when, in Redis ms, no worker had a handler for the job; None for the first time."""
    since: bytes | None = await link.call("HGET", record, "unhandled_since")
    return int(since) if since and since.isdigit() else None


async def cancelled_among(link: Link, keys: Keys, jobs: Sequence[bytes]) -> set[bytes]:
    """Those of these jobs whose cancel has not taken effect yet."""
    if not jobs:
        return set()
    flags: list[int] = await link.call("SMISMEMBER", keys.cancelled, *jobs)
    return {job for job, flag in zip(jobs, flags, strict=True) if flag}


async def register(link: Link, keys: Keys) -> None:
    """Makes the stream and its group known to commands that list what there is."""
    await link.call("SADD", GROUPS, group_member(keys.stream_name, keys.group_name))


async def unregister(link: Link, keys: Keys) -> None:
    """The opposite, for a group that has been deleted."""
    await link.call("SREM", GROUPS, group_member(keys.stream_name, keys.group_name))


async def count_asked(link: Link, keys: Keys, asked: Mapping[str, int]) -> None:
    """Counts, in the group's state, jobs that asked for what only a routed group gives."""
    for name, times in asked.items():
        await link.call("HINCRBY", keys.state, f"asked:{name}", times)


async def next_due(link: Link, keys: Keys) -> int | None:
    """When the next delayed job is due (Redis ms); None if none is delayed."""
    found: list[bytes] = await link.call("ZRANGE", keys.delayed, 0, 0, "WITHSCORES")
    return int(float(found[1])) if found else None


async def delayed_types(
    link: Link, keys: Keys, *, until_ms: int | None, type_field: str | None = "type"
) -> dict[str, int] | None:
    """How many delayed jobs wait for a handler, by type; None if any waits for something else.

    Only of those due by `until_ms`, if given.
    """
    last = "+inf" if until_ms is None else until_ms
    types: dict[str, int] = {}
    for start in count(0, PAGE):
        members: list[bytes] = await link.call(
            "ZRANGEBYSCORE", keys.delayed, "-inf", last, "LIMIT", start, PAGE
        )
        if not members:
            return types
        records = [keys.job(unpadded(member)) for member in members]
        asked = [("HMGET", record, "reason", f"f:{type_field}") for record in records]
        for reply in await link.calls(asked):
            if isinstance(reply, StoreError) or reply[0] != b"unhandled":
                return None
            name = (reply[1] or keys.stream).decode("utf-8", "replace")
            types[name] = types.get(name, 0) + 1
    raise AssertionError("count() does not end")
