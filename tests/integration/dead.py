"""Dead letters for tests: buried by the script, each with an error of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from retraced.store.connection import Connector
from tests.driver import Driver

PAYLOAD = '{"user": 42, "to": "ada"}'


@dataclass(frozen=True, slots=True)
class Death:
    """How one job died, the fields it had, and its id (`*`: as Redis gives it)."""

    error: str = "ValueError: boom"
    reason: str = "exhausted"
    fields: Sequence[str | bytes] = ("type", "send", "payload", PAYLOAD)
    job: str = "*"


def bury_all(url: str, stream: str, deaths: Sequence[Death], *, group: str = "mail") -> list[str]:
    """The ids of the jobs, the first that died first."""

    async def through() -> list[str]:
        async with Connector(url).link() as link:
            driver = Driver(link, stream, group)
            await driver.join()
            jobs: list[str] = []
            for start in range(0, len(deaths), 100):
                some = deaths[start : start + 100]
                jobs += [await _added(driver, each) for each in some]
                held = await driver.fetch(count=100)
                for one, each in zip(held, some, strict=True):
                    await driver.bury(one, reason=each.reason, error=each.error)
            return jobs

    return asyncio.run(through())


async def _added(driver: Driver, death: Death) -> str:
    entry: bytes = await driver.link.call("XADD", driver.stream, death.job, *death.fields)
    return entry.decode()
