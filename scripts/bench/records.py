"""What the handlers tell: one fixed-size record a start, appended to a file in memory.

One write of 24 bytes a job, the same for every contestant; safe across processes and SIGKILL.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import NamedTuple

_RECORD = struct.Struct("<ddII")
VARIABLE = "BENCH_RECORDS"


class Record(NamedTuple):
    """A handler began at `started` the job `number`, which was meant to begin at `meant` (s)."""

    started: float
    meant: float
    number: int
    pid: int


class Recorder:
    """Writes records; every worker process has its own."""

    def __init__(self) -> None:
        self._file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._pid = os.getpid()

    def started(self, number: int, meant: float) -> None:
        os.write(self._file, _RECORD.pack(time.time(), meant, number, self._pid))


def count(path: Path) -> int:
    """How many records there are."""
    return path.stat().st_size // _RECORD.size if path.exists() else 0


def read(path: Path) -> list[Record]:
    """All records, in the order they were written."""
    return [Record(*values) for values in _RECORD.iter_unpack(path.read_bytes())]
