"""Drives jobs through their transitions by the scripts alone: a worker without a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from retraced.entry import split_ready
from retraced.keys import Keys
from retraced.outcome import Counts
from retraced.store.arrivals import register
from retraced.store.connection import Link
from retraced.store.writes import (
    Author,
    Beat,
    Burial,
    Done,
    Held,
    Move,
    Releasing,
    Source,
    bury,
    complete,
    delay,
    join,
    promote,
    release,
)

_PAGE = 200


@dataclass(slots=True)
class Driver:
    """One consumer of one group."""

    link: Link
    stream: str
    group: str = "mail"
    consumer: bytes = b"worker-1"
    keys: Keys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = Keys.of(self.stream, self.group)

    @property
    def author(self) -> Author:
        return Author(self.consumer, b"r1")

    async def join(self, start: bytes = b"0") -> None:
        await self.link.run(join(self.keys, start=start))
        await register(self.link, self.keys)

    async def add(self, *fields: str) -> str:
        entry: bytes = await self.link.call("XADD", self.stream, "*", *fields)
        return entry.decode()

    async def fetch(self, source: Source = Source.STREAM, *, count: int = 100) -> list[Held]:
        """Up to `count` deliveries of one source."""
        key = self.keys.stream if source is Source.STREAM else self.keys.ready
        reply = await self.link.call(
            *("XREADGROUP", "GROUP", self.keys.group, self.consumer, "COUNT", count),
            *("STREAMS", key, ">"),
        )
        entries: list[Any] = reply[0][1] if reply else []
        return [Held(source, entry, _job(source, entry, fields), 1) for entry, fields in entries]

    async def complete(self, *held: Held, attempt: int = 1) -> None:
        done = [Done(each, attempt, wait_ms=5, run_ms=7) for each in held]
        await self.link.run(complete(self.keys, self.author, done, page=_PAGE))

    async def fail(
        self, held: Held, *, after_ms: int = 60_000, attempt: int = 1, traceback: str = ""
    ) -> None:
        move = Move(
            held=held,
            event="failed",
            reason="retry",
            due_ms=None,
            after_ms=after_ms,
            counts=Counts(attempt=attempt),
            begun=True,
            error="ValueError: boom",
            unhandled_since_ms=None,
            detail={"traceback": traceback} if traceback else {},
        )
        await self.link.run(delay(self.keys, self.author, [move], page=_PAGE))

    async def bury(
        self,
        held: Held,
        *,
        reason: str = "exhausted",
        error: str = "ValueError: boom",
        traceback: str = "",
    ) -> None:
        detail = {"traceback": traceback} if traceback else {}
        burial = Burial(held, reason, error, Counts(attempt=1), detail)
        await self.link.run(bury(self.keys, self.author, [burial], page=_PAGE))

    async def release(self, held: Held) -> None:
        given = Releasing(held, Counts(), begun=False, detail={})
        await self.link.run(release(self.keys, self.author, [given], page=_PAGE))

    async def beat(self, **facts: str | int) -> None:
        await self.link.run(promote(self.keys, self.author, hungry=False, beat=Beat(facts)))


def _job(source: Source, entry: bytes, fields: list[bytes]) -> bytes:
    return entry if source is Source.STREAM else split_ready(fields)[0].job


def stored(client: Any, stream: str | bytes) -> list[tuple[str, dict[bytes, bytes]]]:
    """What a stream holds, as a plain client reads it: id and fields."""
    return [(entry.decode(), fields) for entry, fields in client.xrange(stream)]
