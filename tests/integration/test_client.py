"""Producers: what they write, in which order, and what they say when Redis doesn't answer."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
import redis

from retraced import App, AsyncClient, Client, ConfigError, Job, NotFound, Refused
from retraced.client import NewJob, NotAllAdded
from retraced.errors import OutOfMemory, Unavailable, UsageError, WrongType
from retraced.store.connection import Link
from tests.driver import Driver, stored
from tests.servers import Server, free_port

_ID = re.compile(rb"[0-9]+-[0-9]+\r")


async def test_a_job_is_one_entry_with_type_payload_and_options(
    url: str, stream: str, raw: redis.Redis
) -> None:
    async with AsyncClient(url) as client:
        job = await client.add(
            stream, "send", {"to": "ada"}, delay="10m", max_attempts=3, headers={"tenant": "eu"}
        )
    [(entry, fields)] = stored(raw, stream)
    assert entry == job
    assert fields == {
        b"type": b"send",
        b"payload": b'{"to":"ada"}',
        b"tenant": b"eu",
        b"delay": b"10m",
        b"max_attempts": b"3",
    }


def test_the_plain_client_writes_the_same_as_the_asyncio_one(
    url: str, stream: str, raw: redis.Redis
) -> None:
    async def with_asyncio() -> None:
        async with AsyncClient(url) as client:
            await client.add(stream, "send", {"n": 1}, timeout=timedelta(seconds=30))

    asyncio.run(with_asyncio())
    with Client(url) as client:
        client.add(stream, "send", {"n": 1}, timeout=timedelta(seconds=30))
    first, second = stored(raw, stream)
    assert first[1] == second[1]


def test_fields_make_a_bare_entry(url: str, stream: str, raw: redis.Redis) -> None:
    with Client(url) as client:
        client.add(stream, fields={"to": "ada", "subject": "hi"})
    assert stored(raw, stream)[0][1] == {b"to": b"ada", b"subject": b"hi"}


def test_many_jobs_keep_their_order(url: str, stream: str, raw: redis.Redis) -> None:
    jobs = [NewJob("count", {"n": n}) for n in range(1_201)]
    with Client(url) as client:
        ids = client.add_many(stream, jobs)
    entries = stored(raw, stream)
    assert [entry for entry, _ in entries] == ids
    assert [orjson.loads(fields[b"payload"])["n"] for _, fields in entries] == list(range(1_201))


def test_large_jobs_go_in_several_pipelines(url: str, stream: str, raw: redis.Redis) -> None:
    with Client(url) as client:
        ids = client.add_many(stream, [NewJob(payload=bytes(400_000)) for _ in range(7)])
    assert raw.xlen(stream) == len(ids) == 7


def test_one_bad_job_among_many_is_found_before_the_first_is_sent(
    url: str, stream: str, raw: redis.Redis
) -> None:
    with Client(url) as client, pytest.raises(UsageError, match="max_attempts"):
        client.add_many(stream, [NewJob("a"), NewJob("b", max_attempts=0)])
    assert not raw.exists(stream)


def test_a_bare_number_for_a_duration_is_a_type_error_that_names_both(
    url: str, stream: str
) -> None:
    with Client(url) as client, pytest.raises(TypeError, match=r"delay.*timedelta.*unit"):
        client.add(stream, "send", delay=30)  # type: ignore[arg-type]


async def test_many_answer_with_the_ids_that_are_known_when_the_connection_breaks(
    url: str, stream: str, raw: redis.Redis
) -> None:
    jobs = [NewJob("count", {"n": n}) for n in range(1_300)]
    async with cutting(url, after_ids=500) as broken, AsyncClient(broken) as client:
        with pytest.raises(NotAllAdded) as caught:
            await client.add_many(stream, jobs)
    error = caught.value
    known = [entry for entry, _ in stored(raw, stream)]
    assert list(error.added) == known[:500]
    assert error.unsure == range(500, 1_000)
    assert error.ids[1_000:] == (None,) * 300
    assert "500 may or may not have been" in str(error)
    assert "300 have not been" in str(error)


def test_many_say_which_were_refused(url: str, stream: str, raw: redis.Redis) -> None:
    raw.set(stream, "not a stream")
    with Client(url) as client, pytest.raises(NotAllAdded) as caught:
        client.add_many(stream, [NewJob("a"), NewJob("b")])
    assert caught.value.added == ()
    assert not caught.value.unsure
    assert isinstance(caught.value.cause, WrongType)


def test_an_unanswered_add_is_sent_once_and_says_that_it_may_have_been_added(
    private_server: Server,
) -> None:
    with Client(private_server.url, timeout="300ms") as client:
        client.add("jobs", "first")
        private_server.pause()
        try:
            with pytest.raises(Unavailable, match="may or may not have been added"):
                client.add("jobs", "second")
        finally:
            private_server.unpause()
    with redis.Redis.from_url(private_server.url) as raw:
        assert raw.xlen("jobs") == 2


def test_an_add_that_found_nobody_says_that_nothing_was_added() -> None:
    with (
        Client(f"redis://127.0.0.1:{free_port()}") as client,
        pytest.raises(Unavailable, match="nothing was added"),
    ):
        client.add("jobs", "a")


def test_a_full_server_refuses_and_nothing_is_added(private_server: Server) -> None:
    with redis.Redis.from_url(private_server.url) as raw, Client(private_server.url) as client:
        raw.config_set("maxmemory", 1)
        with pytest.raises(OutOfMemory, match="nothing was added"):
            client.add("jobs", "a")


def test_threads_may_share_a_client(url: str, stream: str, raw: redis.Redis) -> None:
    with Client(url) as client:
        threads = [
            threading.Thread(target=lambda: [client.add(stream, "a") for _ in range(20)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert raw.xlen(stream) == 80


def test_one_asyncio_client_serves_several_event_loops(
    url: str, stream: str, raw: redis.Redis
) -> None:
    client = AsyncClient(url)

    async def once() -> None:
        await client.add(stream, "a")
        await client.close()

    asyncio.run(once())
    asyncio.run(once())
    assert raw.xlen(stream) == 2


async def test_cancel_ends_a_delayed_job_and_refuses_it_the_second_time(
    url: str, stream: str, link: Link
) -> None:
    driver = Driver(link, stream)
    await driver.join()
    job = await driver.add("type", "a")
    await driver.fail((await driver.fetch())[0])
    async with AsyncClient(url) as client:
        await client.cancel(stream, job, group="mail", by="ada")
        with pytest.raises(Refused, match="cancelled"):
            await client.cancel(stream, job, group="mail")
        with pytest.raises(NotFound):
            await client.cancel(stream, "1-1", group="mail")


def test_a_client_without_a_url_takes_the_environments(
    url: str, stream: str, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RETRACED_URL", url)
    with Client() as client:
        client.add(stream, "a")
    assert raw.xlen(stream) == 1


def test_a_client_says_how_to_reach_the_embedded_server() -> None:
    with pytest.raises(ConfigError, match="retraced server start"):
        Client("embedded://")


@dataclass
class Mail:
    to: str
    cost: Decimal


async def test_a_handler_adds_jobs_by_its_own_arguments(
    url: str, stream: str, raw: redis.Redis
) -> None:
    app = App(url)

    @app.handler("send_email", stream=stream)
    async def send_email(job: Job, to: str, subject: str = "hi") -> None:
        """Sends."""

    first = await send_email.add(to="ada@example.org", subject="x")
    second = await send_email.options(delay="10m").add("bob@example.org")
    await app.client.close()
    jobs = dict(stored(raw, stream))
    assert jobs[first][b"type"] == b"send_email"
    assert orjson.loads(jobs[first][b"payload"]) == {"to": "ada@example.org", "subject": "x"}
    assert orjson.loads(jobs[second][b"payload"]) == {"to": "bob@example.org"}
    assert jobs[second][b"delay"] == b"10m"


async def test_a_parameter_that_is_a_dataclass_becomes_the_whole_payload(
    url: str, stream: str, raw: redis.Redis
) -> None:
    app = App(url)

    @app.handler(stream=stream)
    def post(mail: Mail, job: Job) -> None:
        """Posts."""

    await app.client.add(stream, "other")
    await post.options().add(Mail("ada", Decimal("1.50")))  # type: ignore[call-arg]
    await app.client.close()
    fields = stored(raw, stream)[1][1]
    assert fields[b"type"] == b"post"
    assert orjson.loads(fields[b"payload"]) == {"to": "ada", "cost": "1.50"}


async def test_a_handlers_add_refuses_arguments_that_the_handler_wouldnt_take(
    url: str, stream: str
) -> None:
    app = App(url)

    @app.handler(stream=stream)
    async def greet(job: Job, name: str) -> None:
        """Greets."""

    with pytest.raises(UsageError, match="name"):
        await greet.add()  # type: ignore[call-arg]


async def test_a_handler_without_a_stream_says_how_to_give_it_one(url: str) -> None:
    app = App(url)

    @app.handler()
    async def greet(job: Job, name: str) -> None:
        """Greets."""

    with pytest.raises(ConfigError, match="stream="):
        await greet.add("ada")


async def test_a_decorated_handler_can_still_be_called(url: str) -> None:
    app = App(url)

    @app.handler()
    def double(job: Job, n: int) -> int:
        return 2 * n

    assert double(None, 4) == 8  # type: ignore[arg-type]
    assert app.registry.get("double") is double.handler


async def test_a_time_needs_a_time_zone(url: str, stream: str, raw: redis.Redis) -> None:
    async with AsyncClient(url) as client:
        await client.add(stream, "a", run_at=datetime(2030, 1, 1, tzinfo=UTC))
        with pytest.raises(UsageError, match="time zone"):
            await client.add(stream, "a", run_at=datetime(2030, 1, 1))  # noqa: DTZ001
    assert stored(raw, stream)[0][1][b"run_at"] == b"2030-01-01T00:00:00Z"


@asynccontextmanager
async def cutting(url: str, *, after_ids: int) -> AsyncIterator[str]:
    """A way to the server that cuts the connection once so many ids have passed."""
    port = int(url.rpartition(":")[2])

    async def carry(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_connection("127.0.0.1", port)
        upwards = asyncio.create_task(_copy(near, forth))
        passed = 0
        while passed < after_ids and (line := await far.readline()):
            passed += bool(_ID.match(line))
            back.write(line)
        await back.drain()
        await far.readline()
        upwards.cancel()
        forth.close()
        back.close()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        target.write(data)
        await target.drain()
