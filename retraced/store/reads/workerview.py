"""One worker as its last heartbeat tells: what it is, how it fares, what it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from retraced.keys import Keys
from retraced.store.reads.overview import GroupView
from retraced.store.reads.replies import number, text

T = TypeVar("T", list[Any], dict[str, Any])


@dataclass(frozen=True, slots=True)
class Run:
    """A job that a worker ran at its last heartbeat; `ran_ms` up to then. None: not told.

    `entry`: its id on the ready stream, empty if it came from `S`. `ignores`: it was told to end.
    """

    job: bytes
    type: str | None = None
    ran_ms: int | None = None
    delivery: int | None = None
    entry: bytes = b""
    ignores: bool = False


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker as its last heartbeat tells, `beat_ms` ago. `facts` is empty once it is gone.

    `runs`: the longest first, at most 200 of the group's stream; `running`: all that it told of.
    """

    keys: Keys
    consumer: bytes
    beat_ms: int
    visibility_ms: int
    facts: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    running: frozenset[bytes] | None = None

    @property
    def gone(self) -> bool:
        """Whether it has been silent for three visibility timeouts; its jobs are others' now."""
        return self.beat_ms > 3 * self.visibility_ms

    @property
    def silent_ms(self) -> int:
        """How long nothing has moved in it: no heartbeat, or an event loop that stands still."""
        return self.beat_ms + number(self.facts.get("silent_ms", "").encode())

    @property
    def stalled(self) -> bool:
        return self.silent_ms > self.visibility_ms


def worker_view(group: GroupView, consumer: bytes, told: Mapping[bytes, bytes]) -> WorkerView:
    """What a heartbeat's hash tells; its age is set by whoever knows it."""
    facts = {text(name): text(value) for name, value in told.items()}
    jobs, runs = _parsed(facts.pop("running", None), list), _parsed(facts.pop("runs", None), list)
    ignoring = _parsed(facts.get("ignoring"), dict)
    if not ignoring:
        facts.pop("ignoring", None)
    ids = None if jobs is None else [str(job).encode() for job in jobs]
    return WorkerView(
        keys=group.keys,
        consumer=consumer,
        beat_ms=0,
        visibility_ms=group.visibility_ms,
        facts=facts,
        runs=tuple(_runs(group.keys, ids or [], runs, ignoring or {})),
        running=None if ids is None else frozenset(ids),
    )


def _runs(
    keys: Keys, jobs: Sequence[bytes], told: list[Any] | None, ignoring: dict[str, Any]
) -> Iterable[Run]:
    """The group's own: a worker of several streams tells of all it runs in each heartbeat."""
    if told is None or len(told) != len(jobs):
        yield from map(Run, jobs)
        return
    for job, each in zip(jobs, told, strict=True):
        match each:
            case [str(name), int(ran_ms), int(delivery), str(stream), *more]:
                if stream == keys.stream_name:
                    entry = str(more[0]).encode() if more else b""
                    yield Run(job, name, ran_ms, delivery, entry, job.decode() in ignoring)
            case _:
                yield Run(job)


def _parsed(told: str | None, kind: type[T]) -> T | None:
    """A fact that is a JSON list or object; None when it is absent or something else."""
    try:
        found = orjson.loads(told or "null")
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, kind) else None
