"""The events that make up a job's story: their names, how they are stored, and how they read.

A stream entry of `P:events` holds the fields event, at, worker, release and `jobs`, a JSON object
by job id. A record holds `e:<n>`, one JSON object each. Both are read here, for the CLI and logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from retraced.durations import format_ms

Details = dict[str, Any]

_STORY_FIELD = re.compile(rb"e:(0|[1-9][0-9]{0,14})")
_HEADING = frozenset({b"event", b"at", b"worker", b"release", b"jobs"})


class EventName(StrEnum):
    """Every event that ReTraced writes."""

    COMPLETED = "completed"
    FAILED = "failed"
    DELAYED = "delayed"
    PROMOTED = "promoted"
    RECLAIMED = "reclaimed"
    RELEASED = "released"
    DEAD = "dead"
    REQUEUED = "requeued"
    REPLAYED = "replayed"
    CANCELLED = "cancelled"
    CANCEL_REQUESTED = "cancel_requested"
    VANISHED = "vanished"
    CRASHED = "crashed"
    SNOOZED = "snoozed"
    UNHANDLED = "unhandled"
    PURGED = "purged"
    CAPPED = "capped"
    GROUP_CREATED = "group_created"
    GROUP_RESTORED = "group_restored"
    GROUP_CHANGED = "group_changed"
    PAUSED = "paused"
    RESUMED = "resumed"


# After these a group has no more to do with a job, unless someone replays it.
ENDINGS = frozenset(
    {
        EventName.COMPLETED,
        EventName.CANCELLED,
        EventName.VANISHED,
        EventName.PURGED,
        EventName.CAPPED,
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one job; `job` is "" for an event of the whole group.

    `name` is an EventName, or the bare text of one that a newer release wrote.
    """

    name: str
    at_ms: int
    job: str = ""
    worker: str = ""
    release: str = ""
    details: Details = field(default_factory=dict)


def parse_stream_entry(fields: Sequence[bytes]) -> list[Event]:
    """The events of an entry of `P:events` (flat field list): one for each of its jobs.

    An entry that ReTraced didn't write gives none.
    """
    named = dict(zip(fields[::2], fields[1::2], strict=False))
    if b"event" not in named:
        return []
    jobs = _json(named.get(b"jobs", b"{}"))
    if not isinstance(jobs, dict) or not jobs:
        return [_event(named, "", _surplus(named))]
    return [_event(named, job, _details(value)) for job, value in jobs.items()]


def find(fields: Sequence[bytes], job: bytes) -> Event | None:
    """What an entry of `P:events` says of one job, or None; cheap when it says nothing."""
    quoted_id = b'"%b"' % job
    if not any(quoted_id in value for value in fields[1::2]):
        return None
    wanted = job.decode("utf-8", "replace")
    return next((event for event in parse_stream_entry(fields) if event.job == wanted), None)


def parse_record(record: Mapping[bytes, bytes], job: bytes = b"") -> list[Event]:
    """The story kept in a job's record (`e:<n>`), in order; a gap where the middle was dropped."""
    numbered = sorted(_numbered(record))
    stories = (_json(record[b"e:%d" % number]) for number in numbered)
    name = job.decode("utf-8", "replace")
    return [_from_story(story, name) for story in stories if isinstance(story, dict)]


def describe(event: Event) -> str:
    """One line in words: what happened, without the time and the job."""
    details = event.details
    parts = [_headline(event), *_circumstances(event)]
    line = ", ".join(parts)
    why = next((str(details[key]) for key in _WHY if details.get(key)), "")
    if why:
        line += f": {_one_line(why)}"
    due = details.get("due")
    if isinstance(due, int) and event.name not in _ALREADY_DUE:
        left = due - event.at_ms
        line += f"; due in {format_ms(left)}" if left > 0 else "; due at once"
    if details.get("counted_from"):
        line += f"; counted from its {details['counted_from']}, as its id is no clock time"
    if details.get("duplicates"):
        line += f"; given more than once, the last one counted: {details['duplicates']}"
    return line


_WHY = ("error", "how", "why")
_ALREADY_DUE = frozenset({EventName.PROMOTED, EventName.COMPLETED, EventName.DEAD})
_LONGEST_WHY = 300
_STARTS: Mapping[object, str] = {"0": "at the start of the stream", "$": "with what comes next"}
_PHRASES: Mapping[str, str] = {
    EventName.PROMOTED: "due, back in the queue",
    EventName.RECLAIMED: "taken over",
    EventName.RELEASED: "given back unfinished",
    EventName.REQUEUED: "put back in the queue",
    EventName.REPLAYED: "put in the queue again from the stream",
    EventName.CANCEL_REQUESTED: "cancel requested",
    EventName.CAPPED: "its dead letter removed by a cap",
    EventName.VANISHED: "removed by someone else while it was held",
    EventName.UNHANDLED: "no handler for its type",
}


def _headline(event: Event) -> str:
    details = event.details
    if event.name == EventName.DEAD:
        return f"buried as {details['reason']}" if details.get("reason") else "buried"
    if event.name == EventName.DELAYED and details.get("reason") == "scheduled":
        return "delayed until its time"
    if event.name == EventName.PROMOTED and details.get("by"):
        return "back in the queue before its time"
    if event.name == EventName.CAPPED and details.get("cap"):
        return f"its dead letter removed by the cap {details['cap']}"
    return _PHRASES.get(event.name, event.name.replace("_", " "))


def _circumstances(event: Event) -> Iterator[str]:
    details = event.details
    if details.get("attempt"):
        yield f"attempt {details['attempt']}"
    yield from _lasting(details, ("wait_ms", "waited"), ("run_ms", "ran"))
    if event.worker:
        yield f"by {event.worker}" + (f" ({event.release})" if event.release else "")
    if details.get("from"):
        yield f"from {details['from']}"
    yield from _lasting(details, ("idle_ms", "silent for"))
    if details.get("start"):
        yield "beginning " + _STARTS.get(details["start"], f"after {details['start']}")
    if details.get("by"):
        yield f"asked for by {details['by']}"
    if details.get("changes"):
        yield f"now {details['changes']}"
    if isinstance(details.get("edited"), list):
        yield f"changed: {', '.join(map(str, details['edited']))}"
    if details.get("abandoned"):
        yield "its thread still running"


def _lasting(details: Details, *spans: tuple[str, str]) -> Iterator[str]:
    for key, word in spans:
        if isinstance(details.get(key), int):
            yield f"{word} {format_ms(details[key])}"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_WHY else f"{line[:_LONGEST_WHY]}..."


def _event(named: Mapping[bytes, bytes], job: str, details: Details) -> Event:
    return Event(
        name=_name(_text(named[b"event"])),
        at_ms=_integer(named.get(b"at", b"0")),
        job=job,
        worker=_text(named.get(b"worker", b"")),
        release=_text(named.get(b"release", b"")),
        details=details,
    )


def _from_story(story: Details, job: str) -> Event:
    details = {key: _whole(value) for key, value in story.items()}
    return Event(
        name=_name(str(details.pop("event", ""))),
        at_ms=_integer(details.pop("at", 0)),
        job=str(details.pop("job", job)),
        worker=str(details.pop("worker", "")),
        release=str(details.pop("release", "")),
        details=details,
    )


def _details(value: object) -> Details:
    """`completed` stores [attempt, wait_ms, run_ms] for each job, all others an object."""
    if isinstance(value, list):
        names = ("attempt", "wait_ms", "run_ms")
        return {name: _whole(number) for name, number in zip(names, value, strict=False)}
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return {}


def _surplus(named: Mapping[bytes, bytes]) -> Details:
    return {_text(key): _text(value) for key, value in named.items() if key not in _HEADING}


def _numbered(record: Mapping[bytes, bytes]) -> Iterator[int]:
    for name in record:
        match = _STORY_FIELD.fullmatch(name)
        if match:
            yield int(match[1])


def _name(text: str) -> str:
    return EventName(text) if text in EventName._value2member_map_ else text


def _json(raw: bytes) -> Any:
    """Lua's cjson passes bytes through that aren't UTF-8: read those with a mark in their place."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        try:
            return json.loads(raw.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None


def _whole(value: object) -> object:
    """Lua has one kind of number: 3.0 and 1.7e12 are the integers that were meant."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _integer(value: object) -> int:
    try:
        return int(float(value)) if isinstance(value, (bytes, str, int, float)) else 0
    except (ValueError, OverflowError):
        return 0


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
