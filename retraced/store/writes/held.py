"""What a caller holds and who it is: the arguments that every settling script begins with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from retraced.keys import Keys
from retraced.store.scripts import Argument

MAX_BYTES = 262_144
MAX_ERROR = 4_096


class Source(StrEnum):
    """Which stream a delivery came from: `S` itself, or the group's ready stream."""

    STREAM = "s"
    READY = "r"


class Answer(StrEnum):
    """How a script answered for one delivery.

    STALE: another delivery owns the job. GONE: nothing is pending, or the entry was removed.
    CANCELLED: a cancel was waiting, and the job was settled as cancelled instead.
    LATER: the call was full; nothing happened to this one, send it again.
    WRONG: what should be the job's record is a key of another type; the job stays held.
    """

    OK = "OK"
    STALE = "STALE"
    GONE = "GONE"
    CANCELLED = "CANCELLED"
    LATER = "LATER"
    WRONG = "WRONG"


class Held(NamedTuple):
    """One delivery: the entry it is, the job it stands for, and its delivery count (the fence)."""

    source: Source
    entry: bytes
    job: bytes
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes: the consumer whose deliveries they are, and the release it runs."""

    consumer: bytes
    release: bytes


@dataclass(frozen=True, slots=True)
class Beat:
    """What a worker says of itself (host, pid, running...); kept for three visibility timeouts."""

    facts: Mapping[str, str | int]


def group_keys(keys: Keys) -> list[bytes]:
    """KEYS 1 to 10 of every script."""
    return [
        keys.stream,
        keys.ready,
        keys.delayed,
        keys.state,
        keys.events,
        keys.dlq,
        keys.finished,
        keys.cancelled,
        keys.workers,
        keys.settings,
    ]


def record_keys(keys: Keys, jobs: Iterable[bytes]) -> list[bytes]:
    """KEYS after the tenth: the jobs' records, in the order of the items."""
    return [keys.job(job) for job in jobs]


def head(keys: Keys, author: Author) -> list[Argument]:
    """ARGV 1 to 3: group, consumer, release."""
    return [keys.group, author.consumer, author.release]


def fence(held: Sequence[Held], page: int) -> list[Argument]:
    """ARGV 4 to 8: the page of the fence look-up, then the first and last id of each source."""
    stream = [each.entry for each in held if each.source is Source.STREAM]
    ready = [each.entry for each in held if each.source is Source.READY]
    return [page, *id_range(stream), *id_range(ready)]


def id_range(ids: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The first and last of some entry ids; empty for none."""
    if not ids:
        return b"", b""
    return min(ids, key=id_order), max(ids, key=id_order)


def ms_range(ids: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The first and last millisecond of some entry ids; empty for none.

    XPENDING takes these as well. They are found five times as fast, but where many entries share a
    millisecond it answers more than what was meant.
    """
    if not ids:
        return b"", b""
    if len({entry.find(b"-") for entry in ids}) == 1:
        low, high = min(ids), max(ids)
    else:  # text sorts as numbers do only where it is equally long
        low, high = min(ids, key=id_order), max(ids, key=id_order)
    return low[: low.find(b"-")], high[: high.find(b"-")]


def id_order(entry: bytes) -> tuple[int, int]:
    """The two numbers of an entry id, by which ids sort."""
    milliseconds, _, sequence = entry.partition(b"-")
    return int(milliseconds), int(sequence or 0)


def in_order(jobs: Sequence[bytes]) -> list[int]:
    """The places of some job ids, lowest id first."""
    return sorted(range(len(jobs)), key=lambda place: id_order(jobs[place]))


def back_in_place(order: Sequence[int], replies: Sequence[bytes]) -> list[Answer]:
    """The answers as the caller gave the items, from replies in the order they were sent."""
    answers = [Answer.GONE] * len(order)
    for place, reply in zip(order, replies, strict=True):
        answers[place] = Answer(reply.decode())
    return answers


def story(**details: Any) -> bytes:
    """Details of an event as the inside of a JSON object, ready for a script to add more to it."""
    clean = {name: _clean(value) for name, value in details.items() if value is not None}
    return json.dumps(clean, separators=(",", ":"), default=str).encode()[1:-1]


def error_text(error: str) -> bytes:
    """An error as it is stored in record and dead letter: at most 4 kB, the end of it kept."""
    text = str(_clean(error))
    return text.encode()[-MAX_ERROR:].decode(errors="ignore").encode()


def pairs(fields: Mapping[str, str | int]) -> list[Argument]:
    """A count, then so many names and values."""
    flat: list[Argument] = [len(fields)]
    for name, value in fields.items():
        flat += (name, value)
    return flat


def _clean(value: Any) -> Any:
    """Text without lone surrogates, which no JSON reader takes; all else as it is."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
