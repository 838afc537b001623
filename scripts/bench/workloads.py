"""The workloads: each gives figures for one contestant, from one fresh start.

Names of figures end in their unit: `_per_s`, `_us` (microseconds a job), `_ms`, `_mb`, `_bytes`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scripts.bench import enqueue, load
from scripts.bench.contestants import Contestant, Work, working
from scripts.bench.records import Record
from scripts.bench.server import Meter, Server

Figures = dict[str, float]

RETRACED = Contestant("retraced")
TYPED = Contestant("retraced, typed", type="typed")
RAW = Contestant("raw", kind="raw")
BARE = Contestant("bare", kind="bare")
BLOCKED = Contestant("blocked", kind="blocked")
XADD = Contestant("redis-py", kind="xadd")


@dataclass(frozen=True, slots=True)
class Workload:
    """`measure` does it once; `jobs` is how many jobs it takes unless the command line says."""

    name: str
    about: str
    contestants: Sequence[Contestant]
    jobs: int
    measure: Callable[[Server, Contestant, int], Figures]


def drain(server: Server, contestant: Contestant, jobs: int) -> Figures:
    """A backlog of no-op jobs, one worker process."""
    return _drained(server, contestant, jobs, kind=contestant.type or "noop")


def drain_by_two(server: Server, contestant: Contestant, jobs: int) -> Figures:
    """The same by two worker processes."""
    return _drained(server, contestant, jobs, kind="noop", processes=2)


def input_output(server: Server, contestant: Contestant, jobs: int) -> Figures:
    """Jobs that wait 50 ms, at concurrency 200: at most 4,000 a second."""
    return _drained(server, contestant, jobs, kind="io", concurrency=200)


def retries(server: Server, contestant: Contestant, jobs: int) -> Figures:
    """Jobs that fail once each."""
    return _drained(server, contestant, jobs, kind="flaky")


def delays(server: Server, contestant: Contestant, jobs: int) -> Figures:
    """Jobs that each have a `delay` of two seconds."""
    return _drained(server, contestant, jobs, kind="noop", fields={"delay": "2s"})


def latency(server: Server, contestant: Contestant, jobs: int) -> Figures:
    """From XADD to the handler's start, at 200 jobs a second."""
    server.clear()
    with working(contestant, server) as work:
        _warmed_up(server, work)
        load.steadily(server.client, jobs, per_s=200, kind="noop")
        work.wait(jobs + 1, 60)
        return _quantiles("latency", [_late_ms(each) for each in work.records()[1:]])


def lateness(server: Server, contestant: Contestant, jobs: int) -> Figures:
    """From a delayed job's due time to its start, on a worker with nothing else to do."""
    server.clear()
    with working(contestant, server) as work:
        _warmed_up(server, work)
        with server.client.pipeline(transaction=False) as pipe:
            for number in range(jobs):
                due = time.time() + 0.5 + 0.01 * number
                body = load.payload(number, int(due * 1000) / 1000)
                at = str(int(due * 1000))
                pipe.xadd(server.keys.stream, {"type": "noop", "payload": body, "run_at": at})
            pipe.execute()
        work.wait(jobs + 1, 60)
        return _quantiles("late", [_late_ms(each) for each in work.records()[1:]])


def recovery(server: Server, contestant: Contestant, jobs: int) -> Figures:
    """From SIGKILL of a worker with jobs of 1 s to their restart by another; V is 3 s."""
    server.clear()
    load.fill(server.client, jobs, "hold")
    extra = ["--visibility-timeout", "3s"]
    with working(contestant, server, concurrency=jobs, processes=2, extra=extra) as work:
        work.wait(jobs, 30)
        by_worker = [each.number for each in work.records() if each.pid == work.processes[0].pid]
        victim = work.processes[0] if by_worker else work.processes[1]
        lost = [each.number for each in work.records() if each.pid == victim.pid]
        killed = time.time()
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
        work.processes.remove(victim)
        work.wait(jobs + len(lost), 60)
        again = [each.started for each in work.records() if each.pid != victim.pid]
        return {"recovery_ms": (max(again) - killed) * 1000, "lost": float(len(lost))}


def idle(server: Server, contestant: Contestant, jobs: int) -> Figures:
    """A worker with nothing to do, for `jobs` seconds."""
    server.clear()
    with working(contestant, server) as work:
        _warmed_up(server, work)
        time.sleep(2)
        before, cpu_s = Meter.read(server.client), work.cpu_s()
        time.sleep(jobs)
        after = Meter.read(server.client)
        return {
            "commands_per_s": (after.sent - before.sent) / jobs,
            "rss_mb": work.rss_mb(),
            "cpu_percent": (work.cpu_s() - cpu_s) / jobs * 100,
        }


def adding(server: Server, contestant: Contestant, jobs: int) -> Figures:
    """Adding one at a time and in bulk, and what a queued job takes in memory."""
    server.clear()
    memory = server.client.info("memory")["used_memory"]
    one, many = asyncio.run(enqueue.rates(server, jobs, ours=contestant.ours))
    used = server.client.info("memory")["used_memory"] - memory
    return {"one_per_s": one, "bulk_per_s": many, "queued_bytes": used / server.left()}


def commands(server: Server, contestant: Contestant, jobs: int) -> Figures:
    """`--exec true` at concurrency 8, or `posix_spawn` of it; the worker's start-up apart."""
    if not contestant.ours:
        return {"jobs_per_s": asyncio.run(enqueue.spawned(jobs, at_once=8))}
    server.clear()
    load.fill(server.client, jobs, "noop")
    with working(EXEC, server, concurrency=8, extra=["--exec", "true"]):
        while (left := server.left()) == jobs:
            time.sleep(0.005)
        begun = time.monotonic()
        _until_empty(server, 300, every_s=0.02)
        return {"jobs_per_s": left / (time.monotonic() - begun)}


def _drained(
    server: Server,
    contestant: Contestant,
    jobs: int,
    *,
    kind: str,
    concurrency: int = 100,
    processes: int = 1,
    fields: dict[str, str] | None = None,
) -> Figures:
    """Works a backlog; times count from the first start to the last, the start-up apart.

    What Redis spends counts from before the worker begins: delayed jobs cost it most until then.
    """
    server.clear()
    load.fill(server.client, jobs, kind, fields)
    before = Meter.read(server.client)
    with working(contestant, server, concurrency=concurrency, processes=processes) as work:
        work.wait(1, 60)
        cpu_s = work.cpu_s()
        _until_empty(server, 300)
        after, used_s = Meter.read(server.client), work.cpu_s() - cpu_s
        records = work.records()
    took = records[-1].started - records[0].started
    sent = after.sent - before.sent
    if not contestant.ours:
        sent += after.plain - before.plain
    return {
        "jobs_per_s": jobs / took,
        "python_us": used_s / jobs * 1e6,
        "redis_us": (after.cpu_s - before.cpu_s) / jobs * 1e6,
        "commands_per_job": sent / jobs,
    }


def _until_empty(server: Server, timeout_s: float, *, every_s: float = 0.01) -> None:
    """Until every job is settled: neither in the stream nor in the group's own keys."""
    deadline = time.monotonic() + timeout_s
    keys = server.keys
    while server.left() or server.client.xlen(keys.ready) or server.client.zcard(keys.delayed):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{server.left()} jobs are left after {timeout_s:.0f} s")
        time.sleep(every_s)


def _warmed_up(server: Server, work: Work) -> None:
    """One job is done: the worker is there, and waits for the next."""
    load.fill(server.client, 1, "noop")
    work.wait(1, 60)
    _until_empty(server, 30)


def _late_ms(record: Record) -> float:
    return (record.started - record.meant) * 1000


def _quantiles(name: str, values: Sequence[float]) -> Figures:
    ordered = sorted(values)
    return {
        f"{name}_least_ms": ordered[0],
        f"{name}_p50_ms": ordered[len(ordered) // 2],
        f"{name}_p99_ms": ordered[int(len(ordered) * 0.99)],
        f"{name}_most_ms": ordered[-1],
    }


EXEC = Contestant("retraced", command_alone=True)
SPAWN = Contestant("posix_spawn", kind="spawn")
WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("drain", "no-op jobs, one process", (BARE, RAW, RETRACED, TYPED), 60_000, drain),
        Workload("drain2", "no-op jobs, two processes", (RAW, RETRACED), 60_000, drain_by_two),
        Workload("io", "50 ms each, concurrency 200", (RAW, RETRACED), 20_000, input_output),
        Workload("latency", "200 jobs a second", (BLOCKED, RAW, RETRACED), 2_000, latency),
        Workload("add", "one at a time, and in bulk", (XADD, RETRACED), 20_000, adding),
        Workload("retry", "each fails once", (RETRACED,), 20_000, retries),
        Workload("delay", "each has a delay of 2 s", (RETRACED,), 20_000, delays),
        Workload("late", "delayed jobs, idle worker", (RETRACED,), 300, lateness),
        Workload("recovery", "SIGKILL under 100 jobs", (RETRACED,), 100, recovery),
        Workload("idle", "nothing to do for 10 s", (RETRACED,), 10, idle),
        Workload("exec", "a command that does nothing", (SPAWN, RETRACED), 3_000, commands),
    )
}
