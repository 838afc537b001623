"""cancel.lua, requeue.lua and purge.lua: what a person may do to one job."""

from __future__ import annotations

import time
from typing import Any

import pytest

from retraced.store import writes
from retraced.store.writes import Answer, Ruling, Source
from tests.scripts.board import Board, padded
from tests.scripts.test_moves import ODD


def cancel(board: Board, job: bytes) -> writes.Verdict:
    return board.run(writes.cancel(board.keys, job, by="ada"))


def fill_ready(board: Board, count: int = 600) -> None:
    """More jobs in `ready` than a script looks through."""
    with board.raw.pipeline(transaction=False) as pipe:
        for number in range(count):
            pipe.xadd(board.keys.ready, {"@job": f"{number}-2"})
        pipe.execute()


class TestCancel:
    def test_ends_a_delayed_job_at_once(self, board: Board) -> None:
        job = board.delayed()
        assert cancel(board, job).ruling is Ruling.OK
        assert board.places(job) == []
        record = board.record(job)
        assert record[b"state"] == b"cancelled"
        assert not [name for name in record if name.startswith(b"f:")]
        assert board.story(job)[-1].items() >= {"event": "cancelled", "by": "ada"}.items()
        assert board.raw.zscore(board.keys.finished, job) is not None
        assert cancel(board, job) == (Ruling.REFUSED, "it is cancelled")

    def test_waits_for_the_next_step_of_a_held_job(self, board: Board) -> None:
        held = board.held()
        assert cancel(board, held.job).ruling is Ruling.REQUESTED
        assert board.raw.smembers(board.keys.cancelled) == {held.job}
        [event] = board.events("cancel_requested")
        assert event["jobs"] == {held.job.decode(): {"by": "ada"}}
        assert cancel(board, held.job) == (Ruling.REQUESTED, "it ends before its next step")
        assert len(board.events("cancel_requested")) == 1

    def test_reaches_a_job_that_nobody_has_read(self, board: Board) -> None:
        job = board.add()
        assert cancel(board, job).ruling is Ruling.REQUESTED
        assert board.raw.scard(board.keys.cancelled) == 1

    def test_reaches_a_job_that_was_released_without_a_record(self, board: Board) -> None:
        jobs = [board.held() for _ in range(45)]
        board.run(board.release([board.releasing(each) for each in jobs]))
        assert cancel(board, jobs[0].job).ruling is Ruling.REQUESTED
        assert cancel(board, jobs[44].job).ruling is Ruling.REQUESTED

    def test_reaches_a_job_too_deep_in_ready_to_be_found_but_is_not_sure(
        self, board: Board
    ) -> None:
        held = board.held()
        board.run(board.release([board.releasing(held)]))
        fill_ready(board)
        for _ in range(2):
            verdict = cancel(board, held.job)
            assert verdict.ruling is Ruling.UNSURE
            assert "not found" in verdict.reason
        assert len(board.events("cancel_requested")) == 1
        [first, *_] = board.fetch(Source.READY, count=1)
        assert board.run(board.release([board.releasing(first)])) == [Answer.CANCELLED]

    def test_finds_no_job_that_the_stream_never_had_in_a_long_ready(self, board: Board) -> None:
        board.held()
        fill_ready(board)
        assert cancel(board, b"99999999999999-0").ruling is Ruling.MISSING
        assert board.raw.scard(board.keys.cancelled) == 0

    @pytest.mark.parametrize("made_again", [False, True])
    def test_reaches_a_job_in_a_long_ready_whose_stream_is_gone(
        self, board: Board, made_again: bool
    ) -> None:
        held = board.held()
        board.run(board.release([board.releasing(held)]))
        fill_ready(board)
        board.raw.delete(board.keys.stream)
        if made_again:
            board.join()
        assert cancel(board, held.job).ruling is Ruling.UNSURE

    def test_of_a_promotion_that_failed_halfway_waits_for_the_copy(self, board: Board) -> None:
        held = board.held_again()
        board.raw.zadd(board.keys.delayed, {padded(held.job): 1})  # the last write is missing
        assert cancel(board, held.job).ruling is Ruling.REQUESTED
        assert board.raw.zcard(board.keys.delayed) == 0
        assert board.run(board.release([board.releasing(held)])) == [Answer.CANCELLED]

    def test_reaches_a_retry_in_the_ready_stream(self, board: Board) -> None:
        held = board.held_again()
        assert cancel(board, held.job).ruling is Ruling.REQUESTED
        assert board.run(board.release([board.releasing(held)])) == [Answer.CANCELLED]

    def test_refuses_a_dead_and_a_finished_job(self, board: Board) -> None:
        assert cancel(board, board.dead()) == (Ruling.REFUSED, "it is dead")
        held = board.held_again()
        board.run(board.complete(held))
        assert cancel(board, held.job) == (Ruling.REFUSED, "it is done")

    @pytest.mark.parametrize("job", [b"1-1", b"99999999999999-0", b"nonsense"])
    def test_finds_no_job_that_isnt_there(self, board: Board, job: bytes) -> None:
        board.held()
        before = board.snapshot()
        if job == b"nonsense":
            with pytest.raises(Exception, match="Invalid stream ID"):
                cancel(board, job)
        else:
            assert cancel(board, job).ruling is Ruling.MISSING
        assert board.snapshot() == before

    def test_finds_no_job_that_has_ended_without_a_record(self, board: Board) -> None:
        held = board.held()
        board.run(board.complete(held))
        assert cancel(board, held.job).ruling is Ruling.MISSING


class TestCancelOfADelayedJobOnly:
    def cancel(self, board: Board, job: bytes) -> writes.Verdict:
        return board.run(writes.cancel(board.keys, job, by="ada", only_delayed=True))

    def test_ends_it(self, board: Board) -> None:
        job = board.delayed()
        assert self.cancel(board, job).ruling is Ruling.OK
        assert board.places(job) == []
        assert self.cancel(board, job) == (Ruling.REFUSED, "it is cancelled, not delayed")

    def test_is_refused_of_any_other_and_asks_for_nothing(self, board: Board) -> None:
        held, again, dead = board.held().job, board.held_again().job, board.dead()
        released, done = board.held_again(), board.held_again()
        board.run(board.release([board.releasing(released)]))
        board.run(board.complete(done))
        unread = board.add()
        for job, state in (
            (held, "held"), (again, "held"), (dead, "dead"), (unread, "queued"),
            (released.job, "queued"), (done.job, "done"),
        ):  # fmt: skip
            before = board.snapshot()
            assert self.cancel(board, job) == (Ruling.REFUSED, f"it is {state}, not delayed")
            assert board.snapshot() == before

    def test_of_a_job_that_was_released_without_a_record_is_refused(self, board: Board) -> None:
        held = board.held()
        board.run(board.release([board.releasing(held)]))
        assert self.cancel(board, held.job) == (Ruling.REFUSED, "it is queued, not delayed")
        board.fetch(Source.READY)
        assert self.cancel(board, held.job) == (Ruling.REFUSED, "it is held, not delayed")

    def test_finds_no_job_that_isnt_there(self, board: Board) -> None:
        fill_ready(board)
        before = board.snapshot()
        assert self.cancel(board, b"1-1").ruling is Ruling.MISSING
        assert board.snapshot() == before


class TestRequeue:
    def requeue(self, board: Board, job: bytes, *, keep: bool = False) -> writes.Verdict:
        return board.run(writes.requeue(board.keys, job, by="ada", keep_schedule=keep))

    def test_gives_a_fresh_budget_and_drops_the_schedule(self, board: Board) -> None:
        held = board.held({**ODD, "delay": "5s", "run_at": "1", "expires": "1m"})
        board.run(board.bury([board.burial(held)]))
        assert self.requeue(board, held.job) == (Ruling.OK, "")
        assert board.places(held.job) == ["ready"]
        [fields] = board.ready()
        assert abs(int(fields.pop(b"@due")) - board.now()) < 5_000
        assert fields == {
            b"@job": held.job, b"@attempt": b"0", b"@deliveries": b"1", b"@lost": b"0",
            b"@crashes": b"0", b"type": b"t", b"@@mine": b"1", b"@@@twice": b"2",
            b"\xff\x00": b"\x00\xff", b"": b"", b"f:x": b"y",
        }  # fmt: skip
        record = board.record(held.job)
        assert record[b"state"] == b"queued"
        assert record[b"entry"] == board.entries(board.keys.ready)[0][0]
        assert (record[b"attempt"], record[b"begun"]) == (b"0", b"")
        assert board.story(held.job)[-1].items() >= {"event": "requeued", "by": "ada"}.items()
        assert board.dead_letters() == []

    def test_keeps_the_schedule_if_asked(self, board: Board) -> None:
        job = board.dead({"delay": "5s", "payload": "x"})
        self.requeue(board, job, keep=True)
        [fields] = board.ready()
        assert fields[b"delay"] == b"5s"
        assert b"@due" not in fields

    def test_leaves_the_producers_own_fields_where_they_mean_something_else(
        self, board: Board
    ) -> None:
        board.join(type_field="kind")
        job = board.dead({"kind": "t", "delay": "of the train", "expires": "never"})
        assert self.requeue(board, job).ruling is Ruling.OK
        [fields] = board.ready()
        assert (fields[b"delay"], fields[b"expires"]) == (b"of the train", b"never")
        assert b"@due" in fields

    def test_works_for_a_job_that_had_nothing_but_a_schedule(self, board: Board) -> None:
        job = board.dead({"delay": "5s"})
        assert self.requeue(board, job).ruling is Ruling.OK

    def test_of_a_long_job_drops_the_schedule_from_its_record(self, board: Board) -> None:
        fields: dict[Any, str] = {f"name-{number}": "v" for number in range(5_000)}
        job = board.dead({**fields, "delay": "5s"})
        assert self.requeue(board, job).ruling is Ruling.OK
        record = board.record(job)
        assert b"f:delay" not in record
        assert b"f:name-4999" in record
        assert board.ready()[0][b"@record"] == b"1"

    def test_is_refused_a_second_time(self, board: Board) -> None:
        job = board.dead()
        self.requeue(board, job)
        assert self.requeue(board, job) == (Ruling.REFUSED, "it is queued, not dead")
        assert len(board.ready()) == 1

    def test_finds_the_dead_letter_of_a_lost_record(self, board: Board) -> None:
        jobs = [board.dead() for _ in range(25)]
        board.raw.delete(board.keys.job(jobs[0]))
        assert self.requeue(board, jobs[0]).ruling is Ruling.OK
        assert board.places(jobs[0]) == ["ready"]

    def test_of_no_dead_letter_is_missing(self, board: Board) -> None:
        assert self.requeue(board, b"1-1").ruling is Ruling.MISSING
        job = board.dead()
        board.raw.delete(board.keys.dlq)
        assert self.requeue(board, job).ruling is Ruling.MISSING

    def test_lets_the_job_run_and_succeed(self, board: Board) -> None:
        job = board.dead()
        self.requeue(board, job)
        [held] = board.fetch(Source.READY)
        assert board.run(board.complete(held)) == [Answer.OK]
        assert board.record(job)[b"state"] == b"done"


@pytest.mark.parametrize("ask_for", [writes.requeue, writes.purge])
class TestAMissingDeadLetter:
    def test_lets_its_record_go_in_time(self, board: Board, ask_for: Any) -> None:
        job, kept = board.dead(), board.dead()
        board.raw.xdel(board.keys.dlq, board.record(job)[b"entry"])
        call = ask_for(board.keys, job, by="ada")
        assert board.run(call).ruling is Ruling.MISSING
        ended = board.raw.zscore(board.keys.finished, job)
        assert ended is not None
        assert abs(ended - board.now()) < 5_000
        time.sleep(0.003)
        assert board.run(call).ruling is Ruling.MISSING
        assert board.raw.zscore(board.keys.finished, job) == ended, "not kept for longer"
        board.run(writes.prune(board.keys))
        assert board.record(job)[b"state"] == b"dead"
        board.run(writes.set_facts(board.keys, {"finished_age_ms": 0}))
        board.run(writes.prune(board.keys))
        assert board.record(job) == {}
        assert board.record(kept)[b"state"] == b"dead"

    def test_of_no_record_writes_nothing(self, board: Board, ask_for: Any) -> None:
        before = board.snapshot()
        assert board.run(ask_for(board.keys, b"1-1", by="ada")).ruling is Ruling.MISSING
        assert board.snapshot() == before


class TestPurge:
    def test_removes_the_letter_and_keeps_the_story_for_a_while(self, board: Board) -> None:
        job = board.dead()
        assert board.run(writes.purge(board.keys, job, by="ada")) == (Ruling.OK, "")
        assert board.dead_letters() == []
        assert board.record(job)[b"state"] == b"purged"
        assert board.raw.zscore(board.keys.finished, job) is not None
        assert board.story(job)[-1].items() >= {"event": "purged", "by": "ada"}.items()

    def test_of_a_long_job_frees_its_fields(self, board: Board) -> None:
        job = board.dead({f"name-{number}": "v" for number in range(5_000)})
        board.run(writes.purge(board.keys, job, by="ada"))
        assert not [name for name in board.record(job) if name.startswith(b"f:")]

    def test_refuses_what_isnt_dead_and_misses_what_isnt_there(self, board: Board) -> None:
        job = board.delayed()
        verdict = board.run(writes.purge(board.keys, job, by="ada"))
        assert verdict == (Ruling.REFUSED, "it is delayed, not dead")
        assert board.run(writes.purge(board.keys, b"1-1", by="ada")).ruling is Ruling.MISSING
