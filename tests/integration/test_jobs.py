"""`retraced jobs`: jobs in every state are found, shown and cancelled."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import redis

from retraced.keys import Keys
from retraced.store.connection import Connector
from tests.commands import Ran, run
from tests.driver import Driver
from tests.servers import Server
from tests.stock import KINDS, Stocked, fill

pytestmark = pytest.mark.by_turns

GROUP = ("--group", "mail")
STATES = {
    "done_after_retries": "done",
    "delayed": "delayed",
    "dead": "dead",
    "cancelled": "cancelled",
    "held": "held",
    "held_again": "held",
    "ready": "queued",
    "unread": "queued",
}


@pytest.fixture
def stocked(url: str, stream: str) -> Stocked:
    return fill(url, stream, each=6)


def listed(url: str, stream: str, *words: str) -> list[dict[str, Any]]:
    ran = run(url, "jobs", "list", stream, *GROUP, *words)
    assert ran.code == 0, ran.err
    return ran.rows


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


class TestList:
    def test_every_job_that_left_a_trace_is_listed_in_its_state(
        self, url: str, stocked: Stocked
    ) -> None:
        rows = listed(url, stocked.stream)
        assert {row["id"]: row["state"] for row in rows} == {
            job: state for kind, state in STATES.items() for job in stocked.jobs[kind]
        }
        assert len(rows) == len(STATES) * 6

    def test_each_place_is_newest_first_or_oldest_first(self, url: str, stocked: Stocked) -> None:
        for place, kind in (("held", "held"), ("unread", "unread"), ("delayed", "delayed")):
            for flags, expected in (
                ((), stocked.jobs[kind][::-1]),
                (("--oldest",), stocked.jobs[kind]),
            ):
                rows = [r for r in listed(url, stocked.stream, *flags) if r["place"] == place]
                assert ids(rows) == expected

    @pytest.mark.parametrize("order", [(), ("--oldest",)])
    def test_pages_join_without_a_gap_or_a_repeat(
        self, url: str, stocked: Stocked, order: tuple[str, ...]
    ) -> None:
        whole = ids(listed(url, stocked.stream, *order))
        paged: list[str] = []
        beyond: tuple[str, ...] = ()
        while rows := listed(url, stocked.stream, *order, "--limit", "5", *beyond):
            paged += ids(rows)
            beyond = ("--after", rows[-1]["position"])
        assert paged == whole

    @pytest.mark.parametrize("order", [("--oldest",), ()])
    def test_a_page_goes_on_though_the_job_it_ended_with_has_moved(
        self, url: str, raw: redis.Redis, stream: str, order: tuple[str, ...]
    ) -> None:
        fill(url, stream, each=12, kinds=["delayed"])
        keys = Keys.of(stream, "mail")
        members: Any = raw.zrange(keys.delayed, 0, -1)
        for member in members:  # all due in the same millisecond
            raw.zadd(keys.delayed, {member: 4_000_000_000_000})
        whole = ids(listed(url, stream, *order))
        first = listed(url, stream, *order, "--limit", "5")
        raw.zrem(keys.delayed, members[4] if order else members[-5])
        rest = listed(url, stream, *order, "--after", first[-1]["position"])
        assert ids(first) + ids(rest) == whole

    @pytest.mark.parametrize(
        ("word", "kinds"),
        [
            ("state=held", {"held", "held_again"}),
            ("worker:worker-1 AND state=held", {"held", "held_again"}),
            ("reason=scheduled", {"delayed", "cancelled"}),
            ("error:boom", {"held_again", "ready", "done_after_retries"}),
            ("attempt=5", {"dead"}),
            ("worker:worker-1 AND state=dead", {"dead"}),
            ("release=r1 AND state=delayed", {"delayed"}),
            ("release=r1 AND state=done", {"done_after_retries"}),
            ("release=r1 AND state=held", {"held", "held_again"}),
        ],
    )
    def test_a_filter_finds_jobs_wherever_they_are(
        self, url: str, stocked: Stocked, word: str, kinds: set[str]
    ) -> None:
        found = ids(listed(url, stocked.stream, word))
        assert found
        assert set(found) <= {job for kind in kinds for job in stocked.jobs[kind]}
        assert {kind for kind in KINDS if set(stocked.jobs[kind]) & set(found)} == kinds

    @pytest.mark.parametrize(
        "word",
        [
            "payload.user=2",
            "payload.to.0=u2@example.org",
            "key=tenant-2",
            "header.source=web",
            "type=report",
        ],
    )
    def test_the_producers_fields_are_looked_at_in_every_place(
        self, url: str, stocked: Stocked, word: str
    ) -> None:
        places = {row["place"] for row in listed(url, stocked.stream, word)}
        assert places == {"held", "held-again", "ready", "unread", "delayed", "dead"}

    def test_a_bare_entry_is_found_by_its_fields_while_it_is_delayed(
        self, url: str, stream: str
    ) -> None:
        async def through() -> None:
            async with Connector(url).link() as link:
                driver = Driver(link, stream)
                await driver.join()
                await driver.add("to", "ada", "n", "7")
                [held] = await driver.fetch()
                await driver.fail(held)

        asyncio.run(through())
        [row] = listed(url, stream, "payload.to=ada", "payload.n>6", "state=delayed")
        assert row["type"] is None

    def test_a_scan_that_ends_early_says_how_far_it_went_and_how_to_go_on(
        self, url: str, stocked: Stocked
    ) -> None:
        words = ("jobs", "list", stocked.stream, *GROUP, "payload.user=6", "--state", "dead")
        ran = run(url, *words, "--scan", "3", "--oldest")
        assert ran.rows == []
        assert (
            "jobs were looked at, so far; go on: --after dead:" in ran.err or "no jobs" in ran.err
        )

    def test_state_narrows_the_list(self, url: str, stocked: Stocked) -> None:
        rows = listed(url, stocked.stream, "--state", "done", "--state", "dead")
        assert {row["state"] for row in rows} == {"done", "dead"}

    def test_nothing_found_says_so(self, url: str, stocked: Stocked) -> None:
        ran = run(url, "jobs", "list", stocked.stream, *GROUP, "error:nowhere", form="table")
        assert (ran.code, ran.out) == (0, "")
        assert "no jobs that match in group mail" in ran.err

    def test_what_cant_be_is_refused(self, url: str, stocked: Stocked) -> None:
        for words, code, says in (
            (("typ=mail",), 2, "did you mean type"),
            (("--after", "nonsense"), 2, "is no place in a list"),
            (("--state", "queued", "state=dead"), 2, "no job can match"),
            (("state=unknown",), 2, "no job can match"),
            (("--state", "held", "died<1h"), 2, "no job can match"),
        ):
            ran = run(url, "jobs", "list", stocked.stream, *GROUP, *words)
            assert (ran.code, says in ran.err) == (code, True)
        assert run(url, "jobs", "list", stocked.stream, "--group", "other").code == 3

    def test_a_table_fits_the_terminal(self, url: str, stocked: Stocked) -> None:
        ran = run(url, "jobs", "list", stocked.stream, *GROUP, form="table")
        assert max(map(len, ran.out.splitlines())) <= 80
        assert "in all: held 12, ready 6, unread 6, delayed 6, dead 6, ended 12\n" in ran.err


class TestShow:
    @pytest.mark.parametrize("kind", ["unread", "held", "held_again", "ready", "delayed", "dead"])
    def test_fields_are_found_wherever_the_job_is(
        self, url: str, stocked: Stocked, kind: str
    ) -> None:
        job = stocked.jobs[kind][1]
        [row] = run(url, "jobs", "show", stocked.stream, job).rows
        assert row["payload"] == {"user": 2, "to": ["u2@example.org"], "vip": False}
        assert row["fields"]["key"] == "tenant-2"
        assert [group["state"] for group in row["groups"]] == [STATES[kind]]

    def test_fields_of_a_job_that_was_given_back_before_it_started_are_found(
        self, url: str, stocked: Stocked
    ) -> None:
        rows = [run(url, "jobs", "show", stocked.stream, job).rows[0] for job in stocked.ready]
        assert [row["payload"]["user"] for row in rows] == [1, 2, 3, 4, 5, 6]

    def test_a_person_reads_payload_place_and_next_step(self, url: str, stocked: Stocked) -> None:
        ran = run(url, "jobs", "show", stocked.stream, stocked.dead[0], *GROUP, form="table")
        assert "group mail: dead" in ran.out
        assert f"retraced dlq requeue {stocked.stream} {stocked.dead[0]} --group mail" in ran.out
        assert '"user": 1,' in ran.out
        assert f"retraced trace {stocked.stream} {stocked.dead[0]}" in ran.out

    def test_a_payload_is_hidden_where_it_is_asked_for(self, url: str, stocked: Stocked) -> None:
        words = ("jobs", "show", stocked.stream, stocked.dead[0], "--no-payload")
        assert "example.org" not in run(url, *words, form="table").out
        assert "example.org" not in run(url, *words).out

    def test_escape_sequences_of_a_payload_dont_reach_the_terminal(
        self, url: str, raw: redis.Redis, stream: str
    ) -> None:
        fill(url, stream, each=1, kinds=["done"])
        job: Any = raw.xadd(stream, {"payload": "\x1b[2J\nhead\x07", "x\x1b": "\x1b]0;"})
        ran = run(url, "jobs", "show", stream, job.decode(), form="table")
        assert "\x1b" not in ran.out
        assert "\\x1b[2J" in ran.out

    @pytest.mark.parametrize("form", ["table", "json", "jsonl"])
    def test_a_payload_that_is_nested_deeply_is_shown(
        self, url: str, raw: redis.Redis, stream: str, form: str
    ) -> None:
        fill(url, stream, each=1, kinds=["done"])
        nested = "[" * 300 + "7" + "]" * 300
        job: Any = raw.xadd(stream, {"payload": f'{{"campaign":{nested}}}'})
        ran = run(url, "jobs", "show", stream, job.decode(), form=form)
        assert (ran.code, '{"campaign":[[[' in ran.out) == (0, True)

    def test_a_job_that_ended_tells_that_its_fields_are_gone(
        self, url: str, stocked: Stocked
    ) -> None:
        ran = run(url, "jobs", "show", stocked.stream, stocked.done[0], form="table")
        assert "its fields are gone" in ran.out
        assert "group mail: done" in ran.out

    def test_an_unknown_job_is_not_found(self, url: str, stocked: Stocked) -> None:
        ran = run(url, "jobs", "show", stocked.stream, "1-1")
        assert (ran.code, "retraced trace" in ran.err) == (3, True)


class TestCancel:
    def test_a_replica_promises_nothing(self, private_server: Server) -> None:
        stocked = fill(private_server.url, "mails", each=1, kinds=["held"])
        words = ("jobs", "cancel", "mails", stocked.held[0], *GROUP)
        assert run(private_server.url, *words).rows[0]["result"] == "requested"
        with redis.Redis.from_url(private_server.url) as raw:
            raw.replicaof("127.0.0.1", 1)
        assert run(private_server.url, *words).code == 4

    def results(self, ran: Ran) -> dict[str, tuple[str, str]]:
        return {row["id"]: (row["result"], row["why"]) for row in ran.rows}

    def test_it_is_said_of_each_job_what_happens_now(self, url: str, stocked: Stocked) -> None:
        kinds = ("delayed", "unread", "ready", "held", "dead", "done")
        jobs = [stocked.jobs[kind][0] for kind in kinds]
        ran = run(url, "jobs", "cancel", stocked.stream, *jobs, *GROUP)
        said = self.results(ran)
        assert said[stocked.delayed[0]] == ("cancelled", "it was delayed and has ended")
        assert said[stocked.unread[0]] == (
            "requested",
            "in the queue: ends when it would be started",
        )
        assert said[stocked.ready[0]][1] == "in the queue: ends when it would be started"
        assert said[stocked.held[0]][1].startswith("running on worker-1: it is told within 1.5 s")
        assert said[stocked.dead[0]] == ("refused", "it is dead")
        assert said[stocked.done[0]][0] == "missing"
        assert ran.code == 6

    def test_a_person_reads_all_of_why_within_80_columns(self, url: str, stocked: Stocked) -> None:
        words = ("jobs", "cancel", stocked.stream, *GROUP, stocked.held[0], stocked.held[1])
        ran = run(url, *words, form="table")
        assert max(map(len, ran.out.splitlines())) <= 80
        assert "…" not in ran.out
        assert "running on worker-1: it is told within 1.5 s" in ran.out
        assert "within 1.5 s if it runs, else before it starts" in " ".join(ran.out.split())

    def test_all_groups_of_the_stream_are_asked(
        self, url: str, raw: redis.Redis, stream: str
    ) -> None:
        fill(url, stream, "mail", each=0)
        [job] = fill(url, stream, "audit", each=1, kinds=["delayed"]).delayed
        ran = run(url, "jobs", "cancel", stream, job)
        assert {row["group"]: row["why"] for row in ran.rows} == {
            "audit": "it was delayed and has ended",
            "mail": "in the queue: ends when it would be started",
        }
        assert raw.smembers(Keys.of(stream, "mail").cancelled) == {job.encode()}

    def test_a_group_that_is_done_with_it_is_no_failure(
        self, url: str, raw: redis.Redis, stream: str
    ) -> None:
        fill(url, stream, "audit", each=0)
        done = fill(url, stream, "mail", each=1, kinds=["done"]).done[0]
        ran = run(url, "jobs", "cancel", stream, done)
        assert {row["group"]: row["result"] for row in ran.rows} == {
            "audit": "requested",
            "mail": "missing",
        }
        assert ran.code == 0

    def test_a_filter_wants_a_yes_and_then_cancels_what_has_not_ended(
        self, url: str, raw: redis.Redis, stocked: Stocked
    ) -> None:
        words = ("jobs", "cancel", stocked.stream, *GROUP, "payload.user=2")
        refused = run(url, *words)
        assert (refused.code, "would cancel 5 jobs" in refused.err) == (6, True)
        ran = run(url, *words, "--yes", form="json")
        [told] = json.loads(ran.out)
        assert (told["done"], told["requested"], told["unsure"]) == (1, 4, 0)
        keys = Keys.of(stocked.stream, "mail")
        assert raw.zcard(keys.delayed) == 5
        assert raw.scard(keys.cancelled) == 4

    def test_a_person_reads_that_the_end_of_jobs_in_the_queue_is_requested(
        self, url: str, stocked: Stocked
    ) -> None:
        words = ("jobs", "cancel", stocked.stream, *GROUP, "state=queued", "--yes")
        ran = run(url, *words, form="table")
        assert ran.out.startswith("cancel requested of 12 jobs in group mail")
        words = ("jobs", "cancel", stocked.stream, *GROUP, "--all", "--yes")
        ran = run(url, *words, form="table")
        assert ran.out.startswith("cancelled 6 jobs, 12 requested in group mail")

    def test_what_is_to_end_is_marked_and_counted_apart(self, url: str, stocked: Stocked) -> None:
        words = ("jobs", "cancel", stocked.stream, *GROUP, "state=queued")
        marked = {*stocked.ready[:4], stocked.unread[0]}
        run(url, "jobs", "cancel", stocked.stream, *GROUP, *marked, stocked.held[0])
        rows = listed(url, stocked.stream, "--limit", "100")
        asked = {row["id"] for row in rows if row["cancel_requested"]}
        assert asked == marked | {stocked.held[0]}
        shown = run(url, "jobs", "list", stocked.stream, *GROUP, "state=queued", form="table")
        assert shown.out.count("cancel requested, ") == 5
        assert "; cancel requested: 6" in shown.err
        dry = run(url, *words, "--dry-run", form="table")
        assert dry.out.startswith("would cancel 7 jobs in group mail")
        assert "already of 5 jobs" in dry.err
        assert run(url, *words, "--yes", form="table").out.startswith("cancel requested of 7 jobs")
        again = run(url, *words, "--dry-run", form="table")
        assert (again.code, again.out) == (0, "")
        assert "already of 12 jobs" in again.err
        assert "no other jobs in group mail" in again.err

    def test_a_job_counts_once_however_many_groups_it_is_cancelled_in(
        self, url: str, stream: str
    ) -> None:
        fill(url, stream, "audit", each=0)
        fill(url, stream, "mail", each=3, kinds=["unread"])
        words = ("jobs", "cancel", stream, "--all")
        assert run(url, *words, "--dry-run").rows[0]["count"] == 3
        assert "would cancel 3 jobs;" in run(url, *words).err
        done = run(url, *words, "--yes", form="table").out
        assert done.startswith("cancel requested of 6 jobs in the groups of")
        assert "(a job counts once for each)" in done

    def test_a_job_that_may_be_deep_in_a_long_queue_is_not_said_to_be_there(
        self, url: str, raw: redis.Redis, stream: str
    ) -> None:
        done = fill(url, stream, each=1, kinds=["done"]).done[0]
        for number in range(600):
            raw.xadd(Keys.of(stream, "mail").ready, {"@job": f"{number}-1"})
        [row] = run(url, "jobs", "cancel", stream, done).rows
        assert row["result"] == "unsure"
        assert row["why"].startswith("it was not found, but many jobs wait")

    def test_nothing_to_cancel_is_no_failure(self, url: str, stocked: Stocked) -> None:
        words = ("jobs", "cancel", stocked.stream, *GROUP, "type=none", "--yes")
        ran = run(url, *words, form="table")
        assert (ran.code, "nothing to do" in ran.err) == (0, True)
