"""`retraced replay`: what a stream has retained runs once more, in one group alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis

from retraced.keys import Keys
from retraced.store.connection import Connector
from retraced.store.writes import Source
from tests.commands import run
from tests.driver import Driver

pytestmark = pytest.mark.by_turns

TYPES = ("mail", "sms", "mail", "sms", "mail")


def driven(url: str, stream: str, work: Callable[[Driver], Awaitable[list[str]]]) -> list[str]:
    async def through() -> list[str]:
        async with Connector(url).link() as link:
            driver = Driver(link, stream)
            await driver.join()
            return await work(driver)

    return asyncio.run(through())


async def _completed(driver: Driver) -> list[str]:
    jobs = [await driver.add("type", each, "payload", '{"n": 1}') for each in TYPES]
    await driver.complete(*await driver.fetch())
    return jobs


async def _queued_again(driver: Driver) -> list[str]:
    return [held.job.decode() for held in await driver.fetch(Source.READY)]


@pytest.fixture
def settled(url: str, stream: str) -> list[str]:
    """Five jobs that the group has settled, on a stream that retains them."""
    run(url, "groups", "create", stream, "--group", "mail", "--retain", "7d")
    return driven(url, stream, _completed)


def test_a_stream_that_retains_nothing_says_how_to_begin(url: str, stream: str) -> None:
    driven(url, stream, _completed)
    ran = run(url, "replay", stream, "--group", "mail", "--from", "1h", "--yes")
    assert ran.code == 6
    assert f"retraced groups set {stream} --group mail --retain 7d" in ran.err


def test_without_a_yes_it_only_counts(url: str, stream: str, settled: list[str]) -> None:
    ran = run(url, "replay", stream, "--group", "mail", "--from", "1h")
    assert ran.code == 6
    assert "would replay 5 settled jobs" in ran.err
    ran = run(url, "replay", stream, "--group", "mail", "--from", "1h", "--dry-run")
    assert (ran.code, ran.rows[0]["count"]) == (0, 5)
    assert ran.rows[0]["examples"] == settled
    assert driven(url, stream, _queued_again) == []


def test_a_replay_runs_those_that_match_again(url: str, stream: str, settled: list[str]) -> None:
    ran = run(url, "replay", stream, "--group", "mail", "--from", "1h", "type=mail", "--yes")
    assert ran.code == 0, ran.err
    chosen = [job for job, each in zip(settled, TYPES, strict=True) if each == "mail"]
    assert [row["id"] for row in ran.rows] == chosen
    assert driven(url, stream, _queued_again) == chosen


def test_the_type_is_what_the_group_takes_for_it(
    url: str, stream: str, settled: list[str], raw: redis.Redis
) -> None:
    for field, term, count in (("payload", 'type:"n"', 5), ("none", f"type={stream}", 5)):
        raw.hset(Keys.of(stream, "mail").state, "type_field", field)
        words = ("--from", "1h", term, "--dry-run")
        ran = run(url, "replay", stream, "--group", "mail", *words)
        assert ran.rows[0]["count"] == count


def test_the_story_says_who_replayed_it_and_what_was_before(
    url: str, stream: str, settled: list[str]
) -> None:
    run(url, "replay", stream, "--group", "mail", settled[0])
    [story] = run(url, "trace", stream, settled[0]).rows
    assert story["state"] == "queued"
    assert [event["event"] for event in story["events"]] == ["completed", "replayed"]
    assert "@" in story["events"][-1]["by"]
    assert story["why_more_than_once"] == f"replayed by {story['events'][-1]['by']}"


def test_only_those_added_in_the_time_are_replayed(
    url: str, stream: str, settled: list[str]
) -> None:
    first, last = (int(job.split("-")[0]) for job in (settled[0], settled[-1]))
    for start, end, count in ((first, last, 5), (first - 9000, first - 1, 0)):
        words = ("--from", str(start), "--to", str(end), "--dry-run")
        ran = run(url, "replay", stream, "--group", "mail", *words)
        assert ran.rows[0]["count"] == count


def test_another_group_sees_nothing_of_it(
    url: str, stream: str, settled: list[str], raw: redis.Redis
) -> None:
    run(url, "groups", "create", stream, "--group", "audit")
    run(url, "replay", stream, "--group", "mail", "--from", "1h", "--yes")
    assert raw.xlen(Keys.of(stream, "mail").ready) == 5
    assert raw.xlen(Keys.of(stream, "audit").ready) == 0


def test_what_is_alive_is_left_alone(url: str, stream: str, settled: list[str]) -> None:
    run(url, "replay", stream, "--group", "mail", *settled[:2])

    async def held(driver: Driver) -> list[str]:
        await driver.add("type", "mail")
        return [each.job.decode() for each in await driver.fetch()]

    driven(url, stream, held)

    async def unread(driver: Driver) -> list[str]:
        return [await driver.add("type", "mail")]

    driven(url, stream, unread)
    ran = run(url, "replay", stream, "--group", "mail", "--from", "1h", "--dry-run")
    assert ran.rows[0]["examples"] == settled[2:]
    again = run(url, "replay", stream, "--group", "mail", settled[0])
    assert again.code == 6
    assert "it is queued" in again.err


def test_a_job_whose_entry_is_gone_is_not_found(
    url: str, stream: str, settled: list[str], raw: redis.Redis
) -> None:
    raw.xdel(stream, settled[1])
    ran = run(url, "replay", stream, "--group", "mail", settled[1])
    assert (ran.code, "no longer in the stream" in ran.err) == (3, True)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--to", "1h"),
        ("--from", "1h", "error:refused"),
        ("--from", "1h", "state=done"),
        ("--from", "1h", "1795501170340-0"),
        ("--from", "soon"),
    ],
)
def test_what_cant_be_asked_is_exit_2(
    url: str, stream: str, settled: list[str], words: tuple[str, ...]
) -> None:
    assert run(url, "replay", stream, "--group", "mail", *words, "--yes").code == 2
