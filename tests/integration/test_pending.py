"""`retraced pending` and `retraced workers`: what XPENDING says, as jobs and workers."""

from __future__ import annotations

import asyncio
import shlex
from typing import Any

import pytest
import redis

from retraced.keys import Keys
from retraced.store.connection import Connector
from retraced.store.writes import Held, Source
from tests.commands import run
from tests.driver import Driver, stored

pytestmark = pytest.mark.by_turns


def held_twice(url: str, stream: str, **facts: str | int) -> tuple[str, str]:
    """One job held on its first delivery, one on its second, by a worker with a heartbeat."""

    async def through() -> tuple[str, str]:
        async with Connector(url).link() as link:
            driver = Driver(link, stream)
            await driver.join()
            await driver.add("a", "b")
            [held] = await driver.fetch()
            await driver.fail(held, after_ms=0)
            first = await driver.add("a", "b")
            await driver.fetch()
            await driver.fetch(Source.READY)
            if facts:
                running = {"running": f'["{first}"]'} if "running" in facts else {}
                await driver.beat(**{**facts, **running})
            return first, held.job.decode()

    return asyncio.run(through())


def test_both_kinds_of_deliveries_are_shown_with_their_jobs(url: str, stream: str) -> None:
    first, retried = held_twice(url, stream, running="")
    rows = {row["id"]: row for row in run(url, "pending", stream, "--group", "mail").rows}
    assert rows.keys() == {first, retried}
    assert (rows[first]["on"], rows[first]["delivery"]) == (stream, 1)
    assert rows[retried]["on"].endswith(":mail:ready")
    assert rows[retried]["delivery"] == 2
    assert rows[first]["worker"] == "worker-1"


def test_the_heartbeat_tells_what_runs_and_what_was_prefetched(url: str, stream: str) -> None:
    first, retried = held_twice(url, stream, running="", host="h")
    rows = {row["id"]: row["state"] for row in run(url, "pending", stream, "--group", "mail").rows}
    assert rows == {first: "running", retried: "prefetched"}


def test_without_a_heartbeat_the_worker_is_said_to_be_gone(url: str, stream: str) -> None:
    held_twice(url, stream)
    rows = run(url, "pending", stream, "--group", "mail").rows
    assert {row["state"] for row in rows} == {"worker is gone"}


def test_a_heartbeat_that_doesnt_tell_what_runs_is_no_claim(url: str, stream: str) -> None:
    held_twice(url, stream, host="h")
    rows = run(url, "pending", stream, "--group", "mail").rows
    assert {row["state"] for row in rows} == {"not told"}


def test_the_redis_cli_lines_show_the_same_entries(url: str, stream: str, raw: redis.Redis) -> None:
    held_twice(url, stream)
    rows = run(url, "pending", stream, "--group", "mail").rows
    lines = run(url, "pending", stream, "--group", "mail", "--redis-cli").out.splitlines()
    assert len(lines) == 2
    shown = []
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "redis-cli"
        assert words[words.index("-p") + 1] == url.rpartition(":")[2]
        _, key, group, low, high, limit = words[words.index("XPENDING") :]
        reply: Any = raw.xpending_range(key, group, low, high, int(limit))
        shown += [(key, row["message_id"].decode()) for row in reply]
    assert shown == [(row["on"], row["entry"]) for row in rows]


def test_a_password_isnt_printed(stream: str) -> None:
    ran = run(
        "redis://ada:secret@127.0.0.1:1/3", "pending", stream, "--group", "mail", "--redis-cli"
    )
    assert "secret" not in ran.out
    assert "--user ada --askpass" in ran.out
    assert "-n 3" in ran.out


def test_an_entry_that_was_removed_while_held_is_still_shown(
    url: str, stream: str, raw: redis.Redis
) -> None:
    held_twice(url, stream)
    ready = Keys.of(stream, "mail").ready
    for entry, _ in stored(raw, ready):
        raw.xdel(ready, entry)
    assert len(run(url, "pending", stream, "--group", "mail").rows) == 2
    ran = run(url, "pending", stream, "--group", "mail", form="table")
    assert "was removed" in ran.out


def test_the_total_is_told_when_not_all_is_shown(url: str, stream: str) -> None:
    async def through() -> list[Held]:
        async with Connector(url).link() as link:
            driver = Driver(link, stream)
            await driver.join()
            for _ in range(5):
                await driver.add("a", "b")
            return await driver.fetch()

    asyncio.run(through())
    ran = run(url, "pending", stream, "--group", "mail", "--limit", "2", form="table")
    assert "2 of 5 held jobs are shown" in ran.err


def test_nothing_held_says_what_to_do(url: str, stream: str) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    ran = run(url, "pending", stream, "--group", "mail")
    assert (ran.code, ran.out) == (0, "")
    assert "retraced consume" in ran.err


def test_an_unknown_group_is_exit_3(url: str, stream: str) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    ran = run(url, "pending", stream, "--group", "mial")
    assert ran.code == 3
    create = f"Did you mean mail? To make it: `retraced groups create {stream} --group mial`"
    assert create in ran.err


def test_workers_of_what_isnt_there_is_exit_3(url: str, stream: str) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    for wanted in ([stream, "--group", "mial"], ["--group", "mial"], [f"{stream}x"]):
        ran = run(url, "workers", *wanted)
        assert (ran.code, ran.out) == (3, "")
        assert "Did you mean" in ran.err


def test_workers_are_shown_with_what_they_told(url: str, stream: str) -> None:
    first, _ = held_twice(url, stream, running="", pid=4711, concurrency=10)
    [row] = run(url, "workers", stream).rows
    assert (row["id"], row["alive"], row["running"]) == ("worker-1", True, [first])
    assert row["facts"]["pid"] == "4711"
    assert row["beat_ms"] >= 0
    table = run(url, "workers", form="table").out
    assert "worker-1" in table
    assert "4711" in table


def test_no_workers_say_how_to_start_one(url: str, stream: str) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    ran = run(url, "workers", stream)
    assert (ran.code, ran.out) == (0, "")
    assert "retraced consume" in ran.err


def test_what_a_stalled_worker_ran_isnt_said_to_run(url: str, stream: str) -> None:
    first, _ = held_twice(url, stream, running="", silent_ms=90_000)
    rows = {row["id"]: row["state"] for row in run(url, "pending", stream, "--group", "mail").rows}
    assert rows[first] == "stalled"
    [worker] = run(url, "workers", stream).rows
    assert (worker["stalled"], worker["running"]) == (True, [first])


def test_what_was_taken_from_a_stalled_worker_counts_no_more_as_running_in_it(
    url: str, stream: str, raw: redis.Redis
) -> None:
    first, _ = held_twice(url, stream, running="", silent_ms=90_000)
    raw.xclaim(stream, "mail", "worker-2", 0, [first])
    [worker] = run(url, "workers", stream).rows
    assert (worker["id"], worker["running"]) == ("worker-1", [])


def test_name_and_pid_stay_where_a_note_is_long(url: str, stream: str) -> None:
    release = "2026.11.24-4f1c"
    facts: dict[str, str | int] = {"pid": 4711, "concurrency": 10, "release": release}
    held_twice(url, stream, running="", silent_ms=90_000, **facts)
    lines = run(url, "workers", form="table").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "PID" in lines[0]
    assert "worker-1" in lines[1]
    assert "4711" in lines[1]
    told = " ".join(lines)
    assert "stalled 1m 30s" in told
    assert release in told


def test_workers_of_a_paused_group_are_told_with_the_pause(url: str, stream: str) -> None:
    held_twice(url, stream, running="", pid=4711)
    run(url, "pause", stream, "--group", "mail", "--reason", "the bank is down")
    assert run(url, "workers", stream).rows[0]["paused"] is True
    ran = run(url, "workers", stream, form="table")
    assert "paused" in ran.out
    assert "the bank is down" in ran.err
