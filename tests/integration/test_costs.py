"""What a job costs Redis, in counts: commands sent, scripts, calls inside scripts, and bytes.

Times swing by half from one machine to the next and are measured by `scripts/bench`; these counts
don't, so a change that makes a path dearer fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from retraced import Client
from retraced.store.scripts import Call
from retraced.store.writes import Held, Source
from tests.accounts import Account
from tests.scripts.board import Board
from tests.servers import Server
from tests.workers import Crew

JOBS = 1_000
BODIES = 50
FIELDS = {"type": "note", "payload": '{"to":"ada@example.org","subject":"hello"}'}
SCRIPTS = ("eval", "evalsha")
SENT = (*SCRIPTS, "xreadgroup", "client|unblock", "ping", "sadd", "smismember")


@dataclass(frozen=True, slots=True)
class Spent:
    """What was called on a server, by command."""

    calls: Mapping[str, int]

    @classmethod
    def on(cls, client: redis.Redis) -> Spent:
        stats: Any = client.info("commandstats")
        return cls({name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()})

    def of(self, names: tuple[str, ...]) -> int:
        return sum(self.calls.get(name, 0) for name in names)

    @property
    def inside(self) -> int:
        """Calls that scripts made."""
        ours = (*SENT, "info", "config|resetstat")
        return sum(count for name, count in self.calls.items() if name not in ours)


@pytest.fixture
def own(private_server: Server) -> redis.Redis:
    return redis.Redis.from_url(private_server.url, protocol=2)


@pytest.fixture
def board(own: redis.Redis) -> Board:
    """A worker's view of a group that has a thousand jobs to hand out."""
    board = Board(own, "costs")
    board.page = 300
    board.join()
    fill(own, FIELDS)
    return board


def fill(client: redis.Redis, fields: Mapping[Any, Any]) -> None:
    with client.pipeline(transaction=False) as pipe:
        for _ in range(JOBS):
            pipe.xadd("costs", dict(fields))
        pipe.execute()


def calls_a_job(board: Board, call: Call[Any], jobs: int) -> float:
    board.raw.config_resetstat()
    board.run(call)
    return Spent.on(board.raw).inside / jobs


def again(board: Board) -> list[Held]:
    """Jobs that have failed once, from the ready stream."""
    held = board.fetch(count=BODIES)
    board.run(board.delay([board.move(each, after_ms=0) for each in held]))
    return board.fetch(Source.READY, count=BODIES)


def complete(board: Board) -> tuple[Call[Any], int]:
    held = board.fetch(count=200)
    return board.complete(*held), len(held)


def complete_again(board: Board) -> tuple[Call[Any], int]:
    held = again(board)
    return board.complete(*held), len(held)


def retry(board: Board) -> tuple[Call[Any], int]:
    held = board.fetch(count=BODIES)
    return board.delay([board.move(each, after_ms=0) for each in held]), len(held)


def delay(board: Board) -> tuple[Call[Any], int]:
    held = board.fetch(count=BODIES)
    return board.delay([board.move(each) for each in held]), len(held)


def promote(board: Board) -> tuple[Call[Any], int]:
    held = board.fetch(count=BODIES)
    board.run(board.delay([board.move(each) for each in held]))
    for each in held:
        board.due_now(each.job)
    return board.promote(limit=BODIES), len(held)


def release(board: Board) -> tuple[Call[Any], int]:
    held = board.fetch(count=BODIES)
    return board.release([board.releasing(each) for each in held]), len(held)


def bury(board: Board) -> tuple[Call[Any], int]:
    held = board.fetch(count=BODIES)
    return board.bury([board.burial(each) for each in held]), len(held)


@pytest.mark.parametrize(
    ("prepare", "most"),
    [
        (complete, 0.13), (complete_again, 2.5), (retry, 3.7), (delay, 2.7), (promote, 4.7),
        (release, 2.7), (bury, 3.7),
    ],
)  # fmt: skip
def test_calls_inside_a_script(
    board: Board, prepare: Callable[[Board], tuple[Call[Any], int]], most: float
) -> None:
    call, jobs = prepare(board)
    assert calls_a_job(board, call, jobs) <= most


@pytest.mark.parametrize(
    ("fields", "commands", "inside"),
    [
        pytest.param({}, 0.1, 1.0, id="drain"),
        pytest.param({"type": "thrice", "backoff": "immediate:2,fixed:1s"}, 0.3, 13, id="retry"),
        pytest.param({"delay": "1500ms"}, 0.3, 14, id="delay"),
    ],
)
def test_what_a_worker_sends(
    private_crew: Crew,
    own: redis.Redis,
    fields: Mapping[str, str],
    commands: float,
    inside: float,
) -> None:
    """A whole worker, its start and heartbeats included, so with room for batches that vary."""
    fill(own, {**FIELDS, **fields})
    own.config_resetstat()
    worker = private_crew.consume("costs", "--drain", "--delete-settled", "--log-level", "error")
    assert worker.ends(60) == 0
    spent = Spent.on(own)
    assert Account(own, "costs").left() == {}
    assert spent.of(SENT) / JOBS <= commands
    assert spent.of(SCRIPTS) / JOBS <= commands * 0.8
    assert spent.inside / JOBS <= inside


def used(client: redis.Redis, *keys: bytes | str) -> int:
    return sum(int(client.memory_usage(key, samples=0) or 0) for key in keys)


def test_a_queued_job_takes_no_more_than_its_bare_entry(
    private_server: Server, own: redis.Redis
) -> None:
    with Client(private_server.url) as client:
        for _ in range(JOBS):  # by turns: ids of one pace take the same room
            own.xadd("costs", dict[Any, Any](FIELDS))
            client.add("ours", FIELDS["type"], {"to": "ada@example.org", "subject": "hello"})
    assert sorted(own.keys()) == [b"costs", b"ours"]
    assert used(own, "ours") <= 1.02 * used(own, "costs")


@pytest.mark.parametrize(
    ("prepare", "most"), [(retry, 1_400), (delay, 1_400), (release, 300)]
)  # fmt: skip
def test_bytes_of_a_job_that_waits_in_the_groups_own_keys(
    board: Board, prepare: Callable[[Board], tuple[Call[Any], int]], most: int
) -> None:
    call, jobs = prepare(board)
    board.run(call)
    records = list(board.raw.scan_iter(match=board.keys.job(b"*"), count=1000))
    kept = used(board.raw, board.keys.ready, board.keys.delayed, *records)
    assert kept / jobs <= most


def test_an_immediate_retry_costs_no_promotion(private_crew: Crew, own: redis.Redis) -> None:
    fill(own, {**FIELDS, "type": "thrice", "backoff": "immediate:2,fixed:1s"})
    own.config_resetstat()
    assert private_crew.consume("costs", "--drain", "--delete-settled").ends(60) == 0
    promotions = Spent.on(own).calls["zrangebyscore"]  # one a second, and not one for each batch
    assert promotions <= 20
