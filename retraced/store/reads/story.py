"""Where one job is in one group, and all that is known of how it came there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from retraced.entry import added_ms
from retraced.events import Event, EventName, parse_record
from retraced.keys import Keys, id_parts
from retraced.store.connection import Link
from retraced.store.reads import eventlog
from retraced.store.reads.backlog import Count, between
from retraced.store.reads.groups import MOST_WORKERS, StreamFacts, alive
from retraced.store.reads.groupstate import GroupState
from retraced.store.reads.held import Holding, holding_of
from retraced.store.reads.onready import pending_on, searched
from retraced.store.reads.pause import Pause
from retraced.store.reads.replies import SMALLEST, if_group, number, pairs, settled, text, time_ms


class State(StrEnum):
    """Where a job is; UNKNOWN when everything that could tell is gone."""

    QUEUED = "queued"
    HELD = "held"
    DELAYED = "delayed"
    DEAD = "dead"
    DONE = "done"
    CANCELLED = "cancelled"
    VANISHED = "vanished"
    PURGED = "purged"
    UNKNOWN = "unknown"


ENDED = frozenset(
    {State.DEAD, State.DONE, State.CANCELLED, State.VANISHED, State.PURGED, State.UNKNOWN}
)

_AFTER_EVENT = {
    EventName.COMPLETED: State.DONE,
    EventName.CANCELLED: State.CANCELLED,
    EventName.VANISHED: State.VANISHED,
    EventName.PURGED: State.PURGED,
    EventName.CAPPED: State.PURGED,
    EventName.DEAD: State.DEAD,
}


@dataclass(frozen=True, slots=True)
class Story:
    """One job in one group. Times in Redis ms; counts None when no record tells them.

    `from_record`: the events are the record's, `omitted` of them weren't kept; else they were
    looked for in `P:events`, `searched` entries of it; `gap`: the newest weren't read.
    `read_past`: the group has been given entries behind its id. `ahead`: how many jobs the group is
    given before this one, if it is unread. `hold_ms`: for how long no job is taken over.
    """

    stream: str
    group: str
    job: str
    state: State
    now_ms: int
    added_ms: int | None
    events: tuple[Event, ...]
    from_record: bool
    omitted: int
    searched: int
    gap: bool
    oldest_event_ms: int | None
    last_event: bytes
    attempts: int | None
    deliveries: int | None
    lost: int | None
    crashes: int | None
    due_ms: int | None
    reason: str
    error: str
    holding: Holding | None
    unread: bool
    read_past: bool
    in_stream: bool
    group_exists: bool
    cancel_requested: bool
    pause: Pause | None
    workers: int
    visibility_ms: int | None
    ahead: Count | None
    hold_ms: int

    @property
    def paused(self) -> bool:
        return self.pause is not None

    @property
    def known(self) -> bool:
        """Whether anything is known of it but its id and, at most, an entry in the stream."""
        return bool(self.events) or self.state is not State.UNKNOWN

    @property
    def was_there(self) -> bool:
        """Whether anything shows that there was such a job; its id alone doesn't."""
        return self.known or self.in_stream


@dataclass(frozen=True, slots=True)
class _Looked:
    """The replies about one job, before they are understood."""

    now_ms: int
    record: dict[bytes, bytes]
    pending: list[Any]
    in_stream: bool
    cancelled: bool
    state: GroupState
    workers: int
    newest_event: bytes


async def story(link: Link, keys: Keys, job: bytes, facts: StreamFacts) -> Story:
    """The job's story in the group of `keys`; `facts` are those of its stream."""
    looked = await _look(link, keys, job)
    events, log = await _events(link, keys, job, looked)
    unread = _is_unread(keys, job, facts)
    ended = bool(events) and events[-1].name in _AFTER_EVENT
    ready = await _on_ready(link, keys, job, looked=looked, ended=ended, unread=unread)
    pending_ready = await pending_on(link, keys, ready)
    holding = await holding_of(link, keys, on_stream=looked.pending, on_ready=pending_ready)
    waits = unread and looked.in_stream
    state = _state(looked, events, holding=holding, unread=waits, on_ready=ready is not None)
    ahead = await _ahead(link, keys, job, facts) if waits and not holding else None
    place = _Place(state, holding, waits, not unread, keys.group in facts.positions, ahead)
    return _told(keys, job, looked, events, log, place)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the job is, in terms of its `Story`."""

    state: State
    holding: Holding | None
    unread: bool
    read_past: bool
    group_exists: bool
    ahead: Count | None


def _told(
    keys: Keys,
    job: bytes,
    looked: _Looked,
    events: Sequence[Event],
    log: eventlog.Search,
    place: _Place,
) -> Story:
    record, delayed = looked.record, place.state is State.DELAYED
    return Story(
        stream=keys.stream_name,
        group=keys.group_name,
        job=text(job),
        state=place.state,
        now_ms=looked.now_ms,
        added_ms=added_ms(job, looked.now_ms),
        events=tuple(events),
        from_record=bool(record),
        omitted=_omitted(record),
        searched=log.read,
        gap=log.gap,
        oldest_event_ms=log.oldest_ms,
        last_event=log.last,
        attempts=_count(record, b"attempt"),
        deliveries=_count(record, b"deliveries"),
        lost=_count(record, b"lost"),
        crashes=_count(record, b"crashes"),
        due_ms=number(record.get(b"due")) or None if delayed else None,
        reason=text(record.get(b"reason", b"")),
        error=text(record.get(b"error", b"")),
        holding=place.holding,
        unread=place.unread,
        read_past=place.read_past,
        in_stream=looked.in_stream,
        group_exists=place.group_exists,
        cancel_requested=looked.cancelled,
        pause=looked.state.pause,
        workers=looked.workers,
        visibility_ms=looked.state.whole("visibility_ms"),
        ahead=place.ahead,
        hold_ms=max((looked.state.whole("hold") or 0) - looked.now_ms, 0),
    )


def _omitted(record: dict[bytes, bytes]) -> int:
    """How many events the record counts and no longer has."""
    return max(number(record.get(b"e_count")) - len(parse_record(record)), 0)


def _newest(page: list[Any]) -> bytes:
    return bytes(page[0][0]) if page else SMALLEST


async def _look(link: Link, keys: Keys, job: bytes) -> _Looked:
    newest, now, record, pending, entry, cancelled, state, workers = await link.calls(
        [
            ("XREVRANGE", keys.events, "+", "-", "COUNT", 1),
            ("TIME",),
            ("HGETALL", keys.job(job)),
            ("XPENDING", keys.stream, keys.group, job, job, 1),
            ("XRANGE", keys.stream, job, job),
            ("SISMEMBER", keys.cancelled, job),
            ("HGETALL", keys.state),
            ("ZRANGE", keys.workers, 0, MOST_WORKERS, "WITHSCORES"),
        ]
    )
    now_ms, known = time_ms(settled(now)), GroupState.parse(pairs(settled(state)))
    return _Looked(
        now_ms=now_ms,
        record=pairs(settled(record)),
        pending=if_group(pending, []),
        in_stream=bool(settled(entry)),
        cancelled=bool(settled(cancelled)),
        state=known,
        workers=alive(settled(workers), now_ms, known.visibility_ms),
        newest_event=_newest(settled(newest)),
    )


async def _events(
    link: Link, keys: Keys, job: bytes, looked: _Looked
) -> tuple[list[Event], eventlog.Search]:
    """The record's events; without a record, those in `P:events`.

    One that was replayed ended before that, and may have had no record then.
    """
    since_ms = added_ms(job, looked.now_ms)
    if not looked.record:
        log = await eventlog.search(link, keys, job, since_ms=since_ms)
        return log.events, log
    events = parse_record(looked.record, job)
    earlier: list[Event] = []
    if events and events[0].name == EventName.REPLAYED:
        until_ms = events[0].at_ms - 1
        found = await eventlog.search(link, keys, job, since_ms=since_ms, until_ms=until_ms)
        earlier = found.events
    return [*earlier, *events], eventlog.Search(last=looked.newest_event)


async def _ahead(link: Link, keys: Keys, job: bytes, facts: StreamFacts) -> Count:
    position = facts.positions[keys.group]
    return await between(link, keys.stream, behind=position, before=job)


async def _on_ready(
    link: Link, keys: Keys, job: bytes, *, looked: _Looked, ended: bool, unread: bool
) -> bytes | None:
    """The job's entry on the ready stream, by its record, else by a bounded look through it."""
    if looked.record:
        return looked.record.get(b"entry") if _waits_on_ready(looked.record) else None
    if looked.pending or ended or unread:
        return None
    return await searched(link, keys, job)


def _waits_on_ready(record: dict[bytes, bytes]) -> bool:
    return record.get(b"state") not in (b"dead", b"delayed", b"done", b"cancelled", b"vanished")


def _state(
    looked: _Looked,
    events: Sequence[Event],
    *,
    holding: Holding | None,
    unread: bool,
    on_ready: bool,
) -> State:
    if holding is not None:
        return State.HELD
    recorded = text(looked.record.get(b"state", b""))
    if recorded in State._value2member_map_ and recorded != State.HELD:
        return State(recorded)
    if unread or on_ready:
        return State.QUEUED
    for event in reversed(events):
        if event.name in _AFTER_EVENT:
            return _AFTER_EVENT[EventName(event.name)]
    return State.UNKNOWN


def _is_unread(keys: Keys, job: bytes, facts: StreamFacts) -> bool:
    position = facts.positions.get(keys.group)
    return position is not None and id_parts(job) > id_parts(position)


def _count(fields: dict[bytes, bytes], name: bytes) -> int | None:
    return number(fields[name]) if name in fields else None


def ends(event: Event) -> bool:
    """Whether the job has ended with this event (a dead one may be requeued, by a person)."""
    return event.name in _AFTER_EVENT
