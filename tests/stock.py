"""Jobs in every state, put there by the real scripts: something for every command to show.

`fill` for tests that run commands, `stock` inside an event loop. `each` may be large: all is done
in batches (tests/scale fills 100,000 of each).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from retraced.job import Counts
from retraced.keys import Keys
from retraced.store import writes
from retraced.store.connection import Connector, Link
from retraced.store.scripts import Call
from retraced.store.writes import Burial, Done, Held, Move, Releasing, Source
from tests.driver import Driver

T = TypeVar("T")

KINDS = (
    "done", "done_after_retries", "delayed", "dead", "cancelled", "held", "held_again", "ready",
    "unread",
)  # fmt: skip
TYPES = ("mail", "sms", "report")
TRACEBACK = (
    'Traceback (most recent call last):\n  File "/app/shop.py", line 12, in send\n'
    "    deliver(order)\nValueError: boom\n"
)
# Reason, error: the numbers in them differ from job to job.
DEATHS = (
    ("exhausted", "SMTPError: connection refused by 10.0.0.{n}"),
    ("exhausted", "timed out after 30s"),
    ("rejected", "no such customer: {n}"),
    ("invalid", "max_attempts: 'many' isn't a whole number from 1 to 1000"),
    ("expired", "expired at 2026-11-24T08:00:00Z, before its first attempt"),
    ("poison", "its process died 3 times, the last time: killed by SIGKILL"),
)
# Event, reason, error, attempts charged.
DELAYS = (
    ("failed", "retry", "SMTPError: connection refused by 10.0.0.{n}", 2),
    ("delayed", "scheduled", "", 0),
    ("snoozed", "snooze", "", 0),
    ("unhandled", "unhandled", "no handler for the type 'report'", 0),
    ("crashed", "crashed", "its process died: killed by SIGSEGV", 1),
)
_READ = 200
_MOVE = 50


@dataclass(frozen=True, slots=True)
class Stocked:
    """Ids of the jobs, as text, by kind: see KINDS."""

    stream: str
    group: str
    jobs: dict[str, list[str]] = field(default_factory=dict)

    def __getattr__(self, kind: str) -> list[str]:
        try:
            return self.jobs[kind]
        except KeyError:
            raise AttributeError(kind) from None


def fill(
    url: str, stream: str, group: str = "mail", *, each: int = 3, kinds: Sequence[str] = KINDS
) -> Stocked:
    """Puts `each` jobs of each kind into the group, which it makes; not inside an event loop."""

    async def through() -> Stocked:
        async with Connector(url, timeout_s=30).link() as link:
            return await stock(link, stream, group, each=each, kinds=kinds)

    return asyncio.run(through())


async def stock(
    link: Link, stream: str, group: str = "mail", *, each: int = 3, kinds: Sequence[str] = KINDS
) -> Stocked:
    """Puts `each` jobs of each kind into the group, which it makes. The first held one runs."""
    driver = Driver(link, stream, group)
    await driver.join()
    stocked = Stocked(stream, group)
    for kind in KINDS:  # in this order: what is to stay unread comes last
        if kind in kinds:
            stocked.jobs[kind] = await _Shelf(driver, each).filled(kind)
    running = json.dumps(stocked.jobs.get("held", [])[:1])
    await driver.beat(host="here", pid=1, version="0", release="r1", running=running)
    return stocked


class _Shelf:
    """Fills one kind."""

    def __init__(self, driver: Driver, each: int) -> None:
        self.driver = driver
        self.link = driver.link
        self.keys: Keys = driver.keys
        self.each = each
        self.number = 0

    async def filled(self, kind: str) -> list[str]:
        if kind == "unread":
            return [job.decode() for job in await self._added(self.each)]
        jobs: list[str] = []
        async for held in self._fetched():
            jobs += [each.job.decode() for each in held]
            if kind != "held":
                put: Callable[[list[Held]], Awaitable[None]] = getattr(self, f"_{kind}")
                await put(held)
        return jobs

    async def _fetched(self) -> AsyncIterator[list[Held]]:
        left = self.each
        while left > 0:
            await self._added(min(left, _READ))
            held = await self.driver.fetch(count=_READ)
            left -= len(held)
            yield held

    async def _added(self, count: int) -> list[bytes]:
        added: list[bytes] = []
        while len(added) < count:
            some = [self._fields() for _ in range(min(count - len(added), _READ))]
            added += await self.link.calls([("XADD", self.keys.stream, "*", *f) for f in some])
        return added

    def _fields(self) -> tuple[str, ...]:
        self.number += 1
        kind = TYPES[self.number % len(TYPES)]
        payload = {"user": self.number, "to": [f"u{self.number}@example.org"], "vip": False}
        tenant = f"tenant-{self.number % 7}"
        return ("type", kind, "payload", json.dumps(payload), "source", "web", "key", tenant)

    async def _done(self, held: list[Held]) -> None:
        done = [Done(each, 1, wait_ms=5, run_ms=7) for each in held]
        await self._run(writes.complete(self.keys, self.driver.author, done, page=_page(held)))

    async def _done_after_retries(self, held: list[Held]) -> None:
        for again in await self._retried(held):
            done = [Done(each, 2, wait_ms=5, run_ms=7) for each in again]
            call = writes.complete(self.keys, self.driver.author, done, page=_page(held))
            await self._run(call)

    async def _delayed(self, held: list[Held]) -> None:
        moves = [self._delay(place, each) for place, each in enumerate(held)]
        for some in _pieces(moves):
            call = writes.delay(self.keys, self.driver.author, some, page=_page(held))
            await self._run(call)

    async def _dead(self, held: list[Held]) -> None:
        burials = [self._burial(place, each) for place, each in enumerate(held)]
        for some in _pieces(burials):
            await self._run(writes.bury(self.keys, self.driver.author, some, page=_page(held)))

    async def _cancelled(self, held: list[Held]) -> None:
        await self._delayed(held)
        for some in _pieces(held):
            calls = [writes.cancel(self.keys, each.job, by="ada@here") for each in some]
            await self.link.run_all(calls)

    async def _held_again(self, held: list[Held]) -> None:
        await self._retried(held)

    async def _ready(self, held: list[Held]) -> None:
        """Every other one was released before it had started, the others failed and are due."""
        released = [Releasing(each, Counts(), begun=False, detail={}) for each in held[::2]]
        for some in _pieces(released):
            await self._run(writes.release(self.keys, self.driver.author, some, page=_page(held)))
        await self._moved(held[1::2])

    async def _retried(self, held: list[Held]) -> list[list[Held]]:
        """Fails them, due at once, and fetches them again."""
        await self._moved(held)
        again: list[list[Held]] = []
        while some := await self.driver.fetch(Source.READY, count=_READ):
            again.append(some)
        return again

    async def _moved(self, held: Sequence[Held]) -> None:
        moves = [_move(each, "failed", "retry", "ValueError: boom", 1, 0) for each in held]
        for some in _pieces(moves):
            call = writes.delay(self.keys, self.driver.author, some, page=_page(held))
            await self._run(call)

    def _delay(self, place: int, held: Held) -> Move:
        event, reason, error, attempt = DELAYS[place % len(DELAYS)]
        after_ms = 3_600_000 + 1_000 * place
        return _move(held, event, reason, error.format(n=place), attempt, after_ms)

    def _burial(self, place: int, held: Held) -> Burial:
        reason, error = DEATHS[place % len(DEATHS)]
        detail = {"traceback": TRACEBACK} if reason == "exhausted" else {}
        counts = Counts(attempt=0 if reason in ("invalid", "expired") else 5, deliveries=5)
        return Burial(held, reason, error.format(n=place), counts, detail)

    async def _run(self, call: Call[T]) -> T:
        return await self.link.run(call)


def _move(held: Held, event: str, reason: str, error: str, attempt: int, after_ms: int) -> Move:
    return Move(
        held=held,
        event=event,
        reason=reason,
        due_ms=None,
        after_ms=after_ms,
        counts=Counts(attempt=attempt, deliveries=attempt),
        begun=attempt > 0,
        error=error,
        unhandled_since_ms=_ms(held.job) if reason == "unhandled" else None,
        detail={"traceback": TRACEBACK} if event == "failed" else {},
    )


def _ms(job: bytes) -> int:
    return int(job.partition(b"-")[0])


def _pieces(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[start : start + _MOVE] for start in range(0, len(items), _MOVE)]


def _page(held: Sequence[Held]) -> int:
    return len(held) + 100
