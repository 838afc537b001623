"""Every way in which a script takes a job, run on a board, and what is seen of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from retraced.backoff import Backoff
from retraced.events import Event, parse_stream_entry
from retraced.outcome import (
    Bury,
    Cancelled,
    Complete,
    Crashed,
    Delay,
    Drop,
    Expired,
    Facts,
    Failed,
    Interrupted,
    Invalid,
    Outcome,
    Postponed,
    Rejected,
    Release,
    Settlement,
    Snoozed,
    TimedOut,
    Unhandled,
    Unstarted,
    decide,
)
from retraced.store import scripts, writes
from retraced.store.scripts import Call
from retraced.store.writes import Held, Source
from tests.scripts import calls
from tests.scripts.board import Board, ask, named, numbers
from tests.scripts.calls import Prepare, Prepared

RAN = {"wait_ms": 3, "run_ms": 5}  # as the worker adds it to what has begun
AFTER: Mapping[str, str] = {
    "completed": "done",
    "cancelled": "cancelled",
    "vanished": "vanished",
    "purged": "purged",
    "capped": "purged",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one call did: the job's state before and after, if it moved, and what was told."""

    edge: tuple[str, str] | None
    events: list[Event]


def see(board: Board, prepare: Prepare) -> Seen:
    prepared = prepare(board)
    before, told = _where(board, prepared.job), len(board.entries(board.keys.events))
    board.run(prepared.call)
    after = _where(board, prepared.job)
    entries = board.entries(board.keys.events)[told:]
    events = [event for _, fields in entries for event in parse_stream_entry(fields)]
    return Seen((before[0], after[0]) if before != after else None, events)


def seen_of(board: Board, script: str) -> Iterator[Seen]:
    """All that the calls of one script do, each on a group of its own."""
    stream = board.keys.stream_name
    for name, prepare in ALL.items():
        if _script(name) == script:
            own = Board(board.raw, f"{stream}-{name}")
            own.join()
            yield see(own, prepare)


def _script(case: str) -> str:
    return max((name for name in scripts.names() if case.startswith(name)), key=len)


def _where(board: Board, job: bytes) -> tuple[str, bytes]:
    """State and owner: where it really is, else what its record says, else its last event."""
    if not job:
        return "", b""
    for source in Source:
        entries = {entry: named(fields) for entry, fields in board.entries(board.key(source))}
        for entry, (owner, _) in board.pending(source).items():
            own = entry if source is Source.STREAM else entries.get(entry, {}).get(b"@job")
            if own == job:
                return "held", owner
    for place in board.places(job):
        return {"unread": "queued", "ready": "queued"}.get(place, place), b""
    state = board.record(job).get(b"state", b"").decode()
    last = [each["event"] for each in board.events() if job.decode() in each["jobs"]]
    return state or AFTER[last[-1]], b""


def _settled(outcome: Outcome, *, ran: bool, **facts: Any) -> Prepare:
    def prepare(board: Board) -> Prepared:
        held = board.held()
        known = {"counts": numbers(attempt=0), "begun": ran, "max_attempts": 2, **facts}
        known = {"backoff": Backoff.parse("fixed:1m"), "now_ms": board.now(), **known}
        settlement = decide(outcome, Facts(**known), lambda: 0.5)
        return Prepared(_call(board, held, settlement, RAN if ran else {}), held.job)

    return prepare


def _call(board: Board, held: Held, settlement: Settlement, ran: Mapping[str, int]) -> Call[Any]:
    match settlement:
        case Complete():
            return board.complete(held)
        case Delay() as d:
            told = {**d.detail, **ran}
            move = writes.Move(
                held,
                d.event,
                d.reason,
                d.due_ms,
                d.after_ms,
                d.counts,
                d.begun,
                d.error,
                None,
                told,
            )
            return board.delay([move])
        case Bury() as b:
            return board.bury(
                [writes.Burial(held, b.reason, b.error, b.counts, {**b.detail, **ran})]
            )
        case Release() as r:
            return board.release([writes.Releasing(held, r.counts, r.begun, {**r.detail, **ran})])
        case Drop():
            dropped = [writes.Dropped(held, detail={**settlement.detail, **ran})]
            return writes.drop(board.keys, board.author, dropped, page=board.page)
        case other:
            assert_never(other)


def _cancelled(prepare: Prepare) -> Prepare:
    def cancelled(board: Board) -> Prepared:
        prepared = prepare(board)
        board.raw.sadd(board.keys.cancelled, prepared.job)
        return prepared

    return cancelled


def _vanished(prepare: Prepare) -> Prepare:
    def vanished(board: Board) -> Prepared:
        prepared = prepare(board)
        board.raw.xdel(board.keys.stream, prepared.job)
        return prepared

    return vanished


def _reclaim_from_ready_vanished(board: Board) -> Prepared:
    again = board.held_again()
    board.silence(again)
    board.raw.xdel(board.keys.ready, again.entry)
    board.ticking()
    return Prepared(board.other(b"w2").reclaim())


def _promote_vanished(board: Board) -> Prepared:
    prepared = calls.promote(board)
    board.raw.hdel(board.keys.job(prepared.job), "fields")
    return prepared


def _cancel_vanished(board: Board) -> Prepared:
    held = board.held_again()
    ask(board.raw, "XACK", board.keys.ready, board.keys.group, held.entry)
    board.raw.xdel(board.keys.ready, held.entry)
    return Prepared(writes.cancel(board.keys, held.job, by="ada"), held.job)


def _join(board: Board) -> Prepared:
    return Prepared(calls.join(board).call)  # without a group nobody can say where a job is


def _join_restored(board: Board) -> Prepared:
    board.raw.xgroup_destroy(board.keys.stream, board.keys.group_name)
    return Prepared(writes.join(board.keys))


_TIMED_OUT = TimedOut(1_000, abandoned=True)
_LATE: dict[str, Any] = {"unhandled_since_ms": 0, "unhandled_after_ms": 1}
ALL: Mapping[str, Prepare] = {
    **calls.ALL,
    "join": _join,
    "delay_failed": _settled(Failed("boom", traceback="at line 1"), ran=True),
    "delay_timed_out": _settled(_TIMED_OUT, ran=True),
    "delay_crashed": _settled(Crashed("signal 9"), ran=True),
    "delay_snoozed": _settled(Snoozed(60_000), ran=True),
    "delay_postponed": _settled(Postponed(1 << 42), ran=False),
    "delay_unstarted": _settled(Unstarted("no room"), ran=False),
    "delay_unhandled": _settled(Unhandled("t"), ran=False),
    "bury_exhausted": _settled(Failed("boom", traceback="l. 1"), ran=True, max_attempts=1),
    "bury_timed_out": _settled(_TIMED_OUT, ran=True, max_attempts=1),
    "bury_rejected": _settled(Rejected("no", traceback="at line 1"), ran=True),
    "bury_crashed": _settled(Crashed("signal 9"), ran=True, max_crashes=1),
    "bury_invalid": _settled(Invalid("delay", "is a word"), ran=False),
    "bury_expired": _settled(Expired(1), ran=False),
    "bury_unhandled": _settled(Unhandled("t"), ran=False, **_LATE),
    "release_interrupted": _settled(Interrupted(), ran=True),
    "drop_running": _settled(Cancelled("ada", abandoned=True), ran=True),
    "delay_cancelled": _cancelled(calls.delay),
    "bury_cancelled": _cancelled(calls.bury),
    "release_cancelled": _cancelled(calls.release),
    "reclaim_cancelled": _cancelled(calls.reclaim),
    "delay_vanished": _vanished(calls.delay),
    "bury_vanished": _vanished(calls.bury),
    "release_vanished": _vanished(calls.release),
    "reclaim_vanished": _vanished(calls.reclaim),
    "reclaim_from_ready_vanished": _reclaim_from_ready_vanished,
    "renew_vanished": _vanished(calls.renew),
    "promote_vanished": _promote_vanished,
    "cancel_vanished": _cancel_vanished,
    "join_restored": _join_restored,
}
