"""Lists in a terminal of 80 columns, with names that are longer than that."""

from __future__ import annotations

import asyncio
import json

import pytest

from retraced.store.connection import Connector
from retraced.store.writes import Source
from tests.commands import run
from tests.driver import Driver

pytestmark = pytest.mark.by_turns

LONG = "send.the.monthly.invoice.of.all.tenants.and.tell.their.accountants.about.it.v2"


@pytest.fixture
def named(url: str, stream: str) -> str:
    """A stream with a job of a long type that is held, delayed and dead each."""

    async def fill() -> None:
        async with Connector(url).link() as link:
            driver = Driver(link, stream, "mail")
            await driver.join()
            for _ in range(3):
                await driver.add("type", LONG, "payload", "{}")
            first, second, third = await driver.fetch(Source.STREAM)
            await driver.bury(first, error=f"ValueError: {'no ' * 60}")
            await driver.fail(second)
            job = third.job.decode()
            runs = json.dumps([[LONG, 5, 1, stream, ""]])
            await driver.beat(running=json.dumps([job]), runs=runs, slots=1)

    asyncio.run(fill())
    return stream


@pytest.mark.parametrize("words", ["jobs list", "dlq list", "delayed list", "pending"])
def test_no_line_is_longer_than_the_terminal(url: str, named: str, words: str) -> None:
    ran = run(url, *words.split(), named, "--group", "mail", form="table")
    assert ran.code == 0
    assert [line for line in ran.out.splitlines() if len(line) > 80] == []
    assert (LONG[:8] if words != "pending" else "running") in ran.out
