"""Loops of plain redis-py over one stream: no retries, no story, no recovery.

    python -m scripts.bench.workers.plain URL STREAM raw|bare|blocked

`raw` makes a task for each job and gathers XACK and XDEL, as peers' authors would by hand; `bare`
calls no handler at all; `blocked` waits for one entry at a time and begins it at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import redis.asyncio as aredis

from scripts.bench.records import Recorder

GROUP = "g"
CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "100"))


class Loop:
    """One consumer of the stream."""

    def __init__(self, url: str, stream: str) -> None:
        self.redis = aredis.Redis.from_url(url)
        self.stream = stream
        self.record = Recorder().started

    async def read(self, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        reply: Any = await self.redis.xreadgroup(
            GROUP, f"c{os.getpid()}", {self.stream: ">"}, count=count, block=5000
        )
        return reply[0][1] if reply else []

    async def settle(self, ids: list[bytes]) -> None:
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.xack(self.stream, GROUP, *ids)
            pipe.xdel(self.stream, *ids)
            await pipe.execute()

    async def handle(self, fields: dict[bytes, bytes]) -> None:
        payload = json.loads(fields[b"payload"])
        self.record(payload["n"], payload["at"])
        if fields[b"type"] == b"io":
            await asyncio.sleep(0.05)

    async def bare(self) -> None:
        while True:
            entries = await self.read(100)
            if entries:
                await self.settle([entry for entry, _ in entries])
                await self.handle(entries[0][1])  # one record a batch, to tell when it was

    async def blocked(self) -> None:
        while True:
            for entry, fields in await self.read(1):
                await self.handle(fields)
                await self.settle([entry])

    async def raw(self) -> None:
        done: list[bytes] = []
        wake, free = asyncio.Event(), asyncio.Event()
        running: set[asyncio.Task[None]] = set()

        async def work(entry: bytes, fields: dict[bytes, bytes]) -> None:
            await self.handle(fields)
            done.append(entry)
            wake.set()

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            free.set()

        async def settling() -> None:
            while True:
                await wake.wait()
                wake.clear()
                ids = done.copy()
                done.clear()
                if ids:
                    await self.settle(ids)

        settler = asyncio.create_task(settling())
        while not settler.done():
            if len(running) >= CONCURRENCY:
                free.clear()
                await free.wait()
                continue
            for entry, fields in await self.read(CONCURRENCY - len(running)):
                task = asyncio.create_task(work(entry, fields))
                running.add(task)
                task.add_done_callback(ended)


if __name__ == "__main__":
    url, stream, kind = sys.argv[1:]
    asyncio.run(getattr(Loop(url, stream), kind)())
