"""requeue.lua with changes, run_now.lua and replay.lua: what a person lets run again, or sooner."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from retraced.store import writes
from retraced.store.writes import Answer, Ruling, Source
from tests.scripts.board import Board, ask, padded
from tests.scripts.test_moves import ODD

LONG: dict[Any, str] = {f"name-{number}": "v" for number in range(1_500)}


def requeue(board: Board, job: bytes, **options: Any) -> writes.Verdict:
    return board.run(writes.requeue(board.keys, job, by="ada", **options))


def own(fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """What the producer, or the person after it, gave."""
    return {
        name: value
        for name, value in fields.items()
        if not name.startswith(b"@") or name.startswith(b"@@")
    }


class TestAnEdit:
    def test_changes_adds_and_removes_fields(self, board: Board) -> None:
        job = board.dead(ODD)
        changes = {b"type": b"other", b"": None, b"@mine": b"2", b"@new": b"3", b"payload": b"\xff"}
        assert requeue(board, job, changes=changes) == (Ruling.OK, "")
        [fields] = board.ready()
        assert own(fields) == {
            b"type": b"other", b"@@mine": b"2", b"@@@twice": b"2", b"\xff\x00": b"\x00\xff",
            b"f:x": b"y", b"@@new": b"3", b"payload": b"\xff",
        }  # fmt: skip
        assert board.story(job)[-1]["edited"] == ["type", "", "@mine", "@new", "payload"]
        assert board.story(job)[-1]["by"] == "ada"
        [event] = board.events("requeued")
        assert event["jobs"][job.decode()]["edited"][0] == "type"

    def test_lets_the_rest_stay_in_order_and_as_it_was(self, board: Board) -> None:
        flat = ["a", "1", "b", "2", "a", "3", "c", "4", "c", "5"]
        job = ask(board.raw, "XADD", board.keys.stream, "*", *flat)
        board.run(board.bury([board.burial(held) for held in board.fetch()]))
        requeue(board, job, changes={b"c": b"new"})
        [(_, fields)] = board.entries(board.keys.ready)
        assert fields[-8:] == [b"a", b"1", b"b", b"2", b"a", b"3", b"c", b"new"]

    def test_is_what_the_job_has_from_then_on(self, board: Board) -> None:
        job = board.dead({"payload": "bad", "type": "t"})
        requeue(board, job, changes={b"payload": b"good"})
        [again] = board.fetch(Source.READY)
        board.run(board.delay([board.move(again)]))
        board.due_now(job)
        board.run(board.promote())
        [last] = board.fetch(Source.READY)
        board.run(board.bury([board.burial(last)]))
        assert own(board.dead_letters()[0]) == {b"payload": b"good", b"type": b"t"}

    def test_of_a_long_job_is_made_in_its_record(self, board: Board) -> None:
        job = board.dead(LONG)
        changes = {b"name-0": None, b"name-1": b"w", b"new": b"1", b"never": None}
        assert requeue(board, job, changes=changes).ruling is Ruling.OK
        record = board.record(job)
        assert b"f:name-0" not in record
        assert (record[b"f:name-1"], record[b"f:new"]) == (b"w", b"1")
        assert record[b"fields"] == b"1500"
        assert board.ready()[0][b"@record"] == b"1"

    def test_that_makes_a_job_long_puts_it_into_its_record(self, board: Board) -> None:
        job = board.dead({f"name-{number}": "v" for number in range(999)})
        assert requeue(board, job, changes={b"x": b"1", b"y": b"2"}).ruling is Ruling.OK
        assert board.ready()[0][b"@record"] == b"1"
        assert board.record(job)[b"fields"] == b"1001"
        assert board.record(job)[b"f:y"] == b"2"

    def test_that_makes_a_long_job_short_keeps_it_whole(self, board: Board) -> None:
        job = board.dead(LONG)
        gone: dict[bytes, bytes | None] = {b"name-%d" % number: None for number in range(1_400)}
        requeue(board, job, changes=gone)
        [held] = board.fetch(Source.READY)
        board.run(board.delay([board.move(held)]))
        board.due_now(job)
        board.run(board.promote())
        [fields] = board.ready()
        assert own(fields) == {b"name-%d" % number: b"v" for number in range(1_400, 1_500)}

    @pytest.mark.parametrize("name", [b"delay", b"run_at"])
    def test_of_the_schedule_counts(self, board: Board, name: bytes) -> None:
        job = board.dead({"delay": "5s", "expires": "1m", "type": "t"})
        requeue(board, job, changes={name: b"7"})
        [fields] = board.ready()
        assert own(fields) == {b"type": b"t", name: b"7"}
        assert b"@due" not in fields

    def test_of_the_schedule_of_a_long_job_counts(self, board: Board) -> None:
        job = board.dead({**LONG, "delay": "5s", "expires": "1m"})
        requeue(board, job, changes={b"expires": b"2m"})
        record = board.record(job)
        assert b"f:delay" not in record
        assert record[b"f:expires"] == b"2m"
        assert b"@due" in board.ready()[0]

    def test_keeps_the_schedule_if_asked(self, board: Board) -> None:
        job = board.dead({"delay": "5s", "expires": "1m"})
        requeue(board, job, changes={b"expires": None}, keep_schedule=True)
        [fields] = board.ready()
        assert own(fields) == {b"delay": b"5s"}
        assert b"@due" not in fields

    def test_of_a_job_that_is_queued_again_is_refused(self, board: Board) -> None:
        job = board.dead()
        requeue(board, job, changes={b"payload": b"1"})
        assert requeue(board, job, changes={b"payload": b"2"}).ruling is Ruling.REFUSED
        assert [each[b"payload"] for each in board.ready()] == [b"1"]


def test_a_job_that_lost_all_its_fields_survives_a_retry(board: Board) -> None:
    job = board.dead({"delay": "5s"})
    requeue(board, job)
    [held] = board.fetch(Source.READY)
    board.run(board.delay([board.move(held)]))
    board.due_now(job)
    board.run(board.promote())
    assert board.places(job) == ["ready"]


class TestAKnownEntry:
    def letters(self, board: Board) -> dict[bytes, bytes]:
        return {fields[1]: entry for entry, fields in board.entries(board.keys.dlq)}

    @pytest.mark.parametrize("ask_for", [writes.requeue, writes.purge])
    def test_finds_the_letter_of_a_lost_record_without_a_search(
        self, board: Board, ask_for: Any
    ) -> None:
        job = board.dead()
        entry = self.letters(board)[job]
        board.raw.delete(board.keys.job(job))
        for number in range(600):
            ask(board.raw, "XADD", board.keys.dlq, "*", "@job", f"{number}-1")
        assert board.run(ask_for(board.keys, job, by="ada")).ruling is Ruling.MISSING
        board.raw.config_resetstat()
        assert board.run(ask_for(board.keys, job, by="ada", entry=entry)).ruling is Ruling.OK
        assert "cmdstat_xrevrange" not in board.raw.info("commandstats")
        assert entry not in self.letters(board).values()
        assert board.run(ask_for(board.keys, job, by="ada", entry=entry)).ruling is not Ruling.OK

    @pytest.mark.parametrize("ask_for", [writes.requeue, writes.purge])
    def test_of_another_job_is_not_touched(self, board: Board, ask_for: Any) -> None:
        job, other = board.dead(), board.dead()
        entry = self.letters(board)[other]
        board.raw.delete(board.keys.job(job))
        verdict = board.run(ask_for(board.keys, job, by="ada", entry=entry))
        assert verdict.ruling is Ruling.MISSING
        assert set(self.letters(board)) == {job, other}

    @pytest.mark.parametrize("ask_for", [writes.requeue, writes.purge])
    def test_gives_way_to_what_the_record_says(self, board: Board, ask_for: Any) -> None:
        job, other = board.dead(), board.dead()
        entry = self.letters(board)[other]
        assert board.run(ask_for(board.keys, job, by="ada", entry=entry)).ruling is Ruling.OK
        assert set(self.letters(board)) == {other}

    def test_lets_a_letter_go_that_its_job_left_behind(self, board: Board) -> None:
        job = board.dead()
        fields = board.entries(board.keys.dlq)[0][1]
        requeue(board, job)
        left = ask(board.raw, "XADD", board.keys.dlq, "*", *fields)
        assert requeue(board, job, entry=left) == (Ruling.REFUSED, "it is queued, not dead")
        assert board.run(writes.purge(board.keys, job, by="ada")).ruling is Ruling.REFUSED
        verdict = board.run(writes.purge(board.keys, job, by="ada", entry=left))
        assert verdict.ruling is Ruling.OK
        assert "left behind" in verdict.reason
        assert board.places(job) == ["ready"]
        assert board.record(job)[b"state"] == b"queued"


class TestRunNow:
    def run_now(self, board: Board, job: bytes) -> writes.Verdict:
        return board.run(writes.run_now(board.keys, job, by="ada"))

    def test_puts_a_delayed_job_into_the_queue(self, board: Board) -> None:
        job = board.delayed(ODD)
        due = int(board.record(job)[b"due"])
        assert self.run_now(board, job) == (Ruling.OK, "")
        assert board.places(job) == ["ready"]
        [fields] = board.ready()
        assert abs(int(fields[b"@due"]) - board.now()) < 5_000
        assert (fields[b"@attempt"], fields[b"@begun"]) == (b"1", b"1")
        assert len(own(fields)) == len(ODD)
        record = board.record(job)
        assert record[b"state"] == b"queued"
        assert record[b"entry"] == board.entries(board.keys.ready)[0][0]
        told = board.story(job)[-1]
        assert told.items() >= {"event": "promoted", "by": "ada", "due": due}.items()
        assert len(board.events("promoted")) == 1

    def test_of_a_long_job_copies_nothing(self, board: Board) -> None:
        job = board.delayed(LONG)
        assert self.run_now(board, job).ruling is Ruling.OK
        assert board.ready()[0][b"@record"] == b"1"
        assert board.record(job)[b"fields"] == b"1500"

    def test_is_refused_a_second_time(self, board: Board) -> None:
        job = board.delayed()
        self.run_now(board, job)
        assert self.run_now(board, job) == (Ruling.REFUSED, "it is queued, not delayed")
        assert len(board.ready()) == 1

    def test_after_a_promotion_that_failed_halfway_makes_no_second_copy(self, board: Board) -> None:
        job = board.delayed()
        self.run_now(board, job)
        board.raw.zadd(board.keys.delayed, {padded(job): 1})
        assert self.run_now(board, job).ruling is Ruling.REFUSED
        assert board.places(job) == ["ready"]
        assert len(board.ready()) == 1

    def test_refuses_what_isnt_delayed_and_misses_what_isnt_there(self, board: Board) -> None:
        assert self.run_now(board, board.dead()) == (Ruling.REFUSED, "it is dead, not delayed")
        held = board.held()
        before = board.snapshot()
        assert self.run_now(board, held.job).ruling is Ruling.MISSING
        assert self.run_now(board, b"1-1").ruling is Ruling.MISSING
        assert board.snapshot() == before

    def test_of_a_lost_record_leaves_the_rest_to_promotion(self, board: Board) -> None:
        job = board.delayed()
        board.raw.delete(board.keys.job(job))
        verdict = self.run_now(board, job)
        assert verdict.ruling is Ruling.MISSING
        assert "record" in verdict.reason
        assert board.places(job) == ["delayed"]


class TestReplay:
    @pytest.fixture(autouse=True)
    def retained(self, board: Board) -> None:
        board.retain("all")

    def replay(self, board: Board, job: bytes) -> writes.Verdict:
        return board.run(writes.replay(board.keys, job, by="ada"))

    def settled(self, board: Board, fields: Any = None) -> bytes:
        held = board.held(fields)
        board.run(board.complete(held))
        return held.job

    def test_runs_a_settled_entry_again_with_a_fresh_budget(self, board: Board) -> None:
        job = self.settled(board, {**ODD, "delay": "5s", "expires": "1ms"})
        assert self.replay(board, job) == (Ruling.OK, "")
        assert board.places(job) == ["ready"]
        [fields] = board.ready()
        assert (fields[b"@attempt"], fields[b"@lost"], fields[b"@crashes"]) == (b"0", b"0", b"0")
        assert abs(int(fields[b"@due"]) - board.now()) < 5_000
        assert len(own(fields)) == len(ODD)
        assert board.record(job)[b"state"] == b"queued"
        assert board.story(job)[-1].items() >= {"event": "replayed", "by": "ada"}.items()
        assert job in [entry for entry, _ in board.entries(board.keys.stream)]

    def test_raises_the_fence(self, board: Board) -> None:
        job = self.settled(board)
        assert self.replay(board, job).ruling is Ruling.OK
        for at_least in (1, 2):
            [(_, fields)] = board.entries(board.keys.ready)
            assert int(fields[fields.index(b"@deliveries") + 1]) >= at_least
            [held] = board.fetch(Source.READY)
            assert board.run(board.complete(held)) == [Answer.OK]
            assert board.record(job)[b"state"] == b"done"
            assert self.replay(board, job).ruling is Ruling.OK
            assert board.raw.zscore(board.keys.finished, job) is None

    def test_of_a_long_job_keeps_it_in_its_record(self, board: Board) -> None:
        job = self.settled(board, LONG)
        assert self.replay(board, job).ruling is Ruling.OK
        assert board.record(job)[b"fields"] == b"1500"
        assert board.ready()[0][b"@record"] == b"1"

    def test_is_refused_a_second_time(self, board: Board) -> None:
        job = self.settled(board)
        self.replay(board, job)
        assert self.replay(board, job) == (Ruling.REFUSED, "it is queued")
        assert len(board.ready()) == 1

    def test_is_refused_while_the_job_is_alive_or_dead(self, board: Board) -> None:
        assert self.replay(board, board.held().job) == (Ruling.REFUSED, "it is held")
        assert self.replay(board, board.held_again().job).ruling is Ruling.REFUSED
        assert self.replay(board, board.delayed()) == (Ruling.REFUSED, "it is delayed")
        assert self.replay(board, board.dead()) == (Ruling.REFUSED, "it is dead")
        verdict = self.replay(board, board.add())
        assert verdict.ruling is Ruling.REFUSED
        assert "yet" in verdict.reason
        assert board.ready() == [] or len(board.ready()) == 1

    def test_is_refused_for_what_was_given_back_unstarted(self, board: Board) -> None:
        held = board.held()
        board.run(board.release([board.releasing(held)]))
        for number in range(600):
            ask(board.raw, "XADD", board.keys.ready, "*", "@job", f"{number}-1")
        assert self.replay(board, held.job) == (Ruling.REFUSED, "it is queued")

    def test_is_refused_for_what_was_given_back_before_the_stream_retained(
        self, board: Board
    ) -> None:
        board.raw.delete(board.keys.settings)
        Board(board.raw, board.keys.stream_name, group="other").join()
        held = board.held()
        board.run(board.release([board.releasing(held)]))
        assert board.record(held.job) == {}
        board.retain("all")
        for number in range(600):
            ask(board.raw, "XADD", board.keys.ready, "*", "@job", f"{number}-1")
        assert self.replay(board, held.job) == (Ruling.REFUSED, "it is queued")
        assert self.replay(board, self.settled(board)).ruling is Ruling.OK

    def test_is_refused_where_nothing_is_retained(self, board: Board) -> None:
        Board(board.raw, board.keys.stream_name, group="other").join()
        board.raw.delete(board.keys.settings)
        verdict = self.replay(board, self.settled(board))
        assert verdict == (Ruling.REFUSED, "the stream retains no entries")

    def test_of_an_entry_that_is_gone_is_missing(self, board: Board) -> None:
        job = self.settled(board)
        board.raw.xdel(board.keys.stream, job)
        assert self.replay(board, job).ruling is Ruling.MISSING
        assert board.ready() == []

    def test_without_its_group_is_an_error(self, board: Board) -> None:
        job = self.settled(board)
        board.raw.xgroup_destroy(board.keys.stream, "g")
        before = board.snapshot()
        with pytest.raises(redis.ResponseError, match="NOGROUP"):
            self.replay(board, job)
        assert board.snapshot() == before
