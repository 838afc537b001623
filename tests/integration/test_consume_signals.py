"""SIGTERM, SIGINT and the processes of `--processes`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.accounts import Account
from tests.integration.test_consume import add
from tests.processes import gone
from tests.servers import Server
from tests.waiting import wait_until
from tests.workers import Crew, Ledger


def test_sigterm_lets_running_jobs_finish_and_takes_no_new_ones(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    jobs = [add(raw, stream, type="sleep", s="1") for _ in range(5)]
    worker = crew.consume(stream)
    wait_until(lambda: len(ledger.lines("start")) == 5, 10, "started")
    worker.signal(signal.SIGTERM)
    worker.hears("stopping")
    late = add(raw, stream, type="note")
    assert worker.ends() == 0
    assert sorted(ledger.jobs("done")) == jobs
    assert late not in ledger.jobs("start")
    # Released, when the read that SIGTERM ends was quicker than the end.
    assert Account(raw, stream).left() in ({"stream": 1}, {"ready": 1})
    assert raw.xinfo_consumers(stream, "g") == [], "it has left the group"


def test_after_the_grace_time_running_jobs_are_released_uncharged(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    jobs = [add(raw, stream, type="sleep", s="60", max_attempts=1) for _ in range(3)]
    jobs += [add(raw, stream, type="convert", max_attempts=1)]
    worker = crew.consume(stream, "--grace", "300ms")
    wait_until(lambda: len(ledger.lines("start")) == 4, 10, "started")
    assert worker.stop() == 0
    account = Account(raw, stream)
    assert account.left() == {"ready": 4}
    assert sorted(event["job"] for event in account.events("released")) == jobs
    ready = [fields for _, fields in raw.xrange(account.keys.ready)]
    assert {(f[b"@attempt"], f[b"@lost"], f[b"@begun"]) for f in ready} == {(b"0", b"0", b"1")}
    assert {f[b"@job"].decode() for f in ready} == set(jobs)


def test_prefetched_jobs_are_released_at_once_and_never_began(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    running = add(raw, stream, type="sleep", s="1")
    waiting = [add(raw, stream, type="note") for _ in range(10)]
    worker = crew.consume(stream, "--concurrency", "1", "--prefetch", "20")
    account = Account(raw, stream)
    wait_until(lambda: len(account.held()) == 11, 10, "all are held")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: account.held().keys() == {running}, 3, "the rest is released")
    assert ledger.jobs("done") == []
    assert worker.ends() == 0
    assert account.left() == {"ready": 10}
    assert crew.drain(stream).ends() == 0
    assert sorted(ledger.jobs("done")) == sorted([running, *waiting])
    assert {line.attempt for line in ledger.lines("done")} == {1}


def test_a_second_signal_does_not_wait_for_the_grace_time(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    add(raw, stream, type="sleep", s="60")
    worker = crew.consume(stream, "--grace", "60s")
    wait_until(lambda: ledger.lines("start"), 10, "started")
    worker.signal(signal.SIGINT)
    worker.hears("stopping")
    worker.signal(signal.SIGINT)
    assert worker.ends(5) == 0
    assert Account(raw, stream).left() == {"ready": 1}


def test_a_second_signal_is_heeded_while_redis_is_silent(
    private_server: Server, private_crew: Crew
) -> None:
    worker = private_crew.consume("any").ready()
    private_server.pause()
    try:
        worker.signal(signal.SIGTERM)
        worker.hears("stopping")
        began = time.monotonic()
        worker.signal(signal.SIGTERM)
        assert worker.ends() == 0
        assert time.monotonic() - began < 4.5, "sooner than it waits for one answer"
    finally:
        private_server.unpause()


def test_sigterm_ends_a_blocked_read_at_once_and_strands_nothing(
    crew: Crew, raw: Any, stream: str
) -> None:
    worker = crew.consume(stream).ready()
    wait_until(lambda: raw.info("clients")["blocked_clients"] == 1, 5, "the read blocks")
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 2.5
    assert raw.xinfo_consumers(stream, "g") == []


def test_a_stop_in_the_rush_of_arrivals_leaves_nothing_held(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    for _ in range(3):
        worker = crew.consume(stream, "--concurrency", "5").ready()
        with raw.pipeline(transaction=False) as pipe:
            for _ in range(1500):
                pipe.xadd(stream, {"type": "note"})
            pipe.execute()
        assert worker.stop() == 0
        assert "held" not in account.left()
    assert crew.drain(stream).ends() == 0
    assert len(set(ledger.jobs("done"))) == len(ledger.jobs("done")) == 4500


def test_a_command_that_ignores_sigterm_is_killed_and_its_job_released(
    crew: Crew, raw: Any, stream: str, tmp_path: Path
) -> None:
    add(raw, stream, to="ada")
    script = tmp_path / "stubborn.py"
    script.write_text(
        "import os,signal,time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(60)\n"
    )
    worker = crew.consume(stream, "--exec", f"{sys.executable} {script}", "--grace", "100ms")
    pid = int(worker.hears("output")[0]["line"])
    assert worker.stop() == 0
    assert gone(pid)()
    assert Account(raw, stream).left() == {"ready": 1}


def test_a_handler_that_ignores_its_cancellation_does_not_keep_the_worker(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    add(raw, stream, type="deaf")
    worker = crew.consume(stream, "--grace", "100ms")
    wait_until(lambda: ledger.lines("start"), 10, "started")
    assert worker.stop() == 0
    assert worker.said("left_running")
    assert list(Account(raw, stream).held()) == [ledger.lines()[0].job]


def test_a_thread_that_a_handler_left_does_not_keep_the_process(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    add(raw, stream, type="to_thread", s="60")
    worker = crew.consume(stream, "--grace", "100ms")
    wait_until(lambda: ledger.lines("start"), 10, "started")
    assert worker.stop() == 0
    assert Account(raw, stream).left() == {"ready": 1}


def test_a_child_that_dies_is_started_again_whatever_its_exit_code(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    worker = crew.consume(stream, "--processes", "2")
    worker.hears("joined", times=2)
    children = _children(worker.pid)
    assert len(children) == 2
    os.kill(children[0], signal.SIGKILL)
    worker.hears("joined", times=3)
    add(raw, stream, type="pill")  # it ends its process with an exit code of its own
    worker.hears("joined", times=4)
    assert {line["how"] for line in worker.said("process_died")} == {
        "killed by signal SIGKILL",
        "exit code 7",
    }
    jobs = [add(raw, stream, type="note") for _ in range(20)]
    wait_until(lambda: set(jobs) <= set(ledger.jobs("done")), 10, "done")
    assert worker.stop() == 0


def test_children_end_in_order_when_their_supervisor_is_killed(
    crew: Crew, raw: Any, stream: str
) -> None:
    worker = crew.consume(stream, "--processes", "2")
    worker.hears("joined", times=2)
    children = _children(worker.pid)
    worker.kill()
    worker.hears("stopped", times=2)
    wait_until(lambda: all(gone(child)() for child in children), 5, "the children are gone")


def test_a_drain_by_several_processes_ends_with_the_worst_of_their_codes(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    add(raw, stream, type="hopeless", max_attempts=1)
    jobs = [add(raw, stream, type="note") for _ in range(200)]
    worker = crew.consume(stream, "--processes", "2", "--drain")
    assert worker.ends(30) == 5
    assert sorted(ledger.jobs("done")) == sorted(jobs)


@pytest.mark.parametrize("arguments", [("--exec", "/no/such/command"), ("--app", "tests.none:app")])
def test_children_that_can_not_start_are_not_started_again(
    crew: Crew, stream: str, arguments: tuple[str, ...]
) -> None:
    assert crew.consume(stream, *arguments, "--processes", "2").ends() == 2


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]
