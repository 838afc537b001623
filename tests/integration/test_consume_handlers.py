"""Handlers in the worker's runner: timeouts, threads, cancellation, context."""

from __future__ import annotations

from typing import Any

import pytest

from tests.accounts import Account
from tests.integration.test_consume import add
from tests.workers import Crew, Ledger

FAILS_ONCE = {"max_attempts": "1"}


def test_an_attempt_that_outlives_its_timeout_fails_and_is_retried(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(
        raw, stream, type="sleep", s="30", timeout="200ms", backoff="fixed:100ms", max_attempts=2
    )
    assert crew.drain(stream).ends() == 5
    assert len(ledger.lines("start")) == 2
    letter = Account(raw, stream).dead()[job]
    assert (letter["@reason"], letter["@error"]) == ("exhausted", "timed out after 200ms")


def test_a_thread_past_its_timeout_is_settled_but_keeps_its_slot_until_it_returns(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    slow = add(raw, stream, type="thread", s="1.5", timeout="200ms", **FAILS_ONCE)
    behind = [add(raw, stream, type="thread", s="0") for _ in range(3)]
    assert crew.drain(stream, "--concurrency", "1").ends() == 5
    assert Account(raw, stream).dead()[slow]["@error"] == "timed out after 200ms"
    [event] = Account(raw, stream).events("dead")
    assert event["details"]["abandoned"] is True
    returned = next(line for line in ledger.lines("done") if line.job == slow)
    first = next(line for line in ledger.lines("start") if line.job in behind)
    assert first.at_ms >= returned.at_ms
    assert set(ledger.jobs("done")) == {slow, *behind}


def test_threads_run_side_by_side(crew: Crew, raw: Any, stream: str, ledger: Ledger) -> None:
    jobs = [add(raw, stream, type="thread", s="0.3") for _ in range(20)]
    assert crew.drain(stream).ends() == 0
    starts, ends = ledger.lines("start"), ledger.lines("done")
    assert sorted(ledger.jobs("done")) == sorted(jobs)
    assert max(line.at_ms for line in starts) < min(line.at_ms for line in ends)


def test_a_handler_that_swallows_its_cancellation_has_succeeded(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="swallow", timeout="200ms", **FAILS_ONCE)
    after = [add(raw, stream, type="sleep", s="0.05") for _ in range(5)]
    assert crew.drain(stream, "--concurrency", "2").ends() == 0
    assert ledger.jobs("swallowed") == [job]
    assert sorted(ledger.jobs("done")) == after


def test_a_handler_that_makes_an_error_of_its_timeout_has_timed_out(
    crew: Crew, raw: Any, stream: str
) -> None:
    job = add(raw, stream, type="convert", timeout="200ms", **FAILS_ONCE)
    assert crew.drain(stream).ends() == 5
    assert Account(raw, stream).dead()[job]["@error"] == "timed out after 200ms"


def test_a_handler_that_cancels_itself_has_failed_and_its_runner_goes_on(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="selfcancel", **FAILS_ONCE)
    after = [add(raw, stream, type="note") for _ in range(3)]
    assert crew.drain(stream, "--concurrency", "1").ends() == 5
    assert Account(raw, stream).dead()[job]["@error"].startswith("CancelledError")
    assert ledger.jobs("done") == after


@pytest.mark.parametrize("concurrency", ["1", "7"])
def test_timeouts_groups_and_context_of_handlers_are_their_own(
    crew: Crew, raw: Any, stream: str, ledger: Ledger, concurrency: str
) -> None:
    jobs = [
        add(raw, stream, type=type_, timeout="5s")
        for _ in range(10)
        for type_ in ("impatient", "family", "note")
    ]
    assert crew.drain(stream, "--concurrency", concurrency).ends() == 0
    assert sorted(ledger.jobs("done")) == sorted(jobs)


def test_a_handler_that_ends_its_thread_with_sys_exit_has_failed(
    crew: Crew, raw: Any, stream: str
) -> None:
    job = add(raw, stream, type="exit", **FAILS_ONCE)
    assert crew.drain(stream).ends() == 5
    assert "sys.exit(3)" in Account(raw, stream).dead()[job]["@error"]
