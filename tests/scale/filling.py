"""Fills a server for tests.scale: very many jobs in every state, and very many events."""

from __future__ import annotations

import asyncio
import time

from retraced.store import writes
from retraced.store.connection import Connector, Link
from retraced.store.writes import Done
from tests.driver import Driver
from tests.stock import KINDS, Stocked, stock

STREAM, GROUP = "orders", "mail"
TRACED = "traced"
_BATCH = 200


def fill_server(url: str, each: int) -> tuple[Stocked, str]:
    """`each` jobs of every kind on STREAM; `each` event entries on TRACED, and a job of theirs."""
    return asyncio.run(_fill(url, each))


async def _fill(url: str, each: int) -> tuple[Stocked, str]:
    stocked = Stocked(STREAM, GROUP)
    async with Connector(url, timeout_s=60).link() as link:
        for kind in KINDS:
            began = time.monotonic()
            some = await stock(link, STREAM, GROUP, each=each, kinds=[kind])
            stocked.jobs[kind] = some.jobs[kind]
            print(f"filled {each:,} {kind} in {time.monotonic() - began:.1f} s", flush=True)
        traced = await _events(link, each)
    return stocked, traced


async def _events(link: Link, each: int) -> str:
    """Jobs that succeed at once, each in an event entry of its own; the one in the middle."""
    driver = Driver(link, TRACED, GROUP)
    await driver.join()
    jobs: list[bytes] = []
    while len(jobs) < each:
        await link.calls([("XADD", TRACED, "*", "n", str(n)) for n in range(_BATCH)])
        held = await driver.fetch(count=_BATCH)
        calls = [
            writes.complete(driver.keys, driver.author, [Done(one, 1, 5, 7)], page=_BATCH + 100)
            for one in held
        ]
        await link.run_all(calls)
        jobs += [one.job for one in held]
    return jobs[len(jobs) // 2].decode()
