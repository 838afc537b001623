"""A slot that is being moved: scripts refuse to half-work it, and nothing is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from retraced.embedded import find_binary
from retraced.errors import RetracedError
from retraced.keys import slot
from retraced.store import writes
from retraced.store.scripts import Call
from retraced.store.writes import Answer, Held
from tests.scripts.board import Board, ask
from tests.servers import free_port
from tests.waiting import wait_until

Nodes = tuple[redis.Redis, redis.Redis]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two primaries; the first owns every slot."""
    try:
        find_binary()
    except RetracedError as error:
        pytest.skip(str(error))
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(started(tmp_path_factory.mktemp(name))) for name in ("a", "b")
        )
        ask(first, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        port, bus = (ask(second, "CONFIG", "GET", name)[1] for name in ("port", "cluster-port"))
        ask(first, "CLUSTER", "MEET", "127.0.0.1", port, bus)
        for node in (first, second):
            wait_until(partial(ready, node), 20, "the cluster is complete")
        yield first, second


class started:  # noqa: N801
    """A node of a cluster, as long as the `with` lasts."""

    def __init__(self, directory: Path) -> None:
        port = str(free_port())
        command = [find_binary(), "--port", port, "--cluster-port", str(free_port())]
        command += ["--cluster-enabled", "yes", "--bind", "127.0.0.1", "--save", ""]
        with (directory / "log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=directory, stdout=log)
        self.client = redis.Redis(port=int(port), protocol=2)

    def __enter__(self) -> redis.Redis:
        wait_until(self.answers, 10, "the node answers")
        return self.client

    def __exit__(self, *raised: object) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait()

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


def ready(node: redis.Redis) -> bool:
    told = ask(node, "CLUSTER", "INFO")
    return b"cluster_state:ok" in told and b"cluster_known_nodes:2" in told


@dataclass(frozen=True, slots=True)
class Moving:
    """A group with every fixed key in a slot that is being moved, and three of its jobs."""

    board: Board
    delayed: bytes
    held: Held
    again: Held

    def lose(self, job: bytes, to: redis.Redis) -> None:
        """The job's record is already on the other node."""
        port = ask(to, "CONFIG", "GET", "port")[1]
        record = self.board.keys.job(job)
        assert ask(self.board.raw, "MIGRATE", "127.0.0.1", port, record, 0, 5000) == b"OK"


@pytest.fixture
def moving(nodes: Nodes, request: pytest.FixtureRequest) -> Iterator[Moving]:
    first, second = nodes
    board = Board(first, request.node.name.replace("[", "-").replace("]", ""))
    board.join()
    fill(board)
    jobs = Moving(board, board.delayed(), board.held(), board.held_again())
    board.due_now(jobs.delayed)
    board.silence(jobs.again)
    board.ticking()
    number = slot(board.keys.stream)
    names = [ask(node, "CLUSTER", "MYID") for node in (first, second)]
    ask(second, "CLUSTER", "SETSLOT", number, "IMPORTING", names[0])
    ask(first, "CLUSTER", "SETSLOT", number, "MIGRATING", names[1])
    yield jobs
    for node in (second, first):
        ask(node, "CLUSTER", "SETSLOT", number, "STABLE")


def fill(board: Board) -> None:
    """Leaves something under every fixed key, so that only a record can be missing."""
    board.delayed()
    board.dead()
    board.run(board.complete(board.held_again()))
    board.run(writes.cancel(board.keys, board.held().job, by="ada"))
    board.run(board.renew())
    board.raw.hset(board.keys.settings, "owner", "ada")


def test_first_deliveries_are_completed_while_the_slot_moves(moving: Moving) -> None:
    assert moving.board.run(moving.board.complete(moving.held)) == [Answer.OK]


def test_a_record_that_has_moved_stops_a_promotion_before_it_writes(
    nodes: Nodes, moving: Moving
) -> None:
    board = moving.board
    moving.lose(moving.delayed, nodes[1])
    before = board.snapshot()
    with pytest.raises(redis.RedisError, match="non local key"):
        board.run(board.promote())
    assert board.snapshot() == before
    assert board.places(moving.delayed) == ["delayed"]


def test_a_record_that_has_moved_stops_a_reclaim_before_it_writes(
    nodes: Nodes, moving: Moving
) -> None:
    board = moving.board
    moving.lose(moving.again.job, nodes[1])
    before = board.snapshot()
    with pytest.raises(redis.RedisError, match="non local key"):
        board.run(board.other(b"w2").reclaim())
    assert board.snapshot() == before


@pytest.mark.parametrize("name", ["complete", "delay", "bury", "release"])
def test_a_declared_record_that_has_moved_is_answered_with_tryagain(
    nodes: Nodes, moving: Moving, name: str
) -> None:
    board, held = moving.board, moving.again
    calls: dict[str, Call[Any]] = {
        "complete": board.complete(held),
        "delay": board.delay([board.move(held)]),
        "bury": board.bury([board.burial(held)]),
        "release": board.release([board.releasing(held)]),
    }
    moving.lose(held.job, nodes[1])
    before = board.snapshot()
    with pytest.raises(redis.exceptions.TryAgainError):
        board.run(calls[name])
    assert board.snapshot() == before
