"""`retraced workers check`, with real workers: well, hanging, dead, none."""

from __future__ import annotations

import signal
import socket

import pytest

from tests.commands import Ran, run
from tests.waiting import wait_until
from tests.workers import Crew

pytestmark = pytest.mark.by_turns

HOST = socket.gethostname()


def checked(url: str, *arguments: str) -> Ran:
    return run(url, "workers", "check", *arguments, form="")


def test_a_worker_of_this_host_is_well_until_it_ends(url: str, stream: str, crew: Crew) -> None:
    worker = crew.consume(stream, "--consumer", stream).ready()
    own = ("--self", "--consumer", stream)
    wait_until(lambda: checked(url, *own).code == 0, 10, "well")
    assert checked(url, *own).out.startswith(f"well: {stream}-{worker.pid}-")
    assert checked(url, stream, "--group", "g").code == 0
    worker.stop()
    ran = checked(url, *own)
    assert (ran.code, ran.out) == (1, f"no worker of {HOST} gives a sign of life\n")


def test_a_stopped_worker_is_found_though_another_is_well(
    url: str, stream: str, crew: Crew
) -> None:
    own = ("--self", "--consumer", stream)
    stopped = crew.consume(stream, "--consumer", stream).ready()
    crew.consume(stream, "--consumer", stream).ready()
    wait_until(lambda: ", " in checked(url, *own).out, 10, "both are well")
    stopped.signal(signal.SIGSTOP)
    late = (*own, "--max-age", "3s")
    wait_until(lambda: checked(url, *late).code == 1, 15, "it is found to be silent")
    said = checked(url, *late).out
    assert f"{stream}-{stopped.pid}-" in said
    assert "its last heartbeat was" in said
    assert checked(url, stream, "--group", "g", "--max-age", "3s").code == 0
    stopped.kill()
    wait_until(lambda: checked(url, *late).code == 0, 10, "the dead one doesn't count")


def test_a_loop_that_hangs_is_found_though_the_lease_thread_lives(
    url: str, stream: str, crew: Crew
) -> None:
    crew.consume(stream, "--consumer", stream, "--visibility-timeout", "3s").ready()
    run(url, "add", stream, "--type", "stall", "s=20")
    own = ("--self", "--consumer", stream)
    wait_until(lambda: checked(url, *own).code == 1, 15, "the loop is found to be stuck")
    assert "its event loop has been stuck for" in checked(url, *own).out


def test_neither_self_nor_a_stream_is_exit_2_and_a_wrong_name_3(url: str, stream: str) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    assert checked(url).code == 2
    ran = checked(url, stream, "--group", "mial")
    assert ran.code == 3
    assert "Did you mean mail?" in ran.err
    ran = checked(url, stream, "--group", "mail")
    assert (ran.code, ran.out) == (1, "no worker gives a sign of life\n")


def test_no_server_is_exit_4() -> None:
    assert checked("redis://127.0.0.1:1", "--self").code == 4
