"""The server under test: one of our own without persistence, or any URL; and what it has done."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis

from retraced.embedded import find_binary
from retraced.keys import Keys

STREAM = "bench"
GROUP = "g"
# What clients send by themselves; all else in INFO commandstats was called inside scripts, or is
# ours, before and after.
_SENT = (
    "eval",
    "evalsha",
    "xreadgroup",
    "ping",
    "client|unblock",
    "client|id",
    "sadd",
    "smismember",
)
_PLAIN = ("xack", "xdel")


@dataclass(frozen=True, slots=True)
class Meter:
    """What a server had used at one moment."""

    cpu_s: float
    sent: int
    plain: int

    @classmethod
    def read(cls, client: redis.Redis) -> Meter:
        cpu: Any = client.info("cpu")
        stats: Any = client.info("commandstats")
        calls = {
            name.removeprefix("cmdstat_"): int(value["calls"]) for name, value in stats.items()
        }
        return cls(
            cpu_s=cpu["used_cpu_user"] + cpu["used_cpu_sys"],
            sent=sum(calls.get(name, 0) for name in _SENT),
            plain=sum(calls.get(name, 0) for name in _PLAIN),
        )


class Server:
    """A server with the benchmark's stream on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: redis.Redis = redis.Redis.from_url(url)
        self.keys = Keys.of(STREAM, GROUP)

    @property
    def version(self) -> str:
        info: Any = self.client.info("server")
        name = "valkey" if "valkey_version" in info else "redis"
        return f"{name} {info.get('valkey_version', info['redis_version'])}"

    def clear(self) -> None:
        """Takes the benchmark's own keys away, and nothing else; an empty group is made."""
        companions = self.keys.settings.removesuffix(b":settings").replace(b"[", b"\\[")
        self.client.delete(STREAM)
        for key in self.client.scan_iter(match=companions + b":*", count=1000):
            self.client.unlink(key)
        self.client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)

    def left(self) -> int:
        return int(self.client.xlen(STREAM))


@contextmanager
def serving(url: str | None) -> Iterator[Server]:
    """The server of `url`, else one of our own on a free port, which ends with the block."""
    if url is not None:
        yield Server(url)
        return
    with tempfile.TemporaryDirectory() as directory, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        process = subprocess.Popen(
            [find_binary(), *options], cwd=directory, stdout=subprocess.DEVNULL
        )
        try:
            server = Server(f"redis://127.0.0.1:{port}")
            _wait(server.client)
            yield server
        finally:
            process.terminate()
            process.wait()


def _wait(client: redis.Redis) -> None:
    for _ in range(1000):
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError("the server under test did not start")
