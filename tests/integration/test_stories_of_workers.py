"""What the looking commands tell of real workers: takeovers, runs, new facts, rates, replays."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.commands import run
from tests.waiting import wait_until
from tests.workers import Crew

pytestmark = pytest.mark.by_turns

GROUP = ("--group", "g")


def added(url: str, stream: str, job_type: str, payload: str = "{}") -> str:
    return run(url, "add", stream, "--type", job_type, "--payload", payload, form="id").out.strip()


def story(url: str, stream: str, job: str) -> dict[str, Any]:
    ran = run(url, "trace", stream, job)
    assert ran.code == 0, ran.err
    [row] = ran.rows
    return row


def names(told: dict[str, Any]) -> list[str]:
    return [event["event"] for event in told["events"]]


def test_a_running_job_and_one_that_waits_for_its_slot_tell_so(
    url: str, stream: str, crew: Crew
) -> None:
    crew.consume(stream, "--concurrency", "1", "--prefetch", "1").ready()
    runs = added(url, stream, "sleep", '{"s": 30}')
    wait_until(lambda: crew.ledger.jobs("start"), 10, "it runs")
    waits = added(url, stream, "note")
    wait_until(lambda: ", running for " in story(url, stream, runs)["where"], 10, "it is told")
    wait_until(lambda: story(url, stream, waits)["state"] == "held", 10, "the other is held")
    assert ", not started, delivery 1" in story(url, stream, waits)["where"]
    rows = {row["id"]: row for row in run(url, "pending", stream, *GROUP).rows}
    assert (rows[runs]["state"], rows[runs]["type"]) == ("running", "sleep")
    assert rows[waits]["state"] == "prefetched"


def test_a_takeover_names_the_worker_that_fell_silent(url: str, stream: str, crew: Crew) -> None:
    first = crew.consume(stream, "--visibility-timeout", "3s", "--consumer", "first").ready()
    job = added(url, stream, "sleep", '{"s": 1}')
    wait_until(lambda: crew.ledger.jobs("start"), 10, "it runs")
    first.kill()
    crew.consume(stream, "--consumer", "second").ready()
    wait_until(lambda: story(url, stream, job)["state"] == "done", 25, "it is done")
    told = story(url, stream, job)
    assert names(told) == ["reclaimed", "completed"]
    assert told["why_more_than_once"].startswith("taken over from first-")
    assert "which had been silent for " in told["why_more_than_once"]
    assert told["events"][1]["worker"].startswith("second-")


def test_a_new_fact_acts_without_a_restart(url: str, stream: str, crew: Crew) -> None:
    worker = crew.consume(stream, "--backoff", "fixed:1d").ready()
    first = added(url, stream, "hopeless")
    wait_until(lambda: story(url, stream, first)["state"] == "delayed", 10, "it waits for a retry")
    assert run(url, "groups", "set", stream, *GROUP, "--max-attempts", "1").code == 0

    def dies_at_once() -> bool:
        job = added(url, stream, "hopeless")
        wait_until(lambda: story(url, stream, job)["state"] in ("delayed", "dead"), 10, "it ran")
        return bool(story(url, stream, job)["state"] == "dead")

    wait_until(dies_at_once, 3, "the worker goes by the new fact")
    assert worker.process.poll() is None


def test_rates_and_times_outlive_the_workers_that_counted(
    url: str, stream: str, crew: Crew
) -> None:
    for _ in range(5):
        added(url, stream, "note")
    added(url, stream, "sleep", '{"s": 0.3}')
    crew.drain(stream)
    [shown] = run(url, "groups", "show", stream, *GROUP).rows
    assert shown["totals"]["completed"] == 6
    assert shown["rates"]["minute"] is not None
    counts = {row["type"]: row["count"] for row in shown["times"]}
    assert counts == {None: 6, "note": 5, "sleep": 1}
    slept = next(row for row in shown["times"] if row["type"] == "sleep")
    assert slept["run_p50_ms"] == pytest.approx(300, rel=0.5)
    assert shown["workers_alive"] == []


def test_a_worker_that_stands_still_is_marked(url: str, stream: str, crew: Crew) -> None:
    worker = crew.consume(stream, "--visibility-timeout", "3s").ready()

    def stalled() -> list[bool]:
        return [row["stalled"] for row in run(url, "workers", "list", stream, *GROUP).rows]

    wait_until(lambda: stalled() == [False], 10, "its heartbeat is there")
    worker.signal(signal.SIGSTOP)
    wait_until(lambda: stalled() == [True], 8, "it is said to be stalled")
    assert "stalled" in run(url, "workers", "list", stream, *GROUP, form="table").out


def test_a_replayed_job_runs_again_and_its_story_is_whole(
    url: str, stream: str, crew: Crew
) -> None:
    run(url, "groups", "create", stream, *GROUP, "--retain", "7d")
    job = added(url, stream, "note")
    crew.drain(stream)
    assert run(url, "replay", stream, *GROUP, "--from", "1h", "--yes").code == 0
    crew.drain(stream)
    assert crew.ledger.jobs("done") == [job, job]
    told = story(url, stream, job)
    assert told["state"] == "done"
    assert names(told) == ["completed", "replayed", "completed"]
