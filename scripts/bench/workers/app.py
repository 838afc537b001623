"""ReTraced's handlers for the benchmarks."""

from __future__ import annotations

import asyncio

from retraced import App, Job
from scripts.bench.records import Recorder

app = App()
record = Recorder().started


@app.handler("noop")
async def noop(job: Job) -> None:
    payload = job.payload
    record(payload["n"], payload["at"])


@app.handler("typed")
async def typed(n: int, at: float, **_: str) -> None:
    record(n, at)


@app.handler("io")
async def io(job: Job) -> None:
    payload = job.payload
    record(payload["n"], payload["at"])
    await asyncio.sleep(0.05)


@app.handler("hold")
async def hold(job: Job) -> None:
    payload = job.payload
    record(payload["n"], payload["at"])
    await asyncio.sleep(1)


@app.handler("flaky", backoff="immediate:1,fixed:1s")
async def flaky(job: Job) -> None:
    if job.attempt == 1:
        raise RuntimeError("fails once")
    payload = job.payload
    record(payload["n"], payload["at"])
