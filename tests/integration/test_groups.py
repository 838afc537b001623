"""`retraced groups` and `retraced streams`: made, counted, deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis

from retraced.keys import GROUPS, Keys
from retraced.store.connection import Connector, Link
from retraced.store.reads.backlog import Count, unread
from retraced.store.writes import Source
from tests.commands import run
from tests.driver import Driver


def worked(url: str, stream: str) -> None:
    """A group with one job in each place: unread, held, ready, delayed, dead."""

    async def through() -> None:
        async with Connector(url).link() as link:
            driver = Driver(link, stream)
            await driver.join()
            for _ in range(4):
                await driver.add("a", "b")
            held = await driver.fetch()
            await driver.release(held[0])
            await driver.fail(held[1])
            await driver.bury(held[2])
            await driver.add("a", "b")

    asyncio.run(through())


def test_a_group_made_before_the_first_job_gets_it(url: str, stream: str, raw: redis.Redis) -> None:
    ran = run(url, "groups", "create", stream, "--group", "mail")
    assert ran.code == 0
    assert ran.rows[0]["created"] is True
    raw.xadd(stream, {"a": "b"})
    [row] = run(url, "groups", "list", stream).rows
    assert (row["id"], row["unread"], row["unread_exact"]) == ("mail", 1, True)
    assert raw.smembers(GROUPS) == {b"mail:" + stream.encode()}


def test_a_group_that_exists_stays_as_it_is(url: str, stream: str) -> None:
    run(url, "groups", "create", stream, "--group", "mail", "--visibility-timeout", "10s")
    ran = run(url, "groups", "create", stream, "--group", "mail", "--visibility-timeout", "60s")
    assert ran.code == 0
    assert ran.rows[0]["created"] is False
    assert ran.rows[0]["visibility_timeout_ms"] == 10_000
    assert "exists already" in ran.err


@pytest.mark.parametrize(("start", "unread_jobs"), [("start", 3), ("now", 0), ("second", 1)])
def test_a_later_group_begins_where_it_is_told(
    url: str, stream: str, raw: redis.Redis, start: str, unread_jobs: int
) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    ids: list[Any] = [raw.xadd(stream, {"a": "b"}) for _ in range(3)]
    place = ids[1].decode() if start == "second" else start
    run(url, "groups", "create", stream, "--group", "audit", "--from", place)
    rows = {row["id"]: row for row in run(url, "groups", "list", stream).rows}
    assert rows["audit"]["unread"] == unread_jobs
    assert rows["mail"]["unread"] == 3


def test_a_stream_that_others_work_wants_an_agreement(
    url: str, stream: str, raw: redis.Redis
) -> None:
    raw.xadd(stream, {"a": "b"})
    raw.xgroup_create(stream, "theirs", "0")
    ran = run(url, "groups", "create", stream, "--group", "mail")
    assert ran.code == 6
    assert "theirs" in ran.err
    agreed = run(url, "groups", "create", stream, "--group", "mail", "--delete-settled")
    assert agreed.code == 0


def test_a_bad_place_or_name_is_exit_2(url: str, stream: str) -> None:
    assert run(url, "groups", "create", stream, "--group", "mail", "--from", "soon").code == 2
    assert run(url, "groups", "create", stream, "--group", "a b").code == 2


def test_each_place_is_counted(url: str, stream: str) -> None:
    worked(url, stream)
    [row] = run(url, "groups", "list", stream).rows
    counts = {name: row[name] for name in ("unread", "held", "ready", "delayed", "dead")}
    assert counts == {"unread": 1, "held": 1, "ready": 1, "delayed": 1, "dead": 1}
    [seen] = run(url, "streams").rows
    assert (seen["id"], seen["entries"]) == (stream, 2)
    assert seen["groups"][0]["unread"] == 1


def test_tables_fit_80_columns(url: str, stream: str) -> None:
    worked(url, stream)
    for command in (["streams"], ["groups", "list"]):
        table = run(url, *command, form="table").out
        assert stream in table
        assert max(map(len, table.splitlines())) <= 80


def test_a_long_note_takes_no_column_away(url: str, stream: str) -> None:
    worked(url, stream)
    run(url, "pause", stream, "--group", "mail")
    run(url, "jobs", "cancel", stream, "--group", "mail", "state=queued", "--yes")
    groups = run(url, "streams").rows[0]["groups"]
    cancels = groups[0]["cancels"]
    assert cancels >= 1
    for command in (["streams"], ["groups", "list"]):
        lines = run(url, *command, form="table").out.splitlines()
        assert max(map(len, lines)) <= 80
        assert f"paused; {cancels} cancel" in " ".join(lines)
        assert command == ["groups", "list"] or "ENTRIES" in lines[0]


def test_deleting_shows_what_is_lost_and_wants_a_yes(
    url: str, stream: str, raw: redis.Redis
) -> None:
    worked(url, stream)
    ran = run(url, "groups", "delete", stream, "--group", "mail")
    assert ran.code == 6
    assert "1 unread, 1 held, 1 ready, 1 delayed, 1 dead" in ran.err
    assert raw.exists(Keys.of(stream, "mail").state)
    ran = run(url, "groups", "delete", stream, "--group", "mail", "--yes")
    assert ran.code == 0
    assert raw.smembers(GROUPS) == set()
    assert not [key for key in raw.scan_iter() if key.startswith(b"retraced:")]


def test_deleting_one_group_leaves_the_other(url: str, stream: str, raw: redis.Redis) -> None:
    run(url, "groups", "create", stream, "--group", "audit")
    worked(url, stream)
    run(url, "groups", "delete", stream, "--group", "mail", "--yes")
    [row] = run(url, "groups", "list", stream).rows
    assert (row["id"], row["unread"]) == ("audit", 5)
    assert run(url, "groups", "delete", stream, "--group", "mail", "--yes").code == 3


def test_a_group_that_is_not_ours_isnt_deleted(url: str, stream: str, raw: redis.Redis) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    raw.xgroup_create(stream, "theirs", "0")
    ran = run(url, "groups", "delete", stream, "--group", "theirs", "--yes")
    assert ran.code == 3
    assert "isn't ReTraced's" in ran.err
    groups: Any = raw.xinfo_groups(stream)
    assert {group["name"] for group in groups} == {b"mail", b"theirs"}


def test_a_group_that_vanished_from_its_stream_is_said_to_be_gone(
    url: str, stream: str, raw: redis.Redis
) -> None:
    worked(url, stream)
    raw.delete(stream)
    [row] = run(url, "groups", "list", stream).rows
    assert row["exists"] is False
    ran = run(url, "streams", form="table")
    assert ran.out.splitlines()[1].endswith("gone")
    assert "is gone from the stream" in ran.err


def test_no_streams_and_no_groups_say_what_to_do(url: str, stream: str) -> None:
    assert "retraced add" in run(url, "streams").err
    assert "retraced groups create" in run(url, "groups", "list").err
    missing = run(url, "groups", "list", stream)
    assert missing.code == 3


async def _counted(link: Link, stream: str, last: bytes, *, most: int = 10_000) -> Count:
    length: int = await link.call("XLEN", stream)
    return await unread(link, stream.encode(), length=length, last_delivered=last, most=most)


async def test_a_backlog_is_exact_while_one_side_of_it_is_short(
    stream: str, link: Link, raw: redis.Redis
) -> None:
    for ms in range(1, 1_001):
        raw.xadd(stream, {"a": "b"}, id=f"{ms}-0")
    assert await _counted(link, stream, b"0-0") == Count(1_000)
    assert await _counted(link, stream, b"10-0", most=200) == Count(990)
    assert await _counted(link, stream, b"990-0", most=200) == Count(10)
    assert await _counted(link, stream, b"1000-0") == Count(0)
    assert await _counted(link, stream, b"500-0", most=200) == Count(200, exact=False)


async def test_deletions_that_spoil_xinfos_lag_dont_spoil_the_count(
    stream: str, link: Link, raw: redis.Redis
) -> None:
    driver = Driver(link, stream)
    await driver.join()
    jobs = [await driver.add("a", "b") for _ in range(5)]
    await driver.complete(*await driver.fetch(Source.STREAM, count=2))
    raw.xdel(stream, jobs[3])
    groups: Any = raw.xinfo_groups(stream)
    assert await _counted(link, stream, groups[0]["last-delivered-id"]) == Count(2)


def test_a_new_group_has_no_retention_to_end(url: str, stream: str) -> None:
    ran = run(url, "groups", "create", stream, "--group", "mail", "--retain", "none")
    assert (ran.code, "retraced groups set" in ran.err) == (2, True)
