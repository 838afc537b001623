"""What a group still has in Redis, as a plain client sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import redis

from retraced.keys import Keys


class Account:
    """The keys of one stream and group, read with plain commands."""

    def __init__(self, client: redis.Redis, stream: str, group: str = "g") -> None:
        self._client: Any = client
        self.stream = stream
        self.group = group
        self.keys = Keys.of(stream, group)

    def left(self) -> dict[str, int]:
        """What isn't finished: empty when every job is done or dead."""
        keys, client = self.keys, self._client
        counts = {
            "stream": client.xlen(keys.stream),
            "ready": client.xlen(keys.ready),
            "delayed": client.zcard(keys.delayed),
            "held": len(self.held()),
        }
        return {name: count for name, count in counts.items() if count}

    def held(self) -> dict[str, str]:
        """Who holds what, by job id: XPENDING on the stream and on `ready`."""
        return {**self._pending(self.keys.stream), **self._pending(self.keys.ready)}

    def fences(self, mine: Callable[[str], bool]) -> set[tuple[str, int]]:
        """Job and fence of each delivery that is held by a consumer of whom this is true."""
        found = set()
        for key in (self.keys.stream, self.keys.ready):
            for row in self._client.xpending_range(key, self.group, "-", "+", 100_000):
                if not mine(row["consumer"].decode()):
                    continue
                entry, before = row["message_id"], 0
                job: bytes = entry
                if key == self.keys.ready:
                    fields = self._client.xrange(key, entry, entry)[0][1]
                    job, before = fields[b"@job"], int(fields[b"@deliveries"])
                found.add((job.decode(), before + row["times_delivered"]))
        return found

    def dead(self) -> dict[str, dict[str, str]]:
        """The dead letters by job id, without what their producers had written."""
        letters = {}
        for _, fields in self._client.xrange(self.keys.dlq):
            ours = {k.decode(): v.decode() for k, v in fields.items() if k.startswith(b"@")}
            letters[ours["@job"]] = ours
        return letters

    def letter(self, job: str) -> dict[bytes, bytes]:
        """One dead letter, raw."""
        for _, fields in self._client.xrange(self.keys.dlq):
            if fields[b"@job"] == job.encode():
                return dict(fields)
        raise AssertionError(f"no dead letter of {job}")

    def record(self, job: str) -> dict[str, str]:
        """The record of a job, without its fields; empty if it has none."""
        raw = self._client.hgetall(self.keys.job(job.encode()))
        own = {k.decode(): v.decode() for k, v in raw.items() if not k.startswith(b"f:")}
        return {name: value for name, value in own.items() if not name.startswith("e:")}

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """All events in order, one for each job: event, job, worker, at and details."""
        found = []
        for _, fields in self._client.xrange(self.keys.events):
            facts = {k.decode(): v.decode() for k, v in fields.items()}
            for job, details in json.loads(facts.pop("jobs", "{}")).items():
                found.append({**facts, "job": job, "details": details})
        return [event for event in found if name in (None, event["event"])]

    def tick(self) -> None:
        """Makes the group look as if a worker had just been there: nothing is held off."""
        seconds, micros = self._client.time()
        now = seconds * 1000 + micros // 1000
        self._client.hset(self.keys.state, mapping={"tick": now, "hold": 0})

    def abandon(self, consumer: str, *, source: str = "stream", idle_ms: int = 60_000) -> list[str]:
        """Delivers all that is new to a consumer that then stays silent; gives the entry ids."""
        key = getattr(self.keys, source)
        reply = self._client.xreadgroup(self.group, consumer, {key: ">"}, count=1000)
        entries = [entry for _, found in reply for entry, _ in found]
        for entry in entries:
            self._client.xclaim(key, self.group, consumer, 0, [entry], idle=idle_ms, justid=True)
        return [entry.decode() for entry in entries]

    def _pending(self, key: bytes) -> dict[str, str]:
        try:
            rows = self._client.xpending_range(key, self.group, "-", "+", 100_000)
        except redis.ResponseError:
            return {}
        held = {}
        for row in rows:
            entry = row["message_id"]
            fields = self._client.xrange(key, entry, entry)
            job = fields[0][1].get(b"@job", entry) if fields and key != self.keys.stream else entry
            held[job.decode()] = row["consumer"].decode()
        return held
