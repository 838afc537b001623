"""The demo's ledger: which runs really took place, in a file outside Redis.

Handlers and commands append a line when a run begins and one when it ends:
`began|ended|failed JOB FENCE WORKER TIME_MS`. A run without an end was cut off.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from retraced.job import Job

BEGAN, ENDED, FAILED = "began", "ended", "failed"
WORKER = "DEMO_WORKER"  # the variable that names the worker, also to what it starts


@dataclass(slots=True)
class Run:
    """One run of one job; `end` is ENDED, FAILED, or empty: it runs still, or was cut off."""

    job: str
    fence: int
    worker: str
    began_ms: int
    end: str = ""


@contextmanager
def noted(path: Path, job: Job) -> Iterator[None]:
    """Notes a handler's run: its begin and how it ends."""
    note(path, BEGAN, job)
    try:
        yield
    except Exception:
        note(path, FAILED, job)
        raise
    note(path, ENDED, job)


def note(path: Path, what: str, job: Job) -> None:
    """Appends a line in one write, so that those of several processes don't mix."""
    line = f"{what} {job.id} {job.fence} {os.environ[WORKER]} {time.time_ns() // 1_000_000}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read(path: Path) -> list[Run]:
    """All runs so far, in the order in which they began."""
    runs: list[Run] = []
    by_delivery: dict[tuple[str, int], Run] = {}
    text = path.read_text() if path.exists() else ""
    for line in text.splitlines():
        what, job, fence, worker, at_ms = line.split()
        if what == BEGAN:
            run = Run(job, int(fence), worker, int(at_ms))
            runs.append(run)
            by_delivery[job, run.fence] = run
        else:
            by_delivery[job, int(fence)].end = what
    return runs
