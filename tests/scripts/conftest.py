"""Fixtures of the scripts' tests: a group on a stream of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.scripts.board import Board
from tests.servers import Server


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    """A client whose replies have the shape that the worker's have."""
    with redis.Redis.from_url(server.url, protocol=2) as client:
        yield client


@pytest.fixture
def board(client: redis.Redis, stream: str) -> Board:
    """A group that a worker has joined."""
    board = Board(client, stream)
    board.join()
    return board
