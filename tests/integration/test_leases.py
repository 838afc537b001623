"""Leases: who may go on, who takes over, and when nobody may."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest
import redis

from tests.accounts import Account
from tests.integration.test_consume import add
from tests.reclaims import QueuedReclaim
from tests.servers import Server
from tests.waiting import wait_until
from tests.workers import Crew, Ledger

V_S = 3.0
SHORT = ("--visibility-timeout", "3s")


def test_the_jobs_of_a_killed_worker_are_taken_over_and_prefetched_ones_run_once(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    doomed = crew.consume(stream, *SHORT, "--concurrency", "2", "--prefetch", "20").ready()
    running = [add(raw, stream, type="sleep", s="2") for _ in range(2)]
    waiting = [add(raw, stream, type="note") for _ in range(6)]
    account = Account(raw, stream)
    wait_until(lambda: len(account.held()) == 8 and len(ledger.lines("start")) == 2, 5, "all held")
    doomed.kill()
    killed_ms = time.time_ns() // 1_000_000
    crew.consume(stream, *SHORT)
    wait_until(lambda: account.left() == {}, 15, "all done")
    again = [line for line in ledger.lines("start") if line.fence == 2]
    assert sorted(line.job for line in again) == running
    assert {line.attempt for line in again} == {1}, "a death is no attempt"
    assert all(line.at_ms - killed_ms > 2 / 3 * V_S * 1000 - 100 for line in again)
    assert sorted(ledger.jobs("done")) == sorted([*running, *waiting])
    reclaimed = account.events("reclaimed")
    assert sorted(event["job"] for event in reclaimed) == sorted([*running, *waiting])
    assert account.record(running[0])["state"] == "done"


def test_a_worker_that_slept_through_its_lease_can_not_settle_the_job(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    zombie = crew.consume(stream, *SHORT).ready()
    other = crew.consume(stream, *SHORT).ready()
    zombie.signal(signal.SIGSTOP)
    other.signal(signal.SIGSTOP)
    job = add(raw, stream, type="sleep", s="1")
    account = Account(raw, stream)
    zombie.signal(signal.SIGCONT)
    wait_until(lambda: ledger.lines("start") or _wake(other), 10, "it runs")
    owner = ledger.lines("start")[0].pid
    if owner != zombie.pid:
        zombie, other = other, zombie
    zombie.signal(signal.SIGSTOP)
    other.signal(signal.SIGCONT)
    wait_until(lambda: len(ledger.lines("start")) == 2, 15, "the other runs it")
    zombie.signal(signal.SIGCONT)
    wait_until(lambda: zombie.said("stale") or zombie.said("lease_lost"), 5, "it is told")
    wait_until(lambda: account.left() == {}, 15, "the other has done it")
    assert zombie.stop() == 0
    assert [line.fence for line in ledger.lines("start")] == [1, 2]
    completed = account.events("completed")
    assert [event["job"] for event in completed] == [job]
    assert account.left() == {}


def _wake(worker: Any) -> bool:
    worker.signal(signal.SIGCONT)
    return False


@pytest.mark.slow
def test_a_blocked_event_loop_keeps_its_leases_for_three_visibility_timeouts_and_no_longer(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="stall_once", s="14")
    blocked = crew.consume(stream, *SHORT)
    wait_until(lambda: ledger.lines("start"), 10, "it runs")
    crew.consume(stream, *SHORT)
    [line] = blocked.hears("loop_stalled", deadline=6)
    assert "stall_once" in line["stack"]
    wait_until(lambda: len(ledger.lines("start")) == 2, 20, "taken over")
    first, second = ledger.lines("start")
    assert second.at_ms - first.at_ms > 3 * V_S * 1000
    wait_until(lambda: blocked.said("gone") or blocked.said("lease_lost"), 10, "it is told")
    assert [event["job"] for event in Account(raw, stream).events("completed")] == [job]
    assert len(blocked.said("loop_stalled")) == 1


def test_takeovers_do_not_wait_for_the_end_of_a_backlog(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    assert crew.drain(stream, *SHORT).ends() == 0
    lost = [add(raw, stream, type="note") for _ in range(20)]
    account.abandon("ghost")
    with raw.pipeline(transaction=False) as pipe:
        for _ in range(3_000):
            pipe.xadd(stream, {"type": "sleep", "s": "0.02"})
        pipe.execute()
    account.tick()
    crew.consume(stream, "--concurrency", "5")
    wait_until(lambda: set(lost) <= set(ledger.jobs("done")), 15, "the lost ones are done")
    assert raw.xlen(stream) > 0, "the backlog is not yet done"


def test_prefetched_jobs_go_to_a_hungry_worker_and_cost_no_attempt(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    full = crew.consume(stream, "--concurrency", "1", "--prefetch", "20").ready()
    add(raw, stream, type="sleep", s="6")
    waiting = [add(raw, stream, type="note") for _ in range(10)]
    account = Account(raw, stream)
    wait_until(lambda: len(account.held()) == 11, 5, "all are held by the first")
    crew.consume(stream)
    wait_until(lambda: sorted(ledger.jobs("done")) == waiting, 5, "the second has done them")
    assert {line.attempt for line in ledger.lines("done")} == {1}
    assert full.pid not in {line.pid for line in ledger.lines("done")}
    assert {event["event"] for event in account.events()} <= {"released", "completed"}


def test_prefetched_jobs_are_given_back_after_one_visibility_timeout(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    crew.consume(stream, *SHORT, "--concurrency", "1", "--prefetch", "20").ready()
    add(raw, stream, type="sleep", s="6")
    waiting = [add(raw, stream, type="note") for _ in range(10)]
    account = Account(raw, stream)
    wait_until(lambda: raw.xlen(account.keys.ready) == 10, 8, "given back")
    assert len(account.held()) == 1
    assert sorted(event["job"] for event in account.events("released")) == waiting
    assert account.events("reclaimed") == []


def test_an_entry_whose_delivery_got_lost_on_its_way_is_found_by_its_own_worker(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    worker = crew.consume(stream, *SHORT).ready()
    name = worker.said("joined")[0]["worker"]
    account = Account(raw, stream)
    wait_until(lambda: raw.hexists(account.keys.state, "tick"), 5, "it ticks")
    with raw.pipeline(transaction=True) as pipe:
        pipe.xadd(stream, {"type": "note"})
        pipe.xreadgroup("g", name, {stream: ">"})
        job = pipe.execute()[0].decode()
    raw.xclaim(stream, "g", name, 0, [job], idle=60_000, justid=True)
    wait_until(lambda: ledger.jobs("done") == [job], V_S + 4, "found")
    wait_until(lambda: account.left() == {}, 5, "settled")


@pytest.mark.slow
@pytest.mark.parametrize("held_off", [True, False], ids=["as it is", "without the hold-off"])
def test_nothing_is_taken_over_after_redis_stood_still(
    private_server: Server, private_crew: Crew, held_off: bool
) -> None:
    """The second case proves that the first one looks at the right thing."""
    with redis.Redis.from_url(private_server.url) as raw:
        stream, ledger = "stopped", private_crew.ledger
        jobs = [add(raw, stream, type="sleep", s="12") for _ in range(40)]
        workers = [private_crew.consume(stream, *SHORT, "--concurrency", "20") for _ in range(2)]
        wait_until(lambda: len(ledger.lines("start")) == 40, 10, "all run")
        thieves = [QueuedReclaim(private_server, stream, held_off=held_off) for _ in range(3)]
        for worker in workers:  # for a moment, so that nothing of theirs is queued before
            worker.signal(signal.SIGSTOP)
        private_server.pause()
        try:
            for thief in thieves:
                thief.send()
            for worker in workers:
                worker.signal(signal.SIGCONT)
            began = time.monotonic()
            wait_until(lambda: time.monotonic() - began > 3 * V_S, 4 * V_S, "three timeouts")
        finally:
            private_server.unpause()
        stolen = [job for thief in thieves for job in thief.taken()]
        if not held_off:
            assert stolen, "without the hold-off live jobs are taken"
            return
        assert stolen == []
        wait_until(lambda: len(ledger.lines("done")) == 40, 15, "all done")
        account = Account(raw, stream)
        wait_until(lambda: account.left() == {}, 10, "all settled")
        assert sorted(ledger.jobs("start")) == jobs
        assert account.events("reclaimed") == []
        assert [worker.stop() for worker in workers] == [0, 0]
        assert [len(worker.said("redis_away")) for worker in workers] == [1, 1]
        assert [len(worker.said("redis_back")) for worker in workers] == [1, 1]
