"""One group on one stream, driven by hand: what tests of scripts add, fetch, call and look at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import redis

from retraced.keys import Keys
from retraced.outcome import Counts
from retraced.retention import Retention
from retraced.store import writes
from retraced.store.scripts import Call
from retraced.store.writes import Author, Beat, Burial, Done, Dropped, Held, Move, Releasing, Source

T = TypeVar("T")
Fields = Mapping[Any, str | bytes]

PAGE = 100
BEAT = Beat({"host": "here", "pid": 1})


class Board:
    """The keys of a group and a consumer's view of it. Replies are parsed as the worker's are."""

    def __init__(
        self, raw: redis.Redis, stream: str, *, group: str = "g", consumer: bytes = b"w1"
    ) -> None:
        self.raw = raw
        self.keys = Keys.of(stream, group)
        self.author = Author(consumer, b"r1")
        self.page = PAGE

    def other(self, consumer: bytes) -> Board:
        """Another worker of the same group."""
        return Board(self.raw, self.keys.stream_name, group=self.keys.group_name, consumer=consumer)

    def run(self, call: Call[T], client: redis.Redis | None = None) -> T:
        return call.parse(ask(client or self.raw, *call.by_source()))

    def join(self, **options: Any) -> writes.Joined:
        return self.run(writes.join(self.keys, **options))

    def retain(self, spec: str) -> None:
        """Lets the stream keep settled entries from now on."""
        self.run(writes.retain(self.keys, Retention.parse(spec)))

    def now(self) -> int:
        seconds, micro = self.raw.time()
        return int(seconds) * 1000 + int(micro) // 1000

    # What producers and workers do.

    def add(self, fields: Fields | None = None, *, entry: str = "*") -> bytes:
        flat: list[str | bytes] = []
        for name, value in (fields or {"type": "t", "payload": "{}"}).items():
            flat += (name, value)
        return bytes(self.raw.execute_command("XADD", self.keys.stream, entry, *flat))

    def fetch(self, source: Source = Source.STREAM, count: int = 100) -> list[Held]:
        key = self.key(source)
        reply = ask(
            self.raw, "XREADGROUP", "GROUP", self.keys.group, self.author.consumer, "COUNT", count,
            "STREAMS", key, ">",
        )  # fmt: skip
        found = reply[0][1] if reply else []
        return [self._held(source, entry, fields) for entry, fields in found]

    def held(self, fields: Fields | None = None) -> Held:
        """A job that this worker holds as a first delivery."""
        self.add(fields)
        return self.fetch(count=1)[0]

    def held_again(self, fields: Fields | None = None, **counts: int) -> Held:
        """A job that this worker holds from the ready stream."""
        first = self.held(fields)
        self.run(self.delay([self.move(first, after_ms=0, counts=numbers(**counts))]))
        return self.fetch(Source.READY, count=1)[0]

    def dead(self, fields: Fields | None = None) -> bytes:
        held = self.held(fields)
        self.run(self.bury([self.burial(held)]))
        return held.job

    def delayed(self, fields: Fields | None = None, *, after_ms: int = 3_600_000) -> bytes:
        held = self.held(fields)
        self.run(self.delay([self.move(held, after_ms=after_ms)]))
        return held.job

    def due_now(self, job: bytes) -> None:
        """Moves a delayed job's due time into the past."""
        self.raw.zadd(self.keys.delayed, {padded(job): 1})

    def silence(self, *held: Held, idle_ms: int = 3_600_000) -> None:
        """Lets deliveries look as if their worker had been silent for long."""
        for each in held:
            owner = self.pending(each.source)[each.entry][0]
            ask(
                self.raw, "XCLAIM", self.key(each.source), self.keys.group, owner, 0, each.entry,
                "IDLE", idle_ms, "JUSTID",
            )  # fmt: skip

    def steal(self, held: Held, *, by: bytes = b"w2") -> None:
        """Another consumer takes a delivery over, as XAUTOCLAIM would."""
        ask(self.raw, "XCLAIM", self.key(held.source), self.keys.group, by, 0, held.entry)

    def ticking(self) -> None:
        """Some worker has just renewed: no hold-off, and a sweep is due."""
        self.raw.hset(self.keys.state, mapping={"tick": self.now(), "hold": 0})
        self.raw.hdel(self.keys.state, "next_sweep")

    # Calls of scripts.

    def complete(self, *held: Held) -> Call[list[writes.Answer]]:
        done = [Done(each, attempt=1, wait_ms=3, run_ms=5) for each in held]
        return writes.complete(self.keys, self.author, done, page=self.page)

    def drop(self, *held: Held) -> Call[list[writes.Answer]]:
        dropped = [Dropped(each, "ada") for each in held]
        return writes.drop(self.keys, self.author, dropped, page=self.page)

    def delay(self, moves: Sequence[Move], **options: int) -> Call[list[writes.Moved]]:
        return writes.delay(self.keys, self.author, moves, page=self.page, **options)

    def bury(self, burials: Sequence[Burial], **options: int) -> Call[list[writes.Answer]]:
        return writes.bury(self.keys, self.author, burials, page=self.page, **options)

    def release(self, releases: Sequence[Releasing], **options: int) -> Call[list[writes.Answer]]:
        return writes.release(self.keys, self.author, releases, page=self.page, **options)

    def renew(self, *held: Held) -> Call[list[writes.Answer]]:
        return writes.renew(
            self.keys, self.author, held, page=self.page, beat=BEAT, visibility_ms=30_000
        )

    def promote(self, **options: Any) -> Call[writes.Promotion]:
        return writes.promote(self.keys, self.author, **{"hungry": False, "beat": BEAT, **options})

    def reclaim(self, **options: Any) -> Call[writes.Reclaimed]:
        given = {"free": 10, "free_suspects": 4, "holds": [], "every_ms": 1000, **options}
        return writes.reclaim(self.keys, self.author, **given)

    @staticmethod
    def move(held: Held, *, counts: Counts | None = None, **changes: Any) -> Move:
        given: dict[str, Any] = {
            "event": "failed",
            "reason": "retry",
            "due_ms": None,
            "after_ms": 60_000 if changes.get("due_ms") is None else None,
            "begun": True,
            "error": "boom",
            "unhandled_since_ms": None,
            "detail": {"run_ms": 5},
            **changes,
        }
        return Move(held=held, counts=counts or numbers(), **given)

    @staticmethod
    def burial(held: Held, *, reason: str = "exhausted") -> Burial:
        return Burial(held, reason, "boom", numbers(attempt=5), {"run_ms": 5})

    @staticmethod
    def releasing(held: Held, *, begun: bool = False) -> Releasing:
        return Releasing(held, numbers(attempt=0, lost=held.count - 1), begun, {})

    # What is in Redis.

    def key(self, source: Source) -> bytes:
        return self.keys.stream if source is Source.STREAM else self.keys.ready

    def pending(self, source: Source = Source.STREAM) -> dict[bytes, tuple[bytes, int]]:
        """Owner and delivery count of every pending entry."""
        rows = ask(self.raw, "XPENDING", self.key(source), self.keys.group, "-", "+", 10_000)
        return {row[0]: (row[1], row[3]) for row in rows}

    def idle_ms(self, held: Held) -> int:
        rows = self.raw.xpending_range(
            self.key(held.source), self.keys.group, held.entry, held.entry, 1
        )
        return int(rows[0]["time_since_delivered"])

    def record(self, job: bytes) -> dict[bytes, bytes]:
        return named(ask(self.raw, "HGETALL", self.keys.job(job)))

    def state(self) -> dict[bytes, bytes]:
        return named(ask(self.raw, "HGETALL", self.keys.state))

    def entries(self, key: bytes) -> list[tuple[bytes, list[bytes]]]:
        """Entries with flat fields, duplicates and order kept."""
        return [(entry, fields) for entry, fields in ask(self.raw, "XRANGE", key, "-", "+")]

    def ready(self) -> list[dict[bytes, bytes]]:
        return [named(fields) for _, fields in self.entries(self.keys.ready)]

    def dead_letters(self) -> list[dict[bytes, bytes]]:
        return [named(fields) for _, fields in self.entries(self.keys.dlq)]

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Events of the group, `jobs` decoded."""
        found = [named(fields) for _, fields in self.entries(self.keys.events)]
        told = [{key.decode(): value.decode() for key, value in each.items()} for each in found]
        return [
            {**each, "jobs": json.loads(each.get("jobs", "{}"))}
            for each in told
            if name in (None, each["event"])
        ]

    def story(self, job: bytes) -> list[dict[str, Any]]:
        record = self.record(job)
        numbers = sorted(int(name[2:]) for name in record if name.startswith(b"e:"))
        return [json.loads(record[b"e:%d" % number]) for number in numbers]

    def places(self, job: bytes) -> list[str]:
        """Everywhere this job is; a job that is nowhere is lost or has ended."""
        found = []
        if any(entry == job for entry, _ in self.entries(self.keys.stream)):
            last = {each["name"]: each for each in self.raw.xinfo_groups(self.keys.stream)}
            delivered = last[self.keys.group]["last-delivered-id"]
            if numbers_of(job) > numbers_of(delivered):
                found.append("unread")
        if job in self.pending():
            found.append("held")
        if self.raw.zscore(self.keys.delayed, padded(job)) is not None:
            found.append("delayed")
        if any(each[b"@job"] == job for each in self.ready()):
            found.append("ready")
        if any(each[b"@job"] == job for each in self.dead_letters()):
            found.append("dead")
        return found

    def snapshot(self) -> dict[bytes, Any]:
        """All keys of this stream with what they hold; of pending entries owner and count."""
        keys = sorted(self.raw.scan_iter(count=1000))
        return {key: self._value(key) for key in keys if self.keys.stream in key}

    def _value(self, key: bytes) -> Any:
        match self.raw.type(key):
            case b"stream":
                groups = [each["name"] for each in self.raw.xinfo_groups(key)]
                pending = [ask(self.raw, "XPENDING", key, each, "-", "+", 9999) for each in groups]
                owned = [[row[:2] + row[3:] for row in rows] for rows in pending]
                return self.entries(key), groups, owned
            case b"hash":
                return self.raw.hgetall(key)
            case b"zset":
                return self.raw.zrange(key, 0, -1, withscores=True)
            case b"set":
                return self.raw.smembers(key)
            case other:
                return other, self.raw.dump(key)

    def _held(self, source: Source, entry: bytes, fields: Sequence[bytes]) -> Held:
        job = entry if source is Source.STREAM else named(fields)[b"@job"]
        return Held(source, entry, job, 1)


def ask(client: redis.Redis, *command: bytes | str | int) -> Any:
    """The raw reply to a command, or its error raised."""
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command(*command)
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


def named(fields: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True))


def numbers(*, attempt: int = 1, deliveries: int = 1, lost: int = 0, crashes: int = 0) -> Counts:
    return Counts(attempt=attempt, deliveries=deliveries, lost=lost, crashes=crashes)


def padded(job: bytes) -> bytes:
    milliseconds, sequence = job.split(b"-")
    return milliseconds.zfill(20) + b"-" + sequence.zfill(20)


def numbers_of(entry: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = entry.partition(b"-")
    return int(milliseconds), int(sequence)
