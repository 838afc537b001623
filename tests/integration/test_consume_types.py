"""Types: which worker takes what, and what becomes of those that nobody takes."""

from __future__ import annotations

from typing import Any

from tests.accounts import Account
from tests.integration.test_consume import add
from tests.waiting import wait_until
from tests.workers import Crew, Ledger


def test_a_type_without_handler_waits_and_a_worker_that_has_one_takes_it(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="note")
    crew.consume(stream, "--type", "hopeless")
    account = Account(raw, stream)
    wait_until(lambda: account.left() == {"delayed": 1}, 10, "delayed")
    record = account.record(job)
    assert (record["reason"], record["attempt"]) == ("unhandled", "0")
    assert int(record["due"]) >= int(record["unhandled_since"]) + 5000
    crew.consume(stream)
    # Either of the two may take it when it is due; the one without handler delays it again.
    raw.zadd(account.keys.delayed, dict.fromkeys(raw.zrange(account.keys.delayed, 0, -1), 1))
    wait_until(lambda: ledger.jobs("done") == [job] or _hurry(raw, account), 10, "done")
    wait_until(lambda: account.left() == {}, 5, "settled")
    assert ledger.lines("done")[0].attempt == 1


def _hurry(raw: Any, account: Account) -> bool:
    for member in raw.zrange(account.keys.delayed, 0, -1):
        raw.zadd(account.keys.delayed, {member: 1}, xx=True)
    return False


def test_an_unhandled_job_is_buried_after_its_time(crew: Crew, raw: Any, stream: str) -> None:
    job = add(raw, stream, type="nobody", delay="1ms")
    worker = crew.consume(stream, "--unhandled-after", "700ms")
    account = Account(raw, stream)
    wait_until(lambda: job in account.dead(), 10, "buried")
    letter = account.dead()[job]
    assert (letter["@reason"], letter["@attempts"]) == ("unhandled", "0")
    assert "nobody" in letter["@error"]
    assert worker.said("unhandled")
    assert account.left() == {}


def test_a_drain_that_leaves_only_unhandled_types_ends_with_five_and_names_them(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    add(raw, stream, type="nobody")
    add(raw, stream, type="nobody")
    add(raw, stream, to="ada")
    note = add(raw, stream, type="note")
    worker = crew.drain(stream)
    assert worker.ends() == 5
    [line] = worker.said("unhandled_left")
    assert set(line["types"].split(", ")) == {"nobody (2)", f"{stream} (1)"}
    assert ledger.jobs("done") == [note]
    assert Account(raw, stream).left() == {"delayed": 3}


def test_a_command_takes_only_the_types_that_it_is_told(crew: Crew, raw: Any, stream: str) -> None:
    add(raw, stream, type="mail")
    add(raw, stream, type="bill")
    worker = crew.drain(stream, "--exec", "env", "--type", "mail")
    assert worker.ends() == 5
    types = [line["line"] for line in worker.said("output") if "JOB_TYPE" in line["line"]]
    assert types == ["RETRACED_JOB_TYPE=mail"]
    assert not any("REDIS" in line["line"] for line in worker.said("output"))
