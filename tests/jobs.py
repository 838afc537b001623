"""The handlers that tests and chaos work with: each run leaves a line in a ledger outside Redis."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextvars import ContextVar

from retraced import App, Job, Reject, Retry, Snooze

LEDGER = "TEST_LEDGER"

app = App()
_current: ContextVar[str] = ContextVar("current", default="nothing")


def note(word: str, job: Job) -> None:
    """Appends one line in one write, so that lines of many processes don't mix."""
    at_ms = time.time_ns() // 1_000_000
    line = f"{word} {job.id} {job.attempt} {job.fence} {os.getpid()} {at_ms}\n"
    descriptor = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


@app.handler("note")
async def noted(job: Job) -> None:
    note("done", job)


@app.handler("sleep")
async def sleep(job: Job, s: float) -> None:
    note("start", job)
    await asyncio.sleep(s)
    note("done", job)


@app.handler("thread")
def thread(job: Job, s: float) -> None:
    note("start", job)
    time.sleep(s)
    note("done", job)


@app.handler("heed")
def heed(job: Job) -> None:
    """A plain function that looks whether it is to end."""
    note("start", job)
    while not job.cancelled:
        time.sleep(0.01)
    note("heeded", job)


@app.handler("to_thread")
async def to_thread(job: Job, s: float) -> None:
    """Waits for a thread that nobody can stop."""
    note("start", job)
    await asyncio.to_thread(time.sleep, s)


@app.handler("stall")
async def stall(job: Job, s: float) -> None:
    """Blocks the event loop."""
    note("start", job)
    time.sleep(s)  # noqa: ASYNC251 - that is the point
    note("done", job)


@app.handler("hopeless")
async def hopeless(job: Job) -> None:
    note("start", job)
    raise ValueError("hopeless")


@app.handler("thrice")
async def thrice(job: Job) -> None:
    """Fails twice, then succeeds."""
    note("start", job)
    if job.attempt < 3:
        raise ValueError(f"attempt {job.attempt}")
    note("done", job)


@app.handler("reject")
async def reject(job: Job) -> None:
    note("start", job)
    raise Reject("not for us")


@app.handler("retry")
async def retry(job: Job) -> None:
    note("start", job)
    if job.attempt == 1:
        raise Retry(after="300ms", reason="not yet")
    note("done", job)


@app.handler("snooze")
async def snooze(job: Job) -> None:
    note("start", job)
    if job.fence < 3:
        raise Snooze("200ms")
    note("done", job)


@app.handler("pill")
async def pill(job: Job) -> None:
    """Takes its process with it."""
    note("start", job)
    os._exit(7)


@app.handler("swallow")
async def swallow(job: Job) -> None:
    note("start", job)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        note("swallowed", job)


@app.handler("convert")
async def convert(job: Job) -> None:
    note("start", job)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError as error:
        raise ValueError("made something else of it") from error


@app.handler("selfcancel")
async def selfcancel(job: Job) -> None:
    note("start", job)
    raise asyncio.CancelledError


@app.handler("impatient")
async def impatient(job: Job) -> None:
    """Uses a timeout of its own and lives on."""
    try:
        async with asyncio.timeout(0.02):
            await asyncio.sleep(60)
    except TimeoutError:
        await asyncio.sleep(0.01)
        note("done", job)


@app.handler("family")
async def family(job: Job) -> None:
    """A task group whose failing child ends its sibling, and context variables of its own."""
    assert _current.get() == "nothing"
    _current.set(job.id)
    ended: list[str] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_endless(ended))
            tasks.create_task(_failing(job.id))
    except* KeyError:
        ended.append("group")
    await asyncio.sleep(0.01)
    assert ended == ["sibling", "group"]
    assert _current.get() == job.id
    note("done", job)


async def _endless(ended: list[str]) -> None:
    try:
        await asyncio.sleep(60)
    finally:
        ended.append("sibling")


async def _failing(job_id: str) -> None:
    await asyncio.sleep(0.01)
    assert _current.get() == job_id
    raise KeyError


@app.handler("fields")
async def count_fields(job: Job, **fields: str) -> None:
    note(f"fields={len(fields)}", job)
    if job.attempt < 3:
        raise ValueError("again")


@app.handler("exit")
def leave(job: Job) -> None:
    sys.exit(3)


@app.handler("deaf")
async def deaf(job: Job) -> None:
    """Never ends, whoever cancels it."""
    note("start", job)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            note("ignored", job)


@app.handler("stall_once")
async def stall_once(job: Job, s: float) -> None:
    """Blocks the event loop, on the first delivery only."""
    note("start", job)
    if job.fence == 1:
        time.sleep(s)  # noqa: ASYNC251 - that is the point
    note("done", job)


@app.handler("second")
async def second(job: Job, s: float) -> None:
    """Fails at once, and takes its time at the second attempt."""
    if job.attempt == 1:
        raise ValueError("first")
    note("held", job)
    await asyncio.sleep(s)


@app.handler("planned")
async def planned(job: Job, ms: int, fails: int) -> None:
    """Takes so long, and fails so often before it succeeds."""
    note("start", job)
    await asyncio.sleep(ms / 1000)
    if job.attempt <= fails:
        note("fail", job)
        raise ValueError("as planned")
    note("done", job)
