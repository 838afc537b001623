"""The handlers of the demo's group `billing`: `retraced consume --app retraced.demo.shop:app`.

An order's fields say what goes wrong with it; the errors stand in for those of a real shop.
"""

from __future__ import annotations

import asyncio
import os
import time
from decimal import Decimal
from pathlib import Path
from random import uniform

from retraced import App, Job, Reject
from retraced.demo.ledger import noted

EXIT_OF_PRINTER = 139  # as after a segmentation fault
LEDGER, BANK_IS_OPEN = "billing.ledger", "bank-is-open"

app = App()


@app.handler("orders", max_attempts=3, backoff="immediate:1,exponential:300ms..1s")
async def charge(job: Job, amount: Decimal, card: str, **_: str) -> None:
    """Every plain XADD to `orders`: it names no type, so its type is the stream's name."""
    with noted(_place() / LEDGER, job):
        await asyncio.sleep(uniform(0.1, 0.4))
        if card == "forged":
            raise Reject(f"the card is forged, {amount} not charged")
        if card == "slow" and job.attempt < 3:
            raise ConnectionError("the bank's line is busy")
        if card == "foreign" and not (_place() / BANK_IS_OPEN).exists():
            raise ConnectionError("the foreign bank is closed")


@app.handler("gift")
def wrap(job: Job, **_: object) -> None:
    """A plain function: it runs in a thread."""
    with noted(_place() / LEDGER, job):
        time.sleep(uniform(0.1, 0.2))


@app.handler("label")
async def print_label(job: Job, **_: object) -> None:
    """Ends its whole process, as a broken native library does."""
    with noted(_place() / LEDGER, job):
        await asyncio.sleep(0.1)
        os._exit(EXIT_OF_PRINTER)


def _place() -> Path:
    return Path(os.environ["DEMO_DIRECTORY"])
