"""`retraced groups show` and `retraced groups set`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis

from retraced.histogram import bucket
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.writes import measure
from tests.commands import run
from tests.driver import Driver
from tests.stock import fill

pytestmark = pytest.mark.by_turns

SHOW = ("groups", "show")


@pytest.fixture
def made(url: str, stream: str) -> str:
    run(url, "groups", "create", stream, "--group", "mail")
    return stream


def state(raw: redis.Redis, stream: str) -> Any:
    return raw.hgetall(Keys.of(stream, "mail").state)


def test_a_group_is_shown_with_its_jobs_and_what_waits_longest(url: str, stream: str) -> None:
    stocked = fill(url, stream, each=2)
    [row] = run(url, *SHOW, stream, "--group", "mail").rows
    places = ("unread", "ready", "held", "delayed", "dead")
    assert [row[place] for place in places] == [2, 2, 4, 2, 2]
    assert row["oldest_waiting_ms"] >= 0
    assert row["entries"] == len(stocked.held) + len(stocked.unread)
    assert row["workers_alive"][0]["id"] == "worker-1"
    assert row["totals"]["dead"] == 2


async def test_rates_and_times_are_those_that_workers_measured(
    url: str, stream: str, link: Link, in_thread: Callable[..., Awaitable[str]]
) -> None:
    driver = Driver(link, stream)
    await driver.join()
    await driver.add("type", "mail")
    times = {b"w:%d:mail" % bucket(20): 3, b"r:%d:mail" % bucket(100): 3}
    await link.run(measure(driver.keys, driver.author, times))
    await driver.complete(*await driver.fetch())
    shown = await in_thread(url, *SHOW, stream, "--group", "mail", form="table")
    assert "completed" in shown
    assert any(line.split()[:2] == ["mail", "3"] for line in shown.splitlines())
    [row] = json.loads(await in_thread(url, *SHOW, stream, "--group", "mail", form="json"))
    assert row["rates"]["minute"]["completed"] > 0
    assert [each["type"] for each in row["times"]] == [None, "mail"]
    assert row["times"][1]["run_p50_ms"] == pytest.approx(100, rel=0.2)


@pytest.fixture
def in_thread() -> Callable[..., Awaitable[str]]:
    """Runs a command beside the event loop, and gives what it printed."""
    import asyncio

    async def through(url: str, *words: str, form: str) -> str:
        ran = await asyncio.to_thread(run, url, *words, form=form)
        assert ran.code == 0, ran.err
        return ran.out

    return through


def test_it_fits_80_columns_with_jobs_in_every_state(url: str, stream: str) -> None:
    fill(url, stream, each=2)
    shown = run(url, *SHOW, stream, "--group", "mail", form="table").out
    commands = ("start one", "to go on")
    lines = [line for line in shown.splitlines() if not line.strip().startswith(commands)]
    assert max(map(len, lines)) <= 80


def test_facts_that_are_set_are_kept_shown_and_taken_away(
    url: str, made: str, raw: redis.Redis
) -> None:
    ran = run(url, "groups", "set", made, "--group", "mail", "--max-attempts", "3", "--backoff",
              "fixed:30s", "--timeout", "90s", "--visibility-timeout", "10s")  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.rows[0]["facts"] == {
        "max_attempts": "3",
        "backoff": "fixed:30s",
        "timeout_ms": "90000",
        "visibility_ms": "10000",
    }
    assert state(raw, made)[b"backoff"] == b"fixed:30s"
    [row] = run(url, *SHOW, made, "--group", "mail").rows
    assert row["facts"]["timeout_ms"] == "90000"
    run(url, "groups", "set", made, "--group", "mail", "--timeout", "none")
    assert b"timeout_ms" not in state(raw, made)


def test_caps_are_facts_in_bytes_ms_and_numbers(url: str, made: str, raw: redis.Redis) -> None:
    ran = run(url, "groups", "set", made, "--group", "mail", "--dlq-age", "30d", "--dlq-bytes",
              "16MiB", "--dlq-max", "7", "--events-age", "2d", "--events-max", "1000",
              "--events-bytes", "1kB", "--finished-max", "0", "--finished-age", "1d")  # fmt: skip
    assert ran.code == 0, ran.err
    kept = state(raw, made)
    assert kept[b"dlq_age_ms"] == b"2592000000"
    assert kept[b"dlq_bytes"] == b"16777216"
    assert kept[b"dlq_max"] == b"7"
    assert kept[b"events_bytes"] == b"1000"
    assert kept[b"finished_max"] == b"0"
    shown = run(url, *SHOW, made, "--group", "mail", form="table").out
    assert "30d" in shown
    assert "16MiB" in shown


def test_a_set_says_when_workers_act_on_it(url: str, made: str) -> None:
    words = ("--max-attempts", "3", "--dlq-max", "9")
    shown = run(url, "groups", "set", made, "--group", "mail", *words, form="table").out
    assert "for jobs that start from now on, within 1.5 s" in shown
    assert "at the workers' next sweep" in shown


def test_retention_is_the_streams(url: str, made: str) -> None:
    ran = run(url, "groups", "set", made, "--group", "mail", "--retain", "7d")
    assert (ran.code, ran.rows[0]["retain"]) == (0, "7d")
    assert run(url, *SHOW, made, "--group", "mail").rows[0]["retain"] == "7d"
    ran = run(url, "groups", "set", made, "--group", "mail", "--retain", "none")
    assert (ran.code, ran.rows[0]["retain"]) == (0, None)
    assert run(url, *SHOW, made, "--group", "mail").rows[0]["retain"] is None


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--max-attempts", "0"),
        ("--timeout", "30"),
        ("--backoff", "soon"),
        ("--visibility-timeout", "1s"),
        ("--retain", "ever"),
        ("--dlq-bytes", "big"),
    ],
)
def test_what_cant_be_set_is_exit_2(url: str, made: str, words: tuple[str, ...]) -> None:
    ran = run(url, "groups", "set", made, "--group", "mail", *words)
    assert ran.code == 2
    assert ran.err


def test_a_shorter_lease_that_would_take_live_jobs_wants_a_yes(url: str, stream: str) -> None:
    run(url, "groups", "create", stream, "--group", "mail", "--visibility-timeout", "5m")
    fill(url, stream, each=1)
    words = ("groups", "set", stream, "--group", "mail", "--visibility-timeout", "10s")
    ran = run(url, *words)
    assert ran.code == 6
    assert "they would run twice" in ran.err
    assert run(url, *words, "--yes").code == 0


def test_a_checkpoint_at_the_end_of_a_millisecond_is_told_as_that(
    url: str, made: str, raw: redis.Redis
) -> None:
    for sequence, said in (
        (7, "1795523050867-7\n"),
        (2**64 - 1, "millisecond 1795523050867 (2026"),
    ):
        raw.hset(Keys.of(made, "mail").state, "checkpoint", f"1795523050867-{sequence}")
        shown = run(url, *SHOW, made, "--group", "mail", form="table").out
        assert said in shown
        assert "18446744073709551615" not in shown


def test_a_rates_key_of_another_type_is_named_and_all_else_shown(
    url: str, made: str, raw: redis.Redis
) -> None:
    rates = Keys.of(made, "mail").rates
    raw.set(rates, "x", px=60_000)
    told = run(url, *SHOW, made, "--group", "mail", form="table").out
    assert f"{rates.decode()} is no hash" in told
    assert "visibility timeout" in told
    [row] = run(url, *SHOW, made, "--group", "mail").rows
    assert row["rates"] == {"minute": None, "five": None, "hour": None}


def test_a_key_of_another_type_is_named(url: str, raw: redis.Redis, stream: str) -> None:
    job = fill(url, stream, each=1, kinds=["delayed"]).delayed[0]
    cancelled = Keys.of(stream, "mail").cancelled
    raw.set(cancelled, "x", px=60_000)
    ran = run(url, "trace", stream, job)
    assert ran.code == 1
    assert cancelled.decode() in ran.err
    ran = run(url, "jobs", "list", stream, "--group", "mail")
    assert ran.code == 1
    assert cancelled.decode() in ran.err
