"""Cancel from anywhere: whatever the job is doing, it ends, and its story says who asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from retraced.client import Client
from tests.accounts import Account
from tests.integration.test_consume import add
from tests.processes import gone
from tests.waiting import wait_until
from tests.workers import Crew, Ledger

SOON = 4.0  # 1.5 s on a machine that does nothing else
SHORT = ("--visibility-timeout", "3s")
ALONE = ("--concurrency", "1", "--prefetch", "0")


def cancel(crew: Crew, stream: str, job: str, group: str = "g") -> None:
    with Client(crew.url) as client:
        client.cancel(stream, job, group=group, by="ada")


def cancelled(account: Account, job: str, deadline: float = SOON) -> dict[str, Any]:
    """The event of its end, once it is there; it follows a request that names who asked."""

    def ends() -> list[dict[str, Any]]:
        return [event for event in account.events("cancelled") if event["job"] == job]

    wait_until(ends, deadline, "it is cancelled")
    [end] = ends()
    [asked] = [event for event in account.events("cancel_requested") if event["job"] == job]
    assert asked["details"]["by"] == "ada"
    assert int(asked["at"]) <= int(end["at"])
    return end


def ignoring(raw: Any, account: Account) -> dict[str, list[Any]]:
    """What the heartbeats say of jobs that were told to end and run on."""
    told: dict[str, list[Any]] = {}
    for worker in raw.zrange(account.keys.workers, 0, -1):
        told |= json.loads(raw.hget(account.keys.worker(worker), "ignoring") or "{}")
    return told


def test_a_running_async_handler_is_cancelled(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    job, other = add(raw, stream, type="sleep", s="60"), add(raw, stream, type="sleep", s="1.5")
    crew.consume(stream)
    wait_until(lambda: len(ledger.lines("start")) == 2, 10, "both run")
    cancel(crew, stream, job)
    end = cancelled(account, job)
    assert end["worker"]
    assert end["details"]["run_ms"] >= 0
    assert "abandoned" not in end["details"]
    wait_until(lambda: account.left() == {}, 5, "nothing is left")
    assert ledger.jobs("done") == [other]


def test_the_process_group_of_a_running_command_is_ended(
    crew: Crew, raw: Any, stream: str, tmp_path: Path
) -> None:
    job = add(raw, stream, to="ada")
    script = tmp_path / "family.sh"
    script.write_text("sleep 300 & echo $! $$\nwait\n")
    worker = crew.consume(stream, "--exec", f"sh {script}")
    pids = [int(pid) for pid in worker.hears("output")[0]["line"].split()]
    cancel(crew, stream, job)
    cancelled(Account(raw, stream), job)
    wait_until(lambda: all(gone(pid)() for pid in pids), 2, "the command and its child are gone")


def test_a_command_that_ignores_sigterm_is_shown_and_then_killed(
    crew: Crew, raw: Any, stream: str, tmp_path: Path
) -> None:
    account = Account(raw, stream)
    job = add(raw, stream, to="ada")
    script = tmp_path / "stubborn.py"
    script.write_text(
        "import os,signal,time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(60)\n"
    )
    worker = crew.consume(stream, "--exec", f"{sys.executable} {script}")
    pid = int(worker.hears("output")[0]["line"])
    cancel(crew, stream, job)
    wait_until(lambda: job in ignoring(raw, account), SOON, "the heartbeat tells of it")
    assert worker.hears("cancel_ignored")[0]["job"] == job
    cancelled(account, job, 10)
    assert gone(pid)()


def test_a_plain_handler_that_looks_at_its_job_ends_by_itself(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="heed")
    crew.consume(stream, *ALONE)
    wait_until(lambda: ledger.lines("start"), 10, "it runs")
    cancel(crew, stream, job)
    end = cancelled(Account(raw, stream), job)
    assert ledger.jobs("heeded") == [job]
    assert "abandoned" not in end["details"]
    after = add(raw, stream, type="note")
    wait_until(lambda: ledger.jobs("done") == [after], 5, "its slot is free")


def test_a_plain_handler_that_ignores_it_is_shown_and_keeps_its_slot_until_it_returns(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    job = add(raw, stream, type="thread", s="5")
    worker = crew.consume(stream, *ALONE)
    wait_until(lambda: ledger.lines("start"), 10, "it runs")
    cancel(crew, stream, job)
    assert cancelled(account, job)["details"]["abandoned"] is True
    assert not account.held(), "it is settled at once"
    assert "job.cancelled" in worker.hears("cancelled")[0]["what"]
    wait_until(lambda: job in ignoring(raw, account), 3, "the heartbeat tells of it")
    assert ignoring(raw, account)[job][::2] == ["cancelled", "thread"]
    after = add(raw, stream, type="note")
    wait_until(lambda: after in ledger.jobs("done"), 10, "the next one runs")
    assert ledger.jobs("done") == [job, after], "not before the thread had returned"
    assert worker.hears("thread_returned")[0]["job"] == job
    wait_until(lambda: not ignoring(raw, account), 3, "the heartbeat forgets it")


def test_an_async_handler_that_ignores_it_is_shown_as_such(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="deaf")
    worker = crew.consume(stream)
    wait_until(lambda: ledger.lines("start"), 10, "it runs")
    cancel(crew, stream, job)
    assert worker.hears("cancel_ignored")[0]["job"] == job
    account = Account(raw, stream)
    wait_until(lambda: job in ignoring(raw, account), 3, "the heartbeat tells of it")
    assert list(account.held()) == [job], "nobody else may have it while it runs"


def test_the_child_process_of_a_suspect_is_ended(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    assert crew.drain(stream, *SHORT).ends() == 0
    job = add(raw, stream, type="sleep", s="60")
    account.abandon("ghost")
    raw.xclaim(stream, "g", "ghost", 0, [job], idle=60_000, retrycount=2, justid=True)
    account.tick()
    worker = crew.consume(stream)
    [line] = wait_until(lambda: ledger.lines("start"), 15, "it runs")
    assert line.pid != worker.pid
    cancel(crew, stream, job)
    cancelled(account, job)
    assert gone(line.pid)()


def test_a_prefetched_job_never_begins(crew: Crew, raw: Any, stream: str, ledger: Ledger) -> None:
    account = Account(raw, stream)
    first, second = add(raw, stream, type="sleep", s="4"), add(raw, stream, type="note")
    crew.consume(stream, "--concurrency", "1", "--prefetch", "5")
    wait_until(lambda: len(account.held()) == 2, 10, "both are held")
    cancel(crew, stream, second)
    cancelled(account, second)
    assert ledger.jobs("done") == []
    wait_until(lambda: ledger.jobs("done") == [first], 8, "the other one ends")


def test_a_queued_job_that_nobody_has_read_never_begins(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    first, second = add(raw, stream, type="sleep", s="1"), add(raw, stream, type="note")
    crew.consume(stream, *ALONE)
    wait_until(lambda: ledger.lines("start"), 10, "the first one runs")
    assert second not in account.held()
    cancel(crew, stream, second)
    cancelled(account, second)
    assert ledger.jobs("done") == [first]


def test_a_job_that_was_given_back_never_begins_again(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    job = add(raw, stream, type="sleep", s="60")
    worker = crew.consume(stream, "--grace", "10ms")
    wait_until(lambda: ledger.lines("start"), 10, "it runs")
    assert worker.stop() == 0
    assert account.left() == {"ready": 1}
    cancel(crew, stream, job)
    assert crew.drain(stream).ends() == 0
    cancelled(account, job)
    assert len(ledger.lines("start")) == 1
    assert account.record(job)["state"] == "cancelled"


def test_a_delayed_job_ends_at_once_with_no_worker_about(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    job = add(raw, stream, type="note", delay="1h")
    worker = crew.consume(stream)
    wait_until(lambda: account.left() == {"delayed": 1}, 10, "it is delayed")
    assert worker.stop() == 0
    cancel(crew, stream, job)
    assert account.left() == {}
    [end] = account.events("cancelled")
    assert (end["job"], end["details"]["by"]) == (job, "ada")


def test_the_cancelled_job_of_a_dead_worker_is_settled_by_those_who_take_over(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    job = add(raw, stream, type="sleep", s="60")
    worker = crew.consume(stream, *SHORT)
    wait_until(lambda: ledger.lines("start"), 10, "it runs")
    worker.kill()
    cancel(crew, stream, job)
    crew.consume(stream)
    cancelled(account, job, 20)
    assert len(ledger.lines("start")) == 1
    assert account.left() == {}


def test_a_cancel_is_for_one_group(crew: Crew, raw: Any, stream: str, ledger: Ledger) -> None:
    for group in ("g", "h"):
        assert crew.drain(stream, group=group).ends() == 0
    job = add(raw, stream, type="sleep", s="2")
    for group in ("g", "h"):
        crew.consume(stream, group=group)
    wait_until(lambda: len(ledger.lines("start")) == 2, 10, "both run it")
    cancel(crew, stream, job)
    cancelled(Account(raw, stream), job)
    other = Account(raw, stream, "h")
    wait_until(lambda: other.events("completed"), 8, "the other group completes it")
    assert ledger.jobs("done") == [job]
    assert not other.events("cancelled")


def test_a_plain_handler_whose_time_is_up_is_told_as_well(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="heed", timeout="200ms", max_attempts="1")
    assert crew.drain(stream).ends() == 5
    wait_until(lambda: ledger.jobs("heeded") == [job], 3, "it heeded")
    assert Account(raw, stream).dead()[job]["@error"] == "timed out after 200ms"
