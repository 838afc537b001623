"""`retraced delayed`: what waits for its time is listed, run now, cancelled."""

from __future__ import annotations

import json
import re

import pytest
import redis

from retraced.keys import Keys
from tests.commands import run
from tests.driver import stored
from tests.stock import DELAYS, Stocked, fill

pytestmark = pytest.mark.by_turns

GROUP = ("--group", "mail")


@pytest.fixture
def stocked(url: str, stream: str) -> Stocked:
    return fill(url, stream, each=10, kinds=["delayed", "dead", "unread"])


class TestList:
    def test_the_soonest_comes_first_with_its_reason(self, url: str, stocked: Stocked) -> None:
        rows = run(url, "delayed", "list", stocked.stream, *GROUP).rows
        assert [row["id"] for row in rows] == stocked.delayed
        assert [row["reason"] for row in rows[:5]] == [reason for _, reason, _, _ in DELAYS]
        assert [row["attempts"] for row in rows[:5]] == [2, 0, 0, 0, 1]
        assert 3_500_000 < rows[0]["due_in_ms"] <= 3_600_000
        assert rows[0]["error"].startswith("SMTPError")

    @pytest.mark.parametrize(
        ("word", "count"),
        [("reason=retry", 2), ("error:refused", 2), ("attempt>0", 4), ("payload.user=3", 1)],
    )
    def test_a_filter_narrows_it(self, url: str, stocked: Stocked, word: str, count: int) -> None:
        assert len(run(url, "delayed", "list", stocked.stream, *GROUP, word).rows) == count

    def test_pages_go_on(self, url: str, stocked: Stocked) -> None:
        words = ("delayed", "list", stocked.stream, *GROUP, "--limit", "4")
        first = run(url, *words).rows
        second = run(url, *words, "--after", first[-1]["position"]).rows
        assert [row["id"] for row in first + second] == stocked.delayed[:8]

    def test_a_person_reads_what_is_due_when_and_why(self, url: str, stocked: Stocked) -> None:
        ran = run(url, "delayed", "list", stocked.stream, *GROUP, "--limit", "4", form="table")
        heading, first, *_ = ran.out.splitlines()
        assert heading.split() == ["JOB", "TYPE", "DUE", "REASON", "ATTEMPTS", "ERROR"]
        assert " in 59m " in first
        assert "4 of 10 delayed jobs are shown" in ran.err
        assert "--after delayed:" in ran.err

    def test_a_page_of_a_filter_doesnt_pass_what_waits_for_what_matches(
        self, url: str, stocked: Stocked
    ) -> None:
        words = ("delayed", "list", stocked.stream, *GROUP, "reason=scheduled", "--limit", "1")
        said = run(url, *words, form="table").err
        assert re.search(r"1 out of \d+ looked at, of \d+ delayed jobs are shown", said), said

    def test_nothing_delayed_says_so(self, url: str, stream: str) -> None:
        fill(url, stream, each=1, kinds=["unread"])
        ran = run(url, "delayed", "list", stream, *GROUP, form="table")
        assert (ran.code, "no jobs are delayed" in ran.err) == (0, True)


class TestRunNow:
    def test_a_named_job_goes_into_the_queue_and_its_story_says_who(
        self, url: str, raw: redis.Redis, stocked: Stocked
    ) -> None:
        job = stocked.delayed[3]
        ran = run(url, "delayed", "run-now", stocked.stream, job, *GROUP)
        assert (ran.code, [row["result"] for row in ran.rows]) == (0, ["queued"])
        keys = Keys.of(stocked.stream, "mail")
        [(_, fields)] = stored(raw, keys.ready)
        assert fields[b"@job"].decode() == job
        [story] = run(url, "trace", stocked.stream, job).rows
        assert "@" in story["events"][-1]["by"]
        again = run(url, "delayed", "run-now", stocked.stream, job, *GROUP)
        assert (again.code, len(stored(raw, keys.ready))) == (6, 1)

    def test_all_want_a_yes(self, url: str, raw: redis.Redis, stocked: Stocked) -> None:
        words = ("delayed", "run-now", stocked.stream, *GROUP, "--all")
        refused = run(url, *words)
        assert (refused.code, "would run now 10 delayed jobs" in refused.err) == (6, True)
        assert raw.zcard(Keys.of(stocked.stream, "mail").delayed) == 10
        ran = run(url, *words, "--yes", form="table")
        assert "queued 10 delayed jobs in group mail" in ran.out
        assert raw.zcard(Keys.of(stocked.stream, "mail").delayed) == 0

    def test_a_job_that_is_not_delayed_is_refused_or_missing(
        self, url: str, stocked: Stocked
    ) -> None:
        dead = run(url, "delayed", "run-now", stocked.stream, stocked.dead[0], *GROUP)
        assert (dead.code, "it is dead, not delayed" in dead.err) == (6, True)
        assert run(url, "delayed", "run-now", stocked.stream, "1-1", *GROUP).code == 3


class TestCancel:
    def test_those_that_match_end_and_the_others_stay(
        self, url: str, raw: redis.Redis, stocked: Stocked
    ) -> None:
        words = ("delayed", "cancel", stocked.stream, *GROUP, "reason=unhandled", "--yes")
        ran = run(url, *words, form="json")
        assert json.loads(ran.out) == [{"done": 2, "refused": 0, "missing": 0, "not_done": []}]
        keys = Keys.of(stocked.stream, "mail")
        assert raw.zcard(keys.delayed) == 8
        assert raw.hget(keys.job(stocked.delayed[3].encode()), "state") == b"cancelled"

    @pytest.mark.parametrize("kind", ["unread", "dead"])
    def test_a_job_that_is_not_delayed_is_refused_and_nothing_is_asked_for(
        self, url: str, raw: redis.Redis, stocked: Stocked, kind: str
    ) -> None:
        job = stocked.jobs[kind][0]
        ran = run(url, "delayed", "cancel", stocked.stream, job, *GROUP)
        assert (ran.code, ran.rows[0]["result"]) == (6, "refused")
        assert "not delayed" in ran.err
        assert not raw.exists(Keys.of(stocked.stream, "mail").cancelled)
