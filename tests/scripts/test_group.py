"""join, reap, sweep, drained, set_facts, pause, resume and disband: a group as a whole."""

from __future__ import annotations

import itertools

import pytest
import redis

from retraced.store import writes
from retraced.store.writes import Ruling, Source
from tests.scripts.board import Board, numbers_of


class TestJoin:
    def test_makes_both_groups_and_the_facts(self, client: redis.Redis, stream: str) -> None:
        board = Board(client, stream)
        joined = board.join()
        assert joined == (True, False, 30_000, 1, {}, 1, False)
        for source in Source:
            assert [each["name"] for each in client.xinfo_groups(board.key(source))] == [b"g"]
        assert board.state().items() >= {b"protocol": b"1", b"version": b"1"}.items()
        [event] = board.events("group_created")
        assert event["start"] == "0"

    def test_a_second_time_changes_nothing(self, board: Board) -> None:
        before = board.snapshot()
        assert board.join(visibility_ms=9_000, start=b"$") == (
            False,
            False,
            30_000,
            1,
            {},
            1,
            False,
        )
        assert board.snapshot() == before

    @pytest.mark.parametrize(("asked", "given"), [(5_000, 5_000), (1, 3_000)])
    def test_the_first_worker_says_the_visibility_timeout(
        self, client: redis.Redis, stream: str, asked: int, given: int
    ) -> None:
        assert Board(client, stream).join(visibility_ms=asked).visibility_ms == given

    def test_starts_where_it_is_told(self, client: redis.Redis, stream: str) -> None:
        for group, start in (("all", b"0"), ("now", b"$"), ("id", b"5-0")):
            board = Board(client, stream, group=group)
            if group == "all":
                board.add(entry="5-0")
                board.add(entry="6-0")
            board.join(start=start)
        read = {group: Board(client, stream, group=group).fetch() for group in ("all", "now", "id")}
        assert {group: len(held) for group, held in read.items()} == {"all": 2, "now": 0, "id": 1}

    def test_a_newer_protocol_is_told_and_nothing_written(
        self, client: redis.Redis, stream: str
    ) -> None:
        board = Board(client, stream)
        client.hset(board.keys.state, "protocol", 2)
        before = board.snapshot()
        assert board.join().protocol == 2
        assert board.snapshot() == before
        assert board.join(protocol=3).protocol == 2

    def test_a_vanished_group_begins_at_its_checkpoint(self, board: Board) -> None:
        first, second = Board(board.raw, board.keys.stream_name, group="other"), board
        first.join()
        jobs = [board.add() for _ in range(4)]
        held = second.fetch()
        second.run(second.complete(held[0], held[1]))
        second.run(writes.sweep(second.keys))
        board.raw.xgroup_destroy(board.keys.stream, "g")
        joined = board.join()
        assert (joined.created, joined.restored) == (False, True)
        assert [each.job for each in board.fetch()] == jobs[2:]
        [event] = board.events("group_restored")
        assert numbers_of(event["start"].encode()) < numbers_of(jobs[2])

    def test_a_vanished_group_of_a_new_stream_begins_at_its_start(self, board: Board) -> None:
        board.run(board.complete(board.held()))
        board.run(writes.sweep(board.keys))
        board.raw.delete(board.keys.stream)
        board.add(entry="1-1")
        assert board.join().restored
        assert [each.job for each in board.fetch()] == [b"1-1"]

    def test_a_lost_ready_group_takes_all_that_is_in_ready(self, board: Board) -> None:
        held = board.held_again()
        board.raw.xgroup_destroy(board.keys.ready, "g")
        assert board.join().restored
        assert [each.job for each in board.fetch(Source.READY)] == [held.job]


class TestReap:
    def test_takes_a_consumer_off_both_streams(self, board: Board) -> None:
        board.run(board.complete(board.held(), board.held_again()))
        board.run(board.renew())
        assert board.run(writes.leave(board.keys, b"w1")) == (Ruling.OK, "")
        for source in Source:
            assert board.raw.xinfo_consumers(board.key(source), "g") == []
        assert board.raw.zcard(board.keys.workers) == 0
        assert not board.raw.exists(board.keys.worker(b"w1"))
        assert board.run(writes.leave(board.keys, b"w1")).ruling is Ruling.MISSING

    @pytest.mark.parametrize("source", Source)
    def test_refuses_while_something_is_pending(self, board: Board, source: Source) -> None:
        held = board.held() if source is Source.STREAM else board.held_again()
        board.run(board.renew())
        verdict = board.run(writes.leave(board.keys, b"w1"))
        assert verdict == (Ruling.REFUSED, "it still holds jobs")
        assert held.entry in board.pending(source)
        assert board.raw.zcard(board.keys.workers) == 1

    def test_refuses_a_living_worker_if_told_to(self, board: Board) -> None:
        board.run(board.renew())
        verdict = board.run(writes.leave(board.keys, b"w1", expired=True))
        assert verdict == (Ruling.REFUSED, "it is alive")
        board.raw.delete(board.keys.worker(b"w1"))
        verdict = board.run(writes.leave(board.keys, b"w1", expired=True))
        assert verdict.ruling is Ruling.OK


class TestDrained:
    def drained(self, board: Board, until_ms: int | None = None) -> writes.Drained:
        return board.run(writes.drained(board.keys, until_ms=until_ms))

    def test_of_an_untouched_group_is_empty(self, board: Board) -> None:
        before = board.snapshot()
        assert self.drained(board) == (True, 0, 0, 0, 0, False)
        assert board.snapshot() == before

    def test_sees_unread_ready_pending_and_delayed(self, board: Board) -> None:
        board.add()
        assert self.drained(board) == (False, 1, 0, 0, 0, False)
        [held] = board.other(b"w2").fetch()
        assert self.drained(board) == (False, 0, 0, 1, 0, False)
        other = board.other(b"w2")
        board.run(other.delay([board.move(held, after_ms=0)]))
        assert self.drained(board) == (False, 0, 1, 0, 0, False)
        [again] = board.fetch(Source.READY)
        assert self.drained(board) == (False, 0, 0, 1, 0, False)
        [moved] = board.run(board.delay([board.move(again)]))
        assert self.drained(board) == (False, 0, 0, 0, 1, False)
        assert self.drained(board, until_ms=moved.due_ms - 1).empty
        assert not self.drained(board, until_ms=moved.due_ms).empty

    def test_tells_of_a_pause(self, board: Board) -> None:
        board.run(writes.pause(board.keys, by="ada"))
        assert self.drained(board).paused


class TestFactsAndPause:
    def test_facts_are_set_removed_and_counted(self, board: Board) -> None:
        facts: dict[str, str | int] = {"max_attempts": 3, "backoff": "fixed:1s", "timeout_ms": 500}
        assert board.run(writes.set_facts(board.keys, facts, by="ada")) == 2
        assert board.run(writes.set_facts(board.keys, {"backoff": ""}, by="bob")) == 3
        told = [(each["by"], each["changes"]) for each in board.events("group_changed")]
        assert told == [
            ("ada", "max_attempts 3, backoff fixed:1s, timeout_ms 500"),
            ("bob", "backoff none"),
        ]
        joined = board.join()
        assert joined.facts == {"max_attempts": "3", "timeout_ms": "500"}
        assert joined.version == 3

    def test_an_unknown_fact_is_refused(self, board: Board) -> None:
        with pytest.raises(ValueError, match="tick"):
            writes.set_facts(board.keys, {"tick": 1})
        with pytest.raises(ValueError, match="3000"):
            writes.set_facts(board.keys, {"visibility_ms": 100})

    def test_a_pause_is_kept_with_who_and_why(self, board: Board) -> None:
        assert board.run(writes.pause(board.keys, by="ada", why="tests")) == (Ruling.OK, "")
        state = board.state()
        assert (state[b"paused_by"], state[b"paused_why"]) == (b"ada", b"tests")
        assert abs(int(state[b"paused_since"]) - board.now()) < 5_000
        assert board.join().paused
        assert board.run(writes.pause(board.keys, by="bob")).ruling is Ruling.REFUSED
        assert board.run(writes.resume(board.keys, by="ada")) == (Ruling.OK, "")
        assert not [name for name in board.state() if name.startswith(b"paused")]
        assert board.run(writes.resume(board.keys, by="ada")).ruling is Ruling.REFUSED
        assert [each["by"] for each in board.events("paused") + board.events("resumed")] == [
            "ada", "ada",
        ]  # fmt: skip


class TestDisband:
    def disband(self, board: Board) -> int:
        records = 0
        for _ in range(20):
            disbanded = board.run(writes.disband(board.keys))
            records += disbanded.records
            if not disbanded.more:
                return records
        raise AssertionError("it doesn't come to an end")

    def test_leaves_nothing_of_the_group(self, board: Board) -> None:
        for _ in range(25):
            board.dead()
        board.delayed()
        board.run(board.complete(board.held_again()))
        held = board.held_again()
        first = board.held()
        board.silence(first)
        board.ticking()
        board.run(board.other(b"w2").reclaim())
        board.held()
        assert board.record(held.job)
        assert self.disband(board) >= 29
        assert [key for key in board.snapshot() if b":g:" in key] == []
        assert board.raw.xinfo_groups(board.keys.stream) == []

    def test_frees_what_it_pinned_and_leaves_the_other_group_alone(self, board: Board) -> None:
        other = Board(board.raw, board.keys.stream_name, group="other")
        other.join()
        jobs = [board.add() for _ in range(4)]
        other.run(other.complete(*other.fetch(count=3)))
        board.fetch(count=2)
        self.disband(board)
        assert [entry for entry, _ in board.entries(board.keys.stream)] == jobs[3:]
        assert [each.job for each in other.fetch()] == jobs[3:]

    def test_of_the_only_group_frees_the_whole_stream(self, board: Board) -> None:
        other = Board(board.raw, board.keys.stream_name, group="other")
        other.join()
        for _ in range(6):
            board.add()
        other.run(other.complete(*other.fetch(count=2)))
        board.run(board.complete(*board.fetch(count=4)))
        self.disband(board)
        assert len(board.entries(board.keys.stream)) == 4
        self.disband(other)
        assert board.entries(board.keys.stream) == []
        board.add(entry="99999999999999-0")
        board.join()
        assert [each.job for each in board.fetch()] == [b"99999999999999-0"]

    @pytest.mark.parametrize("alone", [True, False])
    def test_frees_a_long_stream_in_bounded_steps_and_goes_last(
        self, board: Board, alone: bool
    ) -> None:
        with board.raw.pipeline(transaction=False) as pipe:
            for number in range(1, 25_011):
                pipe.xadd(board.keys.stream, {"a": "b"}, id=f"{number}-0")
            pipe.execute()
        if not alone:
            other = Board(board.raw, board.keys.stream_name, group="other")
            other.join(start=b"25007-0")
        steps = []
        for _ in range(9):
            more = board.run(writes.disband(board.keys)).more
            here = any(each["name"] == b"g" for each in board.raw.xinfo_groups(board.keys.stream))
            steps.append(board.raw.xlen(board.keys.stream))
            assert here == more == bool(board.raw.exists(board.keys.state))
            if not more:
                break
        assert len(steps) >= 3
        assert max(a - b for a, b in itertools.pairwise([25_010, *steps])) <= 10_200
        assert steps[-1] == (0 if alone else 3)

    def test_of_a_stream_that_retains_trims_nothing(self, board: Board) -> None:
        board.raw.hset(board.keys.settings, "retain", "all")
        jobs = [board.add() for _ in range(3)]
        board.run(board.complete(*board.fetch(count=2)))
        self.disband(board)
        assert [entry for entry, _ in board.entries(board.keys.stream)] == jobs

    def test_of_a_group_that_was_gone_from_its_stream_trims_nothing(self, board: Board) -> None:
        jobs = [board.add() for _ in range(3)]
        board.raw.xgroup_destroy(board.keys.stream, "g")
        self.disband(board)
        assert [entry for entry, _ in board.entries(board.keys.stream)] == jobs

    def test_of_nothing_is_no_error(self, client: redis.Redis, stream: str) -> None:
        assert self.disband(Board(client, stream)) == 0
