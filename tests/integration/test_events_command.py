"""`retraced events`: the newest events of all groups, narrowed, and those that come."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from retraced.store.connection import Connector
from tests.commands import run
from tests.driver import Driver
from tests.servers import Server
from tests.stock import Stocked, fill
from tests.waiting import wait_until

pytestmark = pytest.mark.by_turns


@pytest.fixture
def stocked(url: str, stream: str) -> Stocked:
    return fill(url, stream, each=3)


def test_the_newest_events_come_oldest_first(url: str, stocked: Stocked) -> None:
    rows = run(url, "events", stocked.stream).rows
    assert [row["at_ms"] for row in rows] == sorted(row["at_ms"] for row in rows)
    assert {row["event"] for row in rows} >= {"completed", "failed", "dead", "cancelled"}
    assert {row["stream"] for row in rows} == {stocked.stream}
    fewer = run(url, "events", stocked.stream, "--limit", "4").rows
    assert [row["id"] for row in fewer] == [row["id"] for row in rows[-4:]]


def test_events_are_narrowed_by_name_job_and_worker(url: str, stocked: Stocked) -> None:
    rows = run(url, "events", stocked.stream, "--event", "dead", "--event", "cancelled").rows
    assert {row["event"] for row in rows} == {"dead", "cancelled"}
    assert {row["id"] for row in rows} == {*stocked.dead, *stocked.cancelled}
    job = stocked.cancelled[0]
    rows = run(url, "events", stocked.stream, "--job", job).rows
    assert {row["id"] for row in rows} == {job}
    assert not run(url, "events", stocked.stream, "--worker", "worker-2").rows


def test_older_ones_are_left_out(url: str, stocked: Stocked) -> None:
    assert run(url, "events", stocked.stream, "--since", "1h").rows
    assert not run(url, "events", stocked.stream, "--since", "2999-01-01T00:00:00Z").rows


def test_the_groups_of_a_stream_are_told_together(url: str, stocked: Stocked) -> None:
    fill(url, stocked.stream, "audit", each=1)
    rows = run(url, "events", stocked.stream).rows
    assert {row["group"] for row in rows} == {"mail", "audit"}
    only = run(url, "events", stocked.stream, "--group", "audit").rows
    assert {row["group"] for row in only} == {"audit"}


def test_events_fit_the_terminal_and_are_told_whole(url: str, stocked: Stocked) -> None:
    lines = run(url, "events", stocked.stream, form="table").out.splitlines()
    heads = [line for line in lines if not line.startswith(" ")]
    rows = run(url, "events", stocked.stream).rows
    assert len(heads) == len(rows) < len(lines)
    assert max(map(len, lines)) <= 80
    assert any(" failed, attempt " in line for line in lines)
    told = " ".join(" ".join(lines).split())
    errors = [" ".join(row["error"].split()) for row in rows if row["event"] == "dead"]
    assert [error for error in errors if error not in told] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--event", "fialed"), 2, "Did you mean failed?"),
        (("--job", "x"), 2, "isn't a job id"),
        (("--since", "yesterday"), 2, "as 1h"),
        (("--since", "90"), 2, "90s"),
        (("--group", "male"), 3, "Did you mean mail?"),
    ],
)
def test_what_cant_be_asked_says_why(
    url: str, stocked: Stocked, words: tuple[str, ...], code: int, said: str
) -> None:
    ran = run(url, "events", stocked.stream, *words)
    assert ran.code == code
    assert said in ran.err


def test_nothing_says_what_to_do_next(url: str, stream: str) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    ran = run(url, "events", stream, "--event", "dead")
    assert (ran.code, ran.out) == (0, "")
    assert "--follow" in ran.err


@pytest.fixture
def following(url: str, stocked: Stocked) -> Iterator[subprocess.Popen[str]]:
    words = ["--url", url, "events", stocked.stream, "--follow", "--limit", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "retraced", *words], stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_follow_tells_what_comes_until_ctrl_c(
    url: str, stocked: Stocked, following: subprocess.Popen[str]
) -> None:
    assert following.stdout is not None
    json.loads(following.stdout.readline())

    async def another() -> str:
        async with Connector(url).link() as link:
            driver = Driver(link, stocked.stream)
            job = await driver.add("a", "b")
            for held in await driver.fetch():
                await driver.fail(held)
            return job

    job = asyncio.run(another())
    told = [json.loads(following.stdout.readline()) for _ in range(4)]
    assert told[-1]["id"] == job
    assert told[-1]["event"] == "failed"
    following.send_signal(signal.SIGINT)
    wait_until(lambda: following.poll() is not None, 10, "it ends")
    assert following.returncode == 0


def test_follow_goes_on_when_redis_is_back(private_server: Server) -> None:
    url = private_server.url
    stocked = fill(url, "mails", each=1)
    words = ("events", "mails", "--follow", "--limit", "1")
    with following_process(url, *words) as events:
        assert events.stdout is not None
        assert events.stderr is not None
        json.loads(events.stdout.readline())
        with redis.Redis.from_url(url) as raw:
            raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        private_server.kill()
        assert "It is tried again until Ctrl-C" in events.stderr.readline()
        private_server.start()
        assert events.stderr.readline() == "Redis is back\n"
        assert run(url, "jobs", "cancel", "mails", stocked.delayed[0]).code == 0
        told = json.loads(events.stdout.readline())
        assert (told["event"], told["id"]) == ("cancelled", stocked.delayed[0])


def test_a_trace_that_is_followed_goes_on_when_redis_is_back(private_server: Server) -> None:
    url = private_server.url
    job = fill(url, "mails", each=1).delayed[0]
    with following_process(url, "trace", "mails", job, "--follow") as trace:
        assert trace.stdout is not None
        assert trace.stderr is not None
        json.loads(trace.stdout.readline())
        private_server.kill()
        assert "It is tried again until Ctrl-C" in trace.stderr.readline()
        private_server.start()
        assert run(url, "jobs", "cancel", "mails", job).code == 0
        assert json.loads(trace.stdout.readline())["event"] == "cancelled"
        assert trace.wait(timeout=20) == 0


@contextmanager
def following_process(url: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "retraced", "-o", "jsonl", "--url", url, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
