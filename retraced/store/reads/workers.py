"""Who is alive in a group, as the workers' own heartbeats tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import number, pairs, settled, text


@dataclass(frozen=True, slots=True)
class Run:
    """A job that ran at a worker's last heartbeat, and how long it had run by then."""

    type: str
    ran_ms: int
    delivery: int
    stream: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A job that was told to end (`why`: cancelled, timed out, lost, stopping) and runs on."""

    why: str
    for_ms: int
    type: str
    stream: str


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker's last heartbeat; `facts` is empty when it has expired (silent for 3 V)."""

    consumer: bytes
    facts: dict[str, str]
    expires_ms: int

    @property
    def alive(self) -> bool:
        return bool(self.facts)

    @property
    def running(self) -> frozenset[bytes] | None:
        """Ids of the jobs whose handler was running at the last heartbeat; None if not told."""
        return running_jobs(self.facts.get("running"))

    @property
    def runs(self) -> dict[bytes, Run]:
        """What it told of the jobs that run, by id; those that began first in front."""
        jobs, told = _json(self.facts.get("running")), _json(self.facts.get("runs"))
        if not isinstance(jobs, list) or not isinstance(told, list) or len(jobs) != len(told):
            return {}
        found: dict[bytes, Run] = {}
        for job, each in zip(jobs, told, strict=True):
            match each:
                case [str(type_), int(ran_ms), int(delivery), str(stream), *_]:
                    found[str(job).encode()] = Run(type_, ran_ms, delivery, stream)
        return found

    @property
    def ignoring(self) -> dict[bytes, Ignored]:
        """Jobs that were told to end and ran on at the last heartbeat. A plain function's job is
        settled by then, and its thread keeps a slot.
        """
        told = _json(self.facts.get("ignoring"))
        found: dict[bytes, Ignored] = {}
        for job, each in told.items() if isinstance(told, dict) else ():
            match each:
                case [str(why), int(for_ms), str(type_), str(stream), *_]:
                    found[job.encode()] = Ignored(why, for_ms, type_, stream)
        return found

    def beat_ms(self, now_ms: int) -> int | None:
        """How long ago its last heartbeat was; None if it doesn't say."""
        at = self.facts.get("at", "")
        return max(now_ms - int(at), 0) if at.isdigit() else None

    def stalled_ms(self, now_ms: int) -> int | None:
        """How long nothing has moved in it: no heartbeat, or an event loop that stands still."""
        beat_ms, silent = self.beat_ms(now_ms), self.facts.get("silent_ms", "")
        return None if beat_ms is None else beat_ms + number(silent.encode())


async def workers_of(link: Link, keys: Keys, *, limit: int = 1000) -> list[WorkerState]:
    """The workers of a group, alive or not yet cleared away, oldest name first."""
    names: list[bytes] = settled(
        await link.call("ZRANGE", keys.workers, 0, limit - 1),
    )
    return await states(link, keys, sorted(names))


async def states(link: Link, keys: Keys, consumers: list[bytes]) -> list[WorkerState]:
    """The heartbeats of these consumers, in the same order."""
    if not consumers:
        return []
    asked: list[tuple[bytes | str, ...]] = []
    for consumer in consumers:
        key = keys.worker(consumer)
        asked += [("HGETALL", key), ("PTTL", key)]
    replies = await link.calls(asked)
    return [
        _state(consumer, settled(replies[2 * place]), settled(replies[2 * place + 1]))
        for place, consumer in enumerate(consumers)
    ]


def running_jobs(told: str | None) -> frozenset[bytes] | None:
    """The heartbeat's field `running`, a JSON list of job ids; None when absent or not a list."""
    jobs = _json(told)
    return frozenset(str(job).encode() for job in jobs) if isinstance(jobs, list) else None


def _json(told: str | None) -> Any:
    """A fact that is JSON; None when it is absent or broken."""
    try:
        return orjson.loads(told or "null")
    except orjson.JSONDecodeError:
        return None


def _state(consumer: bytes, flat: list[Any], ttl_ms: int) -> WorkerState:
    facts = {text(name): text(value) for name, value in pairs(flat).items()}
    return WorkerState(consumer=consumer, facts=facts, expires_ms=max(number(ttl_ms), 0))
