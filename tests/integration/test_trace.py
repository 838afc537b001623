"""`retraced trace`: where a job is, how it came there, and what is said when little is left."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis

from retraced.keys import Keys
from retraced.store.connection import Connector
from retraced.store.writes import Held, Source, cancel, pause, requeue
from tests.commands import run
from tests.driver import Driver
from tests.servers import Server

pytestmark = pytest.mark.by_turns

Work = Callable[[Driver], Awaitable[str]]


def driven(url: str, stream: str, work: Work, *, group: str = "mail") -> str:
    """Runs some transitions and gives the id of the job that they were about."""

    async def through() -> str:
        async with Connector(url).link() as link:
            driver = Driver(link, stream, group)
            await driver.join()
            return await work(driver)

    return asyncio.run(through())


def told(url: str, stream: str, job: str) -> dict[str, Any]:
    """The story of a stream with one group."""
    ran = run(url, "trace", stream, job)
    assert ran.code == 0, ran.err
    [story] = ran.rows
    return story


def events(story: dict[str, Any]) -> list[str]:
    return [event["event"] for event in story["events"]]


async def _added(driver: Driver) -> str:
    return await driver.add("a", "b")


async def _fetched(driver: Driver) -> str:
    job = await driver.add("a", "b")
    await driver.fetch()
    return job


async def _completed(driver: Driver) -> str:
    job = await driver.add("a", "b")
    await driver.complete(*await driver.fetch())
    return job


async def _skipped(driver: Driver) -> str:
    """An id between two jobs that ended."""
    before = int((await _completed(driver)).split("-")[0])
    await driver.link.call("XADD", driver.stream, f"{before + 2}-0", "a", "b")
    await driver.complete(*await driver.fetch())
    return f"{before + 1}-0"


async def _failed(driver: Driver) -> str:
    job = await driver.add("a", "b")
    [held] = await driver.fetch()
    await driver.fail(held)
    return job


async def _retried(driver: Driver) -> str:
    job = await driver.add("a", "b")
    [held] = await driver.fetch()
    await driver.fail(held, after_ms=0)
    [again] = await driver.fetch(Source.READY)
    await driver.complete(again, attempt=2)
    return job


async def _dead(driver: Driver) -> str:
    job = await driver.add("a", "b")
    [held] = await driver.fetch()
    await driver.bury(held)
    return job


async def _released(driver: Driver) -> str:
    job = await driver.add("a", "b")
    [held] = await driver.fetch()
    await driver.release(held)
    return job


def test_a_job_that_nobody_has_read_is_queued(url: str, stream: str) -> None:
    story = told(url, stream, driven(url, stream, _added))
    assert story["state"] == "queued"
    assert story["where"] == "queued, not read yet by the group"
    assert "no worker is alive" in story["next"]
    assert story["why_more_than_once"] is None
    assert events(story) == []


def test_a_held_job_names_its_worker(url: str, stream: str) -> None:
    story = told(url, stream, driven(url, stream, _fetched))
    assert story["state"] == "held"
    assert story["held"]["worker"] == "worker-1"
    assert story["held"]["delivery"] == 1


def test_a_job_that_succeeded_at_once_is_found_in_the_events(url: str, stream: str) -> None:
    story = told(url, stream, driven(url, stream, _completed))
    assert story["state"] == "done"
    [event] = story["events"]
    assert (event["event"], event["attempt"], event["wait_ms"], event["run_ms"]) == (
        "completed",
        1,
        5,
        7,
    )
    assert event["worker"] == "worker-1"
    assert story["why_more_than_once"] is None


def test_a_delayed_job_says_when_it_comes_next(url: str, stream: str) -> None:
    story = told(url, stream, driven(url, stream, _failed))
    assert story["state"] == "delayed"
    assert story["due_at"] is not None
    assert story["where"].startswith("delayed until 2")
    assert story["where"].endswith(" UTC, because attempt 1 failed: ValueError: boom")
    assert story["next"].startswith("in ")
    assert story["error"] == "ValueError: boom"
    assert story["attempts"] == 1


def test_a_job_that_ran_twice_says_why(url: str, stream: str) -> None:
    story = told(url, stream, driven(url, stream, _retried))
    assert story["state"] == "done"
    assert events(story) == ["failed", "completed"]
    assert story["why_more_than_once"] == "attempt 1 failed (ValueError: boom)"


def test_a_dead_job_says_why_it_died(url: str, stream: str) -> None:
    story = told(url, stream, driven(url, stream, _dead))
    assert (story["state"], story["reason"]) == ("dead", "exhausted")
    assert events(story) == ["dead"]


def test_the_command_that_puts_a_dead_job_back_can_be_pasted(url: str, stream: str) -> None:
    job = driven(url, f"{stream} (eu)", _dead)
    shown = run(url, "trace", f"{stream} (eu)", job, form="table").out
    assert "  put it back:" in shown
    [line] = [line for line in shown.splitlines() if "retraced dlq requeue" in line]
    words = shlex.split(line[line.index("retraced") :])
    assert words == ["retraced", "dlq", "requeue", f"{stream} (eu)", job, "--group", "mail"]
    assert run(url, *words[1:]).code == 0


def test_the_three_questions_stand_above_the_timeline(url: str, stream: str) -> None:
    shown = run(url, "trace", stream, driven(url, stream, _failed), form="table").out
    _, _, group, now, *rest = shown.splitlines()
    assert group == "group mail: delayed"
    assert now.startswith("  now        delayed until 2")
    assert any(line == "  runs again because attempt 1 failed (ValueError: boom)" for line in rest)
    assert any(line.startswith("  next       in ") for line in rest)


def test_a_job_that_a_worker_has_not_started_says_so(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        await driver.beat(running="[]")
        return await _fetched(driver)

    story = told(url, stream, driven(url, stream, work))
    assert story["where"].startswith("held by worker-1, not started, delivery 1")
    assert story["next"].startswith("when worker-1 has a free slot")


def test_a_running_job_says_for_how_long(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        job = await _fetched(driver)
        runs = json.dumps([["mail", 90_000, 1, stream]])
        await driver.beat(running=json.dumps([job]), runs=runs)
        return job

    story = told(url, stream, driven(url, stream, work))
    assert story["where"].startswith("held by worker-1, running for 1m 30s, delivery 1")
    assert story["held"]["type"] == "mail"
    assert story["held"]["ran_ms"] >= 90_000
    assert story["next"].startswith("it runs now")


def test_a_job_whose_worker_has_fallen_silent_doesnt_run_now(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        job = await _fetched(driver)
        runs = json.dumps([["mail", 90_000, 1, stream]])
        await driver.beat(running=json.dumps([job]), runs=runs)
        claim = ("XCLAIM", driver.keys.stream, driver.keys.group, driver.consumer, 0, job)
        await driver.link.call("HSET", driver.keys.state, "visibility_ms", 60_000)
        await driver.link.call(*claim, "IDLE", 40_000, "JUSTID")
        return job

    story = told(url, stream, driven(url, stream, work))
    assert story["where"].startswith("held by worker-1, silent for 40")
    assert story["where"].endswith("delivery 1; when last heard of it ran the job")
    assert story["next"].startswith("another worker takes it over in ")
    assert "unless worker-1 is heard of before; no other is alive now" in story["next"]


def test_attempts_of_each_budget_are_told_apart(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        job = await driver.add("a", "b")
        [held] = await driver.fetch()
        for attempt in (1, 2):
            await driver.fail(held, after_ms=0, attempt=attempt)
            [held] = await driver.fetch(Source.READY)
        await driver.bury(held)
        await driver.link.run(requeue(driver.keys, job.encode(), by="ada@desk"))
        [held] = await driver.fetch(Source.READY)
        await driver.fail(held, after_ms=0, attempt=1)
        return job

    why = told(url, stream, driven(url, stream, work))["why_more_than_once"]
    assert why.startswith("attempts 1 and 2, and again 1 after it was put back, failed (the last")


def test_a_story_that_was_followed_ends_with_how_it_stands(url: str, stream: str) -> None:
    job = driven(url, stream, _fetched)
    command = [sys.executable, "-m", "retraced", "--url", url, "-o", "table"]
    following = subprocess.Popen(
        [*command, "trace", stream, job, "--follow"], stdout=subprocess.PIPE, text=True
    )
    assert following.stdout is not None
    while not (line := following.stdout.readline()).startswith("group mail: held"):
        assert line, "it ended before its time"

    async def end(driver: Driver) -> str:
        await driver.complete(Held(Source.STREAM, job.encode(), job.encode(), 1))
        return job

    driven(url, stream, end)
    rest = following.communicate(timeout=30)[0]
    assert "\n\ngroup mail: done\n  now        done since 2" in rest
    assert rest.splitlines()[-1].startswith("  next       never: it has ended")


def test_a_job_that_ignores_its_cancel_is_told(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        job = await _fetched(driver)
        ignoring = json.dumps({job: ["cancelled", 5_000, "mail", stream]})
        await driver.beat(running=json.dumps([job]), ignoring=ignoring)
        return job

    story = told(url, stream, driven(url, stream, work))
    assert "told to end (cancelled) 5s ago, runs on" in story["where"]
    assert story["held"]["ignoring"] == "cancelled"


def test_a_job_whose_worker_is_gone_waits_for_a_takeover(url: str, stream: str) -> None:
    story = told(url, stream, driven(url, stream, _fetched))
    assert "which is gone" in story["where"]
    assert "by a takeover when a worker starts" in story["next"]


def test_an_unread_job_says_how_many_are_before_it(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        await _fetched(driver)
        for _ in range(3):
            await driver.add("a", "b")
        return await driver.add("a", "b")

    story = told(url, stream, driven(url, stream, work))
    assert story["where"] == "queued, not read yet by the group; 3 before it"


def test_a_paused_group_is_told_with_who_when_and_why(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        await driver.link.run(pause(driver.keys, by="ada@desk", why="bad deploy"))
        return await _added(driver)

    story = told(url, stream, driven(url, stream, work))
    assert story["next"].startswith("when the group is resumed; the group is paused since 2")
    assert story["next"].endswith("by ada@desk: bad deploy")
    assert (story["pause"]["by"], story["pause"]["why"]) == ("ada@desk", "bad deploy")


def test_a_requeued_job_says_by_whom(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        job = await _dead(driver)
        await driver.link.run(requeue(driver.keys, job.encode(), by="ada@desk"))
        return job

    story = told(url, stream, driven(url, stream, work))
    assert story["state"] == "queued"
    assert story["events"][-1]["by"] == "ada@desk"


def test_a_job_given_back_before_it_began_is_queued_although_it_has_no_record(
    url: str, stream: str
) -> None:
    story = told(url, stream, driven(url, stream, _released))
    assert story["state"] == "queued"
    assert "ready stream" in story["where"]
    assert events(story) == ["released"]


def test_a_job_held_from_the_ready_stream_counts_all_its_deliveries(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        job = await driver.add("a", "b")
        [held] = await driver.fetch()
        await driver.fail(held, after_ms=0)
        await driver.fetch(Source.READY)
        return job

    story = told(url, stream, driven(url, stream, work))
    assert story["state"] == "held"
    assert story["held"]["delivery"] == 2
    assert story["held"]["on"].endswith(":ready")


def test_a_cancel_that_waits_is_told(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        job = await _fetched(driver)
        await driver.link.run(cancel(driver.keys, job.encode(), by="ada"))
        return job

    assert told(url, stream, driven(url, stream, work))["cancel_requested"] is True


def test_each_group_has_its_own_story(url: str, stream: str) -> None:
    async def nothing(driver: Driver) -> str:
        return ""

    driven(url, stream, nothing, group="audit")
    job = driven(url, stream, _completed)
    stories = {row["group"]: row for row in run(url, "trace", stream, job).rows}
    assert stories["mail"]["state"] == "done"
    assert stories["audit"]["state"] == "queued"
    [only] = run(url, "trace", stream, job, "--group", "audit").rows
    assert only["group"] == "audit"


def test_a_story_that_was_trimmed_says_what_is_known_and_why(
    url: str, stream: str, raw: redis.Redis
) -> None:
    job = driven(url, stream, _completed)
    driven(url, stream, _completed)
    raw.xtrim(Keys.of(stream, "mail").events, maxlen=1, approximate=False)
    ran = run(url, "trace", stream, job)
    assert ran.code == 3
    [story] = ran.rows
    assert story["state"] == "unknown"
    kept, means = story["remarks"]
    assert kept.startswith("the oldest event that this group has is of 2")
    assert means.startswith("its id is older than that: it ended and its events have been trimmed")


def test_an_id_that_no_event_names_is_told_what_that_means(url: str, stream: str) -> None:
    never = driven(url, stream, _skipped)
    for unknown, means in (("999-0", "its id is no clock time"), (never, "its id is newer than")):
        ran = run(url, "trace", stream, unknown)
        assert ran.code == 3
        assert f"no event of job {unknown}" in ran.err
        [story] = ran.rows
        assert story["where"].startswith("no event of this job is kept")
        assert means in story["remarks"][-1]
        assert "added" not in run(url, "trace", stream, unknown, form="table").out


def test_a_settled_job_whose_entry_is_still_there_was_one(
    url: str, stream: str, raw: redis.Redis
) -> None:
    raw.xadd(stream, {"a": "b"}, id="1795501170340-0")
    raw.xgroup_create(stream, "mail", id="1795501170340-0")
    driven(url, stream, _added)
    [story] = run(url, "trace", stream, "1795501170340-0").rows
    assert "there was such a job" in story["remarks"][-1]


def test_old_events_are_found_behind_many_newer_ones(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        job = await _completed(driver)
        for _ in range(450):
            await driver.add("a", "b")
            await driver.complete(*await driver.fetch())
        return job

    assert told(url, stream, driven(url, stream, work))["state"] == "done"


def test_a_due_job_that_nobody_promotes_says_so(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        job = await _failed(driver)
        [member] = await driver.link.call("ZRANGE", driver.keys.delayed, 0, -1)
        await driver.link.call("ZADD", driver.keys.delayed, 1, member)
        await driver.link.call("HSET", driver.keys.job(job.encode()), "due", 1)
        return job

    story = told(url, stream, driven(url, stream, work))
    assert "due since" in story["next"]
    assert "no worker is alive" in story["next"]


def test_a_group_that_is_gone_from_the_stream_is_told(
    url: str, stream: str, raw: redis.Redis
) -> None:
    job = driven(url, stream, _failed)
    raw.xgroup_destroy(stream, "mail")
    ran = run(url, "trace", stream, job, form="table")
    assert ran.code == 0
    assert "gone from the stream" in ran.out
    assert run(url, "pending", stream, "--group", "mail").code == 0


def test_a_record_that_dropped_its_middle_says_how_many_events_are_missing(
    url: str, stream: str
) -> None:
    async def work(driver: Driver) -> str:
        job = await driver.add("a", "b")
        [held] = await driver.fetch()
        for _ in range(105):
            await driver.fail(held, after_ms=0)
            [held] = await driver.fetch(Source.READY)
        return job

    story = told(url, stream, driven(url, stream, work))
    assert len(story["events"]) == 100
    assert story["remarks"] == ["5 events between the first and the last were not kept"]


def test_what_never_was_is_exit_3_with_a_remedy(url: str, stream: str) -> None:
    job = driven(url, stream, _added)
    later = f"{int(job.split('-')[0]) + 1000}-0"
    said = run(url, "trace", stream, later).err
    assert f"job {later} isn't known here: the newest id of '{stream}' is {job}, its group" in said
    assert "mail was made 2" in said
    assert "docs/operations.md" in said
    unknown = run(url, "trace", f"{stream}x", job)
    assert (unknown.code, "Did you mean" in unknown.err) == (3, True)
    group = run(url, "trace", stream, job, "--group", "male")
    assert (group.code, "Did you mean mail?" in group.err) == (3, True)
    assert run(url, "trace", stream, "12-x").code == 2


def test_where_nothing_is_known_yet_it_is_said_how_to_begin(private_server: Server) -> None:
    ran = run(private_server.url, "trace", "emails", "1795501170340-0")
    assert ran.code == 3
    assert "retraced consume STREAM --group G" in ran.err


def test_a_stream_without_a_group_says_how_to_begin(
    url: str, stream: str, raw: redis.Redis
) -> None:
    raw.xadd(stream, {"a": "b"}, id="1795501170340-0")
    ran = run(url, "trace", stream, "1795501170340-0")
    assert ran.code == 3
    assert "retraced consume" in ran.err


def test_the_timeline_fits_80_columns_and_stays_on_its_lines(url: str, stream: str) -> None:
    ran = run(url, "trace", stream, driven(url, stream, _retried), form="table")
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "group mail: done" in ran.out
    assert "+" in ran.out


def test_what_an_error_says_cant_move_the_cursor(url: str, stream: str) -> None:
    async def work(driver: Driver) -> str:
        job = await driver.add("a", "b")
        [held] = await driver.fetch()
        await driver.bury(held, error="\x1b[2Jgone\x07")
        return job

    ran = run(url, "trace", stream, driven(url, stream, work), form="table")
    assert "\x1b" not in ran.out
    assert "gone" in ran.out


async def _failed_in_boom(driver: Driver) -> str:
    job = await driver.add("a", "b")
    [held] = await driver.fetch()
    await driver.fail(held, traceback=TRACEBACK)
    return job


TRACEBACK = """Traceback (most recent call last):
  File "/app/jobs.py", line 12, in send
    boom()
  File "/app/jobs.py", line 7, in boom
    raise ValueError("\x1b[2Jboom")
ValueError: \x1b[2Jboom
"""


def test_a_failure_says_where_it_was_raised(url: str, stream: str) -> None:
    ran = run(url, "trace", stream, driven(url, stream, _failed_in_boom), form="table")
    place, code = ran.out.splitlines()[-2:]
    assert place.strip() == 'File "/app/jobs.py", line 7, in boom'
    assert code.strip() == r'raise ValueError("\x1b[2Jboom")'
    assert "line 12" not in ran.out


def test_verbose_tells_the_whole_traceback(url: str, stream: str) -> None:
    job = driven(url, stream, _failed_in_boom)
    ran = run(url, "trace", stream, job, "-v", form="table")
    told = [line.strip() for line in ran.out.splitlines()]
    safe = TRACEBACK.replace("\x1b", r"\x1b")
    assert told[-6:] == [line.strip() for line in safe.splitlines()]
    assert "\x1b" not in ran.out


def test_follow_ends_with_the_job(url: str, stream: str) -> None:
    job = driven(url, stream, _completed)
    assert run(url, "trace", stream, job, "--follow").rows[0]["state"] == "done"


async def test_follow_prints_what_comes(
    url: str, stream: str, raw: redis.Redis, eventually: Callable[..., Awaitable[Any]]
) -> None:
    async with Connector(url).link() as link:
        driver = Driver(link, stream)
        await driver.join()
        job = await driver.add("a", "b")
        [held] = await driver.fetch()
        before = _ranges(raw)
        following = asyncio.create_task(
            asyncio.to_thread(run, url, "trace", stream, job, "--follow")
        )
        # The story takes three look-ups by range; whatever comes after them is the following.
        await eventually(lambda: _ranges(raw) > before + 3, 10, "it follows")
        await driver.fail(held, after_ms=0)
        [again] = await driver.fetch(Source.READY)
        await driver.complete(again, attempt=2)
        story, *further = (await following).rows
    assert story["state"] == "held"
    assert [row["event"] for row in further] == ["failed", "completed"]


def _ranges(raw: redis.Redis) -> int:
    """How many XRANGE the server has answered."""
    stats: Any = raw.info("commandstats")
    return int(stats.get("cmdstat_xrange", {"calls": 0})["calls"])
