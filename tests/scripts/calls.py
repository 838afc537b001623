"""Every script once, with work to do: what the tests that hold for all scripts run through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from retraced.retention import Retention
from retraced.store import writes
from retraced.store.scripts import Call
from retraced.store.writes import Source
from tests.scripts.board import Board


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call on a board that is ready for it; `job` is what it moves, `then` where it must be."""

    call: Call[Any]
    job: bytes = b""
    then: tuple[str, ...] = ()


Prepare = Callable[[Board], Prepared]


def complete(board: Board) -> Prepared:
    held = board.held_again()
    return Prepared(board.complete(held), held.job)


def complete_first(board: Board) -> Prepared:
    held = board.held()
    return Prepared(board.complete(held), held.job)


def drop(board: Board) -> Prepared:
    held = board.held_again()
    return Prepared(board.drop(held), held.job)


def delay(board: Board) -> Prepared:
    held = board.held()
    return Prepared(board.delay([board.move(held)]), held.job, ("delayed",))


def delay_again(board: Board) -> Prepared:
    held = board.held_again()
    return Prepared(board.delay([board.move(held)]), held.job, ("delayed",))


def delay_due(board: Board) -> Prepared:
    held = board.held()
    return Prepared(board.delay([board.move(held, after_ms=0)]), held.job, ("ready",))


def bury(board: Board) -> Prepared:
    held = board.held()
    return Prepared(board.bury([board.burial(held)]), held.job, ("dead",))


def bury_again(board: Board) -> Prepared:
    held = board.held_again()
    return Prepared(board.bury([board.burial(held)]), held.job, ("dead",))


def release(board: Board) -> Prepared:
    held = board.held()
    return Prepared(board.release([board.releasing(held)]), held.job, ("ready",))


def release_begun(board: Board) -> Prepared:
    held = board.held()
    return Prepared(board.release([board.releasing(held, begun=True)]), held.job, ("ready",))


def renew(board: Board) -> Prepared:
    first, again = board.held(), board.held_again()
    return Prepared(board.renew(first, again), first.job, ("held",))


def promote(board: Board) -> Prepared:
    job = board.delayed()
    board.due_now(job)
    return Prepared(board.promote(hungry=True), job, ("ready",))


def reclaim(board: Board) -> Prepared:
    held, again = board.held(), board.held_again()
    board.silence(held, again)
    board.ticking()
    return Prepared(board.other(b"w2").reclaim(), held.job, ("held",))


def reclaim_to_bury(board: Board) -> Prepared:
    held = board.held()
    board.silence(held)
    board.ticking()
    return Prepared(board.other(b"w2").reclaim(lost_ceiling=1), held.job, ("dead",))


def cancel(board: Board) -> Prepared:
    job = board.delayed()
    return Prepared(writes.cancel(board.keys, job, by="ada"), job)


def cancel_held(board: Board) -> Prepared:
    job = board.held().job
    return Prepared(writes.cancel(board.keys, job, by="ada"), job, ("held",))


def cancel_in_ready(board: Board) -> Prepared:
    held = board.held()
    board.run(board.release([board.releasing(held)]))
    return Prepared(writes.cancel(board.keys, held.job, by="ada"), held.job, ("ready",))


def requeue(board: Board) -> Prepared:
    job = board.dead()
    return Prepared(writes.requeue(board.keys, job, by="ada"), job, ("ready",))


def requeue_edited(board: Board) -> Prepared:
    job = board.dead()
    changes = {b"payload": b"{}", b"type": None, b"new": b"1"}
    return Prepared(writes.requeue(board.keys, job, by="ada", changes=changes), job, ("ready",))


def run_now(board: Board) -> Prepared:
    job = board.delayed()
    return Prepared(writes.run_now(board.keys, job, by="ada"), job, ("ready",))


def replay(board: Board) -> Prepared:
    board.retain("all")
    held = board.held()
    board.run(board.complete(held))
    return Prepared(writes.replay(board.keys, held.job, by="ada"), held.job, ("ready",))


def purge(board: Board) -> Prepared:
    job = board.dead()
    return Prepared(writes.purge(board.keys, job, by="ada"), job)


def join(board: Board) -> Prepared:
    job = board.delayed()
    board.raw.delete(board.keys.state)
    for source in Source:
        board.raw.xgroup_destroy(board.key(source), board.keys.group_name)
    return Prepared(writes.join(board.keys), job, ("delayed",))


def join_to_retain(board: Board) -> Prepared:
    return Prepared(writes.join(board.keys, retain=Retention.parse("7d")))


def retain(board: Board) -> Prepared:
    return Prepared(writes.retain(board.keys, Retention.parse("1000")))


def reap(board: Board) -> Prepared:
    held = board.held()
    board.run(board.complete(held))
    return Prepared(writes.leave(board.keys, b"w1"))


def sweep(board: Board) -> Prepared:
    board.retain("1")
    board.run(board.complete(board.held(), board.held()))
    return Prepared(writes.sweep(board.keys))


def prune(board: Board) -> Prepared:
    job = board.held_again()
    board.run(writes.set_facts(board.keys, {"finished_age_ms": 0, "events_max": 1}))
    board.run(board.complete(job))
    board.raw.sadd(board.keys.cancelled, job.job)
    return Prepared(writes.prune(board.keys))


def cap(board: Board) -> Prepared:
    board.run(writes.set_facts(board.keys, {"dlq_max": 0}))
    job = board.dead()
    return Prepared(writes.cap(board.keys), job)


def drained(board: Board) -> Prepared:
    return Prepared(writes.drained(board.keys))


def set_facts(board: Board) -> Prepared:
    return Prepared(writes.set_facts(board.keys, {"max_attempts": 3, "backoff": ""}))


def measure(board: Board) -> Prepared:
    return Prepared(writes.measure(board.keys, board.author, {b"w:3:t": 2, b"r:9:t": 1}))


def pause(board: Board) -> Prepared:
    return Prepared(writes.pause(board.keys, by="ada"))


def resume(board: Board) -> Prepared:
    board.run(writes.pause(board.keys, by="ada"))
    return Prepared(writes.resume(board.keys, by="ada"))


def disband(board: Board) -> Prepared:
    board.delayed()
    return Prepared(writes.disband(board.keys))


SETTLING: Mapping[str, Prepare] = {
    made.__name__: made
    for made in (
        complete, complete_first, drop, delay, delay_again, delay_due, bury, bury_again, release,
        release_begun, renew,
    )
}  # fmt: skip
BY_BATCH = tuple(name for name in SETTLING if name != "renew")
MOVING: Mapping[str, Prepare] = {
    made.__name__: made
    for made in (
        *SETTLING.values(), promote, reclaim, reclaim_to_bury, requeue, requeue_edited, run_now,
        replay,
    )
}  # fmt: skip
OPERATING: Mapping[str, Prepare] = {
    made.__name__: made
    for made in (
        cancel, cancel_held, cancel_in_ready, purge, join, join_to_retain, retain, reap, sweep,
        prune, cap, drained, set_facts, measure, pause, resume, disband,
    )
}  # fmt: skip
ENDING = ("cancel", "cancel_held", "cancel_in_ready", "purge", "cap")
ALL: Mapping[str, Prepare] = {**MOVING, **OPERATING}
