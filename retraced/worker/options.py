"""How one worker process works."""

from __future__ import annotations

from dataclasses import dataclass

from retraced.retention import Retention
from retraced.worker.slots import Slots
from retraced.worker.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How one worker process works; durations in ms. `start` is where a new group begins."""

    consumer: bytes
    release: bytes = b""
    facts: dict[str, str | int]  # what its heartbeat says of it: host, pid, ...
    concurrency: int = 100
    prefetch: int = 100
    adaptive: bool = False  # prefetch at most so many, by the pace of the jobs
    suspects: int = 4
    grace_ms: int = 30_000
    visibility_ms: int | None = None
    start: bytes = b"0"
    delete_settled: bool = False
    retain: Retention | None = None
    max_jobs: int | None = None
    drain: bool = False
    drain_until_ms: int | None = None


def slots_of(options: WorkerOptions, tally: Tally, *, isolates: bool) -> Slots:
    return Slots(
        concurrency=options.concurrency,
        prefetch=options.prefetch,
        adaptive=options.adaptive,
        suspects=options.suspects,
        isolates=isolates,
        max_jobs=options.max_jobs,
        tally=tally,
    )
