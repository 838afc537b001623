"""One job as lists show it, and what is fetched for it when a list or a filter asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from retraced.errors import UsageError, quoted
from retraced.events import parse_record
from retraced.filter import Filter, JobFacts
from retraced.keys import Keys, id_parts
from retraced.store.connection import Link
from retraced.store.reads.heartbeat import heartbeats
from retraced.store.reads.replies import number, pairs, settled, text
from retraced.store.reads.typefield import type_in

_BODIES = 20  # entries asked for in one pipeline
_RECORDS = 50
_CANCELS = 100
_TO_CANCEL = frozenset({"queued", "held"})
_ABOUT = (b"state", b"attempt", b"reason", b"error", b"due", b"ended", b"e_count")
_RECORDED = frozenset({"attempt", "error", "fingerprint", "reason"})


class Place(StrEnum):
    """Where jobs are looked for, in the order of a list."""

    HELD = "held"
    HELD_AGAIN = "held-again"
    READY = "ready"
    UNREAD = "unread"
    DELAYED = "delayed"
    DEAD = "dead"
    ENDED = "ended"


STATES_AT: Mapping[Place, tuple[str, ...]] = {
    Place.HELD: ("held",),
    Place.HELD_AGAIN: ("held",),
    Place.READY: ("queued",),
    Place.UNREAD: ("queued",),
    Place.DELAYED: ("delayed",),
    Place.DEAD: ("dead",),
    Place.ENDED: ("done", "cancelled", "vanished", "purged", "dead"),
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a scan stopped: behind `position` in `place`. As text `delayed:1795501170340/5-0`."""

    place: Place
    position: bytes

    @classmethod
    def parse(cls, given: str) -> Cursor:
        """Reads one as `str` wrote it. Raises UsageError."""
        place, _, position = given.partition(":")
        if place not in STATES_AT or not position:
            raise UsageError(
                f"{quoted(given)} is no place in a list: take it as the last page said it"
            )
        return cls(Place(place), position.encode())

    def __str__(self) -> str:
        return f"{self.place.value}:{self.position.decode()}"


@dataclass(slots=True)
class JobRow:
    """One job. `position`: where it stands in its place, to go on from. Times in Redis ms.

    `attempt`: attempts charged. `fields`: the producer's, None when they are gone or weren't
    fetched; `type` None: it names none, or that isn't known (then `fields` is None too).
    `since_ms`: when it died or ended. `worker`: who holds it, else who told of it last.
    `in_record`: the fields are in its record. `events`: how many its record has had.
    `to_cancel`: a cancel waits for its next step.
    """

    job: bytes
    place: Place
    position: bytes
    state: str
    attempt: int = 0
    type: str | None = None
    due_ms: int | None = None
    since_ms: int | None = None
    worker: str = ""
    release: str = ""
    idle_ms: int | None = None
    delivery: int | None = None
    reason: str = ""
    error: str = ""
    fields: Mapping[bytes, bytes] | None = None
    in_record: bool = False
    events: int = 0
    to_cancel: bool = False

    @property
    def cursor(self) -> Cursor:
        """Where a list goes on behind it."""
        return Cursor(self.place, self.position)

    def facts(self, stream: str, now_ms: int) -> JobFacts:
        """What a filter looks at."""
        unknown = self.fields is None and self.type is None
        return JobFacts.of(
            self.job,
            kind="" if unknown else self.type,
            stream=stream,
            now_ms=now_ms,
            state=self.state,
            attempt=self.attempt,
            error=self.error,
            reason=self.reason,
            worker=self.worker,
            release=self.release,
            fields=self.fields or {},
            died_ms=self._dead_ms(now_ms),
        )

    def _dead_ms(self, now_ms: int) -> int | None:
        """How long it has been dead; None for one that isn't."""
        if self.state != "dead" or self.since_ms is None:
            return None
        return max(now_ms - self.since_ms, 0)


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be fetched of each job: its record, the last event of its story, its body.

    `names`: which of the producer's fields; `payload`: all of them when there is no payload.
    """

    record: bool = False
    event: bool = False
    body: bool = False
    payload: bool = False
    names: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, wanted: Filter) -> Needs:
        """For a filter to be asked."""
        used = wanted.fields
        headers = [term.path for term in wanted.terms if term.field == "header"]
        names = [name.encode("utf-8", "surrogateescape") for name in headers]
        if not used.isdisjoint({"payload", "header"}):
            names.append(b"payload")
        return cls(
            record=not used.isdisjoint(_RECORDED),
            event=not used.isdisjoint({"worker", "release"}),
            body=wanted.needs_body,
            payload="payload" in used,
            names=(b"key", *names),
        )


SHOWN = Needs(record=True, body=True)


@dataclass(slots=True)
class Fetch:
    """Fetches for rows of one group what they don't have yet; `type_field` names the type.

    `oldest`: the first entry that the stream still has; None: it is empty.
    """

    link: Link
    keys: Keys
    type_field: str | None
    oldest: bytes | None

    async def complete(self, rows: Sequence[JobRow], needs: Needs) -> None:
        """Fills the rows in, those that have been filled in already no second time."""
        if needs.record or needs.event:
            await self._records([row for row in rows if _has_record(row, needs)])
        if needs.body:
            await self._recorded_bodies([row for row in rows if _lies_in_record(row)], needs)
            await self._bodies([row for row in rows if self._lies_in_stream(row)])
        if needs.event:
            await self._holders([row for row in rows if row.state == "held"])
            await self._events([row for row in rows if row.state != "held" and row.events])

    async def cancels(self, rows: Sequence[JobRow]) -> None:
        """Whether a cancel waits for their next step: only what is queued or held has that."""
        for page in _pages([row for row in rows if row.state in _TO_CANCEL], _CANCELS):
            jobs = [row.job for row in page]
            flags = await self.link.call("SMISMEMBER", self.keys.cancelled, *jobs)
            for row, flag in zip(page, flags, strict=True):
                row.to_cancel = bool(flag)

    async def bodies(self, rows: Sequence[JobRow]) -> None:
        """All of the producer's fields of each, whatever has been fetched of them."""
        await self._bare([row for row in rows if row.in_record or row.place is Place.DELAYED])
        await self._bodies([row for row in rows if self._lies_in_stream(row)])

    def take_body(self, row: JobRow, fields: Mapping[bytes, bytes]) -> None:
        """The producer's fields, and the type that they name."""
        row.fields = fields
        row.type = type_in(fields, self.type_field)

    async def _records(self, rows: Sequence[JobRow]) -> None:
        for page in _pages(rows, _RECORDS):
            asked = [("HMGET", self.keys.job(row.job), *_ABOUT) for row in page]
            for row, reply in zip(page, await self.link.calls(asked), strict=True):
                _take_record(row, dict(zip(_ABOUT, settled(reply), strict=True)))

    async def _recorded_bodies(self, rows: Sequence[JobRow], needs: Needs) -> None:
        own = self.type_field.encode() if self.type_field else b"type"
        names = tuple(dict.fromkeys((own, *needs.names)))
        kept = [b"f:" + name for name in names]
        for page in _pages(rows, _RECORDS):
            asked: list[list[bytes]] = [[b"HMGET", self.keys.job(e.job), *kept] for e in page]
            for row, reply in zip(page, await self.link.calls(asked), strict=True):
                found = zip(names, settled(reply), strict=True)
                self.take_body(row, {name: value for name, value in found if value is not None})
        if needs.payload:
            await self._bare([row for row in rows if b"payload" not in (row.fields or {})])

    async def _bare(self, rows: Sequence[JobRow]) -> None:
        """A bare entry's payload is all of its fields."""
        for page in _pages(rows, _BODIES):
            asked = [("HGETALL", self.keys.job(row.job)) for row in page]
            for row, reply in zip(page, await self.link.calls(asked), strict=True):
                self.take_body(row, own_fields(pairs(settled(reply))))

    async def _bodies(self, rows: Sequence[JobRow]) -> None:
        for page in _pages(rows, _BODIES):
            asked = [("XRANGE", self.keys.stream, row.job, row.job) for row in page]
            for row, reply in zip(page, await self.link.calls(asked), strict=True):
                for _, flat in settled(reply):
                    self.take_body(row, pairs(flat))

    def _lies_in_stream(self, row: JobRow) -> bool:
        """Whether it may: entries stay until every group is done with them, or are retained."""
        if row.fields is not None or self.oldest is None:
            return False
        gone = id_parts(row.job) < id_parts(self.oldest)
        return row.place is Place.HELD or (row.place is Place.ENDED and not gone)

    async def _holders(self, rows: Sequence[JobRow]) -> None:
        owners = sorted({row.worker.encode() for row in rows})
        beats = await heartbeats(self.link, self.keys, owners)
        releases = {each.name: each.release for each in beats}
        for row in rows:
            row.release = releases[row.worker]

    async def _events(self, rows: Sequence[JobRow]) -> None:
        """Worker and release as the last event has them."""
        for page in _pages(rows, _RECORDS):
            asked = [("HGET", self.keys.job(row.job), b"e:%d" % row.events) for row in page]
            for row, reply in zip(page, await self.link.calls(asked), strict=True):
                for event in parse_record({b"e:1": settled(reply) or b""}):
                    row.worker, row.release = event.worker, event.release


def own_fields(record: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The producer's fields that a record keeps."""
    return {name[2:]: value for name, value in record.items() if name[:2] == b"f:"}


def _take_record(row: JobRow, record: Mapping[bytes, bytes | None]) -> None:
    row.events = number(record[b"e_count"])
    row.reason = row.reason or text(record[b"reason"] or b"")
    row.error = row.error or text(record[b"error"] or b"")
    row.attempt = row.attempt or number(record[b"attempt"])
    if row.place is Place.ENDED and record[b"state"]:
        row.state = text(record[b"state"])


def _has_record(row: JobRow, needs: Needs) -> bool:
    """Whether its record tells more. A job on its first delivery has none; a letter says enough."""
    if row.events or row.place is Place.UNREAD or row.delivery == 1:
        return False
    return row.place is not Place.DEAD or needs.event


def _lies_in_record(row: JobRow) -> bool:
    return row.fields is None and (row.in_record or row.place is Place.DELAYED)


def _pages(rows: Sequence[JobRow], size: int) -> list[Sequence[JobRow]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
