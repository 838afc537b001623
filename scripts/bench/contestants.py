"""Who works the jobs: how its worker is started, watched and stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.bench import records
from scripts.bench.server import GROUP, STREAM, Server

_ROOT = Path(__file__).resolve().parent.parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Contestant:
    """One engine. `kind` is a loop of `workers/plain.py`; without one it is ReTraced.

    `type` is the job's type, where it differs from the workload's; `command_alone` says that it
    has no app, and a command for its jobs is given.
    """

    name: str
    kind: str = ""
    type: str = ""
    command_alone: bool = False

    @property
    def ours(self) -> bool:
        return not self.kind

    def command(self, url: str, concurrency: int, extra: Sequence[str]) -> list[str]:
        if self.kind:
            return [sys.executable, "-m", "scripts.bench.workers.plain", url, STREAM, self.kind]
        app = [] if self.command_alone else ["--app", "scripts.bench.workers.app:app"]
        limits = ["--concurrency", str(concurrency), "--log-level", "error", "--delete-settled"]
        consume = ["consume", STREAM, "--group", GROUP, *app, *limits, *extra]
        return [sys.executable, "-m", "retraced", "--url", url, *consume]


@dataclass(slots=True)
class Work:
    """Worker processes at work, and the file of their records."""

    path: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def cpu_s(self) -> float:
        """Processor time of the workers so far, their children's included."""
        return sum(_cpu_s(process.pid) for process in self.processes)

    def rss_mb(self) -> float:
        """Resident memory of all workers."""
        return sum(_rss_mb(process.pid) for process in self.processes)

    def records(self) -> list[records.Record]:
        return records.read(self.path)

    def wait(self, wanted: int, timeout_s: float) -> None:
        """Waits for so many records. Raises TimeoutError, or RuntimeError for a dead worker."""
        deadline = time.monotonic() + timeout_s
        while (found := records.count(self.path)) < wanted:
            if any(process.poll() is not None for process in self.processes):
                raise RuntimeError("a worker ended before the work was done")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{found} of {wanted} records after {timeout_s:.0f} s")
            time.sleep(0.002)


@contextmanager
def working(
    contestant: Contestant,
    server: Server,
    *,
    concurrency: int = 100,
    processes: int = 1,
    extra: Sequence[str] = (),
) -> Iterator[Work]:
    """Worker processes of a contestant, as long as the block lasts."""
    with tempfile.TemporaryDirectory(dir=_memory()) as directory:
        work = Work(Path(directory) / "records")
        environ = os.environ | {
            records.VARIABLE: str(work.path),
            "BENCH_CONCURRENCY": str(concurrency),
            "PYTHONPATH": str(_ROOT),
        }
        command = contestant.command(server.url, concurrency, extra)
        try:
            for _ in range(processes):
                work.processes.append(subprocess.Popen(command, env=environ, cwd=_ROOT))
            yield work
        finally:
            for process in work.processes:
                process.terminate()
            for process in work.processes:
                process.wait()


def _memory() -> str | None:
    """A directory in memory, where there is one: the records' own cost is then about 1 us."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _cpu_s(pid: int) -> float:
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(int(value) for value in values[11:15]) / _TICKS


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line) / 1024
