"""What a worker last said of itself: the one shape of a heartbeat, for all that look at workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import orjson

from retraced.durations import parse_integer
from retraced.keys import DEFAULT_VISIBILITY_MS, Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import number, pairs, settled, text, time_ms

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Run:
    """A job that a worker ran at its last heartbeat; `ran_ms` up to then. None: not told.

    `entry`: its id on the ready stream, empty if it came from `S`.
    """

    job: bytes
    type: str | None = None
    ran_ms: int | None = None
    delivery: int | None = None
    entry: bytes = b""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A job that was told to end (`why`: cancelled, timed out, lost, stopping) and runs on."""

    why: str
    for_ms: int
    type: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A worker's last heartbeat to one group, `age_ms` ago (None: it doesn't say, or is gone).

    `facts`: all that it told, empty when it has expired (silent for three leases). `running`: ids
    of all whose handler ran, of whatever stream; None if not told. `runs` (those that began first
    in front) and `ignoring` are of the group's stream, by job.
    """

    keys: Keys
    consumer: bytes
    visibility_ms: int
    facts: Mapping[str, str] = field(default_factory=dict)
    age_ms: int | None = None
    running: frozenset[bytes] | None = None
    runs: Mapping[bytes, Run] = field(default_factory=dict)
    ignoring: Mapping[bytes, Ignored] = field(default_factory=dict)

    @classmethod
    def parse(
        cls,
        keys: Keys,
        consumer: bytes,
        told: Mapping[bytes, bytes],
        *,
        visibility_ms: int,
        now_ms: int,
    ) -> Self:
        """From its hash, or from some fields of it; `now_ms` by the Redis clock."""
        facts = {text(name): text(value) for name, value in told.items()}
        jobs = _json(facts.get("running"))
        ids = [str(job).encode() for job in jobs] if isinstance(jobs, list) else None
        at_ms = parse_integer(facts.get("at", ""))
        return cls(
            keys=keys,
            consumer=consumer,
            visibility_ms=visibility_ms,
            facts=facts,
            age_ms=None if at_ms is None else max(now_ms - at_ms, 0),
            running=None if ids is None else frozenset(ids),
            runs={run.job: run for run in _runs(keys, ids or [], _json(facts.get("runs")))},
            ignoring=_ignoring(keys, _json(facts.get("ignoring"))),
        )

    @property
    def name(self) -> str:
        return text(self.consumer)

    @property
    def host(self) -> str:
        return self.facts.get("host", "")

    @property
    def pid(self) -> int | None:
        return self._whole("pid")

    @property
    def slots(self) -> int | None:
        """How many jobs it may run at once."""
        return self._whole("concurrency")

    @property
    def release(self) -> str:
        return self.facts.get("release", "")

    @property
    def gone(self) -> bool:
        """Whether it has been silent for three leases; its jobs are others' now."""
        return not self.facts or (self.age_ms or 0) > 3 * self.visibility_ms

    @property
    def loop_silent_ms(self) -> int:
        """How long its event loop had stood still at its last heartbeat."""
        return self._whole("silent_ms") or 0

    @property
    def still_ms(self) -> int | None:
        """How long nothing has moved in it: no heartbeat, or an event loop that stands still."""
        return None if self.age_ms is None else self.age_ms + self.loop_silent_ms

    def stalled_ms(self, limit_ms: int | None = None) -> int | None:
        """For how long it has stood still, if that is longer than `limit_ms` (None: a lease)."""
        still_ms = self.still_ms
        limit_ms = self.visibility_ms if limit_ms is None else limit_ms
        return still_ms if still_ms is not None and still_ms > limit_ms else None

    @property
    def stalled(self) -> bool:
        """Whether nothing has moved in it for longer than a lease lasts."""
        return self.stalled_ms() is not None

    def by_now_ms(self, run: Run) -> int | None:
        """How long a run has lasted if it still goes on."""
        return None if run.ran_ms is None else run.ran_ms + (self.age_ms or 0)

    def at_age(self, age_ms: int) -> Self:
        """The same heartbeat, later."""
        return replace(self, age_ms=age_ms)

    def _whole(self, name: str) -> int | None:
        return parse_integer(self.facts.get(name, ""))


async def heartbeats(link: Link, keys: Keys, consumers: Sequence[bytes]) -> list[Heartbeat]:
    """The heartbeats of these workers of a group, in the same order."""
    found: list[Heartbeat] = []
    for start in range(0, len(consumers), _PAGE):
        page = consumers[start : start + _PAGE]
        asked = [("HGETALL", keys.worker(consumer)) for consumer in page]
        now, lease, *told = await link.calls(
            [("TIME",), ("HGET", keys.state, "visibility_ms"), *asked]
        )
        visibility_ms = number(settled(lease), DEFAULT_VISIBILITY_MS)
        now_ms = time_ms(settled(now))
        found += [
            Heartbeat.parse(
                keys, consumer, pairs(settled(each)), visibility_ms=visibility_ms, now_ms=now_ms
            )
            for consumer, each in zip(page, told, strict=True)
        ]
    return found


def _runs(keys: Keys, jobs: Sequence[bytes], told: Any) -> Iterable[Run]:
    """The group's own: a worker of several streams tells of all it runs in each heartbeat."""
    if not isinstance(told, list) or len(told) != len(jobs):
        yield from map(Run, jobs)
        return
    for job, each in zip(jobs, told, strict=True):
        match each:
            case [str(type_), int(ran_ms), int(delivery), str(stream), *more]:
                if stream == keys.stream_name:
                    entry = str(more[0]).encode() if more else b""
                    yield Run(job, type_, ran_ms, delivery, entry)
            case _:
                yield Run(job)


def _ignoring(keys: Keys, told: Any) -> dict[bytes, Ignored]:
    """A plain function's job is settled by then, and its thread keeps a slot."""
    found: dict[bytes, Ignored] = {}
    for job, each in told.items() if isinstance(told, dict) else ():
        match each:
            case [str(why), int(for_ms), str(type_), str(stream), *_] if stream == keys.stream_name:
                found[job.encode()] = Ignored(why, for_ms, type_)
    return found


def _json(told: str | None) -> Any:
    """A fact that is JSON; None when it is absent or broken."""
    try:
        return orjson.loads(told or "null")
    except orjson.JSONDecodeError:
        return None
