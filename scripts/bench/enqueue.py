"""How fast jobs are added, by our client and by redis-py; and how fast commands are started."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence

import redis.asyncio as aredis

from retraced import AsyncClient
from retraced.client import NewJob
from scripts.bench import load
from scripts.bench.server import STREAM, Server

_PAGE = 1000

Bodies = Sequence[bytes]


async def rates(server: Server, jobs: int, *, ours: bool) -> tuple[float, float]:
    """Jobs a second: one after another (a fifth of `jobs`), then in bulk."""
    bodies = [load.payload(number) for number in range(jobs)]
    if ours:
        async with AsyncClient(server.url) as client:

            async def add(body: bytes) -> None:
                await client.add(STREAM, "noop", body)

            async def add_many(some: Bodies) -> None:
                await client.add_many(STREAM, [NewJob("noop", body) for body in some])

            return await _timed(bodies, add, add_many)
    async with aredis.Redis.from_url(server.url) as plain:

        async def xadd(body: bytes) -> None:
            await plain.xadd(STREAM, {"type": "noop", "payload": body})

        async def xadd_many(some: Bodies) -> None:
            async with plain.pipeline(transaction=False) as pipe:
                for body in some:
                    pipe.xadd(STREAM, {"type": "noop", "payload": body})
                await pipe.execute()

        return await _timed(bodies, xadd, xadd_many)


async def _timed(
    bodies: Bodies,
    one: Callable[[bytes], Awaitable[None]],
    many: Callable[[Bodies], Awaitable[None]],
) -> tuple[float, float]:
    singles = bodies[: len(bodies) // 5]
    await one(bodies[0])
    begun = time.perf_counter()
    for body in singles:
        await one(body)
    singly = len(singles) / (time.perf_counter() - begun)
    begun = time.perf_counter()
    for start in range(0, len(bodies), _PAGE):
        await many(bodies[start : start + _PAGE])
    return singly, len(bodies) / (time.perf_counter() - begun)


async def spawned(commands: int, *, at_once: int) -> float:
    """Commands a second by `posix_spawn`, so many at once, each waited for."""
    gate = asyncio.Semaphore(at_once)

    async def run() -> None:
        async with gate:
            pid = os.posix_spawnp("true", ["true"], os.environ)  # noqa: ASYNC221 - the yardstick
            watch = os.pidfd_open(pid)
            loop = asyncio.get_running_loop()
            ended = asyncio.Event()
            loop.add_reader(watch, ended.set)
            await ended.wait()
            loop.remove_reader(watch)
            os.close(watch)
            os.waitpid(pid, 0)  # noqa: ASYNC222 - it has ended

    begun = time.perf_counter()
    await asyncio.gather(*(run() for _ in range(commands)))
    return commands / (time.perf_counter() - begun)
