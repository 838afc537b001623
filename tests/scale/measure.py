"""Times one command from outside, and how long Redis kept others waiting meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import redis

from retraced.store.scripts import names, script

_EVERY_S = 0.0005
_LATE_MS = 5
_SLOW_MICROS = 500


@dataclass(frozen=True, slots=True)
class Measured:
    """What one command took. `ping_ms`: the longest that a PING of someone else waited, `late`: how
    many waited over 5 ms (a busy machine does that, too); `command_ms` and `command`: the longest
    single call that Redis ran.
    """

    name: str
    seconds: float
    ping_ms: float
    late: int
    command_ms: float
    command: str
    code: int
    lines: int
    said: str


def measure(url: str, name: str, words: Sequence[str], *, most_s: float) -> Measured:
    """Runs `retraced WORDS` in a process of its own, its output thrown away but for its end."""
    with redis.Redis.from_url(url) as client:
        client.config_set("slowlog-log-slower-than", _SLOW_MICROS)
        client.config_set("slowlog-max-len", 10_000)
        client.slowlog_reset()
        pinging = Pinging(url)
        began = time.monotonic()
        ran = subprocess.run(
            [sys.executable, "-m", "retraced", "--url", url, *words],
            capture_output=True,
            timeout=most_s,
            check=False,
        )
        seconds = time.monotonic() - began
        pinging.stop()
        slow_ms, slow = _slowest(client)
    said = ran.stderr.decode(errors="replace").strip().splitlines()
    return Measured(
        name=name,
        seconds=seconds,
        ping_ms=pinging.longest_ms,
        late=pinging.late,
        command_ms=slow_ms,
        command=slow,
        code=ran.returncode,
        lines=len(ran.stdout.splitlines()),
        said=said[-1] if said else "",
    )


def first_in_line(pid: int) -> None:
    """Lets a process (0: this thread) run before all others, where that is allowed: what a busy
    machine does to it is not what is measured.
    """
    with suppress(PermissionError, ProcessLookupError):
        how = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(pid, how, os.sched_param(1))


def idle(url: str, seconds: float) -> Measured:
    """What the machine itself does to a PING while nobody asks anything else."""
    pinging = Pinging(url)
    time.sleep(seconds)
    pinging.stop()
    return Measured(
        name="(nothing)",
        seconds=seconds,
        ping_ms=pinging.longest_ms,
        late=pinging.late,
        command_ms=0.0,
        command="-",
        code=0,
        lines=0,
        said="",
    )


class Pinging:
    """A client that does nothing but ask whether Redis is there, and notes its longest wait."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self.longest_ms = 0.0
        self.late = 0
        self._done = threading.Event()
        self._client.ping()
        self._thread = threading.Thread(target=self._loop)
        self._thread.start()

    def stop(self) -> None:
        """Ends it; then the numbers stand."""
        self._done.set()
        self._thread.join()
        self._client.close()

    def _loop(self) -> None:
        first_in_line(0)
        while not self._done.is_set():
            began = time.monotonic()
            self._client.ping()
            waited_ms = (time.monotonic() - began) * 1000
            self.longest_ms = max(self.longest_ms, waited_ms)
            self.late += waited_ms > _LATE_MS
            time.sleep(_EVERY_S)


def _slowest(client: redis.Redis) -> tuple[float, str]:
    """The longest command in ms, and its first words."""
    found = [
        (int(entry["duration"]), bytes(entry["command"]))
        for entry in client.slowlog_get(10_000)
        if not bytes(entry["command"]).startswith((b"SLOWLOG", b"CONFIG", b"PING"))
    ]
    if not found:
        return 0.0, "-"
    micros, command = max(found)
    return micros / 1000, _named(command)


def _named(command: bytes) -> str:
    """The first words of a call; a script by its name."""
    words = command.split(b" ", 2)
    for name in names():
        if words[1:2] == [script(name).sha1]:
            return name
    if words[0] == b"EVAL":
        return "a script, sent whole"
    return command.decode(errors="replace")[:44]
