"""Who is alive in a group, as the workers' own heartbeats tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import number, pairs, settled, text


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
    def ignoring(self) -> dict[bytes, str]:
        """Of jobs that were told to end and ran on at the last heartbeat: why they were told
        (cancelled, timed out, lost, stopping). A plain function's job is settled by then, and its
        thread keeps a slot.
        """
        try:
            told = orjson.loads(self.facts.get("ignoring", "{}"))
        except orjson.JSONDecodeError:
            return {}
        if not isinstance(told, dict):
            return {}
        return {job.encode(): str(why[0]) for job, why in told.items() if why}


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
    if told is None:
        return None
    try:
        jobs = orjson.loads(told)
    except orjson.JSONDecodeError:
        return None
    return frozenset(str(job).encode() for job in jobs) if isinstance(jobs, list) else None


def _state(consumer: bytes, flat: list[Any], ttl_ms: int) -> WorkerState:
    facts = {text(name): text(value) for name, value in pairs(flat).items()}
    return WorkerState(consumer=consumer, facts=facts, expires_ms=max(number(ttl_ms), 0))
