"""`retraced consume`: every way a job can go, from a plain XADD."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

import pytest

from tests.accounts import Account
from tests.waiting import wait_until
from tests.workers import Crew, Ledger


def add(raw: Any, stream: str, **fields: str | bytes | int) -> str:
    entry: bytes = raw.xadd(stream, dict(fields))
    return entry.decode()


def added_ms(job: str) -> int:
    return int(job.split("-", 1)[0])


def test_a_command_gets_a_plain_xadd_as_json_on_its_stdin(
    crew: Crew, raw: Any, stream: str
) -> None:
    job = add(raw, stream, to="ada@example.org", subject="hi")
    script = "import os,sys;print(os.environ['RETRACED_JOB_ID'], sys.stdin.read())"
    worker = crew.drain(stream, "--exec", f"{sys.executable} -c {shlex.quote(script)}")
    assert worker.ends() == 0
    [line] = worker.said("output")
    job_id, body = line["line"].split(" ", 1)
    assert job_id == job
    assert json.loads(body) == {"to": "ada@example.org", "subject": "hi"}
    assert Account(raw, stream).left() == {}


def test_a_job_that_succeeds_leaves_nothing_but_its_event(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="note")
    assert crew.drain(stream).ends() == 0
    account = Account(raw, stream)
    assert ledger.jobs("done") == [job]
    assert account.left() == {}
    assert account.record(job) == {}
    assert [event["job"] for event in account.events("completed")] == [job]


def test_a_job_that_fails_twice_succeeds_at_its_third_attempt(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="thrice", backoff="fixed:100ms~0%")
    assert crew.drain(stream).ends() == 0
    assert [line.attempt for line in ledger.lines("start")] == [1, 2, 3]
    assert [line.fence for line in ledger.lines("start")] == [1, 2, 3]
    record = Account(raw, stream).record(job)
    assert (record["state"], record["attempt"]) == ("done", "3")


def test_a_hopeless_job_is_buried_after_its_attempts_and_the_drain_says_so(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="hopeless", max_attempts=3, backoff="immediate:2,fixed:1s")
    neighbour = add(raw, stream, type="note")
    assert crew.drain(stream).ends() == 5
    account = Account(raw, stream)
    assert account.dead()[job]["@reason"] == "exhausted"
    assert account.dead()[job]["@attempts"] == "3"
    assert "ValueError: hopeless" in account.dead()[job]["@error"]
    assert len(ledger.lines("start")) == 3
    assert ledger.jobs("done") == [neighbour]
    assert account.left() == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"delay": "600ms"},
        {"type": "note", "delay": "600"},
        {"type": "note", "payload": "{}", "delay": "600ms"},
        {"payload": "{}", "delay": "600ms"},
    ],
    ids="+".join,
)
def test_a_delayed_job_never_runs_before_its_due_time(
    crew: Crew, raw: Any, stream: str, fields: dict[str, str]
) -> None:
    script = "import time;print(time.time_ns()//1000000)"
    command = f"{sys.executable} -c {shlex.quote(script)}"
    worker = crew.consume(stream, "--max-jobs", "1", "--exec", command).ready()
    job = add(raw, stream, **fields)
    assert worker.ends() == 0
    [line] = worker.said("output")
    assert int(line["line"]) >= added_ms(job) + 600
    [promoted] = Account(raw, stream).events("promoted")
    assert promoted["details"]["due"] == added_ms(job) + 600
    assert int(promoted["at"]) >= added_ms(job) + 600


def test_run_at_is_obeyed_and_a_time_in_the_past_runs_at_once(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    past = add(raw, stream, type="note", run_at="2020-01-01T00:00:00Z")
    seconds, _ = raw.time()
    soon_ms = (int(seconds) + 2) * 1000
    soon = add(raw, stream, type="note", run_at=soon_ms)
    assert crew.drain(stream).ends() == 0
    assert ledger.jobs("done") == [past, soon]
    assert ledger.lines("done")[1].at_ms >= soon_ms


def test_fields_that_make_no_sense_bury_their_job_alone(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    bad = {
        add(raw, stream, type="note", delay="soon"): "delay",
        add(raw, stream, type="note", max_attempts="NaN"): "max_attempts",
        add(raw, stream, type="note", backoff="sometimes"): "backoff",
        add(raw, stream, type=b"\xff\xfe"): "type",
        add(raw, stream, type="sleep", payload='{"s": "much"}'): "payload.s",
        add(raw, stream, type="sleep", payload="{}"): "payload.s",
        add(raw, stream, type="note", payload="x" * 2000): "payload",
    }
    good = add(raw, stream, type="note")
    assert crew.drain(stream, "--max-payload", "1KiB").ends() == 5
    account = Account(raw, stream)
    dead = account.dead()
    assert {job: letter["@reason"] for job, letter in dead.items()} == dict.fromkeys(bad, "invalid")
    for job, field in bad.items():
        assert dead[job]["@error"].startswith(f"{field}: "), dead[job]
    assert account.letter(list(bad)[3])[b"type"] == b"\xff\xfe"
    assert ledger.jobs("done") == [good]
    assert account.left() == {}


def test_a_job_that_expires_before_its_start_is_buried_unrun(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    late = add(raw, stream, type="note", expires="1")
    in_time = add(raw, stream, type="note", expires="1h")
    assert crew.drain(stream).ends() == 5
    assert Account(raw, stream).dead()[late]["@reason"] == "expired"
    assert ledger.jobs("done") == [in_time]


def test_a_handler_steers_what_follows(crew: Crew, raw: Any, stream: str, ledger: Ledger) -> None:
    rejected = add(raw, stream, type="reject")
    retried = add(raw, stream, type="retry", backoff="fixed:1h")
    snoozed = add(raw, stream, type="snooze", max_attempts=1)
    assert crew.drain(stream).ends() == 5
    account = Account(raw, stream)
    assert account.dead()[rejected]["@reason"] == "rejected"
    assert set(ledger.jobs("done")) == {retried, snoozed}
    runs = {job: [x for x in ledger.lines("start") if x.job == job] for job in (retried, snoozed)}
    assert [x.attempt for x in runs[retried]] == [1, 2]
    assert runs[retried][1].at_ms - runs[retried][0].at_ms >= 300
    assert [x.attempt for x in runs[snoozed]] == [1, 1, 1]
    assert [x.fence for x in runs[snoozed]] == [1, 2, 3]


def test_one_worker_works_several_streams(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    streams = [f"{stream}-a", f"{stream}-b:{{eu}}", f"{stream}-c"]
    jobs = [add(raw, name, type="note") for name in streams for _ in range(20)]
    assert crew.drain(*streams).ends() == 0
    assert sorted(ledger.jobs("done")) == sorted(jobs)
    assert [Account(raw, name).left() for name in streams] == [{}, {}, {}]


def test_an_entry_of_five_thousand_fields_is_retried_and_buried_whole(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    body = {f"f{n}": f"value {n}" for n in range(5000)}
    retried = add(raw, stream, **body, type="fields", backoff="fixed:100ms")
    buried = add(raw, stream, **body, type="fields", max_attempts=2, backoff="immediate:5,fixed:1s")
    assert crew.drain(stream).ends() == 5
    words = {(line.job, line.attempt, line.word) for line in ledger.lines()}
    assert words == {
        *((retried, n, "fields=5000") for n in (1, 2, 3)),
        *((buried, n, "fields=5000") for n in (1, 2)),
    }
    account = Account(raw, stream)
    assert account.dead()[buried]["@reason"] == "exhausted"
    kept = raw.hgetall(account.keys.job(buried.encode()))
    assert sum(name.startswith(b"f:") for name in kept) == 5003
    assert account.left() == {}


def test_a_field_may_name_the_type_and_none_ignores_what_looks_like_an_option(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, kind="note", timeout="whenever", delay="never")
    assert crew.drain(stream, "--type-field", "kind").ends() == 0
    assert ledger.jobs("done") == [job]


def test_producers_fields_that_begin_with_an_at_sign_survive_a_retry(
    crew: Crew, raw: Any, stream: str
) -> None:
    fields = {"@job": "1-1", "@attempt": "999", "@@x": "y", "plain": "z"}
    job = add(raw, stream, **fields, backoff="fixed:50ms", max_attempts=2)
    script = "import sys;print(sys.stdin.read());sys.exit(1)"
    worker = crew.drain(stream, "--exec", f"{sys.executable} -c {shlex.quote(script)}")
    assert worker.ends() == 5
    assert [json.loads(line["line"]) for line in worker.said("output")] == [fields, fields]
    assert Account(raw, stream).dead()[job]["@attempts"] == "2"


def test_the_log_is_json_and_holds_no_payload(crew: Crew, raw: Any, stream: str) -> None:
    for type_ in ("note", "hopeless", "reject", "nobody"):
        add(raw, stream, type=type_, payload='["hunter2"]', max_attempts=1, card="hunter2")
    worker = crew.drain(stream, "--log-level", "debug")
    assert worker.ends() == 5
    lines = [json.loads(line) for line in worker.text.splitlines()]
    assert {"time", "level", "event"} <= set(lines[0])
    assert "hunter2" not in worker.text


def test_due_jobs_of_one_millisecond_are_promoted_in_the_order_of_their_ids(
    crew: Crew, raw: Any, stream: str
) -> None:
    seconds, _ = raw.time()
    due = (int(seconds) + 6) * 1000
    jobs = [add(raw, stream, type="note", run_at=due) for _ in range(20)]
    crew.consume(stream)
    account = Account(raw, stream)
    wait_until(lambda: len(account.events("completed")) == 20, 20, "all done")
    assert [event["job"] for event in account.events("promoted")] == jobs
