"""The application whose worker the runbook's incidents happen to: it charges orders."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from retraced import App, Job, Reject

BROKEN = "v42"
"""The release with the mistake."""

app = App()


@app.handler("charge", max_attempts=1)
async def charge(job: Job, order: int, tenant: str = "acme", ms: int = 0) -> None:
    """Takes `ms`; every tenth order's card is declined; release v42 can't charge anything."""
    await asyncio.sleep(ms / 1000)
    if order % 10 == 0:
        raise Reject("card declined")
    if os.environ.get("RETRACED_RELEASE") == BROKEN:
        raise KeyError("currency")


@app.handler("hang")
async def hang(job: Job) -> None:
    """Waits for an answer that never comes."""
    await asyncio.Event().wait()


@app.handler("block")
async def block(job: Job, s: float) -> None:
    """Keeps its whole event loop waiting."""
    time.sleep(s)  # noqa: ASYNC251 - that is the point


@app.handler("pdf", backoff="fixed:10ms")
async def pdf(job: Job) -> None:
    """Takes its process with it."""
    os.kill(os.getpid(), signal.SIGKILL)


if os.environ.get("RETRACED_RELEASE") != BROKEN:

    @app.handler("refund")
    async def refund(job: Job, order: int) -> None:
        """New in v43."""
