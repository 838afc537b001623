"""The pruner of a worker, by itself: it keeps up with what jobs leave behind."""

from __future__ import annotations

import io

import redis

from retraced.keys import Keys
from retraced.log import Log
from retraced.maintenance.prune import Pruner
from retraced.store.connection import Link
from retraced.store.writes import join
from retraced.worker.subscription import Policy, Subscription


def pruner(link: Link, keys: Keys, **options: float) -> Pruner:
    subscription = Subscription(keys, policy=Policy(), visibility_ms=30_000)
    return Pruner(subscription, link=link, log=Log(stream=io.StringIO()), **options)


async def ended(link: Link, raw: redis.Redis, stream: str, *, jobs: int) -> Keys:
    """A group with the records of so many jobs whose time is over."""
    keys = Keys.of(stream, "g")
    await link.run(join(keys))
    names = [f"{number}-1" for number in range(jobs)]
    raw.zadd(keys.finished, dict.fromkeys(names, 1))
    with raw.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hset(keys.job(name.encode()), "state", "done")
        pipe.execute()
    return keys


async def test_one_sweep_goes_on_until_all_that_is_over_is_gone(
    link: Link, raw: redis.Redis, stream: str
) -> None:
    keys = await ended(link, raw, stream, jobs=1_050)
    await pruner(link, keys, budget_s=30).once()
    assert raw.zcard(keys.finished) == 0
    assert not list(raw.scan_iter(keys.prefix + b"job:*", count=1_000))


async def test_one_sweep_ends_with_its_time(link: Link, raw: redis.Redis, stream: str) -> None:
    keys = await ended(link, raw, stream, jobs=350)
    sweeping = pruner(link, keys, budget_s=0)
    for left in (250, 150, 50, 0):
        await sweeping.once()
        assert raw.zcard(keys.finished) == left
