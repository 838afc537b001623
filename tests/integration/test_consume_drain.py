"""The ends of `retraced consume`: drains, bounds and exit codes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.accounts import Account
from tests.integration.test_consume import add
from tests.waiting import wait_until
from tests.workers import Crew, Ledger


def test_a_drain_of_nothing_ends_at_once(crew: Crew, stream: str) -> None:
    assert crew.drain(stream).ends() == 0


def test_a_drain_waits_for_what_is_delayed(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="note", delay="1500ms")
    assert crew.drain(stream).ends() == 0
    assert ledger.jobs("done") == [job]


def test_a_drain_until_leaves_what_is_due_later(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    soon = add(raw, stream, type="note", delay="1500ms")
    add(raw, stream, type="note", delay="1h")
    worker = crew.consume(stream, "--drain-until", "5s")
    assert worker.ends() == 0
    assert ledger.jobs("done") == [soon]
    assert Account(raw, stream).left() == {"delayed": 1}


def test_a_long_drain_says_what_it_waits_for(crew: Crew, raw: Any, stream: str) -> None:
    add(raw, stream, type="note", delay="1h")
    worker = crew.consume(stream, "--drain")
    [line] = worker.hears("draining", deadline=25)
    assert (line["stream"], line["delayed"]) == (stream, 1)
    assert line["next_due"].startswith("in 59m")


def test_a_drain_waits_for_the_jobs_of_other_workers(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    first = crew.consume(stream).ready()
    job = add(raw, stream, type="sleep", s="1.5")
    wait_until(lambda: ledger.jobs("start") == [job], 5, "started")
    assert crew.drain(stream).ends() == 0
    assert ledger.jobs("done") == [job]
    assert first.stop() == 0


def test_a_drain_of_a_paused_group_ends_with_one(crew: Crew, raw: Any, stream: str) -> None:
    account = Account(raw, stream)
    crew.drain(stream)
    add(raw, stream, type="note")
    raw.hset(account.keys.state, "paused_since", 1)
    worker = crew.drain(stream)
    assert worker.ends() == 1
    assert worker.said("paused")


def test_a_paused_group_takes_no_jobs_and_a_resumed_one_does(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    worker = crew.consume(stream).ready()
    raw.hset(account.keys.state, "paused_since", 1)
    worker.hears("paused")
    job = add(raw, stream, type="note")
    delayed = add(raw, stream, type="note", delay="1ms")
    with pytest.raises(AssertionError):
        wait_until(ledger.lines, 1.5, "nothing runs")
    raw.hdel(account.keys.state, "paused_since")
    wait_until(lambda: set(ledger.jobs("done")) == {job, delayed}, 4, "both done")


def test_a_pause_gives_back_what_was_prefetched(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    running = add(raw, stream, type="sleep", s="3")
    waiting = [add(raw, stream, type="note") for _ in range(5)]
    account = Account(raw, stream)
    crew.consume(stream, "--concurrency", "1", "--prefetch", "20")
    wait_until(lambda: len(account.held()) == 6, 10, "all are held")
    raw.hset(account.keys.state, "paused_since", 1)
    wait_until(lambda: account.held().keys() == {running}, 2.5, "the rest is given back")
    wait_until(lambda: ledger.jobs("done") == [running], 5, "what ran goes on")
    raw.hdel(account.keys.state, "paused_since")
    wait_until(lambda: set(ledger.jobs("done")) == {running, *waiting}, 5, "all done")


@pytest.mark.parametrize("most", [1, 3, 10])
def test_a_worker_with_a_bound_starts_exactly_so_many_jobs(
    crew: Crew, raw: Any, stream: str, ledger: Ledger, most: int
) -> None:
    for _ in range(12):
        add(raw, stream, type="note")
    worker = crew.consume(stream, "--max-jobs", str(most))
    assert worker.ends() == 0
    assert len(ledger.lines("done")) == most
    left = Account(raw, stream).left()
    assert left.get("stream", 0) + left.get("ready", 0) == 12 - most
    assert "held" not in left


def test_a_bounded_worker_counts_retries_and_lets_running_jobs_finish(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    jobs = [add(raw, stream, type="sleep", s="0.3") for _ in range(4)]
    worker = crew.consume(stream, "--max-jobs", "4")
    assert worker.ends() == 0
    assert sorted(ledger.jobs("done")) == jobs
    assert Account(raw, stream).left() == {}


def test_the_last_jobs_of_a_bounded_worker_may_take_longer_than_the_grace_time(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="sleep", s="1.5")
    worker = crew.consume(stream, "--max-jobs", "1", "--grace", "200ms")
    assert worker.ends() == 0
    assert ledger.jobs("done") == [job]
    assert not worker.said("grace_over")


def test_a_bounded_workers_last_jobs_have_the_grace_time_after_a_signal(
    crew: Crew, raw: Any, stream: str
) -> None:
    add(raw, stream, type="sleep", s="60")
    worker = crew.consume(stream, "--max-jobs", "1", "--grace", "200ms")
    worker.hears("stopping")
    assert worker.stop() == 0
    assert worker.said("grace_over")


def test_a_drain_sees_a_job_that_waits_behind_many_unhandled_ones(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    keys = Account(raw, stream).keys
    crew.drain(stream)
    far = (raw.time()[0] + 3600) * 1000
    for number in range(1, 1102):
        raw.hset(keys.job(b"%d-0" % number), mapping={"reason": "unhandled", "f:type": "other"})
        raw.zadd(keys.delayed, {b"%020d-%020d" % (number, 0): far})
    job = add(raw, stream, type="note", delay="2s")
    worker = crew.drain(stream)
    wait_until(lambda: ledger.jobs("done") == [job], 8, "the delayed one is done")
    assert worker.ends() == 5
    assert worker.said("unhandled_left")[0]["types"] == "other (1101)"


def test_two_workers_drain_four_thousand_plain_jobs_and_each_runs_once(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    with raw.pipeline(transaction=False) as pipe:
        for _ in range(4000):
            pipe.xadd(stream, {"type": "note"})
        jobs = [entry.decode() for entry in pipe.execute()]
    workers = [crew.consume(stream, "--drain") for _ in range(2)]
    assert [worker.ends(40) for worker in workers] == [0, 0]
    assert sorted(ledger.jobs("done")) == sorted(jobs)
    assert Account(raw, stream).left() == {}
