"""How long jobs waited and ran is added up in Redis, at a cost that nobody notices."""

from __future__ import annotations

from typing import Any

import pytest

from tests.accounts import Account
from tests.integration.test_consume import add
from tests.waiting import wait_until
from tests.workers import Crew, Ledger

pytestmark = pytest.mark.by_turns


def times(raw: Any, account: Account) -> dict[tuple[str, str], int]:
    """Counts by kind (w or r) and type, over all slots and buckets."""
    found: dict[tuple[str, str], int] = {}
    for key in raw.scan_iter(match=account.keys.prefix + b":times:*", count=1000):
        for field, number in raw.hgetall(key).items():
            kind, _, type_ = field.decode().split(":", 2)
            found[kind, type_] = found.get((kind, type_), 0) + int(number)
    return found


def test_each_finished_attempt_counts_once_and_at_the_latest_at_the_end(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    for _ in range(20):
        add(raw, stream, type="note")
    add(raw, stream, type="thrice", backoff="fixed:10ms")
    add(raw, stream, type="reject")
    add(raw, stream, type="snooze")
    add(raw, stream, type="nobodys", expires="1ms")
    assert crew.drain(stream).ends() == 5
    expected = {"note": 20, "thrice": 3, "reject": 1, "snooze": 3}
    assert times(raw, account) == {
        (kind, name): number for kind in ("w", "r") for name, number in expected.items()
    }
    assert raw.hlen(account.keys.rates) == 1, "the counters of this minute are noted"


def test_a_run_that_a_stop_or_a_cancel_ends_does_not_count(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    add(raw, stream, type="sleep", s="60")
    worker = crew.consume(stream, "--grace", "10ms")
    wait_until(lambda: ledger.lines("start"), 10, "it runs")
    assert worker.stop() == 0
    assert times(raw, account) == {}


def test_a_worker_at_work_writes_them_every_few_seconds(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    account = Account(raw, stream)
    crew.consume(stream).ready()
    add(raw, stream, type="note")
    wait_until(lambda: times(raw, account) == {("w", "note"): 1, ("r", "note"): 1}, 15, "written")
