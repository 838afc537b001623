"""Several groups on one stream: each gets every job, and nothing of another's trouble."""

from __future__ import annotations

from typing import Any

import pytest

from tests.accounts import Account
from tests.commands import run
from tests.integration.test_consume import add
from tests.waiting import wait_until
from tests.workers import Crew, Ledger

SHORT = ("--visibility-timeout", "3s")
FAILING = ("--exec", "false", "--max-attempts", "2", "--backoff", "fixed:50ms")


@pytest.mark.parametrize("groups", [("a", "b"), ("a", "b", "c")], ids="-".join)
def test_a_group_that_always_fails_touches_no_other(
    crew: Crew, raw: Any, stream: str, ledger: Ledger, groups: tuple[str, ...]
) -> None:
    jobs = [add(raw, stream, type="note") for _ in range(20)]
    for group in groups:
        created = run(crew.url, "groups", "create", stream, "--group", group)
        assert created.code == 0, created.err
    accounts = {group: Account(raw, stream, group) for group in groups}
    failing, *sound = groups
    assert crew.drain(stream, *FAILING, group=failing).ends() == 5
    assert raw.xlen(stream) == 20, "the others still need every entry"
    for number, group in enumerate(sound, 1):
        assert crew.drain(stream, group=group).ends() == 0
        assert len(ledger.jobs("done")) == 20 * number
    assert raw.xlen(stream) == 0
    assert set(accounts[failing].dead()) == set(jobs)
    assert all(accounts[group].dead() == {} for group in sound)
    assert all(account.left() == {} for account in accounts.values())
    assert all(not accounts[group].events("failed") for group in sound)


def test_an_entry_stays_while_any_group_holds_it(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    for group in ("quick", "slow"):
        assert crew.drain(stream, *SHORT, group=group).ends() == 0
    job = add(raw, stream, type="note")
    held = Account(raw, stream, "slow").abandon("somebody", idle_ms=0)
    assert held == [job]
    assert crew.drain(stream, group="quick").ends() == 0
    assert raw.xlen(stream) == 1
    raw.xack(stream, "slow", job)
    crew.consume(stream, group="quick")
    wait_until(lambda: raw.xlen(stream) == 0, 8, "the sweep trims what nobody needs")


def test_a_late_group_gets_what_comes_after_it_and_what_is_still_there(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    assert crew.drain(stream, group="early").ends() == 0
    before = [add(raw, stream, type="note") for _ in range(3)]
    assert crew.drain(stream, group="early").ends() == 0
    still = [add(raw, stream, type="note") for _ in range(3)]
    assert crew.drain(stream, group="late").ends() == 0
    assert ledger.jobs("done") == [*before, *still]
    assert raw.xlen(stream) == 3, "the early group has not seen them"
    assert crew.drain(stream, group="early").ends() == 0
    assert raw.xlen(stream) == 0


def test_what_a_destroyed_group_had_pinned_is_trimmed_by_the_sweep_of_another(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    for group in ("stays", "goes"):
        assert crew.drain(stream, *SHORT, group=group).ends() == 0
    jobs = [add(raw, stream, type="note") for _ in range(10)]
    worker = crew.consume(stream, group="stays")
    wait_until(lambda: sorted(ledger.jobs("done")) == jobs, 10, "done")
    assert raw.xlen(stream) == 10, "the other group pins them"
    raw.xgroup_destroy(stream, "goes")
    wait_until(lambda: raw.xlen(stream) == 0, 8, "trimmed")
    assert worker.stop() == 0


def test_an_entry_that_somebody_removed_is_told_as_vanished_and_never_as_done(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    assert crew.drain(stream).ends() == 0
    account = Account(raw, stream)
    failing, kept = add(raw, stream, type="hopeless"), add(raw, stream, type="note")
    silent = add(raw, stream, type="note")
    account.abandon("ghost")
    raw.xdel(stream, failing, silent)
    account.tick()
    crew.consume(stream)
    wait_until(lambda: account.left() == {}, 10, "nothing is left")
    assert ledger.jobs("done") == [kept]
    assert sorted(event["job"] for event in account.events("vanished")) == [failing, silent]
    assert [event["job"] for event in account.events("completed")] == [kept]


def test_a_running_job_whose_entry_is_removed_is_told_as_vanished(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="sleep", s="4", max_attempts=1)
    crew.consume(stream, *SHORT)
    wait_until(lambda: ledger.jobs("start") == [job], 10, "it runs")
    raw.xdel(stream, job)
    account = Account(raw, stream)
    wait_until(lambda: account.events("vanished"), 5, "the renewal finds it")
    wait_until(lambda: account.left() == {}, 5, "nothing is left")
    assert account.events("completed") == []


def test_xpending_by_hand_shows_what_the_workers_hold_and_pending_agrees(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    workers = [crew.consume(stream, "--concurrency", "2").ready() for _ in range(2)]
    first = [add(raw, stream, type="sleep", s="20") for _ in range(3)]
    retried = add(raw, stream, type="second", s="20", backoff="fixed:50ms")
    wait_until(lambda: len(ledger.lines("held")) + len(ledger.lines("start")) == 4, 10, "all run")
    account = Account(raw, stream)
    held = account.held()
    assert set(held) == {*first, retried}
    on_ready = raw.xpending_range(account.keys.ready, "g", "-", "+", 10)
    assert [row["times_delivered"] for row in on_ready] == [1]
    on_stream = raw.xpending_range(stream, "g", "-", "+", 10)
    assert [row["message_id"].decode() for row in on_stream] == first
    shown = run(crew.url, "pending", stream, "--group", "g")
    assert shown.code == 0, shown.err
    assert {row["id"]: row["worker"] for row in shown.rows} == held
    pids = {line.job: line.pid for line in ledger.lines() if line.word in ("start", "held")}
    assert {job: int(name.split("-")[-2]) for job, name in held.items()} == pids
    for worker in workers:
        worker.kill()
