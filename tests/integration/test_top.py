"""`retraced top`: what it shows at 80x24, and that its capitals act only after a yes."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
import redis

from retraced.histogram import bucket
from retraced.keys import Keys
from retraced.store.connection import Connector, Link
from retraced.store.writes import Source, measure, pause
from tests.driver import Driver
from tests.screens import top
from tests.servers import Server
from tests.stock import Stocked, stock
from tests.waiting import eventually
from tests.workers import Crew

pytestmark = pytest.mark.by_turns

BEATS: dict[str, str | int] = {"host": "here", "pid": 4711, "concurrency": 10, "release": "v1.4"}


async def stocked(link: Link, stream: str, *, each: int = 3) -> Stocked:
    """Jobs in every state; a worker that runs the first held one, for three minutes so far."""
    filled = await stock(link, stream, each=each)
    await beat(link, stream, filled.jobs["held"][0], ran_ms=180_000)
    return filled


async def beat(link: Link, stream: str, job: str, *, ran_ms: int, silent_ms: int = 0) -> None:
    runs = json.dumps([["report", ran_ms, 1, stream]])
    running = json.dumps([job])
    driver = Driver(link, stream)
    await driver.beat(**BEATS, silent_ms=silent_ms, running=running, runs=runs)


async def test_the_groups_are_shown_with_all_that_matters(
    url: str, stream: str, link: Link
) -> None:
    await stocked(link, stream)
    async with top(url, stream=stream) as seen:
        await seen.shows("[1 Groups 1]", "done 0/s")
        assert f"ok {stream}/mail 6 6 3 3 0 0" in seen.row(f"{stream}/mail")
        assert "backlog 6 held 6 delayed 3 dead 3" in seen.row("backlog")
        assert {len(line) for line in seen.lines} == {80}
        assert len(seen.lines) == 24
        for word in ("2 Held 6", "3 Workers 1", "4 Dead 3", "q quit", "? help", "P pause"):
            assert word in seen.text


async def test_what_runs_is_shown_with_how_long_on_which_delivery_and_by_whom(
    url: str, stream: str, link: Link
) -> None:
    filled = await stocked(link, stream)
    running, fetched, _ = filled.jobs["held"]
    async with top(url, stream=stream) as seen:
        await seen.press("2")
        await seen.shows(running)
        assert re.match(rf"running {running} report 3m( \d+s)? 1 worker-1", seen.row(running))
        assert seen.row(fetched).startswith("fetched")
        assert "C cancel" in seen.text


async def test_a_job_that_runs_ten_times_longer_than_its_type_usually_does_is_marked(
    url: str, stream: str, link: Link
) -> None:
    filled = await stocked(link, stream)
    driver = Driver(link, stream)
    await link.run(measure(driver.keys, driver.author, {b"r:40:report": 50}))  # about a second
    async with top(url, stream=stream) as seen:
        await seen.press("2")
        await seen.shows("x p99")
        assert filled.jobs["held"][0] in seen.row("x p99")


async def test_a_job_of_a_real_worker_is_seen_running_and_cancelled(
    url: str, stream: str, link: Link, crew: Crew
) -> None:
    worker = crew.consume(stream, "--visibility-timeout", "3s").ready()
    job = (await link.call("XADD", stream, "*", "type", "sleep", "payload", '{"s": 60}')).decode()
    async with top(url, stream=stream) as seen:
        await seen.press("2")
        await seen.shows(f"running  {job}", "sleep")
        await seen.press("C")
        await seen.shows(f"Cancel job {job}")
        await seen.press("y")
        await seen.shows("[2 Held 0]", "nothing is held")
    await asyncio.to_thread(worker.hears, "cancelled")
    await asyncio.to_thread(worker.stop)


async def test_what_has_ended_since_the_heartbeat_is_not_shown_as_running(
    url: str, stream: str, link: Link
) -> None:
    driver = Driver(link, stream)
    await driver.join()
    job, other = [await driver.add("type", "report", "payload", "{}") for _ in range(2)]
    held, _ = await driver.fetch()
    await beat(link, stream, job, ran_ms=5_000)
    async with top(url, stream=stream) as seen:
        await seen.press("2")
        await seen.shows(job, other)
        await driver.complete(held)
        await seen.lacks(job)
        assert other in seen.text


async def test_workers_are_shown_and_what_has_stalled_comes_first(
    url: str, stream: str, link: Link
) -> None:
    filled = await stocked(link, stream)
    await beat(link, stream, filled.jobs["held"][0], ran_ms=90_000, silent_ms=31_000)
    await Driver(link, stream, consumer=b"a-fine-worker").beat(**BEATS, running="[]", runs="[]")
    async with top(url, stream=stream) as seen:
        await seen.press("3")
        await seen.shows("STALLED", "a-fine-worker")
        assert "worker-1" in seen.lines[4]
        assert re.search(r"1/10 report 1m 3\ds v1\.4", seen.row("worker-1"))
        assert seen.row("a-fine-worker").startswith("ok a-fine-worker")
        await seen.press("enter")
        await seen.shows("STALLED: nothing has moved in it", filled.jobs["held"][0])
        await seen.press("escape", "2")
        await seen.shows(filled.jobs["held"][0])
        assert seen.row(filled.jobs["held"][0]).startswith("STALLED")


async def test_dead_letters_are_shown_the_newest_first_with_their_errors(
    url: str, stream: str, link: Link
) -> None:
    filled = await stocked(link, stream)
    async with top(url, stream=stream) as seen:
        await seen.press("4")
        await seen.shows(*filled.jobs["dead"], "exhausted", "SMTPError")
        assert filled.jobs["dead"][-1] in seen.lines[4]


async def test_a_paused_group_looks_paused(url: str, stream: str, link: Link) -> None:
    await stocked(link, stream)
    await link.run(pause(Keys.of(stream, "mail"), by="bob@there", why="deploy"))
    async with top(url, stream=stream) as seen:
        await seen.shows("PAUSED 1")
        assert seen.row(f"{stream}/mail").startswith("PAUSED")
        await seen.press("enter")
        await seen.shows("by bob@there: deploy", "A MINUTE, OVER")


async def test_enter_tells_the_story_of_a_job(url: str, stream: str, link: Link) -> None:
    filled = await stocked(link, stream)
    async with top(url, stream=stream) as seen:
        await seen.press("4")
        await seen.shows(filled.jobs["dead"][0])
        await seen.press("end", "enter")
        await seen.shows(f"job {filled.jobs['dead'][0]} of {stream}", "group mail: dead")
        assert "Traceback" not in seen.text
        await seen.press("v")
        await seen.shows("Traceback")
        await seen.press("escape")
        await seen.shows("[4 Dead 3]")


async def test_the_cursor_stays_on_its_row_while_others_come(
    url: str, stream: str, link: Link
) -> None:
    filled = await stocked(link, stream)
    driver = Driver(link, stream)
    async with top(url, stream=stream) as seen:
        await seen.press("4")
        await seen.shows(filled.jobs["dead"][0])
        await seen.press("j")
        [newest] = await driver.fetch(count=1)
        await driver.bury(newest)
        await seen.shows(newest.job.decode())
        await seen.press("X")
        await seen.shows(f"Purge job {filled.jobs['dead'][1]} ")


async def test_a_filter_of_terms_or_of_words_leaves_the_rows_that_match(
    url: str, stream: str, link: Link
) -> None:
    filled = await stocked(link, stream)
    first, second, third = filled.jobs["dead"]
    async with top(url, stream=stream) as seen:
        await seen.press("4")
        await seen.shows(first, second, third)
        await seen.press("slash", *"reason=rejected", "enter")
        await seen.shows("FILTER reason=rejected: 1 of 3 rows")
        assert third in seen.text
        assert first not in seen.text
        await seen.press("escape", "slash", *"smtp", "enter")
        await seen.shows("words smtp: 1 of 3 rows", first)
        await seen.press("escape", "slash", *"reason=rejected oops", "enter")
        await seen.shows("0 of 3 rows (no FILTER:", "'oops'")
        await seen.press("X")
        await seen.shows("X needs a row of a job, and there is none here that the filter leaves")
        await seen.press("escape")
        await seen.shows(first, second, third)


async def test_cancel_acts_only_after_a_yes(
    url: str, stream: str, link: Link, raw: redis.Redis
) -> None:
    filled = await stocked(link, stream)
    running, cancelled = filled.jobs["held"][0], Keys.of(stream, "mail").cancelled
    async with top(url, stream=stream) as seen:
        await seen.press("2")
        await seen.shows(running)
        before = raw.smembers(cancelled)
        for key in ("n", "escape", "q"):
            await seen.press("C")
            await seen.shows(f"Cancel job {running} in group mail of {stream}")
            await seen.press(key)
            await seen.shows("nothing changed")
        assert raw.smembers(cancelled) == before
        await seen.press("C", "y")
        await seen.shows(f"cancel job {running}: requested")
        assert raw.sismember(cancelled, running)


async def test_requeue_and_purge_act_only_after_a_yes(
    url: str, stream: str, link: Link, raw: redis.Redis
) -> None:
    filled = await stocked(link, stream)
    newest, dlq = filled.jobs["dead"][-1], Keys.of(stream, "mail").dlq
    async with top(url, stream=stream) as seen:
        await seen.press("4")
        await seen.shows(newest)
        for key in ("R", "X"):
            await seen.press(key, "n")
            await seen.shows("nothing changed")
        assert raw.xlen(dlq) == 3
        await seen.press("R", "y")
        await seen.shows(f"requeue job {newest}: done", "[4 Dead 2]")
        await seen.press("X", "y")
        await seen.shows("purge job", "[4 Dead 1]")
        assert raw.xlen(dlq) == 1
        assert raw.hget(Keys.of(stream, "mail").job(newest.encode()), "state") == b"queued"


async def test_what_was_invalid_is_not_put_back(url: str, stream: str, link: Link) -> None:
    driver = Driver(link, stream)
    await driver.join()
    await driver.add("a", "b")
    [held] = await driver.fetch()
    await driver.bury(held, reason="invalid", error="timeout: 'x' isn't a duration")
    async with top(url, stream=stream) as seen:
        await seen.press("4")
        await seen.shows(held.job.decode())
        await seen.press("R", "y")
        await seen.shows("NOT DONE: it was buried as invalid", "[4 Dead 1]")


async def test_pause_asks_why_and_the_same_key_resumes(
    url: str, stream: str, link: Link, raw: redis.Redis
) -> None:
    await stocked(link, stream)
    state = Keys.of(stream, "mail").state
    async with top(url, stream=stream) as seen:
        await seen.shows(f"{stream}/mail")
        await seen.press("P")
        await seen.shows(f"Pause group mail of {stream}", "y: do it")
        assert "Why?" not in seen.text
        for keys in (("escape",), ("n", "2", "j", "C", "escape"), ("enter", "j", "y", "escape")):
            await seen.press(*keys)  # keys that were meant for rows pause nothing
            await seen.shows("nothing changed")
            assert raw.hget(state, "paused_since") is None
            await seen.press("1", "P")
            await seen.shows("y: do it")
        await seen.press("y")
        await seen.shows("Why? All who look", "Enter: do it")
        await seen.press(*"deploy", "enter")
        await seen.shows("PAUSED 1")
        assert raw.hmget(state, "paused_by", "paused_why") == [b"ada@here", b"deploy"]
        await seen.press("P")
        await seen.shows("It was paused by ada@here: deploy")
        await seen.press("y")
        await eventually(lambda: raw.hget(state, "paused_since") is None, 5, "resumed")


async def test_a_capital_in_the_wrong_view_says_where_it_belongs(
    url: str, stream: str, link: Link
) -> None:
    await stocked(link, stream)
    async with top(url, stream=stream) as seen:
        await seen.press("C")
        await seen.shows("C needs a row of a job: press 2 first")
        await seen.press("X")
        await seen.shows("X needs a row of a dead letter: press 4 first")


async def test_with_no_streams_it_says_how_to_begin(private_server: Server) -> None:
    async with top(private_server.url) as seen:
        await seen.shows("no streams yet", "retraced add", "retraced consume")
        for view in "234":
            await seen.press(view)
            await seen.shows(f"[{view} ")


async def test_redis_that_goes_away_and_comes_back_is_told_in_the_header(
    private_server: Server,
) -> None:
    async with Connector(private_server.url).link() as link:
        await stocked(link, "orders")
    async with top(private_server.url) as seen:
        await seen.shows("orders/mail")
        private_server.stop()
        await seen.shows("REDIS AWAY for", "can't reach", "orders/mail")
        await seen.press("2")
        await seen.shows("[2 Held 6]")
        private_server.start()
        await seen.lacks("REDIS AWAY")


async def test_a_group_that_cant_be_read_does_not_hide_the_others(
    url: str, stream: str, link: Link, raw: redis.Redis
) -> None:
    await stocked(link, stream)
    await Driver(link, f"{stream}-broken").join()
    keys = Keys.of(f"{stream}-broken", "mail")
    raw.delete(keys.delayed)
    raw.set(keys.delayed, "no zset")
    async with top(url, group="mail") as seen:
        await seen.shows("ERROR", f"ok      {stream}/mail")
    raw.delete(keys.delayed)


async def test_released_entries_of_the_ready_stream_are_told_by_their_jobs(
    url: str, stream: str, link: Link
) -> None:
    driver = Driver(link, stream)
    await driver.join()
    job = await driver.add("a", "b")
    await driver.release((await driver.fetch())[0])
    await driver.fetch(Source.READY)
    async with top(url, stream=stream) as seen:
        await seen.press("2")
        await seen.shows(job)
        assert f"{job} - - 2 worker-1" in seen.row(job)


async def test_errors_have_the_room_of_what_each_row_repeats(
    url: str, stream: str, link: Link
) -> None:
    driver = Driver(link, stream)
    await driver.join()
    for host in range(2):
        await driver.add("type", "mail", "payload", "{}")
        [held] = await driver.fetch()
        await driver.bury(held, error=f"ConnectionError: no route to host {host}, port 25")
    async with top(url, stream=stream) as seen:
        await seen.press("4")
        await seen.shows("no route to host 0, port 25", "no route to host 1, port 25")
        await seen.shows(f"all mail, exhausted, {stream}/mail")
        assert "STREAM/GROUP" not in seen.text


async def test_times_of_types_stand_apart(url: str, stream: str, link: Link) -> None:
    driver = Driver(link, stream)
    await driver.join()
    slow = {f"{kind}:{bucket(71_115)}:report".encode(): 50 for kind in "wr"}
    await link.run(measure(driver.keys, driver.author, slow))
    async with top(url, stream=stream) as seen:
        await seen.shows(f"{stream}/mail")
        await seen.press("enter")
        await seen.shows("LAST HOUR", "report")
        name, runs, *times = re.split(r"  +", seen.row_as_it_is("report").strip())
        assert (name, runs, len(times)) == ("report", "50", 6)
        assert all(re.fullmatch(r"1m \d+s", each) for each in times)


async def test_a_worker_tells_its_facts_in_words(url: str, stream: str, link: Link) -> None:
    await stocked(link, stream)
    async with top(url, stream=stream) as seen:
        await seen.press("3")
        await seen.shows("worker-1")
        await seen.press("enter")
        await seen.shows("process 4711 on here, release v1.4", "1 of 10 slots taken")
        assert "  at: " not in seen.text
