"""How long after their due time delayed jobs and retries start while slots are free."""

from __future__ import annotations

from random import Random

import redis

from tests.accounts import Account
from tests.chaos.books import Books, spread
from tests.servers import Server
from tests.waiting import wait_until
from tests.workers import Crew

STREAM = "late"
BOUND_MS = 20


def play(server: Server, crew: Crew, random: Random, jobs: int) -> Books:
    """Never early; how late is for people to judge."""
    for _ in range(2):
        crew.consume(STREAM).ready()
    with redis.Redis.from_url(server.url) as client:
        account = Account(client, STREAM)
        due: dict[str, int] = {}
        for _ in range(jobs):
            delay_ms = random.randint(200, 8000)
            entry = client.xadd(STREAM, {"type": "note", "delay": f"{delay_ms}ms"})
            job = entry.decode()
            due[job] = int(job.split("-")[0]) + delay_ms
        wait_until(lambda: not account.left(), 30, "nothing is left")
        promoted = {event["job"]: int(event["at"]) for event in account.events("promoted")}
    starts = {line.job: line.at_ms for line in crew.ledger.lines("done")}
    late = [starts[job] - due[job] for job in due]
    books = Books()
    books.note("delayed jobs", jobs)
    in_redis = [promoted[job] - due[job] for job in due if job in promoted]
    books.note("after due", "least / median / p99 / most")
    books.must("promoted", spread(in_redis), hold=min(in_redis) >= 0)
    books.must("started", spread(late), hold=min(late) >= 0)
    within = sum(value <= BOUND_MS for value in late)
    books.note(f"within {BOUND_MS} ms", f"{within} of {len(late)}")
    return books
