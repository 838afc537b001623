"""The test servers themselves: what tests on pauses and restarts rely on."""

from __future__ import annotations

import pytest
import redis

from retraced.store.connection import Link
from tests.servers import Server, choose
from tests.waiting import eventually, wait_until


async def test_a_link_reaches_the_shared_server(link: Link, stream: str) -> None:
    job = await link.call("XADD", stream, "*", "a", "1")
    assert await link.call("XLEN", stream) == 1
    assert b"-" in job


def test_a_stopped_or_killed_server_comes_back_with_its_data(private_server: Server) -> None:
    with redis.Redis.from_url(private_server.url) as client:
        client.xadd("kept", {"a": "1"})
    private_server.restart()
    private_server.kill()
    private_server.start()
    with redis.Redis.from_url(private_server.url) as client:
        assert client.xlen("kept") == 1


def test_a_paused_server_is_silent_until_it_goes_on(private_server: Server) -> None:
    with redis.Redis.from_url(private_server.url, socket_timeout=0.2, retry=None) as client:
        client.ping()
        private_server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        private_server.unpause()
        wait_until(client.ping, 5.0, "the server answers again")


def test_the_version_is_the_products_own(server: Server) -> None:
    assert server.product in ("redis", "valkey")
    assert (6, 2) <= server.version < (20,)


def test_ci_never_runs_on_less_than_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(RuntimeError, match="can't run: no Docker answers"):
        choose(None, ci=True)
    assert choose(None, ci=False).names == ("embedded",)
    with pytest.raises(RuntimeError):
        choose("redis:7.0", ci=False)


async def test_waiting_fails_with_its_description() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.05 s: pigs fly"):
        await eventually(lambda: False, 0.05, "pigs fly")
