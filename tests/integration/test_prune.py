"""The pruner of a worker, by itself: it keeps up with what jobs leave behind."""

from __future__ import annotations

import io
import json

import redis

from retraced.keys import Keys
from retraced.log import Log
from retraced.maintenance.prune import Pruner
from retraced.retention import Retention
from retraced.store.connection import Link
from retraced.store.writes import join, set_facts
from retraced.worker.subscription import Policy, Subscription
from tests.workers import Crew


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


async def test_one_sweep_keeps_to_what_someone_capped_and_says_so(
    link: Link, raw: redis.Redis, stream: str
) -> None:
    keys, written = Keys.of(stream, "g"), io.StringIO()
    await link.run(join(keys, retain=Retention.parse("5")))
    await link.run(set_facts(keys, {"dlq_max": 3, "events_max": 2, "finished_max": 4}))
    with raw.pipeline(transaction=False) as pipe:
        for number in range(120):
            pipe.xadd(keys.dlq, {"@job": f"{number}-1"})
            pipe.xadd(keys.stream, {"a": "b"})
            pipe.zadd(keys.finished, {f"{number}-2": 1e13})
        pipe.execute()
    raw.xgroup_setid(keys.stream, keys.group, "$")
    subscription = Subscription(keys, policy=Policy(), visibility_ms=30_000)
    log = Log(form="json", stream=written)
    await Pruner(subscription, link=link, log=log, budget_s=30).once()
    assert (raw.xlen(keys.dlq), raw.xlen(keys.stream), raw.zcard(keys.finished)) == (3, 5, 4)
    said = [json.loads(line) for line in written.getvalue().splitlines()]
    capped = [line["letters"] for line in said if line["event"] == "dead_letters_capped"]
    assert sum(capped) == 117
    assert raw.hget(keys.state, "n:capped") == b"117"


def test_workers_that_come_for_a_moment_prune_although_takeovers_are_held_off(
    crew: Crew, raw: redis.Redis, stream: str
) -> None:
    keys = Keys.of(stream, "g")
    for _ in range(20):
        raw.xadd(stream, {"type": "reject"})
    assert crew.drain(stream).ends() == 5
    assert raw.xlen(keys.dlq) == 20
    raw.hset(keys.state, "dlq_max", 5)
    assert crew.drain(stream).ends() in {0, 5}
    assert raw.xlen(keys.dlq) == 5
