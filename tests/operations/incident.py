"""An incident: a server of its own, workers, a mishap, and hands for what no command does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import redis

from tests import commands
from tests.servers import Server, make
from tests.workers import Consumer, Crew

STREAM, GROUP = "orders", "billing"
_APP = ("--app", "tests.operations.shop:app")
_WORKER = (*_APP, "--visibility-timeout", "3s", "--consumer", GROUP)


class Incident(ABC):
    """One section's. `happen` makes it; `over` checks, beyond the page, that nothing was lost."""

    def __init__(self, server_name: str, place: Path) -> None:
        self.place = place
        self.server = self.serve(server_name)
        self.crew = Crew(self.server.url, place)
        self.raw = redis.Redis.from_url(self.server.url)

    def serve(self, server_name: str) -> Server:
        """The server that it happens on."""
        return make(server_name)

    @abstractmethod
    def happen(self) -> None:
        """Makes the incident; what the page shows is then to be seen, now or soon."""

    @property
    def hands(self) -> Mapping[str, Callable[[], object]]:
        """By the page's words: what is done outside of ReTraced."""
        return {}

    @property
    def environ(self) -> Mapping[str, str]:
        """What the shell knows beyond RETRACED_URL."""
        return {}

    def over(self) -> None:  # noqa: B027 - most have no more to check
        """Raises AssertionError if the incident isn't over."""

    def work(self, *arguments: str, group: str = GROUP, release: str = "v41") -> Consumer:
        """A worker of `orders` that has joined its group."""
        words = (STREAM, *_WORKER, *arguments)
        return self.crew.consume(*words, group=group, RETRACED_RELEASE=release).ready()

    def add(self, count: int, *, first: int = 1, **fields: str) -> list[str]:
        """Jobs, by plain XADD; each has its order's number."""
        pipeline = self.raw.pipeline(transaction=False)
        for order in range(first, first + count):
            job: dict[Any, Any] = {"type": "charge", "order": str(order), **fields}
            pipeline.xadd(STREAM, job)
        return [entry.decode() for entry in pipeline.execute()]

    def run(self, *words: str) -> commands.Ran:
        """A command of ReTraced that is part of the incident; it must succeed."""
        ran = commands.run(self.server.url, *words)
        assert ran.code == 0, f"{words}: {ran.err}"
        return ran

    def counts(self, group: str = GROUP) -> dict[str, int]:
        """Where the group's jobs are."""
        rows = self.run("groups", "list", STREAM).rows
        row = next(row for row in rows if row["id"] == group)
        return {name: row[name] for name in ("unread", "held", "ready", "delayed", "dead")}

    def holder(self) -> Consumer:
        """The worker that holds a job of the stream."""
        (row, *_) = self.run("pending", STREAM, "--group", GROUP).rows
        return next(each for each in self.crew.members if f"-{each.pid}-" in row["worker"])

    def close(self) -> None:
        self.crew.close()
        self.raw.close()
        self.server.close()
