"""The crash budget: only witnessed deaths are charged, and neighbours never pay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.accounts import Account
from tests.commands import run
from tests.integration.test_consume import add
from tests.processes import gone
from tests.waiting import wait_until
from tests.workers import Crew, Ledger

SHORT = ("--visibility-timeout", "3s")


@pytest.mark.slow
def test_a_pill_takes_at_most_two_workers_and_its_neighbours_complete(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    neighbours = [add(raw, stream, type="sleep", s="0.1") for _ in range(30)]
    pill = add(raw, stream, type="pill", backoff="fixed:100ms")
    neighbours += [add(raw, stream, type="sleep", s="0.1") for _ in range(30)]
    worker = crew.consume(stream, *SHORT, "--processes", "2", "--concurrency", "20")
    account = Account(raw, stream)
    wait_until(lambda: pill in account.dead() and account.left() == {}, 40, "all ended")
    assert set(ledger.jobs("done")) == set(neighbours)
    assert len(worker.said("process_died")) <= 2
    letter = account.dead()[pill]
    assert (letter["@reason"], letter["@crashes"], letter["@attempts"]) == ("poison", "3", "0")
    assert "exit code 7" in letter["@error"]
    assert list(account.dead()) == [pill]
    assert len(account.events("crashed")) == 2, "the third crash is its death"
    runs = [line for line in ledger.lines("start") if line.job == pill]
    assert len(runs) == len(worker.said("process_died")) + 3
    assert [line.fence for line in runs] == sorted({line.fence for line in runs})
    assert worker.stop() == 0

    put_back = run(crew.url, "dlq", "requeue", stream, "--group", "g", pill, "--yes")
    assert put_back.code == 0, put_back.err
    [(_, fields)] = raw.xrange(account.keys.ready)
    budget = {name: fields[name] for name in (b"@attempt", b"@lost", b"@crashes")}
    assert budget == {b"@attempt": b"0", b"@lost": b"0", b"@crashes": b"0"}
    assert int(fields[b"@deliveries"]) == len(runs)


def test_a_job_lost_ten_times_is_buried_instead_of_handed_out(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    assert crew.drain(stream).ends() == 0
    jobs = [_lost(raw, account, number, times) for number, times in ((1, 8), (2, 9))]
    account.abandon("ghost", source="ready")
    account.tick()
    assert crew.drain(stream).ends() == 5
    assert ledger.jobs("done") == [jobs[0]]
    assert account.dead()[jobs[1]]["@reason"] == "lost"
    assert account.dead()[jobs[1]]["@lost"] == "10"
    assert account.left() == {}


def test_suspects_run_in_children_and_more_of_them_than_children_all_complete(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    assert crew.drain(stream).ends() == 0
    jobs = [_lost(raw, account, number, 2) for number in range(1, 7)]
    ordinary = [add(raw, stream, type="note") for _ in range(5)]
    worker = crew.drain(stream, "--suspects", "2")
    assert worker.ends() == 0
    pids = {line.job: line.pid for line in ledger.lines("done")}
    assert set(pids) == {*jobs, *ordinary}
    assert {pids[job] for job in ordinary} == {worker.pid}
    assert len({pids[job] for job in jobs} - {worker.pid}) == 6, "a process for each"


def test_the_timeout_of_a_suspect_does_not_count_the_start_of_its_process(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    assert crew.drain(stream).ends() == 0
    quick = _lost(raw, account, 1, 2, type="sleep", s="0.01", timeout="150ms", max_attempts="1")
    slow = _lost(raw, account, 2, 2, type="sleep", s="60", timeout="150ms", max_attempts="1")
    assert crew.drain(stream).ends() == 5
    assert ledger.jobs("done") == [quick]
    assert account.dead()[slow]["@error"] == "timed out after 150ms"
    assert account.dead()[slow]["@crashes"] == "0"


def test_the_child_of_a_killed_worker_ends(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    assert crew.drain(stream).ends() == 0
    _lost(raw, account, 1, 2, type="sleep", s="60")
    worker = crew.consume(stream)
    wait_until(lambda: ledger.lines("start"), 10, "started")
    child = ledger.lines("start")[0].pid
    assert child != worker.pid
    worker.kill()
    wait_until(gone(child), 5, "its child has ended")


def test_a_suspect_that_runs_at_the_end_of_the_grace_time_is_released_uncharged(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    assert crew.drain(stream).ends() == 0
    _lost(raw, account, 1, 2, type="sleep", s="60")
    worker = crew.consume(stream, "--grace", "100ms")
    wait_until(lambda: ledger.lines("start"), 10, "started")
    assert worker.stop() == 0
    assert account.left() == {"ready": 1}
    [(_, fields)] = raw.xrange(account.keys.ready)
    assert (fields[b"@attempt"], fields[b"@lost"], fields[b"@crashes"]) == (b"0", b"2", b"0")


def test_an_app_that_children_can_not_import_ends_the_worker_and_charges_no_job(
    crew: Crew, raw: Any, stream: str, tmp_path: Path
) -> None:
    (tmp_path / "brittle.py").write_text(
        "from pathlib import Path\n"
        "from tests.jobs import app\n"
        "marker = Path(__file__).with_name('imported')\n"
        "if marker.exists():\n"
        "    raise RuntimeError('only once')\n"
        "marker.touch()\n"
    )
    account = Account(raw, stream)
    assert crew.drain(stream).ends() == 0
    _lost(raw, account, 1, 2)
    worker = crew.consume(stream, "--app", "brittle:app", PYTHONPATH=str(tmp_path))
    assert worker.ends() == 2
    assert "only once" in worker.text
    assert account.left() == {"ready": 1}
    [(_, fields)] = raw.xrange(account.keys.ready)
    assert (fields[b"@attempt"], fields[b"@lost"], fields[b"@crashes"]) == (b"0", b"2", b"0")


def _lost(raw: Any, account: Account, number: int, times: int, **fields: str) -> str:
    """A job in `ready` that was lost so often before."""
    job = f"{1_700_000_000_000 + number}-0"
    ours = {"@job": job, "@attempt": 0, "@deliveries": times, "@lost": times, "@crashes": 0}
    raw.xadd(account.keys.ready, {**ours, **({"type": "note"} | fields)})
    return job
