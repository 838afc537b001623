"""Redis stands still for three visibility timeouts under long jobs, with reclaim calls queued."""

from __future__ import annotations

import time
from random import Random

import redis

from tests.accounts import Account
from tests.chaos.books import Books
from tests.reclaims import QueuedReclaim
from tests.servers import Server
from tests.waiting import wait_until
from tests.workers import Crew

STREAM = "stopped"
V_S = 3.0


def play(server: Server, crew: Crew, random: Random, jobs: int) -> Books:
    """No job runs twice, and none is lost."""
    ledger = crew.ledger
    with redis.Redis.from_url(server.url) as client:
        account = Account(client, STREAM)
        workers = [
            crew.consume(STREAM, "--visibility-timeout", "3s", "--concurrency", str(jobs))
            for _ in range(3)
        ]
        for worker in workers:
            worker.ready()
        for _ in range(jobs):
            client.xadd(STREAM, {"type": "sleep", "s": str(random.uniform(10, 14))})
        wait_until(lambda: len(ledger.lines("start")) == jobs, 20, "all run")
        thieves = [QueuedReclaim(server, STREAM, held_off=True) for _ in range(3)]
        server.pause()
        try:
            for thief in thieves:
                thief.send()
            until = time.monotonic() + 3 * V_S
            wait_until(lambda: time.monotonic() > until, 4 * V_S)
        finally:
            server.unpause()
        taken = [entry for thief in thieves for entry in thief.taken()]
        wait_until(lambda: not account.left(), 40, "nothing is left")
        codes = [worker.stop() for worker in workers]
        books = Books()
        books.note("jobs", jobs)
        books.must("taken by the queued calls", len(taken), hold=not taken)
        books.must("starts", len(ledger.lines("start")), hold=len(ledger.lines("start")) == jobs)
        books.must(
            "done", len(set(ledger.jobs("done"))), hold=len(set(ledger.jobs("done"))) == jobs
        )
        books.must(
            "takeovers", len(account.events("reclaimed")), hold=not account.events("reclaimed")
        )
        books.must("exit codes", codes, hold=codes == [0, 0, 0])
        away = [len(worker.said("redis_away")) for worker in workers]
        books.must("times each worker said it", away, hold=away == [1, 1, 1])
        return books
