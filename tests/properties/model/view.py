"""What is in Redis, read without the code under test: where each job of each group is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retraced.keys import Keys
from retraced.store.blocking import BlockingLink
from retraced.store.scripts import Argument
from retraced.store.writes import Source

Fields = list[bytes]
PERMANENT = (
    b"ready",
    b"delayed",
    b"finished",
    b"cancelled",
    b"dlq",
    b"events",
    b"workers",
    b"state",
)


@dataclass(frozen=True, slots=True)
class Pending:
    """A row of XPENDING."""

    entry: bytes
    consumer: bytes
    count: int


@dataclass(frozen=True, slots=True)
class GroupView:
    """One group's keys, decoded as little as possible."""

    last_delivered: bytes
    pending: dict[Source, list[Pending]]
    ready: dict[bytes, Fields]
    dead: dict[bytes, Fields]
    delayed: dict[bytes, int]
    state: dict[bytes, bytes]
    cancelled: set[bytes]
    finished: set[bytes]
    records: dict[bytes, dict[bytes, bytes]]

    @property
    def counters(self) -> dict[str, int]:
        found = {name: value for name, value in self.state.items() if name.startswith(b"n:")}
        return {name[2:].decode(): int(value) for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class View:
    """Everything; `strays` are keys that nobody knows."""

    stream: dict[bytes, Fields]
    groups: dict[str, GroupView]
    strays: list[bytes]


def look(link: BlockingLink, groups: Sequence[Keys]) -> View:
    """Reads it all in two pipelines."""
    stream = groups[0].stream
    commands: list[list[Argument]] = [["KEYS", b"retraced:{%b}*" % stream]]
    commands += [["XRANGE", stream, "-", "+"], ["XINFO", "GROUPS", stream]]
    for keys in groups:
        commands += _of_group(keys)
    replies = _all(link, commands)
    names, entries, infos = replies[:3]
    last = {info[1]: info[7] for info in infos}
    records, strays = _records(link, groups, names)
    found = {}
    for place, keys in enumerate(groups):
        own = replies[3 + 9 * place : 12 + 9 * place]
        found[keys.group_name] = _group(last[keys.group], own, records[keys.group_name])
    return View(dict(entries), found, strays)


def _of_group(keys: Keys) -> list[list[Argument]]:
    return [
        ["XPENDING", keys.stream, keys.group, "-", "+", 10_000],
        ["XPENDING", keys.ready, keys.group, "-", "+", 10_000],
        ["XRANGE", keys.ready, "-", "+"],
        ["XRANGE", keys.dlq, "-", "+"],
        ["ZRANGE", keys.delayed, 0, -1, "WITHSCORES"],
        ["HGETALL", keys.state],
        ["SMEMBERS", keys.cancelled],
        ["ZRANGE", keys.finished, 0, -1],
        ["TYPE", keys.events],
    ]


def _group(
    last: bytes, replies: Sequence[Any], records: dict[bytes, dict[bytes, bytes]]
) -> GroupView:
    on_stream, on_ready, ready, dead, delayed, state, cancelled, finished, _ = replies
    return GroupView(
        last_delivered=last,
        pending={Source.STREAM: _pending(on_stream), Source.READY: _pending(on_ready)},
        ready=dict(ready),
        dead=dict(dead),
        delayed={unpadded(job): int(due) for job, due in _pairs(delayed).items()},
        state=_pairs(state),
        cancelled=set(cancelled),
        finished=set(finished),
        records=records,
    )


def _records(
    link: BlockingLink, groups: Sequence[Keys], names: Sequence[bytes]
) -> tuple[dict[str, dict[bytes, dict[bytes, bytes]]], list[bytes]]:
    """The records of each group by job; and keys that are no group's."""
    found: dict[str, dict[bytes, dict[bytes, bytes]]] = {each.group_name: {} for each in groups}
    where = [
        (name, keys.group_name, name.removeprefix(keys.job(b"")))
        for name in names
        for keys in groups
        if name.startswith(keys.job(b""))
    ]
    replies = _all(link, [["HGETALL", name] for name, _, _ in where])
    for (_, group, job), reply in zip(where, replies, strict=True):
        found[group][job] = _pairs(reply)
    known = {name for name, _, _ in where}
    known |= {groups[0].settings}
    known |= {b"%b:%b" % (keys.prefix, part) for keys in groups for part in PERMANENT}
    workers = tuple(keys.worker(b"") for keys in groups)
    return found, [name for name in names if name not in known and not name.startswith(workers)]


def story(record: dict[bytes, bytes]) -> list[str]:
    """The names of the events that a record tells, in order."""
    count = int(record.get(b"e_count", 0))
    return [json.loads(record[b"e:%d" % number])["event"] for number in range(1, count + 1)]


def padded(job: bytes) -> bytes:
    milliseconds, _, sequence = job.partition(b"-")
    return milliseconds.zfill(20) + b"-" + sequence.zfill(20)


def unpadded(member: bytes) -> bytes:
    milliseconds, _, sequence = member.partition(b"-")
    return b"%d-%d" % (int(milliseconds), int(sequence))


def _all(link: BlockingLink, commands: Sequence[Sequence[Argument]]) -> list[Any]:
    replies = link.calls(commands)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def _pending(rows: Sequence[Any]) -> list[Pending]:
    return [Pending(entry, consumer, count) for entry, consumer, _, count in rows]


def _pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
