"""Chapter 1: a job is a stream entry, and whoever can say XADD is a producer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retraced import App, AsyncClient, Client, Job
from retraced.client import NewJob
from tests.fundamentals.conftest import Shell


def test_a_plain_xadd_is_a_job_for_a_command(
    shell: Shell, xadd: Callable[..., str], stream: str, raw: Any
) -> None:
    xadd(to="ada@example.org", subject="hi")
    shell.work(stream, "--exec", f"sh -c 'cat > {shell.notes_file}'")
    assert shell.notes() == ['{"to":"ada@example.org","subject":"hi"}']
    assert raw.xlen(stream) == 0, "a stream of finished work is empty"


def test_a_type_names_the_handler_and_the_fields_are_its_arguments(
    shell: Shell, xadd: Callable[..., str], stream: str
) -> None:
    xadd(type="greet", name="ada")
    xadd(type="count", items="3", gift="true")
    shell.work(stream)
    assert sorted(shell.notes()) == ["3 items, gift True", "hello ada"]


def test_a_payload_is_json(shell: Shell, xadd: Callable[..., str], stream: str) -> None:
    xadd(type="greet", payload='{"name": "bob"}', tenant="headers stand beside it")
    shell.work(stream)
    assert shell.notes() == ["hello bob"]


def test_a_client_adds_one_or_many(shell: Shell, url: str, stream: str) -> None:
    with Client(url) as client:
        first = client.add(stream, "greet", {"name": "ada"})
        others = client.add_many(stream, [NewJob("greet", {"name": name}) for name in "bc"])
    assert [first, *others] == sorted([first, *others])
    shell.work(stream)
    assert shell.notes() == ["hello ada", "hello b", "hello c"]


async def test_an_async_client_does_the_same(url: str, stream: str, raw: Any) -> None:
    async with AsyncClient(url) as client:
        job = await client.add(stream, "greet", {"name": "ada"})
    assert raw.xrange(stream)[0][0].decode() == job


async def test_a_handler_adds_jobs_by_its_own_signature(url: str, stream: str, raw: Any) -> None:
    app = App(url)

    @app.handler("greet", stream=stream)
    async def greet(job: Job, name: str) -> None: ...

    job = await greet.add(name="ada")
    await app.client.close()
    assert raw.xrange(stream) == [
        (job.encode(), {b"type": b"greet", b"payload": b'{"name":"ada"}'})
    ]


def test_the_command_line_adds_them_too(shell: Shell, stream: str) -> None:
    shell.retraced("add", stream, "--type", "greet", "name=ada")
    shell.work(stream)
    assert shell.notes() == ["hello ada"]
