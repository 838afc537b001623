"""What workers, producers and people do to the engine: real scripts on a real server, no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby

from retraced.backoff import Backoff
from retraced.entry import Carried, split_ready
from retraced.keys import Keys
from retraced.outcome import (
    Bury,
    Complete,
    Counts,
    Delay,
    Drop,
    Facts,
    Outcome,
    Release,
    Settlement,
    decide,
)
from retraced.store import writes
from retraced.store.blocking import BlockingLink
from retraced.store.scripts import Call
from retraced.store.writes import Answer, Author, Beat, Held, Moved, Source
from tests.properties.model.job import MAX_ATTEMPTS, MAX_CRASHES
from tests.properties.model.view import padded

PAGE = 100
VISIBILITY_MS = 30_000
LONG_AGO_MS = 3_600_000
BEAT = Beat({"host": "here"})

Written = tuple[Answer, Moved | None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a worker knows of an entry that it was given."""

    held: Held
    carried: Carried

    @classmethod
    def of(cls, source: Source, entry: bytes, fields: Sequence[bytes], count: int = 1) -> Delivery:
        carried = Carried(job=entry)
        if source is Source.READY:
            carried = split_ready(fields)[0]
        return cls(Held(source, entry, carried.job, count), carried)

    def facts(self, *, started: bool, backoff: str, now_ms: int) -> Facts:
        carried, count = self.carried, self.held.count
        return Facts(
            counts=Counts(
                attempt=carried.attempt,
                deliveries=carried.deliveries + count,
                lost=carried.lost + count - 1,
                crashes=carried.crashes,
            ),
            begun=started or carried.begun,
            max_attempts=MAX_ATTEMPTS,
            max_crashes=MAX_CRASHES,
            backoff=Backoff.parse(backoff),
            now_ms=now_ms,
        )


@dataclass(frozen=True, slots=True)
class Manner:
    """How outcomes are written: was the handler `started`; `twice`: the first reply was lost."""

    started: bool = True
    twice: bool = False
    backoff: str = "fixed:0"
    max_bytes: int = writes.held.MAX_BYTES


@dataclass(slots=True)
class Worker:
    """A process: its consumer name, and in each group the deliveries that it knows of."""

    number: int
    life: int = 0
    hand: dict[str, list[Delivery]] = field(default_factory=dict)

    @property
    def consumer(self) -> bytes:
        return b"w%d.%d" % (self.number, self.life)

    @property
    def author(self) -> Author:
        return Author(self.consumer, b"r1")

    def holding(self, group: str) -> list[Delivery]:
        return self.hand.setdefault(group, [])


class Hands:
    """The calls, by group keys. Idle time and due times are moved in Redis, never waited for."""

    def __init__(self, link: BlockingLink) -> None:
        self.link = link

    def now_ms(self) -> int:
        seconds, micro = self.link.call("TIME")
        return int(seconds) * 1000 + int(micro) // 1000

    def clear(self, stream: bytes) -> None:
        names = self.link.call("KEYS", b"*%b*" % stream)
        if names:
            self.link.call("UNLINK", *names)

    def add(self, stream: bytes, fields: Sequence[bytes]) -> bytes:
        job: bytes = self.link.call("XADD", stream, "*", *fields)
        return job

    def fetch(self, keys: Keys, consumer: bytes, count: int) -> list[tuple[Delivery, list[bytes]]]:
        """New entries of `ready` and `S`, with their fields."""
        reply = self.link.call(
            "XREADGROUP", "GROUP", keys.group, consumer, "COUNT", count,
            "STREAMS", keys.ready, keys.stream, ">", ">",
        )  # fmt: skip
        sources = {keys.stream: Source.STREAM, keys.ready: Source.READY}
        return [
            (Delivery.of(sources[name], entry, fields), fields)
            for name, entries in reply or []
            for entry, fields in entries
        ]

    def write(
        self, keys: Keys, author: Author, pairs: Sequence[tuple[Delivery, Settlement]], limit: int
    ) -> list[Written]:
        """The answers to settlements of one kind, in one call."""
        if isinstance(pairs[0][1], Delay):
            moves = [_move(d, s) for d, s in pairs if isinstance(s, Delay)]
            call = writes.delay(keys, author, moves, page=PAGE, max_bytes=limit)
            return [(moved.answer, moved) for moved in self.link.run(call)]
        return [(each, None) for each in self.link.run(_settling(keys, author, pairs, limit))]

    def silence(self, keys: Keys, source: Source, owner: bytes, entry: bytes) -> None:
        """Lets a delivery look as if its worker had been silent for an hour."""
        key = keys.stream if source is Source.STREAM else keys.ready
        self.link.call("XCLAIM", key, keys.group, owner, 0, entry, "IDLE", LONG_AGO_MS, "JUSTID")

    def make_due(self, keys: Keys, job: bytes, due_ms: int) -> None:
        self.link.call("ZADD", keys.delayed, "XX", due_ms, padded(job))

    def let_reclaim(self, keys: Keys) -> None:
        """Some worker has just renewed, no hold-off is in force, and a sweep is due."""
        self.link.call("HSET", keys.state, "tick", self.now_ms(), "hold", 0)
        self.link.call("HDEL", keys.state, "next_sweep")

    def pending(self, keys: Keys) -> set[tuple[Source, bytes]]:
        found = set()
        for source, key in ((Source.STREAM, keys.stream), (Source.READY, keys.ready)):
            rows = self.link.call("XPENDING", key, keys.group, "-", "+", 10_000)
            found |= {(source, row[0]) for row in rows}
        return found

    def newest_ready(self, keys: Keys, count: int) -> list[bytes]:
        """The jobs of the last `count` entries of `ready`, oldest first."""
        rows = self.link.call("XREVRANGE", keys.ready, "+", "-", "COUNT", count) if count else []
        return [split_ready(fields)[0].job for _, fields in reversed(rows)]

    @contextmanager
    def broken(self, key: bytes) -> Iterator[None]:
        """For a while the key holds a string."""
        aside = b"aside:" + key
        there = self.link.call("EXISTS", key)
        if there:
            self.link.call("RENAME", key, aside)
        self.link.call("SET", key, "a string")
        yield
        self.link.call("DEL", key)
        if there:
            self.link.call("RENAME", aside, key)


def decided(
    deliveries: Sequence[Delivery], outcome: Outcome, manner: Manner, now_ms: int
) -> list[list[tuple[Delivery, Settlement]]]:
    """Deliveries with what is to be written after `outcome`, in batches of one kind."""
    pairs = []
    for each in deliveries:
        facts = each.facts(started=manner.started, backoff=manner.backoff, now_ms=now_ms)
        pairs.append((each, decide(outcome, facts, lambda: 0.5)))
    pairs.sort(key=_kind)
    return [list(batch) for _, batch in groupby(pairs, key=_kind)]


def _kind(pair: tuple[Delivery, Settlement]) -> str:
    return type(pair[1]).__name__


def _move(delivery: Delivery, settlement: Delay) -> writes.Move:
    return writes.Move(
        held=delivery.held,
        event=settlement.event,
        reason=settlement.reason,
        due_ms=settlement.due_ms,
        after_ms=settlement.after_ms,
        counts=settlement.counts,
        begun=settlement.begun,
        error=settlement.error,
        unhandled_since_ms=None,
        detail=settlement.detail,
    )


def _settling(
    keys: Keys, author: Author, pairs: Sequence[tuple[Delivery, Settlement]], limit: int
) -> Call[list[Answer]]:
    match pairs[0][1]:
        case Complete():
            done = [writes.Done(d.held, d.carried.attempt + 1, 1, 1) for d, _ in pairs]
            return writes.complete(keys, author, done, page=PAGE)
        case Drop():
            dropped = [writes.Dropped(d.held, "ada") for d, _ in pairs]
            return writes.drop(keys, author, dropped, page=PAGE)
        case Bury():
            buried = [
                writes.Burial(d.held, s.reason, s.error, s.counts, s.detail)
                for d, s in pairs
                if isinstance(s, Bury)
            ]
            return writes.bury(keys, author, buried, page=PAGE, max_bytes=limit)
        case _:
            given = [
                writes.Releasing(d.held, s.counts, s.begun, s.detail)
                for d, s in pairs
                if isinstance(s, Release)
            ]
            return writes.release(keys, author, given, page=PAGE, max_bytes=limit)
