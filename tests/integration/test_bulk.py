"""Acting on many jobs: counted first, paced, interrupted and gone on with."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest
import redis

from retraced.keys import Keys
from retraced.store.connection import Connector
from retraced.store.writes import Source
from tests.commands import Ran, run
from tests.driver import Driver, stored
from tests.scripts.board import Board, padded
from tests.servers import Server
from tests.stock import Stocked, fill
from tests.waiting import wait_until

pytestmark = pytest.mark.by_turns

GROUP = ("--group", "mail")
MANY = 120


@pytest.fixture
def stocked(url: str, stream: str) -> Stocked:
    return fill(url, stream, each=MANY, kinds=["delayed"])


def waiting(raw: redis.Redis, stream: str) -> int:
    return int(raw.zcard(Keys.of(stream, "mail").delayed))


def started(url: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "retraced", "--url", url, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def interrupted(process: subprocess.Popen[str]) -> str:
    """Stops it as Ctrl-C does; what it said on stderr."""
    with process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1, said
    return said


def gone_on(url: str, said: str) -> Ran:
    """Runs the command with which it is to be gone on."""
    line = next(line for line in said.splitlines() if line.startswith("  retraced "))
    words = shlex.split(line)[1:]
    at = words.index("--url") if "--url" in words else None
    rest = words if at is None else words[:at] + words[at + 2 :]
    return run(url, *(rest[2:] if rest[0] == "-o" else rest))


class TestDryRun:
    def test_it_counts_shows_some_and_changes_nothing(
        self, url: str, raw: redis.Redis, stocked: Stocked
    ) -> None:
        board = Board(raw, stocked.stream, group="mail")
        before = board.snapshot()
        words = ("delayed", "run-now", stocked.stream, *GROUP, "reason=retry", "--dry-run")
        [row] = run(url, *words).rows
        assert (row["would"], row["count"], row["of"]) == ("run now", 24, MANY)
        assert row["examples"] == [job for job in stocked.delayed if job in row["examples"]]
        assert len(row["examples"]) == 10
        told = run(url, *words, "--yes", form="table").out
        assert told.startswith("would run now 24 of 120 delayed jobs in group mail")
        assert board.snapshot() == before

    def test_what_is_refused_without_a_yes_changes_nothing(
        self, url: str, raw: redis.Redis, stocked: Stocked
    ) -> None:
        board = Board(raw, stocked.stream, group="mail")
        before = board.snapshot()
        assert run(url, "delayed", "cancel", stocked.stream, *GROUP, "--all").code == 6
        assert board.snapshot() == before

    def test_a_limit_is_counted_with(self, url: str, stocked: Stocked) -> None:
        words = ("delayed", "cancel", stocked.stream, *GROUP, "--all", "--dry-run")
        [row] = run(url, *words, "--limit", "7").rows
        assert (row["count"], len(row["examples"])) == (7, 7)


class TestWhich:
    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ((), "which delayed jobs?"),
            (("--yes",), "which delayed jobs?"),
            (("1-1", "type=mail"), "not both"),
            (("1-1", "--all"), "not both"),
            (("--all", "--rate", "50"), "isn't a rate; write 50/s"),
            (("--all", "--rate", "0/s"), "isn't a rate"),
            (("nonsense",), "neither a job id nor a term"),
        ],
    )
    def test_what_is_unclear_is_refused(
        self, url: str, stocked: Stocked, words: tuple[str, ...], says: str
    ) -> None:
        ran = run(url, "delayed", "cancel", stocked.stream, *GROUP, *words)
        assert (ran.code, says in ran.err) == (2, True), ran.err

    def test_a_limit_ends_it(self, url: str, raw: redis.Redis, stocked: Stocked) -> None:
        words = ("delayed", "cancel", stocked.stream, *GROUP, "--all", "--yes", "--limit", "33")
        assert len(run(url, *words).rows) == 33
        assert waiting(raw, stocked.stream) == MANY - 33

    def test_a_job_named_twice_is_acted_on_once(self, url: str, stocked: Stocked) -> None:
        job = stocked.delayed[0]
        ran = run(url, "delayed", "cancel", stocked.stream, job, job, *GROUP)
        assert (ran.code, len(ran.rows)) == (0, 1)


class TestOutput:
    def test_programs_read_every_result_line_by_line(self, url: str, stocked: Stocked) -> None:
        ran = run(url, "delayed", "cancel", stocked.stream, *GROUP, "--all", "--yes")
        assert sorted(row["id"] for row in ran.rows) == sorted(stocked.delayed)
        assert {row["result"] for row in ran.rows} == {"cancelled"}

    def test_a_person_reads_a_summary(self, url: str, stocked: Stocked) -> None:
        words = ("delayed", "cancel", stocked.stream, *GROUP, "--all", "--yes")
        ran = run(url, *words, form="table")
        assert ran.out == f"cancelled 120 delayed jobs in group mail of {stocked.stream}\n"

    def test_json_is_a_summary_too(self, url: str, stocked: Stocked) -> None:
        words = ("delayed", "cancel", stocked.stream, *GROUP, "--all", "--yes")
        [row] = json.loads(run(url, *words, form="json").out)
        assert row == {"done": 120, "refused": 0, "missing": 0, "not_done": []}


class TestRate:
    def test_it_is_obeyed_by_the_clock_of_redis(
        self, url: str, raw: redis.Redis, stocked: Stocked
    ) -> None:
        words = ("delayed", "run-now", stocked.stream, *GROUP, "--all", "--yes")
        assert run(url, *words, "--rate", "100/s").code == 0
        times = sorted(
            int(fields[b"at"])
            for _, fields in stored(raw, Keys.of(stocked.stream, "mail").events)
            if fields[b"event"] == b"promoted"
        )
        assert len(times) == MANY
        # 120 at 100/s, the first piece at once: 1.1 s, and no second with far more than its share.
        assert times[-1] - times[0] >= 1_000
        for at, early in enumerate(times[:-60]):
            assert times[at + 60] - early >= 300


class TestInterrupted:
    @pytest.fixture
    def process(self, url: str, stocked: Stocked) -> Iterator[subprocess.Popen[str]]:
        words = ("delayed", "run-now", stocked.stream, *GROUP, "--all", "--yes", "--rate", "60/s")
        process = started(url, "-o", "json", *words)
        yield process
        process.kill()
        process.communicate()

    def test_it_says_how_far_it_came_and_running_it_again_does_the_rest(
        self, url: str, raw: redis.Redis, stocked: Stocked, process: subprocess.Popen[str]
    ) -> None:
        wait_until(
            lambda: waiting(raw, stocked.stream) < MANY - 20,
            20,
            "some have been put into the queue",
        )
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 1
        left = waiting(raw, stocked.stream)
        assert 0 < left < MANY
        assert f"stopped: queued {MANY - left} delayed jobs" in said
        assert "This does the rest (one that ran and waits anew is run at once again):" in said
        assert gone_on(url, said).code == 0
        assert waiting(raw, stocked.stream) == 0
        keys = Keys.of(stocked.stream, "mail")
        on_ready = [fields[b"@job"].decode() for _, fields in stored(raw, keys.ready)]
        assert sorted(on_ready) == sorted(stocked.delayed), "each once"


def test_what_is_left_of_a_limit_is_done_by_the_command_that_is_told(
    url: str, raw: redis.Redis, stocked: Stocked
) -> None:
    words = ("delayed", "cancel", stocked.stream, *GROUP, "--all", "--yes", "--rate", "60/s")
    process = started(url, "-o", "json", *words, "--limit", "90")
    wait_until(lambda: waiting(raw, stocked.stream) < MANY - 20, 20, "some are cancelled")
    said = interrupted(process)
    done = MANY - waiting(raw, stocked.stream)
    assert f" --limit {90 - done}" in said
    assert "--limit 90" not in said
    assert gone_on(url, said).code == 0
    assert waiting(raw, stocked.stream) == MANY - 90


def test_of_jobs_that_were_named_only_the_others_are_named_again(
    url: str, raw: redis.Redis, stocked: Stocked
) -> None:
    words = ("delayed", "run-now", stocked.stream, *stocked.delayed, *GROUP, "--rate", "60/s")
    process = started(url, "-o", "json", *words)
    wait_until(lambda: waiting(raw, stocked.stream) < MANY - 20, 20, "some are in the queue")
    said = interrupted(process)
    left = waiting(raw, stocked.stream)
    assert "waits anew" not in said
    ran = gone_on(url, said)
    assert (ran.code, len(ran.rows)) == (0, left)
    assert waiting(raw, stocked.stream) == 0


class TestReplay:
    @pytest.fixture
    def settled(self, url: str, raw: redis.Redis, stream: str) -> list[str]:
        """Jobs that the group has settled, on a stream that retains them."""
        assert run(url, "groups", "create", stream, *GROUP, "--retain", "7d").code == 0
        return fill(url, stream, each=MANY, kinds=["done"]).done

    def complete_all(self, url: str, stream: str) -> list[str]:
        """The jobs that were replayed; they run and succeed, as a worker would have them."""

        async def through() -> list[str]:
            ids: list[str] = []
            async with Connector(url).link() as link:
                driver = Driver(link, stream, "mail")
                while held := await driver.fetch(Source.READY):
                    await driver.complete(*held)
                    ids += [each.job.decode() for each in held]
            return ids

        return asyncio.run(through())

    def test_interrupted_it_goes_on_behind_what_has_run_again_already(
        self, url: str, raw: redis.Redis, stream: str, settled: list[str]
    ) -> None:
        ready = Keys.of(stream, "mail").ready
        words = ("replay", stream, *GROUP, "--from", "1h", "--yes", "--rate", "60/s")
        process = started(url, "-o", "json", *words)
        wait_until(lambda: raw.xlen(ready) > 20, 20, "some are replayed")
        said = interrupted(process)
        first = self.complete_all(url, stream)
        later = fill(url, stream, each=3, kinds=["done"]).done
        assert gone_on(url, said).code == 0
        second = self.complete_all(url, stream)
        assert first
        assert second
        assert first + second == settled, "each once more, in order"
        assert not set(later) & set(second), "what has come since wasn't asked for"

    def test_a_limit_tells_what_comes_behind_it(
        self, url: str, stream: str, settled: list[str]
    ) -> None:
        words = ("replay", stream, *GROUP, "--from", "1h", "--yes", "--limit", "50")
        ran = run(url, *words)
        assert "those behind them:" in ran.err
        first = self.complete_all(url, stream)
        assert gone_on(url, ran.err).code == 0
        assert first + self.complete_all(url, stream) == settled[:100]


def test_what_is_delayed_after_the_start_is_left_alone(
    url: str, raw: redis.Redis, stream: str
) -> None:
    fill(url, stream, each=600, kinds=["delayed"])  # more than are read at once
    words = ("delayed", "cancel", stream, *GROUP, "--all", "--yes", "--rate", "400/s")
    with started(url, "-o", "json", *words) as process:
        wait_until(lambda: waiting(raw, stream) < 590, 20, "some are cancelled")
        later = fill(url, stream, each=3, kinds=["delayed"]).delayed
        for job in later:  # due last: the scan is yet to come there
            raw.zadd(Keys.of(stream, "mail").delayed, {padded(job.encode()): 4_000_000_000_000})
        process.communicate(timeout=30)
    assert process.returncode == 0
    left = run(url, "delayed", "list", stream, *GROUP).rows
    assert sorted(row["id"] for row in left) == later


def test_a_lost_server_is_told_with_how_many_are_done(private_server: Server) -> None:
    stocked = fill(private_server.url, "mails", each=MANY, kinds=["delayed"])
    words = ("delayed", "run-now", "mails", *GROUP, "--all", "--yes", "--rate", "60/s")
    process = started(private_server.url, "-o", "json", *words)
    with redis.Redis.from_url(private_server.url) as raw:
        wait_until(lambda: waiting(raw, "mails") < MANY - 20, 20, "some are in the queue")
    private_server.kill()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 4
    assert "stopped: queued" in said
    private_server.start()
    again = run(private_server.url, *words[:-2], form="json")
    assert again.code == 0
    with redis.Redis.from_url(private_server.url) as raw:
        ready = stored(raw, Keys.of("mails", "mail").ready)
        assert sorted(fields[b"@job"].decode() for _, fields in ready) == sorted(stocked.delayed)


def lose_connections(server: Server) -> None:
    with redis.Redis.from_url(server.url) as raw:
        raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def test_a_lost_connection_ends_nothing(private_server: Server) -> None:
    stocked = fill(private_server.url, "mails", each=MANY, kinds=["delayed"])
    words = ("delayed", "run-now", "mails", *GROUP, "--all", "--yes", "--rate", "60/s")
    process = started(private_server.url, "-o", "json", *words)
    with redis.Redis.from_url(private_server.url) as raw:
        for left in (100, 60, 20):
            wait_until(partial(_waits_for_less, raw, left), 20, "some are in the queue")
            lose_connections(private_server)
    told, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    with redis.Redis.from_url(private_server.url) as raw:
        ready = stored(raw, Keys.of("mails", "mail").ready)
        assert sorted(fields[b"@job"].decode() for _, fields in ready) == sorted(stocked.delayed)
    [row] = json.loads(told)
    assert row["done"] + row["missing"] + row["refused"] == MANY


def test_a_connection_that_is_lost_between_two_steps_of_a_replay_ends_nothing(
    private_server: Server,
) -> None:
    url = private_server.url
    assert run(url, "groups", "create", "mails", *GROUP, "--retain", "7d").code == 0
    settled = fill(url, "mails", each=10, kinds=["done"]).done
    words = ("replay", "mails", *GROUP, "--from", "1h", "--yes", "--rate", "1/s", "--limit", "4")
    process = started(url, "-o", "json", *words)
    with redis.Redis.from_url(url) as raw:
        ready = Keys.of("mails", "mail").ready
        for count in (1, 2, 3):
            wait_until(partial(_waits_behind, raw, ready, count), 20, "it waits for its next turn")
            lose_connections(private_server)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert [fields[b"@job"].decode() for _, fields in stored(raw, ready)] == settled[:4]


def _waits_for_less(raw: redis.Redis, count: int) -> bool:
    return waiting(raw, "mails") < count


def _waits_behind(raw: redis.Redis, ready: bytes, count: int) -> bool:
    """Whether so many are replayed, and all answers are there."""
    last = {str(client["cmd"]).partition("|")[0] for client in raw.client_list()}
    return raw.xlen(ready) == count and last <= {"eval", "evalsha", "client"}
