"""The handlers of the compose stack's worker; put your own here."""

from __future__ import annotations

from retraced import App, Job

app = App()


@app.handler("*")
async def show(job: Job) -> None:
    """Takes every job, and says so in the worker's log."""
    print(f"job {job.id} of type {job.type}, attempt {job.attempt}, {len(job.body)} bytes")
