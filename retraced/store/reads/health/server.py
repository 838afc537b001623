"""Facts about the server itself: INFO, its configuration, latency, clock, slow commands."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retraced.errors import StoreError
from retraced.keys import GROUPS, Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import pairs, text
from retraced.store.scripts import Argument, names, script

PINGS = 5
FLUSHES = ("flushall", "flushdb")
SLOW_ENTRIES = 128
_PREFIX = b"retraced:"
_SCRIPT_CALLS = (b"EVALSHA", b"EVAL", b"EVALSHA_RO")


@dataclass(frozen=True, slots=True)
class Latency:
    """Round trips of single commands, in ms, and the clock of Redis against this host's.

    `skew_ms` is positive when Redis is ahead; it is known to half of the `skew_within_ms`.
    """

    round_trips_ms: tuple[float, ...]
    skew_ms: float
    skew_within_ms: float

    @property
    def median_ms(self) -> float:
        return sorted(self.round_trips_ms)[len(self.round_trips_ms) // 2]


@dataclass(frozen=True, slots=True)
class SlowCommand:
    """An entry of SLOWLOG without its arguments. `script`: one of ours; `ours`: about our keys."""

    command: str
    at_ms: int
    took_ms: float
    script: str | None
    ours: bool


async def server_info(link: Link) -> dict[str, str]:
    """INFO by name."""
    reply: bytes = await link.call("INFO")
    lines = (line.partition(":") for line in text(reply).splitlines() if ":" in line)
    return {name: value.strip() for name, _, value in lines if not name.startswith("#")}


async def flushes(link: Link) -> dict[str, int]:
    """How often FLUSHALL and FLUSHDB ran since the server started, or since CONFIG RESETSTAT."""
    stats = text(await link.call("INFO", "commandstats"))
    calls = {name: re.search(rf"cmdstat_{name}:calls=(\d+)", stats) for name in FLUSHES}
    return {name.upper(): int(found[1]) for name, found in calls.items() if found}


async def configured(link: Link, *names_: str) -> dict[str, str]:
    """CONFIG GET of several names. Raises Denied or ScriptFailed where that is forbidden."""
    found: dict[str, str] = {}
    for name in names_:
        reply = pairs(await link.call("CONFIG", "GET", name))
        found.update({text(key): text(value) for key, value in reply.items()})
    return found


async def unknown_commands(link: Link, wanted: Sequence[str]) -> list[str]:
    """Those of the commands that this server doesn't have."""
    replies: list[Any] = await link.call("COMMAND", "INFO", *wanted)
    return [name for name, reply in zip(wanted, replies, strict=True) if not reply]


async def latency(link: Link) -> Latency:
    """Asks for the time a few times; the quickest answer tells the skew."""
    trips: list[float] = []
    skews: list[tuple[float, float]] = []
    for _ in range(PINGS):
        began, since = time.time(), time.perf_counter()
        seconds, micros = await link.call("TIME")
        took = time.perf_counter() - since
        trips.append(took * 1000)
        there = int(seconds) + int(micros) / 1e6
        skews.append((took * 1000, (there - began - took / 2) * 1000))
    within, skew = min(skews)
    return Latency(tuple(trips), skew, within)


async def slow_commands(link: Link) -> list[SlowCommand]:
    """The newest entries of SLOWLOG."""
    known = {script(name).sha1: name for name in names()}
    rows: list[Any] = await link.call("SLOWLOG", "GET", SLOW_ENTRIES)
    return [_slow(row, known) for row in rows]


def _slow(row: Sequence[Any], known: Mapping[bytes, str]) -> SlowCommand:
    at_s, micros, words = row[1], row[2], [bytes(word) for word in row[3]]
    name = words[0].upper() if words else b""
    called = known.get(words[1]) if name in _SCRIPT_CALLS and len(words) > 1 else None
    return SlowCommand(
        command=text(name),
        at_ms=int(at_s) * 1000,
        took_ms=int(micros) / 1000,
        script=called,
        ours=called is not None or any(word.startswith(_PREFIX) for word in words[1:]),
    )


def readings(keys: Keys) -> dict[str, tuple[Argument, ...]]:
    """The commands with which operators look, as harmless calls, by the name that ACLs know."""
    return {
        "TIME": ("TIME",),
        "INFO": ("INFO", "server"),
        "EXISTS": ("EXISTS", keys.state),
        "HEXISTS": ("HEXISTS", keys.state, "protocol"),
        "SCARD": ("SCARD", keys.cancelled),
        "XRANGE": ("XRANGE", keys.stream, "-", "+", "COUNT", 1),
        "XREVRANGE": ("XREVRANGE", keys.events, "+", "-", "COUNT", 1),
        "XLEN": ("XLEN", keys.dlq),
        "XINFO": ("XINFO", "GROUPS", keys.stream),
        "XPENDING": ("XPENDING", keys.stream, keys.group),
        "HGET": ("HGET", keys.state, "protocol"),
        "HGETALL": ("HGETALL", keys.state),
        "HMGET": ("HMGET", keys.state, "protocol"),
        "HSCAN": ("HSCAN", keys.state, 0, "COUNT", 1),
        "ZRANGE": ("ZRANGE", keys.workers, 0, 0),
        "ZREVRANGE": ("ZREVRANGE", keys.workers, 0, 0),
        "ZCARD": ("ZCARD", keys.delayed),
        "ZCOUNT": ("ZCOUNT", keys.workers, 0, 0),
        "SSCAN": ("SSCAN", GROUPS, 0, "COUNT", 1),
        "SISMEMBER": ("SISMEMBER", keys.cancelled, "0-0"),
        "SMISMEMBER": ("SMISMEMBER", keys.cancelled, "0-0"),
        "TYPE": ("TYPE", keys.stream),
        "PTTL": ("PTTL", keys.state),
        "SCAN": ("SCAN", 0, "MATCH", keys.state, "COUNT", 1),
        "MEMORY USAGE": ("MEMORY", "USAGE", keys.state),
        "CONFIG GET": ("CONFIG", "GET", "maxmemory"),
        "SLOWLOG": ("SLOWLOG", "LEN"),
    }


async def refusals(
    link: Link, commands: Mapping[str, Sequence[bytes | str | int]]
) -> dict[str, StoreError]:
    """Runs commands that only read; gives, by name, how those failed that did."""
    replies = await link.calls(list(commands.values()))
    return {
        name: reply
        for name, reply in zip(commands, replies, strict=True)
        if isinstance(reply, StoreError)
    }


async def who_am_i(link: Link) -> str | None:
    """The ACL user of this connection; None where the server doesn't tell."""
    try:
        return text(await link.call("ACL", "WHOAMI"))
    except StoreError:
        return None
