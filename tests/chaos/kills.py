"""Workers die by SIGKILL in the middle of work and are started again at once."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from random import Random
from typing import Any

import redis

from tests.accounts import Account
from tests.chaos.books import Books
from tests.servers import Server
from tests.waiting import wait_until
from tests.workers import Consumer, Crew

STREAM = "chaos"
WORKERS, KILLS = 3, 15
ARGUMENTS = (STREAM, "--visibility-timeout", "5s", "--concurrency", "10")
LONGEST_S = 300.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What one job is to do: how long it runs, how often it fails first, and its delay."""

    ms: int
    fails: int
    delay_ms: int


@dataclass(slots=True)
class Deaths:
    """What the killed held: (job, fence) of each delivery that had started and was not settled."""

    count: int = 0
    unsettled: int = 0


def play(server: Server, crew: Crew, random: Random, jobs: int) -> Books:
    """At most one extra run for each job that had started and was not settled at a kill."""
    with redis.Redis.from_url(server.url) as client:
        account = Account(client, STREAM)
        plans = _add(client, random, jobs)
        began = time.monotonic()
        deaths = _work(crew, account, random)
        wait_until(lambda: not account.left(), LONGEST_S, "nothing is left")
        return _books(crew, account, plans, deaths, time.monotonic() - began)


def _add(client: Any, random: Random, jobs: int) -> dict[str, Plan]:
    plans: dict[str, Plan] = {}
    while len(plans) < jobs:
        batch = [_plan(random) for _ in range(min(500, jobs - len(plans)))]
        with client.pipeline(transaction=False) as pipe:
            for plan in batch:
                pipe.xadd(STREAM, _fields(plan))
            plans |= zip([entry.decode() for entry in pipe.execute()], batch, strict=True)
    return plans


def _plan(random: Random) -> Plan:
    return Plan(
        ms=random.randint(20, 200),
        fails=random.choices((0, 1, 2), (90, 7, 3))[0],
        delay_ms=random.choices((0, random.randint(500, 20_000)), (90, 10))[0],
    )


def _fields(plan: Plan) -> dict[str, str]:
    fields = {"type": "planned", "payload": json.dumps({"ms": plan.ms, "fails": plan.fails})}
    fields["backoff"] = "exponential:200ms..2s"
    return fields | ({"delay": f"{plan.delay_ms}ms"} if plan.delay_ms else {})


def _work(crew: Crew, account: Account, random: Random) -> Deaths:
    """Kills a random worker whenever one has work in hand, some seconds apart."""
    workers = [crew.consume(*ARGUMENTS).ready() for _ in range(WORKERS)]
    deaths = Deaths()
    while deaths.count < KILLS and account.left():
        place = random.randrange(WORKERS)
        pause_until = time.monotonic() + random.uniform(0.5, 2.5)
        wait_until(lambda until=pause_until: time.monotonic() > until, 5)  # type: ignore[misc]
        if not _at_work(crew, workers[place]):
            continue
        workers[place].kill()
        deaths.count += 1
        deaths.unsettled += _unsettled(crew, account, workers[place])
        workers[place] = crew.consume(*ARGUMENTS)
    return deaths


def _at_work(crew: Crew, worker: Consumer) -> bool:
    lines = [line for line in crew.ledger.lines() if line.pid == worker.pid]
    started = sum(line.word == "start" for line in lines)
    return started > len(lines) - started


def _unsettled(crew: Crew, account: Account, worker: Consumer) -> int:
    """How many deliveries the dead one still holds whose run had begun."""
    begun = {(line.job, line.fence) for line in crew.ledger.lines("start")}
    held = account.fences(lambda consumer: consumer.split("-")[-2] == str(worker.pid))
    return len(held & begun)


def _books(
    crew: Crew, account: Account, plans: dict[str, Plan], deaths: Deaths, seconds: float
) -> Books:
    runs = [line for line in crew.ledger.lines("start") if line.job in plans]
    done = set(crew.ledger.jobs("done"))
    planned = sum(1 + plan.fails for plan in plans.values())
    first: dict[str, int] = {}
    for line in runs:
        first[line.job] = min(line.at_ms, first.get(line.job, line.at_ms))
    early = [
        job
        for job, plan in plans.items()
        if job in first and first[job] < int(job.split("-")[0]) + plan.delay_ms
    ]
    books = Books()
    books.note("jobs added", len(plans))
    books.note("seconds", round(seconds, 1))
    books.must("kills that fell into work", deaths.count, hold=deaths.count == KILLS)
    books.must("lost", len(plans.keys() - done), hold=plans.keys() <= done)
    books.must("buried", len(account.dead()), hold=not account.dead())
    books.must("started early", len(early), hold=not early)
    books.note("runs planned (with failures)", planned)
    extra = len(runs) - planned
    books.note("started and unsettled at the kills", deaths.unsettled)
    books.must("extra runs", extra, hold=0 <= extra <= deaths.unsettled)
    books.note("takeovers", len(account.events("reclaimed")))
    left = account.left()
    books.must("left in stream, ready, delayed, pending", left or 0, hold=not left)
    return books
