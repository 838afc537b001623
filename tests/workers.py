"""Workers under test: `retraced consume` in processes of their own, their logs and the ledger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import waiting
from tests.jobs import LEDGER

ROOT = Path(__file__).parent.parent
APP = ("--app", "tests.jobs:app")


@dataclass(frozen=True, slots=True)
class Line:
    """What one run of a handler noted."""

    word: str
    job: str
    attempt: int
    fence: int
    pid: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """The file to which handlers append."""

    path: Path

    def lines(self, word: str | None = None) -> list[Line]:
        """In the order in which they were written; only those with this word."""
        text = self.path.read_text() if self.path.exists() else ""
        rows = [line.split(" ") for line in text.splitlines()]
        lines = [Line(row[0], row[1], *map(int, row[2:])) for row in rows]
        return [line for line in lines if word in (None, line.word)]

    def jobs(self, word: str) -> list[str]:
        return [line.job for line in self.lines(word)]


class Consumer:
    """One `retraced consume` process."""

    def __init__(self, arguments: list[str], *, log: Path, environ: Mapping[str, str]) -> None:
        self._log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "retraced", "consume", *arguments, "--log-format", "json"],
                cwd=ROOT,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def text(self) -> str:
        """All that it wrote."""
        return self._log.read_text()

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        lines = []
        for line in self.text.splitlines():
            with suppress(ValueError):
                lines.append(json.loads(line))
        return [line for line in lines if isinstance(line, dict) and line.get("event") == event]

    def hears(self, event: str, *, times: int = 1, deadline: float = 15.0) -> list[dict[str, Any]]:
        """Waits until it has said so."""
        waiting.wait_until(
            lambda: len(self.said(event)) >= times, deadline, f"{event} in\n{self.text[-2000:]}"
        )
        return self.said(event)

    def ready(self) -> Consumer:
        """Waits until it has joined its groups."""
        self.hears("joined")
        return self

    def ends(self, deadline: float = 20.0) -> int:
        """Waits for its end; gives its exit code."""
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it goes on after {deadline} s:\n{self.text[-3000:]}") from None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ends it in order."""
        self.signal(signal.SIGTERM)
        return self.ends()

    def kill(self) -> None:
        """Ends it with SIGKILL."""
        self.process.kill()
        self.process.wait()


@dataclass(slots=True)
class Crew:
    """Starts workers of a test; ends them all at its end."""

    url: str
    place: Path
    ledger: Ledger = field(init=False)
    members: list[Consumer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.place / "ledger")

    def consume(self, *arguments: str, group: str = "g", **environ: str) -> Consumer:
        """Python handlers of `tests.jobs`, unless the arguments say --exec."""
        words = [*arguments, "--group", group]
        if not {"--exec", "--app"} & set(arguments):
            words += APP
        log = self.place / f"worker-{len(self.members)}.log"
        member = Consumer(words, log=log, environ=self._environ() | environ)
        self.members.append(member)
        return member

    def drain(self, *arguments: str, group: str = "g", **environ: str) -> Consumer:
        """One that runs until nothing is left; gives it when it has ended."""
        member = self.consume(*arguments, "--drain", group=group, **environ)
        member.ends(40)
        return member

    def close(self) -> None:
        for member in self.members:
            with suppress(ProcessLookupError):
                member.signal(signal.SIGCONT)
            member.kill()

    def _environ(self) -> dict[str, str]:
        ours = ("RETRACED_", "REDIS_")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        return {**inherited, "RETRACED_URL": self.url, LEDGER: str(self.ledger.path)}
