"""`retraced dlq`: dead letters in pages, whole, and put back."""

from __future__ import annotations

import asyncio
import getpass
import socket

import pytest
import redis

from retraced.keys import Keys
from retraced.store.connection import Connector
from tests.commands import run
from tests.driver import Driver

pytestmark = pytest.mark.by_turns


def buried(
    url: str,
    stream: str,
    count: int = 1,
    *,
    reason: str = "exhausted",
    error: str = "ValueError: boom\nsecond line",
    traceback: str = "",
    fields: tuple[str, ...] = ("type", "send", "to", "ada"),
) -> list[str]:
    """Dead letters, oldest first."""

    async def through() -> list[str]:
        async with Connector(url).link() as link:
            driver = Driver(link, stream)
            await driver.join()
            jobs = [await driver.add(*fields) for _ in range(count)]
            for held in await driver.fetch():
                await driver.bury(held, reason=reason, error=error, traceback=traceback)
            return jobs

    return asyncio.run(through())


def test_the_list_tells_reason_attempts_and_error(url: str, stream: str) -> None:
    [job] = buried(url, stream)
    [row] = run(url, "dlq", "list", stream, "--group", "mail").rows
    assert (row["id"], row["type"], row["reason"], row["attempts"]) == (
        job,
        "send",
        "exhausted",
        1,
    )
    assert row["error"] == "ValueError: boom\nsecond line"
    table = run(url, "dlq", "list", stream, "--group", "mail", form="table").out
    assert "ValueError: boom" in table
    assert "second line" not in table
    assert max(map(len, table.splitlines())) <= 80


def test_the_list_comes_in_pages_newest_first(url: str, stream: str) -> None:
    jobs = buried(url, stream, 7)
    seen: list[str] = []
    after: tuple[str, ...] = ()
    for _ in range(3):
        ran = run(url, "dlq", "list", stream, "--group", "mail", "--limit", "3", *after)
        seen += [row["id"] for row in ran.rows]
        after = ("--after", ran.rows[-1]["position"])
    assert seen == jobs[::-1]
    table = run(url, "dlq", "list", stream, "--group", "mail", "--limit", "3", form="table")
    assert "3 of 7 dead letters are shown" in table.err


def test_show_has_the_raw_fields_and_the_story(url: str, stream: str, raw: redis.Redis) -> None:
    [job] = buried(url, stream, fields=("type", "send", "@odd", "1", "payload", '{"n":1}'))
    [row] = run(url, "dlq", "show", stream, job, "--group", "mail").rows
    assert row["fields"] == {"type": "send", "@odd": "1", "payload": '{"n":1}'}
    assert row["story"]["state"] == "dead"
    assert [event["event"] for event in row["story"]["events"]] == ["dead"]
    table = run(url, "dlq", "show", stream, job, "--group", "mail", form="table").out
    assert "@odd = 1" in table
    assert "group mail: dead" in table


def test_show_ends_a_long_traceback_where_it_was_raised(url: str, stream: str) -> None:
    frames = "".join(f'  File "/app/jobs.py", line {n}, in step\n    step()\n' for n in range(40))
    text = f"Traceback (most recent call last):\n{frames}ValueError: \x1b[2Jboom"
    [job] = buried(url, stream, traceback=text)
    shown = run(url, "dlq", "show", stream, job, "--group", "mail", form="table").out
    about = shown.split("fields  ")[0].splitlines()
    assert about[-1] == r"  ValueError: \x1b[2Jboom"
    assert about[-3:-1] == ['    File "/app/jobs.py", line 39, in step', "      step()"]
    assert "  ... 62 more above; -o json shows all" in about
    assert "traceback  of the last attempt" in shown
    assert "tried      1 attempt, 1 delivery" in shown
    assert "\x1b" not in shown


def test_show_finds_the_fields_of_an_entry_with_very_many(url: str, stream: str) -> None:
    many = tuple(part for n in range(1_500) for part in (f"f{n}", str(n)))
    [job] = buried(url, stream, fields=many)
    [row] = run(url, "dlq", "show", stream, job, "--group", "mail").rows
    assert len(row["fields"]) == 1_500
    assert row["fields"]["f1499"] == "1499"


def test_requeue_puts_it_back_and_the_story_says_by_whom(
    url: str, stream: str, raw: redis.Redis
) -> None:
    [job] = buried(url, stream)
    ran = run(url, "dlq", "requeue", stream, job, "--group", "mail")
    assert (ran.code, ran.rows) == (0, [{"id": job, "result": "requeued", "why": ""}])
    keys = Keys.of(stream, "mail")
    assert (raw.xlen(keys.dlq), raw.xlen(keys.ready)) == (0, 1)
    [story] = run(url, "trace", stream, job).rows
    by = f"{getpass.getuser()}@{socket.gethostname()}"
    assert story["events"][-1]["by"] == by


def test_the_second_requeue_is_refused(url: str, stream: str) -> None:
    [job] = buried(url, stream)
    run(url, "dlq", "requeue", stream, job, "--group", "mail")
    ran = run(url, "dlq", "requeue", stream, job, "--group", "mail")
    assert ran.code == 6
    assert ran.rows[0]["result"] == "refused"
    assert "queued" in ran.rows[0]["why"]


def test_what_was_invalid_is_refused_naming_the_field_unless_it_was_mended(
    url: str, stream: str
) -> None:
    [job] = buried(url, stream, reason="invalid", error="payload.to: expected str, found 3 (int)")
    ran = run(url, "dlq", "requeue", stream, job, "--group", "mail")
    assert ran.code == 6
    assert "payload.to" in ran.err
    mended = run(url, "dlq", "requeue", stream, job, "--group", "mail", "--even-invalid")
    assert mended.code == 0


def test_one_that_cant_be_put_back_doesnt_stop_the_others(url: str, stream: str) -> None:
    first, second = buried(url, stream, 2)
    ran = run(url, "dlq", "requeue", stream, first, "1-1", second, "--group", "mail")
    assert ran.code == 3
    assert [row["result"] for row in ran.rows] == ["requeued", "missing", "requeued"]


def test_all_wants_a_yes_and_then_takes_all(url: str, stream: str, raw: redis.Redis) -> None:
    jobs = buried(url, stream, 60)
    ran = run(url, "dlq", "requeue", stream, "--group", "mail", "--all")
    assert ran.code == 6
    assert "60 dead letters" in ran.err
    assert raw.xlen(Keys.of(stream, "mail").dlq) == 60
    ran = run(url, "dlq", "requeue", stream, "--group", "mail", "--all", "--yes")
    assert ran.code == 0
    assert sorted(row["id"] for row in ran.rows) == sorted(jobs)
    assert raw.xlen(Keys.of(stream, "mail").dlq) == 0


def test_requeue_wants_to_know_which(url: str, stream: str) -> None:
    [job] = buried(url, stream)
    assert run(url, "dlq", "requeue", stream, "--group", "mail").code == 2
    assert run(url, "dlq", "requeue", stream, job, "--all", "--group", "mail").code == 2


def test_a_job_that_isnt_dead_is_exit_3_and_trace_is_named(url: str, stream: str) -> None:
    buried(url, stream)
    ran = run(url, "dlq", "show", stream, "1-1", "--group", "mail")
    assert ran.code == 3
    assert f"retraced trace {stream} 1-1" in ran.err


def test_no_dead_letters_are_no_error(url: str, stream: str) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    ran = run(url, "dlq", "list", stream, "--group", "mail")
    assert (ran.code, ran.out) == (0, "")
    assert "no dead letters" in ran.err


def test_a_letter_whose_record_is_lost_is_shown(url: str, stream: str, raw: redis.Redis) -> None:
    jobs = buried(url, stream, 100)
    raw.delete(Keys.of(stream, "mail").job(jobs[2].encode()))
    [row] = run(url, "dlq", "show", stream, jobs[2], "--group", "mail").rows
    assert row["id"] == jobs[2]
    assert run(url, "dlq", "show", stream, "1-1", "--group", "mail").code == 3
