"""`retraced server`, and which server a command uses, as two terminals would see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from retraced import embedded
from tests.servers import ask, free_port

pytestmark = [pytest.mark.usefixtures("port_6379"), pytest.mark.timeout(180)]


class Terminal:
    """Runs `retraced` in one directory, without settings from outside; not a real terminal."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "retraced", *arguments],
            cwd=self.directory,
            env={**_clean_environment(), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    yield Terminal(tmp_path)
    embedded.stop(tmp_path / ".retraced")


def test_started_seen_and_stopped_from_different_processes(terminal: Terminal) -> None:
    port = free_port()
    started = terminal.run("server", "start", "--port", str(port))
    assert started.returncode == 0, started.stderr
    assert f"started redis://127.0.0.1:{port}, data in {terminal.directory}" in started.stderr
    assert json.loads(started.stdout)["url"] == f"redis://127.0.0.1:{port}"
    assert terminal.run("server", "url").stdout == f"redis://127.0.0.1:{port}\n"
    status = json.loads(terminal.run("server", "status").stdout)
    assert (status["state"], status["kept"], status["in_use"]) == ("running", True, False)
    assert terminal.run("server", "stop").returncode == 0
    gone = terminal.run("server", "status")
    assert gone.returncode == 3
    assert f"runs in {terminal.directory}/.retraced; start it: retraced server" in gone.stderr
    elsewhere = terminal.run("--url", "embedded://there", "server", "status")
    assert f"retraced --url embedded://{terminal.directory}/there server" in elsewhere.stderr
    assert terminal.run("server", "stop").returncode == 0


def test_stop_refuses_while_others_use_it(terminal: Terminal) -> None:
    with embedded.join(terminal.directory / ".retraced", port=free_port()):
        refused = terminal.run("server", "stop")
        assert refused.returncode == 6
        assert "--yes" in refused.stderr
        if sys.platform == "linux":
            assert f"(pid {os.getpid()})" in refused.stderr
        assert terminal.run("server", "stop", "--yes").returncode == 0


def test_a_command_says_which_embedded_server_it_used_and_leaves_the_data(
    terminal: Terminal,
) -> None:
    added = terminal.run("--url", "embedded://", "add", "emails", "to=ada")
    assert added.returncode == 0, added.stderr
    assert "started the embedded server at redis://127.0.0.1:" in added.stderr
    assert str(terminal.directory / ".retraced") in added.stderr
    assert embedded.status(terminal.directory / ".retraced") == (None, False)
    with embedded.join(terminal.directory / ".retraced") as stay:
        assert ask(stay.server.port, b"XLEN emails") == b":1\r\n"
        joined = terminal.run("add", "emails", "to=bob", RETRACED_URL="embedded://")
        assert f"joined the embedded server at {stay.server.url}" in joined.stderr
        assert ask(stay.server.port, b"XLEN emails") == b":2\r\n"


def test_a_server_that_runs_in_this_directory_is_the_one_that_is_meant(terminal: Terminal) -> None:
    port = free_port()
    with embedded.join(terminal.directory / ".retraced", port=port):
        added = terminal.run("add", "emails", "to=ada")
        assert f"joined the embedded server at redis://127.0.0.1:{port}" in added.stderr
        assert ask(port, b"XLEN emails") == b":1\r\n"


def test_without_a_terminal_and_a_server_the_error_names_the_remedies(terminal: Terminal) -> None:
    before = embedded.answers("127.0.0.1", 6379)
    result = terminal.run("add", "emails", "to=ada")
    if before or (result.returncode == 0 and embedded.answers("127.0.0.1", 6379)):
        pytest.skip("a Redis answers on port 6379 of this machine, and it would be used")
    assert result.returncode == 2
    for remedy in ("--url", "RETRACED_URL", "embedded://"):
        assert remedy in result.stderr


def test_a_server_that_does_not_answer_costs_five_seconds_at_most(terminal: Terminal) -> None:
    result = terminal.run("--url", f"redis://me:secret@127.0.0.1:{free_port()}", "add", "s", "a=1")
    assert result.returncode == 4
    assert len(result.stderr.strip().splitlines()) == 1
    assert "secret" not in result.stderr


def _clean_environment() -> dict[str, str]:
    own = ("RETRACED_", "REDIS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}
