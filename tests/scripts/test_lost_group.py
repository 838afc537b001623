"""After the loss of a group its jobs come again, and records that tell of the time before end."""

from __future__ import annotations

import pytest

from retraced.store import writes
from retraced.store.writes import Answer, Held, Ruling, Source
from tests.scripts.board import Board, ask


def lose(board: Board) -> None:
    """Someone destroys the group; a worker makes it again."""
    for source in Source:
        board.raw.xgroup_destroy(board.key(source), board.keys.group_name)
    assert board.join().restored


def reclaimed(board: Board) -> Held:
    """A first delivery that was taken over: its job has a record."""
    held = board.held()
    board.silence(held)
    board.ticking()
    [taken] = board.other(b"w2").run(board.other(b"w2").reclaim()).entries
    return Held(taken.source, taken.entry, held.job, taken.count)


def cancel(board: Board, job: bytes) -> writes.Verdict:
    return board.run(writes.cancel(board.keys, job, by="ada"))


class TestAStaleRecord:
    def test_ends_when_its_job_succeeds_at_once(self, board: Board) -> None:
        job = reclaimed(board).job
        lose(board)
        other = board.add()
        assert board.record(job)[b"state"] == b"held"
        assert board.run(board.complete(*board.fetch())) == [Answer.OK] * 2
        record = board.record(job)
        assert record[b"state"] == b"done"
        assert board.raw.zscore(board.keys.finished, job) is not None
        told = board.story(job)[-1]
        assert told.items() >= {"event": "completed", "attempt": 1, "run_ms": 5}.items()
        assert board.record(other) == {}
        assert board.state()[b"n:completed"] == b"2"

    def test_stays_if_the_job_waits_in_ready_as_well(self, board: Board) -> None:
        Board(board.raw, board.keys.stream_name, group="other").join()
        held = board.held()
        board.run(board.delay([board.move(held, after_ms=0)]))
        lose(board)
        [again] = board.fetch()
        assert again.job == held.job
        board.run(board.complete(again))
        assert board.record(held.job)[b"state"] == b"queued"
        assert board.places(held.job) == ["ready"]

    def test_of_another_type_keeps_no_job_from_its_end(self, board: Board) -> None:
        job = reclaimed(board).job
        lose(board)
        board.raw.delete(board.keys.job(job))
        board.raw.rpush(board.keys.job(job), "x")
        assert board.run(board.complete(*board.fetch())) == [Answer.OK]
        board.raw.delete(board.keys.job(job))

    def test_is_looked_for_only_until_all_of_that_time_are_settled(self, board: Board) -> None:
        reclaimed(board)
        board.add()
        assert b"doubtful" not in board.state()
        lose(board)
        last = board.entries(board.keys.stream)[-1][0]
        assert board.state()[b"doubtful"] == last
        held = board.fetch()
        board.run(board.complete(held[0]))
        board.run(writes.sweep(board.keys))
        assert board.state()[b"doubtful"] == last
        board.run(board.complete(held[1]))
        board.run(writes.sweep(board.keys))
        assert b"doubtful" not in board.state()

    def test_lets_its_job_be_replayed(self, board: Board) -> None:
        board.retain("all")
        job = reclaimed(board).job
        ask(board.raw, "XACK", board.keys.stream, "g", job)  # someone else settles it
        assert board.record(job)[b"state"] == b"held"
        assert board.run(writes.replay(board.keys, job, by="ada")).ruling is Ruling.OK
        assert board.places(job) == ["ready"]

    def test_is_ended_by_a_cancel_that_finds_no_job(self, board: Board) -> None:
        job = reclaimed(board).job
        ask(board.raw, "XACK", board.keys.stream, "g", job)
        assert cancel(board, job).ruling is Ruling.MISSING
        assert board.record(job)[b"state"] == b"vanished"
        assert board.story(job)[-1]["event"] == "vanished"
        assert cancel(board, job) == (Ruling.REFUSED, "it is vanished")

    def test_holds_no_cancel_for_good(self, board: Board) -> None:
        job = reclaimed(board).job
        assert cancel(board, job).ruling is Ruling.REQUESTED
        ask(board.raw, "XACK", board.keys.stream, "g", job)
        board.run(writes.sweep(board.keys))
        board.run(writes.prune(board.keys))
        assert board.raw.scard(board.keys.cancelled) == 0


class TestACancelOfAJobThatCameAgain:
    @pytest.fixture
    def again(self, board: Board) -> bytes:
        """Done, with a record; then the group was lost before a sweep, and it is in `S` anew."""
        Board(board.raw, board.keys.stream_name, group="other").join()
        held = reclaimed(board)
        board.run(board.other(b"w2").complete(held))
        assert board.record(held.job)[b"state"] == b"done"
        lose(board)
        return held.job

    @pytest.mark.parametrize("manner", ["unread", "held"])
    def test_is_heeded(self, board: Board, again: bytes, manner: str) -> None:
        held = board.fetch() if manner == "held" else []
        assert cancel(board, again) == (Ruling.REQUESTED, "it ends before its next step")
        board.run(writes.sweep(board.keys))
        board.run(writes.prune(board.keys))
        assert board.raw.scard(board.keys.cancelled) == 1, "it isn't forgotten"
        [delivery] = held or board.fetch()
        assert board.run(board.release([board.releasing(delivery)])) == [Answer.CANCELLED]
        assert board.record(again)[b"state"] == b"cancelled"
        assert cancel(board, again).ruling is Ruling.REFUSED
