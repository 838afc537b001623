"""Where the jobs of a group are, place by place: each in pages, newest or oldest first."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from retraced.entry import split_ready
from retraced.errors import InvalidEntry
from retraced.keys import Keys, padded, unpadded
from retraced.store.connection import Link
from retraced.store.reads.dead import DeadLetter, newest_first, oldest_first
from retraced.store.reads.paging import Pending, entries, pending, scored
from retraced.store.reads.replies import (
    SMALLEST,
    after,
    if_stream,
    number,
    pairs,
    settled,
    text,
)
from retraced.store.reads.rows import Fetch, JobRow, Place

_BODIES = 20  # ready entries asked for in one pipeline: their bodies come along

Rows = AsyncGenerator[list[JobRow], None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the group had read both streams, and their newest entries, when the scan began.

    `oldest`: the first entry that the stream still has; None: it is empty.
    """

    oldest: bytes | None
    read: bytes
    newest: bytes
    ready_read: bytes
    ready_newest: bytes

    @classmethod
    async def of(cls, link: Link, keys: Keys) -> Bounds:
        """Asks now: what is added afterwards isn't scanned."""
        found: list[bytes] = []
        for key in (keys.stream, keys.ready):
            about, groups = await link.calls([("XINFO", "STREAM", key), ("XINFO", "GROUPS", key)])
            positions = {
                row[b"name"]: row[b"last-delivered-id"] for row in map(pairs, if_stream(groups, []))
            }
            newest = pairs(if_stream(about, [])).get(b"last-generated-id", SMALLEST)
            found += (positions.get(keys.group, newest), newest)
        first = settled(await link.call("XRANGE", keys.stream, "-", "+", "COUNT", 1))
        return cls(first[0][0] if first else None, *found)


@dataclass(slots=True)
class Places:
    """The places of one group, as they were when the scan began.

    What is delayed later can't be told from what was: for `whole` scans its ids are noted first.
    """

    link: Link
    keys: Keys
    bounds: Bounds
    fetch: Fetch
    whole: bool = False

    def rows(self, place: Place, *, newest: bool = False, beyond: bytes | None = None) -> Rows:
        """The jobs of a place, behind the position `beyond` of a row; what they are, no more."""
        match place:
            case Place.HELD:
                return self._held(newest, beyond)
            case Place.HELD_AGAIN:
                return self._held_again(newest, beyond)
            case Place.READY:
                return self._ready(newest, beyond)
            case Place.UNREAD:
                return self._unread(newest, beyond)
            case Place.DELAYED:
                return self._delayed(newest, beyond)
            case Place.DEAD:
                return self._dead(newest, beyond)
            case Place.ENDED:
                return self._ended(newest, beyond)

    async def _held(self, newest: bool, beyond: bytes | None) -> Rows:
        low, high = _range(b"-", b"+", newest, beyond)
        key = self.keys.stream
        async for page in pending(self.link, self.keys, key, low=low, high=high, newest=newest):
            yield [_holding(Place.HELD, row.entry, row) for row in page]

    async def _held_again(self, newest: bool, beyond: bytes | None) -> Rows:
        low, high = _range(b"-", b"+", newest, beyond)
        key = self.keys.ready
        async for page in pending(self.link, self.keys, key, low=low, high=high, newest=newest):
            for start in range(0, len(page), _BODIES):
                yield await self._taken_again(page[start : start + _BODIES])

    async def _taken_again(self, page: list[Pending]) -> list[JobRow]:
        replies = await self.link.calls(
            [("XRANGE", self.keys.ready, row.entry, row.entry) for row in page]
        )
        rows: list[JobRow] = []
        for held, reply in zip(page, replies, strict=True):
            for entry, flat in settled(reply):
                row = _holding(Place.HELD_AGAIN, entry, held)
                if self._carried(row, flat):
                    rows.append(row)
        return rows

    async def _ready(self, newest: bool, beyond: bytes | None) -> Rows:
        bounds = self.bounds
        low, high = _range(after(bounds.ready_read), bounds.ready_newest, newest, beyond)
        key = self.keys.ready
        async for page in entries(self.link, key, low=low, high=high, newest=newest):
            rows = [(JobRow(b"", Place.READY, entry, "queued"), flat) for entry, flat in page]
            yield [row for row, flat in rows if self._carried(row, flat)]

    async def _unread(self, newest: bool, beyond: bytes | None) -> Rows:
        low, high = _range(after(self.bounds.read), self.bounds.newest, newest, beyond)
        key = self.keys.stream
        async for page in entries(self.link, key, low=low, high=high, newest=newest):
            rows = [JobRow(entry, Place.UNREAD, entry, "queued") for entry, _ in page]
            for row, (_, flat) in zip(rows, page, strict=True):
                self.fetch.take_body(row, pairs(flat))
            yield rows

    async def _delayed(self, newest: bool, beyond: bytes | None) -> Rows:
        place = _scored_position(beyond, member=True)
        read = scored(self.link, self.keys.delayed, beyond=place, newest=newest)
        if not self.whole:
            async for page in read:
                yield [_delayed(*each) for each in page]
            return
        for page in [page async for page in read]:
            yield [_delayed(*each) for each in page]

    async def _dead(self, newest: bool, beyond: bytes | None) -> Rows:
        read = (
            newest_first(self.link, self.keys, before=beyond)
            if newest
            else oldest_first(self.link, self.keys, after=beyond)
        )
        async for page in read:
            yield [self._letter(letter) for letter in page]

    def _letter(self, letter: DeadLetter) -> JobRow:
        row = JobRow(
            letter.job,
            Place.DEAD,
            letter.entry,
            "dead",
            attempt=letter.attempts,
            since_ms=letter.died_ms,
            reason=letter.reason,
            error=letter.error,
            in_record=letter.in_record,
        )
        if not row.in_record:
            self.fetch.take_body(row, dict(letter.fields))
        return row

    async def _ended(self, newest: bool, beyond: bytes | None) -> Rows:
        place = _scored_position(beyond)
        async for page in scored(self.link, self.keys.finished, beyond=place, newest=newest):
            yield [
                JobRow(job, Place.ENDED, _position(ended_ms, job), "unknown", since_ms=ended_ms)
                for job, ended_ms in page
            ]

    def _carried(self, row: JobRow, flat: list[bytes]) -> bool:
        """Takes what an entry of the ready stream brings; False for one that isn't ours."""
        try:
            carried, own = split_ready(flat)
        except InvalidEntry:
            return False
        row.job, row.attempt, row.in_record = carried.job, carried.attempt, carried.in_record
        if row.delivery is not None:
            row.delivery += carried.deliveries
        if not carried.in_record:
            self.fetch.take_body(row, pairs(own))
        return True


def _holding(place: Place, job: bytes, held: Pending) -> JobRow:
    row = JobRow(job, place, held.entry, "held", worker=text(held.consumer), idle_ms=held.idle_ms)
    row.delivery = held.count
    return row


def _delayed(member: bytes, due_ms: int) -> JobRow:
    job = unpadded(member)
    return JobRow(job, Place.DELAYED, _position(due_ms, job), "delayed", due_ms=due_ms)


def _range(low: bytes, high: bytes, newest: bool, beyond: bytes | None) -> tuple[bytes, bytes]:
    if beyond is None:
        return low, high
    return (low, after(beyond)) if newest else (after(beyond), high)


def _position(score: int, job: bytes) -> bytes:
    return b"%d/%b" % (score, job)


def _scored_position(given: bytes | None, *, member: bool = False) -> tuple[int, bytes] | None:
    if given is None:
        return None
    score, _, job = given.partition(b"/")
    return number(score), padded(job) if member else job
