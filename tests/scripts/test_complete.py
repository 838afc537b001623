"""complete.lua and drop.lua: how a held job ends."""

from __future__ import annotations

from retraced.store import writes
from retraced.store.writes import Answer
from tests.scripts.board import Board


def test_a_first_delivery_leaves_one_event_and_nothing_else(board: Board) -> None:
    held = board.held()
    assert board.run(board.complete(held)) == [Answer.OK]
    assert board.entries(board.keys.stream) == []
    assert board.pending() == {}
    assert board.record(held.job) == {}
    [event] = board.events("completed")
    assert event["jobs"] == {held.job.decode(): [1, 3, 5]}
    assert (event["worker"], event["release"]) == ("w1", "r1")
    assert abs(int(event["at"]) - board.now()) < 5_000
    assert board.state()[b"n:completed"] == b"1"


def test_a_batch_shares_one_event(board: Board) -> None:
    for _ in range(200):
        board.add()
    held = board.fetch(count=200)
    assert board.run(board.complete(*held)) == [Answer.OK] * 200
    [event] = board.events("completed")
    assert list(event["jobs"]) == [each.job.decode() for each in held]
    assert board.state()[b"n:completed"] == b"200"


def test_a_later_delivery_ends_its_record_and_its_story(board: Board) -> None:
    held = board.held_again()
    assert board.run(board.complete(held)) == [Answer.OK]
    record = board.record(held.job)
    assert record[b"state"] == b"done"
    assert [each["event"] for each in board.story(held.job)] == ["failed", "completed"]
    assert board.story(held.job)[1]["run_ms"] == 5
    assert board.raw.zscore(board.keys.finished, held.job) == int(record[b"ended"])
    assert board.entries(board.keys.ready) == []
    [event] = board.events("completed")
    assert event["jobs"] == {held.job.decode(): [1, 3, 5]}


def test_a_job_without_a_record_is_completed_from_ready(board: Board) -> None:
    first = board.held()
    board.run(board.release([board.releasing(first)]))
    [held] = board.fetch(writes.Source.READY)
    assert board.run(board.complete(held)) == [Answer.OK]
    assert board.record(held.job) == {}
    assert board.raw.zcard(board.keys.finished) == 0


def test_a_delivery_with_a_count_ends_the_record_that_reclaim_made(board: Board) -> None:
    held = board.held()
    board.silence(held)
    board.ticking()
    other = board.other(b"w2")
    board.run(other.reclaim())
    assert board.run(other.complete(held._replace(count=2))) == [Answer.OK]
    assert [each["event"] for each in board.story(held.job)] == ["reclaimed", "completed"]


def test_a_cancel_that_comes_too_late_is_forgotten(board: Board) -> None:
    held = board.held()
    board.run(writes.cancel(board.keys, held.job, by="ada"))
    assert board.run(board.complete(held)) == [Answer.OK]
    assert board.raw.scard(board.keys.cancelled) == 0
    assert board.events("cancelled") == []


def test_a_broken_counter_keeps_no_job(board: Board) -> None:
    held = board.held()
    board.raw.hset(board.keys.state, "n:completed", "not a number")
    assert board.run(board.complete(held)) == [Answer.OK]


def test_a_dropped_job_ends_as_cancelled_and_says_by_whom(board: Board) -> None:
    held, again = board.held(), board.held_again()
    board.raw.sadd(board.keys.cancelled, held.job, again.job)
    assert board.run(board.drop(held, again)) == [Answer.OK, Answer.OK]
    assert board.record(held.job) == {}
    assert board.record(again.job)[b"state"] == b"cancelled"
    assert board.raw.zscore(board.keys.finished, again.job) is not None
    assert board.raw.scard(board.keys.cancelled) == 0
    [event] = board.events("cancelled")
    assert event["jobs"][held.job.decode()] == {"by": "ada"}
    assert board.entries(board.keys.stream) == board.entries(board.keys.ready) == []
    assert board.state()[b"n:cancelled"] == b"2"
