"""Fixtures for tests on real servers; the header of a run says which servers those are."""

from __future__ import annotations

import fcntl
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any
from zlib import crc32

import pytest
import redis

from retraced.store.connection import Connector, Link
from tests import leaks, waiting
from tests.servers import Choice, Fleet, Server, choose, in_ci, make

_CHOICE = pytest.StashKey[Choice]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers",
        help="all, embedded, or names such as redis:7.0,embedded. Default: three containers, "
        "or the embedded server where no Docker answers.",
    )


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As a run in the background has it; the processes under test would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        config.stash[_CHOICE] = choose(config.getoption("--servers"), ci=in_ci())
    except RuntimeError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)


def pytest_report_header(config: pytest.Config) -> str:
    return str(config.stash[_CHOICE])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server_name" in metafunc.fixturenames:
        names: Sequence[str] = metafunc.config.stash[_CHOICE].names
        if metafunc.definition.get_closest_marker("by_turns"):
            names = [names[crc32(metafunc.definition.nodeid.encode()) % len(names)]]
        metafunc.parametrize("server_name", names, scope="session")


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    fleet = Fleet()
    yield fleet
    fleet.close()


@pytest.fixture
def server(server_name: str, fleet: Fleet) -> Server:
    """A server shared by all tests: don't stop it, pause it or change its configuration."""
    return fleet.get(server_name)


@pytest.fixture
def private_server(server_name: str) -> Iterator[Server]:
    """A server of the test's own, to be stopped, paused, filled or flushed."""
    server = make(server_name)
    yield server
    server.close()


@pytest.fixture
def port_6379(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A turn at port 6379, which the first embedded server takes: one test at a time."""
    with (tmp_path_factory.getbasetemp().parent / "port-6379.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def url(server: Server) -> str:
    return server.url


@pytest.fixture
def raw(server: Server) -> Iterator[redis.Redis]:
    """A plain client, as another program would use; replies are bytes."""
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def stream(raw: redis.Redis) -> Iterator[str]:
    """A stream name of the test's own; names that contain it are its own as well.

    Afterwards nothing may be left but what is known as permanent or expires.
    """
    leaks.clear(raw)
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    left = leaks.leaked(raw, name)
    leaks.clear(raw)
    assert not left, "the test left keys in Redis: " + "; ".join(left)


@pytest.fixture
async def link(url: str) -> AsyncIterator[Link]:
    async with Connector(url).link() as link:
        yield link


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    """`await eventually(condition, deadline, description)`: waits, and fails at the deadline."""
    return waiting.eventually
