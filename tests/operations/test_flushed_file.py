"""What the runbook says of the append-only file after a FLUSHALL is true: all comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import redis

from tests.operations import page
from tests.operations.shell import Shell
from tests.servers import ProcessServer


@pytest.fixture
def server() -> Iterator[ProcessServer]:
    server = ProcessServer()
    server.start()
    yield server
    server.close()


def test_a_file_cut_before_the_flushall_has_all_that_was_there(server: ProcessServer) -> None:
    with redis.Redis.from_url(server.url) as raw:
        for order in range(3):
            raw.xadd("orders", {"order": str(order)})
        raw.flushall()
        raw.xadd("orders", {"order": "after it"})
        _run_recipe(server)
        server.start()
        orders = [fields[b"order"] for _, fields in raw.xrange("orders") or []]
    assert orders == [b"0", b"1", b"2"]


def _run_recipe(server: ProcessServer) -> None:
    """The block of the page, in the directory of the server's data."""
    setup = next(each for each in page.sections() if each.slug == page.SETUP)
    (recipe,) = re.findall(r"```sh\n(.*?)```", page.PAGE.read_text(), re.DOTALL)
    shell = Shell(server.directory, {"RETRACED_URL": server.url})
    try:
        for command in (*(step.command for step in setup.steps), *recipe.splitlines()):
            said = shell.run(command)
            assert said.code == 0, f"{command}: {said.output}"
    finally:
        shell.close()
    server.ended()
