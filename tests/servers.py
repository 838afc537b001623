"""The real servers that tests run on: containers where Docker answers, else a plain process."""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from retraced.embedded import find_binary

DEFAULT_IMAGES = ("redis:7.0", "redis:8.0", "valkey/valkey:9.1")
MORE_IMAGES = ("redis:6.2", "valkey/valkey:8.1")
EMBEDDED = "embedded"
# A test that asks for durability restarts the server: what it was told must still be there.
_FLAGS = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--protected-mode", "no")
_START_S = 30.0


class Server(ABC):
    """A real server on a port of 127.0.0.1 that it keeps when it is stopped and started."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def version(self) -> tuple[int, ...]:
        """The release of the product itself: (7, 0, 15), or (9, 1, 2) of Valkey."""
        return self._product()[1]

    @property
    def product(self) -> str:
        """`redis` or `valkey`."""
        return self._product()[0]

    @abstractmethod
    def start(self) -> None:
        """Starts it, the first time or again with its data, and waits until it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Ends it in order; its data stay."""

    @abstractmethod
    def kill(self) -> None:
        """Ends it with SIGKILL; its data stay."""

    @abstractmethod
    def pause(self) -> None:
        """Stops its process in its tracks: connections stay open and silent."""

    @abstractmethod
    def unpause(self) -> None:
        """Lets it go on."""

    @abstractmethod
    def close(self) -> None:
        """Ends it, and its data."""

    def restart(self) -> None:
        self.stop()
        self.start()

    def _product(self) -> tuple[str, tuple[int, ...]]:
        info = ask(self.port, b"INFO server").decode()
        for product in ("valkey", "redis"):
            found = re.search(rf"^{product}_version:([0-9.]+)", info, re.MULTILINE)
            if found:
                return product, tuple(int(part) for part in found[1].split("."))
        raise AssertionError(f"{self.name} doesn't tell its version: {info!r}")

    def _wait(self) -> None:
        end = time.monotonic() + _START_S
        while not ask(self.port, b"PING").startswith(b"+PONG"):
            if time.monotonic() > end:
                raise AssertionError(f"{self.name} doesn't answer on port {self.port}")
            time.sleep(0.01)


class ProcessServer(Server):
    """The binary that the embedded server would use, as a child of the tests."""

    def __init__(self, name: str = EMBEDDED) -> None:
        super().__init__(name)
        self._directory = tempfile.TemporaryDirectory(prefix="retraced-server-")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [find_binary(), "--port", str(self.port), "--bind", "127.0.0.1", *_FLAGS]
        with (Path(self._directory.name) / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._directory.name, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self._wait()

    def stop(self) -> None:
        self._signal(signal.SIGTERM)
        self._reap()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._reap()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def unpause(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            self.unpause()
            self.kill()
        self._directory.cleanup()

    def spoil_snapshots(self) -> None:
        """Snapshots fail from now on: where they are to be written a folder stands."""
        (Path(self._directory.name) / "dump.rdb" / "in the way").mkdir(parents=True)

    @property
    def directory(self) -> Path:
        """Where its data are."""
        return Path(self._directory.name)

    def ended(self) -> None:
        """Waits for the end that a client's SHUTDOWN has asked for."""
        self._reap()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self.name} isn't running"
        self._process.send_signal(number)

    def _reap(self) -> None:
        assert self._process is not None
        self._process.wait(_START_S)
        self._process = None


class ContainerServer(Server):
    """A server in a container of an official image."""

    def __init__(self, image: str) -> None:
        super().__init__(image)
        self._container: Any = None

    def start(self) -> None:
        if self._container is None:
            from testcontainers.core.container import DockerContainer

            # Only on loopback; its own type knows port numbers alone.
            ports: dict[Any, Any] = {"6379/tcp": ("127.0.0.1", self.port)}
            container = DockerContainer(self.name).with_command([*_FLAGS])
            container.ports.update(ports)
            self._container = container.start()
        else:
            self._wrapped().start()
        self._wait()

    def stop(self) -> None:
        self._wrapped().stop(timeout=int(_START_S))

    def kill(self) -> None:
        self._wrapped().kill()
        self._wrapped().wait()

    def pause(self) -> None:
        self._wrapped().pause()

    def unpause(self) -> None:
        self._wrapped().unpause()

    def close(self) -> None:
        if self._container is not None:
            with suppress(Exception):  # it may not be paused, or not be running
                self.unpause()
            self._container.stop()

    def _wrapped(self) -> Any:
        return self._container.get_wrapped_container()


class Fleet:
    """The servers of one test session, each started when a test first asks for it."""

    def __init__(self) -> None:
        self._servers: dict[str, Server] = {}

    def get(self, name: str) -> Server:
        if name not in self._servers:
            self._servers[name] = make(name)
        return self._servers[name]

    def close(self) -> None:
        for server in self._servers.values():
            server.close()


@dataclass(frozen=True, slots=True)
class Choice:
    """Which servers the tests of this session run on, and why."""

    names: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return f"servers: {', '.join(self.names)} ({self.why})"


def make(name: str) -> Server:
    """A started server of its own: `embedded`, or an image."""
    server: Server = ProcessServer() if name == EMBEDDED else ContainerServer(name)
    try:
        server.start()
    except BaseException:
        server.close()
        raise
    return server


def choose(wanted: str | None, *, ci: bool) -> Choice:
    """The servers for `--servers`. In CI containers must run; raises RuntimeError if they can't."""
    if wanted == EMBEDDED:
        return Choice((EMBEDDED,), f"asked for: {find_binary()}")
    names = _names(wanted)
    trouble = missing([name for name in names if name != EMBEDDED])
    if trouble is None:
        return Choice(names, "containers")
    if ci or wanted is not None:
        raise RuntimeError(f"the containers {', '.join(names)} can't run: {trouble}")
    return Choice((EMBEDDED,), f"{trouble}; using {find_binary()}")


def missing(images: Sequence[str]) -> str | None:
    """What keeps containers of these images from running; None if nothing does."""
    from testcontainers.core.config import testcontainers_config

    docker = _docker()
    try:
        client = docker.from_env(timeout=20)
        client.ping()
    except (docker.errors.DockerException, OSError):
        client = None
    if client is None:
        _collect_socket()
        return "no Docker answers"
    lacking = [image for image in images if not _can_be_had(client, image)]
    if not testcontainers_config.ryuk_disabled:
        # The fixtures remove their containers; the reaper only helps when pytest itself is killed.
        reaper = testcontainers_config.ryuk_image
        testcontainers_config.ryuk_disabled = not _can_be_had(client, reaper)
    client.close()
    return f"Docker answers, but {', '.join(lacking)} can't be had" if lacking else None


def _collect_socket() -> None:
    """Docker's client forgets to close its socket when nobody answers: not our tests' warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _docker() -> Any:
    return import_module("docker")  # by name: type checkers take our folder docker/ for it


def _can_be_had(client: Any, image: str) -> bool:
    errors = _docker().errors
    try:
        try:
            client.images.get(image)
        except errors.ImageNotFound:
            client.images.pull(image)
    except (errors.DockerException, OSError):
        return False
    return True


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, command: bytes) -> bytes:
    """The beginning of the answer to an inline command; nothing if none comes."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0) as connection:
            connection.sendall(command + b"\r\n")
            return connection.recv(8192)
    except OSError:
        return b""


def _names(wanted: str | None) -> tuple[str, ...]:
    match wanted:
        case None:
            return DEFAULT_IMAGES
        case "all":
            return (*MORE_IMAGES, *DEFAULT_IMAGES)
        case names:
            return tuple(name.strip() for name in names.split(",") if name.strip())
