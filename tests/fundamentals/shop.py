"""The app of the tutorial: a shop's handlers. What they do is written to the file in SHOP_NOTES."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from retraced import App, Job, Reject, Retry, Snooze

app = App()


def note(text: str) -> None:
    with Path(os.environ["SHOP_NOTES"]).open("a") as notes:
        notes.write(f"{text}\n")


@app.handler("greet", stream="shop")
async def greet(job: Job, name: str) -> None:
    """An async handler: its parameters are the fields of the payload."""
    note(f"hello {name}")


@app.handler("count")
def count(job: Job, items: int, *, gift: bool = False) -> None:
    """A plain handler runs in a thread; what a bare entry gives as text becomes int and bool."""
    note(f"{items} items, gift {gift}")


@app.handler("shaky", backoff="immediate:1,fixed:100ms")
async def shaky(job: Job) -> None:
    note(f"attempt {job.attempt}")
    if job.attempt < 3:
        raise ConnectionError("the bank's line is busy")


@app.handler("hopeless", max_attempts=2, backoff="fixed:50ms")
async def hopeless(job: Job) -> None:
    raise ValueError("no such account")


@app.handler("forged")
async def forged(job: Job) -> None:
    raise Reject("the card is forged")


@app.handler("polite")
async def polite(job: Job) -> None:
    note(f"attempt {job.attempt}")
    if job.attempt == 1:
        raise Retry(after="100ms", reason="asked to come again")


@app.handler("night")
async def night(job: Job) -> None:
    note(f"attempt {job.attempt}, delivery {job.deliveries}")
    if job.deliveries == 1:
        raise Snooze("100ms")


@app.handler("slow", timeout="200ms", max_attempts=1)
async def slow(job: Job) -> None:
    await asyncio.sleep(60)
