"""Settlements: what becomes of a held delivery. Each builds one call for many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from retraced.keys import Keys
from retraced.outcome import Counts
from retraced.store.scripts import Argument, Call, script
from retraced.store.writes.held import (
    MAX_BYTES,
    Answer,
    Author,
    Held,
    Source,
    back_in_place,
    error_text,
    fence,
    group_keys,
    head,
    id_range,
    in_order,
    ms_range,
    record_keys,
    story,
)

_OK = [Answer.OK]


class Done(NamedTuple):
    """A run that succeeded; `attempt` is the number of that run."""

    held: Held
    attempt: int
    wait_ms: int
    run_ms: int


class Dropped(NamedTuple):
    """A delivery to settle as cancelled; `detail` is for its story."""

    held: Held
    by: str = ""
    detail: Mapping[str, Any] = MappingProxyType({})


class Move(NamedTuple):
    """A delivery to delay until `due_ms`, or for `after_ms` from now by Redis's clock."""

    held: Held
    event: str
    reason: str
    due_ms: int | None
    after_ms: int | None
    counts: Counts
    begun: bool
    error: str
    unhandled_since_ms: int | None
    detail: Mapping[str, Any]


class Moved(NamedTuple):
    """How a move was answered, by Redis's clock; `due_ms` is 0 when it didn't move."""

    answer: Answer
    due_ms: int
    now_ms: int


class Burial(NamedTuple):
    """A delivery to put into the dead-letter stream."""

    held: Held
    reason: str
    error: str
    counts: Counts
    detail: Mapping[str, Any]


class Releasing(NamedTuple):
    """A delivery to give back, with the numbers that it carries on."""

    held: Held
    counts: Counts
    begun: bool
    detail: Mapping[str, Any]


def complete(keys: Keys, author: Author, done: Sequence[Done], *, page: int) -> Call[list[Answer]]:
    """Held to done, at most 200. `page` is what the worker may hold, plus 100."""
    stream = Source.STREAM
    ids: list[bytes] = []
    fragments: list[bytes] = []
    rest: list[int] = []
    for place, (held, attempt, wait_ms, run_ms) in enumerate(done):
        source, entry, _, count = held
        if count == 1 and source is stream:
            ids.append(entry)
            fragments.append(b'"%b":[%d,%d,%d]' % (entry, attempt, wait_ms, run_ms))
        else:
            rest.append(place)
    args: list[Argument] = [keys.group, author.consumer, author.release, page]
    others = [done[place] for place in rest]
    if others:
        ready = [each.held.entry for each in others if each.held.source is Source.READY]
        again = [each.held.entry for each in others if each.held.source is stream]
        args += (*id_range(ids + again), *id_range(ready))
    else:
        args += (*ms_range(ids), b"", b"")
    args += (len(ids), *ids, *fragments)
    for each in others:
        args += _again(each)
    records = record_keys(keys, [each.held.job for each in others])
    parse = partial(_completed, len(done), tuple(rest))
    return Call(script("complete"), group_keys(keys) + records, args, parse)


def drop(
    keys: Keys, author: Author, dropped: Sequence[Dropped], *, page: int
) -> Call[list[Answer]]:
    """Held to cancelled."""
    held = [each.held for each in dropped]
    items = [[story(**{"by": each.by or None, **each.detail})] for each in dropped]
    return _settling("drop", keys, author, held=held, items=items, before=fence(held, page))


def delay(
    keys: Keys, author: Author, moves: Sequence[Move], *, page: int, max_bytes: int = MAX_BYTES
) -> Call[list[Moved]]:
    """Held to delayed, or to queued when already due. At most 50; `LATER` beyond `max_bytes`."""
    held = [each.held for each in moves]
    items = [_moving(each) for each in moves]
    before = [*fence(held, page), max_bytes]
    call = _settling("delay", keys, author, held=held, items=items, before=before)
    order = in_order([each.job for each in held])
    return Call(call.script, call.keys, call.args, partial(_moved, order))


def bury(
    keys: Keys,
    author: Author,
    burials: Sequence[Burial],
    *,
    page: int,
    max_bytes: int = MAX_BYTES,
) -> Call[list[Answer]]:
    """Held to dead. At most 50; `LATER` beyond `max_bytes`."""
    held = [each.held for each in burials]
    items = [_burying(each) for each in burials]
    before = [*fence(held, page), max_bytes]
    return _settling("bury", keys, author, held=held, items=items, before=before)


def release(
    keys: Keys,
    author: Author,
    releases: Sequence[Releasing],
    *,
    page: int,
    max_bytes: int = MAX_BYTES,
) -> Call[list[Answer]]:
    """Held to queued, nothing charged. At most 50; `LATER` beyond `max_bytes`."""
    held = [each.held for each in releases]
    items = [_releasing(each) for each in releases]
    before = [*fence(held, page), max_bytes]
    return _settling("release", keys, author, held=held, items=items, before=before)


def _settling(
    name: str,
    keys: Keys,
    author: Author,
    *,
    held: Sequence[Held],
    items: Sequence[Sequence[Argument]],
    before: Sequence[Argument],
) -> Call[list[Answer]]:
    """A call of a script that takes `before`, then source, entry, count, job and more of each."""
    order = in_order([each.job for each in held])
    args: list[Argument] = [*head(keys, author), *before]
    for place in order:
        source, entry, job, count = held[place]
        args += (source.value, entry, count, job, *items[place])
    records = record_keys(keys, [held[place].job for place in order])
    parse = partial(back_in_place, order)
    return Call(script(name), group_keys(keys) + records, args, parse)


def _again(done: Done) -> list[Argument]:
    source, entry, job, count = done.held
    numbers = b'"%b":[%d,%d,%d]' % (job, done.attempt, done.wait_ms, done.run_ms)
    told = story(attempt=done.attempt, wait_ms=done.wait_ms, run_ms=done.run_ms)
    return [source.value, entry, count, job, numbers, told, done.attempt]


def _moving(move: Move) -> list[Argument]:
    told = {"attempt": move.counts.attempt, "error": move.error or None, **move.detail}
    return [
        move.event,
        move.reason,
        "" if move.due_ms is None else move.due_ms,
        "" if move.after_ms is None else move.after_ms,
        *_counts(move.counts),
        "1" if move.begun else "",
        error_text(move.error),
        "" if move.unhandled_since_ms is None else move.unhandled_since_ms,
        story(**{**told, "reason": move.reason}),
    ]


def _burying(burial: Burial) -> list[Argument]:
    told = {"attempt": burial.counts.attempt, "error": burial.error or None, **burial.detail}
    return [
        burial.reason,
        error_text(burial.error),
        *_counts(burial.counts),
        story(**{**told, "reason": burial.reason}),
    ]


def _releasing(releasing: Releasing) -> list[Argument]:
    told = {"attempt": releasing.counts.attempt, **releasing.detail}
    return [*_counts(releasing.counts), "1" if releasing.begun else "", story(**told)]


def _counts(counts: Counts) -> tuple[int, int, int, int]:
    return counts.attempt, counts.deliveries, counts.lost, counts.crashes


def _completed(count: int, rest: tuple[int, ...], reply: list[Any]) -> list[Answer]:
    """Answers from the exceptions that the script names: place (as sent), word, place, word..."""
    answers = _OK * count
    if reply:
        again = set(rest)
        sent = [place for place in range(count) if place not in again] + list(rest)
        for place, word in zip(reply[::2], reply[1::2], strict=True):
            answers[sent[place - 1]] = Answer(word.decode())
    return answers


def _moved(order: Sequence[int], reply: list[Any]) -> list[Moved]:
    now_ms, words, dues = reply
    moved = [Moved(Answer.GONE, 0, now_ms)] * len(order)
    for place, word, due_ms in zip(order, words, dues, strict=True):
        moved[place] = Moved(Answer(word.decode()), due_ms, now_ms)
    return moved
