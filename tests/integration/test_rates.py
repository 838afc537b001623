"""Rates and times, read from what workers have counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis

from retraced.histogram import bucket
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.rates import SLOT_MS, rates, times


def now_ms(raw: redis.Redis) -> int:
    seconds, micros = raw.time()
    return int(seconds) * 1000 + int(micros) // 1000


def counted(raw: redis.Redis, keys: Keys, *, ago_s: int, **counters: int | None) -> None:
    """A snapshot of the counters, written so many seconds ago."""
    at = now_ms(raw) - ago_s * 1000
    raw.hset(keys.rates, str(at // 60_000), json.dumps({"at": at, **counters}))
    raw.pexpire(keys.rates, 60_000)


@pytest.fixture
def keys(stream: str) -> Keys:
    return Keys.of(stream, "mail")


async def test_a_rate_is_what_was_counted_since_a_snapshot_before_its_window(
    raw: redis.Redis, link: Link, keys: Keys
) -> None:
    raw.hset(keys.state, mapping={"n:completed": 1000, "n:failed": 30, "n:dead": 6})
    counted(raw, keys, ago_s=7200, completed=0, failed=0)
    counted(raw, keys, ago_s=3600, completed=400, failed=0)
    counted(raw, keys, ago_s=300, completed=500, failed=20, dead=5)
    counted(raw, keys, ago_s=60, completed=940, failed=30, dead=6)
    found = await rates(link, keys)
    assert found.minute is not None
    assert found.five is not None
    assert found.hour is not None
    assert found.minute.completed == pytest.approx(60, rel=0.05)
    assert found.minute.failed == 0
    assert found.five.completed == pytest.approx(100, rel=0.05)
    assert found.five.failed == pytest.approx(2, rel=0.05)
    assert found.hour.completed == pytest.approx(10, rel=0.05)
    assert found.totals["completed"] == 1000


async def test_a_young_group_counts_from_its_first_snapshot(
    raw: redis.Redis, link: Link, keys: Keys
) -> None:
    raw.hset(keys.state, "n:completed", 30)
    counted(raw, keys, ago_s=30, completed=0)
    found = await rates(link, keys)
    assert found.hour is not None
    assert (found.hour.completed, found.hour.is_count) == (30, True)  # not stretched to 60
    assert found.hour.counted("completed") == 30
    assert found.hour.over_ms == pytest.approx(30_000, rel=0.05)


async def test_a_group_that_has_long_been_counted_has_rates_also_from_a_late_snapshot(
    raw: redis.Redis, link: Link, keys: Keys
) -> None:
    raw.hset(keys.state, "n:completed", 30)
    counted(raw, keys, ago_s=30, completed=0)
    counted(raw, keys, ago_s=600, completed=0)
    found = await rates(link, keys)
    assert found.minute is not None
    assert not found.minute.is_count
    assert found.minute.completed == pytest.approx(60, rel=0.05)
    assert found.minute.counted("completed") == pytest.approx(30, rel=0.05)


async def test_a_snapshot_before_the_window_is_taken_rather_than_a_late_one(
    raw: redis.Redis, link: Link, keys: Keys
) -> None:
    raw.hset(keys.state, "n:completed", 90)
    counted(raw, keys, ago_s=34, completed=0)
    counted(raw, keys, ago_s=94, completed=0)
    found = await rates(link, keys)
    assert found.minute is not None
    assert found.minute.completed == pytest.approx(57, rel=0.05)


async def test_a_group_that_nobody_has_counted_has_no_rates(link: Link, keys: Keys) -> None:
    found = await rates(link, keys)
    assert (found.minute, found.five, found.hour, found.totals) == (None, None, None, {})


async def test_what_was_added_is_told_where_the_server_counts_it(
    raw: redis.Redis, link: Link, keys: Keys
) -> None:
    for _ in range(10):
        raw.xadd(keys.stream, {"a": "b"})
    raw.xtrim(keys.stream, maxlen=0)
    counted(raw, keys, ago_s=60, entries_added=4)
    about: dict[str, Any] = raw.xinfo_stream(keys.stream)
    found = await rates(link, keys)
    assert found.minute is not None
    if "entries-added" in about:
        assert found.minute.added == pytest.approx(6, rel=0.05)
    else:
        assert found.minute.added is None


async def test_counters_that_were_lost_make_no_negative_rate(
    raw: redis.Redis, link: Link, keys: Keys
) -> None:
    raw.hset(keys.state, "n:completed", 3)
    counted(raw, keys, ago_s=60, completed=50_000)
    found = await rates(link, keys)
    assert found.minute is not None
    assert found.minute.completed == 0


async def test_snapshots_that_nobody_can_read_are_passed_over(
    raw: redis.Redis, link: Link, keys: Keys
) -> None:
    for minute, written in (("7", "no json"), ("x", "{}"), ("8", "[1]")):
        raw.hset(keys.rates, minute, written)
    raw.pexpire(keys.rates, 60_000)
    assert (await rates(link, keys)).minute is None


async def test_times_are_those_of_each_type_and_of_all(
    raw: redis.Redis, link: Link, keys: Keys
) -> None:
    slot = now_ms(raw) // SLOT_MS
    for back in (0, 3):
        key = keys.times(slot - back)
        raw.hset(key, f"r:{bucket(100)}:send:mail", 50)
        raw.hset(key, f"w:{bucket(10)}:send:mail", 50)
        raw.hset(key, f"r:{bucket(5000)}:bill", 1)
        raw.pexpire(key, 60_000)
    raw.hset(keys.times(slot - 8), f"r:{bucket(9_000_000)}:bill", 1000)
    raw.pexpire(keys.times(slot - 8), 60_000)
    found = await times(link, keys)
    assert list(found.types) == ["bill", "send:mail"]
    mail = found.types["send:mail"]
    assert mail.count == 100
    assert mail.run.p50 == pytest.approx(100, rel=0.2)
    assert mail.wait.p99 == pytest.approx(10, rel=0.2)
    assert found.types["bill"].wait.p50 is None
    assert found.total.count == 102
    assert found.total.run.p99 == pytest.approx(5000, rel=0.2)


async def test_times_of_many_types_are_read_in_pages(
    raw: redis.Redis, link: Link, keys: Keys
) -> None:
    key = keys.times(now_ms(raw) // SLOT_MS)
    fields = {f"r:{place % 40}:type-{place}": 1 for place in range(5000)}
    raw.hset(key, mapping=fields)  # type: ignore[arg-type]  # redis-py wants exactly its own types
    raw.pexpire(key, 60_000)
    assert len((await times(link, keys)).types) == 5000
