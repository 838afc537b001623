"""Pause: who, when and why is said wherever it matters, and `--pause-on-failure` does it itself."""

from __future__ import annotations

from typing import Any

from retraced.store import writes
from retraced.store.connection import Connector
from tests.accounts import Account
from tests.integration.test_consume import add
from tests.waiting import wait_until
from tests.workers import Crew, Ledger

ONE_BY_ONE = ("--concurrency", "1", "--prefetch", "0")


def pause(crew: Crew, account: Account) -> None:
    link = Connector(crew.url).open_blocking()
    verdict = link.run(writes.pause(account.keys, by="ada@desk", why="the bank is down"))
    link.close()
    assert verdict.ruling is writes.Ruling.OK


def resume(crew: Crew, account: Account) -> None:
    link = Connector(crew.url).open_blocking()
    link.run(writes.resume(account.keys, by="ada@desk"))
    link.close()


def test_a_worker_says_who_paused_its_group_and_why(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    worker = crew.consume(stream).ready()
    pause(crew, account)
    [line] = worker.hears("paused")
    assert (line["by"], line["why"]) == ("ada@desk", "the bank is down")
    assert line["since"].startswith("20")
    assert f"retraced resume {stream} --group g" in line["what"]
    resume(crew, account)
    worker.hears("resumed")


def test_a_worker_that_starts_on_a_paused_group_says_so_and_starts_nothing(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    assert crew.drain(stream).ends() == 0
    pause(crew, account)
    jobs = [add(raw, stream, type="note"), add(raw, stream, type="note", delay="1ms")]
    worker = crew.consume(stream)
    [line] = worker.hears("paused")
    assert (line["by"], line["why"]) == ("ada@desk", "the bank is down")
    assert account.left() == {"stream": 2}
    resume(crew, account)
    wait_until(lambda: set(ledger.jobs("done")) == set(jobs), 5, "both done")
    assert len(worker.said("paused")) == 1


def test_running_jobs_finish_and_prefetched_ones_are_given_back(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    running = add(raw, stream, type="sleep", s="3")
    waiting = [add(raw, stream, type="note") for _ in range(5)]
    crew.consume(stream, "--concurrency", "1", "--prefetch", "20")
    wait_until(lambda: len(account.held()) == 6, 10, "all are held")
    pause(crew, account)
    wait_until(lambda: account.held().keys() == {running}, 2.9, "the rest is given back")
    wait_until(lambda: ledger.jobs("done") == [running], 6, "what ran goes on")
    wait_until(lambda: account.left() == {"ready": 5}, 5, "and nothing else is begun")
    resume(crew, account)
    wait_until(lambda: set(ledger.jobs("done")) == {running, *waiting}, 5, "all done")


def test_so_many_failures_pause_the_group_with_figures_and_error(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    bad = [add(raw, stream, type="hopeless", max_attempts=1) for _ in range(400)]
    worker = crew.consume(stream, *ONE_BY_ONE, "--pause-on-failure", "90%/10")
    [paused] = worker.hears("paused_on_failure")
    assert paused["why"] == (
        "10 of this worker's last 10 attempts failed (100%); "
        "most often, 10 times: ValueError: hopeless"
    )
    assert f"retraced resume {stream} --group g" in paused["what"]
    state = {k.decode(): v.decode() for k, v in raw.hgetall(account.keys.state).items()}
    assert state["paused_by"] == worker.said("joined")[0]["worker"]
    assert state["paused_why"] == paused["why"]
    wait_until(lambda: not account.held(), 5, "what had begun has ended")
    assert 10 <= len(account.dead()) < len(bad)
    assert crew.drain(stream).ends() == 1, "a drain of a paused group fails"


def test_the_failures_before_a_resume_do_not_count_after_it(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    for _ in range(10):
        add(raw, stream, type="hopeless", max_attempts=1)
    worker = crew.consume(stream, *ONE_BY_ONE, "--pause-on-failure", "90%/10")
    worker.hears("paused_on_failure")
    wait_until(lambda: len(account.dead()) == 10, 5, "all are dead")
    for _ in range(8):
        add(raw, stream, type="hopeless", max_attempts=1)
    good = add(raw, stream, type="note")
    resume(crew, account)
    wait_until(lambda: ledger.jobs("done") == [good], 5, "the good one is done")
    worker.hears("resumed")
    wait_until(lambda: len(account.dead()) == 18, 5, "the others are dead")
    add(raw, stream, type="hopeless", max_attempts=1)
    worker.hears("paused_on_failure", times=2)
    assert worker.said("paused_on_failure")[1]["why"].startswith("9 of this worker's last 10")


def test_what_fails_while_the_group_is_paused_does_not_count_after_it_either(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    slow = add(raw, stream, type="planned", ms=1500, fails=9, max_attempts=1)
    for _ in range(2):
        add(raw, stream, type="hopeless", max_attempts=1)
    worker = crew.consume(stream, "--pause-on-failure", "100%/2")
    worker.hears("paused_on_failure")
    wait_until(lambda: slow in account.dead(), 10, "the slow one has failed, too")
    resume(crew, account)
    worker.hears("resumed")
    add(raw, stream, type="hopeless", max_attempts=1)
    wait_until(lambda: len(account.dead()) == 4, 5, "one more is dead")
    good = add(raw, stream, type="note")
    wait_until(lambda: good in ledger.jobs("done"), 5, "it isn't paused")
    assert len(worker.said("paused_on_failure")) == 1


def test_a_good_deploy_is_not_paused(crew: Crew, raw: Any, stream: str, ledger: Ledger) -> None:
    for _ in range(40):
        add(raw, stream, type="note")
        add(raw, stream, type="hopeless", max_attempts=1)
    worker = crew.drain(stream, *ONE_BY_ONE, "--pause-on-failure", "60%/10")
    assert worker.ends() == 5
    assert not worker.said("paused_on_failure")
    assert len(ledger.lines("done")) == 40


def test_a_limit_that_can_not_be_understood_ends_the_worker_with_two(
    crew: Crew, stream: str
) -> None:
    worker = crew.consume(stream, "--pause-on-failure", "often")
    assert worker.ends() == 2
    assert "90%/100" in worker.text
